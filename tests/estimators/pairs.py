"""scikit-learn's estimator and ours with the same arguments, and what must be the same in both."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn.neural_network as theirs
from scipy.sparse import issparse

import accelnn as ours
from tests.estimators.conftest import data

WEIGHTS: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-10}
EXACT: dict[str, Any] = {"rtol": 1e-10, "atol": 0.0}

NAMES = {
    "binary": "MLPClassifier",
    "multiclass": "MLPClassifier",
    "multilabel": "MLPClassifier",
    "regression 1": "MLPRegressor",
    "regression 3": "MLPRegressor",
}
SOLVERS: dict[str, dict[str, Any]] = {
    "sgd": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd", "momentum": 0.9},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3},
    # Nothing improves by 1, so that the rate is divided by 5 in every second epoch.
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 1},
    "adam": {"solver": "adam"},
}


def both(task: str, backend: str, **arguments: Any) -> tuple[Any, Any]:
    """Return scikit-learn's estimator and ours, not fitted."""
    common: dict[str, Any] = {
        "hidden_layer_sizes": (9, 5),
        "max_iter": 8,
        "batch_size": 64,
        "learning_rate_init": 0.02,
        "random_state": 3,
    }
    common |= arguments
    name = NAMES[task]
    return getattr(theirs, name)(**common), getattr(ours, name)(**common, backend=backend)


def small(task: str) -> tuple[Any, Any]:
    """Return data on which no probability is rounded to 0, where the two log losses part."""
    X, y = data(task)
    return 0.3 * X, y


def first_call(task: str, y: Any) -> dict[str, Any]:
    """Return what the first ``partial_fit`` is told."""
    if NAMES[task] == "MLPRegressor":
        return {}
    return {"classes": np.arange(3) if task == "multilabel" else np.unique(y)}


def assert_same_weights(mine: Any, reference: Any) -> None:
    assert len(mine.coefs_) == len(reference.coefs_)
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(getattr(mine, name), getattr(reference, name), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, **WEIGHTS)


def assert_same_fit(mine: Any, reference: Any) -> None:
    """Compare all public fitted attributes that scikit-learn's estimator has."""
    names = [n for n in vars(reference) if n.endswith("_") and not n.startswith("_")]
    assert {"coefs_", "loss_", "n_iter_", "t_"} <= set(names)
    for name in names:
        assert_same(getattr(mine, name), getattr(reference, name), name, WEIGHTS)


def assert_same(found: Any, expected: Any, what: str, tolerance: dict[str, Any]) -> None:
    """Compare two results: their kind, dtype, shape and values."""
    if isinstance(expected, float):  # np.float64 is one
        assert isinstance(found, float), what
        np.testing.assert_allclose(found, expected, **tolerance, err_msg=what)
        return
    assert type(found) is type(expected), what
    if isinstance(expected, list):
        assert len(found) == len(expected), what
        for a, b in zip(found, expected, strict=True):
            assert_same(a, b, what, tolerance)
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype, what
        assert found.shape == expected.shape, what
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(found, expected, **tolerance, err_msg=what)
        else:
            np.testing.assert_array_equal(found, expected, err_msg=what)
    elif issparse(expected):
        assert_same(found.toarray(), expected.toarray(), what, tolerance)
    else:
        assert found == expected, what


def warned(call: Callable[[Any], Any], estimator: Any) -> list[tuple[str, str]]:
    """Return (class, text) of all warnings that a call on an estimator gives, in their order."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(estimator)
    return [(w.category.__name__, str(w.message)) for w in caught]
