"""Step 1 and step 6 of the report: how much of training is products, and what that bounds."""

from collections.abc import Iterable
from typing import Any

from accelnn.bench.report.data import Case, Run, number, positive
from accelnn.bench.report.exhibit import Dots, Exhibit, Guide, Lines, Point, Series, Stack, Table
from accelnn.bench.report.words import joined, percent, plain, seconds, spread, times

#: A smaller share of products than this does not carry the argument.
MOST = 0.5
REST = "the rest"
#: Of Amdahl's bound; more is not rounding.
OVER = 1.05


def products(case: Case) -> list[dict[str, Any]]:
    """Return the products of a profile that have a name and a time."""
    return [p for p in case.records("products") if p.get("name") and positive(p.get("seconds"))]


def epoch_seconds(case: Case) -> float:
    """Return what the products and the rest are shares of: the epoch that was profiled."""
    known = sum(float(p["seconds"]) for p in products(case)) + sum(s for _, s in rest(case))
    return max(positive(case.number("profiled_seconds")) or known, known)


def shares(case: Case) -> dict[str, float]:
    """Return the share of each product in the epoch; what is left is "the rest"."""
    whole = epoch_seconds(case)
    found = {str(p["name"]): float(p["seconds"]) / whole for p in products(case)}
    return found | {REST: max(0.0, 1 - sum(found.values()))}


def rest(case: Case) -> list[tuple[str, float]]:
    """Return the rest by name, the longest first."""
    found = case.extra.get("rest")
    named = found.items() if isinstance(found, dict) else ()
    return sorted(((k, s) for k, v in named if (s := positive(v))), key=lambda each: -each[1])


def exhibits(run: Run) -> list[Exhibit]:
    """Return what the profile of an epoch shows."""
    cases = [case for case in run.cases("mnist/profile") if products(case)]
    return [_shares(cases), _speeds(cases), _predicted(run.cases("mnist/profile"))]


def _shares(cases: list[Case]) -> Exhibit:
    chart = Stack(
        "share of the time of an epoch", [c.label() for c in cases], [*map(shares, cases)]
    )
    findings, rows = [], []
    for case in cases:
        whole, product_share = epoch_seconds(case), 1 - shares(case)[REST]
        verdict = (
            "most of the work is matrix products"
            if product_share >= MOST
            else "here the argument fails, for most of the time is not spent on products"
        )
        found = f"{case.label()}: products take {percent(product_share)} of an epoch; {verdict}."
        if rest(case):
            name, second = rest(case)[0]
            found += f" The largest piece of the rest is {name}, {percent(second / whole)}."
        findings.append(found)
        rows += [
            [case.label(), str(p["name"]), _shape(p), plain(number(p.get("calls"))),
             seconds(p["seconds"]), percent(p["seconds"] / whole)]
            for p in products(case)
        ]  # fmt: skip
        rows += [[case.label(), n, "", "", seconds(s), percent(s / whole)] for n, s in rest(case)]
    heads = ["run", "piece", "n × k × m", "calls", "time", "share"]
    return Exhibit(
        "shares",
        "Where the time of an epoch goes",
        "One bar per run of the MNIST network, divided into its products; grey is all the rest.",
        ("mnist/profile",),
        chart if cases else None,
        findings,
        Table(heads, rows),
    )


def _shape(product: dict[str, Any]) -> str:
    sizes = [product.get(key) for key in ("n", "k", "m")]
    letters = product.get("letters") or ""
    shape = " × ".join(str(size) for size in sizes if size is not None)
    return f"{shape} {'' if letters == 'NN' else letters}".strip()


def _speeds(cases: list[Case]) -> Exhibit:
    names = list(dict.fromkeys(str(p["name"]) for case in cases for p in products(case)))
    series, findings, rows = [], [], []
    for case in cases:
        ratios: dict[str, float] = {}
        for key, mark in (("gflops_inside", "inside the epoch"), ("gflops_alone", "alone")):
            dots = [
                Point(speed, names.index(str(p["name"])))
                for p in products(case)
                if (speed := positive(p.get(key)))
            ]
            if dots:
                series.append(Series(f"{case.label()}, {mark}", dots, case.label(), mark, False))
        for p in products(case):
            inside, alone = positive(p.get("gflops_inside")), positive(p.get("gflops_alone"))
            if inside and alone:
                ratios[str(p["name"])] = inside / alone
            ratio = times(ratios.get(str(p["name"])))
            rows.append([case.label(), str(p["name"]), plain(inside), plain(alone), ratio])
        if ratios:
            slow, fast = min(ratios, key=ratios.__getitem__), max(ratios, key=ratios.__getitem__)
            findings.append(
                f"{case.label()}: inside the epoch a product runs at between "
                f"{percent(ratios[slow])} ({slow}) and {percent(ratios[fast])} ({fast}) of its "
                "speed alone."
            )
    return Exhibit(
        "inside",
        "The products inside the epoch and alone",
        "GFLOP/s of each product as the epoch computes it, and of the same product by itself.",
        ("mnist/profile",),
        Dots("GFLOP/s", names, series, log=True) if series else None,
        findings,
        Table(["run", "product", "GFLOP/s inside", "GFLOP/s alone", "inside / alone"], rows),
    )


