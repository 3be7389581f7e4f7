"""Several tensors as one, and axes that are not there."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accelnn import Tensor, gradcheck
from accelnn.backends import Backend
from accelnn.operators.shaping import cat, stack
from tests.tolerances import assert_close


def leaf(values: Any, backend: Backend) -> Tensor:
    return Tensor(values, True, dtype="float64", backend=backend)


def slopes(y: Tensor, *inputs: Tensor) -> list[Any]:
    y.sum().backward()
    return [None if x.grad is None else x.grad.tolist() for x in inputs]


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_cat_and_stack(backend: Backend, dim: int, rng: Any) -> None:
    a, b = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    for join, reference in ((cat, np.concatenate), (stack, np.stack)):
        joined = join([leaf(a, backend), leaf(b, backend)], dim)
        assert_close(joined.numpy(), reference([a, b], axis=dim))
        gradcheck(lambda s, t, f=join: f([s, t, s], dim) ** 2, leaf(a, backend), leaf(b, backend))


def test_cat_of_several_lengths(backend: Backend) -> None:
    a, b = leaf([[1.0, 2.0]], backend), leaf([[3.0, 4.0], [5.0, 6.0]], backend)
    y = cat([a, b]) * Tensor([[1.0], [10.0], [100.0]], backend=backend)
    assert slopes(y, a, b) == [[[1.0, 1.0]], [[10.0, 10.0], [100.0, 100.0]]]


def test_what_cannot_be_joined() -> None:
    with pytest.raises(ValueError, match="at least one tensor"):
        cat([])
    with pytest.raises(ValueError, match=r"one shape but for that axis, got \(1, 2\) and \(1, 3\)"):
        cat([Tensor([[1.0, 2.0]]), Tensor([[1.0, 2.0, 3.0]])])
    with pytest.raises(ValueError, match=r"tensors of one shape, got \(1,\) and \(2,\)"):
        stack([Tensor([1.0]), Tensor([1.0, 2.0])])
    with pytest.raises(TypeError, match="expects tensors, got list"):
        stack([[1.0]])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="two backends"):
        cat([Tensor([1.0], backend="numpy"), Tensor([1.0], backend="numba")])


def test_axes_that_are_not_there() -> None:
    x = Tensor(np.ones((2, 3)))
    bad: list[Callable[[], Any]] = [
        lambda: x.unsqueeze(3),
        lambda: x.squeeze(2),
        lambda: x.transpose(0, 2),
        lambda: x.permute(0, 0),
        lambda: x.permute(0),
        lambda: x.flatten(1, 0),
        lambda: x.expand(3),
        lambda: x.expand(-1, 2, 3),
        lambda: x.softmax(2),
        lambda: Tensor(1.0).softmax(),
        lambda: Tensor([1.0]).mT,
    ]
    for f in bad:
        with pytest.raises(ValueError, match=r"axis|axes|lies behind|cannot become|matrices"):
            f()
