"""The way from three loops to the matrix product of ``gemm.py``, a rung at a time, to learn by.

Every rung computes ``out = a @ b`` for arrays in C order, (n, k), (k, m) and (n, m), of one dtype.
All do the same n m k multiplications and additions; what differs is the time they wait for memory,
and how many are done at once. ``accelnn bench matmul`` measures the gain of each rung. Nothing else
uses them.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from accelnn.kernels.on_numba._jit import apart, jit, job, run
from accelnn.kernels.on_numba.pointers import at, like, matrix
from accelnn.kernels.on_numba.threads import run_job, share, threads

#: A block of b in ``blocked``: 16 rows of 2048 bytes are 32 KB, as much as a first-level cache
#: holds on most processors.
BLOCK_ROWS, BLOCK_ROW_BYTES = 16, 2048
#: Rows and columns of a tile in ``tiled``. Its sums are written out, so this is no setting: 16
#: vectors of sums, with four of a and four of b, fit the 32 registers of AVX-512 and of ARM.
TILE = 4


def python_loops(a: Any, b: Any, out: Any) -> None:
    """``out[i, j] = a[i, 0] b[0, j] + ... + a[i, k-1] b[k-1, j]``, as the formula is written.

    Every number is an object: to find it, to look up what its type means by ``*`` and to make an
    object for the result takes far longer than to multiply.
    """
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            total = out.dtype.type(0)
            for p in range(a.shape[1]):
                total += a[i, p] * b[p, j]
            out[i, j] = total


#: The same text, compiled: numbers lie in registers, and nothing is looked up. But b is read down
#: its columns: each step fetches a whole cache line and uses one element of it.
naive = apart(python_loops)


@jit
def add_multiple(x: Any, row: Any, total: Any) -> None:
    """``total += x row``."""
    for j in range(row.size):
        total[j] += x * row[j]


@apart
def reordered(a: Any, b: Any, out: Any) -> None:
    """Change the order of the loops to i, p, j: a row of out is a sum of multiples of rows of b.

    The inner loop walks along rows of b and out, as they lie in memory: every element of a cache
    line is used, the next line is fetched ahead, and a vector of elements is computed at once.
    """
    out[:] = 0
    for i in range(a.shape[0]):
        for p in range(a.shape[1]):
            add_multiple(a[i, p], b[p], out[i])


@apart
def blocked(a: Any, b: Any, out: Any) -> None:
    """Cut b into blocks, and do all rows of a with one block before the next.

    For each row of a, ``reordered`` reads all of b, which is larger than the first-level cache, and
    so comes from the second. A block stays in the first while the rows of a pass.
    """
    k, m = b.shape
    columns = BLOCK_ROW_BYTES // b.itemsize
    out[:] = 0
    for first in range(0, k, BLOCK_ROWS):
        last = min(first + BLOCK_ROWS, k)
        for j in range(0, m, columns):
            for i in range(a.shape[0]):
                total = out[i, j : j + columns]
                for p in range(first, last):
                    add_multiple(a[i, p], b[p, j : j + columns], total)


@jit
def add_products(x: Any, y: Any, sums: Any) -> Any:
    """``sums + x y`` for one number and four."""
    return sums[0] + x * y[0], sums[1] + x * y[1], sums[2] + x * y[2], sums[3] + x * y[3]


@apart
def tiled(a: Any, b: Any, out: Any) -> None:
    """Compute 4 x 4 elements of out together, their sums in local variables over the whole k loop.

    Up to here each multiply-add waits for a load of b, a load of out and a store to it. A step here
    loads 8 vectors for 16 multiply-adds, and stores nothing: the 16 sums stay in registers. For
    LLVM to make vectors of the k loop, four columns of b are copied to where they are contiguous;
    each of the 16 is then a vector of partial sums. Beyond the last row or column the last one is
    computed once more, so that no edge needs a loop of its own.
    """
    (n, k), m = a.shape, b.shape[1]
    zero = out.dtype.type(0)
    columns = np.empty((TILE, k), b.dtype)
    for j in range(0, m, TILE):
        j1, j2, j3 = min(j + 1, m - 1), min(j + 2, m - 1), min(j + 3, m - 1)
        b0, b1, b2, b3 = columns[0], columns[1], columns[2], columns[3]
        for p in range(k):
            b0[p], b1[p], b2[p], b3[p] = b[p, j], b[p, j1], b[p, j2], b[p, j3]
        for i in range(0, n, TILE):
            i1, i2, i3 = min(i + 1, n - 1), min(i + 2, n - 1), min(i + 3, n - 1)
            a0, a1, a2, a3 = a[i], a[i1], a[i2], a[i3]
            c0 = c1 = c2 = c3 = (zero, zero, zero, zero)
            for p in range(k):
                y = b0[p], b1[p], b2[p], b3[p]
                c0 = add_products(a0[p], y, c0)
                c1 = add_products(a1[p], y, c1)
                c2 = add_products(a2[p], y, c2)
                c3 = add_products(a3[p], y, c3)
            out[i, j], out[i, j1], out[i, j2], out[i, j3] = c0
            out[i1, j], out[i1, j1], out[i1, j2], out[i1, j3] = c1
            out[i2, j], out[i2, j1], out[i2, j2], out[i2, j3] = c2
            out[i3, j], out[i3, j1], out[i3, j2], out[i3, j3] = c3


def tiled_part(part: Any, parts: Any, barrier: Any, w: Any, scratch: Any) -> None:
    """Compute a part of the rows of out; w holds three addresses and n, k, m."""
    n, k, m = w[3], w[4], w[5]
    i, end = share(n, TILE, part, parts)
    a, b, out = like(scratch, w[0]), like(scratch, w[1]), like(scratch, w[2])
    rows = end - i
    tiled(matrix(at(a, i * k), rows, k), matrix(b, k, m), matrix(at(out, i * m), rows, m))


@cache
def _address(dtype: Any) -> int:
    return job(tiled_part, dtype)


def parallel(a: Any, b: Any, out: Any) -> None:
    """Give each thread a share of the rows of out, and let it do ``tiled`` with them.

    No thread writes what another one reads, so they need not wait for each other, and as many
    cores compute at once. Rows are cut between tiles, so that the result is bitwise the same.
    """
    addresses = [x.ctypes.data for x in (a, b, out)]
    words = np.array([*addresses, *a.shape, b.shape[1]], np.int64)
    run_job(_address(out.dtype), words, np.empty(1, out.dtype), threads())


#: From the bottom up: ``rung(a, b, out)``. The next one is ``gemm.py``.
LADDER: dict[str, Callable[[Any, Any, Any], None]] = {
    "python_loops": python_loops,
    "naive": partial(run, naive),
    "reordered": partial(run, reordered),
    "blocked": partial(run, blocked),
    "tiled": partial(run, tiled),
    "parallel": parallel,
}
