"""Step 2 of the report: the ladder from three loops to all cores, and what could be parallel."""

from itertools import groupby
from typing import NamedTuple

from accelnn.bench.report.data import Case, Ceiling, Run, positive
from accelnn.bench.report.exhibit import (
    Dots,
    Exhibit,
    Guide,
    Lines,
    Point,
    Series,
    Table,
    rate_point,
)
from accelnn.bench.report.words import (
    count,
    giga,
    joined,
    percent,
    plain,
    seconds,
    size,
    speed,
    spread,
    times,
)

RUNGS, NETWORK = "matmul/rungs", "matmul/network"
ONE, ALL = ", 1 thread", ", all threads"


def edge(case: Case) -> float | None:
    """Return the size of a product: n where n = k = m, else the edge of as large a cube."""
    sizes = [positive(case.number(key)) for key in ("n", "k", "m")]
    volume = 1.0
    for each in sizes:
        if each is None:
            return None
        volume *= each
    return sizes[0] if len(set(sizes)) == 1 else round(volume ** (1 / 3), 1)


def shape(case: Case) -> str:
    """Return "64 × 784 × 512 TN"."""
    sizes = [case.number(key) for key in ("n", "k", "m")]
    if None in sizes:
        return case.group or case.who
    letters = case.text("letters")
    return " × ".join(count(each) for each in sizes) + (
        f" {letters}" if letters not in ("", "NN") else ""
    )


class Size(NamedTuple):
    """Where a product stands on the axis, and what sentences call it."""

    edge: float
    label: str


def size_of(case: Case) -> Size | None:
    """Return the size of a product that has one."""
    at = edge(case)
    if at is None:
        return None
    cube = len({case.number(key) for key in ("n", "k", "m")}) == 1
    return Size(at, f"{at:g}" if cube else shape(case))


def by_size(cases: list[Case]) -> dict[Size, dict[str, Case]]:
    """Return size -> rung -> case, of the products without a transposed factor."""
    found: dict[Size, dict[str, Case]] = {}
    for case in cases:
        at = size_of(case)
        if at is not None and case.rate and case.text("letters") in ("", "NN"):
            found.setdefault(at, {})[case.who] = case
    return dict(sorted(found.items()))


def rung_names(cases: list[Case]) -> list[str]:
    """Return the rungs in the order in which they were run."""
    return list(dict.fromkeys(case.who for case in cases))


def peak(ceilings: dict[str, Ceiling], case: Case) -> float | None:
    """Return the measured operations per second that this case could reach at most."""
    backend = case.text("backend")
    found = ceilings.get(backend) or next(iter(ceilings.values()), None)
    return None if found is None else found.flops


def exhibits(run: Run) -> list[Exhibit]:
    """Return the counts, the ladder, the speed-ups and the products of the network."""
    cases = [case for case in run.cases(RUNGS) if edge(case)]
    sizes, ceilings = by_size(cases), run.ceilings(RUNGS, NETWORK, "scaling/roofline")
    names = rung_names(cases)
    return [
        _counts(cases),
        _ladder(cases, names, sizes, ceilings),
        _speed_ups(names, sizes),
        _network([c for c in run.cases(NETWORK) if c.rate], ceilings),
    ]


def _counts(cases: list[Case]) -> Exhibit:
    keys = ("multiplications", "additions", "work", "span", "parallelism")
    counted = {shape(c): c for c in cases if all(positive(c.number(key)) for key in keys)}
    found = sorted(counted.values(), key=lambda c: c.number("work") or 0)
    extra = {shape(c): b for c in cases if (b := positive(c.number("extra_bytes")))}
    rows = [
        [shape(c), *(count(c.number(key)) for key in keys[:-1]), plain(c.number("parallelism")),
         size(extra.get(shape(c)))]
        for c in found
    ]  # fmt: skip
    series = [
        Series(key, [Point(edge(c) or 1, c.number(key) or 1) for c in found]) for key in keys[2:]
    ]
    findings = []
    if found:
        small, large = found[0], found[-1]
        findings.append(
            f"A product of {shape(large)} has {count(large.number('multiplications'))} "
            f"multiplications, yet only {count(large.number('span'))} steps must follow each "
            f"other: {plain(large.number('parallelism'))} operations could run at once on average "
            f"(at {shape(small)}: {plain(small.number('parallelism'))})."
        )
    if extra:
        most = max(extra, key=extra.__getitem__)
        findings.append(
            f"To compute all products at once, and then the sums, takes {size(extra[most])} of "
            f"additional memory at {most}."
        )
    return Exhibit(
        "counts",
        "What could be computed at the same time",
        "Work is all operations, span is the longest chain of them, parallelism is work / span.",
        (RUNGS,),
        Lines(_axis(cases), "operations", series, ticks=_ticks(cases)) if found else None,
        findings,
        Table(
            ["n × k × m", "products", "additions", "work", "span", "work / span",
             "memory of all products at once"],
            rows,
        ),
    )  # fmt: skip


