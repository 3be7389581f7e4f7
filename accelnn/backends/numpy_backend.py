"""NumPy: always there, one process, as many threads as its BLAS takes."""

import math
import os
from typing import Any, ClassVar

import numpy as np

from accelnn.backends.base import Backend, Status


class NumpyBackend(Backend):
    """Ufuncs and BLAS on NumPy arrays."""

    name: ClassVar[str] = "numpy"
    folder: ClassVar[str] = "on_numpy"
    xp: Any = np

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return zeros that begin with a cache line, as flat buffers of parameters should.

        NumPy's own arrays begin anywhere; a product is some per cent slower into such a one.
        """
        kind, line = np.dtype(dtype), 64
        count = math.prod(shape)
        memory = np.zeros(count * kind.itemsize + line, np.uint8)
        start = -memory.ctypes.data % line
        return memory[start : start + count * kind.itemsize].view(kind).reshape(shape)

    @classmethod
    def status(cls) -> Status:
        """Say which NumPy and BLAS, on which processor."""
        return Status(
            cls.name,
            True,
            library="numpy",
            version=np.__version__,
            device=cpu_name(),
            threads=cpu_threads(),
            blas=blas_name(),
        )


def cpu_name() -> str:
    """Return what the operating system calls the processor."""
    import platform

    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    except OSError:
        names = []
    known = [*names, platform.processor(), platform.machine()]
    return next((name for name in known if name), "CPU")


def cpu_threads() -> int:
    """Return how many threads BLAS starts: what the environment says, else the cores allowed."""
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        if (given := os.environ.get(variable, "")).isdigit():
            return int(given)
    return cores()


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # what a container or taskset leaves; not on every system
        return len(os.sched_getaffinity(0))
    return int(os.cpu_count() or 1)


def blas_name() -> str:
    """Return name and version of the BLAS that NumPy was built with."""
    built: Any = np.show_config(mode="dicts")
    blas = built.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()
