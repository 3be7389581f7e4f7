"""Step 9 of the report: the same epoch in other libraries."""

from typing import NamedTuple

from accelnn.bench.report.data import Case, Run, positive
from accelnn.bench.report.exhibit import Dots, Exhibit, Point, Series, Table
from accelnn.bench.report.words import joined, plain, seconds, spread, times

PART = "peers/epochs"


class Ratio(NamedTuple):
    """How long a competitor took, as a multiple of accelnn's time within the same rounds."""

    who: str
    optimizer: str
    median: float
    low: float
    high: float
    case: Case

    @property
    def text(self) -> str:
        """The ratio and its spread."""
        return f"{times(self.median)} ({plain(self.low)} to {plain(self.high)})"


def ratios(cases: list[Case]) -> list[Ratio]:
    """Return the ratios of those whose JSON has one."""
    made = []
    for case in cases:
        given = case.extra.get("ratio")
        given = given if isinstance(given, dict) else {}
        median = positive(given.get("median"))
        if median is not None:
            low, high = (positive(given.get(key)) or median for key in ("low", "high"))
            made.append(Ratio(case.who, case.text("optimizer"), median, low, high, case))
    return made


def exhibits(run: Run) -> list[Exhibit]:
    """Return the ratio of each competitor with its spread."""
    found = ratios(run.cases(PART))
    names = list(dict.fromkeys(each.who for each in found))
    series, findings = [], []
    for rule in dict.fromkeys(each.optimizer for each in found):
        mine = [each for each in found if each.optimizer == rule]
        dots = [Point(r.median, names.index(r.who), r.low, r.high, r.case.noisy) for r in mine]
        series.append(Series(rule or "an epoch", dots, joined=False))
        findings += _findings(rule, [each for each in mine if not each.case.extra.get("mine")])
    rows = [[r.who, r.optimizer, seconds(r.case.median), r.text, spread(r.case)] for r in found]
    chart = Dots(
        "time of an epoch / accelnn's (numba)", names, series, log=True, at=(1.0, "accelnn, numba")
    )
    return [
        Exhibit(
            "peers",
            "The same epoch in other libraries",
            "Same network, data, order and weights at the start, taking turns; right of the line "
            "accelnn is faster. Bars reach from the least to the greatest ratio of a round.",
            (PART,),
            chart if found else None,
            findings,
            Table(["library", "optimizer", "time", "ratio (spread)", "spread of the time"], rows),
        )
    ]


def _findings(rule: str, others: list[Ratio]) -> list[str]:
    slower = [f"{r.who} {r.text}" for r in others if r.low > 1]
    faster = [f"{r.who} {r.text}" for r in others if r.high < 1]
    even = [f"{r.who} {r.text}" for r in others if r.low <= 1 <= r.high]
    found = []
    if slower:
        found.append(f"{rule}: slower than accelnn: {joined(slower)}.")
    if faster:
        found.append(f"{rule}: faster than accelnn, which loses here: {joined(faster)}.")
    if even:
        found.append(f"{rule}: no difference beyond the spread: {joined(even)}.")
    return found or [f"{rule}: no other library took part."]
