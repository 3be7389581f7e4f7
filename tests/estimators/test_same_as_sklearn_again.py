"""As scikit-learn's: fits that go on where another one ended, with other arguments."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.estimators.conftest import data
from tests.estimators.pairs import (
    NAMES,
    assert_same_fit,
    assert_same_weights,
    both,
    first_call,
    small,
)

pytestmark = [
    # A few epochs are enough to compare, not to converge.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # The last call of each sequence has fewer rows than a minibatch.
    pytest.mark.filterwarnings("ignore:Got `batch_size`"),
]

TASKS = [task for task in NAMES if task != "regression 3"]
Steps = Callable[[Any, Any, Any, dict[str, Any]], None]


def refitted(e: Any, X: Any, y: Any, first: dict[str, Any]) -> None:
    e.fit(X, y).fit(X, y)


def refitted_otherwise(e: Any, X: Any, y: Any, first: dict[str, Any]) -> None:
    e.fit(X, y).set_params(max_iter=9).fit(X, y)
    e.set_params(learning_rate_init=0.1, alpha=0.3).fit(X[:100], y[:100])
    e.set_params(batch_size=30, max_iter=3).fit(X, y)


def fit_then_partial_fit(e: Any, X: Any, y: Any, first: dict[str, Any]) -> None:
    e.fit(X, y).partial_fit(X, y).fit(X, y).partial_fit(X[:40], y[:40])


def partial_fit_then_fit(e: Any, X: Any, y: Any, first: dict[str, Any]) -> None:
    e.partial_fit(X, y, **first).partial_fit(X, y).fit(X, y).partial_fit(X, y)


def partial_fit_otherwise(e: Any, X: Any, y: Any, first: dict[str, Any]) -> None:
    """The optimizer stays as it was made; the penalty is not a part of it."""
    e.partial_fit(X, y, **first)
    e.set_params(learning_rate_init=0.5, alpha=1.0, momentum=0.1, beta_1=0.1)
    e.partial_fit(X, y)


def another_solver(e: Any, X: Any, y: Any, first: dict[str, Any]) -> None:
    other = "adam" if e.solver == "sgd" else "sgd"
    e.fit(X, y).set_params(solver=other).fit(X, y).set_params(alpha=0.2).partial_fit(X, y)


STEPS = [
    refitted,
    refitted_otherwise,
    fit_then_partial_fit,
    partial_fit_then_fit,
    partial_fit_otherwise,
    another_solver,
]


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("task", TASKS)
def test_one_call_after_another(
    task: str, solver: str, steps: Steps, warm_start: bool, backend: str
) -> None:
    X, y = small(task)
    pair = both(task, backend, solver=solver, warm_start=warm_start, max_iter=4)
    for estimator in pair:
        steps(estimator, X, y, first_call(task, y))
    assert_same_weights(pair[1], pair[0])
    if backend == "numpy":  # the others report penalties that change fast less exactly
        assert_same_fit(pair[1], pair[0])


@pytest.mark.parametrize("steps", [refitted, refitted_otherwise])
@pytest.mark.parametrize("task", TASKS)
def test_lbfgs_again(task: str, steps: Steps, backend: str) -> None:
    X, y = small(task)
    pair = both(task, backend, solver="lbfgs", warm_start=True, max_iter=2)
    for estimator in pair:
        steps(estimator, X, y, {})
    assert_same_fit(pair[1], pair[0])


@pytest.mark.parametrize("task", TASKS)
def test_lbfgs_after_another_solver(task: str, backend: str) -> None:
    X, y = small(task)
    pair = both(task, backend, warm_start=True, max_iter=3)
    for estimator in pair:
        estimator.fit(X, y).set_params(solver="lbfgs").fit(X, y)
    assert_same_weights(pair[1], pair[0])
    assert pair[1].loss_ == pytest.approx(pair[0].loss_, rel=1e-10)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_early_stopping_again(solver: str, backend: str) -> None:
    """The scores of both fits are kept, and the best of them all counts."""
    X, y = data("regression 1")
    more = {"early_stopping": True, "warm_start": True, "max_iter": 5}
    pair = both("regression 1", backend, solver=solver, **more)
    for estimator in pair:
        estimator.fit(X, y).set_params(max_iter=10).fit(X, y)
    assert len(pair[1].validation_scores_) == 15
    assert_same_fit(pair[1], pair[0])


# Where scikit-learn's ends in a TypeError or AttributeError of its own code ---------------------


def test_lbfgs_first(backend: str) -> None:
    """L-BFGS keeps no curve, and a fit that goes on begins one."""
    X, y = data("binary")
    _, mine = both("binary", backend, solver="lbfgs", max_iter=3)
    start = mine.fit(X, y).coefs_[0].copy()
    mine.set_params(solver="sgd", learning_rate_init=1e-3).partial_fit(X, y)
    assert len(mine.loss_curve_) == mine.n_iter_ == 1
    assert mine.loss_curve_[0] == mine.best_loss_
    assert 0 < abs(mine.coefs_[0] - start).max() < 0.1  # gone on with, not begun again


@pytest.mark.parametrize("early", [False, True])
def test_early_stopping_switched(early: bool, backend: str) -> None:
    X, y = data("binary")
    _, mine = both("binary", backend, warm_start=True, early_stopping=early, max_iter=3)
    mine.fit(X, y).set_params(early_stopping=not early).fit(X, y)
    assert len(mine.loss_curve_) == 6
    if early:
        assert (mine.validation_scores_, mine.best_validation_score_) == (None, None)
        assert mine.best_loss_ == min(mine.loss_curve_[3:])
    else:
        assert mine.best_loss_ is None
        assert len(mine.validation_scores_) == 3


def test_a_warm_start_without_a_better_score_changes_nothing(backend: str) -> None:
    """scikit-learn trains on the best weights themselves and so gives back the last ones."""
    X, y = data("binary")
    more = {"early_stopping": True, "warm_start": True, "max_iter": 6}
    _, mine = both("binary", backend, solver="sgd", **more)
    best = [w.copy() for w in mine.fit(X, y).coefs_]
    mine.best_validation_score_ = 2.0  # which no accuracy beats
    mine.fit(X, y)
    for found, expected in zip(mine.coefs_, best, strict=True):
        np.testing.assert_array_equal(found, expected)
