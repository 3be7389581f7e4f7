"""The picture of a computation: leaves at the left, operations in circles, the result at the right.

On every edge stands the value forward, above the line, and the gradient backward, below it.
"""

import math
from typing import Any

from accelnn.drawing.canvas import BACKWARD, FAINT, FORWARD, LINE, Canvas, f, text_width
from accelnn.drawing.graph import Flow, Vertex, Wire
from accelnn.drawing.layers import Box, Link, Route, placed

#: Kind -> fill, outline.
_PAINT = {
    "leaf": ("#fff6dc", "#9a6b00"),
    "constant": ("#f2f3f5", "#7a8593"),
    "operation": ("#eaf1fb", "#3b5b86"),
    "cut": ("#ffffff", "#7a8593"),
    "result": ("#e6f5ea", "#2c7a45"),
}
_SIZE = 12.0  # of the labels
_LINE = 15.0


def flow_svg(flow: Flow, title: str) -> str:
    """Return the graph of a computation as SVG."""
    boxes = [_box(vertex) for vertex in flow.vertices]
    links = [Link(w.source, w.target, w.operand, *_label_size(w)) for w in flow.wires]
    plan = placed(boxes, links)
    canvas = Canvas()
    for wire, route in zip(flow.wires, plan.routes, strict=True):
        _wire(canvas, flow, wire, route, plan.centres[wire.target][1])
    for i, (vertex, box) in enumerate(zip(flow.vertices, boxes, strict=True)):
        _vertex(canvas, i, vertex, box, plan.centres[i])
    width, height = _below(canvas, flow, plan.width, plan.height)
    return canvas.finished(width, height, title, _description(flow))


def _box(vertex: Vertex) -> Box:
    """A circle for a sign, a box for a word; as high as what stands above and below needs."""
    width, height = _shape(vertex)
    leaf = vertex.kind in ("leaf", "constant", "cut")
    beside = text_width(vertex.name, 13) if vertex.named and vertex.kind == "operation" else 0.0
    needed = max(width, beside, text_width(_summed(vertex) or "", _SIZE))
    return Box(needed, height + 2 * _around(vertex), (width, height), leaf)


def _shape(vertex: Vertex) -> tuple[float, float]:
    if vertex.kind == "operation":
        wide, high = text_width(vertex.sign, 15), max(38.0, 16.0 * vertex.operands)
        return (38.0, high) if wide < 30 else (wide + 20, high)
    return max(34.0, text_width(vertex.name, 14) + 20), 30.0


def _around(vertex: Vertex) -> float:
    """Room above a node for its name, and as much below for a sum of gradients."""
    above = vertex.kind == "operation" and vertex.named
    return _LINE if above or _summed(vertex) else 0.0


def _summed(vertex: Vertex) -> str | None:
    """Return the gradient that stands at the node: where no edge shows the whole of it."""
    if vertex.kind == "result" or vertex.gradient is None or len(vertex.parts) == 1:
        return None
    return f"{'Σ' if vertex.parts else 'grad'} {vertex.gradient}"


def _label_size(wire: Wire) -> tuple[float, float]:
    wide = max(text_width(wire.value, _SIZE), text_width(wire.gradient or "", _SIZE))
    return wide + 8, 2 * _LINE + 4


def curve(route: Route) -> str:
    """Return an edge's path: level through each column, bent between two of them."""
    x0, x1, y = route.levels[0]
    steps = [f"M{f(x0)},{f(y)}H{f(x1)}"]
    for left, right, height in route.levels[1:]:
        half = (x1 + left) / 2
        bend = f"C{f(half)},{f(y)} {f(half)},{f(height)} {f(left)},{f(height)}"
        steps.append(f"{bend}H{f(right)}")
        x1, y = right, height
    return "".join(steps)


