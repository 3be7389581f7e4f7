"""The reference kernels: against slow loops, against golden values, on another array library."""

from typing import Any

import array_api_strict
import numpy as np
import pytest

from accelnn.kernels import NAMES, load
from tests.golden.entries import ENTRIES as GOLDEN
from tests.kernels import loops
from tests.kernels.cases import CALLS, IDS, build, over, tuple_of
from tests.tolerances import assert_close

REFERENCE = load("reference")
SHAPES = [(0, 3), (1, 1), (5, 7), (3, 0), (17, 33)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "variant", "shape"), over(SHAPES))
def test_equals_the_loops(
    name: str, variant: str, dtype: str, shape: tuple[int, int], rng: Any
) -> None:
    case = build(name, variant, shape, dtype, rng)
    before = [a.copy() for a in case.arrays]
    expected = case.run(getattr(loops, name))
    result = case.run(REFERENCE[name])
    assert isinstance(result, tuple) == isinstance(expected, tuple)
    kind = case.arrays[0].dtype
    for r, e in zip(tuple_of(result), tuple_of(expected), strict=True):
        assert_close(r, e.astype(kind), case.length)
    for a, b in zip(case.arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "variant"), CALLS, ids=IDS)
def test_needs_nothing_but_the_array_api(name: str, variant: str, dtype: str, rng: Any) -> None:
    case = build(name, variant, (5, 7), dtype, rng)
    strict = [array_api_strict.asarray(a) for a in case.arrays]
    result = REFERENCE[name](*strict, **case.scalars)
    expected = case.run(REFERENCE[name])
    for r, e in zip(tuple_of(result), tuple_of(expected), strict=True):
        assert type(r) is type(strict[0])
        assert_close(np.asarray(r), e, case.length)


def test_every_kernel_has_a_loop() -> None:
    assert [name for name in NAMES if not callable(getattr(loops, name, None))] == []


