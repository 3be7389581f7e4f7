"""What a step of the argument shows: a chart, the sentences under it and the table behind it.

A step describes its charts with these records and draws nothing; ``report_charts`` draws them, for
several runs on the same scales.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from accelnn.bench.report.data import Case, Run


@dataclass(frozen=True)
class Point:
    """A measured value, with its quartiles where there are any."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    noisy: bool = False


@dataclass(frozen=True)
class Series:
    """Points of one competitor, joined by a line.

    Attributes
    ----------
    name : str
        In the legend.
    points : list of Point
    hue, mark : str
        What decides about the colour, and about the marker and the dashes; the name, if empty.
    joined : bool
        Whether a line joins the points.
    """

    name: str
    points: list[Point]
    hue: str = ""
    mark: str = ""
    joined: bool = True


@dataclass(frozen=True)
class Guide:
    """A line that nobody measured point by point: a limit, an ideal, a fitted curve."""

    name: str
    xs: list[float]
    ys: list[float]
    hue: str = ""


@dataclass(frozen=True)
class Lines:
    """A chart of series over numbers.

    Attributes
    ----------
    x, y : str
        What the axes are, with units.
    x_kind, y_kind : {"number", "seconds", "bytes", "percent"}
        How the ticks are written.
    x_log, y_log : bool
    y_zero : bool
        Whether a y axis that is not logarithmic begins at zero.
    ticks : tuple of float
        Where ticks belong on the x axis, as far as they fit; chosen, if empty.
    """

    x: str
    y: str
    series: list[Series]
    guides: list[Guide] = field(default_factory=list)
    x_kind: str = "number"
    y_kind: str = "number"
    x_log: bool = True
    y_log: bool = True
    y_zero: bool = True
    ticks: tuple[float, ...] = ()


@dataclass(frozen=True)
class Dots:
    """A chart of rows with a name each and dots on a common axis.

    Attributes
    ----------
    rows : list of str
        From the top.
    series : list of Series
        Points whose y is the number of a row, and x the value.
    at : float or None
        Where a line across all rows is drawn, with its name.
    """

    x: str
    rows: list[str]
    series: list[Series]
    kind: str = "number"
    log: bool = False
    at: tuple[float, str] | None = None


@dataclass(frozen=True)
class Stack:
    """A chart of rows, each a bar that is divided into shares of a whole."""

    x: str
    rows: list[str]
    shares: list[dict[str, float]]


Chart = Lines | Dots | Stack


@dataclass(frozen=True)
class Table:
    """Numbers as text; the first column names the row."""

    heads: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Exhibit:
    """A chart of one run, or why there is none.

    Attributes
    ----------
    key : str
        Unique in the page.
    title, shows : str
        What is seen, and how to read it; the same for every run.
    parts : tuple of str
        Where the numbers come from: "matmul/rungs".
    chart : Lines, Dots, Stack or None
    findings : list of str
        Sentences that are computed from the run.
    table : Table
        The numbers behind the chart.
    """

    key: str
    title: str
    shows: str
    parts: tuple[str, ...]
    chart: Chart | None
    findings: list[str]
    table: Table


@dataclass(frozen=True)
class Step:
    """A step of the argument: what it claims, and what shows whether that is so."""

    key: str
    title: str
    claim: str
    build: Callable[[Run], list[Exhibit]]


def point(case: Case, x: float, scale: float = 1.0) -> Point:
    """Return the time of a case over x, multiplied by a factor."""
    assert case.median is not None
    low, high = (None if q is None else scale * q for q in (case.low, case.high))
    return Point(x, scale * case.median, low, high, case.noisy)


def rate_point(case: Case, x: float, amount: float) -> Point:
    """Return amount / time of a case over x; the quartiles change places."""
    assert case.median is not None
    low, high = (None if not q else amount / q for q in (case.high, case.low))
    return Point(x, amount / case.median, low, high, case.noisy)
