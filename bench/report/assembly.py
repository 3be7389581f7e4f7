"""The page of a run: the argument in order, each step with its charts and what they show here.

One file that needs no network. Several runs stand side by side on the same scales.
"""

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from accelnn.bench.facts import QUIET
from accelnn.bench.measuring import NOISY
from accelnn.bench.report.charts import draw
from accelnn.bench.report.data import Run, read
from accelnn.bench.report.exhibit import Chart, Exhibit, Stack, Table
from accelnn.bench.report.machine import facts_table
from accelnn.bench.report.steps import STEPS
from accelnn.bench.report.words import percent, plain, plural, some
from accelnn.bench.suites import SUITES
from accelnn.paths import replace_file


class Panel(NamedTuple):
    """What an exhibit shows of one run."""

    run: Run
    svg: Markup
    findings: list[str]
    missing: list[str]
    not_run: list[str]
    table: Table


class Shown(NamedTuple):
    """An exhibit of all runs."""

    exhibit: Exhibit
    panels: list[Panel]


def page(runs: list[dict[str, Any]]) -> str:
    """Return the HTML of some runs.

    Parameters
    ----------
    runs : list of dict
        Merged JSON documents, one for each machine.
    """
    found = read(runs)
    steps = []
    for step in STEPS:
        built = zip(*(step.build(run) for run in found), strict=True)
        told: set[str] = set()  # parts whose missing cases were named
        steps.append((step, [_shown(list(each), found, told) for each in built]))
    return (
        _environment()
        .get_template("page.html")
        .render(
            runs=found,
            steps=steps,
            facts=facts_table(found),
            css=Markup(_beside("page.css")),  # ours, not a run's
            noisy=percent(NOISY),
            busy=[(run, plain(run.others, 2)) for run in found if run.others > QUIET],
            several=len(found) > 1,
        )
    )


def write(path: str | Path, runs: list[dict[str, Any]]) -> None:
    """Write the page of some runs into a file, which is whole or not there."""
    replace_file(Path(path), page(runs).encode())


def _shown(exhibits: list[Exhibit], runs: Sequence[Run], told: set[str]) -> Shown:
    first = exhibits[0]
    svgs = draw(first.key, first.title, [each.chart for each in exhibits])
    new = [part for part in first.parts if part not in told]
    told.update(new)
    return Shown(
        first,
        [
            Panel(
                run,
                Markup(svg),  # made by draw, which escapes what comes from the run
                [*each.findings, *_doubts(each.chart)] if svg else [],
                [] if svg else _missing(run, each),
                _not_run(run, new),
                each.table,
            )
            for run, svg, each in zip(runs, svgs, exhibits, strict=True)
        ],
    )


def _doubts(chart: Chart | None) -> list[str]:
    """Return how many points of a chart are noisy, if any."""
    series = [] if chart is None or isinstance(chart, Stack) else chart.series
    points = [p for each in series for p in each.points]
    noisy = sum(p.noisy for p in points)
    are = "is" if noisy == 1 else "are"
    found = f"{noisy} of {plural(len(points), 'point')} in this chart {are} noisy."
    return [found] if noisy else []


def _missing(run: Run, exhibit: Exhibit) -> list[str]:
    """Return the commands that would fill an exhibit; empty where it was run in vain."""
    names = {suite: name for name, suite in SUITES.items()}
    absent = [part for part in exhibit.parts if not run.ran(part)]
    return [
        f"accelnn bench {names[suite]}"
        for suite in dict.fromkeys(part.partition("/")[0] for part in absent)
    ]


def _not_run(run: Run, parts: Sequence[str]) -> list[str]:
    made = []
    for part in parts:
        for reason, names in run.not_run(part):
            cases = f" ({plural(len(names), 'case')})" if len(names) > 1 else ""
            made.append(f"{some(dict.fromkeys(names))}{cases}: {reason}")
    return made


def _beside(name: str) -> str:
    return (files("accelnn.bench.report") / name).read_text(encoding="utf-8")


def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_beside),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["tied"] = _tied
    return made


def _tied(words: str) -> str:
    """Return the words with units that stay on the line of their number."""
    return re.sub(
        r"(?<=[\d–]) (?=(%|×|[mµn]?s|[KMG]iB|GFLOP/s|GB/s)(\W|$))", "\N{NO-BREAK SPACE}", words
    )
