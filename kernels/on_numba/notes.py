"""What a profile is told of a recorded operation: its name, its layer, and what it costs.

Notes are made only where a plan's ``views`` have room for them, under "notes"; that is the case
for the copy of a plan that a profile runs (``timed.py``).
"""

from functools import cache
from typing import Any, NamedTuple

from accelnn import kernels
from accelnn.kernels.cost import Cost, Shaped
from accelnn.kernels.table import (
    CROSS_ENTROPY,
    IDENTITY,
    LAYERS,
    NUMBERS,
    UPDATES,
    backward_of,
    layer_name,
)


class Note(NamedTuple):
    """One operation.

    Attributes
    ----------
    kernel : str
        The kernels of the list that it computes, or its own name where it computes none.
    layer : str
        As in ``table.layer_name``; of a product also which of the three it is.
    flops, nbytes : float
        Of one call, as declared in ``kernels/reference``. A block of a product has its share of the
        bytes of the whole, since blocks of one product find what they share in a cache.
    """

    kernel: str
    layer: str
    flops: float
    nbytes: float


def note(rec: Any, name: str, words: tuple[int, ...]) -> Note:
    """Return what there is to say of an operation that a ``Recording`` writes down."""
    record, product = rec.where
    known = record is not None and name != "wait"
    layer = layer_name(rec.plan.table, int(record["target"])) if known else ""
    if name == "gemm":
        n, k, m = words[8:11]
        n_in, n_out = int(record["n_in"]), int(record["n_out"])
        high = n_in if product == "weights" else rec.rows
        wide = n_in if product == "input" else n_out
        block, whole = product_cost(n, k, m), product_cost(high, k, wide)
        nbytes = whole.nbytes(rec.size) * (n * m) / (high * wide)
        return Note("matmul", f"{layer}, {product}", block.flops, nbytes)
    kernel, cost = _cost(name, words)
    nbytes = cost.nbytes(rec.size)
    if name == "gather":  # the targets too
        labels = rec.plan.loss == CROSS_ENTROPY
        targets = rows_cost(words[1] - words[0], 1 if labels else rec.plan.n_out)
        nbytes += targets.nbytes(8 if labels else rec.size)
    return Note(kernel, layer, cost.flops, nbytes)


def _cost(name: str, words: tuple[int, ...]) -> tuple[str, Cost]:
    """Return an operation's name, as a profile shows it, and its cost; see ``operations.py``."""
    if name.startswith("activate"):
        z, backward = Shaped(*words[6:8]), name.endswith("_backward")
        names = [backward_of(words[0]) if backward else LAYERS[words[0]]]
        numbers = dict.fromkeys(NUMBERS.get(words[0], ()), 0.0)  # which cost nothing
        cost = declared(names[0], z, *[z] * backward, **numbers)
        if not backward and words[8]:  # with a bias
            names = ["add_bias", *(names if words[0] != IDENTITY else [])]
            cost += declared("add_bias", z, Shaped(words[7]))
        return " + ".join(names), cost
    if name == "maxout":
        return name, declared(name, Shaped(words[3], words[4] * words[0]), pieces=words[0])
    if name == "maxout_backward":
        z = Shaped(words[4], words[5] * words[0])
        return name + "_z", declared(name + "_z", Shaped(*words[4:6]), z, pieces=words[0])
    if name == "sum_rows":
        return name, declared(name, Shaped(*words[2:4]))
    if name == "update":
        kernel = UPDATES[words[0]]
        return kernel, declared(kernel, Shaped(*words[11:13]))
    if name == "drop":
        return "dropout", declared("dropout", Shaped(*words[4:6]))
    if name in ("gather", "fetch"):
        return name, rows_cost(words[1] - words[0], words[3])
    if name == "deliver":
        return name, rows_cost(*words[3:5])
    if name == "wait":
        return name, Cost()
    y, rows = Shaped(*words[6:8]), Shaped(words[6])  # a loss, and its gradient
    target = rows if name == "cross_entropy" else y
    cost = declared(name, y, target) + declared(name + "_backward", rows, y, target)
    return f"{name} + backward", cost


def declared(kernel: str, *arguments: Shaped, **numbers: float) -> Cost:
    """Return what a kernel of the list costs."""
    found: Cost = _reference()[kernel].cost(*arguments, **numbers)
    return found


def product_cost(n: int, k: int, m: int) -> Cost:
    """Return the cost of (n, k) by (k, m)."""
    return declared("matmul", Shaped(n, k), Shaped(k, m))


def rows_cost(rows: int, columns: int) -> Cost:
    """Return the cost of copying rows."""
    return declared("take_rows", Shaped(rows, columns), Shaped(rows))


@cache
def _reference() -> dict[str, Any]:
    return kernels.load("reference")
