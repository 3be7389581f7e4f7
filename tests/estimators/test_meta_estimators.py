"""Inside scikit-learn's estimators of estimators: the results that its own network gives there."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingRegressor,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.inspection import permutation_importance
from sklearn.model_selection import cross_val_predict, learning_curve
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor

from tests.estimators.conftest import data
from tests.estimators.pairs import both

pytestmark = [
    # Few epochs, for speed.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # Parts of the data are smaller than a minibatch.
    pytest.mark.filterwarnings("ignore:Got `batch_size`"),
]

WEIGHTS = np.random.default_rng(0).random(150)


def voting(e: Any, X: Any, y: Any) -> Any:
    members = [("a", e), ("b", clone(e).set_params(random_state=1))]
    return VotingClassifier(members, voting="soft").fit(X, y).predict_proba(X)


def boosted_classes(e: Any, X: Any, y: Any) -> Any:
    return AdaBoostClassifier(e, n_estimators=3, random_state=0).fit(X, y).predict_proba(X)


def boosted_numbers(e: Any, X: Any, y: Any) -> Any:
    return AdaBoostRegressor(e, n_estimators=3, random_state=0).fit(X, y).predict(X)


def bagged(e: Any, X: Any, y: Any) -> Any:
    return BaggingRegressor(e, n_estimators=3, random_state=0).fit(X, y).predict(X)


def stacked(e: Any, X: Any, y: Any) -> Any:
    return StackingRegressor([("a", e)], cv=3).fit(X, y).predict(X)


def one_per_output(e: Any, X: Any, y: Any) -> Any:
    return MultiOutputRegressor(e).fit(X, y, sample_weight=WEIGHTS).predict(X)


def one_against_all(e: Any, X: Any, y: Any) -> Any:
    return OneVsRestClassifier(e).fit(X, y).predict_proba(X)


def calibrated(e: Any, X: Any, y: Any) -> Any:
    model = CalibratedClassifierCV(e, cv=3).fit(X, y, sample_weight=WEIGHTS)
    return model.predict_proba(X)


def importances(e: Any, X: Any, y: Any) -> Any:
    found = permutation_importance(e.fit(X, y), X, y, n_repeats=2, random_state=0)
    return found.importances


def learned(e: Any, X: Any, y: Any) -> Any:
    return learning_curve(e, X, y, cv=3, train_sizes=[0.5, 1.0])[2]


def learned_on(e: Any, X: Any, y: Any) -> Any:
    """By ``partial_fit``."""
    more: dict[str, Any] = {"exploit_incremental_learning": True}
    return learning_curve(e, X, y, cv=3, train_sizes=[0.5, 1.0], **more)[2]


def held_out(e: Any, X: Any, y: Any) -> Any:
    return cross_val_predict(e, X, y, cv=3, method="predict_log_proba")


@pytest.mark.parametrize(
    ("task", "use"),
    [
        ("multiclass", voting),
        ("binary", boosted_classes),
        ("regression 1", boosted_numbers),
        ("regression 3", bagged),
        ("regression 1", stacked),
        ("regression 3", one_per_output),
        ("multiclass", one_against_all),
        ("binary", calibrated),
        ("regression 1", importances),
        ("multiclass", learned),
        ("binary", learned_on),
        ("multiclass", held_out),
    ],
)
def test_as_with_their_network(task: str, use: Any, backend: str) -> None:
    X, y = data(task)
    reference, mine = both(task, backend, max_iter=6, learning_rate_init=0.05)
    expected, found = use(reference, X, y), use(mine, X, y)
    assert np.ptp(expected) > 1e-3  # something was learned
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)
