"""Arrays on a GPU go in and come out; what an estimator keeps is NumPy's."""

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from accelnn import MLPClassifier, MLPRegressor
from accelnn.program import Program
from tests.device import DeviceArray, DeviceBackend
from tests.estimators.conftest import data

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def made(task: str, **how: Any) -> Any:
    kind: Any = MLPRegressor if task.startswith("regression") else MLPClassifier
    return kind(hidden_layer_sizes=(6,), max_iter=3, random_state=0, **how)


def parts(model: Any) -> Iterator[Any]:
    """Yield all that a fitted estimator holds, and what lists and rules of it hold."""
    for value in vars(model).values():
        yield value
        yield from value if isinstance(value, list | tuple) else ()
    yield from vars(model._rule or model).values()


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression 2"])
def test_device_in_device_out(
    task: str, solver: str, early_stopping: bool, device: DeviceBackend
) -> None:
    X, y = data(task)
    early_stopping = early_stopping and solver != "lbfgs"
    how: Any = {"solver": solver, "early_stopping": early_stopping}
    host = made(task, backend="numpy", **how).fit(X, y)
    there = made(task, **how).fit(DeviceArray(X), DeviceArray(y))
    assert (there.backend_, there.backend_choice_) == ("cupy", "the data lie on a GPU")
    for name in ("coefs_", "intercepts_"):
        for mine, other in zip(getattr(there, name), getattr(host, name), strict=True):
            assert type(mine) is np.ndarray
            assert mine.flags.c_contiguous
            np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12)
    assert not any(isinstance(part, DeviceArray) for part in parts(there))
    twin = pickle.loads(pickle.dumps(there))
    for model in (there, twin, host):
        for name in ("predict", "predict_proba", "predict_log_proba"):
            if not hasattr(model, name):
                continue
            expected = getattr(host, name)(X)
            given = getattr(model, name)(X)
            found = getattr(model, name)(DeviceArray(X))
            assert (type(given), type(found)) == (np.ndarray, DeviceArray)
            np.testing.assert_allclose(given, expected, rtol=1e-7, atol=1e-9)
            np.testing.assert_array_equal(found.held, given)
            assert type(getattr(model, name)(X.tolist())) is np.ndarray
        score = model.score(DeviceArray(X), DeviceArray(y))
        assert type(score) is float
        assert score == model.score(X, y)


def test_names_of_classes_stay_on_the_host(device: DeviceBackend) -> None:
    X, codes = data("multiclass")
    names = np.array(["zero", "one", "two", "three"])[codes]
    model = made("multiclass").fit(DeviceArray(X), names)
    found = model.predict(DeviceArray(X))
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, model.predict(X))
    assert type(model.predict_proba(DeviceArray(X))) is DeviceArray


def test_partial_fit_on_the_device(device: DeviceBackend) -> None:
    X, y = data("binary")
    a, b = made("binary"), made("binary", backend="numpy")
    for _ in range(3):
        a.partial_fit(DeviceArray(X), DeviceArray(y), classes=DeviceArray(np.unique(y)))
        b.partial_fit(X, y, classes=np.unique(y))
    assert a.backend_ == "cupy"
    assert type(a._rule.kept) is np.ndarray
    np.testing.assert_allclose(a.coefs_[0], b.coefs_[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(a.loss_curve_, b.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_fit_leaves_no_program_open(
    solver: str, device: DeviceBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = data("binary")
    programs: list[Program] = []
    start = Program.__init__

    def noted(self: Program, *arguments: Any) -> None:
        start(self, *arguments)
        programs.append(self)

    monkeypatch.setattr(Program, "__init__", noted)
    made("binary", solver=solver, backend=device).fit(X, y)
    (program,) = programs
    assert program.plan.work is None


def test_an_x_too_big_for_the_device_is_read_from_the_host(device: DeviceBackend) -> None:
    X, y = data("multiclass")
    expected = made("multiclass", backend="numpy", early_stopping=True).fit(X, y)
    device.room = 100
    model = made("multiclass", backend=device, early_stopping=True).fit(X, y)
    assert {kind for kind, _ in device.seen} == {np.ndarray}
    np.testing.assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-9, atol=1e-12)
    assert model.validation_scores_ == expected.validation_scores_
