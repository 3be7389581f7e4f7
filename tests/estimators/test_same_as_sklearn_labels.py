"""As scikit-learn's: kinds of labels and targets, dtypes, and the names of all that is public."""

import inspect
from typing import Any

import numpy as np
import pytest
import sklearn.neural_network as theirs

import accelnn as ours
from tests.estimators.pairs import WEIGHTS, assert_same, assert_same_fit, both, small

pytestmark = [
    # A few epochs are enough to compare, not to converge.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

CODES = small("multiclass")[1]
TWO = CODES // 2
LETTERS = np.array(["a", "bb", "c", "dd"])
LABELS: dict[str, Any] = {
    "bool": TWO == 1,
    "str": LETTERS[CODES],
    "two str": LETTERS[TWO],
    "object": LETTERS.astype(object)[CODES],
    "int8": CODES.astype(np.int8),
    "uint8": CODES.astype(np.uint8),
    "two uint8": TWO.astype(np.uint8),
    "negative": CODES - 5,
    "-1 and 1": 2 * TWO - 1,
    "floats": CODES + 1.0,
    "1.0 and 2.0": TWO + 1.0,
    "float32": CODES.astype(np.float32),
    "with gaps": CODES * 2**40,
    "list": CODES.tolist(),
    "list of str": LETTERS[CODES].tolist(),
    "one class": np.full(150, 5),
    "one word": np.full(150, "yes"),
    "indicators of bool": np.eye(4, dtype=bool)[CODES],
    "indicators of int8": np.eye(4, dtype=np.int8)[CODES],
    "indicators of float": np.eye(4)[CODES],
    "indicators in lists": np.eye(4, dtype=int)[CODES].tolist(),
    "two indicators": np.eye(2, dtype=int)[TWO],
}


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("kind", LABELS)
def test_labels(kind: str, early_stopping: bool, backend: str) -> None:
    X, y = small("multiclass")[0], LABELS[kind]
    reference, mine = both("multiclass", backend, max_iter=4, early_stopping=early_stopping)
    assert_same_fit(mine.fit(X, y), reference.fit(X, y))
    for method in ("predict", "predict_proba", "predict_log_proba"):
        found, expected = getattr(mine, method)(X), getattr(reference, method)(X)
        assert_same(found, expected, method, WEIGHTS)
    assert_same(mine.score(X, y), reference.score(X, y), "score", WEIGHTS)


@pytest.mark.parametrize("kind", [kind for kind in LABELS if "indicators" not in kind])
def test_labels_by_partial_fit(kind: str) -> None:
    X, y = small("multiclass")[0], LABELS[kind]
    pair = both("multiclass", "numpy", batch_size=5)
    for estimator in pair:
        estimator.partial_fit(X[:9], y[:9], classes=list(np.unique(y))).partial_fit(X, y)
    assert_same_fit(pair[1], pair[0])
    assert_same(pair[1].predict(X), pair[0].predict(X), "predict", WEIGHTS)


TARGETS: dict[str, Any] = {
    "int": CODES,
    "bool": TWO == 1,
    "float32": CODES.astype(np.float32),
    "list": CODES.tolist(),
    "two lists": np.stack([CODES, TWO], axis=1).tolist(),
    "object": CODES.astype(object),
    "uint8": np.stack([CODES, TWO, TWO], axis=1).astype(np.uint8),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_targets(kind: str, backend: str) -> None:
    X, y = small("multiclass")[0], TARGETS[kind]
    reference, mine = both("regression 1", backend, max_iter=4)
    assert_same_fit(mine.fit(X, y), reference.fit(X, y))
    assert_same(mine.predict(X), reference.predict(X), "predict", WEIGHTS)


# Dtypes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64, np.bool_])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression 3"])
def test_dtypes(task: str, solver: str, dtype: Any, backend: str) -> None:
    X, y = small(task)
    X = (9 * X).astype(dtype)
    reference, mine = both(task, backend, solver=solver, max_iter=2)
    for estimator in (reference, mine):
        estimator.fit(X, y)
    kept = np.float32 if dtype is np.float32 else np.float64
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(getattr(mine, name), getattr(reference, name), strict=True):
            assert a.dtype == b.dtype == kept
    for method in ("predict", "predict_proba", "predict_log_proba"):
        if hasattr(mine, method):
            assert getattr(mine, method)(X).dtype == getattr(reference, method)(X).dtype


@pytest.mark.parametrize("task", ["binary", "regression 3"])
def test_a_network_of_float32_stays_one(task: str, backend: str) -> None:
    """scikit-learn's L-BFGS gives float64, and so do its predictions for rows of float64."""
    X, y = small(task)
    method = "predict" if task.startswith("regression") else "predict_proba"
    for solver in ("adam", "lbfgs"):
        reference, mine = both(task, backend, solver=solver, max_iter=2)
        for estimator in (reference, mine):
            estimator.fit(X.astype(np.float32), y)
        assert reference.coefs_[0].dtype == (np.float64 if solver == "lbfgs" else np.float32)
        assert getattr(reference, method)(X).dtype == np.float64
        assert mine.coefs_[0].dtype == getattr(mine, method)(X).dtype == np.float32
        found, expected = getattr(mine, method)(X), getattr(reference, method)(X)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


# What is public ----------------------------------------------------------------------------------

#: Where a signature of ours has more, after theirs and by keyword only.
LONGER = {"fit", "set_fit_request"}


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_every_public_method_is_there(name: str) -> None:
    reference, mine = getattr(theirs, name), getattr(ours, name)
    public = [n for n in dir(reference) if not n.startswith("_")]
    assert {"fit", "predict", "score", "partial_fit", "set_params"} <= set(public)
    for method in public:
        expected = inspect.signature(getattr(reference, method)).parameters
        found = inspect.signature(getattr(mine, method)).parameters
        shared = [(p.name, p.kind, p.default) for p in found.values() if p.name in expected]
        assert shared == [(p.name, p.kind, p.default) for p in expected.values()], method
        more = [p.kind for p in found.values() if p.name not in expected]
        assert set(more) == ({inspect.Parameter.KEYWORD_ONLY} if method in LONGER else set())


def test_one_difference_of_lbfgs() -> None:
    """There is no ``partial_fit`` with L-BFGS; scikit-learn's regressor, by a slip, has one."""
    for name, there in (("MLPClassifier", False), ("MLPRegressor", True)):
        assert hasattr(getattr(theirs, name)(solver="lbfgs"), "partial_fit") == there
        assert not hasattr(getattr(ours, name)(solver="lbfgs"), "partial_fit")


def test_a_log_loss_is_not_cut_off(backend: str) -> None:
    """scikit-learn rounds probabilities up to 2.2e-16, so that no row loses more than 36."""
    X, y = np.array([[1.0], [-1.0]]), [0, 1]
    still: dict[str, Any] = {"solver": "sgd", "learning_rate_init": 1e-9, "alpha": 0.0}
    losses = []
    for estimator in both(
        "binary", backend, hidden_layer_sizes=(), batch_size=2, warm_start=True, max_iter=1, **still
    ):
        estimator.fit(X, y)
        estimator.coefs_ = [np.array([[100.0]])]  # wrong about both rows, by 100
        estimator.intercepts_ = [np.array([0.0])]
        losses.append(estimator.fit(X, y).loss_)
    assert losses == [pytest.approx(36.04365, rel=1e-6), pytest.approx(100.0, rel=1e-6)]
