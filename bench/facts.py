"""What figures are taken on: processor, threads, libraries, GPU, and who else was at work."""

import os
import platform
import sys
import time
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numba
from threadpoolctl import threadpool_info

import accelnn
from accelnn.backends import list_backends
from accelnn.backends.numpy_backend import cores

LIBRARIES = ("numpy", "numba", "scikit-learn", "torch", "jax", "jaxlib")
#: What tells a library how many threads to start.
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "XLA_FLAGS",
)
FLAGS = ("avx2", "fma", "avx512f")
#: Cores that other programs may use, on average over a part, before its figures are doubted; a
#: short part on a quiet machine reads up to 0.05, as the clock of the system ticks in 10 ms.
QUIET = 0.1


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": cores(),
        "backends": [asdict(status) for status in list_backends()],
        "time": time.strftime("%Y-%m-%d"),
    }


def facts() -> dict[str, Any]:
    """What the figures were taken on, and by which versions."""
    return {
        **machine(),
        "accelnn": accelnn.__version__,
        "flags": cpu_flags(),
        "memory": memory(),
        "threads by environment": {n: os.environ[n] for n in THREADS if n in os.environ},
        "versions": {name: installed(name) for name in LIBRARIES},
        "pools": pools(),
    }


def memory() -> int | None:
    """Return the bytes of the machine's memory, None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def pools() -> list[str]:
    """Return who has threads of its own in this process, and how many."""
    library: Any = numba
    found = [
        f"{pool['internal_api']} {pool['version'] or ''} "
        f"({pool.get('threading_layer', 'own threads')}, {pool['num_threads']} threads)"
        for pool in threadpool_info()
    ]
    layer: Any = sys.modules.get("numba.np.ufunc.parallel")
    if layer is not None and layer._is_initialized:
        found.append(f"Numba (threading layer {library.threading_layer()})")
    return [*found, f"accelnn (own threads, {library.config.NUMBA_NUM_THREADS} threads)"]


def cpu_flags() -> dict[str, bool] | None:
    """Return which instructions the processor has; None where the system does not say."""
    path = Path("/proc/cpuinfo")
    if platform.machine() not in ("x86_64", "AMD64") or not path.exists():
        return None
    words = set(path.read_text(encoding="utf-8").split())
    return {flag: flag in words for flag in FLAGS}


def installed(name: str) -> str | None:
    """Return the version of a library, None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def foreign_seconds() -> float | None:
    """Return the processor seconds of all programs but this one and its ended children.

    With those that a virtual machine's host kept for itself; only differences have a meaning. None
    where the system does not say.
    """
    path = Path("/proc/stat")
    if not path.exists():
        return None
    ticks = [int(word) for word in path.read_text(encoding="utf-8").split("\n")[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = ticks
    used = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    return used - sum(os.times()[:4])
