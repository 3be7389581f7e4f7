"""Losses: the gradient of each on a linear model, and what is reported, by formulas."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, mean_pinball_loss

from accelnn import MLPClassifier, MLPRegressor, Tensor, nn
from tests.estimators.by_hand import (
    assert_close_weights,
    assert_equal_weights,
    moved,
    one_step,
    random_weights,
)
from tests.estimators.conftest import data

# Few epochs, for speed.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

EXACT: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-12}


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def softmax(z: Any) -> Any:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def assert_step(model: Any, start: Any, X: Any, lost: Any, slope: Any, rows: Any = None) -> None:
    """Compare a step of a linear model with the losses of rows, (n,), and their slopes, (n, m)."""
    share = np.full(len(X), 1 / len(X)) if rows is None else rows / rows.sum()
    by_weight, by_bias = moved(model, start)
    np.testing.assert_allclose(by_weight, X.T @ (slope * share[:, None]), **EXACT)
    np.testing.assert_allclose(by_bias, share @ slope, **EXACT)
    assert model.loss_ == pytest.approx(share @ lost, rel=1e-11)


# Of numbers -------------------------------------------------------------------------------------


def poisson_nll(z: Any, y: Any) -> tuple[Any, Any]:
    return np.exp(z) - y * z, np.exp(z) - y


def huber(delta: float) -> Any:
    def both(z: Any, y: Any) -> tuple[Any, Any]:
        e = z - y
        far = np.abs(e) > delta
        value = np.where(far, delta * (np.abs(e) - delta / 2), e**2 / 2)
        return value, np.where(far, delta * np.sign(e), e)

    return both


def pinball(q: float) -> Any:
    def both(z: Any, y: Any) -> tuple[Any, Any]:
        low = z < y
        return np.where(low, q * (y - z), (1 - q) * (z - y)), np.where(low, -q, 1 - q)

    return both


#: Name -> the loss, and its values and slopes by hand.
OF_NUMBERS: dict[str, tuple[Any, Any]] = {
    "absolute_error": ("absolute_error", lambda z, y: (abs(z - y), np.sign(z - y))),
    "L1Loss": (nn.L1Loss(), lambda z, y: (abs(z - y), np.sign(z - y))),
    "MSELoss": (nn.MSELoss(), lambda z, y: ((z - y) ** 2, 2 * (z - y))),
    "huber": ("huber", huber(1.0)),
    "HuberLoss": (nn.HuberLoss(delta=0.3), huber(0.3)),
    "quantile": ("quantile", pinball(0.5)),
    "QuantileLoss": (nn.QuantileLoss(0.9), pinball(0.9)),
    "PoissonNLLLoss": (nn.PoissonNLLLoss(), poisson_nll),
}
weighted = pytest.mark.parametrize("weighted", [False, True])


@weighted
@pytest.mark.parametrize("task", ["regression 1", "regression 3"])
@pytest.mark.parametrize("name", OF_NUMBERS)
def test_a_loss_of_numbers(name: str, task: str, weighted: bool, backend: str) -> None:
    """Of a row it is the sum over its outputs."""
    X, y = data(task)
    X, columns = X / 4, y.reshape(len(X), -1)
    loss, by_hand = OF_NUMBERS[name]
    start = random_weights(7, columns.shape[1])
    rows = np.random.default_rng(0).random(len(X)) if weighted else None
    model = one_step(
        MLPRegressor, start, X, y, loss=loss, backend=backend, fit={"sample_weight": rows}
    )
    lost, slope = by_hand(X @ start[0][0] + start[1][0], columns)
    assert_step(model, start, X, lost.sum(axis=1), slope, rows)
    assert model.engine_ == "eager"


def test_the_reduction_of_a_loss_does_not_matter(backend: str) -> None:
    X, y = data("regression 3")
    fits = [
        MLPRegressor(
            hidden_layer_sizes=(4,),
            loss=nn.HuberLoss(reduction),
            max_iter=3,
            random_state=0,
            backend=backend,
        ).fit(X, y)
        for reduction in ("mean", "sum", "none")
    ]
    assert_equal_weights(fits[0], fits[1])
    assert_equal_weights(fits[0], fits[2])


@pytest.mark.parametrize("q", [0.2, 0.9])
def test_the_share_below_a_quantile(q: float, backend: str) -> None:
    """The best constant is the quantile of y: here of an exponential distribution."""
    X, y = np.zeros((500, 1)), np.random.default_rng(0).exponential(size=500)
    model = MLPRegressor(
        hidden_layer_sizes=(),
        loss=nn.QuantileLoss(q),
        learning_rate_init=0.05,
        max_iter=300,
        random_state=0,
        backend=backend,
    ).fit(X, y)
    assert (y < model.predict(X)).mean() == pytest.approx(q, abs=0.03)
    lost = mean_pinball_loss(y, model.predict(X), alpha=q)
    assert lost < 1.01 * mean_pinball_loss(y, np.full(500, np.quantile(y, q)), alpha=q)


def test_outliers_do_not_move_the_absolute_error(backend: str) -> None:
    X, y = np.zeros((101, 1)), np.arange(101.0)
    y[-5:] = 1e6
    model = MLPRegressor(
        hidden_layer_sizes=(),
        loss="absolute_error",
        learning_rate_init=0.5,
        max_iter=400,
        random_state=0,
        n_iter_no_change=400,
        backend=backend,
    ).fit(X, y)
    assert model.predict(X)[0] == pytest.approx(50, abs=1)
    assert model.loss_ == pytest.approx(mean_absolute_error(y, model.predict(X)), rel=1e-3)


# Of classes -------------------------------------------------------------------------------------


def of_classes(task: str) -> tuple[Any, Any, Any, Any, Any]:
    """Return X, y, y as 0 and 1 in columns, a start, and raw outputs there."""
    X, y = data(task)
    X = X / 4
    hot = y[:, None] == np.arange(4) if task == "multiclass" else y.reshape(len(y), -1)
    start = random_weights(7, hot.shape[1])
    return X, y, hot.astype(float), start, X @ start[0][0] + start[1][0]


@weighted
@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_smoothed_labels(task: str, weighted: bool, backend: str) -> None:
    """Of two classes each gets a half of ε."""
    X, y, hot, start, z = of_classes(task)
    rows = np.random.default_rng(0).random(len(X)) if weighted else None
    model = one_step(
        MLPClassifier,
        start,
        X,
        y,
        label_smoothing=0.2,
        backend=backend,
        fit={"sample_weight": rows},
    )
    target, p = 0.8 * hot + 0.1, sigmoid(z)
    lost = -(target * np.log(p) + (1 - target) * np.log(1 - p)).sum(axis=1)
    assert_step(model, start, X, lost, p - target, rows)
    assert model.engine_ == "program"


@weighted
def test_smoothed_classes(weighted: bool, backend: str) -> None:
    X, y, hot, start, z = of_classes("multiclass")
    rows = np.random.default_rng(0).random(len(X)) if weighted else None
    model = one_step(
        MLPClassifier,
        start,
        X,
        y,
        label_smoothing=0.2,
        backend=backend,
        fit={"sample_weight": rows},
    )
    target, p = 0.8 * hot + 0.2 / 4, softmax(z)
    assert_step(model, start, X, -(target * np.log(p)).sum(axis=1), p - target, rows)


@pytest.mark.parametrize("loss", ["focal", nn.BCEWithLogitsLoss()], ids=["focal", "module"])
@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass"])
def test_labels_are_smoothed_for_the_log_loss_alone(task: str, loss: Any, backend: str) -> None:
    model = MLPClassifier(loss=loss, label_smoothing=0.1, backend=backend)
    with pytest.raises(ValueError, match=r"label_smoothing=0\.1 is for loss='log_loss'"):
        model.fit(*data(task))


@weighted
@pytest.mark.parametrize("loss", ["focal", nn.FocalLoss(0.5)], ids=["named", "module"])
@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass"])
def test_focal(task: str, loss: Any, weighted: bool, backend: str) -> None:
    X, y, hot, start, z = of_classes(task)
    gamma = 2.0 if loss == "focal" else 0.5
    rows = np.random.default_rng(0).random(len(X)) if weighted else None
    model = one_step(
        MLPClassifier, start, X, y, loss=loss, backend=backend, fit={"sample_weight": rows}
    )
    if task == "multiclass":
        p = softmax(z)
        right = (p * hot).sum(axis=1, keepdims=True)
        to_z = right * (hot - p)  # of the probability of the right class
    else:
        p = sigmoid(z)
        right = np.where(hot == 1, p, 1 - p)
        to_z = p * (1 - p) * np.where(hot == 1, 1, -1)
    lost = -((1 - right) ** gamma) * np.log(right)
    to_right = gamma * (1 - right) ** (gamma - 1) * np.log(right) - (1 - right) ** gamma / right
    assert_step(model, start, X, lost.sum(axis=1), to_right * to_z, rows)


def test_focal_without_gamma_is_the_log_loss(backend: str) -> None:
    X, y = data("multiclass")
    made: dict[str, Any] = {"max_iter": 4, "random_state": 0, "batch_size": 40}
    plain, zero = (
        MLPClassifier((5,), loss=loss, backend=backend, **made).fit(X, y)
        for loss in ("log_loss", nn.FocalLoss(0.0))
    )
    assert_close_weights(zero, plain)
    np.testing.assert_allclose(zero.loss_curve_, plain.loss_curve_, rtol=1e-9)


# Of one's own -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression 1"])
def test_what_a_function_is_given(task: str, dtype: str, backend: str) -> None:
    """Raw outputs, and the targets of the same rows: codes of classes, else numbers in columns."""
    X, y = data(task)
    given: list[tuple[Any, Any]] = []

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        given.append((outputs.numpy().copy(), targets.numpy().copy()))
        return (outputs * outputs).sum(axis=1)

    kind: Any = MLPRegressor if task == "regression 1" else MLPClassifier
    labels = np.array(["no", "yes", "maybe", "never"])[y] if task == "multiclass" else y
    model = kind(
        hidden_layer_sizes=(3,),
        loss=loss,
        max_iter=1,
        batch_size=60,
        shuffle=False,
        learning_rate_init=1e-300,
        backend=backend,
    ).fit(X.astype(dtype), labels)
    assert [len(outputs) for outputs, _ in given] == [60, 60, 30]
    outputs, targets = (np.concatenate(part) for part in zip(*given, strict=True))
    width = {"multiclass": 4, "multilabel": 3}.get(task, 1)
    assert outputs.shape == (150, width)
    assert outputs.dtype == dtype
    hidden = np.maximum(X.astype(dtype) @ model.coefs_[0] + model.intercepts_[0], 0)
    expected = hidden @ model.coefs_[1] + model.intercepts_[1]
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    if task == "multiclass":
        assert model.classes_.tolist() == ["maybe", "never", "no", "yes"]
        np.testing.assert_array_equal(model.classes_[targets], labels)
    else:
        assert targets.dtype == dtype
        np.testing.assert_array_equal(targets, y.reshape(150, width).astype(dtype))


@weighted
def test_a_function_by_hand(weighted: bool, backend: str) -> None:
    """log cosh, whose slope is tanh."""
    X, y = data("regression 3")
    X, start = X / 4, random_weights(7, 3)
    rows = np.random.default_rng(0).random(len(X)) if weighted else None

    def log_cosh(prediction: Tensor, target: Tensor) -> Tensor:
        d = prediction - target
        return ((d.exp() + (-d).exp()) / 2).log().sum(axis=1)

    model = one_step(
        MLPRegressor, start, X, y, loss=log_cosh, backend=backend, fit={"sample_weight": rows}
    )
    d = X @ start[0][0] + start[1][0] - y
    assert_step(model, start, X, np.log(np.cosh(d)).sum(axis=1), np.tanh(d), rows)
    assert model.engine_reason_ == "programs do not know the loss 'log_cosh'"


def test_rows_or_their_mean(backend: str) -> None:
    X, y = data("regression 3")

    def rows(prediction: Tensor, target: Tensor) -> Tensor:
        return ((prediction - target) * (prediction - target)).sum(axis=1)

    def mean(prediction: Tensor, target: Tensor) -> Tensor:
        return rows(prediction, target).mean()

    a, b = (
        MLPRegressor(
            loss=loss,
            hidden_layer_sizes=(4,),
            max_iter=3,
            batch_size=40,
            random_state=0,
            backend=backend,
        ).fit(X, y)
        for loss in (rows, mean)
    )
    assert_close_weights(a, b, rtol=1e-12, atol=1e-13)
    assert b.loss_ == pytest.approx(a.loss_, rel=1e-12)


def test_weights_of_rows_need_the_losses_of_rows(backend: str) -> None:
    X, y = data("regression 1")
    model = MLPRegressor(loss=lambda z, y: (z - y).abs().mean(), backend=backend)
    with pytest.raises(ValueError, match=r"expected \(150,\), one per row$"):
        model.fit(X, y, sample_weight=np.ones(150))
