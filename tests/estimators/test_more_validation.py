"""A validation set of the user's own: its curves, the stop by them, and the weights kept."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss, mean_poisson_deviance, mean_squared_error

from accelnn import MLPClassifier, MLPRegressor, nn
from tests.estimators.by_hand import assert_equal_weights, weights
from tests.estimators.conftest import data

# Few epochs, for speed.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SMALL: dict[str, Any] = {"max_iter": 4, "random_state": 0, "batch_size": 32}
KINDS: Any = {
    "binary": MLPClassifier,
    "multiclass": MLPClassifier,
    "multilabel": MLPClassifier,
    "regression 1": MLPRegressor,
    "regression 3": MLPRegressor,
}


def parts(task: str) -> tuple[Any, Any, dict[str, Any]]:
    """Return 100 rows to train on and 50 to validate with."""
    X, y = data(task)
    return X[:100], y[:100], {"X_val": X[100:], "y_val": y[100:]}


def network(task: str, backend: str, **arguments: Any) -> Any:
    """Return a small estimator for a task."""
    made = {"hidden_layer_sizes": (6,), "backend": backend, **SMALL, **arguments}
    return KINDS[task](**made)


# The curves -------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("task", KINDS)
def test_the_loss_of_a_validation_set(task: str, weighted: bool, backend: str) -> None:
    """Without the penalty, which is large here."""
    X, y, val = parts(task)
    rows = np.random.default_rng(0).random(50) if weighted else None
    model = network(task, backend, alpha=5.0).fit(X, y, **val, sample_weight_val=rows)
    X_val, y_val = val.values()
    if task == "multilabel":
        p = model.predict_proba(X_val)
        each = -np.log(np.where(y_val == 1, p, 1 - p)).sum(axis=1)
        expected = np.average(each, weights=rows)
    elif task in ("binary", "multiclass"):
        expected = log_loss(y_val, model.predict_proba(X_val), sample_weight=rows)
    else:
        expected = mean_squared_error(y_val, model.predict(X_val), sample_weight=rows) / 2
    assert model.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-11)
    score = model.score(X_val, y_val, sample_weight=rows)
    assert model.validation_scores_[-1] == pytest.approx(score, rel=1e-11)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert len(model.validation_loss_curve_) == len(model.validation_scores_) == 4


@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_of_counts(weighted: bool, backend: str) -> None:
    X, _, val = parts("regression 1")
    rows = np.random.default_rng(0).random(50) if weighted else None
    counts = np.random.default_rng(1).poisson(2.0, 150).astype(float)
    model = network("regression 1", backend, loss="poisson")
    model.fit(X, counts[:100], X_val=val["X_val"], y_val=counts[100:], sample_weight_val=rows)
    found = model.predict(val["X_val"])
    deviance = mean_poisson_deviance(counts[100:], found, sample_weight=rows)
    assert model.validation_loss_curve_[-1] == pytest.approx(deviance / 2, rel=1e-10)


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_the_loss_is_the_one_trained_on(task: str, backend: str) -> None:
    """So with smoothed labels, and comparable with ``loss_curve_``; the score is of the labels."""
    X, y, _ = parts(task)
    model = network(task, backend, label_smoothing=0.2, alpha=0.0, batch_size=100)
    model.set_params(learning_rate_init=1e-300, max_iter=1).fit(X, y, X_val=X, y_val=y)
    assert model.validation_loss_curve_[0] == pytest.approx(model.loss_, rel=1e-12)
    assert model.validation_scores_[0] == pytest.approx(model.score(X, y))


@pytest.mark.parametrize("how", [{}, {"loss": nn.HuberLoss()}, {"normalization": "batch"}])
def test_who_is_watched_trains_the_same(how: dict[str, Any], backend: str) -> None:
    """Without early stopping a validation set changes no weight and no loss."""
    X, y, val = parts("regression 1")
    plain, watched = (
        network("regression 1", backend, **how).fit(X, y, **given) for given in ({}, val)
    )
    assert_equal_weights(watched, plain)
    assert watched.loss_curve_ == plain.loss_curve_
    assert watched.best_loss_ == plain.best_loss_ == min(plain.loss_curve_)
    assert plain.validation_loss_curve_ is None
    assert plain.validation_scores_ is None
    assert plain.best_validation_score_ is None


def test_a_warm_start_goes_on_with_the_curves(backend: str) -> None:
    X, y, val = parts("binary")
    model = network("binary", backend, warm_start=True).fit(X, y, **val)
    first = list(model.validation_loss_curve_)
    model.fit(X, y, **val)
    assert model.validation_loss_curve_[:4] == first
    assert len(model.validation_loss_curve_) == len(model.loss_curve_) == 8


# Early stopping ---------------------------------------------------------------------------------


def stopping(task: str, backend: str, **arguments: Any) -> Any:
    """Return an estimator that learns too fast, so that it gets worse again."""
    made: dict[str, Any] = {
        "early_stopping": True,
        "learning_rate_init": 0.1,
        "max_iter": 60,
        "n_iter_no_change": 4,
    }
    return network(task, backend, **(made | arguments))


def test_all_rows_are_trained_on(backend: str) -> None:
    """With a validation set given, none is held back."""
    X, y, val = parts("multiclass")
    stopped = stopping("multiclass", backend).fit(X, y, **val)
    plain = stopping("multiclass", backend, early_stopping=False, max_iter=3).fit(X, y)
    assert stopped.loss_curve_[:3] == plain.loss_curve_
    assert stopped.t_ == 100 * stopped.n_iter_


def where_it_stops(scores: list[float], tol: float, patience: int, max_iter: int) -> int:
    """Return the epochs of scikit-learn's rule, that a score must beat the best by ``tol``."""
    best, waited = -np.inf, 0
    for epoch, score in enumerate(scores, 1):
        waited = waited + 1 if score < best + tol else 0
        best = max(best, score)
        if waited > patience:
            return epoch
    return max_iter


