"""What ``docs/parallel-matmul.md`` shows of the recorded run, between its marks.

``<!-- table: KEY -->`` is the table of an exhibit of the report, ``<!-- table: KEY-found -->`` its
sentences: the page that ``accelnn bench`` writes and this one say the same of the same run. Of the
largest tables there is a narrower form here. ``python -m accelnn.bench.table`` fills the marks.
"""

from collections.abc import Callable
from typing import Any

from accelnn.bench.gpu_report import table
from accelnn.bench.report.data import Case, Run, read
from accelnn.bench.report.exhibit import Exhibit
from accelnn.bench.report.ladder import RUNGS, by_size, rung_names
from accelnn.bench.report.steps import STEPS
from accelnn.bench.report.words import giga, plain, plural, seconds


def filled(document: dict[str, Any], name: str) -> list[str]:
    """Return the lines for a mark.

    Raises
    ------
    KeyError
        Where nothing has this name.
    """
    (run,) = read([document])
    if name in NARROW:
        return NARROW[name](run)
    exhibit = exhibits(run)[name.removesuffix("-found")]
    if name.endswith("-found"):
        return [f"- {sentence}" for sentence in exhibit.findings] or ["Not measured."]
    return shown(exhibit)


def exhibits(run: Run) -> dict[str, Exhibit]:
    """Return all exhibits by their keys."""
    return {exhibit.key: exhibit for step in STEPS for exhibit in step.build(run)}


def shown(exhibit: Exhibit) -> list[str]:
    """Return the table of an exhibit, or that it was not measured."""
    if not exhibit.table.rows:
        return ["Not measured."]
    return table(exhibit.table.heads, exhibit.table.rows)


def marked(text: str, case: Case) -> str:
    """Return a figure, with a tilde where its case is noisy."""
    return f"{text} ~" if case.noisy else text


def machine(run: Run) -> list[str]:
    """Return on what, when and how undisturbed."""
    versions = run.facts.get("versions") or {}
    named = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    scale, cases = " and ".join(run.scales), len(run.document["benchmarks"])
    noisy = sum(bool(b["extra_info"].get("noisy")) for b in run.document["benchmarks"])
    return [
        f"{run.date}: {run.name}, Python {run.facts.get('python')}, {named}.",
        f"A {scale} run of {plural(cases, 'case')}, of which {noisy} are noisy; other programs "
        f"used up to {plain(run.others, 2)} cores meanwhile.",
    ]


def ladder(run: Run) -> list[str]:
    """Return the rungs' operations per second, a column for each size."""
    cases = run.cases(RUNGS)
    sizes = by_size(cases)
    rows = []
    for name in rung_names(cases):
        here = [found.get(name) for found in sizes.values()]
        rows.append([name, *("" if c is None else marked(giga(c.rate), c) for c in here)])
    return table(["GFLOP/s, n × n × n", *(size.label for size in sizes)], rows)


def epochs(run: Run) -> list[str]:
    """Return the seconds of an epoch, a column for each batch."""
    cases = run.cases("mnist/epoch")
    batches = sorted({int(case.number("batch") or 0) for case in cases})
    rows: dict[tuple[str, str], dict[int, Case]] = {}
    for case in cases:
        held = rows.setdefault((case.who, case.text("optimizer")), {})
        held[int(case.number("batch") or 0)] = case
    lines = []
    for (who, optimizer), found in rows.items():
        cells = ["" if b not in found else marked(_s(found[b]), found[b]) for b in batches]
        lines.append([f"{who}, {optimizer}", *cells])
    return table(["an epoch", *(f"batch {batch}" for batch in batches)], lines)


def _s(case: Case) -> str:
    return seconds(case.median)


#: Instead of the exhibit of this name, or where there is none.
NARROW: dict[str, Callable[[Run], list[str]]] = {
    "run": machine,
    "ladder": ladder,
    "epochs": epochs,
}
