"""The estimators on every backend of the CPU, and small data for them."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import (
    make_classification,
    make_multilabel_classification,
    make_regression,
)
from sklearn.preprocessing import StandardScaler


@pytest.fixture(params=["numpy", "numba"])
def backend(request: Any) -> str:
    """Return the name of each backend that needs no GPU."""
    return str(request.param)


#: 150 rows are no multiple of the batch size 64 that the tests use.
SIZE: dict[str, Any] = {"n_samples": 150, "n_features": 7, "random_state": 5}


def data(task: str) -> tuple[Any, Any]:
    """Return X (150, 7) and y of a kind of task."""
    if task == "multilabel":
        X, y = make_multilabel_classification(**SIZE, n_classes=3)
    elif task.startswith("regression"):
        X, y = make_regression(**SIZE, n_targets=int(task[-1]), noise=1.0)
        y = y / 100
    else:
        classes = {"binary": 2, "multiclass": 4}[task]
        X, y = make_classification(**SIZE, n_informative=5, n_classes=classes)
    return StandardScaler().fit_transform(X), y


@pytest.fixture
def binary() -> tuple[Any, Any]:
    """Return X (150, 7) and y of 0 and 1."""
    return data("binary")


@pytest.fixture
def multiclass() -> tuple[Any, Any]:
    """Return X (150, 7) and y of 0 ... 3."""
    return data("multiclass")


@pytest.fixture
def line() -> tuple[Any, Any]:
    """Return X (150, 7) and a y that is linear in it."""
    X = np.random.default_rng(8).standard_normal((150, 7))
    return X, X @ np.arange(7.0) / 7
