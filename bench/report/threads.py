"""Step 3 of the report: what more threads bring, for the same work and for more of it."""

from accelnn.bench.fitting import FEWEST, amdahl
from accelnn.bench.report.data import Case, Run, positive
from accelnn.bench.report.exhibit import Exhibit, Guide, Lines, Point, Series, Table
from accelnn.bench.report.words import joined, percent, plain, plural, seconds, spread, times

#: Less of a speed-up than this is called none.
HELPS = 1.1


def by_work(cases: list[Case]) -> dict[str, list[Case]]:
    """Return what is done -> its cases by rising thread count, each count once."""
    found: dict[str, dict[float, Case]] = {}
    for case in cases:
        if threads := positive(case.number("threads")):
            found.setdefault(case.group or case.who, {})[threads] = case
    return {name: [each[t] for t in sorted(each)] for name, each in found.items()}


def threads_of(case: Case) -> float:
    """Return the thread count of a case that has one."""
    return case.number("threads") or 1.0


def gains(cases: list[Case]) -> list[Point]:
    """Return over threads how much faster than with the fewest it is.

    In weak scaling the work grows with the threads: there this is the speed per thread.
    """
    base = cases[0].median or 1.0
    made = []
    for case in cases:
        own = case is cases[0]  # a ratio to itself has no spread
        low, high = (None if own or not q else base / q for q in (case.high, case.low))
        made.append(Point(threads_of(case), base / (case.median or 1), low, high, case.noisy))
    return made


def exhibits(run: Run) -> list[Exhibit]:
    """Return strong and weak scaling."""
    return [
        _strong(by_work(run.cases("scaling/strong"))),
        _weak(by_work(run.cases("scaling/weak"))),
    ]


def _ticks(found: dict[str, list[Case]]) -> tuple[float, ...]:
    return tuple(sorted({threads_of(case) for cases in found.values() for case in cases}))


def _strong(found: dict[str, list[Case]]) -> Exhibit:
    series = [Series(name, gains(cases), name) for name, cases in found.items()]
    most = max(_ticks(found), default=1.0)
    curve = [1 + (most - 1) * i / 40 for i in range(41)] if most > 1 else [1.0]
    guides = [Guide("as fast as there are threads", curve, curve)]
    findings, rows, unfitted = [], [], []
    for name, cases in found.items():
        threads = [int(threads_of(c)) for c in cases]
        share = amdahl(threads, [p.y for p in gains(cases)]) if threads[0] == 1 else None
        findings.append(_gain(name, cases))
        if share is None:
            unfitted.append(name)
        else:
            ys = [1 / (share + (1 - share) / t) for t in curve]
            guides.append(Guide(f"Amdahl, {percent(share)} serial: {name}", curve, ys, name))
            limit = f"at most {times(1 / share)}" if share > 0 else "no limit in sight"
            findings[-1] += (
                f" Amdahl's law fits best with {percent(share)} serial work: {limit}, however many "
                "threads."
            )
        rows += [
            [name, plain(p.x), seconds(c.median), times(p.y), percent(p.y / p.x * threads[0]),
             spread(c)]
            for c, p in zip(cases, gains(cases), strict=True)
        ]  # fmt: skip
    if unfitted:
        counts = len(_ticks(found))
        findings.append(
            f"No Amdahl curve for {joined(unfitted)}: a fit needs at least {FEWEST} thread counts, "
            f"one thread among them, and this run has {plural(counts, 'thread count')}."
        )
    log = most > 8
    chart = Lines("threads", "speed-up", series, guides, x_log=log, y_log=log, ticks=_ticks(found))
    return Exhibit(
        "strong",
        "Strong scaling: the same work by more threads",
        "Speed-up over the fewest threads; the straight line is what perfect threads would give.",
        ("scaling/strong",),
        chart if found else None,
        findings,
        Table(["work", "threads", "time", "speed-up", "per thread", "spread"], rows),
    )


def _gain(name: str, cases: list[Case]) -> str:
    points = gains(cases)
    if len(points) == 1:
        return f"{name}: only {plural(int(points[0].x), 'thread')}, so nothing to compare."
    best = max(points[1:], key=lambda p: p.y)
    before = f"{plain(points[0].x)} thread{'s' if points[0].x > 1 else ''}"
    if best.y < HELPS:
        return (
            f"{name}: more threads do not help here, where the argument fails: at best "
            f"{times(best.y)} the speed of {before}."
        )
    found = f"{name}: {times(best.y)} as fast with {plain(best.x)} threads as with {before}."
    if best is not points[-1]:
        found += f" More threads than that lose: {times(points[-1].y)} with {plain(points[-1].x)}."
    return found


def _weak(found: dict[str, list[Case]]) -> Exhibit:
    series = [Series(name, gains(cases)) for name, cases in found.items()]
    findings, rows = [], []
    for name, cases in found.items():
        last = gains(cases)[-1]
        if len(cases) > 1:
            findings.append(
                f"{name}: with {plain(last.x)} times the threads and as much more work, each "
                f"thread keeps {percent(last.y)} of its speed."
                if threads_of(cases[0]) == 1
                else f"{name}: {percent(last.y)} of the speed per thread with {plain(last.x)}."
            )
        else:
            findings.append(f"{name}: only one thread count, so nothing to compare.")
        rows += [
            [name, plain(p.x), c.text("size"), seconds(c.median), percent(p.y), spread(c)]
            for c, p in zip(cases, gains(cases), strict=True)
        ]
    ticks = _ticks(found)
    guide = Guide("as fast per thread as alone", list(ticks), [1.0] * len(ticks))
    return Exhibit(
        "weak",
        "Weak scaling: more work for more threads",
        "The work per thread stays the same; 100 % means that the time does, too.",
        ("scaling/weak",),
        Lines(
            "threads", "speed per thread", series, [guide], y_kind="percent",
            x_log=max(ticks) > 8, y_log=False, ticks=ticks,
        )
        if found
        else None,
        findings,
        Table(["work", "threads", "size", "time", "speed per thread", "spread"], rows),
    )  # fmt: skip
