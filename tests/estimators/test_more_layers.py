"""Activations, dropout and normalisation of each hidden layer, against formulas written out."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from accelnn import MLPClassifier, MLPRegressor, nn
from tests.estimators.by_hand import (
    ACTIVATIONS,
    assert_close_weights,
    assert_equal_weights,
    gradient,
    layers,
    moved,
    one_step,
    random_weights,
    weights,
)
from tests.estimators.conftest import data

# Few epochs, for speed.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

EXACT: dict[str, Any] = {"rtol": 1e-11, "atol": 1e-11}


# Activations ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [3, 150], ids=["few rows", "many rows"])
@pytest.mark.parametrize(
    "names",
    [["leaky_relu", "elu", "tanh"], ["relu", "identity", "logistic"], ["gelu", "silu", "gelu"]],
    ids=str,
)
def test_activations_of_each_layer(names: list[str], rows: int, backend: str) -> None:
    X, y = data("regression 3")
    model = MLPRegressor(
        hidden_layer_sizes=[5, 4, 6],
        activation=names,
        max_iter=3,
        random_state=0,
        backend=backend,
    ).fit(X, y)
    assert [w.shape for w in model.coefs_] == [(7, 5), (5, 4), (4, 6), (6, 3)]
    _, z = layers((model.coefs_, model.intercepts_), X[:rows], names)
    np.testing.assert_allclose(model.predict(X[:rows]), z[-1], **EXACT)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_slope_of_an_activation(name: str, backend: str) -> None:
    X, y = data("regression 3")
    start, names = random_weights(7, 5, 4, 3), [name, "tanh"]
    model = one_step(MLPRegressor, start, X, y, activation=names, backend=backend)
    error = layers(start, X, names)[1][-1] - y
    expected = gradient(start, X, names, error / len(X))
    for found, slope in zip(moved(model, start), expected, strict=True):
        np.testing.assert_allclose(found, slope, **EXACT)
    assert model.loss_ == pytest.approx((error**2).mean() / 2)


def test_one_name_is_for_all_layers(backend: str) -> None:
    X, y = data("binary")
    a, b = (
        MLPClassifier((5, 4), names, max_iter=3, random_state=0, backend=backend).fit(X, y)
        for names in ("elu", ["elu", "elu"])
    )
    assert_equal_weights(a, b)


# Dropout ----------------------------------------------------------------------------------------


def masks(sizes: tuple[int, int], backend: str, **arguments: Any) -> list[Any]:
    """Return what dropout multiplies the last hidden layer by, in two calls of ``partial_fit``.

    One row of 1, all weights 1 but the last, 0, whose gradient is then what they are given.
    """
    units = [1, *sizes, 1]
    coefs = [np.ones(shape) for shape in pairwise(units)]
    coefs[-1][:] = 0
    made: dict[str, Any] = {"random_state": 0, "activation": "identity"} | arguments
    model = MLPRegressor(
        hidden_layer_sizes=sizes,
        solver="sgd",
        momentum=0,
        learning_rate_init=2.0**-20,
        alpha=0,
        initial_weights=(coefs, [np.zeros(n) for n in units[1:]]),
        backend=backend,
        **made,
    )
    found: list[Any] = []
    for y in (-1.0, -1.0):
        before = model.coefs_[-1].copy() if found else coefs[-1]
        model.partial_fit([[1.0]], [y])
        found.append((before - model.coefs_[-1]).ravel() * 2**20)
    return found


def test_the_rate_of_dropout(backend: str) -> None:
    """4000 units: 0.3 is 44 standard deviations away from 0 and 3 % is 4 of them."""
    first, second = masks((1, 4000), backend, dropout=[0.0, 0.3])
    assert set(first.round(12)) == {0.0, round(1 / 0.7, 12)}
    assert (first == 0).mean() == pytest.approx(0.3, abs=0.03)
    assert (second == 0).mean() == pytest.approx(0.3, abs=0.03)


def test_each_mask_is_another(backend: str) -> None:
    """Also in the next ``partial_fit``, whose seed is the same."""
    first, second = masks((1, 4000), backend, dropout=[0.0, 0.5])
    again, _ = masks((1, 4000), backend, dropout=[0.0, 0.5])
    other, _ = masks((1, 4000), backend, dropout=[0.0, 0.5], random_state=1)
    np.testing.assert_array_equal(first, again)
    for mask in (second, other):  # half of independent masks agrees
        assert ((mask == 0) == (first == 0)).mean() == pytest.approx(0.5, abs=0.04)


def test_dropout_of_one_layer_alone(backend: str) -> None:
    first, _ = masks((1, 50), backend, dropout=[0.0, 0.0])
    np.testing.assert_array_equal(first, 1.0)
    first, _ = masks((1, 50), backend, dropout=[0.9, 0.0])
    assert len(set(first)) == 1  # the one unit of the first layer was dropped, or was not


def test_dropout_is_off_in_prediction(backend: str) -> None:
    X, y = data("regression 3")
    model = MLPRegressor(
        hidden_layer_sizes=(9, 8), dropout=0.5, max_iter=3, random_state=0, backend=backend
    ).fit(X, y, X_val=X, y_val=y)
    _, z = layers((model.coefs_, model.intercepts_), X, ["relu", "relu"])
    np.testing.assert_allclose(model.predict(X), z[-1], **EXACT)
    assert model.validation_loss_curve_[-1] == pytest.approx(((z[-1] - y) ** 2).mean() / 2)
    assert model.engine_ == "program"


def test_backends_drop_the_same(multiclass: tuple[Any, Any]) -> None:
    a, b = (
        MLPClassifier(
            (12, 9), dropout=[0.2, 0.4], max_iter=6, batch_size=50, random_state=2, backend=name
        ).fit(*multiclass)
        for name in ("numpy", "numba")
    )
    assert_close_weights(a, b)
    plain = MLPClassifier((12, 9), max_iter=6, batch_size=50, random_state=2).fit(*multiclass)
    assert abs(plain.coefs_[0] - a.coefs_[0]).max() > 1e-3


def test_the_eager_way_drops_the_same(multiclass: tuple[Any, Any], backend: str) -> None:
    a, b = (
        MLPClassifier(
            (12, 9),
            dropout=0.3,
            max_iter=6,
            batch_size=50,
            random_state=2,
            loss=loss,
            backend=backend,
        ).fit(*multiclass)
        for loss in ("log_loss", nn.CrossEntropyLoss())
    )
    assert (a.engine_, b.engine_) == ("program", "eager")
    assert_close_weights(a, b)


# Normalisation ----------------------------------------------------------------------------------


def normalised(kind: str, z: Any, norm: Any = None) -> Any:
    """Return z with mean 0 and variance 1, by rows or by a minibatch or a norm's running ones."""
    axis = 0 if kind == "batch" else 1
    mean, variance = z.mean(axis, keepdims=True), z.var(axis, keepdims=True)
    if kind == "batch" and norm is not None:
        mean, variance = norm.running_mean.numpy(), norm.running_var.numpy()
    return (z - mean) / np.sqrt(variance + 1e-5)


