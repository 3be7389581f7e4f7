"""Graphs deeper than Python's stack: forward, backward and their end, without recursion."""

import gc
import weakref
from collections.abc import Callable

import numpy as np
import pytest

from accelnn import Tensor
from accelnn.backends import Backend
from accelnn.graph import topological_order
from tests.tolerances import assert_close

DEPTH = 100_000


def chain(x: Tensor, length: int, step: Callable[[Tensor], Tensor]) -> Tensor:
    for _ in range(length):
        x = step(x)
    return x


def test_a_thousand_operations(backend: Backend) -> None:
    """``y = x · 1.001¹⁰⁰⁰``, and its slope."""
    x = Tensor([2.0], True, dtype="float64", backend=backend)
    y = chain(x, 1000, lambda t: t * 1.001)
    y.backward()
    assert x.grad is not None
    assert_close(y.numpy(), np.array([2 * 1.001**1000]), length=1000)
    assert_close(x.grad.numpy(), np.array([1.001**1000]), length=1000)


def test_ten_thousand_deep_with_branches(backend: Backend) -> None:
    """Each step uses the value before twice: ``xₙ₊₁ = ½ xₙ + ½ xₙ``."""
    x = Tensor([3.0], True, dtype="float64", backend=backend)
    y = chain(x, 10_000, lambda t: 0.5 * t + 0.5 * t)
    y.backward()
    assert x.grad is not None
    assert (y.item(), x.grad.item()) == (3.0, 1.0)


def test_a_hundred_thousand_deep_there_and_back_and_gone() -> None:
    x = Tensor(np.ones(1), True)
    y = chain(x, DEPTH, lambda t: t + 1)
    assert y.item() == DEPTH + 1
    assert len(topological_order(y)) == DEPTH + 1
    y.backward(retain_graph=True)
    assert x.grad is not None
    assert x.grad.item() == 1


@pytest.mark.parametrize("used", [True, False])
def test_what_a_deep_graph_held_is_freed(used: bool) -> None:
    x = Tensor(np.ones(1), True)
    y = chain(x, DEPTH, lambda t: t * x)
    if used:
        y.backward()
    held = weakref.ref(y.array)
    del y
    gc.collect()
    assert held() is None


def test_many_parents() -> None:
    """A sum of ten thousand leaves is as wide as others are deep."""
    leaves = [Tensor(np.full(1, float(i)), True) for i in range(10_000)]
    total = leaves[0]
    for leaf in leaves[1:]:
        total = total + leaf
    (total * total).backward()
    expected = 2 * sum(range(10_000))
    assert {leaf.grad.item() for leaf in leaves if leaf.grad is not None} == {expected}
    assert all(leaf.grad is not None for leaf in leaves)
