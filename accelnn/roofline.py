"""The ceilings of a machine: the most operations and bytes per second that anything here reaches.

A kernel of so many operations and bytes takes at least ``max(flops / peak, bytes / bandwidth)``
(Williams, Waterman & Patterson, "Roofline", CACM 52(4), 2009). Both ceilings are measured, in some
tenths of a second, when they are first asked for, and kept for the process. What else the machine
does meanwhile lowers them.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from accelnn.backends import Backend, get_backend
from accelnn.backends.numpy_backend import cores

#: Rows and columns of the large product.
SIDE = 1024
#: Bytes of an array whose copy goes through memory; two are in use at a time. A last-level cache
#: that is larger still, as those that many virtual machines share, may serve part of it, and the
#: bandwidth is then that of both.
SIZES = (1 << 25, 1 << 26)
#: Seconds for which a product is repeated, and how often at least; the best counts.
SECONDS, LEAST = 0.05, 3


class Ceilings(NamedTuple):
    """What a backend's device can do at most.

    Attributes
    ----------
    flops : float
        Floating-point operations per second.
    bandwidth : float
        Bytes read and written per second, beyond the caches.
    """

    flops: float
    bandwidth: float


def ceilings(backend: str | Backend, dtype: str = "float32") -> Ceilings:
    """Measure what the device of a backend can do at most, or return what was measured before.

    On a CPU: NumPy's product of large matrices, and where the Numba engine is loaded its
    micro-kernel, whichever is faster, and a copy or sum of large arrays, all on all threads. On a
    GPU: a large product and a large copy.

    Parameters
    ----------
    backend : str or Backend
        The backends of one CPU have the same ceilings.
    dtype : str
        "float32" or "float64".

    Raises
    ------
    ValueError
        For another dtype, or a backend whose arrays are neither NumPy's nor CuPy's.
    """
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
    held = get_backend(backend)
    if held.xp is np:
        return Ceilings(_cpu_flops(dtype, _numba_is_loaded()), _cpu_bandwidth())
    if not hasattr(held.xp, "cuda"):
        raise ValueError(f"no ceilings are measured for backend {held.name!r}")
    return _gpu(held, dtype)


def forget() -> None:
    """Let the ceilings be measured again: a machine's speed may have changed since."""
    for measured in (_cpu_flops, _cpu_bandwidth, _gpu):
        measured.cache_clear()


def _numba_is_loaded() -> bool:
    return "accelnn.kernels.on_numba.gemm" in sys.modules


def _best(work: Callable[[], Any], amount: float) -> float:
    """Return the highest rate at which an amount of work was done."""
    best, until = float("inf"), perf_counter() + SECONDS
    count = 0
    while count < LEAST or perf_counter() < until:
        start = perf_counter()
        work()
        best = min(best, perf_counter() - start)
        count += 1
    return amount / best


@cache
def _cpu_flops(dtype: str, with_numba: bool) -> float:
    a, b, out = (np.full((SIDE, SIDE), 0.5, dtype) for _ in range(3))
    found = _best(lambda: np.matmul(a, b, out=out), float(SIDE * SIDE * (2 * SIDE - 1)))
    if with_numba:
        from accelnn.kernels.on_numba.peak import micro_kernel_speed

        found = max(found, float(micro_kernel_speed(dtype, SECONDS)))
    return found


@cache
def _cpu_bandwidth() -> float:
    """Return the best of a copy (reads one array, writes one) and a sum (reads two)."""
    parts, found = cores(), 0.0
    with ThreadPoolExecutor(parts) as pool:
        for size in SIZES:
            whole = [np.ones(size // 8) for _ in range(2)]
            pairs = list(zip(*(np.array_split(x, parts) for x in whole), strict=True))
            for work, arrays in ((_copy, 2), (_add, 3)):
                rate = _best(partial(_all, pool, work, pairs), float(arrays * size))
                found = max(found, rate)
    return found


def _all(pool: ThreadPoolExecutor, work: Callable[[Any], None], pairs: list[Any]) -> None:
    list(pool.map(work, pairs))


def _copy(pair: tuple[Any, Any]) -> None:
    np.copyto(pair[1], pair[0])


def _add(pair: tuple[Any, Any]) -> None:
    np.add(*pair, out=pair[1])


@cache
def _gpu(backend: Backend, dtype: str) -> Ceilings:
    with backend.scope(), backend.memory_guard():
        xp, side = backend.xp, 8 * SIDE
        a, b, out = (xp.ones((side, side), dtype=dtype) for _ in range(3))

        def multiply() -> None:
            xp.matmul(a, b, out=out)
            backend.synchronize()

        def copy() -> None:
            xp.copyto(out, a)
            backend.synchronize()

        multiply()  # the library is loaded
        return Ceilings(
            flops=_best(multiply, float(side * side * (2 * side - 1))),
            bandwidth=_best(copy, 2.0 * out.nbytes),
        )
