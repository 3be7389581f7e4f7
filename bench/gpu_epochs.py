"""An epoch of MNIST 784-512-512-10: accelnn in all its ways, and PyTorch and JAX on the same GPU.

Data and weights lie on the device. A turn begins with the order of the rows on the host and ends
with the mean loss there, the device having been waited for before and after; so a time is that of
hundreds of steps, on the clock of the CPU. Each round asks all contestants, one after the other.
What the first call takes, compiling and capturing included, is kept apart.
"""

import time
from statistics import median
from typing import Any

import numpy as np

from accelnn.bench.gpu_data import images, program
from accelnn.bench.gpu_device import Device
from accelnn.bench.gpu_run import Run, times
from accelnn.bench.gpu_tile import library_bound
from accelnn.bench.networks import RATES
from accelnn.program import Program

BATCHES = (128, 4096, 512, 32)  # in the order of their weight, should the time run out
ROUNDS = 5
#: (variant, library whose process runs it, precision); the first is what a user gets.
CONTESTANTS = (
    ("accelnn", "accelnn", "float32"),
    ("accelnn", "accelnn", "tf32"),
    ("accelnn", "accelnn", "bf16"),
    ("accelnn together", "accelnn", "float32"),
    ("accelnn graph", "accelnn", "float32"),
    ("accelnn launches", "accelnn", "float32"),
    ("accelnn library", "accelnn", "float32"),
    ("accelnn eager", "accelnn", "float32"),
    ("torch eager", "torch", "float32"),
    ("torch eager", "torch", "tf32"),
    ("torch graph", "torch", "float32"),
    ("torch graph", "torch", "tf32"),
    ("jax scan", "jax", "float32"),
    ("jax scan", "jax", "tf32"),
)
#: How far the mean loss of a first epoch may be from that of accelnn in float32.
AGREEMENT = 0.05


def epochs(
    run: Run, found: dict[str, Any], batches: tuple[int, ...] = BATCHES, rounds: int = ROUNDS
) -> None:
    """Measure all contestants at each batch, with both optimizers."""
    found["data"], found["rows"] = images(run.device.rows)[0], run.device.rows
    found["absent"] = absent = {}
    for library in ("torch", "jax"):
        if (why := run.ask(library, "gpu_peers.absence", library=library)) != "":
            absent[library] = why or "its process failed"
    there = [c for c in CONTESTANTS if c[1] not in absent]
    for batch in batches:
        for optimizer in RATES:
            rows: dict[str, Any] = {}
            found.setdefault(optimizer, {})[str(batch)] = rows
            _contest(run, rows, there, {"optimizer": optimizer, "batch": batch}, rounds)


def _contest(
    run: Run, rows: dict[str, Any], contestants: Any, what: dict[str, Any], rounds: int
) -> None:
    """Fill in {"name, precision": {"first": s, "seconds": [...], "median": s, ...}}."""
    playing = list(contestants)
    for number in range(rounds + 1):
        for contestant in tuple(playing):
            variant, library, precision = contestant
            where = {"accelnn": "gpu_epochs", "torch": "gpu_torch", "jax": "gpu_jax"}[library]
            order = {"variant": variant, "precision": precision, "seed": number}
            answer = run.ask(library, f"{where}.epoch", **what, **order)
            if number and answer is not None and answer[2]:
                # Somebody's failure has ended its process, so that it was made again.
                answer = run.ask(library, f"{where}.epoch", **what, **order)
            if answer is None:
                playing.remove(contestant)
                continue
            seconds, loss, _ = answer
            row = rows.setdefault(f"{variant}, {precision}", {"seconds": []})
            if number:
                row["seconds"].append(seconds)
            else:
                row.update({"first": seconds, "first loss": loss})
        compare(rows)
    for name, row in rows.items():
        if row.get("agrees") is False:
            run.fail(f"{name}, {what}", f"its first epoch has a loss of {row['first loss']:.4g}")


def compare(rows: dict[str, Any]) -> None:
    """Add medians, ratios to accelnn in the same precision, and whether the losses agree."""
    reference = rows.get("accelnn, float32", {}).get("first loss")
    for name, row in rows.items():
        mine = rows.get(f"accelnn, {name.rpartition(', ')[2]}", {}).get("seconds", [])
        if row["seconds"]:
            row["median"] = median(row["seconds"])
        if row["seconds"] and mine:
            row["times accelnn"] = times(row["seconds"], mine)
        if reference:
            row["agrees"] = bool(abs(row["first loss"] / reference - 1) <= AGREEMENT)


# In the process of accelnn ------------------------------------------------------------------------


class Ours:
    """A program of accelnn, run in one of its ways."""

    def __init__(
        self, device: Device, variant: str, optimizer: str, batch: int, precision: str
    ) -> None:
        way = variant.partition(" ")[2] or "auto"
        self.device, self.rate = device, RATES[optimizer]
        self.library = way == "library"
        backend = device.backend("graph" if self.library else way)
        self.made: Program = program(device, backend, optimizer, batch, precision)

    def train(self, order: Any) -> float:
        """Return the mean loss of an epoch."""
        if self.library:
            with library_bound(0.0):
                return self._train(order)
        return self._train(order)

    def _train(self, order: Any) -> float:
        made = self.made
        made.start_epoch(order)
        return made.run(0, made.n_batches, [self.rate] * made.n_batches) / len(order)

    def wait(self) -> None:
        """Wait for the device."""
        self.device.synchronize()


class Kept:
    """The contestants of one process at one batch; those of the batch before are dropped."""

    def __init__(self, factory: Any) -> None:
        self.factory, self.held = factory, dict[tuple[str, str], Any]()
        self.config: tuple[str, int] | None = None

    def epoch(
        self, device: Device, variant: str, precision: str, optimizer: str, batch: int, seed: int
    ) -> tuple[float, float, bool]:
        """Train an epoch; return its seconds, its loss, and whether the seconds include making."""
        if self.config != (optimizer, batch):
            self.held.clear()
            self.config = optimizer, batch
        order = np.random.default_rng(seed).permutation(device.rows)
        key = variant, precision
        new = key not in self.held
        if not new:
            self.held[key].wait()
        start = time.perf_counter()
        if new:
            self.held[key] = self.factory(device, variant, optimizer, batch, precision)
        loss = self.held[key].train(order)
        self.held[key].wait()
        return time.perf_counter() - start, loss, new


epoch = Kept(Ours).epoch
