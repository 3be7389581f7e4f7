"""Linear and logistic regression by gradient descent: against closed forms, loops and SciPy."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn import linear_model as theirs
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale
from sklearn.utils.estimator_checks import parametrize_with_checks

import accelnn
from accelnn import LinearRegression, LogisticRegression
from accelnn.estimators.linear import largest_eigenvalue, largest_square
from tests.estimators.conftest import data

KINDS = [LinearRegression, LogisticRegression]

pytestmark = [
    # Plain descent on few epochs ends before the loss is flat, here and in scikit-learn's suite.
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer. Maximum iterations"),
    pytest.mark.filterwarnings("ignore:lbfgs failed to converge"),
    # Checks for what is not installed or not claimed skip with a warning.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
]


@parametrize_with_checks([kind(backend=b) for kind in KINDS for b in ("numpy", "numba")])  # type: ignore[untyped-decorator]
def test_scikit_learn_agrees(estimator: Any, check: Any) -> None:
    check(estimator)


# Values -------------------------------------------------------------------------------------------


def test_least_squares_is_that_of_the_normal_equations(backend: str) -> None:
    X, y = data("regression1")
    with_1 = np.hstack([X, np.ones((len(X), 1))])
    *w, b = np.linalg.solve(with_1.T @ with_1, with_1.T @ y)
    model = LinearRegression(backend=backend, tol=1e-15, max_iter=5000).fit(X, y)
    np.testing.assert_allclose(model.coef_, w, rtol=1e-6)
    np.testing.assert_allclose(model.intercept_, b, rtol=1e-6)
    np.testing.assert_allclose(model.predict(X), with_1 @ [*w, b], rtol=1e-6)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_alpha_is_that_of_ridge(backend: str, solver: str) -> None:
    X, y = data("regression1")
    expected = theirs.Ridge(alpha=30.0).fit(X, y)
    how: dict[str, Any] = {"solver": solver, "tol": 1e-10, "max_iter": 5000}
    model = LinearRegression(alpha=30.0, backend=backend, **how).fit(X, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-3)
    np.testing.assert_allclose(model.intercept_, expected.intercept_, rtol=1e-3)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_alpha_is_1_by_c_of_logistic_regression(backend: str, solver: str, task: str) -> None:
    X, y = data(task)
    expected = theirs.LogisticRegression(C=0.1, tol=1e-10).fit(X, y)
    how: dict[str, Any] = {"solver": solver, "tol": 1e-10, "max_iter": 5000}
    model = LogisticRegression(alpha=10.0, backend=backend, **how).fit(X, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-3)
    np.testing.assert_allclose(model.predict_proba(X), expected.predict_proba(X), atol=1e-3)
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))


def test_the_decision_function_is_linear(backend: str) -> None:
    for task in ("binary", "multiclass"):
        X, y = data(task)
        model = LogisticRegression(max_iter=20, backend=backend).fit(X, y)
        z = X @ model.coef_.T + model.intercept_
        decision = model.decision_function(X)
        np.testing.assert_allclose(decision, z[:, 0] if task == "binary" else z, rtol=1e-10)


def test_sample_and_class_weights_are_those_of_logistic_regression(backend: str) -> None:
    X, y = data("multiclass")
    weights = np.random.default_rng(0).integers(0, 3, len(X))
    how: dict[str, Any] = {"class_weight": {0: 2.0, 1: 0.5, 2: 1.0, 3: 1.0}, "tol": 1e-10}
    expected = theirs.LogisticRegression(C=0.1, **how).fit(X, y, weights)
    model = LogisticRegression(alpha=10.0, backend=backend, max_iter=5000, **how)
    model.fit(X, y, weights)
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-4)


# Steps --------------------------------------------------------------------------------------------


def sigmoid(z: Any) -> Any:
    """1 / (1 + e^-z)."""
    return 1 / (1 + np.exp(-z))


def softmax(z: Any) -> Any:
    """e^z by its sum over the columns."""
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("kind", "task", "output"),
    [
        (LinearRegression, "regression1", lambda z: z),
        (LinearRegression, "regression3", lambda z: z),
        (LogisticRegression, "binary", sigmoid),
        (LogisticRegression, "multiclass", softmax),
    ],
)
@pytest.mark.parametrize("batch_size", ["full", 64])
def test_steps_are_those_of_the_formula(
    backend: str, kind: Any, task: str, output: Any, batch_size: Any
) -> None:
    X, y = data(task)
    target = np.eye(4)[y] if task == "multiclass" else y.reshape(len(y), -1)
    rate, alpha, epochs = 0.1, 2.0, 5
    rng = np.random.RandomState(3)
    W, b, order = np.zeros((X.shape[1], target.shape[1])), np.zeros(target.shape[1]), np.arange(150)
    for _ in range(epochs):
        size = 150
        if batch_size != "full":
            size, drawn = batch_size, np.arange(150)
            rng.shuffle(drawn)
            order = order[drawn]
        for start in range(0, 150, size):
            x, t = X[order[start : start + size]], target[order[start : start + size]]
            r = output(x @ W + b) - t
            W, b = W - rate * (x.T @ r + alpha * W) / len(x), b - rate * r.mean(axis=0)
    how: dict[str, Any] = {"learning_rate_init": rate, "alpha": alpha, "max_iter": epochs}
    model = kind(batch_size=batch_size, random_state=3, backend=backend, **how).fit(X, y)
    np.testing.assert_allclose(np.atleast_2d(model.coef_), W.T, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(np.atleast_1d(model.intercept_), b, rtol=1e-11, atol=1e-13)
    assert (model.n_iter_, model.t_, len(model.loss_curve_)) == (5, 750, 5)
    assert model.learning_rate_ == rate


def test_a_full_step_takes_all_rows_however_many(backend: str) -> None:
    X, y = data("regression1")
    X, y = np.tile(X, (60, 1)), np.tile(y, 60)
    model = LinearRegression(max_iter=1, learning_rate_init=0.1, backend=backend).fit(X, y)
    np.testing.assert_allclose(model.coef_, 0.1 * X.T @ y / len(y), rtol=1e-10)


def test_the_first_loss_is_that_of_zeros() -> None:
    X, y = data("regression3")
    model = LinearRegression(max_iter=1).fit(X, y)
    assert model.loss_curve_ == [pytest.approx(0.5 * (y**2).mean(), rel=1e-12)]
    X, y = data("multiclass")
    assert LogisticRegression(max_iter=1).fit(X, y).loss_ == pytest.approx(np.log(4), rel=1e-12)


# The learning rate --------------------------------------------------------------------------------


def test_auto_is_one_over_the_largest_curvature() -> None:
    X, y = data("multiclass")
    weights = (X**2).sum(axis=1) ** 2
    with_1 = np.hstack([X, np.ones((len(X), 1))])
    plain = np.linalg.eigvalsh(with_1.T @ with_1 / len(X))[-1]
    weighted = np.linalg.eigvalsh(with_1.T * weights @ with_1 / weights.sum())[-1]
    squares = (with_1**2).sum(axis=1).max()
    assert largest_eigenvalue(X, np.full(len(X), 1 / len(X))) == pytest.approx(plain, rel=5e-2)
    assert largest_square(X) == pytest.approx(squares)
    assert largest_square(sparse.csr_array(X)) == pytest.approx(squares)

    def rate(kind: Any, target: Any, sample_weight: Any = None, **how: Any) -> float:
        return float(kind(max_iter=1, **how).fit(X, target, sample_weight).learning_rate_)

    assert rate(LinearRegression, y) == pytest.approx(1 / plain, rel=5e-2)
    assert rate(LinearRegression, y, weights) == pytest.approx(1 / weighted, rel=5e-2)
    assert rate(LogisticRegression, y) == pytest.approx(2 / plain, rel=5e-2)
    assert rate(LogisticRegression, y > 1) == pytest.approx(4 / plain, rel=5e-2)
    penalised = rate(LogisticRegression, y > 1, alpha=300.0)
    assert penalised == pytest.approx(1 / (plain / 4 + 300 / 150), rel=5e-2)
    assert rate(LinearRegression, y, batch_size=10) == pytest.approx(1 / squares)
    assert rate(LinearRegression, y, solver="adam") == 0.01


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
def test_auto_only_goes_down(kind: Any, factor: float) -> None:
    X, y = data("binary")
    curve = np.array(kind(max_iter=200, tol=0.0).fit(factor * (X + 3), y).loss_curve_)
    assert (np.diff(curve) <= 1e-12 * curve[:-1]).all()
    assert curve[-1] < curve[0]


@pytest.mark.parametrize("rate", [3.0, 1e200])
def test_a_rate_that_diverges_is_named(backend: str, rate: float) -> None:
    model = LinearRegression(learning_rate_init=rate, backend=backend)
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=r"rate\D*(3|1e\+200)[; ]"):
        model.fit(*data("regression1"))
    assert not hasattr(model, "coef_")


# The public calls ---------------------------------------------------------------------------------


def test_shapes_are_those_of_scikit_learn(backend: str) -> None:
    pairs = [(LinearRegression, theirs.LinearRegression, ["regression1", "regression3"])]
    pairs += [(LogisticRegression, theirs.LogisticRegression, ["binary", "multiclass"])]
    for ours, other, tasks in pairs:
        for task in tasks:
            X, y = data(task)
            model, expected = ours(backend=backend).fit(X, y), other().fit(X, y)
            for name in ("coef_", "intercept_", "n_features_in_"):
                assert np.shape(getattr(model, name)) == np.shape(getattr(expected, name)), name
            assert model.predict(X).shape == expected.predict(X).shape
            if ours is LogisticRegression:
                shape = expected.decision_function(X).shape
                assert model.decision_function(X).shape == shape
                assert model.classes_.tolist() == expected.classes_.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_what_only_networks_have_is_not_there(kind: Any) -> None:
    model = kind(max_iter=2).fit(*data("binary"))
    for name in ("transform", "hidden_activations", "set_output", "to_sklearn"):
        assert not hasattr(model, name)
    assert not hasattr(kind(), "coef_")
    assert (model.n_layers_, model.engine_) == (2, "program")
    assert repr(model).endswith(f"# fitted on {model.backend_!r}")


@pytest.mark.parametrize("kind", KINDS)
def test_sparse_input_is_that_of_dense(kind: Any, backend: str) -> None:
    X, y = data("binary")
    X[np.abs(X) < 0.5] = 0
    dense, thin = (kind(max_iter=50, backend=backend).fit(Z, y) for Z in (X, sparse.csr_array(X)))
    np.testing.assert_allclose(thin.coef_, dense.coef_, rtol=1e-9)
    np.testing.assert_allclose(thin.predict(sparse.csc_array(X)), dense.predict(X), rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_clone_pickle_and_file(kind: Any, backend: str, tmp_path: Path) -> None:
    X, y = data("multiclass")
    model = kind(max_iter=20, alpha=0.5, backend=backend).fit(X, y)
    assert clone(model).get_params() == model.get_params()
    accelnn.save(model, tmp_path / "model")
    for twin in (pickle.loads(pickle.dumps(model)), accelnn.load(tmp_path / "model")):
        np.testing.assert_allclose(twin.predict(X), model.predict(X), rtol=1e-12)
        np.testing.assert_array_equal(twin.coef_, model.coef_)
        assert twin.loss_curve_ == model.loss_curve_
        assert twin.learning_rate_ == model.learning_rate_


@pytest.mark.parametrize("kind", KINDS)
def test_float32_is_kept_and_dtype_asked_for(kind: Any, backend: str) -> None:
    X, y = data("binary")
    assert kind(max_iter=3, backend=backend).fit(X.astype(np.float32), y).coef_.dtype == np.float32
    assert kind(max_iter=3, backend=backend, dtype="float32").fit(X, y).coef_.dtype == np.float32


@pytest.mark.parametrize("kind", KINDS)
def test_warm_start_and_partial_fit_go_on(kind: Any, backend: str) -> None:
    X, y = data("binary")
    whole = kind(max_iter=6, learning_rate_init=0.1, backend=backend).fit(X, y)
    halves = kind(max_iter=3, learning_rate_init=0.1, warm_start=True, backend=backend)
    np.testing.assert_array_equal(halves.fit(X, y).fit(X, y).coef_, whole.coef_)
    steps = kind(learning_rate_init=0.1, backend=backend)
    for _ in range(6):
        steps.partial_fit(X, y, **({"classes": [0, 1]} if kind is LogisticRegression else {}))
    np.testing.assert_array_equal(steps.coef_, whole.coef_)


def test_a_validation_set_leaves_its_curve() -> None:
    X, y = data("binary")
    model = LogisticRegression(max_iter=9).fit(X[50:], y[50:], X_val=X[:50], y_val=y[:50])
    assert len(model.validation_loss_curve_) == 9
    assert model.validation_scores_[-1] == model.score(X[:50], y[:50])


def test_too_few_epochs_are_warned_about() -> None:
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        LinearRegression(max_iter=2).fit(*data("regression1"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("solver", "adamw"),
        ("learning_rate_init", 0.0),
        ("learning_rate_init", "fast"),
        ("batch_size", "auto"),
        ("alpha", -1.0),
        ("max_iter", 0),
        ("backend", "nunba"),
    ],
)
def test_a_bad_argument_is_named(kind: Any, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name}|unknown backend 'nunba'"):
        kind(**{name: value}).fit(*data("binary"))


def test_digits_are_learned_as_a_linear_model_can(backend: str) -> None:
    X, y = load_digits(return_X_y=True)
    model = LogisticRegression(max_iter=300, backend=backend).fit(scale(X), y)
    assert model.score(scale(X), y) > 0.96
