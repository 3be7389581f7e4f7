"""Dropout with the mask of ``kernels/reference/dropout.py``; a counter yields four elements."""

from typing import Any

import numpy as np

from accelnn.kernels.on_numba._jit import flat, jit, ready, run

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


@jit
def philox_loop(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Four random words of Philox4x32-10; all words are uint64 below 2³²."""
    for _ in range(10):
        p0, p1 = c0 * _M0, c2 * _M1
        c0, c1, c2, c3 = (
            (p1 >> _SHIFT) ^ c1 ^ k0,
            p1 & _MASK,
            (p0 >> _SHIFT) ^ c3 ^ k1,
            p0 & _MASK,
        )
        k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    return c0, c1, c2, c3


@jit
def dropout_loop(x: Any, start: Any, p: Any, seed: Any, call: Any, out: Any) -> None:
    """Flat arrays, whose first element is number ``start`` of the whole; seed and call uint64."""
    zero = x.dtype.type(0)
    if p >= 1:
        for i in range(x.size):
            out[i] = zero
        return
    scale = x.dtype.type(1 / (1 - p))
    threshold = np.uint64(p * 4294967296.0)
    for block in range(start // 4, (start + x.size + 3) // 4):
        counter = np.uint64(block)
        words = philox_loop(
            counter & _MASK,
            counter >> _SHIFT,
            call & _MASK,
            call >> _SHIFT,
            seed & _MASK,
            seed >> _SHIFT,
        )
        for k in range(4):
            i = 4 * block + k - start
            if 0 <= i < x.size:
                out[i] = x[i] * (scale if words[k] >= threshold else zero)


def dropout(x: Any, *, p: float, seed: int, call: int, out: Any = None) -> Any:
    """Zero each element with probability ``p``, scale the others by ``1 / (1 - p)``."""
    out = ready(x, out)
    run(dropout_loop, flat(x), 0, float(p), np.uint64(seed), np.uint64(call), out.reshape(-1))
    return out
