"""The sum over all paths: values by hand, and as many operations as are claimed."""

from collections import Counter
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest

from accelnn import Tensor, count_ops
from accelnn.bench import paths
from accelnn.bench.stacks import relu_stack

OPEN: Any = [[[1.0, 2.0], [3.0, 4.0]], [[5.0], [6.0]]]
SHUT: Any = [[[1.0, -2.0], [3.0, -4.0]], [[5.0], [6.0]]]
WAYS = pytest.mark.parametrize("way", [paths.by_paths, paths.by_backprop])


def random_weights(widths: tuple[int, ...]) -> Any:
    rng = np.random.default_rng(3)
    return [rng.normal(size=size).tolist() for size in pairwise(widths)]


def test_forward_by_hand() -> None:
    assert paths.forward(OPEN, [1.0, 10.0]) == [[1.0, 10.0], [31.0, 42.0], [407.0]]
    assert paths.forward(SHUT, [1.0, 10.0]) == [[1.0, 10.0], [31.0, 0.0], [155.0]]
    assert paths.forward([[[-1.0]]], [2.0]) == [[2.0], [-2.0]]  # no ReLU behind the outputs


@WAYS
def test_gradient_by_hand(way: Any) -> None:
    values = paths.forward(OPEN, [1.0, 10.0])
    assert way(OPEN, values, [1.0]) == [[[5.0, 6.0], [50.0, 60.0]], [[31.0], [42.0]]]
    assert way(OPEN, values, [2.0]) == [[[10.0, 12.0], [100.0, 120.0]], [[62.0], [84.0]]]


@WAYS
def test_a_shut_unit_lets_nothing_through(way: Any) -> None:
    values = paths.forward(SHUT, [1.0, 10.0])
    assert way(SHUT, values, [1.0]) == [[[5.0, 0.0], [50.0, 0.0]], [[31.0], [0.0]]]


def test_two_paths_are_added() -> None:
    """One input, two units, one output: 3 goes through 5 and 7 only behind the second layer."""
    weights = [[[3.0]], [[5.0, 7.0]], [[11.0], [13.0]]]
    values = paths.forward(weights, [2.0])
    assert paths.by_paths(weights, values, [1.0])[0] == [[2.0 * (5 * 11 + 7 * 13)]]


@WAYS
def test_accelnn_has_the_same_gradient(way: Any) -> None:
    widths = (3, 4, 3, 3)
    model = relu_stack(widths, "numpy", "float64", bias=False)
    weights = random_weights(widths)
    for parameter, w in zip(model.parameters(), weights, strict=True):
        parameter.array[...] = np.array(w).T
    x, seed = [0.5, -1.0, 2.0], [1.0, -2.0, 3.0]
    model(Tensor([x], backend="numpy", dtype="float64")).backward(np.array([seed]))
    found = way(weights, paths.forward(weights, x), seed)
    assert np.any(found[0])
    for parameter, w in zip(model.parameters(), found, strict=True):
        assert parameter.grad is not None
        np.testing.assert_allclose(np.array(w).T, parameter.grad.numpy(), rtol=1e-12, atol=1e-14)


class Counted(float):
    """A number that counts what is done with it."""

    done: ClassVar[Counter[str]] = Counter()

    def __mul__(self, other: float) -> "Counted":
        self.done["*"] += 1
        return Counted(float(self) * float(other))

    def __add__(self, other: float) -> "Counted":
        self.done["+"] += 1
        return Counted(float(self) + float(other))

    def __rmul__(self, other: float) -> "Counted":
        raise AssertionError("a number that does not count")

    __radd__ = __rmul__


def counted(way: Any, widths: tuple[int, ...]) -> tuple[int, int]:
    """Return the multiplications and additions of a gradient, or of ``paths.forward``."""
    weights = [[[*map(Counted, row)] for row in layer] for layer in random_weights(widths)]
    x = [Counted(1 + i) for i in range(widths[0])]
    given: tuple[Any, ...] = (weights, x)
    if way is not paths.forward:
        given = weights, paths.forward(weights, x), [Counted(1)] * widths[-1]
    Counted.done.clear()
    way(*given)
    return Counted.done["*"], Counted.done["+"]


@pytest.mark.parametrize("widths", [(5, 3), (3, 2, 2, 3), (2, 2, 2, 2), (3, 4, 2, 3, 2)])
def test_operations_are_those_that_are_done(widths: tuple[int, ...]) -> None:
    count = count_ops(relu_stack(widths, "numpy", bias=False), 1)
    for way, cost in ((paths.forward, count.forward), (paths.by_backprop, count.backward)):
        assert counted(way, widths) == (cost.multiplications, cost.additions)
    assert counted(paths.by_paths, widths) == paths.operations(widths)


def test_operations_by_hand() -> None:
    assert paths.operations((5, 3)) == (15, 0)
    # 4 weights with 4 paths of 3 factors behind each, 4 with 2 of 2, 4 with 1 of 1
    assert paths.operations((2, 2, 2, 2)) == (4 * 4 * 3 + 4 * 2 * 2 + 4, 4 * 3 + 4 * 1)


def test_operations_of_the_notes() -> None:
    assert counted(paths.forward, (5, 3)) == (15, 12)
    assert counted(paths.forward, (3, 2, 2, 3))[0] == 16
    assert counted(paths.by_backprop, (3, 2, 2, 3))[0] == 26
