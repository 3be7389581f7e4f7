"""How many threads accelnn's engine and NumPy's BLAS use, set for a while."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numba
from threadpoolctl import threadpool_info, threadpool_limits

from accelnn.backends.numpy_backend import cores
from accelnn.kernels.on_numba.threads import pool, threads


@contextmanager
def on_threads(count: int | None) -> Iterator[None]:
    """Let the engine and the BLAS use ``count`` threads in here; None leaves them as they are.

    Raises
    ------
    RuntimeError
        Where it cannot be set: the engine starts with no more threads than NUMBA_NUM_THREADS, and
        asks Numba's threading layer instead where somebody has started that.
    """
    if count is None:
        yield
        return
    most = pool().size  # its workers are as many as the setting says when it is made
    config: Any = numba.config
    before = config.NUMBA_NUM_THREADS
    config.NUMBA_NUM_THREADS = count
    try:
        if count > most or threads() != count:
            raise RuntimeError(f"the engine cannot be set to {count} threads; it has {most}")
        with threadpool_limits(count, user_api="blas"):
            yield
    finally:
        config.NUMBA_NUM_THREADS = before


def counts(most: int) -> tuple[int, ...]:
    """Return the numbers of threads to measure: all up to 8, then the powers of two and the last.

    Parameters
    ----------
    most : int
        As many as there are, the last one.
    """
    if most <= 8:
        return tuple(range(1, most + 1))
    powers = [1 << i for i in range(most.bit_length()) if 1 << i < most]
    return (*powers, most)


def threads_of(backend: str | None) -> int:
    """Return how many threads a backend's products use now; for other libraries, the cores."""
    if backend == "numba":
        return threads()
    if backend == "numpy":
        pools = [p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"]
        return max(pools, default=cores())
    return cores()
