"""With scikit-learn's tools: pickle, clone, search, pipelines."""

import pickle
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from accelnn import MLPClassifier, MLPRegressor, get_backend
from tests.estimators.conftest import data

pytestmark = [
    # Few epochs, for speed.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def n_bytes(model: Any) -> int:
    return sum(a.nbytes for a in [*model.coefs_, *model.intercepts_])


@pytest.mark.parametrize(("solver", "states"), [("adam", 2), ("sgd", 1), ("lbfgs", 0)])
def test_a_pickle_is_the_model_and_nothing_else(solver: str, states: int, backend: str) -> None:
    """Weights, and what the optimizer needs to go on; no workspace, no gradient, no data."""
    X, y = np.random.default_rng(0).standard_normal((3000, 40)), np.arange(3000) % 3
    model = MLPClassifier((100, 50), solver=solver, max_iter=2, random_state=0, backend=backend)
    model.fit(X, y)
    dumped = pickle.dumps(model)
    assert len(dumped) < (1 + states) * n_bytes(model) + 6000
    twin = pickle.loads(dumped)
    np.testing.assert_array_equal(twin.predict_proba(X), model.predict_proba(X))
    assert twin.get_params() == model.get_params()
    assert twin.backend_ == backend


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_pickle_goes_on_where_it_was(solver: str, backend: str) -> None:
    X, y = data("multiclass")
    model = MLPClassifier((6,), solver=solver, random_state=0, backend=backend)
    model.partial_fit(X, y, classes=np.unique(y)).partial_fit(X, y)
    twin = pickle.loads(pickle.dumps(model))
    model.partial_fit(X, y)
    twin.partial_fit(X, y)
    for a, b in zip(model.coefs_ + model.intercepts_, twin.coefs_ + twin.intercepts_, strict=True):
        np.testing.assert_array_equal(a, b)


def test_joblib(binary: tuple[Any, Any], tmp_path: Any, backend: str) -> None:
    X, y = binary
    model = MLPClassifier((6,), max_iter=3, backend=backend).fit(X, y)
    joblib.dump(model, tmp_path / "model.joblib")
    twin = joblib.load(tmp_path / "model.joblib", mmap_mode="r")  # read-only weights
    np.testing.assert_array_equal(twin.predict_proba(X), model.predict_proba(X))


def test_clone(binary: tuple[Any, Any], backend: str) -> None:
    model = MLPClassifier((6, 4), alpha=0.5, backend=backend).set_params(max_iter=3).fit(*binary)
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    assert not hasattr(twin, "coefs_")
    assert repr(twin).startswith("MLPClassifier(alpha=0.5, backend=")
    held = clone(MLPClassifier(backend=get_backend("numba")))
    assert held.backend is get_backend("numba")


def test_kinds() -> None:
    assert is_classifier(MLPClassifier())
    assert is_regressor(MLPRegressor())
    assert not is_classifier(MLPRegressor())


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grid_search(n_jobs: Any, multiclass: tuple[Any, Any], backend: str) -> None:
    X, y = multiclass
    grid: Any = {"hidden_layer_sizes": [(), (12,)], "alpha": [1e-4, 100.0]}
    model = MLPClassifier(solver="lbfgs", max_iter=60, random_state=0, backend=backend)
    with joblib.parallel_backend("threading"):
        search = GridSearchCV(model, grid, cv=3, n_jobs=n_jobs).fit(X, y)
    assert search.best_params_["alpha"] == 1e-4
    assert search.best_estimator_.backend_ == backend
    assert search.best_score_ > search.cv_results_["mean_test_score"].min()
    one = MLPClassifier(**model.get_params()).set_params(**search.best_params_)
    assert cross_val_score(one, X, y, cv=3).mean() == pytest.approx(search.best_score_)


def test_pipeline(multiclass: tuple[Any, Any], backend: str) -> None:
    X, y = multiclass
    X = X * np.arange(1, 8) * 1000  # unusable without the scaler
    pipeline = make_pipeline(
        StandardScaler(), MLPClassifier((20,), solver="lbfgs", random_state=0, backend=backend)
    )
    assert pipeline.fit(X, y).score(X, y) > 0.95
    pipeline.set_params(mlpclassifier__backend="numpy")
    assert pipeline[-1].backend == "numpy"
    by_hand = pipeline[-1].predict(StandardScaler().fit_transform(X))
    np.testing.assert_array_equal(pipeline.predict(X), by_hand)


def test_feature_names(multiclass: tuple[Any, Any], backend: str) -> None:
    pandas = pytest.importorskip("pandas", reason="feature names come from pandas")
    X, y = multiclass
    frame = pandas.DataFrame(X, columns=list("abcdefg"))
    model = MLPClassifier((3,), max_iter=2, backend=backend).fit(frame, y)
    assert model.feature_names_in_.tolist() == list("abcdefg")
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("gfedcba")])
