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
    "log_sigmoid": (nn.LogSigmoid(), F.logsigmoid, "log_sigmoid", {}),
    "hardtanh": (nn.Hardtanh(), F.hardtanh, "hardtanh", {"low": -1.0, "high": 1.0}),
    "hardtanh(-0.5, 2)": (
        nn.Hardtanh(-0.5, 2),
        lambda x: F.hardtanh(x, -0.5, 2),
        "hardtanh",
        {"low": -0.5, "high": 2.0},
    ),
    "relu6": (nn.ReLU6(), F.relu6, "hardtanh", {"low": 0.0, "high": 6.0}),
    "gelu": (nn.GELU(), F.gelu, "gelu", {}),
    "gelu(tanh)": (nn.GELU("tanh"), lambda x: F.gelu(x, "tanh"), "gelu_tanh", {}),
    "silu": (nn.SiLU(), F.silu, "silu", {}),
    "sign": (nn.Sign(), F.sign, "step", {"low": -1.0, "at_zero": 1.0}),
    "step": (nn.Step(0.5), lambda x: F.step(x, 0.5), "step", {"low": 0.0, "at_zero": 0.5}),
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
@pytest.mark.parametrize(
    ("shape", "dim"),
    [((4, 6), 0), ((4, 6), -2), ((3,), 0), ((2, 3, 5), 1), ((2, 3, 5), 0), ((3, 0, 2), 0)],
    ids=str,
)
def test_any_axis(backend: Backend, name: str, shape: tuple[int, ...], dim: int, rng: Any) -> None:
    z = rng.normal(size=shape)
    e = np.exp(z)
    expected = e / e.sum(axis=dim, keepdims=True)
    expected = np.log(expected) if name == "log_softmax" else expected
    module = nn.Softmax(dim) if name == "softmax" else nn.LogSoftmax(dim)
    x = Tensor(z, True, backend=backend)
    for f in (module, lambda t: getattr(F, name)(t, dim)):
        assert_close(f(x).numpy(), expected, length=6)
        if z.size:
            gradcheck(lambda t, f=f: f(t + t) * t, x)


@by_row
def test_an_axis_that_is_not_there(name: str) -> None:
    x = Tensor(np.ones((2, 3)))
    for dim in (2, -3):
        with pytest.raises(ValueError, match=rf"dim from -2 to 1 for shape \(2, 3\), got {dim}"):
            getattr(F, name)(x, dim)
    with pytest.raises(ValueError, match=r"shape \(\)"):
        getattr(F, name)(Tensor(1.0))


def slopes(f: Callable[[Tensor], Tensor], z: list[float], backend: Backend) -> Any:
    x = Tensor(z, True, backend=backend)
    f(x).sum().backward()
    assert x.grad is not None
    return x.grad.tolist()


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.Sign(), [-1, 1, 1, 1, np.nan]),
        (nn.Sign(at_zero=0), [-1, 0, 0, 1, np.nan]),
        (nn.Step(), [0, 1, 1, 1, np.nan]),
        (nn.Step(at_zero=0.5), [0, 0.5, 0.5, 1, np.nan]),
    ],
    ids=repr,
)
def test_steps_at_zero_and_their_gradient(
    backend: Backend, module: nn.Module, expected: list[float]
) -> None:
    z = [-2.0, -0.0, 0.0, 3.0, float("nan")]
    np.testing.assert_array_equal(module(Tensor(z, backend=backend)).numpy(), expected)
    assert slopes(module, z, backend) == [0.0] * 5


def test_slopes_at_the_ends_are_pytorchs(backend: Backend) -> None:
    z = [-1.0, -0.5, 0.0, 1.0, 5.5, 6.0]
    assert slopes(F.hardtanh, z, backend) == [0, 1, 1, 0, 0, 0]
    assert slopes(F.relu6, z, backend) == [0, 0, 0, 1, 1, 0]


@pytest.mark.parametrize(
    ("f", "values"),  # what PyTorch gives
    [
        (
            F.gelu,
            [-0.04550026389635842, -0.15865525393145702, 0.34573123063700656, 2.99595030590511],
        ),
        (
            lambda x: F.gelu(x, "tanh"),
            [-0.04540230591222494, -0.15880800939172324, 0.34571400982514394, 2.996362607918227],
        ),
        (F.silu, [-0.2384058440442351, -0.2689414213699951, 0.3112296656009273, 2.8577223804673]),
        (
            F.logsigmoid,
            [-2.1269280110429727, -1.3132616875182228, -0.4740769841801067, -0.04858735157374206],
        ),
    ],
    ids=["gelu", "gelu(tanh)", "silu", "logsigmoid"],
)
def test_values(backend: Backend, f: Callable[[Tensor], Tensor], values: list[float]) -> None:
    y = f(Tensor(np.array([-2.0, -1.0, 0.5, 3.0]), backend=backend))
    np.testing.assert_allclose(y.numpy(), values, rtol=1e-14)


@pytest.mark.parametrize("make", [nn.Hardtanh, lambda *ends: F.hardtanh(Tensor([1.0]), *ends)])
@pytest.mark.parametrize("ends", [(1.0, 1.0), (2, -2), (0, float("nan"))], ids=str)
def test_ends_the_wrong_way_round(make: Callable[..., Any], ends: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=f"min_val must be below max_val, got {ends[0]!r} and"):
        make(*ends)


def test_an_unknown_gelu() -> None:
    for make in (nn.GELU, lambda name: F.gelu(Tensor([1.0]), name)):
        with pytest.raises(ValueError, match="approximate must be 'none' or 'tanh', got 'erf'"):
            make("erf")


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
    assert repr(nn.Hardtanh(0, 2)) == "Hardtanh(min_val=0.0, max_val=2.0)"
    assert repr(nn.GELU()) == "GELU(approximate='none')"
    assert nn.Sign().config() == nn.Step().config() == {"at_zero": 1.0}
    assert repr(nn.ReLU()) == "ReLU()"
