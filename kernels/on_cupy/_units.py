"""The layers of a program, grouped as the GPU runs them: a product and what is fused to it.

::

    Linear, ReLU, Dropout, Linear, Softmax, Tanh, Linear
    └───────────────────┘  └────┘  └─────┘  └──┘  └────┘
          product         product    row   elements product
"""

from dataclasses import dataclass, field
from typing import Any

from accelnn.kernels import table as t

#: As many links as the array ``chain`` of struct Task in program.cu holds.
LINKS = 3
_ROW_WISE = (t.SOFTMAX, t.LOG_SOFTMAX)


@dataclass
class Link:
    """One element-wise layer: struct Element of ``_elements.cu`` before addresses are known.

    Attributes
    ----------
    kind, scalar : of the record; dropout's scalar is what it multiplies by.
    target : int
        Offset of its output in the workspace.
    threshold, seed, call : int
        Of dropout.
    """

    kind: int
    scalar: float
    target: int
    threshold: int = 0
    seed: int = 0
    call: int = 0


@dataclass
class Unit:
    """A product with the links behind it, or links alone, or a row-wise layer.

    Attributes
    ----------
    kind : "product", "elements" or "row"
    n_in, n_out, source, target : of the record; ``target`` is where the product or row goes.
    weight, bias : offsets in the parameters; bias -1: none.
    links : list of Link
    row : code of the row-wise layer.
    """

    kind: str
    n_in: int
    n_out: int
    source: int
    target: int
    weight: int = -1
    bias: int = -1
    links: list[Link] = field(default_factory=list)
    row: int = t.IDENTITY


def units(table: Any, calls: Any, training: bool) -> list[Unit]:
    """Return the units of a program's table; ``calls`` are the first calls of the dropouts."""
    found: list[Unit] = []
    for record, call in zip(table, calls, strict=True):
        kind = int(record["kind"])
        n_in, n_out = int(record["n_in"]), int(record["n_out"])
        place = n_in, n_out, int(record["source"]), int(record["target"])
        if kind == t.LINEAR:
            found.append(Unit("product", *place, int(record["weight"]), int(record["bias"])))
        elif kind in _ROW_WISE:
            found.append(Unit("row", *place, row=kind))
        else:
            if not found or found[-1].kind == "row" or len(found[-1].links) == LINKS:
                found.append(Unit("elements", *place))
            found[-1].links.append(_link(record, int(call), training))
    for unit in found:  # no derivative needs z once there is an output of a link
        if unit.kind == "product" and not unit.links:
            unit.links.append(Link(t.IDENTITY, 0.0, unit.target))
    return found


def _link(record: Any, call: int, training: bool) -> Link:
    kind, scalar, target = int(record["kind"]), float(record["scalar"]), int(record["target"])
    if kind != t.DROPOUT:
        return Link(kind, scalar, target)
    if not training:
        return Link(t.IDENTITY, 0.0, target)
    scale = 1 / (1 - scalar) if scalar < 1 else 0.0
    return Link(kind, scale, target, int(scalar * 2**32), int(record["seed"]), call)
