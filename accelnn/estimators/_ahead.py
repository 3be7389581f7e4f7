"""The epochs of a fit, one loss after the other: one by one, or several ahead in one call.

A step on a small network takes some tens of microseconds; the way into compiled code and back,
with an epoch's bookkeeping, takes more than that. So where nobody looks at the weights between two
epochs, and they are short, a block of them is run at once. What follows from their losses is
decided afterwards, epoch by epoch, in the fit loop's own words; and where that ends the training or
changes the learning rate, ``settle`` goes back to the start of the block and comes again as far as
it should have gone: same rows, same random state, same bits.
"""

import time
from collections import deque
from typing import Any, Protocol

import numpy as np

from accelnn.estimators._penalty import Penalty
from accelnn.kernels.table import DROPOUT
from accelnn.program import Program
from accelnn.training import Loop

#: Seconds in a block, so that Ctrl-C and a line of ``verbose`` do not wait; and epochs, rows.
_SECONDS, _EPOCHS, _ROWS = 0.02, 64, 2**18


class Epochs(Protocol):
    """What the fit loop asks for the losses of its epochs."""

    def next(self) -> float:
        """Train one epoch and return its loss, penalties and all, as it is reported."""

    def settle(self) -> None:
        """Make weights, optimizer and random state those after the last epoch that was returned."""


class Shuffled:
    """The order of the rows, drawn as ``sklearn.utils.shuffle`` does, without its checks."""

    def __init__(self, estimator: Any, n: int, rng: Any) -> None:
        self.shuffles, self.rng, self.rows = estimator.shuffle, rng, np.arange(n)

    def next(self) -> Any:
        """Return the order of the next epoch."""
        if self.shuffles:
            drawn = np.arange(len(self.rows))
            self.rng.shuffle(drawn)
            self.rows = self.rows[drawn]
        return self.rows


class OneByOne:
    """Each epoch by itself; ``rates()`` returns the function of its learning rates."""

    def __init__(self, estimator: Any, loop: Loop, weights: Any, rng: Any, rates: Any) -> None:
        self.estimator, self.loop, self.rates = estimator, loop, rates
        self.order = Shuffled(estimator, loop.n_rows, rng)
        self.penalty = Penalty(estimator, loop, weights)

    def next(self) -> float:
        """Train one epoch."""
        e, order = self.estimator, self.order.next()
        loss = self.loop.epoch(e.n_iter_ + 1, order, self.rates())
        return float(e._objective.reported * loss + self.penalty.of(order))

    def settle(self) -> None:
        """Nothing is ahead."""


class Ahead:
    """Blocks of short epochs; the learning rate changes only when the fit loop says so."""

    def __init__(self, single: OneByOne, engine: Program, rng: Any) -> None:
        self.single, self.engine, self.rng = single, engine, rng
        self.estimator, self.order, self.n = single.estimator, single.order, engine.plan.per_epoch
        self.many, self.taken = 1, 0
        self.losses: deque[float] = deque()
        self.before: Any = None

    def next(self) -> float:
        """Return the next epoch's loss, of a new block where the last one is used up."""
        many = min(self.many, self.estimator.max_iter - self.estimator.n_iter_)
        if not self.losses:
            started = time.perf_counter()
            if many == 1:  # in pieces, if it takes long, so that Ctrl-C need not wait
                loss = self.single.next()
            else:
                self._run(many)
            seconds = (time.perf_counter() - started) / many
            longest = min(_SECONDS / seconds, _EPOCHS, _ROWS / self.n)
            self.many = max(1, min(int(longest), 4 * many))
            if many == 1:
                return loss  # nothing is ahead
        self.taken += 1
        return self.losses.popleft()

    def settle(self) -> None:
        """Take back what is ahead."""
        if not self.losses:
            return
        plan, rule = self.engine.plan, self.engine.rule
        params, states, rule.t, self.order.rows, drawn = self.before
        plan.params[...], plan.states[...] = params, states
        self.rng.set_state(drawn)
        self.losses.clear()
        if self.taken:
            self._run(self.taken)
            self.losses.clear()

    def _run(self, many: int) -> None:
        """Run a block and keep the losses of its epochs."""
        e, engine, n = self.estimator, self.engine, self.n
        plan, rule = engine.plan, engine.rule
        before = plan.params.copy(), plan.states.copy(), rule.t, self.order.rows
        self.before, self.taken = (*before, self.rng.get_state()), 0
        engine.start_epochs(np.stack([self.order.next() for _ in range(many)]))
        engine.run(0, many * plan.steps, [e._rule.lr] * (many * plan.steps))
        for i, penalties in enumerate(engine.penalties.reshape(many, plan.steps)):
            loss = engine.losses(i * plan.steps, (i + 1) * plan.steps)
            self.losses.append(e._objective.reported * (loss / n) + float(penalties.sum()) / n)


def epochs(estimator: Any, loop: Loop, weights: Any, rng: Any, rates: Any, watched: bool) -> Epochs:
    """Return the epochs of a fit; ``watched`` if somebody looks at the weights after each."""
    e, engine = estimator, loop.engine
    single = OneByOne(estimator, loop, weights, rng, rates)
    if (
        not watched
        and isinstance(engine, Program)
        and not hasattr(engine.rule, "step_plan")
        and not (e.solver == "sgd" and e.learning_rate == "invscaling")
        and isinstance(e.learning_rate, str)
        and e.max_time is None
        and isinstance(engine.plan.X, np.ndarray)
        and isinstance(engine.plan.params, np.ndarray)
        and DROPOUT not in engine.plan.table["kind"]  # which counts its calls
        and engine.penalties is not None
    ):
        return Ahead(single, engine, rng)
    return single
