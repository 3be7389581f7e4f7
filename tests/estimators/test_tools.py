"""With scikit-learn's tools: pickle, clone, search, pipelines, callbacks."""

import pickle
from collections import Counter
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.callback import ProgressBar, ScoringMonitor
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


def test_a_pickle_changes_nothing(backend: str) -> None:
    model = MLPClassifier((6,), max_iter=3, backend=backend).fit(*data("binary"))
    before, coefs = dict(vars(model)), model.coefs_
    pickle.dumps(model)
    assert vars(model) == before
    assert model.coefs_ is coefs


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


def test_grid_search_in_other_processes(binary: tuple[Any, Any], backend: str) -> None:
    X, y = binary
    model = MLPClassifier((6,), max_iter=5, random_state=0, backend=backend)
    searches = [
        GridSearchCV(model, {"alpha": [1e-4, 10.0]}, cv=2, n_jobs=n).fit(X, y) for n in (None, 2)
    ]
    here, there = (search.cv_results_["mean_test_score"].tolist() for search in searches)
    assert there == here
    assert searches[1].best_estimator_.backend_ == backend


# scikit-learn's callbacks -----------------------------------------------------------------------

KINDS_OF_FIT: list[dict[str, Any]] = [
    {},
    {"early_stopping": True},
    {"solver": "lbfgs"},
    {"normalization": "batch"},  # the eager way
]


@pytest.mark.parametrize("arguments", KINDS_OF_FIT)
def test_scoring_monitor(arguments: dict[str, Any], binary: tuple[Any, Any], backend: str) -> None:
    """The score of each epoch, by a copy of the estimator as it then is; and the fit is as ever."""
    X, y = binary
    made: dict[str, Any] = {"max_iter": 4, "random_state": 0, "backend": backend} | arguments
    monitor = ScoringMonitor(scoring="accuracy")
    model = MLPClassifier((6,), **made).set_callbacks(monitor).fit(X, y)
    rows = monitor.get_logs().data
    assert [row["task_name"] for row in rows] == ["fit"] + ["epoch"] * 4
    assert rows[0]["accuracy"] == model.score(X, y)
    plain = MLPClassifier((6,), **made).fit(X, y)
    for a, b in zip(model.coefs_, plain.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
    shorter = MLPClassifier((6,), **(made | {"max_iter": 2, "early_stopping": False})).fit(X, y)
    if not arguments.get("early_stopping"):  # which trains on fewer rows
        assert rows[2]["accuracy"] == shorter.score(X, y)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_callback_in_a_search(n_jobs: Any, binary: tuple[Any, Any]) -> None:
    """Two values, two folds and the refit, here or in other processes."""
    monitor = ScoringMonitor(scoring="accuracy")
    model = MLPClassifier((6,), max_iter=3, random_state=0).set_callbacks(monitor)
    pipeline = make_pipeline(StandardScaler(), model)
    grid = {"mlpclassifier__alpha": [1e-4, 10.0]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=n_jobs).fit(*binary)
    rows = monitor.get_logs().data
    assert Counter(row["task_name"] for row in rows) == {"fit": 5, "epoch": 15}
    assert search.score(*binary) in {row["accuracy"] for row in rows if row["task_name"] == "fit"}


def test_progress_bar(binary: tuple[Any, Any], capsys: Any, backend: str) -> None:
    model = MLPClassifier((6,), max_iter=3, backend=backend).set_callbacks(ProgressBar())
    model.fit(*binary)
    assert "MLPClassifier - fit" in (said := capsys.readouterr().out)
    assert "100%" in said


def test_a_callback_stops_the_fit(binary: tuple[Any, Any], backend: str) -> None:
    class Stopper:
        """As scikit-learn's protocol has it."""

        heard = 0

        def setup(self, estimator: Any, context: Any) -> None:
            """Nothing to prepare."""

        def teardown(self, estimator: Any, context: Any) -> None:
            """Nothing to put away."""

        def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
            """Nothing to begin."""

        def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
            self.heard += 1
            return self.heard == 2

    stopper = Stopper()
    model = MLPClassifier((6,), max_iter=9, backend=backend).set_callbacks(stopper)
    assert model.fit(*binary).n_iter_ == 2
    assert stopper.heard == 3  # two epochs and the fit
    assert len(model.loss_curve_) == 2


@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_a_scorer_leaves_normalisation_to_train(
    normalization: str, binary: tuple[Any, Any], backend: str
) -> None:
    """A score is of the network as it predicts; the next epoch is one of training again."""
    X, y = binary
    made: dict[str, Any] = {"max_iter": 4, "random_state": 0, "normalization": normalization}
    fits = [
        MLPClassifier((6,), **made, scoring=scoring, backend=backend).fit(X, y, X_val=X, y_val=y)
        for scoring in (None, "accuracy")
    ]
    assert fits[1].loss_curve_ == fits[0].loss_curve_
    assert fits[1].validation_scores_ == fits[0].validation_scores_
    assert fits[1].validation_scores_[-1] == fits[1].score(X, y)
