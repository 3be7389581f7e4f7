"""Heights in one column: as near as possible to those wanted, without an overlap."""

from collections.abc import Sequence


def spaced(wanted: Sequence[float], weights: Sequence[float], room: Sequence[float]) -> list[float]:
    """Return heights that differ least from those wanted, in squares, in the order given.

    Neighbours keep half the sum of their rooms between their centres. Without that distance the
    heights only must not fall, which is isotonic regression: neighbours that would are pooled and
    get their weighted mean (pool adjacent violators).

    Parameters
    ----------
    wanted, weights, room : sequences of float, of one length

    Examples
    --------
    >>> spaced([0.0, 100.0], [1.0, 1.0], [10.0, 10.0])
    [0.0, 100.0]
    >>> spaced([0.0, 0.0], [1.0, 1.0], [10.0, 10.0])
    [-5.0, 5.0]
    """
    offsets, offset = [], 0.0
    for i in range(len(room)):
        offset += (room[i - 1] + room[i]) / 2 if i else 0.0
        offsets.append(offset)
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        mean, total, count = want - offset, weight, 1
        while pools and pools[-1][0] > mean:
            before, heavy, many = pools.pop()
            mean = (before * heavy + mean * total) / (heavy + total)
            total, count = heavy + total, many + count
        pools.append((mean, total, count))
    levels = [mean for mean, _, count in pools for _ in range(count)]
    return [level + offset for level, offset in zip(levels, offsets, strict=True)]
