"""Reductions: values, gradients, ties, and the two ways of naming axes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accelnn import Tensor, grad, gradcheck
from accelnn.backends import Backend
from tests.tolerances import assert_close

AXES: list[Any] = [None, 0, 1, -1, (0, 2), (-1, 0, 1)]
#: Name -> the same in NumPy.
SMOOTH: dict[str, Callable[..., Any]] = {
    "sum": np.sum,
    "mean": np.mean,
    "prod": np.prod,
    "amax": np.max,
    "amin": np.min,
    "var": lambda x, **how: np.var(x, ddof=1, **how),
    "std": lambda x, **how: np.std(x, ddof=1, **how),
}


def leaf(values: Any, backend: Backend) -> Tensor:
    return Tensor(values, True, dtype="float64", backend=backend)


def slopes(y: Tensor, x: Tensor) -> Any:
    (found,) = grad(y.sum(), x)
    assert found is not None
    return found.tolist()


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("name", SMOOTH)
def test_over_axes(backend: Backend, name: str, axes: Any, keep: bool, rng: Any) -> None:
    x = rng.permutation(24).reshape(2, 3, 4) / 10 + 0.5
    y = getattr(leaf(x, backend), name)(dim=axes, keepdim=keep)
    expected = np.asarray(SMOOTH[name](x, axis=axes, keepdims=keep))
    assert_close(y.numpy(), expected, length=24)
    gradcheck(lambda t: getattr(t, name)(dim=axes, keepdim=keep), leaf(x, backend))


@pytest.mark.parametrize("name", [*SMOOTH, "all", "any", "argmax", "argmin"])
def test_numpys_names_mean_the_same(backend: Backend, name: str, rng: Any) -> None:
    x = Tensor(rng.normal(size=(3, 4)), backend=backend)
    by_dim = getattr(x, name)(dim=1, keepdim=True)
    by_axis = getattr(x, name)(axis=1, keepdims=True)
    assert by_dim.shape == (3, 1)
    assert_close(by_dim.numpy(), by_axis.numpy())
    with pytest.raises(TypeError, match="dim=0 and axis=1 are two names"):
        getattr(x, name)(0, axis=1)


def test_an_axis_that_is_not_there() -> None:
    for name in ("sum", "mean", "max", "argmax", "all"):
        with pytest.raises(ValueError, match="2 is out of bounds"):
            getattr(Tensor([[1.0]]), name)(2)


@pytest.mark.parametrize(("name", "best"), [("max", 5.0), ("min", 1.0)])
def test_the_extreme_of_all_shares_its_gradient(backend: Backend, name: str, best: float) -> None:
    x = leaf([best, 3.0, best, best, 2.0], backend)
    y = getattr(x, name)()
    assert y.item() == best
    third = 1 / 3
    np.testing.assert_allclose(slopes(y, x), [third, 0, third, third, 0], rtol=1e-15)


@pytest.mark.parametrize("name", ["max", "min"])
def test_the_extreme_along_an_axis(backend: Backend, name: str, rng: Any) -> None:
    x = rng.permutation(24).reshape(2, 3, 4) / 10
    for dim in (0, 1, -1):
        values, indices = getattr(leaf(x, backend), name)(dim)
        assert_close(values.numpy(), getattr(np, name)(x, axis=dim))
        assert_close(indices.numpy(), getattr(np, "arg" + name)(x, axis=dim))
        kept = getattr(leaf(x, backend), name)(dim, keepdim=True)
        assert kept.values.shape == kept.indices.shape == values.unsqueeze(dim).shape
        gradcheck(lambda t, d=dim: getattr(t, name)(d).values, leaf(x, backend))
        gradcheck(lambda t, d=dim: getattr(t, name)(d, True)[0] * t, leaf(x, backend))


def test_the_first_of_equal_ones_has_the_index(backend: Backend) -> None:
    x = leaf([[1.0, 4.0, 4.0], [2.0, 2.0, 0.0]], backend)
    assert slopes(x.max(dim=1).values, x) == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    assert x.max(dim=1).indices.tolist() == [1, 0]


def test_two_tensors(backend: Backend) -> None:
    x, y = leaf([1.0, 5.0], backend), leaf([3.0, 2.0], backend)
    assert x.max(y).tolist() == [3.0, 5.0]
    assert x.min(y).tolist() == [1.0, 2.0]


def test_positions(backend: Backend) -> None:
    x = leaf([[1.0, 7.0, 2.0], [7.0, 0.0, 3.0]], backend)
    assert (x.argmax().item(), x.argmin().item()) == (1, 4)
    assert x.argmax(dim=0).tolist() == [1, 0, 1]
    assert x.argmin(1, True).tolist() == [[0], [1]]
    assert x.argmax(keepdim=True).shape == (1, 1)
    assert not x.argmax().requires_grad


def test_nan_is_the_extreme(backend: Backend) -> None:
    x = leaf([1.0, np.nan, 3.0], backend)
    assert np.isnan(x.max().item())
    assert slopes(x.max(), x) == [0.0, 1.0, 0.0]
    assert np.isnan(x.min().item())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2.0, 3.0, 4.0], [12.0, 8.0, 6.0]),
        ([2.0, 0.0, 4.0], [0.0, 8.0, 0.0]),
        ([0.0, 0.0, 4.0], [0.0, 0.0, 0.0]),
    ],
)
def test_products_with_zeros(backend: Backend, values: Any, expected: Any) -> None:
    x = leaf(values, backend)
    assert slopes(x.prod(), x) == expected


def test_all_and_any(backend: Backend) -> None:
    x = Tensor([[True, False], [True, True]], backend=backend)
    assert (x.all().item(), x.any().item()) == (False, True)
    assert x.all(dim=1).tolist() == [False, True]
    assert Tensor([0.0, 0.0], backend=backend).any().item() is False


def test_dtypes(backend: Backend) -> None:
    x = Tensor([1.0, 2.0], backend=backend)
    for y in (x.sum(), x.mean(), x.prod(), x.var(), x.max(), x.max(0).values):
        assert str(y.dtype) == "float32"
    correct = Tensor([1, 2, 3], backend=backend) == Tensor([1, 0, 3], backend=backend)
    assert str(correct.sum().dtype) == "int64"
    assert (str(correct.mean().dtype), correct.float().mean().dtype) == ("float32", "float32")
    assert correct.mean().item() == pytest.approx(2 / 3)


def test_the_other_variance(backend: Backend, rng: Any) -> None:
    x = rng.normal(size=(5, 3))
    assert_close(leaf(x, backend).var(0, correction=0).numpy(), np.var(x, axis=0), length=5)
    gradcheck(lambda t: t.var(0, correction=0), leaf(x, backend))
