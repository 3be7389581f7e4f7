"""Step 10 of the report: the estimators beside scikit-learn's."""

from statistics import mean

from accelnn.bench.report.data import Case, Run, number, positive
from accelnn.bench.report.exhibit import Dots, Exhibit, Point, Series, Table
from accelnn.bench.report.ratio import Ratio, ratios
from accelnn.bench.report.words import percent, plural, seconds, size, spread, times

FIT, ROW = "estimators/fit", "estimators/row"
ACCURACY, MEMORY = "estimators/accuracy", "estimators/memory"


def _where(case: Case) -> str:
    """Return "mnist, float64" or, where it is not fitted as it comes, "... as float32"."""
    words = f"{case.text('problem')}, {case.text('x_dtype')}"
    same = case.text("dtype") in (case.text("x_dtype"), "")
    return words if same else f"{words} as {case.text('dtype')}"


def exhibits(run: Run) -> list[Exhibit]:
    """Return the fits, the prediction of one row, what float32 costs, and the memory."""
    return [
        _fits(run.cases(FIT)),
        _rows(run.cases(ROW)),
        _accuracy(run.cases(ACCURACY)),
        _memory(run.cases(MEMORY)),
    ]


def _fits(cases: list[Case]) -> Exhibit:
    found = ratios(cases)
    rows = [
        [_where(r.case), _who(r.case), r.case.text("epochs"), seconds(r.case.median), r.text,
         _aim(r.case, "at least"), spread(r.case)]
        for r in found
    ]  # fmt: skip
    return Exhibit(
        "estimator-fits",
        "Fits of the estimators",
        "Same arguments, data and first weights, taking turns; right of the line accelnn is "
        "faster. Bars reach from the least to the greatest ratio of a round.",
        (FIT,),
        _chart(found, "speed of a fit / scikit-learn's"),
        [_speed(r) for r in found if r.case.extra.get("mine")],
        Table(
            [
                "data",
                "estimator",
                "epochs",
                "time",
                "speed (spread)",
                "meant",
                "spread of the time",
            ],
            rows,
        ),
    )


def _rows(cases: list[Case]) -> Exhibit:
    found = ratios(cases)
    rows = [
        [_where(r.case), _who(r.case), r.case.text("parameters"), seconds(r.case.median), r.text,
         _aim(r.case, "at most"), spread(r.case)]
        for r in found
    ]  # fmt: skip
    return Exhibit(
        "estimator-row",
        "predict of one row",
        "The median of many calls, taking turns; left of the line accelnn is faster. Bars reach "
        "from the least to the greatest ratio of a turn.",
        (ROW,),
        _chart(found, "time of a call / scikit-learn's"),
        [_share(r) for r in found if r.case.extra.get("mine")],
        Table(
            ["data", "estimator", "parameters", "p50", "time (spread)", "meant",
             "spread of the time"],
            rows,
        ),
    )  # fmt: skip


def _chart(found: list[Ratio], axis: str) -> Dots | None:
    mine = [r for r in found if r.case.extra.get("mine")]
    places = list(dict.fromkeys(_where(r.case) for r in mine))
    series = [
        Series(
            who,
            [
                Point(r.median, places.index(_where(r.case)), r.low, r.high, r.case.noisy)
                for r in mine
                if r.case.who == who
            ],
            joined=False,
        )
        for who in dict.fromkeys(r.case.who for r in mine)
    ]
    return Dots(axis, places, series, log=True, at=(1.0, "scikit-learn")) if mine else None


def _who(case: Case) -> str:
    """Return the estimator, with what "auto" has chosen."""
    chosen = case.text("backend")
    return f"{case.who} ({chosen})" if chosen and not case.who.endswith(chosen) else case.who


def _aim(case: Case, which: str) -> str:
    found = positive(case.number("target"))
    return "" if found is None else f"{which} {times(found)}"


def _speed(r: Ratio) -> str:
    words = f"{_where(r.case)}: {_who(r.case)} fits {r.text} as fast as scikit-learn"
    aim = positive(r.case.number("target"))
    return f"{words}{_verdict(aim, 'at least', aim is not None and r.median >= aim)}."


def _share(r: Ratio) -> str:
    words = f"{_where(r.case)}: {_who(r.case)} answers in {r.text} the time of scikit-learn"
    aim = positive(r.case.number("target"))
    return f"{words}{_verdict(aim, 'at most', aim is not None and r.median <= aim)}."


def _verdict(aim: float | None, which: str, reached: bool) -> str:
    if aim is None:
        return ""
    return f"; {which} {times(aim)} was meant" + ("" if reached else ", and is not reached")


def _accuracy(cases: list[Case]) -> Exhibit:
    found = {case.text("dtype"): (case, values) for case in cases if (values := _seeds(case))}
    names, dots, table = list(found), [], []
    for place, (name, (case, values)) in enumerate(found.items()):
        dots += [Point(value, place) for value in values]
        table.append(
            [name, case.text("epochs"), plural(len(values), "seed"), _share_right(mean(values)),
             _share_right(min(values)), _share_right(max(values)), seconds(case.median)]
        )  # fmt: skip
    findings = []
    if {"float32", "float64"} <= set(found):
        lost = mean(found["float64"][1]) - mean(found["float32"][1])
        words = f"float32 recognises {abs(100 * lost):.2f} points "
        findings.append(f"{words}{'less' if lost > 0 else 'more'} than float64, on average.")
    return Exhibit(
        "estimator-float32",
        "Accuracy in float32 and in float64",
        "Images that were not seen, one dot per seed; the data are float64, as pandas has them.",
        (ACCURACY,),
        Dots("share of the images recognised", names, [Series("a fit", dots, joined=False)])
        if found
        else None,
        findings,
        Table(["dtype", "epochs", "fits", "mean", "lowest", "highest", "time of a fit"], table),
    )


def _seeds(case: Case) -> list[float]:
    given = case.extra.get("accuracies")
    return [v for each in given if (v := number(each))] if isinstance(given, list) else []


def _share_right(value: float) -> str:
    return f"{100 * value:.2f} %"


def _memory(cases: list[Case]) -> Exhibit:
    found = [case for case in cases if case.number("peak_bytes") is not None]
    names = [f"{case.who}, {case.text('dtype')}" for case in found]
    peaks = [Point(c.number("peak_bytes") or 0, i) for i, c in enumerate(found)]
    limits = [Point(v, i) for i, c in enumerate(found) if (v := positive(c.number("limit_bytes")))]
    series = [Series("peak", peaks, joined=False)]
    if limits:
        series.append(Series("limit", limits, joined=False))
    findings = [
        f"{name}: at most {size(peak)} beyond the data"
        + (f", {percent(peak / limit)} of the limit." if limit else ".")
        for name, case in zip(names, found, strict=True)
        for peak, limit in [(case.number("peak_bytes") or 0, positive(case.number("limit_bytes")))]
    ]
    rows = [
        [name, size(c.number("data_bytes")), size(c.number("peak_bytes")),
         size(c.number("limit_bytes"))]
        for name, c in zip(names, found, strict=True)
    ]  # fmt: skip
    return Exhibit(
        "estimator-memory",
        "Peak memory of a second fit",
        "Beyond what the process held before, the data among it; the limit is 64 MB, four times "
        "the parameters, and the workspaces.",
        (MEMORY,),
        Dots("memory", names, series, "bytes") if found else None,
        findings,
        Table(["estimator", "data", "peak beyond the data", "limit"], rows),
    )
