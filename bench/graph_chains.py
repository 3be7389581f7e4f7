"""Chains of one operation on four numbers: as tensors, and as the very same array calls by hand.

On four numbers the arrays' own work is as small as it gets. What the tensors take above the array
calls is the graph: to wrap results, to note operations, to walk back and to add gradients up. The
sums of the gradients that meet in a leaf are array calls, too.
"""

from collections.abc import Callable, Sequence
from functools import cache
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from accelnn import Tensor
from accelnn.backends import Backend, get_backend
from accelnn.bench.settings import Settings
from accelnn.bench.turns import Turn, take_turns
from accelnn.nn import functional as F

#: Operations of a chain.
LENGTH = 300


class Operation(NamedTuple):
    """A link of a chain.

    Attributes
    ----------
    operands : tuple of arrays
        Beside what comes from the link before; each is a leaf with a gradient.
    tensors : callable
        From the link before and the operands to the next.
    arrays : callable
        From (backend, links, gradient at the end, first array, operands) to all gradients.
    """

    operands: tuple[Any, ...]
    tensors: Callable[..., Tensor]
    arrays: Callable[..., Sequence[Any]]


def added(_: Backend, links: int, g: Any, h: Any, w: Any) -> Sequence[Any]:
    """``h + w``."""
    for _link in range(links):
        h = h + w
    total = g.copy()
    for _link in range(links - 1):
        total = total + g
    return g, total


def shifted(_: Backend, links: int, g: Any, h: Any) -> Sequence[Any]:
    """``h + 0.5``."""
    for _link in range(links):
        h = h + 0.5
    return (g,)


def multiplied(_: Backend, links: int, g: Any, h: Any, w: Any) -> Sequence[Any]:
    """``h * w``: the product, and two on the way back."""
    read = []
    for _link in range(links):
        read.append(h)
        h = h * w
    total = None
    for h in reversed(read):
        part = g * h
        g = g * w
        total = part if total is None else total + part
    return g, total


def bent(backend: Backend, links: int, g: Any, h: Any) -> Sequence[Any]:
    """``tanh h``."""
    read = []
    for _link in range(links):
        h = backend.tanh(h)
        read.append(h)
    for h in reversed(read):
        g = backend.tanh_backward(g, h)
    return (g,)


def mapped(backend: Backend, links: int, g: Any, h: Any, w: Any, b: Any) -> Sequence[Any]:
    """``h Wᵀ + b`` of one row: a product and a sum, and two products and a sum on the way back."""
    read = []
    for _link in range(links):
        read.append(h)
        h = backend.matmul(h, w.T)
        h = backend.add_bias(h, b, out=h)
    to_w = to_b = None
    for h in reversed(read):
        part, rows = backend.matmul(h, g, ta=True).T, backend.sum_rows(g)
        g = backend.matmul(g, w.T, tb=True)
        to_w = part if to_w is None else to_w + part
        to_b = rows if to_b is None else to_b + rows
    return g, to_w, to_b


ROW = np.array([[0.9, 1.0, 1.01, 0.99]], np.float32)
#: Storage of a Linear whose powers neither grow nor vanish, turned as its weight is.
TURN = np.eye(4, dtype=np.float32)[[1, 2, 3, 0]].T
OPERATIONS = {
    "tensor + tensor": Operation((ROW,), lambda h, w: h + w, added),
    "tensor + number": Operation((), lambda h: h + 0.5, shifted),
    "tensor * tensor": Operation((ROW,), lambda h, w: h * w, multiplied),
    "tanh": Operation((), lambda h: h.tanh(), bent),
    "linear": Operation((TURN, ROW[0] / 100), F.linear, mapped),
}


class Found(NamedTuple):
    """What a chain took, each figure per operation, forward and backward.

    Attributes
    ----------
    seconds : list of float
        Of the tensors, round by round.
    arrays : float
        Median of the array calls.
    overhead : dict
        Seconds of the difference within the rounds: "median", and "low" and "high", the smallest
        and the largest.
    """

    seconds: list[float]
    arrays: float
    overhead: dict[str, float]


@cache
def chain(name: str, backend: str, settings: Settings) -> Found:
    """Return what an operation takes, tensors and array calls in turns."""
    links = settings.pick(LENGTH, LENGTH, 3)
    tensors, arrays = both(name, get_backend(backend), links)
    for mine, theirs in zip(tensors(), arrays(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5)
    turns = {"tensors": Turn(tensors), "arrays": Turn(arrays)}
    found = take_turns(turns, settings.pick(15, 5, 1), settings.pick(0.02, 0.01, 0.0))
    return per_operation(found["tensors"], found["arrays"], links)


def both(
    name: str, held: Backend, links: int
) -> tuple[Callable[[], Sequence[Any]], Callable[[], Sequence[Any]]]:
    """Return two that compute the gradients of all leaves, of the first array at first."""
    operation = OPERATIONS[name]
    link, by_hand = operation.tensors, operation.arrays
    given = [held.asarray(a) for a in (ROW, *operation.operands)]
    end = held.asarray(np.ones_like(ROW))
    first, *others = leaves = [Tensor(a, requires_grad=True, backend=held) for a in given]

    def tensors() -> Sequence[Any]:
        for leaf in leaves:
            leaf.grad = None
        h = first
        for _link in range(links):
            h = link(h, *others)
        h.backward(end)
        return [leaf.grad.array for leaf in leaves if leaf.grad is not None]

    return tensors, lambda: by_hand(held, links, end, *given)


def per_operation(tensors: Sequence[float], arrays: Sequence[float], links: int) -> Found:
    """Return the figures of one operation from the seconds of chains, round by round.

    Long chains have left the turns after fewer rounds than short ones; pairs are of one round.
    """
    apart = [(a - b) / links for a, b in zip(tensors, arrays, strict=False)]
    overhead = {"median": median(apart), "low": min(apart), "high": max(apart)}
    return Found([s / links for s in tensors], median(arrays) / links, overhead)
