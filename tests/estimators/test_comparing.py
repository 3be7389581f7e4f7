"""The table over backends: what is measured is what it says, by a clock that the tests turn."""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sklearn.neural_network as theirs
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from accelnn import BackendUnavailable, MLPClassifier, MLPRegressor, backends, compare_backends
from accelnn.backends.numpy_backend import NumpyBackend
from accelnn.estimators import comparing
from accelnn.estimators.comparison import Comparison, Row
from tests.estimators.conftest import data


class Clock:
    """Says what time it is; work makes it later. Keeps a list of who worked."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[tuple[str, str]] = []

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float, who: str, what: str) -> None:
        self.now += seconds
        self.log.append((who, what))


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(comparing, "_clock", made)
    monkeypatch.setattr(comparing, "_rest", lambda seconds: None)
    return made


#: Seconds of the first, second, ... timed fit.
FITS = {"slow": [6.0, 8.0, 4.0], "fast": [2.0, 1.0, 3.0], "auto": [30.0, 1.0]}


class Fake(BaseEstimator):  # type: ignore[misc]
    """An estimator that takes the time it is told to."""

    clock: Clock
    turns: dict[str, Iterator[float]]

    def __init__(self, backend: str = "auto", max_iter: int = 50) -> None:
        self.backend, self.max_iter = backend, max_iter

    def fit(self, X: Any, y: Any) -> "Fake":
        self.clock.work(0.0, self.backend, "try")
        if self.backend == "absent":
            raise BackendUnavailable("absent", "no device", "Buy one.")
        if self.backend == "broken":
            raise MemoryError
        self.compile_seconds_ = 0.0 if self.max_iter > 1 else 20.0
        if self.max_iter > 1:
            self.clock.work(next(self.turns[self.backend]), self.backend, "fit")
        else:
            self.clock.work(500.0, self.backend, "first fit")
        self.n_iter_, self.engine_, self.coefs_ = self.max_iter, "eager", [np.ones(1, np.float32)]
        self.backend_, self.backend_choice_ = "slow", "nothing better"
        return self

    def predict(self, X: Any) -> Any:
        self.clock.work(0.125 if len(X) > 1 else 0.0625, self.backend, "predict")
        return X

    def score(self, X: Any, y: Any) -> float:
        return float(len(X))


@pytest.fixture
def fake(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Fake:
    monkeypatch.setattr(Fake, "clock", clock, raising=False)
    turns = {name: iter(seconds) for name, seconds in FITS.items()}
    monkeypatch.setattr(Fake, "turns", turns, raising=False)
    return Fake()


X, Y = np.ones((6, 2)), np.arange(6) % 2


def test_figures(fake: Fake) -> None:
    """Medians of three; the first fit and its compiling are not in them."""
    found = compare_backends(
        fake, X, Y, backends=["slow", "fast"], include_sklearn=False, X_test=X[:4], y_test=Y[:4]
    )
    assert found.repeats == 3
    common: dict[str, Any] = {
        "compile_seconds": 20.0,
        "predict_seconds": 0.125,
        "predict_one_seconds": 0.0625,
        "score": 4.0,
        "n_iter": 50,
        "engine": "eager",
        "dtype": "float32",
    }
    assert found.rows == [
        Row("slow", fit_seconds=6.0, **common),
        Row("fast", fit_seconds=2.0, **common),
    ]


def test_all_take_turns_in_each_round(fake: Fake, clock: Clock) -> None:
    compare_backends(fake, X, Y, backends=["slow", "fast"], include_sklearn=False)
    fits = [who for who, what in clock.log if what == "fit"]
    assert fits == ["slow", "fast", "fast", "slow", "slow", "fast"]  # nobody is always second
    firsts = [i for i, (_, what) in enumerate(clock.log) if what == "first fit"]
    assert len(firsts) == 2
    assert max(firsts) < min(i for i, (_, what) in enumerate(clock.log) if what == "fit")
    assert not hasattr(fake, "n_iter_")  # clones were fitted


def test_who_cannot_run_says_why(fake: Fake, clock: Clock) -> None:
    found = compare_backends(fake, X, Y, backends=["absent", "fast", "broken"], repeats=1)
    assert [(row.backend, row.ran) for row in found.rows] == [
        ("absent", False),
        ("fast", True),
        ("broken", False),
        ("scikit-learn", False),
    ]
    assert found.rows[0].reason == "backend 'absent' cannot run here: no device. Buy one."
    assert found.rows[2].reason == "MemoryError"
    assert found.rows[3].reason.startswith("scikit-learn has no counterpart of tests.estimators")
    assert clock.log.count(("absent", "try")) == 1


def test_where_nobody_can_run_the_error_is_raised(fake: Fake) -> None:
    with pytest.raises(BackendUnavailable, match="no device"):
        compare_backends(fake, X, Y, backends=["absent"], include_sklearn=False)
    # What went wrong says more than what is not installed.
    with pytest.raises(MemoryError):
        compare_backends(fake, X, Y, backends=["absent", "broken"], include_sklearn=False)
    model = MLPClassifier(max_iter=2)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        compare_backends(model, X * np.nan, Y, backends=["cupy", "numpy"], repeats=1)


def test_ctrl_c_ends_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though a fit takes it for its own end, and goes on with a warning."""

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("sklearn.neural_network._multilayer_perceptron.shuffle", interrupted)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        theirs.MLPClassifier(max_iter=2).fit(X, Y)
    with pytest.raises(KeyboardInterrupt):
        compare_backends(MLPClassifier(max_iter=2), X, Y, backends=["numpy"])


