"""What does a scikit-learn user gain who changes one import?

In parts: whole fits; ``predict`` of one row; what ``dtype="float32"`` costs in accuracy; and the
memory of a second fit. Ours and scikit-learn's estimators of the same arguments take turns in one
process, each with as many threads as it takes by itself.
"""

from typing import Any, NamedTuple

import pytest

from accelnn.bench import estimator_accuracy, estimator_memory, mnist_memory
from accelnn.bench.arena import Arena
from accelnn.bench.estimator_entrants import (
    DTYPES,
    SKLEARN,
    Entrant,
    Task,
    entrants,
    ours,
    read,
    tasks,
)
from accelnn.bench.estimator_turns import Found, fits, rows
from accelnn.bench.networks import WIDTHS
from accelnn.bench.playback import play_back, taken_elsewhere
from accelnn.bench.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

#: How many times as fast as scikit-learn's a fit on a compiled backend should be at least.
FIT_TARGETS = {"iris": 4.0, "digits": 4.0, "mnist": 4.5}
#: Which share of scikit-learn's time the prediction of one row should take at most.
ROW_TARGETS = {"iris": 0.45, "digits": 0.45, "mnist": 0.5}


class Case(NamedTuple):
    """An entrant, and what it learns."""

    task: Task
    entrant: Entrant

    def __str__(self) -> str:
        return f"{self.task}-{self.entrant}"

    def info(self, found: Found) -> dict[str, Any]:
        """Return what is recorded beside the samples."""
        return {
            "who": f"accelnn {self.entrant.who}" if self.entrant.mine else SKLEARN,
            "mine": self.entrant.mine,
            "problem": self.task.problem,
            "x_dtype": self.task.dtype,
            "dtype": self.entrant.asked or self.task.dtype,
            "backend": getattr(found.model, "backend_", ""),
            "ratio": found.ratio,
        }


def cases_fit(settings: Settings) -> list[Case]:
    """Everybody with all data of the scale."""
    return [Case(task, each) for task in tasks(settings) for each in entrants(task, settings)]


def target(case: Case, targets: dict[str, float], settings: Settings) -> float | None:
    """Return what is aimed at; None for a smaller run, another network, or no compiled backend."""
    meant = settings.scale == "full" and settings.network == WIDTHS
    return targets[case.task.problem] if meant and case.entrant.who == "numba" else None


@taken_elsewhere
def test_fit(benchmark: Any, settings: Settings, case: Case) -> None:
    found = fits(case.task, settings)[case.entrant]
    benchmark.group = f"fit, {case.task}"
    benchmark.extra_info.update(
        **case.info(found),
        target=target(case, FIT_TARGETS, settings),
        epochs=int(found.model.n_iter_),
        loss=float(found.model.loss_),
    )
    play_back(benchmark, found.seconds)


def cases_row(settings: Settings) -> list[Case]:
    """Everybody, with networks fitted in the dtype of their rows."""
    return [case for case in cases_fit(settings) if not case.entrant.asked]


@taken_elsewhere
def test_row(benchmark: Any, settings: Settings, case: Case) -> None:
    found = rows(case.task, settings)[case.entrant]
    benchmark.group = f"one row, {case.task}"
    benchmark.extra_info.update(
        **case.info(found),
        target=target(case, ROW_TARGETS, settings),
        calls=len(found.seconds),
        parameters=sum(w.size for w in (*found.model.coefs_, *found.model.intercepts_)),
    )
    play_back(benchmark, found.seconds)


def long(cases: list[Any], settings: Settings) -> list[Any]:
    """Return cases that mean nothing when they are small, which a quick run leaves out."""
    quick = settings.scale == "quick"
    why = "a quick run leaves it out; a full one has it"
    return [pytest.param(case, marks=[pytest.mark.skipif(quick, reason=why)]) for case in cases]


def cases_accuracy(settings: Settings) -> list[Any]:
    """Both dtypes."""
    return long(list(DTYPES), settings)


@taken_elsewhere
def test_accuracy(benchmark: Any, settings: Settings, case: str) -> None:
    found = estimator_accuracy.learned(case, settings)
    lost = estimator_accuracy.loss_of_accuracy(settings)
    bound = estimator_accuracy.BOUND
    assert abs(lost) <= bound, f"float32 is {lost:.2%} less accurate; at most {bound:.1%} was meant"
    benchmark.group = "fit of float64 images"
    benchmark.extra_info.update(
        who=f"accelnn {ours(settings)[0]}",
        dtype=case,
        data=found.data,
        rows=found.rows,
        epochs=found.epochs,
        accuracies=found.accuracies,
        mean=found.mean,
        bound=bound,
    )
    play_back(benchmark, found.seconds)


def cases_memory(settings: Settings) -> list[Any]:
    """All CPU backends and scikit-learn; where each case runs once, the fastest of ours."""
    every = [
        Case(Task("mnist", dtype), Entrant(who))
        for dtype in DTYPES
        for who in (*reversed(settings.cpu()), SKLEARN)
    ]
    return long(settings.pick(every, every, every[:1]), settings)


@taken_elsewhere
def test_memory(benchmark: Any, settings: Settings, case: Case) -> None:
    if why := mnist_memory.no_peak():
        pytest.skip(why)
    few = settings.pick(None, None, 256)
    name, X, y = read(case.task, few)
    entry = (estimator_memory.observer, (case.task, settings, few))
    with Arena({"it": entry}, pause=0.0) as arena:
        found = arena.ask("it", case.entrant)
    limit = None
    if case.entrant.mine:
        limit = estimator_memory.limit_bytes(case.entrant.who, X, y, settings.network)
        assert found["peak_bytes"] <= limit
    benchmark.group = f"memory of a second fit, {case.task.dtype}"
    benchmark.extra_info.update(
        who=f"accelnn {case.entrant.who}" if case.entrant.mine else SKLEARN,
        mine=case.entrant.mine,
        data=name,
        rows=len(X),
        dtype=case.task.dtype,
        data_bytes=X.nbytes + y.nbytes,
        peak_bytes=found["peak_bytes"],
        limit_bytes=limit,
    )
    play_back(benchmark, [found["seconds"]])