@pytest.mark.parametrize("rows", [1, 3, 150])
@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_prediction_with_normalisation(kind: str, rows: int, backend: str) -> None:
    X, y = data("regression 3")
    model = MLPRegressor(
        hidden_layer_sizes=(6, 5),
        activation=["tanh", "relu"],
        normalization=kind,
        max_iter=4,
        batch_size=40,
        random_state=0,
        backend=backend,
    ).fit(X, y)
    a = X[:rows]
    for i, f in enumerate((np.tanh, ACTIVATIONS["relu"][0])):
        norm = model.norms_[i]
        z = normalised(kind, a @ model.coefs_[i] + model.intercepts_[i], norm)
        a = f(z * norm.weight.numpy() + norm.bias.numpy())
        assert abs(norm.weight.numpy() - 1).max() > 1e-4  # learned
        assert abs(norm.bias.numpy()).max() > 1e-4
    expected = a @ model.coefs_[2] + model.intercepts_[2]
    np.testing.assert_allclose(model.predict(X[:rows]), expected, **EXACT)


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_a_step_with_normalisation(kind: str, backend: str) -> None:
    """The gradient against differences of the loss, of weights, biases, factors and summands."""
    X, y = data("regression 1")
    X, y, start = X[:12], y[:12], random_weights(7, 4, 1)
    values = [*start[0], *start[1], np.ones(4), np.zeros(4)]

    def loss(values: list[Any]) -> Any:
        w1, w2, b1, b2, gamma, beta = values
        a = np.tanh(normalised(kind, X @ w1 + b1) * gamma + beta)
        return (((a @ w2 + b2)[:, 0] - y) ** 2).mean() / 2

    made: dict[str, Any] = {"activation": "tanh", "normalization": kind, "backend": backend}
    model = one_step(MLPRegressor, start, X, y, **made)
    (norm,) = model.norms_
    after = [*weights(model), norm.weight.numpy(), norm.bias.numpy()]
    for i, (old, new) in enumerate(zip(values, after, strict=True)):
        slopes = np.zeros(old.shape)
        for place in np.ndindex(old.shape):
            by = np.zeros(old.shape)
            by[place] = 1e-5
            there, back = (
                loss([v + s * by if j == i else v for j, v in enumerate(values)]) for s in (1, -1)
            )
            slopes[place] = (there - back) / 2e-5
        np.testing.assert_allclose(old - new, slopes, rtol=1e-6, atol=1e-8)
    assert model.loss_ == pytest.approx(loss(values))
    if kind == "batch":
        z = X @ start[0][0] + start[1][0]
        np.testing.assert_allclose(norm.running_mean.numpy(), 0.1 * z.mean(axis=0), **EXACT)
        variance = 0.9 + 0.1 * z.var(axis=0, ddof=1)
        np.testing.assert_allclose(norm.running_var.numpy(), variance, **EXACT)


