"""A stack of layers as what a picture of it shows: columns of units, or one card per layer."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from accelnn.autograd import Tensor
from accelnn.drawing.values import array_text
from accelnn.graph import no_grad
from accelnn.nn import Dropout, Flatten, Identity, Linear, Module, Sequential

#: A layer of more units is drawn as one box.
MOST_UNITS = 16


@dataclass
class Column:
    """One layer of units: the weights (units, units before) that lead to it, and its values."""

    units: int
    weight: Any = None
    bias: Any = None
    activations: list[str] = field(default_factory=list)
    z: Any = None
    a: Any = None


@dataclass
class Card:
    """One layer as a box: its name, lines about it, and what leaves it."""

    name: str
    kind: str
    lines: list[str]
    parameters: int
    leaves: str


def stack_of(model: Module, prefix: str = "") -> list[tuple[str, Module]]:
    """Return (dotted name, layer) of a Sequential, those inside it in their places.

    Raises
    ------
    ValueError
        For a module with parts of its own whose order only its ``forward`` knows.
    """
    if not isinstance(model, Sequential):
        if next(model.children(), None) is not None:
            raise ValueError(
                f"only forward() knows in which order {type(model).__name__} uses its layers; "
                "give an input for the graph, draw(model, x), or draw a Sequential"
            )
        return [(prefix.rstrip("."), model)]
    stack = []
    for name, layer in enumerate(model):
        stack += stack_of(layer, f"{prefix}{name}.")
    return stack


def as_input(model: Module, x: Any) -> Tensor:
    """Return the input as a Tensor on the model's backend; an array takes the model's dtype."""
    if isinstance(x, Tensor):
        return x
    dtype = next((p.dtype for p in model.parameters()), None)
    return Tensor(x, dtype=dtype, backend=model.backend or "auto")


def columns_of(stack: list[tuple[str, Module]], x: Tensor | None) -> list[Column] | str:
    """Return the units in columns, the input first, or the reason why there are none.

    Parameters
    ----------
    stack : list of (str, Module)
    x : Tensor of shape (n, n_in), optional
        Values are those of its first row. Dropout keeps everything, as in evaluation.
    """
    columns: list[Column] = []
    a = x
    for name, layer in stack:
        kind = type(layer).__name__
        if isinstance(layer, Linear):
            if a is not None and a.ndim != 2:
                return f"layer {name} reads an input of shape {a.shape}, not (n, n_in)"
            if not columns:
                columns.append(Column(layer.in_features, a=_row(a)))
            elif columns[-1].units != layer.in_features:
                return f"layer {name} reads {layer.in_features} units, not {columns[-1].units}"
            bias = None if layer.bias is None else layer.bias.numpy()
            columns.append(Column(layer.out_features, layer.weight.numpy(), bias))
        elif next(layer.parameters(), None) is not None or next(layer.buffers(), None) is not None:
            return f"layer {name} is a {kind}, no Linear or activation"
        if isinstance(layer, Dropout | Identity):
            continue
        a = None if a is None else _applied(layer, a)
        if isinstance(layer, Linear):
            columns[-1].z = columns[-1].a = _row(a)
        elif not isinstance(layer, Flatten):
            if not columns:
                return f"layer {name}, {kind}, comes before the first Linear"
            columns[-1].activations.append(kind)
            columns[-1].a = _row(a)
    if not columns:
        return "it has no Linear"
    if not all(c.units for c in columns):
        return "a layer has no units"
    if widest := max((c.units for c in columns if c.units > MOST_UNITS), default=0):
        return f"a layer has {widest} units, more than {MOST_UNITS}"
    return columns


def _applied(layer: Module, x: Tensor) -> Tensor:
    with no_grad():
        return layer(x)


def _row(a: Tensor | None) -> Any:
    return None if a is None else np.atleast_2d(a.numpy())[0]


def cards_of(stack: list[tuple[str, Module]], x: Tensor | None, digits: int) -> list[Card]:
    """Return a card for the input and one for each layer."""
    width = next((f"{n}" for _, layer in stack if (n := getattr(layer, "in_features", None))), "")
    a = x
    cards = [Card("", "input", [], 0, _leaving(a, width, digits))]
    for name, layer in stack:
        if a is not None and not isinstance(layer, Dropout):
            a = _applied(layer, a)
        into, out = (getattr(layer, n, None) for n in ("in_features", "out_features"))
        lines = [] if out is None else [f"{into} → {out}"]
        lines += [f"{held} {p.shape}" for held, p in layer.named_parameters()]
        count = sum(math.prod(p.shape) for p in layer.parameters())
        if count:
            lines.append(f"{count:,} parameters")
        elif detail := layer.extra_repr():
            lines.append(detail)
        width = width if out is None else f"{out}"
        kind = type(layer).__name__
        cards.append(Card(name, kind, lines, count, _leaving(a, width, digits)))
    return cards


def _leaving(a: Tensor | None, width: str, digits: int) -> str:
    return width if a is None else array_text(a.numpy(), digits)