def _wire(canvas: Canvas, flow: Flow, wire: Wire, route: Route, middle: float) -> None:
    source, target = flow.vertices[wire.source], flow.vertices[wire.target]
    x, y = route.label
    end = route.levels[-1]
    tip = end[1] + _hollow(target, end[2] - middle)
    route.levels[-1] = (end[0], tip - 5, end[2])
    told = f"{source.name} → {target.name}: value {wire.value}"
    told += "" if wire.gradient is None else f", gradient {wire.gradient}"
    with canvas.group(
        told,
        class_="edge",
        data_from=wire.source,
        data_to=wire.target,
        data_operand=wire.operand,
        data_name=source.name,
        data_value=wire.value,
        data_gradient=wire.gradient,
    ):
        canvas.add("path", d=curve(route), fill="none", stroke=LINE, stroke_width=1.4)
        canvas.arrow_head(tip, end[2])
        label: dict[str, Any] = {"size": _SIZE}
        canvas.text(x, y - 5, wire.value, colour=FORWARD, class_="value", **label)
        if wire.gradient is not None:
            canvas.text(x, y + 14, wire.gradient, colour=BACKWARD, class_="gradient", **label)


def _hollow(target: Vertex, off: float) -> float:
    """Return how far a circle recedes at a height that is off its middle."""
    if target.kind != "operation":
        return 0.0
    high = _shape(target)[1]
    radius = min(19.0, high / 2)
    beyond = max(0.0, abs(off) - (high / 2 - radius))  # how far into the round corner
    return radius - math.sqrt(max(0.0, radius**2 - beyond**2))


def _vertex(canvas: Canvas, i: int, vertex: Vertex, box: Box, centre: tuple[float, float]) -> None:
    x, y = centre
    wide, high = _shape(vertex)
    fill, line = _PAINT[vertex.kind]
    told = f"{vertex.name} = {vertex.formula or vertex.value}"
    with canvas.group(told, class_=f"node {vertex.kind}", data_node=i, data_name=vertex.name):
        dash = "4 3" if vertex.kind == "cut" else None
        paint: dict[str, Any] = {
            "fill": fill,
            "stroke": line,
            "stroke_width": 1.6,
            "stroke_dasharray": dash,
        }
        round_ = min(19.0, high / 2) if vertex.kind == "operation" else 6
        canvas.add(
            "rect",
            x=f(x - wide / 2),
            y=f(y - high / 2),
            width=f(wide),
            height=f(high),
            rx=f(round_),
            **paint,
        )
        shown = vertex.sign if vertex.kind == "operation" else vertex.name
        size = 15 if vertex.kind == "operation" else 14
        slant = None if vertex.kind == "operation" else "italic"
        canvas.text(x, y + 5, shown, size=size, font_style=slant)
        if vertex.kind == "operation" and vertex.named:
            canvas.text(
                x, y - high / 2 - 5, vertex.name, font_style="italic", class_="name", halo=True
            )
        if total := _summed(vertex):
            canvas.text(
                x,
                y + high / 2 + 14,
                total,
                size=_SIZE,
                colour=BACKWARD,
                class_="sum",
                halo=True,
            )


def _below(canvas: Canvas, flow: Flow, width: float, height: float) -> tuple[float, float]:
    """Write the legend and what the picture cannot show; return the size with them."""
    y = height + 30
    legend = [("value forward, above the line", FORWARD)]
    if any(wire.gradient is not None for wire in flow.wires):
        legend.append(("gradient backward, below it", BACKWARD))
    if any(len(vertex.parts) > 1 for vertex in flow.vertices):
        legend.append(("Σ the sum over branches", BACKWARD))
    x = 0.0
    for text, colour in legend:
        canvas.add("circle", cx=f(x + 4), cy=f(y - 4), r=4, fill=colour)
        canvas.text(x + 13, y, text, size=11.5, colour=FAINT, anchor="start")
        x += 13 + text_width(text, 11.5) + 6
    width = max(width, x)
    width, y = canvas.notes(flow.notes, y, width)
    return width, y + 2


def _description(flow: Flow) -> str:
    """Return the computation in words, for those who do not see it."""
    steps = [f"{v.name} = {v.formula} = {v.value}" for v in flow.vertices if v.formula]
    return "; ".join(steps) + "." if steps else "One tensor."
