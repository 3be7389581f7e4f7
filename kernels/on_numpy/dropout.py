"""Dropout with the mask of ``kernels/reference/dropout.py``, in blocks of uint64 words."""

from typing import Any

import numpy as np

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_ROWS = 16384  # counters per block: four words each, so the temporaries stay in an L2 cache


def _words(first: int, count: int, seed: int, call: int) -> Any:
    """Return 4 · count random words of Philox4x32-10 from counter ``first`` on, as (count, 4)."""
    block = np.arange(first, first + count, dtype=np.uint64)
    c0, c1 = block & _MASK, block >> _SHIFT
    c2 = np.full(count, call & 0xFFFFFFFF, np.uint64)
    c3 = np.full(count, call >> 32, np.uint64)
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0, p1 = c0 * _M0, c2 * _M1
        c0, c1, c2, c3 = (
            (p1 >> _SHIFT) ^ c1 ^ np.uint64(k0),
            p1 & _MASK,
            (p0 >> _SHIFT) ^ c3 ^ np.uint64(k1),
            p0 & _MASK,
        )
        k0, k1 = (k0 + _W0) & 0xFFFFFFFF, (k1 + _W1) & 0xFFFFFFFF
    return np.stack((c0, c1, c2, c3), axis=1)


def dropout(x: Any, *, p: float, seed: int, call: int, out: Any = None) -> Any:
    """Zero each element with probability ``p``, scale the others by ``1 / (1 - p)``."""
    out = np.empty(x.shape, x.dtype) if out is None else out
    if p >= 1:
        out[...] = 0
        return out
    source, target = np.ascontiguousarray(x).reshape(-1), out.reshape(-1)
    threshold = np.uint64(int(p * 2**32))
    for first in range(0, (x.size + 3) // 4, _ROWS):
        part = slice(4 * first, min(4 * (first + _ROWS), x.size))
        drawn = _words(first, min(_ROWS, (x.size + 3) // 4 - first), seed, call).reshape(-1)
        keep = (drawn[: part.stop - part.start] >= threshold).astype(x.dtype)
        keep *= 1 / (1 - p)
        np.multiply(source[part], keep, out=target[part])
    return out
