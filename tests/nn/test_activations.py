"""Activations: modules are functions, functions are kernels, backward is their derivative."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accelnn import Tensor, gradcheck, nn
from accelnn.backends import Backend
from accelnn.kernels import load
from accelnn.nn import functional as F
from tests.tolerances import assert_close

REFERENCE = load("reference")

#: Name -> (module, function, reference kernel and its scalars).
ACTIVATIONS: dict[str, tuple[nn.Module, Callable[[Tensor], Tensor], str, dict[str, float]]] = {
    "identity": (nn.Identity(), F.identity, "identity", {}),
    "sigmoid": (nn.Sigmoid(), F.sigmoid, "sigmoid", {}),
    "tanh": (nn.Tanh(), F.tanh, "tanh", {}),
    "relu": (nn.ReLU(), F.relu, "relu", {}),
    "leaky_relu": (nn.LeakyReLU(), F.leaky_relu, "leaky_relu", {"slope": 0.01}),
    "leaky_relu(-0.5)": (
        nn.LeakyReLU(-0.5),
        lambda x: F.leaky_relu(x, -0.5),
        "leaky_relu",
        {"slope": -0.5},
    ),
    "elu": (nn.ELU(), F.elu, "elu", {"alpha": 1.0}),
    "elu(0.3)": (nn.ELU(0.3), lambda x: F.elu(x, 0.3), "elu", {"alpha": 0.3}),
    "elu(-0.7)": (nn.ELU(-0.7), lambda x: F.elu(x, -0.7), "elu", {"alpha": -0.7}),
    "softmax": (nn.Softmax(), F.softmax, "softmax", {}),
    "log_softmax": (nn.LogSoftmax(), F.log_softmax, "log_softmax", {}),
}
every = pytest.mark.parametrize("name", ACTIVATIONS)
by_row = pytest.mark.parametrize("name", ["softmax", "log_softmax"])


def away_from_the_kink(shape: tuple[int, ...], rng: Any) -> Any:
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.1, 2.5, shape)


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_module_function_and_reference(backend: Backend, name: str, dtype: str, rng: Any) -> None:
    module, function, kernel, how = ACTIVATIONS[name]
    z = (3 * rng.normal(size=(5, 7))).astype(dtype)
    expected = REFERENCE[kernel](z, **how)
    for f in (module, function):
        x = Tensor(z, backend=backend)
        assert_close(f(x).numpy(), expected, length=7)
        assert_close(x.numpy(), z)  # not written to


@every
@pytest.mark.parametrize("shape", [(1, 1), (4, 6), (3,), (2, 3, 5), (0, 4)], ids=str)
def test_derivative(backend: Backend, name: str, shape: tuple[int, ...], rng: Any) -> None:
    x = Tensor(away_from_the_kink(shape, rng), True, backend=backend)
    gradcheck(ACTIVATIONS[name][1], x)
    gradcheck(lambda t: ACTIVATIONS[name][0](t + t) * t, x)


@every
def test_transposed_input(backend: Backend, name: str, rng: Any) -> None:
    _, function, kernel, how = ACTIVATIONS[name]
    z = away_from_the_kink((4, 6), rng)
    x = Tensor(z, True, backend=backend)
    expected = REFERENCE[kernel](np.ascontiguousarray(z.T), **how)
    assert_close(function(x.T).numpy(), expected, length=6)
    gradcheck(lambda t: function(t.T), x)


@every
def test_gradient_of_a_plain_sum(backend: Backend, name: str, rng: Any) -> None:
    """Its gradient is a broadcast view, which no kernel may write to or trip over."""
    z = away_from_the_kink((4, 6), rng)
    x, y = (Tensor(z, True, backend=backend) for _ in range(2))
    ACTIVATIONS[name][1](x).sum().backward()
    ACTIVATIONS[name][1](y).backward(np.ones((4, 6)))
    assert x.grad is not None
    assert y.grad is not None
    assert_close(x.grad.numpy(), y.grad.numpy(), length=6)


@by_row
def test_rows_of_three_axes(backend: Backend, name: str, rng: Any) -> None:
    z = rng.normal(size=(2, 3, 5))
    y = ACTIVATIONS[name][1](Tensor(z, backend=backend))
    assert_close(y.numpy(), REFERENCE[name](z.reshape(6, 5)).reshape(2, 3, 5), length=5)
    total = np.exp(y.numpy()) if name == "log_softmax" else y.numpy()
    assert_close(total.sum(-1), np.ones((2, 3)), length=5)


@by_row
def test_only_the_last_axis(name: str) -> None:
    x = Tensor(np.ones((2, 3)))
    last = nn.Softmax(dim=1) if name == "softmax" else nn.LogSoftmax(dim=1)
    assert last(x).tolist() == ACTIVATIONS[name][1](x).tolist()
    with pytest.raises(ValueError, match=rf"{name} works along the last axis .*dim=0.*\(2, 3\)"):
        getattr(F, name)(x, 0)
    with pytest.raises(ValueError, match=r"shape \(\)"):
        getattr(F, name)(Tensor(1.0))


def test_softmax_of_large_logits(backend: Backend) -> None:
    x = Tensor([[1000.0, 1000.0, -1000.0]], dtype="float64", backend=backend)
    assert F.softmax(x).tolist() == [[0.5, 0.5, 0.0]]
    assert_close(F.log_softmax(x).numpy(), np.array([[-np.log(2), -np.log(2), -2000 - np.log(2)]]))


def test_edges_of_relu(backend: Backend) -> None:
    x = Tensor([-1.0, 0.0, 2.0, float("nan"), float("-inf")], True, backend=backend)
    y = F.relu(x)
    y.sum().backward()
    np.testing.assert_array_equal(y.numpy(), [0, 0, 2, np.nan, 0])
    assert x.grad is not None
    assert x.grad.tolist()[:3] == [0.0, 0.0, 1.0]


def test_repr_and_config() -> None:
    assert repr(nn.LeakyReLU(0.2)) == "LeakyReLU(negative_slope=0.2)"
    assert nn.ELU(0.5).config() == {"alpha": 0.5}
    assert nn.Softmax().config() == {"dim": -1}
    assert repr(nn.ReLU()) == "ReLU()"
