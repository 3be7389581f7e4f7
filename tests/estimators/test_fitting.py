"""What fit leaves: dtypes, labels, stopping, interruption, and what it does not touch."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from accelnn import MLPClassifier, MLPRegressor, get_backend, training
from accelnn.backends.numpy_backend import NumpyBackend
from accelnn.estimators import _ahead
from accelnn.program import Program
from tests.estimators.conftest import data
from tests.tolerances import tolerance

pytestmark = [
    # Few epochs, for speed.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def weights(model: Any) -> list[Any]:
    return [np.array(a) for a in [*model.coefs_, *model.intercepts_]]


def assert_equal_weights(a: list[Any], b: list[Any]) -> None:
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression 3"])
def test_the_dtype_is_kept(task: str, solver: str, dtype: str, backend: str) -> None:
    X, y = data(task)
    X = X.astype(dtype)
    kind: Any = MLPRegressor if task.startswith("regression") else MLPClassifier
    model = kind(hidden_layer_sizes=(6,), solver=solver, max_iter=3, backend=backend).fit(X, y)
    assert {str(w.dtype) for w in weights(model)} == {dtype}
    if kind is MLPRegressor:
        assert model.predict(X).dtype == dtype
    else:
        assert model.predict_proba(X).dtype == dtype


@pytest.mark.parametrize("dtype", [int, "float16", bool])
def test_other_dtypes_become_float64(dtype: Any, backend: str) -> None:
    X = np.arange(20).reshape(10, 2).astype(dtype)
    model = MLPRegressor(hidden_layer_sizes=(3,), max_iter=2, backend=backend)
    model.fit(X, np.arange(10.0))
    assert model.predict(X).dtype == np.float64


def test_float32_is_close_to_float64(multiclass: tuple[Any, Any], backend: str) -> None:
    """Over few steps, in which rounding has no time to grow."""
    X, y = multiclass
    X = X.astype("float32").astype("float64")
    a, b = (
        MLPClassifier((8,), solver="sgd", max_iter=2, random_state=1, backend=backend).fit(
            X.astype(dtype), y
        )
        for dtype in ("float32", "float64")
    )
    for mine, exact in zip(weights(a), weights(b), strict=True):
        np.testing.assert_allclose(mine, exact, **tolerance("float32", 150))


@pytest.mark.parametrize("first", ["float32", "float64"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression 1"])
def test_a_network_keeps_its_dtype_when_it_goes_on(
    task: str, solver: str, first: str, backend: str
) -> None:
    X, y = data(task)
    other = "float32" if first == "float64" else "float64"
    kind: Any = MLPRegressor if task.startswith("regression") else MLPClassifier
    model = kind(hidden_layer_sizes=(4,), solver=solver, max_iter=2, warm_start=True)
    model.set_params(backend=backend)
    for dtype in (first, other, first):
        model.fit(X.astype(dtype), y)
    assert {str(w.dtype) for w in weights(model)} == {first}
    assert model._outputs(X.astype(other)).dtype == first


def test_backends_learn_the_same(multiclass: tuple[Any, Any]) -> None:
    X, y = multiclass
    a, b = (
        MLPClassifier((8, 5), max_iter=5, random_state=1, backend=name).fit(X, y)
        for name in ("numpy", "numba")
    )
    for mine, other in zip(weights(a), weights(b), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-9)


def test_a_seed_repeats_bit_by_bit(binary: tuple[Any, Any], backend: str) -> None:
    a, b, c = (
        MLPClassifier((8,), max_iter=5, random_state=seed, backend=backend).fit(*binary)
        for seed in (1, 1, 2)
    )
    assert_equal_weights(weights(a), weights(b))
    assert not np.array_equal(a.coefs_[0], c.coefs_[0])


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["setosa", "versicolor"]),
        np.array(["b", "a"], dtype=object),
        np.array([False, True]),
        np.array([-1, 1]),
        np.array([2.0, 7.0]),
    ],
    ids=["str", "object", "bool", "int", "float"],
)
def test_labels_come_back_as_they_were(labels: Any, backend: str) -> None:
    X, codes = data("binary")
    y = labels[codes]
    model = MLPClassifier((8,), solver="lbfgs", max_iter=100, random_state=0, backend=backend)
    model.fit(X, y)
    np.testing.assert_array_equal(model.classes_, np.unique(labels))
    found = model.predict(X)
    assert found.dtype == (y.dtype if y.dtype != object else np.dtype("U1"))  # as scikit-learn's
    assert model.score(X, y) == (found == y).mean() > 0.95
    plain = MLPClassifier(**model.get_params()).fit(X, np.searchsorted(np.unique(labels), y))
    np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))


def test_many_string_classes(multiclass: tuple[Any, Any], backend: str) -> None:
    X, codes = multiclass
    names = np.array(["zero", "one", "two", "three"])
    model = MLPClassifier((16,), solver="lbfgs", max_iter=200, random_state=0, backend=backend)
    model.fit(X, names[codes])
    assert model.classes_.tolist() == ["one", "three", "two", "zero"]
    assert model.score(X, names[codes]) > 0.95
    p = model.predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_array_equal(model.classes_[p.argmax(axis=1)], model.predict(X))
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), p, rtol=1e-12)


def test_one_class(backend: str) -> None:
    X, y = np.random.default_rng(0).standard_normal((20, 3)), np.full(20, "only")
    model = MLPClassifier((4,), max_iter=3, backend=backend).fit(X, y)
    assert model.classes_.tolist() == ["only"]
    assert set(model.predict(X)) == {"only"}
    assert model.score(X, y) == 1.0


def test_multilabel_rows_are_independent(backend: str) -> None:
    X, y = data("multilabel")
    model = MLPClassifier((16,), solver="lbfgs", max_iter=300, random_state=0, backend=backend)
    model.fit(X, y)
    p = model.predict_proba(X)
    assert p.shape == y.shape == (150, 3)
    np.testing.assert_array_equal(model.predict(X), (p > 0.5).astype(int))
    assert model.score(X, y) > 0.9
    assert not np.allclose(p.sum(axis=1), 1)


def test_one_output_as_column(line: tuple[Any, Any], backend: str) -> None:
    X, y = line
    a = MLPRegressor(max_iter=3, random_state=0, backend=backend).fit(X, y)
    with pytest.warns(UserWarning, match="A column-vector y was passed"):
        b = MLPRegressor(max_iter=3, random_state=0, backend=backend).fit(X, y[:, None])
    assert_equal_weights(weights(a), weights(b))
    assert b.predict(X).shape == (150,)


def test_no_hidden_layer_is_a_linear_model(line: tuple[Any, Any], backend: str) -> None:
    X, y = line
    arguments: Any = {"hidden_layer_sizes": (), "solver": "lbfgs", "alpha": 0.0, "tol": 1e-9}
    model = MLPRegressor(**arguments, backend=backend).fit(X, y)
    assert [w.shape for w in model.coefs_] == [(7, 1)]
    np.testing.assert_allclose(model.coefs_[0][:, 0], np.arange(7) / 7, atol=1e-4)
    np.testing.assert_allclose(model.intercepts_[0], 0, atol=1e-4)


def test_an_integer_is_one_hidden_layer(binary: tuple[Any, Any], backend: str) -> None:
    a, b = (
        MLPClassifier(sizes, max_iter=2, random_state=0, backend=backend).fit(*binary)
        for sizes in (5, (5,))
    )
    assert [w.shape for w in a.coefs_] == [(7, 5), (5, 1)]
    assert_equal_weights(weights(a), weights(b))
    assert a.n_layers_ == 3


def test_early_stopping_restores_the_best(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    X, y = data("multiclass")
    seen: list[tuple[float, list[Any]]] = []
    score = MLPClassifier._score_outputs

    def noted(self: Any, outputs: Any, target: Any, rows: Any) -> float:
        value = score(self, outputs, target, rows)
        self._take_from(programs[-1])
        seen.append((value, weights(self)))
        return value

    programs: list[Any] = []
    make = MLPClassifier._engine

    def kept(self: Any, *arguments: Any) -> Any:
        programs.append(make(self, *arguments))
        return programs[-1]

    monkeypatch.setattr(MLPClassifier, "_score_outputs", noted)
    monkeypatch.setattr(MLPClassifier, "_engine", kept)
    model = MLPClassifier(
        (8,), early_stopping=True, learning_rate_init=0.1, random_state=0, backend=backend
    ).fit(X, y)
    scores = [value for value, _ in seen]
    assert scores == model.validation_scores_
    best = int(np.argmax(scores))
    assert best < len(scores) - 1
    assert model.best_validation_score_ == scores[best]
    assert_equal_weights(weights(model), seen[best][1])


def test_a_warm_start_that_only_gets_worse_keeps_the_best(backend: str) -> None:
    """scikit-learn 1.9 does not: its copy of the best weights is trained further."""
    X, y = data("multiclass")
    arguments: Any = {"early_stopping": True, "warm_start": True, "random_state": 0}
    model = MLPClassifier((8,), max_iter=30, learning_rate_init=0.05, **arguments)
    model.set_params(backend=backend).fit(X, y)
    best, score = weights(model), model.best_validation_score_
    assert score is not None
    assert score > 0.5
    model.set_params(learning_rate_init=50.0, max_iter=3).fit(X, y)
    assert model.best_validation_score_ == score
    assert_equal_weights(weights(model), best)


def test_fit_starts_anew_without_warm_start(binary: tuple[Any, Any], backend: str) -> None:
    model = MLPClassifier((4,), max_iter=3, random_state=0, backend=backend).fit(*binary)
    first = weights(model)
    assert_equal_weights(weights(model.fit(*binary)), first)
    assert len(model.loss_curve_) == 3
    model.set_params(warm_start=True).fit(*binary)
    assert len(model.loss_curve_) == 6
    assert model.loss_curve_[3] < model.loss_curve_[2]


@pytest.mark.parametrize("epoch", [1, 3])
def test_ctrl_c_leaves_a_usable_model(
    epoch: int, monkeypatch: pytest.MonkeyPatch, multiclass: tuple[Any, Any], backend: str
) -> None:
    X, y = multiclass
    monkeypatch.setattr(_ahead, "_EPOCHS", 1)  # of blocks, see test_ahead.py
    run = Program.run
    calls = []

    def interrupted(self: Program, first: int, last: int, rates: Any) -> float:
        calls.append((first, last))
        if sum(first == 0 and last > 0 for first, last in calls) == epoch:
            run(self, first, last, rates)  # the step was taken, its epoch never ends
            raise KeyboardInterrupt
        return run(self, first, last, rates)

    monkeypatch.setattr(Program, "run", interrupted)
    model = MLPClassifier((8,), random_state=0, batch_size=32, backend=backend)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model.fit(X, y)
    monkeypatch.undo()
    assert model.n_iter_ == len(model.loss_curve_) == epoch - 1
    untouched = MLPClassifier((8,), random_state=0, learning_rate_init=1e-300, max_iter=1)
    untouched.set_params(backend=backend).fit(X, y)
    assert not np.array_equal(model.coefs_[0], untouched.coefs_[0])  # the step's effect is there
    assert model.predict_proba(X).sum() == pytest.approx(150)
    model.partial_fit(X, y)
    assert len(model.loss_curve_) == epoch


def test_ctrl_c_with_early_stopping_keeps_the_best(
    monkeypatch: pytest.MonkeyPatch, multiclass: tuple[Any, Any], backend: str
) -> None:
    arguments: Any = {"early_stopping": True, "random_state": 0, "learning_rate_init": 0.05}
    whole = MLPClassifier((8,), max_iter=6, backend=backend, **arguments).fit(*multiclass)
    best = int(np.argmax(whole.validation_scores_))
    assert best > 0
    ended = MLPClassifier._epoch_ended

    def interrupted(self: Any, loss: float, n: int) -> None:
        if self.n_iter_ == best + 1:  # one epoch after the best, whose weights are to be lost
            raise KeyboardInterrupt
        ended(self, loss, n)

    monkeypatch.setattr(MLPClassifier, "_epoch_ended", interrupted)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        stopped = MLPClassifier((8,), backend=backend, **arguments).fit(*multiclass)
    assert stopped.n_iter_ == best + 1
    assert_equal_weights(weights(stopped), weights(whole))


# The overflow on the way to infinity is warned of by NumPy, as it is for scikit-learn.
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_divergence_is_an_error(dtype: str, line: tuple[Any, Any], backend: str) -> None:
    X, y = line
    model = MLPRegressor(solver="sgd", learning_rate_init=1e6, random_state=0, backend=backend)
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        model.fit(X.astype(dtype), y)


def test_nothing_given_is_written_to(multiclass: tuple[Any, Any], backend: str) -> None:
    X, y = (np.ascontiguousarray(a) for a in multiclass)
    before = X.copy(), y.copy()
    model = MLPClassifier((4,), max_iter=2, early_stopping=True, backend=backend).fit(X, y)
    model.predict_proba(X)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_memory_mapped_file_is_read_in_place(
    solver: str, multiclass: tuple[Any, Any], tmp_path: Path, backend: str
) -> None:
    X, y = multiclass
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert not mapped.flags.writeable
    arguments: Any = {"solver": solver, "max_iter": 3, "random_state": 0, "backend": backend}
    a, b = (MLPClassifier((4,), **arguments).fit(x, y) for x in (X, mapped))
    assert_equal_weights(weights(a), weights(b))
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(mapped))


@pytest.mark.parametrize("layout", ["fortran", "strided", "list"])
def test_any_layout_gives_the_same(layout: str, multiclass: tuple[Any, Any], backend: str) -> None:
    X, y = multiclass
    wide = np.zeros((150, 14))
    wide[:, ::2] = X
    given: Any = {"fortran": np.asfortranarray(X), "strided": wide[:, ::2], "list": X.tolist()}
    arguments: Any = {"max_iter": 2, "random_state": 0, "backend": backend}
    a, b = (MLPClassifier((4,), **arguments).fit(x, y) for x in (X, given[layout]))
    assert_equal_weights(weights(a), weights(b))
    np.testing.assert_array_equal(a.predict_proba(X), a.predict_proba(given[layout]))


def test_predict_from_many_threads(multiclass: tuple[Any, Any], backend: str) -> None:
    X, y = multiclass
    model = MLPClassifier((32, 16), max_iter=5, random_state=0, backend=backend).fit(X, y)
    parts = [np.ascontiguousarray(X[i % 50 :]) for i in range(64)]
    expected = [model.predict_proba(part) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(model.predict_proba, parts))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_large_inputs_are_predicted_in_chunks(binary: tuple[Any, Any], backend: str) -> None:
    X, y = binary
    model = MLPClassifier((4,), max_iter=5, random_state=0, backend=backend).fit(X, y)
    many = np.tile(X, (120, 1))  # 18,000 rows: two whole chunks and a part
    expected = np.tile(model.predict_proba(X), (120, 1))
    np.testing.assert_allclose(model.predict_proba(many), expected, **tolerance("float64", 7))


def test_a_backend_object_need_not_be_registered(binary: tuple[Any, Any]) -> None:
    calls = []

    class Mine(NumpyBackend):
        name: ClassVar[str] = "nobody knows me"

    def around(name: str, kernel: Any) -> Any:
        def counted(*arguments: Any, **named: Any) -> Any:
            calls.append(name)
            return kernel(*arguments, **named)

        return counted

    model = MLPClassifier((2,), max_iter=1, backend=Mine().intercept(around)).fit(*binary)
    assert {"matmul", "relu_backward", "adam"} <= set(calls)
    assert model.backend_ == "nobody knows me"
    calls.clear()
    expected = model.predict_proba(binary[0])
    assert {"matmul", "relu"} <= set(calls)
    model.set_params(backend=get_backend("numpy"))
    np.testing.assert_array_equal(model.predict_proba(binary[0]), expected)


@pytest.mark.parametrize("loss", ["log_loss", "focal"])  # a program, and the eager way
def test_the_curve_does_not_depend_on_the_clock(
    loss: str, monkeypatch: pytest.MonkeyPatch, multiclass: tuple[Any, Any], backend: str
) -> None:
    curves = []
    for seconds in (0.0, 1e9):  # a step at a time, or as many as there are
        monkeypatch.setattr(training, "CHUNK_SECONDS", seconds)
        model = MLPClassifier(batch_size=16, max_iter=4, random_state=0, loss=loss, alpha=0.1)
        curves.append(model.set_params(backend=backend).fit(*multiclass).loss_curve_)
    assert curves[0] == curves[1]
