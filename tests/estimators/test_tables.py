"""Data frames in and out, and the metadata that scikit-learn hands on to ``fit``."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import config_context
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from accelnn import MLPClassifier, MLPRegressor
from tests.estimators.conftest import data

pytestmark = [
    # Few epochs, for speed.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

NAMES = list("abcdefg")
FRAMES: dict[str, Any] = {
    "pandas": lambda X: pd.DataFrame(X, columns=NAMES),
    "polars": lambda X: pl.DataFrame(X, schema=NAMES),
}
frames = pytest.mark.parametrize("library", FRAMES)


def small(kind: Any = MLPClassifier, **arguments: Any) -> Any:
    common: dict[str, Any] = {"hidden_layer_sizes": (4, 3), "max_iter": 3, "random_state": 0}
    return kind(**(common | arguments))


@frames
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_frame_is_its_numbers(kind: Any, library: str, backend: str) -> None:
    X, y = data("binary")
    frame = FRAMES[library](X)
    by_frame, by_array = (small(kind, backend=backend).fit(given, y) for given in (frame, X))
    for a, b in zip(by_frame.coefs_, by_array.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
    assert isinstance(by_frame.predict(frame), np.ndarray)
    np.testing.assert_array_equal(by_frame.predict(frame), by_array.predict(X))
    assert by_frame.score(frame, y) == by_array.score(X, y)


@frames
def test_names_of_features_are_kept_and_checked(library: str) -> None:
    X, y = data("binary")
    frame = FRAMES[library](X)
    model = small().fit(frame, y)
    assert model.feature_names_in_.tolist() == NAMES
    for other in (NAMES[::-1], NAMES[:-1]):
        with pytest.raises(ValueError, match="feature names should match"):
            model.predict(frame[other])
        with pytest.raises(ValueError, match="feature names should match"):
            model.partial_fit(frame[other], y)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(X)
    model.fit(X, y)
    assert not hasattr(model, "feature_names_in_")
    with pytest.warns(UserWarning, match="X has feature names, but MLPClassifier was fitted"):
        model.predict(frame)


@frames
def test_a_name_that_is_no_string(library: str) -> None:
    """pandas has columns that are numbers; scikit-learn takes them for no names at all."""
    X, y = data("binary")
    frame = pd.DataFrame(X) if library == "pandas" else pl.DataFrame(X)
    model = small().fit(frame, y)
    assert hasattr(model, "feature_names_in_") == (library == "polars")


@frames
@pytest.mark.parametrize("scoring", [None, "accuracy"])
@pytest.mark.parametrize("given", [False, True])
def test_validation_says_nothing_of_names(given: bool, scoring: Any, library: str) -> None:
    X, y = data("binary")
    frame, held_back = FRAMES[library](X[:100]), {}
    if given:
        held_back = {"X_val": FRAMES[library](X[100:]), "y_val": y[100:]}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", message="Stochastic Optimizer")
        model = small(early_stopping=True, scoring=scoring, max_iter=20, learning_rate_init=0.05)
        model.fit(frame, y[:100], **held_back)
        assert model.feature_names_in_.tolist() == NAMES
        if given:
            accuracy = model.score(held_back["X_val"], y[100:])
            assert accuracy == model.best_validation_score_ == max(model.validation_scores_)
            assert accuracy > 0.85  # so that it matters which rows are scored


@frames
def test_a_validation_set_with_other_names(library: str) -> None:
    X, y = data("binary")
    frame = FRAMES[library](X)
    with pytest.raises(ValueError, match=r"validation set.* feature names should match"):
        small().fit(frame, y, X_val=frame[NAMES[::-1]], y_val=y)


@frames
def test_an_embedding_is_a_frame_if_wanted(library: str) -> None:
    X, y = data("binary")
    frame = FRAMES[library](X)
    model = small().fit(frame, y)
    assert isinstance(model.transform(frame), np.ndarray)
    names = ["mlpclassifier0", "mlpclassifier1", "mlpclassifier2"]
    assert model.get_feature_names_out().tolist() == names
    expected = model.hidden_activations(frame)
    for output, kind in (("pandas", pd.DataFrame), ("polars", pl.DataFrame)):
        model.set_output(transform=output)
        for found in (model.transform(frame), model.fit_transform(frame, y)):
            assert isinstance(found, kind)
            assert list(found.columns) == names
            np.testing.assert_array_equal(found.to_numpy(), expected)
    pipeline = make_pipeline(StandardScaler(), model).set_output(transform="pandas")
    assert list(pipeline.fit_transform(pd.DataFrame(X), y).columns) == names


def test_the_index_of_rows_is_kept() -> None:
    X, y = data("binary")
    frame = pd.DataFrame(X, columns=NAMES, index=np.arange(150)[::-1])
    found = small().set_output(transform="pandas").fit(frame, y).transform(frame)
    assert found.index.tolist() == frame.index.tolist()


def test_columns_of_several_dtypes() -> None:
    X, y = data("binary")
    columns = {
        "int": np.arange(150),
        "float32": X[:, 0].astype(np.float32),
        "bool": y == 1,
        "Int64": pd.array(np.arange(150), dtype="Int64"),
        "Float64": pd.array(X[:, 1], dtype="Float64"),
    }
    plain = np.stack([np.asarray(column, dtype=np.float64) for column in columns.values()], axis=1)
    model, expected = small().fit(pd.DataFrame(columns), y), small().fit(plain, y)
    assert model.coefs_[0].dtype == np.float64
    np.testing.assert_array_equal(model.coefs_[0], expected.coefs_[0])
    single = pd.DataFrame(X, columns=NAMES).astype(np.float32)
    assert small().fit(single, y).coefs_[0].dtype == np.float32
    with pytest.raises(ValueError, match="NaN"):
        small().fit(pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}), [0, 1])
    with pytest.raises(ValueError, match="could not convert string to float"):
        small().fit(pd.DataFrame({"a": ["x", "y"]}), [0, 1])


@pytest.mark.parametrize("series", [pd.Series, pl.Series, lambda y: pd.Series(y, dtype="category")])
def test_series_of_labels(series: Any) -> None:
    X, y = data("binary")
    words = np.array(["no", "yes"])[y]
    model, expected = small().fit(X, series(words)), small().fit(X, words)
    assert model.classes_.tolist() == ["no", "yes"]
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))


def test_frames_of_targets_and_a_series_of_weights() -> None:
    X, y = data("regression 3")
    weights = np.random.default_rng(0).random(150)
    model = small(MLPRegressor).fit(pd.DataFrame(X), pd.DataFrame(y), pd.Series(weights))
    expected = small(MLPRegressor).fit(X, y, weights)
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))


# Metadata ----------------------------------------------------------------------------------------

WEIGHTS = np.random.default_rng(0).random(150)


def test_a_pipeline_transforms_the_validation_set(backend: str) -> None:
    X, y = data("binary")
    X = 1000 * X + 5
    held_back = {"y_val": y[100:], "sample_weight_val": WEIGHTS[100:]}
    model = small(early_stopping=True, backend=backend)
    with config_context(enable_metadata_routing=True):
        model.set_fit_request(X_val=True, y_val=True, sample_weight_val=True)
        steps = [("scaler", StandardScaler()), ("model", model)]
        pipeline = Pipeline(steps, transform_input=["X_val"])
        pipeline.fit(X[:100], y[:100], X_val=X[100:], **held_back)
    scaler = StandardScaler().fit(X[:100])
    by_hand = small(early_stopping=True, backend=backend).fit(
        scaler.transform(X[:100]), y[:100], X_val=scaler.transform(X[100:]), **held_back
    )
    assert pipeline[-1].validation_loss_curve_ == by_hand.validation_loss_curve_
    np.testing.assert_array_equal(pipeline[-1].coefs_[0], by_hand.coefs_[0])
    del held_back["sample_weight_val"]
    unweighted = small(early_stopping=True, backend=backend).fit(
        scaler.transform(X[:100]), y[:100], X_val=scaler.transform(X[100:]), **held_back
    )
    assert unweighted.validation_loss_curve_ != by_hand.validation_loss_curve_


def test_weights_through_a_search_and_a_cross_validation() -> None:
    X, y = data("binary")
    with config_context(enable_metadata_routing=True):
        model = small().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(model, {"alpha": [1e-4, 10.0]}, cv=3).fit(X, y, sample_weight=WEIGHTS)
        known = {"sample_weight": WEIGHTS}
        scores = cross_validate(search.best_estimator_, X, y, cv=3, params=known)
    expected = small(alpha=search.best_params_["alpha"]).fit(X, y, WEIGHTS)
    np.testing.assert_array_equal(search.best_estimator_.coefs_[0], expected.coefs_[0])
    assert scores["test_score"].mean() == pytest.approx(search.best_score_)


def test_what_nobody_asked_for_is_refused() -> None:
    X, y = data("binary")
    with (
        config_context(enable_metadata_routing=True),
        pytest.raises(UnsetMetadataPassedError, match="sample_weight"),
    ):
        GridSearchCV(small(), {"alpha": [1e-4]}, cv=2).fit(X, y, sample_weight=WEIGHTS)
