"""The most memory that an epoch takes, beyond what its process held before.

Measured in a process of its own, which has the data, the library and its compiled code in memory
when it begins. The data are bytes, as the files have them; a backend that computes with floats
makes floats of them, and that counts. On a GPU it is the device's memory that counts, as CuPy's
pool held it.
"""

import ctypes
import gc
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from accelnn import nn
from accelnn.backends import Backend, get_backend
from accelnn.bench.arena import Player
from accelnn.bench.networks import RATES, network
from accelnn.datasets import load_default
from accelnn.program import Program, lower

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def resident(name: str) -> int:
    """Return bytes of main memory by Linux's name: VmRSS, held now, or VmHWM, the most held."""
    found = re.search(rf"^{name}:\s+(\d+) kB", STATUS.read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        raise OSError(f"{STATUS} does not say {name}")
    return 1024 * int(found[1])


def no_peak() -> str:
    """Return why the peak of a process cannot be measured here; empty where it can."""
    if sys.platform != "linux":
        return "the peak of a process is read from /proc, which only Linux has"
    try:
        CLEAR.write_text("5", encoding="ascii")  # makes what is held now the most that was held
        resident("VmHWM")
    except OSError as error:
        return f"this system does not tell the peak of a process: {error}"
    return ""


def trim() -> None:
    """Give memory back that was freed: what is allocated next would be put there, and not count."""
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)  # the C library may have none
    if give_back is not None:
        give_back(0)


class HostPeak:
    """Main memory: the most that was held, since this was made, above what was held then."""

    def __init__(self) -> None:
        gc.collect()
        trim()
        CLEAR.write_text("5", encoding="ascii")
        self.before = resident("VmRSS")

    def bytes(self) -> int:
        """Return it."""
        return max(0, resident("VmHWM") - self.before)


class DevicePeak:
    """A GPU's memory: CuPy's pool gives nothing back by itself, so what it holds is its peak."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        gc.collect()
        backend.free_memory()
        self.before = self._held()

    def _held(self) -> int:
        with self.backend.scope():
            return int(self.backend.xp.get_default_memory_pool().total_bytes())

    def bytes(self) -> int:
        """Return it."""
        return max(0, self._held() - self.before)


def floor_bytes(made: Program, X: Any) -> int:
    """Return the bytes of a program's buffers, and of its data where those are not X itself."""
    plan = made.plan
    held = [plan.params, plan.grads, plan.states, plan.work, plan.deltas]
    if type(plan.X) is not type(X) or not np.may_share_memory(plan.X, X):
        held.append(plan.X)
    return sum(int(each.nbytes) for each in held)


def prepare(
    backend: Backend, optimizer: str, X: Any, y: Any, scale: float, widths: Any, batch: int
) -> Program:
    """Return a program that reads the bytes, or makes floats of them."""
    model, rule = network(backend, optimizer, X.shape[1], np.float32, widths)
    made = lower(model, nn.CrossEntropyLoss(), rule, backend, batch)
    made.bind(X, y, scale)
    return made


def fit(optimizer: str, made: Program) -> None:
    """Train an epoch."""
    made.run(0, made.n_batches, [RATES[optimizer]] * made.n_batches)
    made.backend.synchronize()


def observer(backend: str, rows: int | None) -> Player:
    """Return what trains an epoch and returns its seconds, its peak and the least it must be."""
    data, held = load_default(), get_backend(backend)
    X, y = data.X_train.reshape(len(data.X_train), -1)[:rows], data.y_train[:rows]
    scale, classes = 1 / data.pixel_max, int(y.max()) + 1

    def observe(task: tuple[str, tuple[int, ...], int]) -> dict[str, float]:
        optimizer, widths, batch = task
        # A tiny network first: compiled code, threads and their stacks are then there. The same
        # network would leave room behind in the heap that the next one could hide in.
        with prepare(held, optimizer, X[:8], y[:8], scale, (1, 2, classes), 4) as tiny:
            fit(optimizer, tiny)
        peak = DevicePeak(held) if backend.partition(":")[0] == "cupy" else HostPeak()
        with prepare(held, optimizer, X, y, scale, widths, batch) as made:
            start = time.perf_counter()
            fit(optimizer, made)
            seconds = time.perf_counter() - start
            return {
                "seconds": seconds,
                "peak_bytes": peak.bytes(),
                "floor_bytes": floor_bytes(made, X),
            }

    return observe
