"""Initial values: the distribution of each function, where it writes, and from what it draws."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import Tensor, nn
from accelnn.backends import Backend
from accelnn.nn import init
from tests.tolerances import assert_close

WIDE = (300, 500)  # (fan_out, fan_in)

#: Name -> (function, its standard deviation for WIDE, bound or None).
SPREAD: dict[str, tuple[Callable[..., Any], float, float | None]] = {
    "normal": (lambda x, **how: init.normal_(x, 0.0, 0.3, **how), 0.3, None),
    "xavier uniform": (init.xavier_uniform_, math.sqrt(2 / 800), math.sqrt(6 / 800)),
    "xavier normal": (init.xavier_normal_, math.sqrt(2 / 800), None),
    "xavier normal, gain": (
        lambda x, **how: init.xavier_normal_(x, 2.0, **how),
        2 * math.sqrt(2 / 800),
        None,
    ),
    "kaiming uniform": (init.kaiming_uniform_, math.sqrt(2 / 500), math.sqrt(6 / 500)),
    "kaiming normal": (init.kaiming_normal_, math.sqrt(2 / 500), None),
    "kaiming normal, out": (
        lambda x, **how: init.kaiming_normal_(x, mode="fan_out", **how),
        math.sqrt(2 / 300),
        None,
    ),
    "kaiming normal, slope": (
        lambda x, **how: init.kaiming_normal_(x, 0.5, **how),
        math.sqrt(2 / 1.25 / 500),
        None,
    ),
    "kaiming uniform, tanh": (
        lambda x, **how: init.kaiming_uniform_(x, nonlinearity="tanh", **how),
        5 / 3 / math.sqrt(500),
        5 / 3 * math.sqrt(3 / 500),
    ),
    "orthogonal": (init.orthogonal_, math.sqrt(1 / 500), None),
}
every = pytest.mark.parametrize("name", SPREAD)


@every
@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_distribution(name: str, make: Any) -> None:
    """150,000 numbers: mean and deviation are within five of their own standard deviations."""
    fill, std, bound = SPREAD[name]
    x = fill(np.empty(WIDE), generator=make(3))
    assert abs(x.mean()) < 5 * std / math.sqrt(x.size)
    assert abs(x.std() / std - 1) < 5 / math.sqrt(2 * x.size)
    if bound is not None:
        assert 0.999 * bound < np.abs(x).max() <= bound


@every
def test_a_tensor_and_an_array_get_the_same(backend: Backend, name: str) -> None:
    fill = SPREAD[name][0]
    layer = nn.Linear(4, 3, dtype="float64", backend=backend)
    w, held = layer.weight, layer.weight.array
    accelnn.manual_seed(7)
    assert fill(w) is w
    assert w.array is held  # written through, to the memory of a program
    assert w.array.T.flags.c_contiguous
    array = np.empty((3, 4))
    accelnn.manual_seed(7)
    assert fill(array) is array
    np.testing.assert_array_equal(w.numpy(), array)
    storage = np.empty((4, 3), "float32")  # as coefs_ are
    fill(storage.T, generator=np.random.default_rng(7))
    assert_close(storage.T, array.astype("float32"))


@every
def test_draws_go_on(name: str) -> None:
    accelnn.manual_seed(1)
    one, two = (SPREAD[name][0](np.empty((3, 4))) for _ in range(2))
    assert not np.array_equal(one, two)


def test_layers_start_as_before() -> None:
    """U(-1/√fan_in, 1/√fan_in) from the generator of ``manual_seed``, weight first."""
    accelnn.manual_seed(5)
    layer = nn.Linear(4, 3, dtype="float64")
    rng = np.random.default_rng(5)
    np.testing.assert_array_equal(layer.weight.numpy().T, rng.uniform(-0.5, 0.5, (4, 3)))
    assert layer.bias is not None
    np.testing.assert_array_equal(layer.bias.numpy(), rng.uniform(-0.5, 0.5, 3))


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (1, 1), (0, 3)], ids=str)
def test_orthogonal(shape: tuple[int, int], rng: Any) -> None:
    q = init.orthogonal_(np.empty(shape), 2.0, rng)
    small = q @ q.T if shape[0] <= shape[1] else q.T @ q
    assert_close(small, 4 * np.eye(min(shape)), length=5)


def test_orthogonal_prefers_no_sign() -> None:
    """A 1 × 1 matrix is 1 or -1, each in half of the draws."""
    rng = np.random.default_rng(0)
    signs = [float(init.orthogonal_(np.empty((1, 1)), 1.0, rng)[0, 0]) for _ in range(400)]
    assert set(signs) == {-1.0, 1.0}
    assert abs(sum(signs)) < 5 * math.sqrt(400)


def test_constants(backend: Backend) -> None:
    x = Tensor(np.ones((2, 3), "float32"), backend=backend)
    assert init.zeros_(x) is x
    assert_close(x.numpy(), np.zeros((2, 3), "float32"))
    assert_close(init.constant_(x, 2.5).numpy(), np.full((2, 3), 2.5, "float32"))
    assert_close(init.constant_(np.empty(()), 3), np.array(3.0))


@pytest.mark.parametrize(
    ("name", "param", "gain"),
    [
        ("linear", None, 1.0),
        ("sigmoid", None, 1.0),
        ("tanh", None, 5 / 3),
        ("relu", None, math.sqrt(2)),
        ("leaky_relu", None, math.sqrt(2 / 1.0001)),
        ("leaky_relu", 0.2, math.sqrt(2 / 1.04)),
    ],
)
def test_gain(name: str, param: float | None, gain: float) -> None:
    assert init.calculate_gain(name, param) == gain


def test_what_cannot_be_filled() -> None:
    with pytest.raises(ValueError, match=r"matrix of shape \(fan_out, fan_in\), got shape \(3,\)"):
        init.xavier_normal_(np.empty(3))
    with pytest.raises(TypeError, match="expected a Tensor or an array of NumPy, got list"):
        init.zeros_([1.0])
    with pytest.raises(ValueError, match="mode must be 'fan_in' or 'fan_out', got 'fan'"):
        init.kaiming_normal_(np.empty((2, 2)), mode="fan")
    with pytest.raises(ValueError, match=r"nonlinearity must be one of linear, .* got 'gelu'"):
        init.kaiming_uniform_(np.empty((2, 2)), nonlinearity="gelu")
