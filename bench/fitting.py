"""Two curves through measured points: a power of the size, and Amdahl's law."""

from collections.abc import Sequence

import numpy as np

#: Through fewer points than these a curve is drawn, not fitted.
FEWEST = 3


def exponent(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    """Return the e of ``y = c xᵉ``, by least squares in the logarithms.

    Parameters
    ----------
    xs, ys : sequence of float
        Positive.

    Returns
    -------
    float or None
        None with fewer than three points, or if all x are the same.
    """
    if len(xs) < FEWEST or len(set(xs)) < 2:
        return None
    x, y = np.log(xs), np.log(ys)
    x -= x.mean()
    return float((x * (y - y.mean())).sum() / (x * x).sum())


def amdahl(threads: Sequence[int], speedups: Sequence[float]) -> float | None:
    """Return the serial share s of ``speed-up = 1 / (s + (1 - s) / threads)``.

    Parameters
    ----------
    threads, speedups : sequence
        Speed-ups over one thread.

    Returns
    -------
    float or None
        0 ... 1; None with fewer than three different thread counts.

    Notes
    -----
    ``1/speed-up - 1/threads = s (1 - 1/threads)`` is a line through the origin, fitted by least
    squares. Speed-ups beyond the number of threads, which caches make possible, give 0.
    """
    if len(set(threads)) < FEWEST:
        return None
    even = 1 / np.asarray(threads, float)
    x, y = 1 - even, 1 / np.asarray(speedups, float) - even
    return float(np.clip((x * y).sum() / (x * x).sum(), 0.0, 1.0))
