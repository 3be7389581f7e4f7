"""Step 4 of the report: what memory allows, and what fusing kernels saves."""

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
    giga,
    joined,
    percent,
    plain,
    plural,
    seconds,
    some,
    speed,
    spread,
    times,
)

ROOFLINE, SINGLE, FUSED = "scaling/roofline", "kernels/single", "kernels/fused"
#: From this share of the roof on, it is the roof that holds a kernel up.
NEAR = 0.5
#: A gain smaller than this is called none.
PAYS = 1.05


def intensity(case: Case) -> float | None:
    """Return the operations per byte."""
    given = positive(case.number("intensity"))
    flops, moved = positive(case.number("flops")), positive(case.number("bytes"))
    return given or (flops / moved if flops and moved else None)


def ceiling(ceilings: dict[str, Ceiling], case: Case) -> Ceiling | None:
    """Return the limits of the case's backend, or the only ones there are."""
    if case.text("backend") in ceilings:
        return ceilings[case.text("backend")]
    return next(iter(ceilings.values())) if len(ceilings) == 1 else None


def share(case: Case, limit: Ceiling | None) -> float | None:
    """Return how much of what the roofline allows a case reaches."""
    at = intensity(case)
    return case.rate / limit.roof(at) if limit and at and case.rate else None


def exhibits(run: Run) -> list[Exhibit]:
    """Return the roofline, the kernels below it, and fused against unfused."""
    ceilings = run.ceilings(ROOFLINE, SINGLE)
    return [_roofline(run, ceilings), _kernels(run, ceilings), _fused(run.cases(FUSED))]


def _roofline(run: Run, ceilings: dict[str, Ceiling]) -> Exhibit:
    chosen = [c for c in run.cases(ROOFLINE) if intensity(c) and c.rate]
    others = [c for c in run.cases(SINGLE) if intensity(c) and c.rate]
    series = [Series(c.label("kernel", "backend"), [_at(c)], joined=False) for c in chosen]
    for backend in dict.fromkeys(c.text("backend") for c in others):
        dots = [_at(c) for c in others if c.text("backend") == backend]
        series.append(Series(f"kernels, {backend}", dots, backend, joined=False))
    xs = [p.x for s in series for p in s.points] + [
        c.flops / c.bandwidth for c in ceilings.values()
    ]
    guides = []
    for backend, limit in ceilings.items():
        low, high = min(xs) / 2, max(xs) * 2
        ridge = limit.flops / limit.bandwidth
        ends = [low, ridge, high]
        name = f"roof, {backend}"
        guides.append(Guide(name, ends, [limit.roof(x) / 1e9 for x in ends], backend))
    rows = [
        [_kernel(c), c.text("backend"), plain(intensity(c)), giga(c.rate),
         percent(share(c, ceiling(ceilings, c))), spread(c)]
        for c in [*chosen, *others]
    ]  # fmt: skip
    rows += [
        [f"ceiling of {b}", b, plain(c.flops / c.bandwidth), giga(c.flops),
         f"{giga(c.bandwidth)} GB/s", ""]
        for b, c in ceilings.items()
    ]  # fmt: skip
    return Exhibit(
        "roofline",
        "The roofline: operations per second over operations per byte",
        "Left of the bend of a roof memory is the limit, right of it arithmetic; both ceilings "
        "were measured in the same run.",
        (ROOFLINE, SINGLE),
        Lines("floating-point operations per byte", "GFLOP/s", series, guides)
        if series or guides
        else None,
        _roofline_findings([*chosen, *others], ceilings),
        Table(
            ["kernel", "backend", "operations per byte", "GFLOP/s", "of the roof", "spread"], rows
        ),
    )


def _at(case: Case) -> Point:
    return rate_point(case, intensity(case) or 1.0, (case.number("flops") or 0) / 1e9)


def _roofline_findings(cases: list[Case], ceilings: dict[str, Ceiling]) -> list[str]:
    findings = [
        f"{backend}: at most {speed(c.flops)} and {giga(c.bandwidth)} GB/s were measured, so that "
        f"below {plain(c.flops / c.bandwidth)} operations per byte memory is the limit."
        for backend, c in ceilings.items()
    ]
    known = [(c, limit) for c in cases if (limit := ceiling(ceilings, c)) is not None]
    if not known:
        return findings
    bound = [c for c, limit in known if (intensity(c) or 0) < limit.flops / limit.bandwidth]
    near = sum((share(c, limit) or 0) >= NEAR for c, limit in known if c in bound)
    words = f"Memory bounds {len(bound)} of {plural(len(known), 'point')} here"
    if bound:
        words += (
            ": for them more operations at the same time bring nothing. "
            f"{near} of these reach {percent(NEAR)} of that bound or more"
        )
    if near < len(bound):
        words += "; something else holds the others up"
    findings.append(f"{words}.")
    best, limit = max(known, key=lambda each: each[0].rate or 0)
    findings.append(
        f"{_who(best)} reaches {speed(best.rate)}, {percent((best.rate or 0) / limit.flops)} of "
        "the arithmetic ceiling."
    )
    above = [_who(c) for c, limit in known if (share(c, limit) or 0) > 1.02]
    if above:
        findings.append(
            f"Above the roof: {some(above)}; faster than the memory that was measured, as caches "
            "are."
        )
    return findings


