"""Schedules: how the learning rate changes over a training.

A schedule is any callable ``(epoch, max_iter) -> factor``. The epoch counts from 0 in fractions, so
that a rate may change with each minibatch; ``max_iter`` is the number of epochs; the factor is what
the learning rate that was set is multiplied by. Those here compare and print as their arguments.

Examples
--------
>>> from accelnn.optim import schedules
>>> cosine = schedules.Cosine()
>>> [cosine(epoch, 20) for epoch in (0, 10, 20)]
[1.0, 0.5, 0.0]
>>> schedules.WarmUp(2, then=cosine)(1.0, 20)
0.5
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from accelnn.optim.optimizer import check_number

#: From the epoch, counted from 0 in fractions, and the number of epochs to a factor.
Schedule: TypeAlias = Callable[[float, float], float]


@dataclass(frozen=True)
class Cosine:
    """From 1 to ``floor`` along half a period: ``floor + (1 - floor) ½ (1 + cos(π epoch / max))``.

    Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5, without restarts.

    Parameters
    ----------
    floor : float
        At least 0.
    """

    floor: float = 0.0

    def __post_init__(self) -> None:
        check_number("floor", self.floor, 0)

    def __call__(self, epoch: float, max_iter: float) -> float:
        """Return the factor."""
        return _along_cosine(1.0, self.floor, _progress(epoch, max_iter))


@dataclass(frozen=True)
class Linear:
    """From 1 to ``floor`` in a straight line.

    Parameters
    ----------
    floor : float
        At least 0.
    """

    floor: float = 0.0

    def __post_init__(self) -> None:
        check_number("floor", self.floor, 0)

    def __call__(self, epoch: float, max_iter: float) -> float:
        """Return the factor."""
        done = _progress(epoch, max_iter)
        return 1.0 - done + self.floor * done


@dataclass(frozen=True)
class OneCycle:
    """From ``start`` up to 1 and down to ``end``, each along half a cosine.

    Smith & Topin 2017, arXiv:1708.07120; defaults and cosines as in PyTorch's ``OneCycleLR``, where
    ``start`` is 1 / ``div_factor`` and ``peak_at`` is ``pct_start``. ``end`` differs: here it is a
    part of the peak, there ``1 / final_div_factor`` is one of the start.

    Parameters
    ----------
    start, end : float
        Parts of the learning rate, which is reached at the peak; at least 0.
    peak_at : float
        Where the peak is, as a part of all epochs; above 0 and below 1.
    """

    start: float = 0.04
    peak_at: float = 0.3
    end: float = 1e-4

    def __post_init__(self) -> None:
        check_number("start", self.start, 0)
        check_number("end", self.end, 0)
        if check_number("peak_at", self.peak_at, 0, 1) == 0:
            raise ValueError("peak_at must be above 0, got 0")

    def __call__(self, epoch: float, max_iter: float) -> float:
        """Return the factor."""
        done = _progress(epoch, max_iter)
        if done < self.peak_at:
            return _along_cosine(self.start, 1.0, done / self.peak_at)
        return _along_cosine(1.0, self.end, (done - self.peak_at) / (1 - self.peak_at))


@dataclass(frozen=True)
class WarmUp:
    """From 0 to 1 in a straight line, then another schedule over the epochs that are left.

    Parameters
    ----------
    epochs : float
        How long it takes, above 0.
    then : schedule, optional
        Called with ``(epoch - epochs, max_iter - epochs)``; 1 if not given.

    Notes
    -----
    Goyal et al. 2017, arXiv:1706.02677, section 2.2. The first step of all is taken with a rate of
    0 and changes no parameter.
    """

    epochs: float
    then: Schedule | None = None

    def __post_init__(self) -> None:
        if check_number("epochs", self.epochs, 0) == 0:
            raise ValueError("epochs must be above 0, got 0")
        if self.then is not None and not callable(self.then):
            raise TypeError(f"then must be a schedule or None, got {self.then!r}")

    def __call__(self, epoch: float, max_iter: float) -> float:
        """Return the factor."""
        if epoch < self.epochs:
            return epoch / self.epochs
        if self.then is None:
            return 1.0
        return float(self.then(epoch - self.epochs, max_iter - self.epochs))


@dataclass(frozen=True)
class Step:
    """Multiplied by ``by`` each time that ``every`` epochs are over.

    Parameters
    ----------
    every : float
        Epochs, above 0.
    by : float
        At least 0.
    """

    every: float
    by: float = 0.1

    def __post_init__(self) -> None:
        if check_number("every", self.every, 0) == 0:
            raise ValueError("every must be above 0, got 0")
        check_number("by", self.by, 0)

    def __call__(self, epoch: float, max_iter: float) -> float:
        """Return the factor."""
        return float(self.by ** math.floor(epoch / self.every))


@dataclass(frozen=True)
class Exponential:
    """``by`` to the power of the epoch, its fraction included; PyTorch's changes once an epoch.

    Parameters
    ----------
    by : float
        At least 0.
    """

    by: float

    def __post_init__(self) -> None:
        check_number("by", self.by, 0)

    def __call__(self, epoch: float, max_iter: float) -> float:
        """Return the factor."""
        return float(self.by**epoch)


def _progress(epoch: float, max_iter: float) -> float:
    """Return the part that is done, 0 to 1; all of it where there are no epochs."""
    return min(max(epoch / max_iter, 0.0), 1.0) if max_iter > 0 else 1.0


def _along_cosine(first: float, last: float, part: float) -> float:
    """Return where half a period from ``first`` to ``last`` is; exactly those at its ends."""
    if part in (0, 1):
        return first if part == 0 else last
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * part))
