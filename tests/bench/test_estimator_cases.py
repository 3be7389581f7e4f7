"""What the suite of the estimators runs at each scale, and how its figures are made."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accelnn.bench import estimator_entrants, estimator_turns
from accelnn.bench import test_estimators as suite
from accelnn.bench.estimator_accuracy import Learned
from accelnn.bench.estimator_entrants import SKLEARN, Entrant, Task, entrants, make, ours, read
from accelnn.bench.estimator_memory import REST, limit_bytes
from accelnn.bench.estimator_turns import WARM_UP, in_turns
from accelnn.bench.settings import Settings
from accelnn.bench.test_estimators import FIT_TARGETS, Case, target

FULL, QUICK = Settings(), Settings(scale="quick")


def skipped(params: list[Any]) -> list[str]:
    """Return the names of cases that are left out."""
    return [str(p.values[0]) for p in params if p.marks[0].args[0]]


def test_cases_in_full_and_in_short() -> None:
    full = [str(case) for case in suite.cases_fit(FULL)]
    assert len(full) == len(set(full)) == 6 * 3 + 2
    assert {"iris-float32-numba", "mnist-float64-numba-as-float32"} <= set(full)
    assert [str(case) for case in suite.cases_row(FULL)] == [n for n in full if "-as-" not in n]
    quick = [str(case) for case in suite.cases_fit(QUICK)]
    assert len(quick) == 6
    assert set(quick) < set(full)
    assert "mnist-float32-scikit-learn" in quick


def test_what_means_nothing_when_small_is_left_out_of_quick_runs() -> None:
    names = [str(p.values[0]) for p in suite.cases_memory(FULL)]
    assert names[:3] == ["mnist-float32-numba", "mnist-float32-numpy", "mnist-float32-scikit-learn"]
    assert len(names) == 6
    assert skipped(suite.cases_memory(FULL)) == []
    assert skipped(suite.cases_memory(QUICK)) == names
    assert skipped(suite.cases_accuracy(QUICK)) == ["float32", "float64"]
    smoke = Settings(scale="smoke")
    assert [str(p.values[0]) for p in suite.cases_memory(smoke)] == names[:1]
    assert skipped([*suite.cases_memory(smoke), *suite.cases_accuracy(smoke)]) == []


@pytest.mark.parametrize(
    ("backends", "expected"),
    [(("numpy", "numba"), ("numba",)), (("numpy",), ("numpy",)), (("cupy",), ("cupy",))],
)
def test_numpy_only_where_there_is_nothing_faster(backends: Any, expected: Any) -> None:
    settings = Settings(backends=backends)
    assert ours(settings) == expected
    assert [e.who for e in entrants(Task("iris", "float64"), settings)] == [
        SKLEARN, *expected, "auto",
    ]  # fmt: skip


def test_only_compiled_backends_on_the_network_of_the_issue_have_a_target() -> None:
    case = Case(Task("mnist", "float64"), Entrant("numba", "float32"))
    assert target(case, FIT_TARGETS, FULL) == 4.5
    assert target(case, FIT_TARGETS, QUICK) is None
    assert target(case, FIT_TARGETS, Settings(network=(784, 16, 10))) is None
    assert target(case._replace(entrant=Entrant("auto")), FIT_TARGETS, FULL) is None


def test_all_are_made_of_the_same_arguments() -> None:
    given = estimator_entrants.arguments(Task("mnist", "float64"), Settings(network=(784, 9, 10)))
    mine, theirs = (make(Entrant(who), given) for who in ("numba", SKLEARN))
    known = theirs.get_params()
    assert {name: value for name, value in mine.get_params().items() if name in known} == known
    assert (mine.hidden_layer_sizes, mine.backend, mine.dtype) == ((9,), "numba", None)
    assert make(Entrant("auto", "float32"), given).dtype == "float32"


@pytest.mark.parametrize(("problem", "shape"), [("iris", (150, 4)), ("digits", (1797, 64))])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_data_are_of_the_dtype(problem: str, shape: Any, dtype: str) -> None:
    _, X, y = read(Task(problem, dtype))
    assert (X.shape, X.dtype, len(y)) == (shape, dtype, shape[0])
    assert X.max() == (1.0 if problem == "digits" else np.dtype(dtype).type(7.9))
    assert len(read(Task(problem, dtype), 7)[1]) == 7


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_who_learns_something_else_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task("iris", "float64")
    fitted = estimator_entrants.rehearsed(task, QUICK)
    assert list(fitted) == entrants(task, QUICK)
    made = make

    def otherwise(entrant: Entrant, given: dict[str, Any]) -> Any:
        return made(entrant, {**given, "alpha": 1.0} if entrant.who == "numba" else given)

    monkeypatch.setattr(estimator_entrants, "make", otherwise)
    with pytest.raises(AssertionError, match=r"iris-float64, numba: probabilities are off by"):
        estimator_entrants.rehearsed(task, QUICK)


class Fake:
    """Stands for a fitted estimator."""

    def fit(self, X: Any, y: Any) -> "Fake":
        return self

    def predict(self, X: Any) -> None:
        pass


def test_ratios_say_who_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits: how many times as fast; a row: which share of the time; both over scikit-learn's."""
    task, settings = Task("iris", "float64"), Settings(network=(1, 2))
    who = entrants(task, settings)
    speeds = dict(zip(who, (1.0, 0.25, 2.0), strict=True))
    monkeypatch.setattr(estimator_turns, "rehearsed", lambda *_: {each: Fake() for each in who})
    monkeypatch.setattr(estimator_turns, "make", lambda *_: Fake())
    monkeypatch.setattr(
        estimator_turns, "take_turns", lambda *_: {e: [s, 2 * s] for e, s in speeds.items()}
    )
    monkeypatch.setattr(
        estimator_turns, "in_turns", lambda *_: {e: [[s, s, 9 * s]] * 2 for e, s in speeds.items()}
    )
    estimator_turns.fits.cache_clear()
    estimator_turns.rows.cache_clear()
    try:
        fits, rows = estimator_turns.fits(task, settings), estimator_turns.rows(task, settings)
    finally:
        estimator_turns.fits.cache_clear()
        estimator_turns.rows.cache_clear()
    assert [fits[e].ratio["median"] for e in who] == [1.0, 4.0, 0.5]
    assert [rows[e].ratio["median"] for e in who] == [1.0, 0.25, 2.0]
    assert rows[who[1]].seconds == [0.25, 0.25, 2.25] * 2


def test_everybody_calls_in_each_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimator_turns, "settle", lambda: None)
    asked: list[str] = []

    def calling(who: str) -> Callable[[Any], Any]:
        return lambda row: asked.append(who + row)

    predict = {Entrant(who): calling(who) for who in "ab"}
    found = in_turns(predict, "!", 2, 3)
    assert asked == (["a!"] * (WARM_UP + 3) + ["b!"] * (WARM_UP + 3)) * 2
    assert [[len(turn) for turn in turns] for turns in found.values()] == [[3, 3], [3, 3]]


def test_the_limit_of_memory_by_hand() -> None:
    X, y = np.ones((250, 6), np.float32), np.arange(250) % 3
    parameters = 6 * 4 + 4 + 4 * 3 + 3
    work = 200 * (6 + 4 + 3)
    found = limit_bytes("numpy", X, y, (6, 4, 3)) - REST - 4 * (4 * parameters + work)
    assert found in (4 * 200 * 6, 2 * 4 * 200 * 6)  # one or two gradients of the widest layer


def test_means_of_seeds() -> None:
    assert Learned([0.25, 0.75], [1.0, 1.0], 1, 4, "made up").mean == 0.5
