"""Step 8 of the report: prediction, from one row to sixty thousand."""

from accelnn.bench.report.data import Case, Run, positive
from accelnn.bench.report.exhibit import Exhibit, Lines, Point, Series, Table, rate_point
from accelnn.bench.report.words import count, joined, plain, seconds, spread, times

PART = "predict/rows"


def by_backend(cases: list[Case]) -> dict[str, dict[float, Case]]:
    """Return backend -> rows of a call -> case."""
    found: dict[str, dict[float, Case]] = {}
    for case in cases:
        if rows := positive(case.number("rows")):
            found.setdefault(case.text("backend") or case.who, {})[rows] = case
    return {name: dict(sorted(each.items())) for name, each in found.items()}


def exhibits(run: Run) -> list[Exhibit]:
    """Return throughput and latency over the rows of a call."""
    found = by_backend(run.cases(PART))
    ticks = tuple(sorted({rows for each in found.values() for rows in each}))
    return [_throughput(found, ticks), _latency(found, ticks)]


def rate(case: Case, rows: float) -> float:
    """Return the rows per second that were recorded, or those of the median."""
    return positive(case.number("rows_per_second")) or rows / (case.median or 1)


def _throughput(found: dict[str, dict[float, Case]], ticks: tuple[float, ...]) -> Exhibit:
    series = [
        Series(name, [_rate_point(c, rows) for rows, c in each.items()], name)
        for name, each in found.items()
    ]
    findings = []
    for name, each in found.items():
        best = max(each, key=lambda rows: rate(each[rows], rows))
        few = min(each)
        words = f"{name}: at most {plain(rate(each[best], best))} rows per second, at {count(best)}"
        words += " rows a call"
        if best != few:
            words += f"; {plain(rate(each[few], few))} at {count(few)}"
            gain = rate(each[best], best) / rate(each[few], few)
            words += f", so that many rows at a time are {times(gain)} as fast per row"
        findings.append(words + ".")
    findings += _winners(found)
    table = [
        [name, count(rows), plain(rate(c, rows)), seconds(c.median), spread(c)]
        for name, each in found.items()
        for rows, c in each.items()
    ]
    return Exhibit(
        "throughput",
        "Rows per second",
        "More is better; one line per backend over the rows of a call.",
        (PART,),
        Lines("rows of a call", "rows per second", series, ticks=ticks) if series else None,
        findings,
        Table(["backend", "rows of a call", "rows per second", "time of a call", "spread"], table),
    )


def _rate_point(case: Case, rows: float) -> Point:
    timed = rate_point(case, rows, rows)
    return Point(rows, rate(case, rows), timed.low, timed.high, case.noisy)


def _winners(found: dict[str, dict[float, Case]]) -> list[str]:
    """Return which backend answers first at which sizes."""
    won: dict[str, list[str]] = {}
    for rows in sorted({rows for each in found.values() for rows in each}):
        here = {name: each[rows].median or 0 for name, each in found.items() if rows in each}
        if len(here) > 1:
            won.setdefault(min(here, key=here.__getitem__), []).append(count(rows))
    if not won:
        return []
    return [f"The fastest: {'; '.join(f'{name} at {joined(at)}' for name, at in won.items())}."]


def _latency(found: dict[str, dict[float, Case]], ticks: tuple[float, ...]) -> Exhibit:
    series, findings, table = [], [], []
    for name, each in found.items():
        for key, mark in (("p50", "half of the calls"), ("p99", "99 % of the calls")):
            points = [
                Point(rows, value, noisy=c.noisy)
                for rows, c in each.items()
                if (value := positive(c.number(key)))
            ]
            if points:
                series.append(Series(f"{name}, {mark}", points, name, mark))
        few, case = next(iter(each.items()))
        half, most = positive(case.number("p50")), positive(case.number("p99"))
        if half and most:
            findings.append(
                f"{name}: half of the calls with {count(few)} row{'s' if few > 1 else ''} answer "
                f"within {seconds(half)}, 99 % within {seconds(most)}, {times(most / half)} as "
                "long."
            )
        table += [
            [name, count(rows), seconds(c.number("p50")), seconds(c.number("p99")), spread(c)]
            for rows, c in each.items()
        ]
    return Exhibit(
        "latency",
        "Time until the answer",
        "Within which time half of the calls, and 99 % of them, were answered.",
        (PART,),
        Lines("rows of a call", "time of a call", series, y_kind="seconds", ticks=ticks)
        if series
        else None,
        findings,
        Table(["backend", "rows of a call", "p50", "p99", "spread"], table),
    )
