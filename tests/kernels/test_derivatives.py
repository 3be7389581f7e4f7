"""Backward kernels against central differences of the forward ones, in float64.

Along a random direction d, the derivative of f(z) = Σ w · g(z) is Σ backward(w) · d.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accelnn.kernels import NAMES
from tests.golden.entries import ENTRIES as GOLDEN
from tests.kernels.conftest import Folder
from tests.tolerances import assert_close, difference_tolerance

SHAPES = [(1, 1), (1, 6), (9, 5)]

ACTIVATIONS: list[tuple[str, dict[str, float]]] = [
    ("identity", {}),
    ("sigmoid", {}),
    ("tanh", {}),
    ("relu", {}),
    ("leaky_relu", {"slope": 0.01}),
    ("leaky_relu", {"slope": 0.7}),
    ("elu", {"alpha": 1.0}),
    ("elu", {"alpha": 0.3}),
    ("softmax", {}),
    ("log_softmax", {}),
    ("log_sigmoid", {}),
    ("hardtanh", {"low": -1.0, "high": 0.75}),
    ("hardtanh", {"low": 0.0, "high": 2.0}),
    ("step", {"low": -1.0, "at_zero": 1.0}),
]
LOSSES = ["squared_error", "binary_cross_entropy", "cross_entropy", "poisson", "perceptron"]
#: What reads z and would be wrong on the output: (forward, backward, scalars).
READS_Z: list[tuple[str, str, dict[str, float]]] = [
    ("sigmoid", "sigmoid_backward_z", {}),
    ("tanh", "tanh_backward_z", {}),
    ("elu", "elu_backward_z", {"alpha": 1.0}),
    ("elu", "elu_backward_z", {"alpha": -0.5}),
    ("relu", "relu_backward", {}),
    ("leaky_relu", "leaky_relu_backward", {"slope": 0.1}),
    ("leaky_relu", "leaky_relu_backward", {"slope": -0.5}),
    ("hardtanh", "hardtanh_backward", {"low": 0.0, "high": 2.0}),
    ("gelu", "gelu_backward_z", {}),
    ("gelu_tanh", "gelu_tanh_backward_z", {}),
    ("silu", "silu_backward_z", {}),
]


def _ids(rows: list[Any]) -> list[str]:
    return [
        "-".join(x if isinstance(x, str) else ",".join(f"{k}={v}" for k, v in x.items()) for x in r)
        for r in rows
    ]


def _away_from_the_kink(shape: tuple[int, int], rng: Any) -> Any:
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.1, 2.5, shape)


def _assert_derivative(f: Callable[[Any], Any], z: Any, gradient: Any, rng: Any) -> None:
    step = np.finfo(np.float64).eps ** (1 / 3)
    for _ in range(3):
        d = rng.normal(size=z.shape)
        d /= np.linalg.norm(d)
        numeric = (f(z + step * d) - f(z - step * d)) / (2 * step)
        np.testing.assert_allclose(np.sum(gradient * d), numeric, **difference_tolerance(z.size))


def test_nothing_is_left_out() -> None:
    covered = {f"{name}_backward" for name, _ in ACTIVATIONS} | {f"{n}_backward" for n in LOSSES}
    covered |= {backward for _, backward, _ in READS_Z} | {"maxout_backward_z"}
    assert covered == {n for n in NAMES if n.endswith(("_backward", "_backward_z"))}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("name", "scalars"), ACTIVATIONS, ids=_ids(ACTIVATIONS))
def test_activation_by_output(
    cpu_folder: Folder, name: str, scalars: dict[str, float], shape: tuple[int, int], rng: Any
) -> None:
    z, w = _away_from_the_kink(shape, rng), rng.normal(size=shape)
    forward = cpu_folder[name]
    dz = cpu_folder[f"{name}_backward"](w, forward(z, **scalars), **scalars)
    _assert_derivative(lambda x: np.sum(w * forward(x, **scalars)), z, dz, rng)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("name", "backward", "scalars"), READS_Z, ids=_ids(READS_Z))
def test_activation_by_z(
    cpu_folder: Folder,
    name: str,
    backward: str,
    scalars: dict[str, float],
    shape: tuple[int, int],
    rng: Any,
) -> None:
    z, w = _away_from_the_kink(shape, rng), rng.normal(size=shape)
    dz = cpu_folder[backward](w, z, **scalars)
    _assert_derivative(lambda x: np.sum(w * cpu_folder[name](x, **scalars)), z, dz, rng)


@pytest.mark.parametrize("pieces", [1, 2, 5])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_maxout(cpu_folder: Folder, pieces: int, shape: tuple[int, int], rng: Any) -> None:
    z, w = rng.normal(size=(shape[0], shape[1] * pieces)), rng.normal(size=shape)
    dz = cpu_folder["maxout_backward_z"](w, z, pieces=pieces)
    _assert_derivative(lambda x: np.sum(w * cpu_folder["maxout"](x, pieces=pieces)), z, dz, rng)


def test_of_equal_pieces_the_first_has_the_gradient(cpu_folder: Folder) -> None:
    z = np.array([[1.0, 3.0, 3.0, 2.0, 2.0, 2.0], [0.0, -0.0, -1.0, -2.0, -np.inf, -2.0]])
    assert cpu_folder["maxout"](z, pieces=3).tolist() == [[3.0, 2.0], [0.0, -2.0]]
    dz = cpu_folder["maxout_backward_z"](np.array([[5.0, 6.0], [7.0, 8.0]]), z, pieces=3)
    assert dz.tolist() == [[0.0, 5.0, 0.0, 6.0, 0.0, 0.0], [7.0, 0.0, 0.0, 8.0, 0.0, 0.0]]


def test_a_nan_is_the_largest_piece(cpu_folder: Folder) -> None:
    z = np.array([[1.0, np.nan, 3.0, np.nan, 2.0, np.nan]])
    assert np.isnan(cpu_folder["maxout"](z, pieces=3)).all()
    dz = cpu_folder["maxout_backward_z"](np.array([[5.0, 6.0]]), z, pieces=3)
    assert dz.tolist() == [[0.0, 5.0, 0.0, 6.0, 0.0, 0.0]]


#: Whose backward reads the output too.
BOTH = [
    (name, backward, scalars)
    for name, backward, scalars in READS_Z
    if min([0.0, *scalars.values()]) >= 0 and backward.removesuffix("_z") in NAMES
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "backward", "scalars"), BOTH, ids=_ids(BOTH))
def test_by_output_and_by_z_are_equal(
    cpu_folder: Folder, name: str, backward: str, scalars: dict[str, float], dtype: str, rng: Any
) -> None:
    z = (3 * rng.normal(size=(17, 33))).astype(dtype)
    z[::3, ::4] = 0
    w = rng.normal(size=z.shape).astype(dtype)
    a = cpu_folder[name](z, **scalars)
    by_output = cpu_folder[backward.removesuffix("_z")](w, a, **scalars)
    assert_close(by_output, cpu_folder[backward](w, z, **scalars))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", LOSSES)
def test_loss(cpu_folder: Folder, name: str, shape: tuple[int, int], rng: Any) -> None:
    z, dl = _away_from_the_kink(shape, rng), rng.normal(size=shape[0])
    t = {
        "squared_error": lambda: rng.normal(size=shape),
        "binary_cross_entropy": lambda: rng.uniform(size=shape),
        "cross_entropy": lambda: rng.integers(0, shape[1], shape[0]),
        "poisson": lambda: rng.poisson(1, shape).astype(float),
        "perceptron": lambda: rng.integers(0, 2, shape).astype(float),
    }[name]()
    dz = cpu_folder[f"{name}_backward"](dl, z, t)
    _assert_derivative(lambda x: np.sum(dl * cpu_folder[name](x, t)), z, dz, rng)


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_golden_slopes_of_saturated_units(cpu_folder: Folder, name: str) -> None:
    golden = GOLDEN["S1-G30"]
    z = np.asarray(golden["inputs"]["z"])
    assert z[-1] == 10
    expected, one = golden["expected"][f"{name}_prime"], np.ones_like(z)
    by_output = cpu_folder[f"{name}_backward"](one, cpu_folder[name](z))
    by_z = cpu_folder[f"{name}_backward_z"](one, z)
    np.testing.assert_allclose(by_output, expected, **golden["tolerance"])
    np.testing.assert_allclose(by_z, expected, **golden["tolerance"])


@pytest.mark.parametrize(
    ("name", "scalars", "slope"),
    [
        ("relu", {}, 0.0),
        ("leaky_relu", {"slope": 0.1}, 0.1),
        ("elu", {"alpha": 0.5}, 0.5),
        ("hardtanh", {"low": 0.0, "high": 6.0}, 0.0),
    ],
    ids=["relu", "leaky_relu", "elu", "hardtanh"],
)
def test_slope_at_the_kink_is_the_one_from_the_left(
    cpu_folder: Folder, name: str, scalars: dict[str, float], slope: float
) -> None:
    zero, one = np.zeros((1, 2)), np.ones((1, 2))
    a = cpu_folder[name](zero, **scalars)
    assert_close(cpu_folder[f"{name}_backward"](one, a, **scalars), np.full((1, 2), slope))


def test_slopes_at_the_ends_of_hardtanh_are_zero(cpu_folder: Folder) -> None:
    z = np.array([[-2.0, -1.0, -0.999, 0.0, 0.999, 1.0, 2.0]])
    a = cpu_folder["hardtanh"](z, low=-1.0, high=1.0)
    assert a.tolist() == [[-1.0, -1.0, -0.999, 0.0, 0.999, 1.0, 1.0]]
    slope = cpu_folder["hardtanh_backward"](np.ones_like(a), a, low=-1.0, high=1.0)
    assert slope.tolist() == [[0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0]]


def test_a_step_by_hand(cpu_folder: Folder) -> None:
    z = np.array([[-np.inf, -1e-300, -0.0, 0.0, 1e-300, np.inf, np.nan]])
    sign = cpu_folder["step"](z, low=-1.0, at_zero=0.25)
    np.testing.assert_array_equal(sign, [[-1, -1, 0.25, 0.25, 1, 1, np.nan]])
    slope = cpu_folder["step_backward"](np.full((1, 7), np.inf), sign, low=-1.0, at_zero=0.25)
    assert slope.tolist() == [[0.0] * 7]
