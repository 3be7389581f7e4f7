"""How a series looks, and the legend that says so below the chart."""

from collections.abc import Iterable, Sequence
from typing import Any

from accelnn.bench.report.exhibit import Guide, Series
from accelnn.bench.report.svg import (
    DASHES,
    INK,
    MARKERS,
    PAPER,
    SERIES,
    SOFT,
    WIDTH,
    Sheet,
    text_width,
)

LINE = 19.0  # from one line of the legend to the next
_SAMPLE, _GAP = 30.0, 14.0
#: Backends keep their colours through the page.
_RESERVED = ("numba", "numpy", "cupy")

Entry = tuple[str, dict[str, Any]]


class Looks:
    """Colours by hue, markers and dashes by mark, in the order in which they appear.

    Parameters
    ----------
    series : iterable of Series
        Of all charts that are to be compared.
    """

    def __init__(self, series: Iterable[Series]) -> None:
        found = list(series)
        hues = list(dict.fromkeys(s.hue or s.name for s in found))
        self.hues = [name for name in _RESERVED if name in hues]
        if self.hues:
            self.hues = list(_RESERVED)
        self.hues += [name for name in hues if name not in self.hues]
        self.marks = list(dict.fromkeys(s.mark or s.name for s in found))

    def of(self, series: Series) -> dict[str, Any]:
        """Return the properties of a line."""
        hue = self.hues.index(series.hue or series.name)
        mark = self.marks.index(series.mark or series.name)
        return {
            "color": SERIES[hue % len(SERIES)],
            "linestyle": DASHES[mark % len(DASHES)] if series.joined else "none",
            "linewidth": 1.8,
            "marker": MARKERS[mark % len(MARKERS)],
        }

    def guide(self, guide: Guide, number: int) -> dict[str, Any]:
        """Return the properties of a line that was not measured: no markers."""
        known = guide.hue in self.hues
        colour = SERIES[self.hues.index(guide.hue) % len(SERIES)] if known else SOFT
        return {"color": colour, "linestyle": DASHES[(number + 1) % 4], "linewidth": 1.2}


def _places(entries: Sequence[Entry], noisy: bool) -> list[tuple[float, int]]:
    """Return where each entry begins, and on which line: as many to a line as fit."""
    names = [name for name, _ in entries] + ["hollow: noisy"] * noisy
    made: list[tuple[float, int]] = []
    x, line = 4.0, 0
    for name in names:
        width = _SAMPLE + text_width(name)
        if x > 4 and x + width > WIDTH - 4:
            x, line = 4.0, line + 1
        made.append((x, line))
        x += width + _GAP
    return made


def legend_height(entries: Sequence[Entry], noisy: bool) -> float:
    """Return the room that the legend needs."""
    places = _places(entries, noisy)
    return 6 + LINE * (places[-1][1] + 1) if places else 0.0


def legend(sheet: Sheet, top: float, entries: Sequence[Entry], noisy: bool) -> None:
    """Draw the legend from ``top`` downwards."""
    hollow = {"linestyle": "none", "marker": "o", "color": INK, "markerfacecolor": PAPER}
    listed = [*entries, *([("hollow: noisy", hollow)] if noisy else [])]
    for (name, look), (x, line) in zip(listed, _places(entries, noisy), strict=True):
        y = top + LINE * (line + 0.5)
        if "box" in look:
            sheet.box(x + 6, y - 6, 14, 12, look["box"])
        else:
            line_look = {k: v for k, v in look.items() if not k.startswith("marker")}
            sheet.line([x, x + 24], [y, y], **line_look)
            mark = {"markersize": 6, "markeredgewidth": 1.0} | look | {"linestyle": "none"}
            sheet.line([x + 12], [y], **mark)
        sheet.text(x + _SAMPLE, y, name)
