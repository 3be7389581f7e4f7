"""Weights of classes and of rows, and the weights that a fit starts from."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.utils import shuffle

from accelnn import MLPClassifier, MLPRegressor
from tests.estimators.by_hand import (
    assert_close_weights,
    assert_equal_weights,
    random_weights,
    weights,
)
from tests.estimators.conftest import data

# Few epochs, for speed.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SMALL: dict[str, Any] = {"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0}
OF_CLASSES = {"binary": {0: 3.0, 1: 0.5}, "multiclass": {0: 1.0, 1: 2.0, 2: 0.0, 3: 7.0}}
OF_LABELS = [{0: 1.0, 1: 3.0}, {0: 0.5, 1: 1.0}, {0: 2.0, 1: 0.25}]


def skewed(task: str) -> tuple[Any, Any]:
    """Return data with fewer rows of class 0 than of others."""
    X, y = data(task)
    kept = np.flatnonzero((y != 0) | (np.arange(len(y)) % 3 == 0))
    return X[kept], y[kept]


# Weights of classes -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{}, {"solver": "lbfgs"}, {"solver": "sgd", "batch_size": 32}])
@pytest.mark.parametrize("task", OF_CLASSES)
def test_weights_of_classes_are_weights_of_rows(
    task: str, how: dict[str, Any], backend: str
) -> None:
    X, y = data(task)
    rows = [OF_CLASSES[task][label] for label in y]
    a = MLPClassifier(class_weight=OF_CLASSES[task], backend=backend, **SMALL, **how).fit(X, y)
    b = MLPClassifier(backend=backend, **SMALL, **how).fit(X, y, sample_weight=rows)
    assert_equal_weights(a, b)
    assert a.loss_ == b.loss_
    plain = MLPClassifier(backend=backend, **SMALL, **how).fit(X, y)
    assert abs(plain.coefs_[0] - a.coefs_[0]).max() > 1e-3


@pytest.mark.parametrize("task", OF_CLASSES)
def test_balanced(task: str, backend: str) -> None:
    X, y = skewed(task)
    counts = {label: int((y == label).sum()) for label in y}
    rows = [len(y) / (len(counts) * counts[label]) for label in y]
    a = MLPClassifier(class_weight="balanced", backend=backend, **SMALL).fit(X, y)
    b = MLPClassifier(backend=backend, **SMALL).fit(X, y, sample_weight=rows)
    assert_close_weights(a, b, rtol=1e-11, atol=1e-13)
    assert len(set(rows)) > 1


def test_weights_of_labels_multiply(backend: str) -> None:
    """A row with several labels weighs what they weigh, multiplied, as in scikit-learn."""
    X, y = make_multilabel_classification(150, 7, n_classes=3, random_state=5)
    rows = [np.prod([of[value] for of, value in zip(OF_LABELS, row, strict=True)]) for row in y]
    a = MLPClassifier(class_weight=OF_LABELS, backend=backend, **SMALL).fit(X, y)
    b = MLPClassifier(backend=backend, **SMALL).fit(X, y, sample_weight=rows)
    assert_close_weights(a, b, rtol=1e-11, atol=1e-13)
    assert len(set(rows)) == 8


def test_the_weights_of_row_and_class_multiply(backend: str) -> None:
    X, y = data("multiclass")
    mine = np.random.default_rng(1).random(len(y))
    before = mine.copy()
    product = mine * [OF_CLASSES["multiclass"][label] for label in y]
    a = MLPClassifier(class_weight=OF_CLASSES["multiclass"], backend=backend, **SMALL)
    a.fit(X, y, sample_weight=mine)
    b = MLPClassifier(backend=backend, **SMALL).fit(X, y, sample_weight=product)
    assert_equal_weights(a, b)
    np.testing.assert_array_equal(mine, before)


def test_names_of_classes(backend: str) -> None:
    X, y = data("multiclass")
    names = np.array(["zero", "one", "two", "three"])
    of_names = {names[label]: w for label, w in OF_CLASSES["multiclass"].items()}
    a = MLPClassifier(class_weight=of_names, backend=backend, **SMALL).fit(X, names[y])
    rows = [of_names[name] for name in names[y]]
    b = MLPClassifier(backend=backend, **SMALL).fit(X, names[y], sample_weight=rows)
    assert_equal_weights(a, b)


def test_partial_fit_of_parts_that_lack_a_class(backend: str) -> None:
    X, y = data("multiclass")
    order = np.argsort(y, kind="stable")
    a = MLPClassifier((5,), class_weight=OF_CLASSES["multiclass"], random_state=0, backend=backend)
    b = MLPClassifier((5,), random_state=0, backend=backend)
    for part in (order[:60], order[100:], order[40:110]):
        assert len(np.unique(y[part])) < 4
        rows = [OF_CLASSES["multiclass"][label] for label in y[part]]
        a.partial_fit(X[part], y[part], classes=np.arange(4))
        b.partial_fit(X[part], y[part], sample_weight=rows, classes=np.arange(4))
        assert_equal_weights(a, b)


def test_a_validation_set_that_is_given_is_not_reweighted(backend: str) -> None:
    """As in scikit-learn's histogram gradient boosting."""
    X, y = data("binary")
    model: Any = MLPClassifier(class_weight=OF_CLASSES["binary"], backend=backend, **SMALL)
    model.fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    expected = log_loss(y[100:], model.predict_proba(X[100:]))
    assert model.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-12)