FORWARD = ["identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "softmax", "log_softmax"]
SCALARS = {"leaky_relu": {"slope": 0.1}, "elu": {"alpha": 1.0}}


@pytest.mark.parametrize("name", FORWARD)
def test_nan_in_is_nan_out(name: str) -> None:
    z = np.array([[1.0, np.nan, -2.0], [3.0, 0.5, 1.0]])
    a = REFERENCE[name](z, **SCALARS.get(name, {}))
    assert np.isnan(a[0, 1])
    assert not np.isnan(a[1]).any()


@pytest.mark.parametrize("name", ["poisson", "perceptron"])
def test_a_loss_of_nan_is_nan(name: str) -> None:
    z, t = np.array([[1.0, np.nan], [0.5, 1.0]]), np.array([[0.0, 0.0], [1.0, 0.0]])
    assert np.isnan(REFERENCE[name](z, t)).tolist() == [True, False]
    dz = REFERENCE[f"{name}_backward"](np.ones(2), z, t)
    assert np.isnan(dz).tolist() == [[False, True], [False, False]]


def _golden(key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    def arrays(part: dict[str, Any]) -> dict[str, Any]:
        return {k: np.asarray(v, float) if isinstance(v, list) else v for k, v in part.items()}

    return GOLDEN[key]["inputs"], arrays(GOLDEN[key]["expected"])


def _assert_golden(key: str, actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected, **GOLDEN[key]["tolerance"])


ACTIVATIONS: list[tuple[str, str, dict[str, float]]] = [
    ("S0-G08-sigmoid", "sigmoid", {}),
    ("S0-G08-tanh", "tanh", {}),
    ("S1-G16-leaky_relu_0.01", "leaky_relu", {"slope": 0.01}),
    ("S2-G05-leaky_relu_0.1", "leaky_relu", {"slope": 0.1}),
    ("S2-G05-elu_0.5", "elu", {"alpha": 0.5}),
    ("S2-G05-elu_1.0", "elu", {"alpha": 1.0}),
]


@pytest.mark.parametrize(("key", "name", "scalars"), ACTIVATIONS, ids=[a[0] for a in ACTIVATIONS])
def test_golden_activation(key: str, name: str, scalars: dict[str, float]) -> None:
    inputs, expected = _golden(key)
    z = np.asarray(inputs["z"])
    one = np.ones_like(z)
    a = REFERENCE[name](z, **scalars)
    _assert_golden(key, a, expected["value"])
    _assert_golden(key, REFERENCE[f"{name}_backward"](one, a, **scalars), expected["derivative"])
    if f"{name}_backward_z" in REFERENCE:
        by_z = REFERENCE[f"{name}_backward_z"](one, z, **scalars)
        _assert_golden(key, by_z, expected["derivative"])


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_golden_layer(name: str) -> None:
    key = f"S0-G07-{name}"
    inputs, expected = _golden(key)
    x, w, b, da = (np.asarray(inputs[k]) for k in ("A_prev", "W", "b", "dA"))
    w = np.ascontiguousarray(w.T)  # the notes' (out, in) is our (in, out)
    k = REFERENCE
    z = k["add_bias"](k["matmul"](x, w), b)
    a = k[name](z)
    dz = k[f"{name}_backward"](da, a)
    for actual, wanted in (
        (z, "Z"),
        (a, "A"),
        (dz, "dZ"),
        (k[f"{name}_backward_z"](da, z), "dZ"),
        (k["matmul"](x, dz, ta=True).T, "dW_sum"),
        (k["sum_rows"](dz), "db_sum"),
        (k["matmul"](dz, w, tb=True), "dA_prev"),
    ):
        _assert_golden(key, actual, expected[wanted])


def test_golden_products() -> None:
    inputs, expected = _golden("S1-G05")
    product = REFERENCE["matmul"](np.asarray(inputs["A"]), np.asarray(inputs["B"]))
    _assert_golden("S1-G05", product, expected["C"])
    inputs, expected = _golden("S1-G06")
    x, w, b = (np.asarray(inputs[k]) for k in ("X", "W", "B"))
    z = REFERENCE["add_bias"](REFERENCE["matmul"](x, w, tb=True), b[0])
    _assert_golden("S1-G06", z, expected["Z"])


def test_golden_derivatives_at_a_point() -> None:
    inputs, expected = _golden("S1-G09-tanh")
    a = REFERENCE["tanh"](np.asarray(inputs["N_i"]))
    dz = REFERENCE["tanh_backward"](np.asarray(inputs["dN_next"]), a)
    _assert_golden("S1-G09-tanh", a, expected["N_next"])
    _assert_golden("S1-G09-tanh", dz, expected["dN_i"])

    inputs, expected = _golden("S2-G06")
    x = np.asarray(inputs["x"])
    derivative = REFERENCE["sigmoid_backward_z"](np.ones_like(x), x)
    _assert_golden("S2-G06", derivative, expected["derivative"])

    inputs, expected = _golden("S4-G15")
    x = np.asarray(inputs["x"])
    jacobian = np.diag(REFERENCE["relu_backward"](np.ones_like(x), x))
    _assert_golden("S4-G15", jacobian, expected["J"])

    inputs, expected = _golden("S3-G02a")
    low, high, count = inputs["grid"]
    x = np.linspace(low, high, count)
    slope = REFERENCE["sigmoid_backward_z"](np.ones_like(x), x)
    _assert_golden("S3-G02a", slope.max(), expected["max"])
    _assert_golden("S3-G02a", x[slope.argmax()], expected["argmax"])


def test_golden_softmax() -> None:
    inputs, expected = _golden("S2-G07")
    z = np.asarray(inputs["logits"])
    p = REFERENCE["softmax"](z)
    _assert_golden("S2-G07", p, expected["p"])
    _assert_golden("S2-G07", np.exp(REFERENCE["log_softmax"](z)), expected["p"])
    _assert_golden("S2-G07", p.sum(axis=1), expected["row_sums"])
    inputs, expected = _golden("S4-G02")
    _assert_golden("S4-G02", REFERENCE["softmax"](expected["o"][None]), expected["softmax"][None])


def test_golden_squared_error() -> None:
    inputs, expected = _golden("S1-G07")
    t, y = np.asarray(inputs["y"])[:, None], np.asarray(inputs["yhat"])[:, None]
    loss = REFERENCE["squared_error"](y, t)
    _assert_golden("S1-G07", loss.sum(), expected["sse"])
    _assert_golden("S1-G07", loss.mean(), expected["mse_mean"])
    _assert_golden("S1-G07", loss.mean() / 2, expected["J"])
    inputs, expected = _golden("S4-G06")
    one = REFERENCE["squared_error"](np.array([[float(inputs["o"])]]), np.array([[0.0]]))
    _assert_golden("S4-G06", one, [expected["loss"]])


def test_golden_binary_cross_entropy() -> None:
    loss, backward = REFERENCE["binary_cross_entropy"], REFERENCE["binary_cross_entropy_backward"]
    inputs, expected = _golden("S2-G21-bce")
    z, t = np.asarray(inputs["logits"])[:, None], np.asarray(inputs["target"])[:, None]
    _assert_golden("S2-G21-bce", loss(z, t).mean(), expected["mean"])
    inputs, expected = _golden("S2-G21-bce-extreme")
    z, t = np.asarray(inputs["logits"])[:, None], np.asarray(inputs["target"])[:, None]
    _assert_golden("S2-G21-bce-extreme", loss(z, t), expected["none"])
    _assert_golden("S2-G21-bce-extreme", backward(np.ones(5), z, t)[:, 0], expected["grad"])
    inputs, expected = _golden("S4-G26")
    z, t = np.asarray(inputs["score"])[:, None], (np.asarray(inputs["y_pm1"])[:, None] + 1) / 2
    _assert_golden("S4-G26", loss(z, t).sum(), expected["sum"])


def test_golden_perceptron_rule() -> None:
    """Steps on one row at a time; targets 0 and 1 take twice the rate of labels -1 and 1."""
    inputs, expected = _golden("S2-G02")
    X, y = (np.asarray(inputs[k], float) for k in ("X_with_1", "y"))
    w, t = np.asarray(inputs["w0"], float)[:, None], (y[:, None] + 1) / 2
    for _ in range(int(inputs["epochs"])):
        for x, target in zip(X[:, None], t[:, None], strict=True):
            dz = REFERENCE["perceptron_backward"](np.ones(1), REFERENCE["matmul"](x, w), target)
            g = REFERENCE["matmul"](x, dz, ta=True)
            w = REFERENCE["sgd"](w, g, lr=2 * inputs["gamma"], decay=0.0)
    _assert_golden("S2-G02", w[:, 0], expected["w"])
    z = REFERENCE["matmul"](X, w)
    _assert_golden("S2-G02", np.where(z >= 0, 1, -1)[:, 0], expected["pred"])
    assert REFERENCE["perceptron"](z, t).tolist() == [0.0] * 6


def test_golden_cross_entropy() -> None:
    loss, backward = REFERENCE["cross_entropy"], REFERENCE["cross_entropy_backward"]
    inputs, expected = _golden("S2-G21-ce")
    z, t = np.asarray(inputs["logits"]), np.asarray(inputs["labels"], np.int64)
    _assert_golden("S2-G21-ce", loss(z, t).sum(), expected["sum"])
    _assert_golden("S2-G21-ce", loss(z, t).mean(), expected["mean"])
    _assert_golden("S2-G21-ce", backward(np.full(3, 1 / 3), z, t), expected["grad"])
    inputs, expected = _golden("S4-G25")
    z, t = np.asarray(inputs["logits"]), np.asarray(inputs["labels_0_based"], np.int64)
    _assert_golden("S4-G25", loss(z, t).sum(), expected["ce_sum"])
    y, t = (np.asarray(inputs[k], float)[:, None] for k in ("o_reg", "y_reg"))
    _assert_golden("S4-G25", REFERENCE["squared_error"](y, t).sum(), expected["sse"])
