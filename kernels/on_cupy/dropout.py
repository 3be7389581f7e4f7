"""Dropout with the mask of ``kernels/reference/dropout.py``; a thread draws four words."""

from typing import Any

from accelnn.kernels.on_cupy._launch import BLOCK, launch, plain, ready


def dropout(x: Any, *, p: float, seed: int, call: int, out: Any = None) -> Any:
    """Zero each element with probability ``p``, scale the others by ``1 / (1 - p)``."""
    out = ready(x, out)
    if p >= 1:
        out[...] = 0
        return out
    blocks = -(-x.size // (4 * BLOCK))
    scale, threshold = 1 / (1 - p), int(p * 2**32)
    launch("dropout", x.dtype, blocks, BLOCK, plain(x), out, scale, threshold, seed, call, x.size)
    return out
