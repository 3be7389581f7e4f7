"""The estimators and scikit-learn's of the same arguments, on the data of three sizes.

Before anything is timed, all fit an epoch of a few minibatches and must then predict the same.
"""

from typing import Any, NamedTuple

import numpy as np
import sklearn.datasets
import sklearn.neural_network

import accelnn
from accelnn.bench.networks import load
from accelnn.bench.settings import Settings

SKLEARN = "scikit-learn"
PROBLEMS = ("iris", "digits", "mnist")
DTYPES = ("float32", "float64")
#: What ``batch_size="auto"`` stands for where there are so many rows.
BATCH = 200
#: Rows of the check, five steps.
CHECKED = 5 * BATCH
#: How far probabilities may lie apart after it. Rounding alone makes some 1e-6 in float32; but a
#: unit at the edge of its ReLU, on with one order of the sums and off with another, made 8e-3 in 20
#: steps.
TOLERANCE = {"float32": 1e-2, "float64": 1e-7}


class Task(NamedTuple):
    """Which data are learned, and of which dtype X is."""

    problem: str
    dtype: str

    def __str__(self) -> str:
        return f"{self.problem}-{self.dtype}"


class Entrant(NamedTuple):
    """Whose estimator it is.

    Attributes
    ----------
    who : str
        What the argument ``backend`` is, or ``SKLEARN``.
    asked : str
        What the argument ``dtype`` is; empty for that of X.
    """

    who: str
    asked: str = ""

    def __str__(self) -> str:
        return f"{self.who}-as-{self.asked}" if self.asked else self.who

    @property
    def mine(self) -> bool:
        """Whether it is one of ours."""
        return self.who != SKLEARN


def tasks(settings: Settings) -> list[Task]:
    """Return all data in both dtypes; in a quick run each in that in which it mostly comes."""
    every = [Task(problem, dtype) for problem in PROBLEMS for dtype in DTYPES]
    few = [Task("iris", "float64"), Task("digits", "float64"), Task("mnist", "float32")]
    return settings.pick(every, few, every)


def ours(settings: Settings) -> tuple[str, ...]:
    """Return the backends that train as fast as they can, NumPy only where there is no other."""
    fast = tuple(name for name in settings.backends if name != "numpy")
    return fast or settings.backends


def entrants(task: Task, settings: Settings) -> list[Entrant]:
    """Return who takes part in a task; "auto" is what a user gets who names no backend.

    It chooses by the size of a fit, so it stays out of quick runs, which are small. In float32 on X
    of float64 only the largest data are learned: elsewhere there is little to win.
    """
    names = (*ours(settings), *settings.pick(("auto",), (), ("auto",)))
    found = [Entrant(who) for who in (SKLEARN, *names)]
    if task == ("mnist", "float64"):
        found += [Entrant(who, "float32") for who in names]
    return found


def read(task: Task, rows: int | None = None) -> tuple[str, Any, Any]:
    """Return name, X (n, n_features) and y (n,) of the first ``rows`` rows, all for None.

    Pixels are between 0 and 1; iris is in centimetres, as it comes.
    """
    if task.problem == "mnist":
        data, X, y = load(rows)
        return data.name, X.astype(task.dtype, copy=False), y
    X, y = getattr(sklearn.datasets, f"load_{task.problem}")(return_X_y=True)
    X = X / 16 if task.problem == "digits" else X
    return task.problem, X[:rows].astype(task.dtype), y[:rows]


def arguments(task: Task, settings: Settings) -> dict[str, Any]:
    """Return what all are made with: the defaults, but for MNIST one epoch of a larger network."""
    if task.problem == "mnist":
        given = {"hidden_layer_sizes": settings.network[1:-1], "max_iter": 1, "tol": 0.0}
        return {**given, "n_iter_no_change": np.inf, "random_state": 0}
    return {"max_iter": settings.pick(200, 10, 2), "random_state": 0}


def make(entrant: Entrant, given: dict[str, Any]) -> Any:
    """Return an estimator that has not been fitted."""
    if not entrant.mine:
        return sklearn.neural_network.MLPClassifier(**given)
    return accelnn.MLPClassifier(**given, backend=entrant.who, dtype=entrant.asked or None)


def rehearsed(task: Task, settings: Settings) -> dict[Entrant, Any]:
    """Return everybody's estimator after an epoch of few rows, in which all learned the same.

    Whatever a first fit compiles or loads is there afterwards.
    """
    _, X, y = read(task, settings.pick(CHECKED, CHECKED, 256))
    given = {**arguments(task, settings), "max_iter": 1}
    fitted = {each: make(each, given).fit(X, y) for each in entrants(task, settings)}
    expected = fitted[Entrant(SKLEARN)].predict_proba(X[-200:])
    for each, model in fitted.items():
        off = float(np.abs(model.predict_proba(X[-200:]) - expected).max())
        limit = TOLERANCE[each.asked or task.dtype]
        assert off <= limit, f"{task}, {each}: probabilities are off by {off:.1e}, not {limit:.0e}"
    return fitted
