"""The micro-kernel alone, on all threads: what no product by it can be faster than."""

import time
from functools import cache
from typing import Any

import numpy as np

from accelnn.kernels.on_numba._jit import job
from accelnn.kernels.on_numba.gemm import MR
from accelnn.kernels.on_numba.microkernel import TILES, lanes, make_tile
from accelnn.kernels.on_numba.pointers import at
from accelnn.kernels.on_numba.threads import run_job, threads

tile = make_tile(MR, TILES.vectors)

#: Steps of a tile: one row of tiles and a panel fit the first-level cache.
K = 128
#: Elements that a part has for its operands and its tile.
_ROOM = 1 << 15


def tiles_alone(part: Any, parts: Any, barrier: Any, w: Any, scratch: Any) -> None:
    """Compute the same tile w[0] times; each part has its own."""
    a = at(scratch, part * _ROOM)
    nr = lanes(scratch) * TILES.vectors
    b, c = at(a, MR * K), at(a, MR * K + nr * K)
    for _ in range(w[0]):
        tile(a, K, 1, MR, b, nr, K, c, nr, nr, False, b, 0)


@cache
def _address(dtype: Any) -> int:
    return job(tiles_alone, dtype)


def micro_kernel_speed(dtype: Any = np.float32, seconds: float = 0.05) -> float:
    """Return the floating-point operations per second of all threads together, for some time."""
    dtype, parts = np.dtype(dtype), threads()
    nr = TILES.vectors * TILES.vector_bytes // dtype.itemsize
    scratch, flops = np.ones(parts * _ROOM, dtype), 2.0 * MR * nr * K
    times = np.array([1000])
    run_job(_address(dtype), times, scratch, parts)
    spent, done = 0.0, 0.0
    while spent < seconds:
        start = time.perf_counter()
        used = run_job(_address(dtype), times, scratch, parts)
        spent += time.perf_counter() - start
        done += flops * times[0] * used
    return done / spent
