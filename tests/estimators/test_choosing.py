"""Which backend fits: what is named, else by the work and by what is compiled already."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from accelnn import MLPClassifier, use_backend
from accelnn.backends.numba_backend import NumbaBackend
from tests.estimators.conftest import data

pytestmark = [
    # One epoch is enough to see where it ran.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCELNN_BACKEND", raising=False)


def fitted(**arguments: Any) -> Any:
    how: dict[str, Any] = {"hidden_layer_sizes": (2,), "max_iter": 1} | arguments
    return MLPClassifier(**how).fit(*data("binary"))


def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NumbaBackend, "loaded", lambda operations, dtype: False)


def test_the_backend_is_the_one_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing_is_loaded(monkeypatch)
    assert fitted().backend_ == "numpy"  # by its size
    with use_backend("numba"):
        assert fitted().backend_ == "numba"
        assert fitted(backend="numpy").backend_ == "numpy"
    monkeypatch.setenv("ACCELNN_BACKEND", "numba")
    model = fitted()
    assert (model.backend_, model.engine_, model.backend) == ("numba", "program", "auto")
    assert model.backend_choice_ == "named by ACCELNN_BACKEND"
    assert model.compile_seconds_ >= 0
    assert repr(model).endswith("# fitted on 'numba'")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"hidden_layer_sizes": 10}, "numpy"),
        ({"hidden_layer_sizes": 500, "max_iter": 70}, "numba"),
        ({"hidden_layer_sizes": 500, "max_iter": 70, "normalization": "batch"}, "numpy"),
        ({"hidden_layer_sizes": 500, "max_iter": 70, "loss": "focal"}, "numpy"),
    ],
)
def test_a_large_program_takes_numba(
    arguments: dict[str, Any], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[str] = []

    def noted(self: Any, given: Any, units: list[int], X: Any) -> Any:
        chosen.append(resolve(self, given, units, X).name)
        raise InterruptedError

    nothing_is_loaded(monkeypatch)
    resolve = MLPClassifier._resolve
    monkeypatch.setattr(MLPClassifier, "_resolve", noted)
    X, y = np.zeros((5000, 20)), np.arange(5000) % 2
    with pytest.raises(InterruptedError):
        MLPClassifier(**arguments).fit(X, y)
    assert chosen == [expected]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "numba"),
        ({"dropout": 0.1}, "numpy"),  # whose code is not loaded
        ({"l1": 0.1}, "numpy"),  # steps by kernels that are called one by one
        ({"normalization": "layer"}, "numpy"),
    ],
)
def test_a_small_fit_takes_what_is_loaded(
    arguments: dict[str, Any], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(operations: tuple[str, ...], dtype: Any) -> bool:
        return set(operations) <= {"binary_cross_entropy"} and dtype == np.float64

    monkeypatch.setattr(NumbaBackend, "loaded", loaded)
    model = fitted(**arguments)
    assert model.backend_ == expected
    assert ("since its code is loaded" in model.backend_choice_) is (expected == "numba")


def test_a_small_fit_compiles_nothing_until_a_large_one_has() -> None:
    code = """
import sys, warnings
import numpy as np
from accelnn import MLPClassifier
warnings.simplefilter("ignore")
X, y = np.random.default_rng(0).standard_normal((40, 3)), np.arange(40) % 2
one = lambda X, **how: MLPClassifier((4,), max_iter=1, random_state=0, **how).fit(X, y).backend_
print(one(X), "numba" in sys.modules)
print(one(X, backend="numba"))
print(one(X), one(X.astype("float32")), one(X, dropout=0.5))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["numpy", "False", "numba", "numba", "numpy", "numpy"]
