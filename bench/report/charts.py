"""Draw the charts of an exhibit: one per run, on the same scales and in the same colours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from accelnn.bench.report.exhibit import Chart, Dots, Guide, Lines, Series, Stack
from accelnn.bench.report.legend import Looks, legend, legend_height
from accelnn.bench.report.svg import (
    GRID,
    PAPER,
    REST,
    SERIES,
    SOFT,
    WIDTH,
    Sheet,
    text_width,
)
from accelnn.bench.report.ticks import Scale, written

TOP, BELOW, RIGHT = 30.0, 44.0, 16.0
PLOT = 250.0  # height of a plot over numbers
ROW, BAR = 26.0, 34.0
#: Names of rows wider than this stand above their row instead of beside it.
BESIDE = 190.0


@dataclass(frozen=True)
class Frame:
    """Where the axes are on the sheet, and what they measure."""

    left: float
    top: float
    width: float
    height: float


def draw(key: str, title: str, charts: Sequence[Chart | None]) -> list[str]:
    """Return an SVG for each chart, empty where there is none.

    Parameters
    ----------
    key : str
        Of the exhibit; unique in the page.
    title : str
    charts : sequence
        Of one kind, one for each run.
    """
    there = [chart for chart in charts if chart is not None]
    made = []
    for i, chart in enumerate(charts):
        name = f"{key}-{i + 1}"
        if isinstance(chart, Lines):
            made.append(_lines(name, title, chart, [c for c in there if isinstance(c, Lines)]))
        elif isinstance(chart, Dots):
            made.append(_dots(name, title, chart, [c for c in there if isinstance(c, Dots)]))
        elif isinstance(chart, Stack):
            made.append(_stack(name, title, chart, [c for c in there if isinstance(c, Stack)]))
        else:
            made.append("")
    return made


def _lines(key: str, title: str, chart: Lines, alike: Sequence[Lines]) -> str:
    looks = Looks(series for each in alike for series in each.series)
    xs = [p.x for c in alike for s in c.series for p in s.points]
    ys = [v for c in alike for s in c.series for p in s.points for v in (p.y, p.low, p.high) if v]
    xs += [x for c in alike for g in c.guides for x in g.xs]
    ys += [y for c in alike for g in c.guides for y in g.ys]
    across, up = (
        Scale(xs, chart.x_log, chart.x_kind),
        Scale(ys, chart.y_log, chart.y_kind, chart.y_zero),
    )
    marks = up.ticks(6)
    left = 10 + max(text_width(written(mark, chart.y_kind)) for mark in marks)
    frame = Frame(left, TOP, WIDTH - left - RIGHT, PLOT)
    # The first of a name stands for all: a line, and points that do not belong on it.
    entries = list({s.name: (s.name, looks.of(s)) for s in reversed(chart.series)}.values())[::-1]
    entries += [(g.name, looks.guide(g, i)) for i, g in enumerate(chart.guides)]
    noisy = any(p.noisy for s in chart.series for p in s.points)
    sheet = Sheet(TOP + PLOT + BELOW + legend_height(entries, noisy))
    axes = sheet.axes(frame.left, frame.top, frame.width, frame.height)
    across.put_on(axes, "x", across.ticks(7, frame.width, chart.ticks))
    up.put_on(axes, "y", marks)
    axes.set(xlim=across.limits, ylim=up.limits)
    axes.grid(color=GRID, linewidth=0.8)
    for i, guide in enumerate(chart.guides):
        axes.plot(guide.xs, guide.ys, **looks.guide(guide, i), zorder=1.5)
    for series in chart.series:
        _plot(axes, series, looks.of(series))
    sheet.text(4, 11, chart.y)
    sheet.text(frame.left + frame.width / 2, TOP + PLOT + 32, chart.x, align="center")
    legend(sheet, TOP + PLOT + BELOW, entries, noisy)
    said = f"{chart.y} over {chart.x}: {_names(chart.series, chart.guides)}."
    return sheet.svg(key, title, said)


def _plot(axes: Any, series: Series, look: dict[str, Any]) -> None:
    """Draw a series: its line, its quartiles, its markers; noisy ones are hollow."""
    points = sorted(series.points, key=lambda p: p.x) if series.joined else series.points
    if series.joined:
        line = {k: v for k, v in look.items() if not k.startswith("marker")}
        axes.plot([p.x for p in points], [p.y for p in points], **line, zorder=2)
    for p in points:
        if p.low and p.high:
            axes.plot([p.x, p.x], [p.low, p.high], color=look["color"], linewidth=1, zorder=2)
        _dot(axes, p.x, p.y, look, p.noisy)


def _dot(axes: Any, x: float, y: float, look: dict[str, Any], noisy: bool) -> None:
    axes.plot(
        [x],
        [y],
        linestyle="none",
        marker=look["marker"],
        markersize=look.get("markersize", 6),
        color=look["color"],
        markerfacecolor=PAPER if noisy else look["color"],
        markeredgewidth=1.4 if noisy else 0.5,
        markeredgecolor=look["color"] if noisy else PAPER,
        zorder=3,
    )


def _names(series: Sequence[Series], guides: Sequence[Guide] = ()) -> str:
    return "; ".join([s.name for s in series] + [g.name for g in guides])


def _beside(rows: Iterable[str]) -> float:
    """Return the room that names need beside their rows, 0 where they stand above them."""
    widest = max((text_width(row) for row in rows), default=0.0)
    return widest + 12 if widest <= BESIDE else 0.0


def _dots(key: str, title: str, chart: Dots, alike: Sequence[Dots]) -> str:
    looks = Looks(series for each in alike for series in each.series)
    values = [v for c in alike for s in c.series for p in s.points for v in (p.x, p.low, p.high)]
    values += [c.at[0] for c in alike if c.at]
    scale = Scale([v for v in values if v is not None], chart.log, chart.kind)
    beside = _beside(chart.rows)
    step = ROW if beside else ROW + 14
    frame = Frame(max(beside, 8.0), 8.0 + 18 * (chart.at is not None), 0.0, step * len(chart.rows))
    width = WIDTH - frame.left - RIGHT - 8
    entries = [(s.name, looks.of(s)) for s in chart.series]
    noisy = any(p.noisy for s in chart.series for p in s.points)
    bottom = frame.top + frame.height
    sheet = Sheet(bottom + BELOW + legend_height(entries, noisy))
    axes = sheet.axes(frame.left, frame.top, width, frame.height)
    scale.put_on(axes, "x", scale.ticks(6, width))
    axes.yaxis.set_ticks([])
    axes.set(xlim=scale.limits, ylim=(frame.height, 0))
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    middles = [step * (i + (0.5 if beside else 0.72)) for i in range(len(chart.rows))]
    for name, middle in zip(chart.rows, middles, strict=True):
        axes.plot(scale.limits, [middle, middle], color=GRID, linewidth=0.8, zorder=1)
        if beside:
            sheet.text(beside - 8, frame.top + middle, name, align="right")
        else:
            sheet.text(frame.left, frame.top + middle - 16, name, plate=True)
    if chart.at is not None:
        value, name = chart.at
        axes.axvline(value, color=SOFT, linewidth=1.2, linestyle=(0, (4, 2)), zorder=1.5)
        place = frame.left + width * scale.part(value)
        align = "left" if scale.part(value) < 0.5 else "right"
        sheet.text(place, 10, name, SOFT, align)
    for series, shift in zip(chart.series, _shifts(len(chart.series)), strict=True):
        look = looks.of(series)
        for p in series.points:
            y = middles[int(p.y)] + shift
            if p.low is not None and p.high is not None:
                axes.plot([p.low, p.high], [y, y], color=look["color"], linewidth=2, zorder=2)
            _dot(axes, p.x, y, look | {"markersize": 7}, p.noisy)
    sheet.text(frame.left + width / 2, bottom + 32, chart.x, align="center")
    legend(sheet, bottom + BELOW, entries, noisy)
    return sheet.svg(key, title, f"{chart.x} of {'; '.join(chart.rows)}: {_names(chart.series)}.")


def _shifts(number: int) -> list[float]:
    """Return by how much each series stands lower than the row, so that equal values show."""
    step = min(4.0, 12.0 / max(1, number - 1))
    return [step * (i - (number - 1) / 2) for i in range(number)]


def _stack(key: str, title: str, chart: Stack, alike: Sequence[Stack]) -> str:
    names = list(dict.fromkeys(n for c in alike for shares in c.shares for n in shares))
    colours = _colours(names)
    height = (BAR + 20) * len(chart.rows)
    entries = [
        (n, {"box": colours[n]}) for n in names if any(n in shares for shares in chart.shares)
    ]
    sheet = Sheet(6 + height + BELOW + legend_height(entries, False))
    for i, (row, shares) in enumerate(zip(chart.rows, chart.shares, strict=True)):
        top, x = 6 + (BAR + 20) * i, 4.0
        sheet.text(4, top + 8, row)
        for name, share in shares.items():
            width = share * (WIDTH - 12)
            sheet.box(x, top + 20, width, BAR - 8, colours[name])
            label = f"{100 * share:.0f} %"
            if width > text_width(label) + 6:
                sheet.text(x + width / 2, top + 33, label, PAPER, "center")
            x += width
    for tick in range(0, 101, 25):
        align = {0: "left", 100: "right"}.get(tick, "center")
        sheet.text(4 + (WIDTH - 12) * tick / 100, 6 + height + 8, f"{tick} %", SOFT, align)
    sheet.text(WIDTH / 2, 6 + height + 28, chart.x, align="center")
    legend(sheet, 6 + height + BELOW, entries, False)
    said = "; ".join(
        f"{row}: " + ", ".join(f"{n} {100 * share:.0f} %" for n, share in shares.items())
        for row, shares in zip(chart.rows, chart.shares, strict=True)
    )
    return sheet.svg(key, title, f"{chart.x}. {said}.")


def _colours(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each name; the last one, which is the rest, is grey."""
    found = {name: SERIES[i % len(SERIES)] for i, name in enumerate(names)}
    return found | {name: REST for name in names if name == "the rest"}
