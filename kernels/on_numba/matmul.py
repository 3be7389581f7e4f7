"""The matrix product: our own, register-tiled one (``gemm.py``), on several threads if large.

A small product takes some microseconds, and asking an array in Python for its address takes one. So
compiled code reads address, shape and strides from the array object itself, where NumPy's C
interface has them; whatever its layout, nothing is compiled again.
"""

import threading
from functools import cache
from typing import Any

import numpy as np

from accelnn.kernels.on_numba._jit import from_python, jit, job, operation
from accelnn.kernels.on_numba.gemm import MR, SCRATCH, gemm, takes_dots
from accelnn.kernels.on_numba.microkernel import TILES, lanes
from accelnn.kernels.on_numba.pointers import INT64, LINE, at, call_address, typed, word
from accelnn.kernels.on_numba.threads import LONG, Pool, launch, pool, share, threads

#: Where the fields of a ``PyArrayObject`` lie, behind the head that all Python objects have; part
#: of NumPy's binary interface. ``numpy/ndarraytypes.h``: data, nd, dimensions, strides.
_DATA = object.__basicsize__
_SHAPE, _STRIDES = _DATA + 16, _DATA + 24

#: Where a product's arguments begin in its words; see ``gemm.WORDS``.
_GEMM, _A, _B, _C, _N, _K, _M, _BY_DOTS = (0, 1, 4, 7, 9, 10, 11, 12)
#: And behind them, what stays the same: a part of a product, the element, the pool, the scratch.
_JOB, _ITEMSIZE, _POOL, _SCRATCH = range(17, 21)
#: Words of a thread, and of each part.
_WORDS = 21
#: Floating-point operations from which another thread is worth calling, and multiplications that
#: are worth one more look whether a sleeping one has woken up.
_SHARED, _LOOK = 1_000_000, 8192


def _product_part(part: Any, parts: Any, barrier: Any, w: Any, scratch: Any) -> None:
    """Compute one part of a product; the parts share nothing, so they need not meet."""
    n, m = w[_N], w[_M]
    i, i_end, j, j_end = 0, n, 0, m
    if parts > 1:
        v = lanes(scratch)
        if m >= 2 * parts * v * TILES.vectors or m > n:
            j, j_end = share(m, v, part, parts)
        else:
            i, i_end = share(n, MR, part, parts)
    mine = at(w, (1 + part) * _WORDS)
    for x in range(_WORDS):
        mine[x] = w[x]
    size = TILES.vector_bytes // lanes(scratch)
    mine[_A] += i * w[_A + 1] * size
    mine[_B] += j * w[_B + 2] * size
    mine[_C] += (i * w[_C + 1] + j) * size
    mine[_N], mine[_M] = i_end - i, j_end - j
    call_address(w[_GEMM], (mine, mine, at(scratch, part * SCRATCH)))


@jit
def matmul_loop(kept: Any, a: Any, b: Any, out: Any, transposed: Any, wanted: Any) -> Any:
    """``out = op(a) @ op(b)`` for the ids of three arrays; False for strides that it cannot take.

    ``kept`` is the address of a thread's words; ``transposed`` is 1 for a, 2 for b, 3 for both.
    """
    w = typed(kept, INT64)
    itemsize = w[_ITEMSIZE]
    n, m = word(word(out + _SHAPE)), word(word(out + _SHAPE) + 8)
    a_row, a_column = word(word(a + _STRIDES)), word(word(a + _STRIDES) + 8)
    b_row, b_column = word(word(b + _STRIDES)), word(word(b + _STRIDES) + 8)
    c_row, c_column = word(word(out + _STRIDES)), word(word(out + _STRIDES) + 8)
    k = word(word(a + _SHAPE) + (0 if transposed & 1 else 8))
    if (a_row | a_column | b_row | b_column | c_row) & (itemsize - 1) != 0:
        return False
    if c_column != itemsize and m > 1:
        return False
    if transposed & 1:
        a_row, a_column = a_column, a_row
    if transposed & 2:
        b_row, b_column = b_column, b_row
    a_row, a_column, b_row = a_row // itemsize, a_column // itemsize, b_row // itemsize
    b_column, c_row = b_column // itemsize, c_row // itemsize
    # the stride along a side of length 1 means nothing: let it be the one that is read best
    a_column = 1 if k == 1 else a_column
    a_row = 1 if n == 1 and a_column != 1 else a_row
    b_column = 1 if m == 1 and b_row != 1 else b_column
    b_row = 1 if k == 1 and b_column != 1 else b_row
    w[_A], w[_A + 1], w[_A + 2] = word(a + _DATA), a_row, a_column
    w[_B], w[_B + 1], w[_B + 2] = word(b + _DATA), b_row, b_column
    w[_C], w[_C + 1] = word(out + _DATA), c_row
    w[_N], w[_K], w[_M] = n, k, m
    w[_BY_DOTS] = takes_dots(a_column, b_row, n, m, b_column)
    looks = min(n * k * m // _LOOK, LONG)
    launch(w[_POOL], w[_JOB], kept, w[_SCRATCH], wanted, looks)
    return True


class _Local(threading.local):
    """What the products of one thread use, kept: a new array costs more than a small product."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}


_local = _Local()


@cache
def _addresses(dtype: Any) -> tuple[int, int]:
    """Compile or load the product and a part of it; return their addresses."""
    return operation(gemm, dtype), job(_product_part, dtype)


def _keep(held: Pool, dtype: Any) -> Any:
    """Return (address of the words, dtype, the memory, the pool) for products of one thread."""
    words = np.zeros((1 + held.size) * _WORDS, np.int64)
    scratch = np.empty(held.size * SCRATCH + LINE, dtype)
    words[_GEMM], words[_JOB] = _addresses(dtype)
    words[_ITEMSIZE], words[_POOL] = dtype.itemsize, held.address
    words[_SCRATCH] = scratch.ctypes.data
    kept = _local.kept[dtype.char] = int(words.ctypes.data), words, scratch, held
    return kept


def matmul(a: Any, b: Any, *, ta: bool = False, tb: bool = False, out: Any = None) -> Any:
    """``op(a) @ op(b)``."""
    dtype = a.dtype
    if out is None:
        out = np.empty((a.shape[1 if ta else 0], b.shape[0 if tb else 1]), dtype)
    held, kept = pool(), _local.kept.get(dtype.char)
    if kept is None or kept[3] is not held:
        kept = _keep(held, dtype)
    wanted = 1
    if 2 * a.size * out.shape[1] > _SHARED and (wanted := min(threads(), held.size)) > 1:
        held.wake(wanted)
    loop, transposed = from_python(matmul_loop), (1 if ta else 0) + (2 if tb else 0)
    if not loop(kept[0], id(a), id(b), id(out), transposed, wanted):
        whole = np.empty(out.shape, dtype)
        a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
        loop(kept[0], id(a), id(b), id(whole), transposed, wanted)
        out[...] = whole
    return out
