"""An epoch of the MNIST network by a backend or by the plain loop, and that all learn the same."""

import time
from typing import Any, NamedTuple

import numpy as np

from accelnn.bench.networks import RATES, PlainLoop, program
from accelnn.bench.settings import Settings
from accelnn.program import Program

PLAIN = "plain NumPy loop"
#: Rows that a check trains on at most: 20 minibatches of 512, or two of 4096 and a smaller one.
CHECKED = 10_240
#: Steps before an epoch that is timed.
WARM = 3


class Fit(NamedTuple):
    """Who trains, and how.

    Attributes
    ----------
    trainer : str
        A backend's name, or ``PLAIN``.
    optimizer : {"sgd", "adam"}
    batch : int
    """

    trainer: str
    optimizer: str
    batch: int

    def __str__(self) -> str:
        return f"{self.trainer}-{self.optimizer}-{self.batch}"

    @property
    def who(self) -> str:
        """What a reader should see."""
        return self.trainer if self.trainer == PLAIN else f"accelnn {self.trainer}"

    def info(self, rows: int, data: str) -> dict[str, Any]:
        """Return what every part of the suite records of a fit."""
        return {
            "who": self.who,
            "backend": self.trainer,
            "optimizer": self.optimizer,
            "batch": self.batch,
            "rows": rows,
            "data": data,
        }


def check(fit: Fit, settings: Settings, X: Any, y: Any) -> None:
    """Assert the plain loop's weights after 20 steps, in a quick run 5.

    In float64, so that rounding does not blur the answer. Fewer where ``CHECKED`` rows or the data
    do not hold so many; the last one is then a smaller minibatch.
    """
    if fit.trainer == PLAIN:
        return
    rows = min(settings.pick(20, 5, 2) * fit.batch, CHECKED, len(X))
    wide, labels = X[:rows].astype(np.float64), y[:rows]
    how: dict[str, Any] = {"widths": settings.network, "batch": fit.batch}
    loop = PlainLoop(fit.optimizer, wide, labels, **how)
    loop.run(np.arange(rows))
    with program(fit.trainer, fit.optimizer, wide, labels, **how) as made:
        total = made.run(0, made.n_batches, [RATES[fit.optimizer]] * made.n_batches)
        mine = made.backend.to_numpy(made.plan.params)
    assert abs(total / rows - loop.loss) < 1e-9, f"{fit}: the loss is not the plain loop's"
    learned = [p.ravel() for p in (*loop.parameters[::2], *loop.parameters[1::2])]
    np.testing.assert_allclose(mine, np.concatenate(learned), rtol=1e-7, atol=1e-9)


class Epochs:
    """A call trains an epoch, and waits until it is done.

    Attributes
    ----------
    compile_seconds : float
        What running no step at all took, which compiles or loads what steps need.
    """

    def __init__(self, fit: Fit, settings: Settings, X: Any, y: Any) -> None:
        how: dict[str, Any] = {"widths": settings.network, "batch": fit.batch}
        self.order = np.random.default_rng(1).permutation(len(X))
        self.compile_seconds = 0.0
        self.loop: PlainLoop | None = None
        self.made: Program | None = None
        if fit.trainer == PLAIN:
            self.loop = PlainLoop(fit.optimizer, X, y, **how)
            return
        self.made = program(fit.trainer, fit.optimizer, X, y, **how)
        self.rates = [RATES[fit.optimizer]] * self.made.n_batches
        self.made.start_epoch(self.order)
        start = time.perf_counter()
        self.made.run(0, 0, [])
        self.made.backend.synchronize()
        self.compile_seconds = time.perf_counter() - start

    def __call__(self) -> None:
        """Train an epoch."""
        if self.loop is not None:
            self.loop.run(self.order)
        if self.made is not None:
            self.made.run(0, self.made.n_batches, self.rates)
            self.made.backend.synchronize()

    def warm_up(self) -> None:
        """Train a few steps, in which threads start and buffers are touched for the first time.

        A GPU is given the whole epoch: its launches are prepared for the range of steps asked for.
        """
        if self.loop is not None:
            self.loop.run(self.order[: WARM * self.loop.batch])
        if self.made is not None:
            n = self.made.n_batches
            n = n if self.made.backend.name.partition(":")[0] == "cupy" else min(WARM, n)
            self.made.run(0, n, self.rates[:n])
            self.made.backend.synchronize()

    def close(self) -> None:
        """Give up buffers and data."""
        if self.made is not None:
            self.made.close()