def test_the_backends_and_scikit_learn(multiclass: tuple[Any, Any]) -> None:
    """Each row is a fit of that backend, all along the same path."""
    model = MLPClassifier((6,), max_iter=4, dtype="float64")
    found = compare_backends(model, *multiclass, backends=["numpy", "numba"], repeats=2)
    by_hand = clone(model).set_params(random_state=0, backend="numpy")
    with pytest.warns(match="Maximum iterations"):
        by_hand.fit(*multiclass)
    assert [row.backend for row in found.rows] == ["numpy", "numba", "scikit-learn"]
    for row in found.rows:
        assert row.ran
        assert (row.n_iter, row.dtype) == (4, "float64")
        assert row.score == by_hand.score(*multiclass)
    assert [row.engine for row in found.rows] == ["program", "program", None]
    assert [row.compile_seconds is None for row in found.rows] == [False, False, True]
    assert not hasattr(model, "coefs_")
    assert model.random_state is None


def test_all_backends_by_default(multiclass: tuple[Any, Any]) -> None:
    X, y = (part[:30] for part in multiclass)
    found = compare_backends(MLPClassifier((3,), max_iter=1), X, y, repeats=1)
    names = [status.name for status in backends.list_backends()]
    assert [row.backend for row in found.rows] == [*names, "scikit-learn"]
    usable = [status.usable for status in backends.list_backends()]
    assert [row.ran for row in found.rows] == [*usable, True]
    assert all(row.reason for row in found.rows if not row.ran)


def test_auto_says_what_it_took(fake: Fake, clock: Clock) -> None:
    """Its first fit is a whole one: of a single epoch, it might take another backend."""
    found = compare_backends(fake, X, Y, backends=["auto"], include_sklearn=False, repeats=1)
    assert [who for who, what in clock.log if what == "fit"] == ["auto", "auto"]
    assert found.rows[0].fit_seconds == 1.0
    assert found.rows[0].reason == "slow: nothing better"


def test_the_choice_of_a_real_one(line: tuple[Any, Any]) -> None:
    model = MLPRegressor(hidden_layer_sizes=(3,), max_iter=1)
    found = compare_backends(model, *line, backends=["auto"], include_sklearn=False, repeats=1)
    assert re.match("(numpy|numba): chosen for a fit of 3e", found.rows[0].reason)


def test_a_backend_object(line: tuple[Any, Any]) -> None:
    class Own(NumpyBackend):
        name = "own"

    model = MLPRegressor(hidden_layer_sizes=(3,), max_iter=1)
    found = compare_backends(model, *line, backends=[Own()], include_sklearn=False, repeats=1)
    assert (found.rows[0].backend, found.rows[0].ran) == ("own", True)


@pytest.mark.parametrize("deep", [False, True])
def test_pipelines(deep: bool, multiclass: tuple[Any, Any]) -> None:
    X, y = multiclass[0] * 1e3 + 1e4, multiclass[1]  # unusable without the scaler
    model = MLPClassifier((20,), solver="lbfgs", max_iter=60)
    pipeline = make_pipeline(StandardScaler(), model)
    if deep:
        pipeline = make_pipeline("passthrough", pipeline)
    found = compare_backends(pipeline, X, y, backends=["numpy", "numba"], repeats=1)
    scores = [row.score for row in found.rows]
    assert len(scores) == 3
    assert all(score is not None and score > 0.8 for score in scores)
    assert not hasattr(model, "coefs_")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"activation": ["tanh"]}, ""),
        ({"dtype": "float32"}, ""),
        ({"activation": "elu"}, "scikit-learn has no activation='elu'"),
        (
            {"dropout": 0.5, "class_weight": "balanced", "dtype": "float32"},
            "scikit-learn has no counterpart of class_weight, dropout",
        ),
    ],
)
def test_arguments_that_scikit_learn_has_not(arguments: dict[str, Any], said: str) -> None:
    X, y = data("binary")
    model = MLPClassifier((3,), max_iter=2, **arguments)
    row = compare_backends(model, X, y, backends=["numpy"], repeats=1).rows[1]
    assert (row.reason, row.ran) == (said, not said)