def _who(case: Case) -> str:
    return f"{_kernel(case)} ({case.text('backend') or case.who})"


def _kernel(case: Case) -> str:
    return case.group or case.text("kernel") or case.who


def _kernels(run: Run, ceilings: dict[str, Ceiling]) -> Exhibit:
    cases = run.cases(SINGLE)
    rows = list(dict.fromkeys(_kernel(c) for c in cases))
    series, findings = [], []
    for backend in dict.fromkeys(c.text("backend") for c in cases):
        mine = [c for c in cases if c.text("backend") == backend]
        dots = []
        for case in mine:
            per = 1e9 / (positive(case.number("elements")) or 1.0)
            low, high = (None if q is None else q * per for q in (case.low, case.high))
            dots.append(
                Point((case.median or 0) * per, rows.index(_kernel(case)), low, high, case.noisy)
            )
        series.append(Series(backend or "kernels", dots, backend, joined=False))
        shares = {_kernel(c): s for c in mine if (s := share(c, ceiling(ceilings, c)))}
        if shares:
            good = [name for name, s in shares.items() if s >= 0.7]
            worst = min(shares, key=shares.__getitem__)
            findings.append(
                f"{backend}: {len(good)} of {plural(len(shares), 'kernel')} reach 70 % of the "
                f"roofline or more; the least is {worst} with {percent(shares[worst])}."
            )
    findings += _slower(cases)
    table = [
        [_kernel(c), c.text("backend"), c.text("elements"), seconds(c.median), giga(c.rate),
         percent(share(c, ceiling(ceilings, c))), spread(c)]
        for c in cases
    ]  # fmt: skip
    return Exhibit(
        "kernels",
        "Kernels one by one",
        "Time per element of each kernel; less is better.",
        (SINGLE,),
        Dots("nanoseconds per element", rows, series, log=True) if cases else None,
        findings,
        Table(["kernel", "backend", "elements", "time", "GFLOP/s", "of the roof", "spread"], table),
    )


def _slower(cases: list[Case]) -> list[str]:
    """Return which backend is the fastest at how many kernels."""
    kernels = list(dict.fromkeys(_kernel(c) for c in cases))
    contests = [[c for c in cases if _kernel(c) == kernel] for kernel in kernels]
    contests = [each for each in contests if len({c.text("backend") for c in each}) > 1]
    if not contests:
        return []
    best = [min(each, key=lambda c: c.median or 0) for each in contests]
    found = []
    for backend in dict.fromkeys(c.text("backend") for each in contests for c in each):
        won = [_kernel(c) for c in best if c.text("backend") == backend]
        found.append(f"{backend} at {len(won)}" + (f" ({some(won, 3)})" if won else ""))
    return [f"The fastest of {plural(len(contests), 'kernel')}: {joined(found)}."]


def _fused(cases: list[Case]) -> Exhibit:
    pairs: dict[tuple[str, str], dict[str, Case]] = {}
    for case in cases:
        pairs.setdefault((case.text("chain"), case.text("backend")), {})[case.who] = case
    full = {
        key: (each["one after the other"], each["fused"])
        for key, each in pairs.items()
        if {"fused", "one after the other"} <= set(each)
    }
    rows = list(dict.fromkeys(chain for chain, _ in full))
    series, findings, table = [], [], []
    for backend in dict.fromkeys(backend for _, backend in full):
        mine = {chain: pair for (chain, b), pair in full.items() if b == backend}
        dots, gains = [], {}
        for chain, (apart, fused) in mine.items():
            gains[chain] = gain = (apart.median or 0) / (fused.median or 1)
            noisy = apart.noisy or fused.noisy
            dots.append(Point(gain, rows.index(chain), noisy=noisy))
            table.append(
                [chain, backend, seconds(apart.median), seconds(fused.median), times(gain),
                 spread(apart), spread(fused)]
            )  # fmt: skip
        series.append(Series(backend or "fused", dots, backend, joined=False))
        best = max(gains, key=gains.__getitem__)
        found = f"{backend}: fused, {best} is {times(gains[best])} as fast."
        if gains[best] < PAYS:
            found = f"{backend}: fusing does not pay here (at most {times(gains[best])})."
        elif useless := [chain for chain, gain in gains.items() if gain < PAYS]:
            found += f" It does not pay for {some(useless)}."
        findings.append(found)
    return Exhibit(
        "fused",
        "Fused kernels against one after the other",
        "How many times faster a chain is when one pass over memory does all of it.",
        (FUSED,),
        Dots("speed-up by fusing", rows, series, at=(1.0, "no gain")) if full else None,
        findings,
        Table(
            ["chain", "backend", "one after the other", "fused", "speed-up",
             "spread, one after the other", "spread, fused"],
            table,
        ),
    )  # fmt: skip
