"""Pictures: the graph of a computation with values and gradients, and networks as neurons."""

import math
from collections.abc import Mapping
from typing import Any

from accelnn.autograd import Tensor
from accelnn.drawing.cards import cards_svg, cards_text
from accelnn.drawing.flowing import flow_svg
from accelnn.drawing.graph import flow_of
from accelnn.drawing.network import as_input, cards_of, columns_of, stack_of
from accelnn.drawing.neurons import neurons_svg, neurons_text
from accelnn.drawing.picture import Drawing as Drawing
from accelnn.drawing.text import flow_text
from accelnn.nn import Module

_STYLES = ("auto", "graph", "neurons", "layers")


def draw(
    what: Tensor | Module,
    x: Any = None,
    *,
    names: Mapping[str, Any] | Module | None = None,
    gradient: Any = None,
    digits: int = 4,
    depth: int | None = None,
    style: str = "auto",
    title: str | None = None,
    **named: Tensor,
) -> Drawing:
    """Draw how a tensor was computed, or a network.

    Of a tensor it draws the graph as one does by hand: leaves at the left, operations in circles,
    the result at the right. Each edge carries its value, above, and the gradient of the result
    along it, below; a tensor that is read more than once carries their sum, too. The gradients
    take one backward pass that touches no ``.grad`` and leaves the graph as it was.

    Parameters
    ----------
    what : Tensor or Module
    x : array or Tensor, optional
        Of shape (n_in,) or (n, n_in): a module's input, for the graph of ``what(x)``, or with
        ``style="neurons"`` for z and a in each neuron. Beside a tensor, the one to be named x.
    names : dict of str to Tensor, or Module, optional
        Names of tensors; a module stands for the dotted names of its parameters. What is not
        given a name is x1, x2 ... among the leaves and v1, v2 ... among the rest. Names that are
        no tensor of this graph are left out.
    gradient : array, optional
        Gradient of whatever comes after, of the result's shape; 1 for one element.
    digits : int
        Significant digits, at least 1. Arrays of more than six elements show their norm.
    depth : int, optional
        Draw only operations so near to the result, at least 1; what comes before is dashed.
    style : {"auto", "graph", "neurons", "layers"}
        For a module: its graph (with an input), neurons with weights on the edges (layers of at
        most 16 units), or a box per layer. "auto" is the graph with ``x``, else neurons where
        they are few enough.
    title : str, optional
        For those who hear the picture instead of seeing it.
    **named : Tensor
        More names: ``draw(J, a=a, b=b)``.

    Returns
    -------
    Drawing
        With ``svg``, ``text`` and ``save``; a notebook shows the picture.

    Raises
    ------
    TypeError
        If ``what`` is neither, or a name stands for something other than a tensor.
    ValueError
        For a graph of more than 300 nodes, a style that does not fit, or a gradient of another
        shape.

    Examples
    --------
    J = 2 (a b + c), whose gradients are 4, 6 and 2:

    >>> from accelnn import Tensor, draw
    >>> a, b, c = (Tensor(v, requires_grad=True) for v in (3.0, 2.0, 5.0))
    >>> u = a * b
    >>> v = u + c
    >>> J = 2 * v
    >>> print(draw(J, a=a, b=b, c=c, u=u, v=v, J=J))
    a          3   da = 4
    b          2   db = 6
    u = a · b  6   du = 2
    c          5   dc = 2
    v = u + c  11  dv = 2
    J = 2 · v  22  dJ = 1
    """
    if not isinstance(what, Tensor | Module):
        raise TypeError(f"draw expects a Tensor or a Module, got {type(what).__name__}")
    if style not in _STYLES:
        raise ValueError(f"style must be one of {', '.join(_STYLES)}; got {style!r}")
    for name, value in (("digits", digits), ("depth", 1 if depth is None else depth)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
    known = _known(names, named)
    if isinstance(what, Tensor):
        if style not in ("auto", "graph"):
            raise ValueError(f"a tensor is drawn as its graph, not in the style {style!r}")
        known = known if x is None else {**_known({"x": x}, {}), **known}
        return _graph(what, known, gradient, digits, depth, "result", title or "Computation graph")
    kind = title or f"Network: {type(what).__name__}"
    if style == "graph" or (style == "auto" and x is not None):
        if x is None:
            raise ValueError("the graph of a module needs an input: draw(model, x)")
        entry = as_input(what, x)
        known = {**_known(what, {}), id(entry): "x", **known}
        return _graph(what(entry), known, gradient, digits, depth, "output", kind)
    return _network(what, x, digits, style, kind)


def _known(names: Mapping[str, Any] | Module | None, named: Mapping[str, Any]) -> dict[int, str]:
    """Return id -> name; the first name of a tensor is the one that counts."""
    given = dict(names.named_parameters()) if isinstance(names, Module) else dict(names or {})
    known: dict[int, str] = {}
    for name, tensor in [*given.items(), *named.items()]:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"names are for tensors, got {type(tensor).__name__} for {name!r}")
        known.setdefault(id(tensor), str(name))
    return known


def _graph(
    root: Tensor,
    names: dict[int, str],
    gradient: Any,
    digits: int,
    depth: int | None,
    result: str,
    title: str,
) -> Drawing:
    flow = flow_of(root, names, gradient, digits, depth, result)
    return Drawing(flow_svg(flow, title), flow_text(flow))


def _network(model: Module, x: Any, digits: int, style: str, title: str) -> Drawing:
    stack = stack_of(model)
    entry = None if x is None else as_input(model, x)
    if entry is not None and entry.ndim == 1:
        entry = entry.reshape(1, entry.shape[0])
    notes = []
    if style != "layers":
        columns = columns_of(stack, entry)
        if not isinstance(columns, str):
            if entry is not None and entry.shape[0] > 1:
                notes.append(f"Values are those of the first of {entry.shape[0]} rows.")
            return Drawing(
                neurons_svg(columns, digits, notes, title), neurons_text(columns, digits, notes)
            )
        if style == "neurons":
            raise ValueError(
                f"this network cannot be drawn as neurons: {columns}; "
                "style='layers' draws a box per layer"
            )
    cards = cards_of(stack, entry, digits)
    total = sum(math.prod(p.shape) for p in model.parameters())
    return Drawing(cards_svg(cards, total, notes, title), cards_text(cards, total, notes))
