"""From which size on does a library multiply faster than the engine's own tile?

A stack of two square layers is trained by the captured graph, once with the tile and once with
cuBLAS, in turns; times are taken on the device, over enough steps to hide what Python does between
ranges. What the tile gains by fusing bias, activation and update into its products is thus counted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import numpy as np

from accelnn import nn, optim
from accelnn.bench.gpu_device import Device
from accelnn.bench.gpu_run import Run, times
from accelnn.kernels.on_cupy import program as engine
from accelnn.program import lower

ROWS = (32, 128, 512, 2048, 8192)
WIDTHS = (128, 512, 1024, 4096)
#: Multiplications of a product beyond which the question is settled and a step takes too long.
MOST = 2**33


def tile(
    run: Run, found: dict[str, Any], rows: tuple[int, ...] = ROWS, widths: tuple[int, ...] = WIDTHS
) -> None:
    """Measure each shape, the small ones first, and say from where the library wins."""
    shapes = [(n * w * w, n, w) for n in rows for w in widths if n * w * w <= MOST]
    found["LIBRARY_FROM"], found["shapes"] = engine.LIBRARY_FROM, []
    for _, n, width in sorted(shapes):
        if row := run.ask("accelnn", "gpu_tile.shape", rows=n, width=width):
            found["shapes"].append(row)
    found["library from"] = library_from(found["shapes"])


def library_from(shapes: list[dict[str, Any]]) -> int | None:
    """Return the fewest multiplications from which on the library is faster at every shape."""
    lost = max((row["multiplications"] for row in shapes if row["tile / library"] <= 1), default=0)
    return min((m for row in shapes if (m := row["multiplications"]) > lost), default=None)


# In the process of accelnn ------------------------------------------------------------------------


def shape(
    device: Device, rows: int, width: int, rounds: int = 5, least: float = 0.02
) -> dict[str, Any]:
    """Seconds of a step, by tile and by library, over ranges of ``least`` seconds or more."""
    ranges = {
        "tile": _Range(device, rows, width, float("inf"), least),
        "library": _Range(device, rows, width, 0.0, least),
    }
    found: dict[str, list[float]] = {name: [] for name in ranges}
    for _ in range(rounds):
        for name, each in ranges.items():
            found[name].append(each.seconds())
    for each in ranges.values():
        each.program.close()
    return {
        "rows": rows,
        "width": width,
        "multiplications": rows * width * width,
        "steps": {name: each.count for name, each in ranges.items()},
        "seconds": found,
        "median": {name: median(s) for name, s in found.items()},
        "tile / library": times(found["tile"], found["library"]),
    }


class _Range:
    """Some steps of a program, as many as take a while; ``bound`` as of ``library_bound``."""

    def __init__(self, device: Device, rows: int, width: int, bound: float, least: float) -> None:
        self.device, self.rows, self.bound = device, rows, bound
        backend, rng = device.backend("graph"), np.random.default_rng(0)
        model = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        model.to(backend)
        rule = optim.SGD(model.parameters(), lr=0.0)
        self.program = lower(model, nn.MSELoss(), rule, backend, rows)
        X, y = (backend.asarray(rng.random((rows, width), np.float32)) for _ in range(2))
        self.program.bind(X, y)
        self._set(1)
        self.seconds()  # captures
        self._set(min(max(1, int(least / max(self.seconds(), 1e-7)) // self.count), 64))

    def _set(self, graphs: int) -> None:
        self.count = engine.UNROLLED * graphs
        self.program.start_epoch(np.tile(np.arange(self.rows), self.count))

    def seconds(self) -> float:
        """Seconds of a step."""
        scalars = np.zeros((self.count, 4))  # a rate of 0: the weights stay as they are

        def run() -> None:
            self.program.backend.run_steps(self.program.plan, 0, self.count, scalars)

        with library_bound(self.bound):
            return self.device.seconds(run, 1) / self.count


@contextmanager
def library_bound(multiplications: float) -> Iterator[None]:
    """Let programs take the library for products of so many multiplications and more."""
    before, engine.LIBRARY_FROM = engine.LIBRARY_FROM, multiplications
    try:
        yield
    finally:
        engine.LIBRARY_FROM = before