def _predicted(cases: list[Case]) -> Exhibit:
    found = [
        (case, predicted, measured)
        for case in cases
        if (predicted := positive(case.number("predicted_seconds")))
        and (measured := positive(case.number("measured_seconds")))
    ]
    series = [
        Series("predicted from the products alone", [Point(p, i) for i, (_, p, _) in _each(found)],
               joined=False),
        Series("measured", [Point(m, i, noisy=c.noisy) for i, (c, _, m) in _each(found)],
               joined=False),
    ]  # fmt: skip
    chart = Dots("time of an epoch", [c.label() for c, _, _ in found], series, "seconds")
    return Exhibit(
        "predicted",
        "An epoch predicted from its products",
        "The sum of the products' times alone beside the measured time of the epoch.",
        ("mnist/profile",),
        chart if found else None,
        [
            f"{c.label()}: the products alone predict {seconds(p)} for an epoch; {seconds(m)} were "
            f"measured, {times(m / p)} as long."
            for c, p, m in found
        ],
        Table(
            ["run", "predicted", "measured", "measured / predicted", "spread"],
            [[c.label(), seconds(p), seconds(m), times(m / p), spread(c)] for c, p, m in found],
        ),
    )


def _each(
    found: list[tuple[Case, float, float]],
) -> Iterable[tuple[int, tuple[Case, float, float]]]:
    return enumerate(found)


def rungs(run: Run) -> list[Exhibit]:
    """Return what a faster product does to a step of training."""
    cases = [
        case
        for case in run.cases("mnist/rungs")
        if positive(case.number("product_seconds")) and positive(case.number("step_seconds"))
    ]
    if not cases:
        return [_rungs(None, [], [], [])]
    first = cases[0]
    share = min(1.0, _ratio(first, "product_seconds", first, "step_seconds"))
    gains = [
        (case, _ratio(first, "product_seconds", case, "product_seconds"),
         _ratio(first, "step_seconds", case, "step_seconds"))
        for case in cases
    ]  # fmt: skip
    series = [
        Series(_rung(case), [Point(product, step, noisy=case.noisy)], joined=False)
        for case, product, step in gains
    ]
    low, high = (pick([product for _, product, _ in gains]) for pick in (min, max))
    xs = [low * (high / low) ** (i / 40) for i in range(41)] if high > low else [low]
    guides = [
        Guide("a step as fast as its product", xs, xs),
        Guide("Amdahl's bound", xs, [amdahl_bound(share, x) for x in xs]),
    ]
    chart = Lines("speed-up of the product", "speed-up of a training step", series, guides)
    findings = [
        f"With {_rung(first)}, products take {percent(share)} of a step; Amdahl's law then allows "
        f"a step to become at most "
        f"{times(1 / (1 - share)) if share < 1 else 'any number of times'} faster."
    ]
    best, product, step = max(gains, key=lambda gain: gain[2])
    if best is first:
        findings.append("No other rung made the step faster: here the argument fails.")
    else:
        part = step / amdahl_bound(share, product)
        over = ": the rest of the step did not stay the same" if part > OVER else ""
        findings.append(
            f"The fastest step is with {_rung(best)}: its product is {times(product)} faster, "
            f"the step {times(step)} ({percent(part)} of the bound{over})."
        )
    slower = [_rung(case) for case, _, step in gains[1:] if step < 1]
    if slower:
        findings.append(f"Slower than the first rung: {joined(slower)}.")
    distances = [d for case in cases if (d := case.number("distance")) is not None]
    if distances:
        findings.append(
            f"The weights end at most {plain(max(distances), 2)} from the plain loop's, as a "
            "share of their way from the start."
        )
    return [_rungs(chart, findings, gains, [amdahl_bound(share, gain[1]) for gain in gains])]


def amdahl_bound(share: float, speed_up: float) -> float:
    """Return the speed-up of the whole where this share of it became so much faster."""
    return 1 / ((1 - share) + share / speed_up)


def _rung(case: Case) -> str:
    return case.text("rung") or case.who


def _ratio(above: Case, key: str, below: Case, other: str) -> float:
    return (above.number(key) or 0.0) / (below.number(other) or 1.0)


def _rungs(
    chart: Lines | None,
    findings: list[str],
    gains: list[tuple[Case, float, float]],
    bounds: list[float],
) -> Exhibit:
    rows = [
        [_rung(case), case.text("batches"), seconds(case.number("product_seconds")),
         seconds(case.number("step_seconds")), times(product), times(step), times(bound),
         plain(case.number("distance"), 2), spread(case)]
        for (case, product, step), bound in zip(gains, bounds, strict=True)
    ]  # fmt: skip
    return Exhibit(
        "training-rungs",
        "A faster product, and the training step it is part of",
        "Each rung of the ladder computes the products of the same step of the MNIST network.",
        ("mnist/rungs",),
        chart,
        findings,
        Table(
            ["product", "batches", "time of the products", "time of the step",
             "speed-up of the product", "of the step", "Amdahl's bound", "distance of the weights",
             "spread"],
            rows,
        ),
    )  # fmt: skip
