"""Step 7 of the report: training on MNIST by each backend, in seconds, accuracy and memory."""

from typing import Any

from accelnn.bench.report.data import Case, Run, number, positive
from accelnn.bench.report.exhibit import Dots, Exhibit, Lines, Point, Series, Table, point
from accelnn.bench.report.words import joined, plain, seconds, size, spread, times

GOALS = (("to_97", "97 %"), ("to_98", "98 %"))


def curve(case: Case) -> list[tuple[float, float]]:
    """Return (seconds of training, test accuracy) after each epoch."""
    found: Any = case.extra.get("curve")
    pairs = (
        [each for each in found if isinstance(each, list | tuple) and len(each) == 2]
        if (isinstance(found, list))
        else []
    )
    numbers = [(number(a), number(b)) for a, b in pairs]
    return [(a, b) for a, b in numbers if a is not None and b is not None]


def exhibits(run: Run) -> list[Exhibit]:
    """Return accuracy over time, time to an accuracy, time over batches, and memory."""
    learnt = [case for case in run.cases("mnist/accuracy") if curve(case)]
    return [
        _accuracy(learnt),
        _time_to(run.cases("mnist/accuracy")),
        _epochs(run.cases("mnist/epoch")),
        _memory(run.cases("mnist/memory")),
    ]


def _accuracy(cases: list[Case]) -> Exhibit:
    series = [
        Series(c.label(), [Point(a, b) for a, b in curve(c)], c.text("backend"), _rule(c))
        for c in cases
    ]
    findings = []
    for case in cases:
        spent, reached = curve(case)[-1]
        findings.append(
            f"{case.label()}: {_accuracy_text(reached)} of the test images right after "
            f"{seconds(spent)} of training."
        )
    rows = [
        [c.label(), str(i + 1), seconds(a), _accuracy_text(b), plain(_at(c, "loss", i), 4)]
        for c in cases
        for i, (a, b) in enumerate(curve(c))
    ]
    return Exhibit(
        "accuracy",
        "Test accuracy over the seconds of training",
        "One line per backend and optimizer, one point per epoch.",
        ("mnist/accuracy",),
        Lines("seconds of training", "share of test images right", series, y_kind="percent",
              y_log=False, y_zero=False)
        if series
        else None,
        findings,
        Table(["run", "epoch", "time", "test accuracy", "loss"], rows),
    )  # fmt: skip


def _rule(case: Case) -> str:
    return case.label("optimizer", "batch")


def _accuracy_text(value: float) -> str:
    return f"{100 * value:.2f} %"


def _at(case: Case, key: str, place: int) -> float | None:
    found = case.extra.get(key)
    return number(found[place]) if isinstance(found, list) and place < len(found) else None


def _time_to(cases: list[Case]) -> Exhibit:
    names = [case.label() for case in cases]
    series, findings = [], []
    for key, goal in GOALS:
        taken = {i: t for i, case in enumerate(cases) if (t := positive(case.number(key)))}
        if taken:
            series.append(Series(goal, [Point(t, i) for i, t in taken.items()], joined=False))
            best, slow = min(taken, key=taken.__getitem__), max(taken, key=taken.__getitem__)
            found = f"{goal} of the test images: first by {names[best]}, after "
            found += seconds(taken[best])
            if slow != best:
                found += f"; last by {names[slow]}, after {seconds(taken[slow])}"
            findings.append(found + ".")
        never = [name for i, name in enumerate(names) if i not in taken]
        if never:
            findings.append(f"{goal} was not reached within this run by {joined(never)}.")
    rows = [[c.label(), *(seconds(positive(c.number(key))) for key, _ in GOALS)] for c in cases]
    return Exhibit(
        "time-to",
        "Time to 97 % and 98 % test accuracy",
        "Seconds of training until that share of the test images was right for the first time.",
        ("mnist/accuracy",),
        Dots("time of training", names, series, "seconds") if series else None,
        findings,
        Table(["run", *(f"to {goal}" for _, goal in GOALS)], rows),
    )


def _epochs(cases: list[Case]) -> Exhibit:
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        if positive(case.number("batch")):
            key = (case.text("backend"), case.text("optimizer"))
            groups.setdefault(key, []).append(case)
    series = [
        Series(
            f"{backend}, {rule}", [point(c, c.number("batch") or 1) for c in each], backend, rule
        )
        for (backend, rule), each in groups.items()
    ]
    findings = []
    for rule in dict.fromkeys(rule for _, rule in groups):
        findings += _fastest(
            rule, [c for (_, r), each in groups.items() if r == rule for c in each]
        )
    rows = [
        [c.text("backend"), c.text("optimizer"), c.text("batch"), c.text("rows"), c.text("data"),
         seconds(c.median), plain((positive(c.number("rows")) or 0) / (c.median or 1)), spread(c)]
        for c in cases
    ]  # fmt: skip
    ticks = tuple(sorted({c.number("batch") or 1 for each in groups.values() for c in each}))
    return Exhibit(
        "epochs",
        "Seconds of an epoch over the size of the minibatches",
        "Less is better; one line per backend and optimizer.",
        ("mnist/epoch",),
        Lines("rows of a minibatch", "time of an epoch", series, y_kind="seconds", ticks=ticks)
        if series
        else None,
        findings,
        Table(
            ["backend", "optimizer", "batch", "rows", "data", "time", "rows per second", "spread"],
            rows,
        ),
    )


def _fastest(rule: str, cases: list[Case]) -> list[str]:
    """Return which backend is the fastest at which batch sizes, and by how much."""
    batches = sorted({c.number("batch") or 1 for c in cases})
    winners: dict[str, list[str]] = {}
    margins = []
    for batch in batches:
        here = sorted((c for c in cases if c.number("batch") == batch), key=lambda c: c.median or 0)
        if len(here) > 1:
            winners.setdefault(here[0].text("backend"), []).append(plain(batch, 6))
            margins.append((here[1].median or 0) / (here[0].median or 1))
    if not winners:
        return [f"{rule}: one backend only, so nothing to compare."]
    won = "; ".join(f"{backend} at batch {joined(at)}" for backend, at in winners.items())
    margin = f"{times(min(margins))} to {times(max(margins))}"
    if times(min(margins)) == times(max(margins)):
        margin = times(margins[0])
    return [f"{rule}: the fastest is {won}, {margin} as fast as the next."]


def _memory(cases: list[Case]) -> Exhibit:
    found = [case for case in cases if positive(case.number("peak_bytes"))]
    names = [case.label() for case in found]
    peaks = [Point(c.number("peak_bytes") or 0, i, noisy=c.noisy) for i, c in enumerate(found)]
    floors = [
        Point(floor, i) for i, c in enumerate(found) if (floor := positive(c.number("floor_bytes")))
    ]
    series = [Series("peak", peaks, joined=False)]
    if floors:
        series.append(Series("data, parameters and states", floors, joined=False))
    findings = []
    for case in found:
        peak, floor = case.number("peak_bytes") or 0, positive(case.number("floor_bytes"))
        words = f"{case.label()}: at most {size(peak)} above what the process held before"
        if floor:
            words += f", {times(peak / floor)} what data, parameters and states need"
        findings.append(words + ".")
    rows = [[c.label(), size(c.number("peak_bytes")), size(c.number("floor_bytes"))] for c in found]
    return Exhibit(
        "memory",
        "Peak memory of a fit",
        "Above what the process held before; beside it what data, parameters and states need.",
        ("mnist/memory",),
        Dots("memory", names, series, "bytes") if found else None,
        findings,
        Table(["run", "peak", "data, parameters and states"], rows),
    )
