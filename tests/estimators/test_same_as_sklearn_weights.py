"""As scikit-learn's: weights of samples, counts, sparse data, labels that are sparse."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from tests.estimators.pairs import (
    NAMES,
    WEIGHTS,
    assert_same,
    assert_same_fit,
    both,
    first_call,
    small,
)

pytestmark = [
    # A few epochs are enough to compare, not to converge.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # What is held back from several outputs is scored on few rows.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning"),
]

SHORT: dict[str, Any] = {"max_iter": 5}
STOPPING: dict[str, Any] = {"early_stopping": True, "max_iter": 20, "n_iter_no_change": 3}
RNG = np.random.default_rng(0)
SAMPLE_WEIGHTS = {
    "random": RNG.random(150),
    "integers": RNG.integers(1, 4, 150),
    "with zeros": RNG.integers(0, 3, 150).astype(float),
}


def holes(task: str) -> tuple[Any, Any]:
    """Return data with zeros in X."""
    X, y = small(task)
    return np.where(abs(X) < 0.2, 0.0, X), y


def counts(n_outputs: int) -> tuple[Any, Any]:
    """Return X and counts y."""
    X, y = small(f"regression {n_outputs}")
    return X, np.random.default_rng(1).poisson(np.exp(np.clip(y, -2, 2)))


@pytest.mark.parametrize("weights", SAMPLE_WEIGHTS)
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("task", NAMES)
def test_sample_weight(task: str, solver: str, weights: str, backend: str) -> None:
    X, y = small(task)
    reference, mine = both(task, backend, solver=solver, **SHORT)
    given = SAMPLE_WEIGHTS[weights]
    assert_same_fit(mine.fit(X, y, given), reference.fit(X, y, given))
    assert mine.score(X, y, given) == pytest.approx(reference.score(X, y, given), rel=1e-9)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("task", NAMES)
def test_sample_weight_and_early_stopping(task: str, solver: str, backend: str) -> None:
    """The weights are split with the rows, and count in the scores."""
    X, y = small(task)
    reference, mine = both(task, backend, solver=solver, learning_rate_init=0.1, **STOPPING)
    given = SAMPLE_WEIGHTS["random"]
    assert_same_fit(mine.fit(X, y, given), reference.fit(X, y, given))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("task", NAMES)
def test_sample_weight_of_partial_fit(task: str, solver: str, backend: str) -> None:
    """It comes third, before the classes."""
    X, y = small(task)
    pair = both(task, backend, solver=solver)
    for estimator in pair:
        estimator.partial_fit(X, y, SAMPLE_WEIGHTS["random"], *first_call(task, y).values())
        estimator.partial_fit(X, y, sample_weight=SAMPLE_WEIGHTS["with zeros"])
        estimator.partial_fit(X, y)
    assert_same_fit(pair[1], pair[0])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_poisson(n_outputs: int, solver: str, weighted: bool, backend: str) -> None:
    X, y = counts(n_outputs)
    given = SAMPLE_WEIGHTS["random"] if weighted else None
    task = f"regression {n_outputs}"
    reference, mine = both(task, backend, loss="poisson", solver=solver, **SHORT)
    assert_same_fit(mine.fit(X, y, given), reference.fit(X, y, given))
    assert_same(mine.predict(X), reference.predict(X), "predict", WEIGHTS)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_poisson_with_early_stopping(n_outputs: int, solver: str, backend: str) -> None:
    X, y = counts(n_outputs)
    given = SAMPLE_WEIGHTS["random"]
    task = f"regression {n_outputs}"
    reference, mine = both(task, backend, loss="poisson", solver=solver, **STOPPING)
    assert_same_fit(mine.fit(X, y, given), reference.fit(X, y, given))


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_poisson_by_partial_fit(n_outputs: int, backend: str) -> None:
    X, y = counts(n_outputs)
    pair = both(f"regression {n_outputs}", backend, loss="poisson")
    for estimator in pair:
        estimator.partial_fit(X, y).partial_fit(X, y, SAMPLE_WEIGHTS["random"])
    assert_same_fit(pair[1], pair[0])


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_array])
@pytest.mark.parametrize("arguments", [SHORT, SHORT | {"solver": "lbfgs"}, STOPPING])
@pytest.mark.parametrize("task", NAMES)
def test_sparse(task: str, arguments: dict[str, Any], kind: Any, backend: str) -> None:
    X, y = holes(task)
    S = kind(X)
    reference, mine = both(task, backend, **arguments)
    assert_same_fit(mine.fit(S, y), reference.fit(S, y))
    expected = reference.predict(S)
    for features in (S, X):
        assert_same(mine.predict(features), expected, "predict", WEIGHTS)


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("task", NAMES)
def test_sparse_by_partial_fit(task: str, kind: Any, backend: str) -> None:
    X, y = holes(task)
    S = kind(X)
    pair = both(task, backend, solver="sgd", shuffle=False)
    for estimator in pair:
        estimator.partial_fit(S, y, **first_call(task, y)).partial_fit(S, y).partial_fit(X, y)
    assert_same_fit(pair[1], pair[0])


@pytest.mark.parametrize(
    "kind", [sparse.coo_matrix, sparse.lil_matrix, sparse.dok_array, sparse.bsr_array]
)
def test_other_sparse_kinds_are_converted(kind: Any) -> None:
    X, y = holes("binary")
    reference, mine = both("binary", "numpy")
    assert_same_fit(mine.fit(kind(X), y), reference.fit(kind(X), y))
    assert_same(mine.predict(kind(X)), reference.predict(kind(X)), "predict", WEIGHTS)


@pytest.mark.parametrize("arguments", [SHORT, STOPPING])
def test_sparse_labels(arguments: dict[str, Any], backend: str) -> None:
    """A sparse y of multilabel gives sparse predictions, in fit and in partial_fit."""
    X, y = small("multilabel")
    reference, mine = both("multilabel", backend, **arguments)
    S = sparse.csr_matrix(y)
    assert_same_fit(mine.fit(X, S), reference.fit(X, S))
    assert_same(mine.predict(X), reference.predict(X), "predict", WEIGHTS)
    assert mine.score(X, S) == reference.score(X, S)
    if not mine.early_stopping:
        for estimator in (reference, mine):
            estimator.partial_fit(X, y)
        assert_same(mine.predict(X), reference.predict(X), "predict", WEIGHTS)
    assert isinstance(mine.fit(X, y).predict(X), np.ndarray)
