"""Dropout whose mask is a function of (seed, call, position), so that every backend draws the same.

The generator is Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as
1, 2, 3", SC 2011): ten rounds that turn a counter of four 32-bit words and a key of two into four
random words. Element i of an array takes word ``i mod 4`` of the counter ``(i div 4, call)``.
Nothing is stored between forward and backward: the mask is drawn again.
"""

from typing import Any

from accelnn.kernels.cost import Cost, cost, size

_MASK = 0xFFFFFFFF
_M0, _M1 = 0xD2511F53, 0xCD9E8D57  # multipliers of the rounds, table 2 of the paper
_W0, _W1 = 0x9E3779B9, 0xBB67AE85  # Weyl increments of the key


def philox(counter: tuple[Any, Any, Any, Any], key: tuple[int, int]) -> tuple[Any, Any, Any, Any]:
    """Philox4x32-10. Words are int64 arrays that hold 0 ... 2³²-1, since uint32 is not everywhere.

    A product of two words wraps around in int64; its 64 bits are right, and the arithmetic shift is
    repaired by the mask.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * _M0, c2 * _M1
        hi0, lo0 = (p0 >> 32) & _MASK, p0 & _MASK
        hi1, lo1 = (p1 >> 32) & _MASK, p1 & _MASK
        c0, c1, c2, c3 = hi1 ^ c1 ^ k0, lo1, hi0 ^ c3 ^ k1, lo0
        k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    return c0, c1, c2, c3


@cost(lambda x, **how: Cost(size(x), 0, size(x), reads=size(x), writes=size(x)))
def dropout(x: Any, *, p: float, seed: int, call: int) -> Any:
    """Zero each element with probability ``p``, scale the others by ``1 / (1 - p)``.

    x any shape, counted in C order; seed and call 0 ... 2⁶⁴-1. An element stays if its random
    word is at least ``⌊p · 2³²⌋``. The map is linear and its own transpose: applied to the
    gradient with the same seed and call, it is the backward pass. ``p = 1`` gives zeros.
    """
    xp = x.__array_namespace__()
    if p >= 1:
        return xp.zeros_like(x)
    n = size(x)
    block = xp.arange((n + 3) // 4, dtype=xp.int64)
    words = philox(
        (
            block & _MASK,
            block >> 32,
            xp.full_like(block, call & _MASK),
            xp.full_like(block, call >> 32),
        ),
        (seed & _MASK, seed >> 32),
    )
    drawn = xp.reshape(xp.stack(words, axis=1), (-1,))[:n]
    keep = xp.astype(drawn >= int(p * 2**32), x.dtype) * (1 / (1 - p))
    return x * xp.reshape(keep, x.shape)
