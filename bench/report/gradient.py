"""Step 5 of the report: what a gradient costs, by backpropagation and without it."""

from collections.abc import Callable

from accelnn.bench.fitting import FEWEST, exponent
from accelnn.bench.report.data import Case, Run, positive
from accelnn.bench.report.exhibit import Exhibit, Lines, Point, Series, Table, point
from accelnn.bench.report.words import (
    count,
    joined,
    seconds,
    some,
    spread,
    times,
)

PART = "backprop_cost/cost"
FORWARD, BACKWARD = "forward", "backward"


def by_method(cases: list[Case]) -> dict[str, list[Case]]:
    """Return method -> its cases by rising number of parameters."""
    found: dict[str, list[Case]] = {}
    for case in cases:
        if positive(case.number("parameters")):
            found.setdefault(case.text("method") or case.who, []).append(case)
    return {name: sorted(each, key=_parameters) for name, each in found.items()}


def _parameters(case: Case) -> float:
    return case.number("parameters") or 0.0


def exhibits(run: Run) -> list[Exhibit]:
    """Return time and counted multiplications over the number of parameters."""
    found = by_method(run.cases(PART))
    return [_times(found), _counts(found)]


#: Networks that only grow; an exponent has a meaning along these.
GROWING = ("", "width")

#: Method -> (parameters, value, widths) of each network.
Values = dict[str, list[tuple[float, float, str]]]


def values_of(found: dict[str, list[Case]], value: Callable[[Case], float | None]) -> Values:
    """Return what is shown of each case that has it."""
    made: Values = {}
    for name, cases in found.items():
        for case in cases:
            if (y := value(case)) is not None:
                made.setdefault(name, []).append((_parameters(case), y, case.text("widths")))
    return made


def _chart(found: dict[str, list[Case]], y: str, kind: str, make: Callable[[Case], Point]) -> Lines:
    """Return lines through the networks that grow, and single points for the others."""
    series = []
    for name, cases in found.items():
        growing = [make(c) for c in cases if c.text("series") in GROWING]
        others = [make(c) for c in cases if c.text("series") not in GROWING]
        series += [Series(name, growing)] if growing else []
        series += [Series(name, others, joined=False)] if others else []
    return Lines("parameters", y, series, y_kind=kind)


def fitted(what: str, values: Values) -> list[str]:
    """Return the exponents of the parameters, or why there are none."""
    findings: dict[str, list[str]] = {}  # range of sizes -> exponents
    without = []
    for name, pairs in values.items():
        power = exponent([x for x, _, _ in pairs], [y for _, y, _ in pairs])
        if power is None:
            without.append(name)
            continue
        sizes = f"{count(pairs[0][0])} to {count(pairs[-1][0])} parameters"
        findings.setdefault(sizes, []).append(f"{name} P^{power:.2f}")
    made = [
        f"{what} from {sizes} (P) grows as: {', '.join(powers)}."
        for sizes, powers in findings.items()
    ]
    if without:
        made.append(f"No exponent for {joined(without)}: a fit needs at least {FEWEST} sizes.")
    return made


def _growing(found: dict[str, list[Case]]) -> dict[str, list[Case]]:
    return {n: [c for c in cases if c.text("series") in GROWING] for n, cases in found.items()}


def _times(found: dict[str, list[Case]]) -> Exhibit:
    values = values_of(found, lambda c: c.median)
    findings = fitted("Time", values_of(_growing(found), lambda c: c.median))
    findings += _against_forward(values, "time") + _failures(values)
    rows = [
        [name, c.text("widths"), count(_parameters(c)), seconds(c.median), spread(c)]
        for name, cases in found.items()
        for c in cases
    ]
    return Exhibit(
        "gradient-time",
        "The time of a gradient",
        "Seconds over the number of parameters, both logarithmic: the slope is the exponent.",
        (PART,),
        _chart(found, "time", "seconds", lambda c: point(c, _parameters(c))) if found else None,
        findings,
        Table(["method", "widths", "parameters", "time", "spread"], rows),
    )


def _counted(case: Case) -> float | None:
    return positive(case.number("multiplications"))


def _counts(found: dict[str, list[Case]]) -> Exhibit:
    known = {name: [c for c in cases if _counted(c)] for name, cases in found.items()}
    known = {name: cases for name, cases in known.items() if cases}
    values = values_of(known, _counted)
    findings = fitted("The count of multiplications", values_of(_growing(known), _counted))
    findings += _against_forward(values, "multiplications")
    rows = [
        [
            name,
            c.text("widths"),
            count(_parameters(c)),
            count(c.number("multiplications")),
            count(c.number("additions")),
        ]
        for name, cases in found.items()
        for c in cases
    ]
    return Exhibit(
        "gradient-count",
        "The multiplications of a gradient",
        "Counted, not timed: the same on every machine.",
        (PART,),
        _chart(
            known, "multiplications", "number", lambda c: Point(_parameters(c), _counted(c) or 1)
        )
        if known
        else None,
        findings,
        Table(["method", "widths", "parameters", "multiplications", "additions"], rows),
    )


def _against_forward(values: Values, what: str) -> list[str]:
    """Return what each method costs in forward passes, where both were measured."""
    forward = {widths: y for _, y, widths in values.get(FORWARD, [])}
    findings = []
    for name, found in values.items():
        ratios = [(y / forward[widths], widths) for _, y, widths in found if widths in forward]
        if name == FORWARD or not ratios:
            continue
        (first, small), (last, large) = ratios[0], ratios[-1]
        words = f"{name}: {times(last)} the {what} of the forward pass in the network {large}"
        if len(ratios) > 1:
            words += f", {times(first)} in {small}"
        findings.append(f"{words}.")
    return findings


def _failures(values: Values) -> list[str]:
    """Return where the way back alone is not the fastest way to a gradient."""
    backward = {widths: y for _, y, widths in values.get(BACKWARD, [])}
    findings = []
    for name, found in values.items():
        wins = [widths for _, y, widths in found if y < backward.get(widths, 0)]
        if wins and name not in (FORWARD, BACKWARD):
            findings.append(
                f"Here the argument fails: {name} takes less time than backward in {some(wins)}."
            )
    return findings
