"""Ratios to another competitor within the same rounds, as the JSON of a case has them."""

from typing import NamedTuple

from accelnn.bench.report.data import Case, positive
from accelnn.bench.report.words import plain, times


class Ratio(NamedTuple):
    """A ratio of a case with the lowest and highest of its rounds."""

    case: Case
    median: float
    low: float
    high: float

    @property
    def text(self) -> str:
        """The ratio and its spread."""
        return f"{times(self.median)} ({plain(self.low)} to {plain(self.high)})"


def ratios(cases: list[Case], key: str = "ratio") -> list[Ratio]:
    """Return the ratios, or what else is taken within rounds, of those whose JSON has one."""
    made = []
    for case in cases:
        given = case.extra.get(key)
        given = given if isinstance(given, dict) else {}
        median = positive(given.get("median"))
        if median is not None:
            low, high = (positive(given.get(end)) or median for end in ("low", "high"))
            made.append(Ratio(case, median, low, high))
    return made
