"""Which backend is the fastest for one estimator on the user's own data, and against scikit-learn.

All competitors take turns within each round, so that a machine that slows down for a while slows
them all. What a first fit alone takes, compiling kernels or loading them, is counted apart.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from accelnn.backends import Backend, list_backends
from accelnn.backends.base import on_gpu
from accelnn.checking import from_gpu
from accelnn.errors import BackendUnavailable
from accelnn.estimators.comparison import BASELINE, Comparison, Row
from accelnn.estimators.exchange import sklearn_counterpart

#: Predictions of one row per round: each is over in less than a millisecond.
ONE_ROW = 20
#: OpenBLAS's threads spin for about 0.11 s after a product, each on a core that the next one needs.
REST_SECONDS = 0.15

_clock = time.perf_counter
_rest = time.sleep


def compare_backends(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    backends: Sequence[str | Backend] | None = None,
    repeats: int = 3,
    include_sklearn: bool = True,
    X_test: Any = None,
    y_test: Any = None,
) -> Comparison:
    """Fit an estimator on each backend and on scikit-learn, in turns, and return a table.

    Each competitor fits ``repeats + 1`` times, the first time for a single epoch and untimed.

    Parameters
    ----------
    estimator : estimator with an argument ``backend``, or a Pipeline whose last step is one
        Cloned, never fitted itself. Without a ``random_state`` its clones get 0, so that all go
        the same way.
    X, y
        As for ``fit``.
    backends : list of str or Backend, optional
        By default all of ``list_backends()``. "auto" is one as well.
    repeats : int
        Rounds, at least 1; seconds are medians over them.
    include_sklearn : bool
        Fit scikit-learn's estimator of the same arguments too.
    X_test, y_test : optional
        What is scored; by default X and y. Pass both or none.

    Returns
    -------
    Comparison
        A row says why its competitor could not run.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, or what ``fit`` raised if no competitor could run.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from accelnn import MLPClassifier, compare_backends
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((8,), max_iter=5, random_state=0)
    >>> found = compare_backends(model, X, y, backends=["numpy"], repeats=1)
    >>> [row.backend for row in found.rows]
    ['numpy', 'scikit-learn']
    >>> found.rows[0].n_iter
    5
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    if (X_test is None) != (y_test is None):
        raise ValueError("X_test and y_test belong together: pass both or none")
    path = _path_to_last(estimator)
    plain = _repeatable(clone(estimator), path)
    if "backend" not in _last(plain).get_params(deep=False):
        raise TypeError(f"{type(_last(plain)).__name__} has no argument `backend` to compare")
    runs = []
    for name in [s.name for s in list_backends()] if backends is None else backends:
        label = name if isinstance(name, str) else name.name
        runs.append(_Run(label, _maker(plain, path, name)))
    if include_sklearn:
        runs.append(_Run(BASELINE, lambda: _on_sklearn(plain, path)))
    if not runs:
        raise ValueError("nothing to compare: no backend is named, and not scikit-learn either")
    test = (X, y) if X_test is None else (X_test, y_test)
    with warnings.catch_warnings():
        # The table has a column of epochs, and a first fit stops after one.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # A fit takes Ctrl-C for its own end; here it ends everything (see ``tried``).
        warnings.filterwarnings("error", "Training interrupted by user", UserWarning)
        for run in runs:
            run.tried(run.warm_up, X, y)
        for number in range(repeats):
            start = number % len(runs)  # nobody always follows the same one
            for run in runs[start:] + runs[:start]:
                run.tried(run.turn, X, y, test)
    errors = [run.error for run in runs if run.error is not None]
    if len(errors) == len(runs):
        raise next((e for e in errors if not isinstance(e, BackendUnavailable)), errors[0])
    return Comparison([run.row() for run in runs], repeats)


