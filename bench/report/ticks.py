"""Scales of the charts: limits with some room, and ticks that do not touch each other."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from accelnn.bench.report.svg import text_width
from accelnn.bench.report.words import percent, plain, seconds, size

_LETTERS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k"))


def written(value: float, kind: str) -> str:
    """Return a tick's label."""
    if kind == "seconds":
        return seconds(value) if value else "0"
    if kind == "bytes":
        return size(value) if value else "0"
    if kind == "percent":
        return percent(value)
    for factor, letter in _LETTERS:
        if abs(value) >= factor:
            unit = factor if letter != "k" else 1e3
            return f"{plain(value / unit)} {letter}"
    return f"{value:.10g}" if abs(value) >= 1e-4 or value == 0 else f"{value:.0e}"


class Scale:
    """What an axis measures.

    Parameters
    ----------
    values : sequence of float
        All that has to be shown.
    log : bool
        Logarithmic; values must be above zero.
    kind : {"number", "seconds", "bytes", "percent"}
    zero : bool
        Whether an axis that is not logarithmic begins at zero.
    """

    def __init__(self, values: Sequence[float], log: bool, kind: str, zero: bool = True) -> None:
        found = [v for v in values if v > 0] if log else [*values, *([0.0] if zero else [])]
        self.log, self.kind = log, kind
        self.limits: tuple[float, float]
        low, high = min(found, default=1.0), max(found, default=1.0)
        if log:
            room = max(high / low, 1.6) ** 0.06
            while high / low < 2:  # a single value still needs an axis
                low, high = low / 1.3, high * 1.3
            self.limits = (low / room, high * room)
        else:
            room = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
            self.limits = (low - room * (not zero), high + room)

    def part(self, value: float) -> float:
        """Return how far along the axis a value is, 0 to 1."""
        low, high = self.limits
        if self.log:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)

    def ticks(self, most: int, width: float = 0.0, wanted: Sequence[float] = ()) -> list[float]:
        """Return where ticks are: no more than so many, and with room for the labels.

        Parameters
        ----------
        most : int
        width : float
            Of the axis in units of the drawing; 0 for one that goes upwards.
        wanted : sequence of float
            Ticks to choose from.
        """
        found = sorted(set(wanted)) or (self._decades(most) if self.log else self._steps(most))
        found = [tick for tick in found if self.limits[0] <= tick <= self.limits[1]]
        if width:
            found = self._apart(found, width)
        return found

    def _apart(self, ticks: Sequence[float], width: float) -> list[float]:
        kept: list[float] = []
        end = -math.inf
        for tick in ticks:
            half = text_width(written(tick, self.kind)) / 2
            middle = width * self.part(tick)
            if middle - half >= end + 8:
                kept.append(tick)
                end = middle + half
        return kept

    def _decades(self, most: int) -> list[float]:
        first, last = (math.log10(limit) for limit in self.limits)
        if last - first < 0.8:  # less than a decade: the ticks of a linear axis
            return self._steps(most)
        powers = range(math.floor(first), math.ceil(last) + 1)
        for steps in ((1, 2, 5), (1, 3)):
            found = [step * 10.0**power for power in powers for step in steps]
            inside = [tick for tick in found if self.limits[0] <= tick <= self.limits[1]]
            if len(inside) <= most:
                return inside
        stride = math.ceil((last - first) / most)
        return [10.0**power for power in powers if power % stride == 0]

    def _steps(self, most: int) -> list[float]:
        low, high = self.limits
        if self.kind == "bytes":
            power = 1024 ** max(0, math.floor(math.log(max(high, 1), 1024)))
            step = _step((high - low) / power, most) * power
        else:
            step = _step(high - low, most)
        return [round(step * i, 12) for i in range(math.ceil(low / step), int(high / step) + 1)]

    def put_on(self, axes: Any, which: str, ticks: Sequence[float]) -> None:
        """Give the "x" or the "y" axis of Matplotlib's axes this scale and these ticks."""
        axes.set(**{f"{which}scale": "log" if self.log else "linear"})
        axis = {"x": axes.xaxis, "y": axes.yaxis}[which]
        axis.set_major_locator(FixedLocator(list(ticks)))
        axis.set_major_formatter(FixedFormatter([written(tick, self.kind) for tick in ticks]))
        axis.set_minor_locator(NullLocator())


def _step(length: float, most: int) -> float:
    """Return 1, 2 or 5 times a power of ten that divides a length into at most so many."""
    power = 10.0 ** math.floor(math.log10(length / most))
    return next(power * factor for factor in (1, 2, 5, 10) if length / (power * factor) <= most)
