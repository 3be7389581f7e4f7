"""``dtype``: what is computed in, whatever X is, equals the fit of a converted X."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from accelnn import MLPClassifier, MLPRegressor, nn
from tests.estimators.by_hand import assert_equal_weights, weights
from tests.estimators.conftest import data

# Few epochs, for speed.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

KINDS: Any = {
    "binary": MLPClassifier,
    "multiclass": MLPClassifier,
    "multilabel": MLPClassifier,
    "regression 1": MLPRegressor,
}
#: What X may be: each is exact in both types, or rounded but once.
FORMS: dict[str, Any] = {
    "float64": lambda X: X,
    "float32": lambda X: X.astype("float32"),
    "float16": lambda X: X.astype("float16"),
    "int64": lambda X: (4 * X).astype("int64"),
    "uint8": lambda X: (4 * abs(X)).astype("uint8"),
    "bool": lambda X: X > 0,
    "list": lambda X: X.tolist(),
    "sparse": lambda X: sp.csr_matrix(np.where(X > 0, X, 0)),
}


def network(task: str, backend: str, **arguments: Any) -> Any:
    made: dict[str, Any] = {"hidden_layer_sizes": (6,), "max_iter": 3, "random_state": 0}
    return KINDS[task](backend=backend, **(made | arguments))


def converted(X: Any, dtype: str) -> Any:
    return X.astype(dtype) if hasattr(X, "astype") else np.array(X, dtype)


def results(model: Any, X: Any) -> list[Any]:
    """Return what a model says about X."""
    calls = ["transform", "hidden_activations"]
    calls += ["predict_proba", "predict_log_proba"] if hasattr(model, "classes_") else ["predict"]
    return [getattr(model, call)(X) for call in calls]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("task", KINDS)
def test_the_dtype_asked_for(task: str, form: str, dtype: str, backend: str) -> None:
    X, y = data(task)
    X = FORMS[form](X)
    a = network(task, backend, dtype=dtype).fit(X, y)
    b = network(task, backend).fit(converted(X, dtype), y)
    assert {str(w.dtype) for w in weights(a)} == {dtype}
    assert_equal_weights(a, b)
    for some in (X, X[:3]):  # few rows go another way
        there = results(b, converted(some, dtype))
        for found, expected in zip(results(a, some), there, strict=True):
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, expected)
    assert a.score(X, y) == b.score(converted(X, dtype), y)


WAYS: dict[str, dict[str, Any]] = {
    "sgd": {"solver": "sgd"},
    "lbfgs": {"solver": "lbfgs"},
    "early stopping": {"early_stopping": True},
    "eager": {"loss": nn.FocalLoss()},
    "batch": {"normalization": "batch"},
    "layer": {"normalization": "layer"},
    "dropout": {"dropout": 0.3},
    "by hand": {"l1": 0.1, "max_grad_norm": 0.1, "weight_decay": 0.1},
}


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize("way", WAYS)
def test_float32_all_the_way(way: str, backend: str) -> None:
    X, y = data("multiclass")
    a = network("multiclass", backend, dtype="float32", **WAYS[way])
    b = network("multiclass", backend, **WAYS[way])
    X32 = X.astype("float32")
    given = [{}] if way in ("lbfgs", "early stopping") else [{}, {"X_val": X, "y_val": y}]
    for val in given:
        a.fit(X, y, **val)
        b.fit(X32, y, **({"X_val": X32, "y_val": y} if val else {}))
        assert_equal_weights(a, b)
        assert {str(w.dtype) for w in weights(a)} == {"float32"}
        for norm in a.norms_:
            assert norm.weight.numpy().dtype == "float32"
        for found, expected in zip(results(a, X), results(b, X32), strict=True):
            assert found.dtype == "float32"
            np.testing.assert_array_equal(found, expected)
        if val:
            assert a.validation_loss_curve_ == b.validation_loss_curve_


def test_partial_fit(backend: str) -> None:
    X, y = data("binary")
    a, b = network("binary", backend, dtype="float32"), network("binary", backend)
    for _ in range(2):
        a.partial_fit(X, y, classes=[0, 1])
        b.partial_fit(X.astype("float32"), y, classes=[0, 1])
    assert_equal_weights(a, b)


@pytest.mark.parametrize("given", [np.float32, np.dtype("float32"), "float32"], ids=str)
def test_ways_to_say_it(given: Any, backend: str) -> None:
    X, y = data("binary")
    model = network("binary", backend, dtype=given).fit(X, y)
    assert model.coefs_[0].dtype == np.float32
    assert model.get_params()["dtype"] is given


def test_what_float32_cannot_hold(backend: str) -> None:
    X, y = data("regression 1")
    model = network("regression 1", backend, dtype="float32")
    with pytest.raises(ValueError, match="Input X contains infinity"):
        model.fit(X * 1e300, y)
    with pytest.raises(ValueError, match="y holds values too large for float32; scale y"):
        model.fit(X, y * 1e300)
    assert network("regression 1", backend).fit(X, y).coefs_[0].dtype == np.float64
