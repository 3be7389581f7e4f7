"""A computation in lines of text: each tensor once, what it is, its value and its gradient."""

from collections.abc import Sequence

from accelnn.drawing.graph import Flow, Vertex

#: Characters of the parts of a gradient; longer ones are counted only, the picture shows them.
LONGEST_SUM = 48


def flow_text(flow: Flow) -> str:
    """Return one line per tensor, in the order in which they were computed."""
    rows = [_row(vertex) for vertex in flow.vertices if vertex.kind != "result"]
    return "\n".join([*table(rows), *flow.notes])


def _row(vertex: Vertex) -> tuple[str, str, str]:
    """``u = a · b``, ``6``, ``du = 2``; a sum over branches with its parts."""
    left = f"{vertex.name} = {vertex.formula}" if vertex.formula else vertex.name
    if vertex.kind == "cut":
        left += " = …"
    if vertex.gradient is None:
        return left, vertex.value, ""
    gradient = f"d{vertex.name} = {vertex.gradient}"
    if len(vertex.parts) > 1:
        parts = " + ".join(_signed(part) for part in vertex.parts)
        gradient += (
            f" = {parts}" if len(parts) <= LONGEST_SUM else f", of {len(vertex.parts)} parts"
        )
    return left, vertex.value, gradient


def _signed(part: str) -> str:
    return f"({part})" if part.startswith("-") else part


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows with their columns aligned, two spaces between them.

    Examples
    --------
    >>> table([("a", "3"), ("total", "22")])
    ['a      3', 'total  22']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