class _Run:
    """One competitor: how it is made, what was measured so far, and why it left."""

    def __init__(self, name: str, make: Callable[[], Any]) -> None:
        self.name, self.make = name, make
        self.fit: list[float] = []
        self.predict: list[float] = []
        self.one: list[float] = []
        self.compile_seconds: float | None = None
        self.score = 0.0
        self.fitted: Any = None
        self.error: Exception | None = None

    def tried(self, act: Callable[..., None], *data: Any) -> None:
        """Act unless something went wrong before; what goes wrong now is this row's reason."""
        if self.error is None:
            try:
                act(*data)
            except Exception as error:
                if isinstance(error.__context__, KeyboardInterrupt):
                    raise error.__context__ from None
                self.error = error

    def warm_up(self, X: Any, y: Any) -> None:
        """Fit for one epoch and predict, which compiles and loads what later fits find ready."""
        X, y, model = self._placed(X), self._placed(y), self.make()
        # How long a fit is decides what "auto" takes.
        if self.name != "auto" and "max_iter" in _last(model).get_params(deep=False):
            _last(model).set_params(max_iter=1)
        model.fit(X, y)
        self.compile_seconds = getattr(_last(model), "compile_seconds_", None)
        model.predict(X)
        model.predict(_first_row(X))

    def turn(self, X: Any, y: Any, test: tuple[Any, Any]) -> None:
        """Fit and predict once, timed."""
        X, y = self._placed(X), self._placed(y)
        row, model = _first_row(X), self.make()
        _rest(REST_SECONDS)
        self.fit.append(_seconds(lambda: model.fit(X, y)))
        self.predict.append(_seconds(lambda: model.predict(X)))
        self.one += [_seconds(lambda: model.predict(row)) for _ in range(ONE_ROW)]
        self.score = float(model.score(*map(self._placed, test)))
        self.fitted = _last(model)

    def _placed(self, data: Any) -> Any:
        return from_gpu(data) if self.name == BASELINE else data

    def row(self) -> Row:
        """Return what was found."""
        if self.error is not None:
            return Row(self.name, reason=str(self.error) or type(self.error).__name__)
        weights: Any = getattr(self.fitted, "coefs_", ())
        auto = self.name == "auto"
        return Row(
            self.name,
            fit_seconds=median(self.fit),
            compile_seconds=self.compile_seconds,
            predict_seconds=median(self.predict),
            predict_one_seconds=median(self.one),
            score=self.score,
            n_iter=getattr(self.fitted, "n_iter_", None),
            engine=getattr(self.fitted, "engine_", None),
            dtype=str(weights[0].dtype) if len(weights) else None,
            reason=f"{self.fitted.backend_}: {self.fitted.backend_choice_}" if auto else "",
        )


def _seconds(call: Callable[[], Any]) -> float:
    start = _clock()
    call()
    return _clock() - start


def _first_row(X: Any) -> Any:
    return X[:1] if on_gpu(X) is not None else _safe_indexing(X, [0])


def _last(model: Any) -> Any:
    """Return the estimator itself, or the last step of a Pipeline, of however many."""
    while isinstance(model, Pipeline):
        model = model.steps[-1][1]
    return model


def _path_to_last(model: Any) -> str:
    """Return what ``set_params`` calls the last step: "" for an estimator itself."""
    path = ""
    while isinstance(model, Pipeline):
        name, model = model.steps[-1]
        path += f"__{name}" if path else name
    return path


def _with(plain: Any, path: str, **params: Any) -> Any:
    prefix = f"{path}__" if path else ""
    return clone(plain).set_params(**{prefix + name: value for name, value in params.items()})


def _maker(plain: Any, path: str, backend: str | Backend) -> Callable[[], Any]:
    return lambda: _with(plain, path, backend=backend)


def _repeatable(model: Any, path: str) -> Any:
    last = _last(model)
    unset = getattr(last, "random_state", 0) is None
    return _with(model, path, random_state=0) if unset else model


def _on_sklearn(plain: Any, path: str) -> Any:
    """Return scikit-learn's counterpart, which follows the dtype of X; ValueError without one."""
    other, left_out = sklearn_counterpart(_last(plain))
    missing = [name for name in left_out if name != "dtype"]
    if missing:
        raise ValueError(f"scikit-learn has no counterpart of {', '.join(missing)}")
    return clone(plain).set_params(**{path: other}) if path else other
