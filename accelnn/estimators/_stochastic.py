"""The fit loop of the stochastic solvers, which follows scikit-learn's draw by draw.

The order of the random draws (initial weights, held back rows, one shuffle an epoch), the words
of ``verbose`` and the rules by which training stops are scikit-learn's, so that the same seed
leads along the same path.
"""

import math
import time
import warnings
from functools import partial
from numbers import Real
from typing import Any, NamedTuple

from sklearn.exceptions import ConvergenceWarning

from accelnn.backends import Backend
from accelnn.estimators._ahead import Epochs, epochs
from accelnn.estimators._network import minibatch_rows
from accelnn.estimators._rules import Rule
from accelnn.estimators._validation import Validation, split
from accelnn.history import Callback
from accelnn.training import Loop

#: Lines from here to the caller of ``fit``, for warnings.
_CALLER = 5


class Data(NamedTuple):
    """Checked data, on the host.

    Attributes
    ----------
    X : array or CSR matrix of shape (n, n_features)
    target : array
        As the objective reads it: (n,) int64, or (n, m) of X's dtype.
    weights : array of shape (n,) or None
    y : array
        What was given, for scorers.
    """

    X: Any
    target: Any
    weights: Any
    y: Any


class _OutOfTime(Exception):
    """``max_time`` is over."""


class _Clock(Callback):
    """Looks at the time some times a second."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    def on_progress(self, epoch: int, rows_done: int) -> None:
        """Stop the fit when its time is over."""
        if time.monotonic() >= self.end:
            raise _OutOfTime


class StochasticFit:
    """One call of ``fit`` or ``partial_fit``."""

    def __init__(
        self, estimator: Any, data: Data, backend: Backend, rng: Any, incremental: bool
    ) -> None:
        self.estimator, self.data, self.backend, self.rng = estimator, data, backend, rng
        self.incremental = incremental
        e = estimator
        if not incremental or getattr(e, "_rule", None) is None:
            e._rule = e._make_rule(data)
        else:  # scikit-learn's optimizers last too, and the penalty is none of their business
            e._rule.alpha = e.alpha
        self.rule: Rule = e._rule

    def run(self, held_back: Data | None, task: Any) -> Warning | None:
        """Train, and return what the user is to be warned of.

        ``held_back`` is the validation set given, ``task`` the callbacks' context.
        """
        e, data = self.estimator, self.data
        if e.early_stopping and held_back is None:
            data, held_back = split(e, data, self.rng)
        n = data.X.shape[0]
        size = {"auto": 200, "full": n}.get(e.batch_size, e.batch_size)
        if not isinstance(e.batch_size, str) and size > n:
            warnings.warn(
                f"Got `batch_size` larger than sample size: {size} is clipped to the {n} "
                "training samples",
                UserWarning,
                stacklevel=_CALLER,
            )
        size = minibatch_rows(e, min(size, n), n)
        with e._engine(self.backend, self.rule, size, self.rng) as engine:
            engine.bind(data.X, e._smoothed(data.target), row_weights=data.weights)
            validation = None if held_back is None else Validation(e, held_back, engine)
            clock: list[Callback] = [] if e.max_time is None else [_Clock(e.max_time)]
            loop = Loop(engine, self.backend, clock, n)
            e.compile_seconds_ = loop.warm_up()
            try:
                ended = self._epochs(loop, data, validation, task)
            except KeyboardInterrupt:
                ended = UserWarning("Training interrupted by user.")
            except _OutOfTime:
                ended = ConvergenceWarning(
                    f"Stochastic Optimizer: max_time={e.max_time} seconds are over after "
                    f"{e.n_iter_} epochs and the optimization hasn't converged yet."
                )
            if validation is not None and e.early_stopping:
                validation.restore_best()
            self.rule.kept = self.backend.to_numpy(engine.plan.states).copy()
            e._take_from(engine)
        return ended

    def _epochs(
        self, loop: Loop, data: Data, validation: Validation | None, task: Any
    ) -> Warning | None:
        e, watched = self.estimator, validation is not None or task.listened
        e.n_iter_ = 0
        rates = partial(self._rates, loop)
        losses = epochs(e, loop, data.weights, self.rng, rates, watched)
        try:
            return self._follow(losses, loop, validation, task)
        finally:
            losses.settle()

    def _follow(
        self, losses: Epochs, loop: Loop, validation: Validation | None, task: Any
    ) -> Warning | None:
        """Take one epoch after the other, until training ends; return a warning that it must."""
        e = self.estimator
        for _ in range(e.max_iter):
            with task.epoch(lambda: e._fitted_on(loop.engine)) as epoch:
                e._epoch_ended(losses.next(), loop.n_rows)
                if validation is not None:
                    validation.epoch_ended()
                self.rule.epoch_ends(e.t_)
            if e._no_improvement_count > e.n_iter_no_change:
                losses.settle()  # the learning rate may change
                if self.rule.stops(self._why(), bool(e.verbose)):
                    break
                e._no_improvement_count = 0
            if self.incremental or epoch.wants_to_stop:
                break
            if e.n_iter_ == e.max_iter:
                ended: Warning = ConvergenceWarning(
                    f"Stochastic Optimizer: Maximum iterations ({e.max_iter}) reached and the "
                    "optimization hasn't converged yet."
                )
                return ended
        return None

    def _rates(self, loop: Loop) -> Any:
        """Return a function that gives the learning rates of steps first ... last - 1."""
        e, rule, n = self.estimator, self.rule, loop.engine.n_batches
        if isinstance(e.learning_rate, str):
            return lambda first, last: [rule.lr] * (last - first)
        done = len(e.loss_curve_) if self.incremental else e.n_iter_

        def scheduled(first: int, last: int) -> list[float]:
            rates = []
            for i in range(first, last):
                epoch = done + i / n
                factor = e.learning_rate(epoch, e.max_iter)
                if not isinstance(factor, Real) or not math.isfinite(factor):
                    raise ValueError(
                        f"learning_rate({epoch}, {e.max_iter}) returned {factor!r}; expected a "
                        "finite number, the factor of learning_rate_init"
                    )
                rates.append(e.learning_rate_init * float(factor))
            rule.lr = rates[-1]
            return rates

        return scheduled

    def _why(self) -> str:
        e = self.estimator
        what = "Validation score" if e.early_stopping else "Training loss"
        return (
            f"{what} did not improve more than tol={e.tol:f} for {e.n_iter_no_change} consecutive "
            "epochs."
        )