def _ticks(cases: list[Case]) -> tuple[float, ...]:
    return tuple(sorted({at for c in cases if (at := edge(c))}))


def _axis(cases: list[Case]) -> str:
    cubes = all(len({c.number(key) for key in ("n", "k", "m")}) == 1 for c in cases)
    return "size (n of n × n × n)" if cubes else "size (cube root of n × k × m)"


def _ladder(
    cases: list[Case],
    names: list[str],
    sizes: dict[Size, dict[str, Case]],
    ceilings: dict[str, Ceiling],
) -> Exhibit:
    series = [
        Series(name, points)
        for name in names
        if (points := [_gflops(row[name], at.edge) for at, row in sizes.items() if name in row])
    ]
    ends = [min(sizes).edge, max(sizes).edge] if sizes else []
    guides = [
        Guide(f"measured peak, {backend}", ends, [each.flops / 1e9] * len(ends), backend)
        for backend, each in ceilings.items()
        if ends
    ]
    rows = []
    for case in sorted(cases, key=lambda c: (edge(c) or 0, shape(c))):
        top = peak(ceilings, case)
        at = size_of(case)
        first = (
            sizes.get(at, {}).get(names[0]) if at and case.text("letters") in ("", "NN") else None
        )
        gain = None
        if first and first.median and case.median:
            gain = first.median / case.median
        rows.append(
            [shape(case), case.who, seconds(case.median), giga(case.rate),
             percent(case.rate / top) if top and case.rate else "–", times(gain),
             seconds(case.number("compile_seconds")), spread(case)]
        )  # fmt: skip
    return Exhibit(
        "ladder",
        "The ladder: operations per second over size",
        "One line per way to compute the same product; both axes are logarithmic.",
        (RUNGS,),
        Lines(_axis(cases), "GFLOP/s", series, guides, ticks=_ticks(cases))
        if series
        else None,
        _ladder_findings(sizes, ceilings),
        Table(
            ["n × k × m", "rung", "time", "GFLOP/s", "of the peak", "over the first rung",
             "compiled in", "spread"],
            rows,
        ),
    )  # fmt: skip


def _gflops(case: Case, x: float) -> Point:
    return rate_point(case, x, (case.number("flops") or 0) / 1e9)


def _ladder_findings(sizes: dict[Size, dict[str, Case]], ceilings: dict[str, Ceiling]) -> list[str]:
    findings = []
    winners = [
        (at, max(row.values(), key=lambda c: c.rate or 0)) for at, row in sizes.items() if row
    ]
    if winners:
        stretches = []
        for who, each in groupby(winners, key=lambda winner: winner[1].who):
            found = [at.label for at, _ in each]
            stretches.append(f"{who} ({' to '.join(dict.fromkeys((found[0], found[-1])))})")
        findings.append(f"The fastest at each size: {joined(stretches)}.")
        at, best = max(winners, key=lambda winner: winner[1].rate or 0)
        top = peak(ceilings, best)
        share = f", {percent(best.rate / top)} of the measured peak" if top and best.rate else ""
        findings.append(f"The most is {speed(best.rate)}: {best.who} at size {at.label}{share}.")
    findings += _threads(sizes)
    findings += _all_at_once(sizes)
    return findings


def _threads(sizes: dict[Size, dict[str, Case]]) -> list[str]:
    """Return from which size on threads help, for each product that was run both ways."""
    findings = []
    bases = dict.fromkeys(
        name.removesuffix(ALL) for row in sizes.values() for name in row if name.endswith(ALL)
    )
    for base in bases:
        gains = {
            at: (row[base + ALL].rate or 0) / (row[base + ONE].rate or 1)
            for at, row in sizes.items()
            if base + ALL in row and base + ONE in row
        }
        if not gains:
            continue
        losing = [at.label for at, gain in gains.items() if gain < 1]
        best = max(gains, key=gains.__getitem__)
        found = f"{base}: all threads are {times(gains[best])} as fast as one at size {best.label}"
        if losing:
            found += f", and slower than one at {joined(losing)}, where the argument fails"
        findings.append(found + ".")
    return findings


