"""Step 9 of the report: the same epoch in other libraries."""

from accelnn.bench.report.data import Run
from accelnn.bench.report.exhibit import Dots, Exhibit, Point, Series, Table
from accelnn.bench.report.ratio import Ratio, ratios
from accelnn.bench.report.words import joined, seconds, spread

PART = "peers/epochs"


def exhibits(run: Run) -> list[Exhibit]:
    """Return the ratio of each competitor with its spread."""
    found = ratios(run.cases(PART))
    names = list(dict.fromkeys(each.case.who for each in found))
    series, findings = [], []
    for rule in dict.fromkeys(each.case.text("optimizer") for each in found):
        mine = [each for each in found if each.case.text("optimizer") == rule]
        dots = [Point(r.median, names.index(r.case.who), r.low, r.high, r.case.noisy) for r in mine]
        series.append(Series(rule or "an epoch", dots, joined=False))
        findings += _findings(rule, [each for each in mine if not each.case.extra.get("mine")])
    rows = [
        [r.case.who, r.case.text("optimizer"), seconds(r.case.median), r.text, spread(r.case)]
        for r in found
    ]
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
    slower = [f"{r.case.who} {r.text}" for r in others if r.low > 1]
    faster = [f"{r.case.who} {r.text}" for r in others if r.high < 1]
    even = [f"{r.case.who} {r.text}" for r in others if r.low <= 1 <= r.high]
    found = []
    if slower:
        found.append(f"{rule}: slower than accelnn: {joined(slower)}.")
    if faster:
        found.append(f"{rule}: faster than accelnn, which loses here: {joined(faster)}.")
    if even:
        found.append(f"{rule}: no difference beyond the spread: {joined(even)}.")
    return found or [f"{rule}: no other library took part."]
