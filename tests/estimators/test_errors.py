"""Bad arguments and bad data: what was passed, what was expected."""

from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from accelnn import BackendUnavailable, MLPClassifier, MLPRegressor, backends, register_backend
from accelnn.backends.numpy_backend import NumpyBackend
from tests.estimators.conftest import data

ESTIMATORS = [MLPClassifier, MLPRegressor]


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("hidden_layer_sizes", (3, 0), r"hidden_layer_sizes must be > 0, got \[3, 0\]"),
        ("hidden_layer_sizes", (3, -1), r"hidden_layer_sizes must be > 0, got \[3, -1\]"),
        ("hidden_layer_sizes", (2.5,), r"hidden_layer_sizes must be > 0, got \[2.5\]"),
        ("hidden_layer_sizes", 0, "'hidden_layer_sizes' parameter"),
        ("activation", "swish", "'activation' parameter of .* Got 'swish'"),
        ("solver", "adagrad", "'solver' parameter of .* must be a str among"),
        ("alpha", -1, "'alpha' parameter"),
        ("batch_size", 0, "'batch_size' parameter"),
        ("batch_size", "all", "'batch_size' parameter"),
        ("learning_rate", "cosine", "'learning_rate' parameter"),
        ("learning_rate_init", 0.0, "'learning_rate_init' parameter"),
        ("max_iter", 0, "'max_iter' parameter"),
        ("shuffle", "yes", "'shuffle' parameter"),
        ("random_state", -1, "'random_state' parameter"),
        ("tol", -1e-3, "'tol' parameter"),
        ("momentum", 1.5, "'momentum' parameter"),
        ("beta_1", 1.0, "'beta_1' parameter"),
        ("epsilon", 0.0, "'epsilon' parameter"),
        ("n_iter_no_change", 0, "'n_iter_no_change' parameter"),
        ("validation_fraction", 1.0, "'validation_fraction' parameter"),
        ("max_fun", 0, "'max_fun' parameter"),
        ("backend", 3, "'backend' parameter of .* must be an instance of 'str'. Got 3 instead"),
        ("backend", "nunba", "unknown backend 'nunba'.*did you mean 'numba'?"),
    ],
)
def test_a_bad_argument_is_named_by_fit(kind: Any, name: str, value: Any, said: str) -> None:
    model = kind(**{name: value})  # the constructor takes everything, as scikit-learn's does
    with pytest.raises(ValueError, match=said):
        model.fit(np.ones((4, 2)), np.arange(4) % 2)
    assert not hasattr(model, "coefs_")


def test_a_loss_we_do_not_have() -> None:
    with pytest.raises(ValueError, match=r"'loss' parameter of MLPRegressor .*squared_error"):
        MLPRegressor(loss="gamma").fit(np.ones((4, 2)), np.ones(4))


def test_a_backend_that_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(NumpyBackend):
        def __init__(self) -> None:
            raise BackendUnavailable("broken", "no device", "Buy one.")

    monkeypatch.setattr(backends, "_REGISTRY", dict(backends._REGISTRY))
    register_backend("broken", Broken)
    with pytest.raises(BackendUnavailable, match=r"'broken' cannot run here: no device\. Buy one"):
        MLPClassifier(backend="broken").fit(np.ones((4, 2)), [0, 1, 0, 1])


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize(
    ("X", "y", "said"),
    [
        ([[1.0, np.nan]], [1], "X contains NaN"),
        ([[1.0, np.inf]], [1], "X contains infinity"),
        (np.empty((0, 2)), [], "0 sample"),
        ([1.0, 2.0], [1, 0], "Expected 2D array, got 1D array"),
        ([[1.0], [2.0]], [1], "inconsistent numbers of samples"),
        ([["a"], ["b"]], [1, 0], "could not convert string to float"),
        ([[1.0], [2.0]], [1.0, np.nan], "NaN"),
    ],
)
def test_bad_data(kind: Any, X: Any, y: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        kind(max_iter=1).fit(X, y)


def test_a_classifier_wants_classes() -> None:
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        MLPClassifier().fit([[1.0], [2.0]], [0.5, 1.5])


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_not_fitted(kind: Any) -> None:
    with pytest.raises(NotFittedError, match=f"This {kind.__name__} instance is not fitted"):
        kind().predict([[1.0]])


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_another_width(kind: Any) -> None:
    X, y = data("binary")
    model = kind(hidden_layer_sizes=(2,), tol=10.0).fit(X, y)
    with pytest.raises(ValueError, match=r"X has 3 features, but .* is expecting 7 features"):
        model.predict(X[:, :3])
    with pytest.raises(ValueError, match=r"X has 3 features, but .* is expecting 7 features"):
        model.partial_fit(X[:, :3], y)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_lbfgs_has_no_partial_fit(kind: Any) -> None:
    assert hasattr(kind(solver="sgd"), "partial_fit")
    model = kind(solver="lbfgs")
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError, match="has no attribute 'partial_fit'") as caught:
        model.partial_fit([[1.0]], [1])
    assert "only available for solver='sgd' and solver='adam'" in str(caught.value.__cause__)


def test_partial_fit_needs_the_classes_first() -> None:
    X, y = data("multiclass")
    model = MLPClassifier((3,))
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(X, y)
    model.partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2, 3])
    assert model.classes_.tolist() == [0, 1, 2, 3]
    assert model.predict_proba(X).shape == (150, 4)
    with pytest.raises(ValueError, match="is not the same as on last call"):
        model.partial_fit(X, y, classes=[0, 1])


def test_partial_fit_refuses_a_new_class() -> None:
    X, y = data("binary")
    model = MLPClassifier((3,)).partial_fit(X, y, classes=[0, 1])
    before = [w.copy() for w in model.coefs_]
    with pytest.raises(ValueError, match=r"`y` has classes not in .*also has \[5\]"):
        model.partial_fit(X, np.where(y == 1, 5, 0))
    for mine, kept in zip(model.coefs_, before, strict=True):
        np.testing.assert_array_equal(mine, kept)


def test_a_regressor_keeps_its_outputs() -> None:
    X, y = data("regression 3")
    model = MLPRegressor().partial_fit(X, y)
    with pytest.raises(ValueError, match="y has 1 outputs, the first fit had 3"):
        model.partial_fit(X, y[:, 0])


def test_multilabel_keeps_its_labels() -> None:
    X, y = data("multilabel")
    model = MLPClassifier().partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"must have shape \(n, 3\)"):
        model.partial_fit(X, y[:, :2])


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_partial_fit_has_no_early_stopping(kind: Any) -> None:
    X, y = data("binary")
    more = {"classes": [0, 1]} if kind is MLPClassifier else {}
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        kind(early_stopping=True).partial_fit(X, y, **more)


def test_too_few_rows_to_validate() -> None:
    with pytest.raises(ValueError, match="The validation set is too small"):
        MLPRegressor(early_stopping=True).fit(np.ones((5, 2)), np.ones(5))


def test_a_batch_larger_than_the_data_is_said() -> None:
    X, y = data("binary")
    with pytest.warns(UserWarning, match="larger than sample size: 500 is clipped to the 150"):
        MLPClassifier((2,), batch_size=500, tol=10.0).fit(X, y)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_not_converged_is_said(solver: str) -> None:
    X, y = data("binary")
    with pytest.warns(ConvergenceWarning):
        MLPClassifier((8,), solver=solver, max_iter=2).fit(X, y)
