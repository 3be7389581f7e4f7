"""A small network as neurons in columns, its weights on the edges between them."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from accelnn.drawing.canvas import BACKWARD, FAINT, FORWARD, INK, LINE, Canvas, f, text_width
from accelnn.drawing.network import Column
from accelnn.drawing.text import table
from accelnn.drawing.values import number

#: Two columns with more edges between them carry no labels; a pointer still shows each weight.
MOST_LABELS = 30
_SIZE = 11.5
_ROW = 16.0  # height of a label
_HEAD = 44.0  # for the names of the columns


def neurons_svg(columns: Sequence[Column], digits: int, notes: Sequence[str], title: str) -> str:
    """Return the network as SVG."""
    return _Picture(columns, digits).drawn(notes, title)


class _Picture:
    """Sizes first, then lines, labels and circles, in this order, so that none hides another."""

    def __init__(self, columns: Sequence[Column], digits: int) -> None:
        self.columns, self.digits = columns, digits
        self.names = unit_names(columns)
        self.valued = columns[0].a is not None
        inside = [t for c in columns for held in (c.z, c.a) for t in self._texts(held)]
        widest = max((text_width(f"a {t}", 10.5) for t in inside), default=0.0)
        self.radius = max(27.0, widest / 2 + 4) if self.valued else 19.0
        biased = any(c.bias is not None for c in columns)
        cell = 2 * self.radius + (18 if self.valued else 0) + (16 if biased else 0) + 14
        self.height = max(c.units for c in columns) * cell
        for before, column in pairwise(columns):
            n, m = before.units, column.units
            if n * m <= MOST_LABELS:
                self.height = max(self.height, _ROW * max(n, m) * (1 + min(n, m)))
        self.half = [self._half(k, column) for k, column in enumerate(columns)]
        self.x = [self.half[0]]
        for k in range(1, len(columns)):
            self.x.append(self.x[-1] + self._distance(k))
        sizes = [abs(float(w)) for c in columns if c.weight is not None for w in c.weight.flat]
        self.largest = max(filter(math.isfinite, sizes), default=0.0) or 1.0

    def _texts(self, held: Any) -> list[str]:
        return [] if held is None else [number(x, self.digits) for x in held.flat]

    def _half(self, k: int, column: Column) -> float:
        """Return half the width of a column: of its circles, its headings and its biases."""
        texts = [text_width(f"b {t}", 11) for t in self._texts(column.bias)]
        texts += [text_width(told, 13.5) for told in self._heading(k)]
        return max(self.radius, max(texts) / 2)

    def _distance(self, k: int) -> float:
        """From the column before to this one: room for the labels beside what is wider."""
        before, column = self.columns[k - 1], self.columns[k]
        least = max(2 * self.radius + 90, self.half[k - 1] + self.half[k] + 20)
        if before.units * column.units > MOST_LABELS:
            return max(least, min(280.0, 0.3 * self.height))
        widest = max((text_width(t, _SIZE) for t in self._texts(column.weight)), default=0.0)
        near = 1 / (1 + min(before.units, column.units))
        return max(least, (max(self.half[k - 1 : k + 1]) + widest / 2 + 6) / near)

    def _heading(self, k: int) -> tuple[str, str]:
        """Return what the column is, and its activations."""
        last = len(self.columns) - 1
        hidden = "hidden" if last == 2 else f"hidden {k}"
        kind = "input" if k == 0 else "output" if k == last else hidden
        return kind, ", ".join(self.columns[k].activations)

    def centre(self, k: int, i: int) -> tuple[float, float]:
        """Return where unit i of column k is: the middle of its share of the height."""
        return self.x[k], _HEAD + self.height * (i + 0.5) / self.columns[k].units

    def drawn(self, notes: Sequence[str], title: str) -> str:
        canvas = Canvas()
        for labels in (False, True):
            for k in range(1, len(self.columns)):
                self._edges(canvas, k, labels)
        for k, column in enumerate(self.columns):
            kind, activation = self._heading(k)
            canvas.text(self.x[k], 12, kind, size=12, colour=FAINT)
            if activation:
                bold: dict[str, Any] = {"font_weight": "bold", "class_": "activation"}
                canvas.text(self.x[k], 30, activation, size=13.5, **bold)
            for i in range(column.units):
                self._unit(canvas, k, i)
        width = self.x[-1] + self.half[-1]
        width, height = self._below(canvas, width, _HEAD + self.height, notes)
        sizes = "-".join(str(c.units) for c in self.columns)
        return canvas.finished(width, height, title, f"A network of {sizes} units.")

    def _edges(self, canvas: Canvas, k: int, labels: bool) -> None:
        n, m = self.columns[k - 1].units, self.columns[k].units
        if labels and n * m > MOST_LABELS:
            return
        # Where labels of one unit's edges spread over its own share of the height and no further:
        # beside the column with fewer units.
        along = 1 / (1 + n) if n <= m else 1 - 1 / (1 + m)
        for i in range(n):
            for j in range(m):
                w = float(self.columns[k].weight[j, i])
                text = number(w, self.digits)
                (x1, y1), (x2, y2) = self.centre(k - 1, i), self.centre(k, j)
                if labels:
                    x, y = x1 + along * (x2 - x1), y1 + along * (y2 - y1)
                    canvas.text(
                        x,
                        y + 4,
                        text,
                        size=_SIZE,
                        colour=_colour(w),
                        halo=True,
                        class_="weight",
                        data_from=self.names[k - 1][i],
                        data_to=self.names[k][j],
                    )
                    continue
                told = f"{self.names[k - 1][i]} → {self.names[k][j]}: weight {text}"
                with canvas.group(
                    told,
                    class_="edge",
                    data_from=self.names[k - 1][i],
                    data_to=self.names[k][j],
                    data_weight=text,
                ):
                    size = min(1.0, abs(w) / self.largest) if math.isfinite(w) else 1.0
                    canvas.add(
                        "line",
                        x1=f(x1),
                        y1=f(y1),
                        x2=f(x2),
                        y2=f(y2),
                        stroke=_colour(w),
                        stroke_width=f(0.8 + 3.2 * size),
                        stroke_opacity=0.55,
                        stroke_dasharray="3 4" if w == 0 else None,
                    )

    def _unit(self, canvas: Canvas, k: int, i: int) -> None:
        column, name = self.columns[k], self.names[k][i]
        x, y = self.centre(k, i)
        r = self.radius
        fill, line = _PAINT[0 if k == 0 else 2 if k == len(self.columns) - 1 else 1]
        z, a, bias = (
            None if held is None else number(held[i], self.digits)
            for held in (column.z, column.a, column.bias)
        )
        told = name + "".join(
            f", {what} {value}"
            for what, value in (("bias", bias), ("z", z), ("a", a))
            if value is not None
        )
        with canvas.group(told, class_="unit", data_name=name, data_z=z, data_a=a, data_bias=bias):
            canvas.add("circle", cx=f(x), cy=f(y), r=f(r), fill=fill, stroke=line, stroke_width=1.6)
            if a is None:
                canvas.text(x, y + 4.5, name, size=12.5, font_style="italic")
            else:
                canvas.text(x, y - r - 5, name, size=12.5, font_style="italic", halo=True)
            if z is not None:
                canvas.text(x, y - 4, f"z {z}", size=10.5, colour=FAINT, class_="z")
                canvas.text(x, y + 11, f"a {a}", size=10.5, colour=FORWARD, class_="a")
            elif a is not None:
                canvas.text(x, y + 4.5, a, size=12, colour=FORWARD, class_="a")
            if bias is not None:
                canvas.text(
                    x, y + r + 14, f"b {bias}", size=11, colour=INK, halo=True, class_="bias"
                )

    def _below(
        self, canvas: Canvas, width: float, height: float, notes: Sequence[str]
    ) -> tuple[float, float]:
        x, y = 0.0, height + 24
        for told, w in (("positive weight", 1.0), ("negative weight", -1.0)):
            line = {"x1": f(x), "x2": f(x + 22), "y1": f(y - 4), "y2": f(y - 4)}
            canvas.add("line", **line, stroke=_colour(w), stroke_width=3, stroke_opacity=0.55)
            canvas.text(x + 28, y, told, size=11.5, colour=FAINT, anchor="start")
            x += 34 + text_width(told, 11.5)
        thickness = "the thicker, the larger"
        canvas.text(x, y, thickness, size=11.5, colour=FAINT, anchor="start")
        width = max(width, x + text_width(thickness, 11.5))
        pairs = pairwise(self.columns)
        if any(a.units * b.units > MOST_LABELS for a, b in pairs):
            hidden = (
                f"Between layers with more than {MOST_LABELS} edges the weights are in the text."
            )
            notes = [*notes, hidden]
        width, y = canvas.notes(notes, y, width)
        return width, y + 2


#: Input, hidden, output: fill, outline.
_PAINT = [("#fff6dc", "#9a6b00"), ("#eaf1fb", "#3b5b86"), ("#e6f5ea", "#2c7a45")]


def _colour(w: float) -> str:
    return FORWARD if w > 0 else BACKWARD if w < 0 else LINE


def unit_names(columns: Sequence[Column]) -> list[list[str]]:
    """Return x1 ... for the input, h1 ... or h1.1 ... for the hidden layers, y1 ... or y."""
    hidden = len(columns) - 2
    names = []
    for k, column in enumerate(columns):
        if k == len(columns) - 1:
            names.append(["y"] if column.units == 1 else _numbered("y", column.units))
        elif k == 0:
            names.append(_numbered("x", column.units))
        else:
            names.append(_numbered("h" if hidden == 1 else f"h{k}.", column.units))
    return names


def _numbered(letter: str, count: int) -> list[str]:
    return [f"{letter}{i + 1}" for i in range(count)]


def neurons_text(columns: Sequence[Column], digits: int, notes: Sequence[str]) -> str:
    """Return one line per unit: what it computes, and with an input its z and a."""
    names = unit_names(columns)
    rows = []
    for k, column in enumerate(columns):
        for i, name in enumerate(names[k]):
            values = [
                "" if held is None else f"{what} = {number(held[i], digits)}"
                for what, held in (("z", column.z), ("a", column.a))
            ]
            rows.append([name if k == 0 else f"{name} = {_line(column, i, names[k - 1], digits)}"])
            rows[-1] += values
    return "\n".join([*table(rows), *notes])


def _line(column: Column, i: int, before: Sequence[str], digits: int) -> str:
    """Return the formula of one unit, its activations around the weighted sum."""
    terms = [
        (number(w, digits), f" {name}") for w, name in zip(column.weight[i], before, strict=True)
    ]
    if column.bias is not None:
        terms.append((number(column.bias[i], digits), ""))
    text = "".join(_term(n, size + rest) for n, (size, rest) in enumerate(terms))
    for name in column.activations:
        text = f"{name}({text})"
    return text


def _term(place: int, text: Any) -> str:
    if place == 0:
        return str(text)
    return f" − {text[1:]}" if text.startswith("-") else f" + {text}"