@pytest.mark.parametrize("scoring", [None, "loss", "f1_macro", "neg_log_loss"])
def test_where_it_stops_and_what_it_keeps(scoring: str | None, backend: str) -> None:
    X, y, val = parts("multiclass")
    model = stopping("multiclass", backend, scoring=scoring, tol=1e-3).fit(X, y, **val)
    scores = model.validation_scores_
    assert model.n_iter_ == len(scores) == where_it_stops(scores, 1e-3, 4, 60) < 60
    best = int(np.argmax(scores)) + 1
    assert 1 < best < model.n_iter_
    X_val, y_val = val.values()
    chances, found = model.predict_proba(X_val), model.predict(X_val)
    expected = {
        None: (found == y_val).mean(),
        "loss": -log_loss(y_val, chances),
        "f1_macro": f1_score(y_val, found, average="macro"),
        "neg_log_loss": -log_loss(y_val, chances),
    }[scoring]
    assert max(scores) == model.best_validation_score_ == pytest.approx(expected, rel=1e-11)
    until_then = stopping("multiclass", backend, early_stopping=False, max_iter=best)
    assert_equal_weights(model, until_then.fit(X, y))
    assert model.best_loss_ is None


def test_the_loss_and_its_scorer_agree(backend: str) -> None:
    X, y, val = parts("binary")
    a, b = (
        stopping("binary", backend, scoring=scoring).fit(X, y, **val)
        for scoring in ("loss", "neg_log_loss")
    )
    np.testing.assert_allclose(a.validation_scores_, b.validation_scores_, rtol=1e-11)
    assert a.validation_scores_ == [-loss for loss in a.validation_loss_curve_]
    assert_equal_weights(a, b)


def test_a_scorer_of_ones_own(backend: str) -> None:
    """It is given the estimator as of then, the data as given, and their weights."""
    X, y, val = parts("binary")
    rows = np.random.default_rng(0).random(50)
    seen: list[Any] = []

    def scorer(model: Any, X: Any, y: Any, sample_weight: Any) -> float:
        np.testing.assert_array_equal(X, val["X_val"])
        np.testing.assert_array_equal(y, val["y_val"])
        np.testing.assert_array_equal(sample_weight, rows)
        seen.append(weights(model))
        return float(model.score(X, y, sample_weight))

    fits = [
        network("binary", backend, scoring=scoring).fit(X, y, **val, sample_weight_val=rows)
        for scoring in (scorer, None)
    ]
    np.testing.assert_allclose(fits[0].validation_scores_, fits[1].validation_scores_, rtol=1e-12)
    assert len(seen) == 4
    for epoch, then in enumerate(seen, 1):
        short = network("binary", backend, max_iter=epoch).fit(X, y)
        for found, expected in zip(then, weights(short), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_the_weights_of_the_validation_set_decide(backend: str) -> None:
    """Weights of 0 are as good as no rows at all."""
    X, y, val = parts("multiclass")
    fewer = {"X_val": val["X_val"][:30], "y_val": val["y_val"][:30]}
    a = stopping("multiclass", backend).fit(X, y, **val, sample_weight_val=np.arange(50) < 30)
    b = stopping("multiclass", backend).fit(X, y, **fewer)
    all_rows = stopping("multiclass", backend).fit(X, y, **val)
    np.testing.assert_allclose(a.validation_scores_, b.validation_scores_, rtol=1e-12)
    np.testing.assert_allclose(a.validation_loss_curve_, b.validation_loss_curve_, rtol=1e-11)
    assert_equal_weights(a, b)
    assert all_rows.validation_scores_ != b.validation_scores_


def test_a_loss_that_returns_a_mean_knows_no_weights(backend: str) -> None:
    X, y, val = parts("regression 1")

    def loss(prediction: Any, target: Any) -> Any:
        return ((prediction - target) * (prediction - target)).mean()

    model = network("regression 1", backend, loss=loss).fit(X, y, **val)
    error = mean_squared_error(val["y_val"], model.predict(val["X_val"]))
    assert model.validation_loss_curve_[-1] == pytest.approx(error, rel=1e-11)
    with pytest.raises(ValueError, match=r"a loss must return that of each row, \(n,\)"):
        model.fit(X, y, **val, sample_weight_val=np.ones(50))