def test_a_list_is_data_too() -> None:
    X, y = data("binary")
    model = MLPClassifier((3,), max_iter=2)
    found = compare_backends(model, X.tolist(), y.tolist(), backends=["numpy"], repeats=1)
    assert [row.ran for row in found.rows] == [True, True]


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"repeats": 0}, ValueError, "repeats must be at least 1, got 0"),
        ({"X_test": X}, ValueError, "X_test and y_test belong together"),
        ({"backends": [], "include_sklearn": False}, ValueError, "nothing to compare"),
        ({"estimator": StandardScaler()}, TypeError, "StandardScaler has no argument `backend`"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: Any, said: str) -> None:
    everything: dict[str, Any] = {"estimator": MLPClassifier(), "X": X, "y": Y}
    with pytest.raises(error, match=said):
        compare_backends(**everything | arguments)


# The table ----------------------------------------------------------------------------------------

TABLE = Comparison(
    [
        Row("numpy", 0.5, 0.0, 2.5e-3, 8e-5, 0.98765, 20, "program", "float64"),
        Row("cupy", reason="no <GPU>, and a long remark on what to do about it"),
        Row("scikit-learn", 2.0, None, 5e-3, 4e-5, 0.9, 20, None, "float64"),
    ],
    repeats=3,
)


def test_text() -> None:
    assert str(TABLE).splitlines() == [
        "backend       fit              predict          one row         score   epochs  engine"
        "   dtype    compile  reason",
        "numpy         500 ms (4.00 ×)  2.5 ms (2.00 ×)  80 µs (0.50 ×)  0.9877  20      program"
        "  float64",
        "cupy          no <GPU>, and a long remark on what to do about it",
        "scikit-learn  2 s (1.00 ×)     5 ms (1.00 ×)    40 µs (1.00 ×)  0.9000  20"
        "               float64",
        "(medians of 3 rounds, compiling apart; in brackets, times faster than scikit-learn)",
    ]
    assert repr(TABLE) == str(TABLE)


def test_text_without_scikit_learn() -> None:
    row = Row("numba", 12.345, 1.5, 1e-3, 1e-6, 0.5, 3, "eager", "float32")
    _, line, caption = str(Comparison([row], repeats=1)).splitlines()
    expected = ["numba", "12.3 s", "1 ms", "1 µs", "0.5000", "3", "eager", "float32", "1.5 s"]
    assert re.split(r"\s{2,}", line) == expected
    assert caption == "(medians of 1 round, compiling apart)"


def test_dicts() -> None:
    first, second, third = TABLE.to_dicts()
    assert first["fit_ratio"] == 4.0
    assert first["predict_ratio"] == 2.0
    assert first["predict_one_ratio"] == 0.5
    assert third["fit_ratio"] == 1.0
    assert {k: v for k, v in second.items() if v is not None} == {
        "backend": "cupy",
        "reason": "no <GPU>, and a long remark on what to do about it",
    }
    assert {k: first[k] for k in ("fit_seconds", "n_iter", "dtype", "engine", "score")} == {
        "fit_seconds": 0.5,
        "n_iter": 20,
        "dtype": "float64",
        "engine": "program",
        "score": 0.98765,
    }


class Reader(HTMLParser):
    """The text of each cell, row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "tr":
            self.rows.append([])
        self.inside = tag in ("td", "th")
        if self.inside:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, text: str) -> None:
        if self.inside:
            self.rows[-1][-1] += text


def test_html() -> None:
    html = TABLE._repr_html_()
    reader = Reader()
    reader.feed(html)
    head, numpy, cupy, sklearn = reader.rows
    assert head[:4] == ["backend", "fit", "predict", "one row"]
    assert numpy[:4] == ["numpy", "500 ms (4.00 ×)", "2.5 ms (2.00 ×)", "80 µs (0.50 ×)"]
    assert len(numpy) == len(sklearn) == len(head)
    assert cupy == ["cupy", "no <GPU>, and a long remark on what to do about it"]
    assert "<GPU>" not in html


def test_pandas_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made = SimpleNamespace(DataFrame=lambda rows: ("frame", rows))
    monkeypatch.setitem(sys.modules, "pandas", made)
    assert TABLE.to_pandas() == ("frame", TABLE.to_dicts())
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"Comparison.to_pandas requires pandas"):
        TABLE.to_pandas()
