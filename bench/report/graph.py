"""Step 11 of the report: what the graph costs."""

from collections.abc import Callable

from accelnn.bench.report.data import Case, Run, number, positive
from accelnn.bench.report.exhibit import Dots, Exhibit, Point, Series, Table
from accelnn.bench.report.ratio import Ratio, ratios
from accelnn.bench.report.words import plain, seconds, spread, times

OVERHEAD, STEP = "graph/overhead", "graph/step"


def exhibits(run: Run) -> list[Exhibit]:
    """Return the overhead of an operation, and eager training steps."""
    return [_overhead(run.cases(OVERHEAD)), _steps(run.cases(STEP))]


def _overhead(cases: list[Case]) -> Exhibit:
    found = ratios(cases, "overhead")
    rows = [
        [r.case.who, r.case.text("backend"), seconds(r.case.median),
         seconds(r.case.number("arrays_seconds")), _micro(r), spread(r.case)]
        for r in found
    ]  # fmt: skip
    aim = next((aim for r in found if (aim := positive(r.case.number("target")))), None)
    return Exhibit(
        "graph-overhead",
        "What the graph adds to an operation",
        "On four numbers, forward and backward, in chains of the operation: the time of tensors "
        "less that of the same array calls, taking turns. Bars reach from the least to the "
        "greatest difference of a round.",
        (OVERHEAD,),
        _chart(
            "seconds of an operation that are the graph's",
            found,
            [r.case.who for r in found],
            [r.case.text("backend") for r in found],
            None if aim is None else (aim, "meant at most"),
        ),
        [_added(r) for r in found],
        Table(
            ["operation", "backend", "as tensors", "array calls", "the graph (spread)",
             "spread of the time"],
            rows,
        ),
    )  # fmt: skip


def _steps(cases: list[Case]) -> Exhibit:
    found = ratios(cases)
    rows = [
        [_where(r.case), r.case.who, seconds(r.case.median), r.text, _aim(r.case), spread(r.case)]
        for r in found
    ]
    eager = [r for r in found if r.case.who.endswith("eager")]
    return Exhibit(
        "graph-steps",
        "Eager training steps",
        "zero_grad, forward, loss, backward and the optimizer's step, beside the program that "
        "NumPy's backend runs; same minibatches and first weights, taking turns.",
        (STEP,),
        _chart(
            "time of a step / the program's",
            eager,
            [_where(r.case) for r in eager],
            [r.case.who for r in eager],
            (1.0, "the program"),
        ),
        [_share(r) for r in eager],
        Table(["network", "way", "a step", "time (spread)", "meant", "spread of the time"], rows),
    )


def _chart(
    axis: str,
    found: list[Ratio],
    places: list[str],
    names: list[str],
    at: tuple[float, str] | None,
) -> Dots | None:
    """Return dots in rows by their places, in series by their names."""
    rows = list(dict.fromkeys(places))
    series = [
        Series(
            name,
            [
                Point(r.median, rows.index(place), r.low, r.high, r.case.noisy)
                for r, place, mine in zip(found, places, names, strict=True)
                if mine == name
            ],
            joined=False,
        )
        for name in dict.fromkeys(names)
    ]
    return Dots(axis, rows, series, log=True, at=at) if found else None


def _where(case: Case) -> str:
    threads = {"": "all threads", "1": "1 thread"}.get(case.text("threads"), "")
    return f"{case.text('optimizer')}, {threads}"


def _micro(r: Ratio) -> str:
    least = number(r.case.extra["overhead"].get("low"))  # of a noisy round it may be negative
    low = "below 0" if least is not None and least <= 0 else plain(1e6 * r.low)
    return f"{seconds(r.median)} ({low} to {plain(1e6 * r.high)} µs)"


def _aim(case: Case) -> str:
    found = positive(case.number("target"))
    return "" if found is None else f"at most {times(found)}"


def _added(r: Ratio) -> str:
    words = f"{r.case.who}, {r.case.text('backend')}: the graph adds {_micro(r)}"
    return f"{words}{_verdict(r, seconds)}."


def _share(r: Ratio) -> str:
    return f"{_where(r.case)}: {r.case.who} takes {r.text} the program's time{_verdict(r, times)}."


def _verdict(r: Ratio, shown: Callable[[float | None], str]) -> str:
    aim = positive(r.case.number("target"))
    if aim is None:
        return ""
    return f"; at most {shown(aim)} was meant, and is {'' if r.median <= aim else 'not '}reached"