@pytest.mark.parametrize(("rows", "size", "used"), [(5, 4, 3), (150, 149, 148), (9, 4, 3)])
def test_no_minibatch_of_one_row(rows: int, size: int, used: int, backend: str) -> None:
    """Batch normalisation takes smaller minibatches where one row would be left over."""
    X, y = (a[:rows] for a in data("regression 1"))
    made: dict[str, Any] = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0}
    a, b, plain = (
        MLPRegressor(**made, batch_size=n, normalization=kind, backend=backend).fit(X, y)
        for n, kind in ((size, "batch"), (used, "batch"), (size, None))
    )
    assert_equal_weights(a, b)
    assert plain.loss_curve_ != b.loss_curve_


def test_two_rows_in_each_minibatch_at_least(backend: str) -> None:
    X, y = (a[:5] for a in data("regression 1"))
    model = MLPRegressor(normalization="batch", batch_size=2, backend=backend)
    with pytest.raises(ValueError, match="needs two rows in each minibatch"):
        model.fit(X, y)


def test_the_best_running_statistics_are_kept(backend: str) -> None:
    X, y = data("multiclass")
    model = MLPClassifier(
        (6,),
        normalization="batch",
        early_stopping=True,
        scoring="loss",
        learning_rate_init=0.3,
        max_iter=30,
        random_state=0,
        backend=backend,
    ).fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    curve = model.validation_loss_curve_
    assert int(np.argmin(curve)) < len(curve) - 1
    chances = model.predict_proba(X[100:])[np.arange(50), y[100:]]
    assert -np.log(chances).mean() == pytest.approx(min(curve), rel=1e-10)