def _all_at_once(sizes: dict[Size, dict[str, Case]]) -> list[str]:
    """Return how the step with all products in one array compares with compiled loops."""
    for at, row in reversed(sizes.items()):
        case = next((c for c in row.values() if positive(c.number("extra_bytes"))), None)
        if case is None or not case.rate:
            continue
        others = [c for c in row.values() if c.rate and c.rate > case.rate]
        bytes_ = size(case.number("extra_bytes"))
        if not others:
            return [f"Nothing is faster than all products at once at size {at.label} ({bytes_})."]
        best = max(others, key=lambda c: c.rate or 0)
        gain = times((best.rate or 0) / case.rate)
        return [
            f"All products at once write {bytes_} at size {at.label}; {best.who} is {gain} as fast "
            "without that memory."
        ]
    return []


def _speed_ups(names: list[str], sizes: dict[Size, dict[str, Case]]) -> Exhibit:
    """Return the speed-ups at the largest size at which the first rung was run."""
    first = names[0] if names else ""
    at = max((at for at, row in sizes.items() if first in row), default=None)
    row = {} if at is None else sizes[at]
    found = [(name, row[name]) for name in names if name in row]
    base = row[first].median if found else None
    rows, points = [], []
    for i, (name, case) in enumerate(found):
        assert base
        assert case.median
        points.append(rate_point(case, 0, base))
        points[-1] = Point(points[-1].y, i, points[-1].low, points[-1].high, case.noisy)
        rows.append([name, seconds(case.median), times(base / case.median), spread(case)])
    findings = []
    if found and base and at is not None:
        best, case = min(found, key=lambda each: each[1].median or 0)
        findings.append(
            f"At size {at.label}, {best} is {times(base / (case.median or 1))} as fast as {first}."
            if best != first
            else f"At size {at.label} nothing is faster than {first}: here the argument fails."
        )
    series = [Series(f"at size {at.label}" if at else "", points, joined=False)]
    chart = Dots(
        "speed-up", [name for name, _ in found], series, log=True, at=(1.0, "the first rung")
    )
    return Exhibit(
        "speed-ups",
        "Speed-up over the first rung",
        "At the largest size at which the first rung was run.",
        (RUNGS,),
        chart if found else None,
        findings,
        Table(["rung", "time", "speed-up", "spread"], rows),
    )


def _network(cases: list[Case], ceilings: dict[str, Ceiling]) -> Exhibit:
    shapes = list(dict.fromkeys(shape(case) for case in cases))
    series = []
    for name in rung_names(cases):
        dots = []
        for case in (c for c in cases if c.who == name):
            p = _gflops(case, 0)
            dots.append(Point(p.y, shapes.index(shape(case)), p.low, p.high, p.noisy))
        series.append(Series(name, dots, joined=False))
    winners = []
    for each in shapes:
        rated = {case.who: case.rate for case in cases if shape(case) == each and case.rate}
        best = max(rated, key=rated.__getitem__)
        winners.append((best, each))
    words = [
        f"{best} is the fastest at {_which([e for b, e in winners if b == best], shapes)}"
        for best in dict.fromkeys(best for best, _ in winners)
    ]
    rows = []
    for case in cases:
        top = peak(ceilings, case)
        share = percent(case.rate / top) if top and case.rate else "–"
        rows.append(
            [shape(case), case.who, seconds(case.median), giga(case.rate), share, spread(case)]
        )
    return Exhibit(
        "network",
        "The products of the MNIST network",
        "The same rungs at the products of a step of training; T marks a transposed factor.",
        (NETWORK,),
        Dots("GFLOP/s", shapes, series, log=True) if cases else None,
        [f"{'; '.join(words)}."] if words else [],
        Table(["n × k × m", "rung", "time", "GFLOP/s", "of the peak", "spread"], rows),
    )


def _which(some: list[str], shapes: list[str]) -> str:
    return f"all {len(shapes)} products" if len(some) == len(shapes) > 1 else joined(some)
