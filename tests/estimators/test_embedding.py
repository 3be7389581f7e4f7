"""Hidden activations by hand, and the last hidden layer as a transformer."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from accelnn import MLPClassifier, MLPRegressor
from tests.estimators.by_hand import assert_equal_weights, layers
from tests.estimators.conftest import data

# Few epochs, for speed.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

NAMES = ["tanh", "relu", "elu"]
EXACT: dict[str, Any] = {"rtol": 1e-11, "atol": 1e-12}


def fitted(backend: str, **arguments: Any) -> Any:
    made: dict[str, Any] = {"hidden_layer_sizes": [6, 5, 4], "activation": NAMES, "max_iter": 3}
    model = MLPClassifier(**(made | arguments), random_state=0, backend=backend)
    return model.fit(*data("multiclass"))


def by_hand(model: Any, X: Any) -> list[Any]:
    """Return what each hidden layer gives, the first first."""
    return layers((model.coefs_, model.intercepts_), X, NAMES)[0][1:]


@pytest.mark.parametrize("rows", [1, 16, 17, 150])
def test_each_hidden_layer(rows: int, backend: str) -> None:
    model, X = fitted(backend), data("multiclass")[0][:rows]
    expected = by_hand(model, X)
    for layer in (0, 1, 2, -1, -2, -3):
        found = model.hidden_activations(X, layer)
        assert found.shape == (rows, [6, 5, 4][layer])
        np.testing.assert_allclose(found, expected[layer], **EXACT)
    np.testing.assert_array_equal(model.hidden_activations(X), model.hidden_activations(X, 2))
    np.testing.assert_array_equal(model.transform(X), model.hidden_activations(X, -1))


def test_the_output_is_linear_in_the_embedding(backend: str) -> None:
    X, y = data("regression 3")
    model = MLPRegressor(hidden_layer_sizes=(6, 4), max_iter=3, random_state=0, backend=backend)
    model.fit(X, y)
    linear = model.transform(X) @ model.coefs_[-1] + model.intercepts_[-1]
    np.testing.assert_allclose(model.predict(X), linear, **EXACT)


def test_many_rows_come_in_parts(backend: str) -> None:
    model, X = fitted(backend), np.tile(data("multiclass")[0], (4000, 1))  # more than one part
    expected = by_hand(model, X[:150])
    for layer in (0, -1):
        found = model.hidden_activations(X, layer).reshape(4000, 150, -1)
        for part in (found[0], found[-1], found[2000]):
            np.testing.assert_allclose(part, expected[layer], **EXACT)


def test_sparse_rows(backend: str) -> None:
    model, X = fitted(backend), np.where(data("multiclass")[0] > 0.5, 1.0, 0.0)
    found = model.hidden_activations(sp.csr_matrix(X), 1)
    np.testing.assert_allclose(found, by_hand(model, X)[1], **EXACT)


def test_dropout_is_off(backend: str) -> None:
    model, X = fitted(backend, dropout=0.5), data("multiclass")[0]
    np.testing.assert_allclose(model.transform(X), by_hand(model, X)[-1], **EXACT)


def test_normalisation_is_a_part_of_a_layer(backend: str) -> None:
    model, X = fitted(backend, normalization="layer"), data("multiclass")[0]
    z = X @ model.coefs_[0] + model.intercepts_[0]
    z = (z - z.mean(axis=1, keepdims=True)) / np.sqrt(z.var(axis=1, keepdims=True) + 1e-5)
    norm = model.norms_[0]
    expected = np.tanh(z * norm.weight.numpy() + norm.bias.numpy())
    np.testing.assert_allclose(model.hidden_activations(X, 0), expected, **EXACT)


def test_no_hidden_layer_leaves_x(backend: str) -> None:
    model, X = fitted(backend, hidden_layer_sizes=(), activation="relu"), data("multiclass")[0]
    for found in (model.transform(X), model.hidden_activations(sp.csr_matrix(X), 0)):
        np.testing.assert_array_equal(found, X)
    few = X[:3].copy()
    model.transform(few)[:] = 7.0
    np.testing.assert_array_equal(few, X[:3])  # a copy was changed
    with pytest.raises(ValueError, match="layer 1 is not one of the 0 hidden layers"):
        model.hidden_activations(X, 1)


@pytest.mark.parametrize("layer", [3, -4, 1.5, "last", None])
def test_no_such_layer(layer: Any, backend: str) -> None:
    with pytest.raises(ValueError, match="is not one of the 3 hidden layers"):
        fitted(backend).hidden_activations(data("multiclass")[0], layer)


def test_a_step_of_a_pipeline(backend: str) -> None:
    X, y = data("multiclass")
    arguments: Any = {"max_iter": 20, "random_state": 0, "backend": backend}
    pipeline = make_pipeline(
        StandardScaler(), MLPClassifier((9, 8), **arguments), KNeighborsClassifier(3)
    ).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    alone = MLPClassifier((9, 8), **arguments).fit(scaled, y)
    assert_equal_weights(pipeline[1], alone)
    neighbours = KNeighborsClassifier(3).fit(alone.transform(scaled), y)
    expected = neighbours.predict(alone.transform(scaled))
    np.testing.assert_array_equal(pipeline.predict(X), expected)


def test_fit_transform(backend: str) -> None:
    X, y = data("multiclass")
    model = MLPClassifier((5, 4), max_iter=3, random_state=0, backend=backend)
    found = model.fit_transform(X, y)
    np.testing.assert_array_equal(found, model.transform(X))


def test_names_of_the_embedding(backend: str) -> None:
    X, y = data("multiclass")
    names = ["mlpclassifier0", "mlpclassifier1", "mlpclassifier2", "mlpclassifier3"]
    model = fitted(backend)
    assert model.get_feature_names_out().tolist() == names
    frame = pd.DataFrame(X, columns=list("abcdefg"), index=np.arange(150) + 1000)
    model.set_output(transform="pandas").fit(frame, y)
    found = model.transform(frame)
    assert found.columns.tolist() == names
    assert found.index[0] == 1000
    np.testing.assert_allclose(found, by_hand(model, X)[-1], **EXACT)
    assert isinstance(model.predict(frame), np.ndarray)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_of_the_embedding(dtype: str, backend: str) -> None:
    X, y = data("multiclass")
    model = MLPClassifier((5,), max_iter=2, backend=backend).fit(X.astype(dtype), y)
    for rows in (3, 150):
        assert model.transform(X[:rows].astype(dtype)).dtype == dtype
