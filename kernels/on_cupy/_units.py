"""The layers of a program, grouped as the GPU runs them: a product and what is fused to it.

::

    Linear, ReLU, Dropout, Linear, Softmax, Tanh, Linear, GELU, Maxout
    └───────────────────┘  └────┘  └─────┘  └──┘  └──────────┘  └────┘
          product         product    row   elements product      row

Maxout has other columns than its input, and so is a stage of its own rather than the end of a
product. That costs a wait of all blocks each way; z (n, m · pieces) is read once more going
forward, and the gradient (n, m) of the output is written and read once more coming back.
"""

from dataclasses import dataclass, field
from typing import Any

from accelnn.kernels import table as t

#: As many links as the array ``chain`` of struct Task in program.cu holds.
LINKS = 3
_ROW_WISE = (t.SOFTMAX, t.LOG_SOFTMAX, t.MAXOUT)


@dataclass
class Link:
    """One element-wise layer: struct Element of ``_elements.cu`` before addresses are known.

    Attributes
    ----------
    kind, scalar, second : of the record; dropout's scalar is what it multiplies by.
    source, target : int
        Offsets of its input and its output in the workspace.
    threshold, seed, call : int
        Of dropout.
    """

    kind: int
    scalar: float
    source: int
    target: int
    second: float = 0.0
    threshold: int = 0
    seed: int = 0
    call: int = 0


@dataclass
class Unit:
    """A product with the links behind it, or links alone, or a layer that works on whole rows.

    Attributes
    ----------
    kind : "product", "elements" or "row"
    n_in, n_out, source, target : of the record; ``target`` is where the product or row goes.
    weight, bias : offsets in the parameters; bias -1: none.
    links : list of Link
    row : the layer on whole rows, as a link.
    """

    kind: str
    n_in: int
    n_out: int
    source: int
    target: int
    weight: int = -1
    bias: int = -1
    links: list[Link] = field(default_factory=list)
    row: Link | None = None


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
            found.append(Unit("row", *place, row=_link(record, int(call), training)))
        else:
            if not found or found[-1].kind == "row" or len(found[-1].links) == LINKS:
                found.append(Unit("elements", *place))
            unit = found[-1]
            if unit.kind == "product" and not unit.links and kind in t.READS_Z:
                unit.links.append(_keep(unit.target))
            unit.links.append(_link(record, int(call), training))
    for unit in found:
        if unit.kind == "product" and not unit.links:
            unit.links.append(_keep(unit.target))
    return found


def _keep(target: int) -> Link:
    """Return the link that keeps a product's z where no other link overwrites it.

    Else it is not kept: most derivatives need no z once there is an output.
    """
    return Link(t.IDENTITY, 0.0, target, target)


def _link(record: Any, call: int, training: bool) -> Link:
    kind, scalar, second = int(record["kind"]), float(record["scalar"]), float(record["second"])
    place = int(record["source"]), int(record["target"])
    if kind != t.DROPOUT:
        return Link(kind, scalar, *place, second)
    if not training:
        return Link(t.IDENTITY, 0.0, *place)
    scale = 1 / (1 - scalar) if scalar < 1 else 0.0
    return Link(kind, scale, *place, second, int(scalar * 2**32), int(record["seed"]), call)
