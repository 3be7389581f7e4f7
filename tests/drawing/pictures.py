"""Reads a drawing's SVG back: what stands on which edge, and where everything is."""

import itertools
import re
import xml.etree.ElementTree as ET
from typing import NamedTuple

from accelnn.drawing import Drawing
from accelnn.drawing.canvas import text_width

NS = "{http://www.w3.org/2000/svg}"

#: (name it comes from, name it goes to, which operand of that) -> texts above and below the line
Edges = dict[tuple[str, str, int], tuple[str, str | None]]


class Rectangle(NamedTuple):
    """Left, top, right, bottom."""

    x0: float
    y0: float
    x1: float
    y1: float

    def meets(self, other: "Rectangle") -> bool:
        apart = (
            self.x1 <= other.x0 or other.x1 <= self.x0 or self.y1 <= other.y0 or other.y1 <= self.y0
        )
        return not apart

    def holds(self, x: float, y: float, edge: float = 0.0) -> bool:
        across = self.x0 + edge < x < self.x1 - edge
        return across and self.y0 + edge < y < self.y1 - edge


def root(drawing: Drawing) -> ET.Element:
    return ET.fromstring(drawing.svg)


def groups(drawing: Drawing, kind: str) -> list[ET.Element]:
    """Return the groups of one class: "node", "edge", "unit" or "layer"."""
    return [g for g in root(drawing).iter(f"{NS}g") if kind in g.get("class", "").split()]


def texts(group: ET.Element, kind: str) -> list[str]:
    return [t.text or "" for t in group.iter(f"{NS}text") if t.get("class") == kind]


def edges(drawing: Drawing) -> Edges:
    """Return what can be read on each edge; the title and the data must say the same."""
    names = [g.get("data-name", "") for g in groups(drawing, "node")]
    kinds = [g.get("class", "") for g in groups(drawing, "node")]
    found: Edges = {}
    for g in groups(drawing, "edge"):
        (value,) = texts(g, "value")
        gradient = next(iter(texts(g, "gradient")), None)
        assert (value, gradient) == (g.get("data-value"), g.get("data-gradient"))
        i, j = int(g.get("data-from", "")), int(g.get("data-to", ""))
        target = "(result)" if "result" in kinds[j] else names[j]
        title = g.findtext(f"{NS}title", "")
        assert title.startswith(f"{names[i]} → {names[j]}: value {value}")
        assert title.endswith(f", gradient {gradient}") == (gradient is not None)
        found[names[i], target, int(g.get("data-operand", ""))] = (value, gradient)
    return found


def signs(drawing: Drawing) -> dict[str, str]:
    """Return name -> what stands in its circle or box."""
    shown: dict[str, str] = {}
    for g in groups(drawing, "node"):
        inside = [t.text or "" for t in g.iter(f"{NS}text") if t.get("class") is None]
        shown.setdefault(g.get("data-name", ""), inside[0])
    return shown


def sums(drawing: Drawing) -> dict[str, str]:
    """Return name -> the gradient that stands at the node itself."""
    return {
        g.get("data-name", ""): text
        for g in groups(drawing, "node")
        for text in texts(g, "sum")
        if "result" not in g.get("class", "")
    }


def notes(drawing: Drawing) -> str:
    return " ".join(texts(root(drawing), "note"))


# Places -------------------------------------------------------------------------------------------


def text_boxes(element: ET.Element) -> list[tuple[str, Rectangle]]:
    boxes = []
    for t in element.iter(f"{NS}text"):
        size, content = float(t.get("font-size", "")), t.text or ""
        x, y, wide = float(t.get("x", "")), float(t.get("y", "")), text_width(content, size)
        left = {"start": x, "middle": x - wide / 2}[t.get("text-anchor", "")]
        boxes.append((content, Rectangle(left, y - 0.75 * size, left + wide, y + 0.2 * size)))
    return boxes


def shapes(drawing: Drawing) -> list[Rectangle]:
    """Return the rectangles of all nodes, and the squares around all circles of units."""
    found = []
    for g in groups(drawing, "node") + groups(drawing, "layer") + groups(drawing, "unit"):
        for r in g.iter(f"{NS}rect"):
            x, y, w, h = (float(r.get(k, "")) for k in ("x", "y", "width", "height"))
            found.append(Rectangle(x, y, x + w, y + h))
        for c in g.iter(f"{NS}circle"):
            x, y, r_ = (float(c.get(k, "")) for k in ("cx", "cy", "r"))
            found.append(Rectangle(x - r_, y - r_, x + r_, y + r_))
    return found


def points(path: str) -> list[tuple[float, float]]:
    """Return points along a path of M, H and C, close together."""
    found: list[tuple[float, float]] = []
    x = y = 0.0
    for letter, numbers in re.findall(r"([MHC])([^MHC]*)", path):
        values = [float(v) for v in re.split("[ ,]+", numbers.strip())]
        if letter == "M":
            x, y = values
        elif letter == "H":
            found += [(x + (values[0] - x) * t / 20, y) for t in range(21)]
            x = values[0]
        else:
            knots = [(x, y), *zip(values[::2], values[1::2], strict=True)]
            found += [bezier(knots, t / 20) for t in range(21)]
            x, y = knots[-1]
    return found


def bezier(knots: list[tuple[float, float]], t: float) -> tuple[float, float]:
    weights = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3]
    pairs = list(zip(weights, knots, strict=True))
    return sum(w * x for w, (x, _) in pairs), sum(w * y for w, (_, y) in pairs)


def assert_tidy(drawing: Drawing) -> None:
    """Nodes and labels lie apart and inside the picture; no edge runs through a node."""
    svg = root(drawing)
    x, y, w, h = (float(v) for v in svg.get("viewBox", "").split())
    field = Rectangle(x, y, x + w, y + h)
    nodes, words = shapes(drawing), text_boxes(svg)
    for a, b in itertools.combinations(nodes, 2):
        assert not a.meets(b), (a, b)
    for (one, a), (other, b) in itertools.combinations(words, 2):
        assert not a.meets(b), (one, other)
    for box in [*nodes, *(box for _, box in words)]:
        assert field.holds(box.x0, box.y0), box
        assert field.holds(box.x1, box.y1), box
    for g in groups(drawing, "edge"):
        for path in g.iter(f"{NS}path"):
            for px, py in points(path.get("d", "")):
                # a round corner recedes by less than 3 where an edge enters
                assert not any(box.holds(px, py, edge=3) for box in nodes), g.findtext(f"{NS}title")
                assert field.holds(px, py)
        for content, box in text_boxes(g):
            assert not any(box.meets(node) for node in nodes), content