def test_rows_held_back_are_reweighted(backend: str) -> None:
    """As in scikit-learn's histogram gradient boosting."""
    X, y = data("binary")
    of_classes = OF_CLASSES["binary"]
    model = MLPClassifier(
        (5,),
        class_weight=of_classes,
        early_stopping=True,
        scoring="loss",
        max_iter=8,
        initial_weights=random_weights(7, 5, 1),  # so that nothing is drawn before the split
        random_state=4,
        backend=backend,
    ).fit(X, y)
    _, X_val, _, y_val = train_test_split(
        X, y, test_size=0.1, random_state=np.random.RandomState(4), stratify=y
    )
    rows = [of_classes[label] for label in y_val]
    expected = log_loss(y_val, model.predict_proba(X_val), sample_weight=rows)
    assert min(model.validation_loss_curve_) == pytest.approx(expected, rel=1e-12)


# Where a fit starts -----------------------------------------------------------------------------

#: A rate that changes nothing: weights of order 1 swallow a step of 1e-300.
FROZEN: dict[str, Any] = {"learning_rate_init": 1e-300, "max_iter": 1}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_are_where_a_fit_starts(dtype: str, backend: str) -> None:
    X, y = data("regression 3")
    start = random_weights(7, 4, 6, 3)
    before = [a.copy() for part in start for a in part]
    model = MLPRegressor(
        hidden_layer_sizes=(4, 6), initial_weights=start, backend=backend, **FROZEN
    ).fit(X.astype(dtype), y)
    for found, expected in zip(weights(model), before, strict=True):
        np.testing.assert_array_equal(found, expected.astype(dtype))
    model.set_params(learning_rate_init=0.1, max_iter=3).fit(X.astype(dtype), y)
    for given, expected in zip([*start[0], *start[1]], before, strict=True):
        np.testing.assert_array_equal(given, expected)  # not trained in place


#: Name -> the variance times the width, for a layer from 300 to 200 units.
VARIANCES = {
    "glorot_normal": 2 / 500,
    "he_normal": 2 / 300,
    "he_uniform": 2 / 300,
}


def frozen(name: Any, backend: str, **more: Any) -> Any:
    """Return a regressor with 300 inputs and 200 hidden units that has not moved."""
    X = np.random.default_rng(0).standard_normal((10, 300))
    arguments = FROZEN | {"random_state": 0} | more
    model = MLPRegressor(
        hidden_layer_sizes=(200,), initial_weights=name, backend=backend, **arguments
    )
    return model.fit(X, X[:, 0])


@pytest.mark.parametrize("name", VARIANCES)
def test_named_weights_have_their_variance(name: str, backend: str) -> None:
    """2 % are more than three standard deviations of the variance of 60,000 normal numbers."""
    model = frozen(name, backend)
    w = model.coefs_[0]
    assert w.var() == pytest.approx(VARIANCES[name], rel=0.02)
    assert abs(w.mean()) < 4 * np.sqrt(VARIANCES[name] / w.size)
    assert not any(abs(b).max() > 1e-200 for b in model.intercepts_)
    largest = abs(w).max() / np.sqrt(VARIANCES[name])
    if name == "he_uniform":
        assert 1.7 < largest <= np.sqrt(3)
    else:
        assert largest > 3.5
    assert np.array_equal(w, frozen(name, backend).coefs_[0])
    assert not np.array_equal(w, frozen(name, backend, random_state=1).coefs_[0])


def test_orthogonal_weights(backend: str) -> None:
    w = frozen("orthogonal", backend).coefs_[0]
    np.testing.assert_allclose(w.T @ w, np.eye(200), atol=1e-12)


def test_zeros(backend: str) -> None:
    assert all(abs(w).max() <= 1e-299 for w in weights(frozen("zeros", backend)))


def test_none_is_glorot_uniform(backend: str) -> None:
    """Biases too, which the named schemes set to 0."""
    model = frozen(None, backend)
    bound = np.sqrt(6 / 500)
    assert 0.99 * bound < abs(model.coefs_[0]).max() <= bound
    assert 0.9 * bound < abs(model.intercepts_[0]).max() <= bound


def test_a_warm_start_does_not_start_again(backend: str) -> None:
    X, y = data("binary")
    start = random_weights(7, 4, 1)
    arguments: Any = {"warm_start": True, "max_iter": 3, "random_state": 0, "backend": backend}
    model = MLPClassifier((4,), initial_weights=start, **arguments).fit(X, y)
    first = weights(model)
    model.set_params(**FROZEN).fit(X, y)
    for found, expected in zip(weights(model), first, strict=True):
        np.testing.assert_array_equal(found, expected)
    model.set_params(warm_start=False).fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0], start[0][0])


def test_arrays_draw_nothing(backend: str) -> None:
    """So the first random numbers are those of the first shuffle."""
    X, y = data("binary")
    start = random_weights(7, 4, 1)
    arguments: Any = {"max_iter": 1, "batch_size": 40, "backend": backend}
    a = MLPClassifier((4,), initial_weights=start, random_state=6, **arguments).fit(X, y)
    order = shuffle(np.arange(len(X)), random_state=6)
    b = MLPClassifier((4,), initial_weights=start, shuffle=False, **arguments)
    assert_equal_weights(a, b.fit(X[order], y[order]))
    assert not np.array_equal(a.coefs_[0], b.fit(X, y).coefs_[0])
