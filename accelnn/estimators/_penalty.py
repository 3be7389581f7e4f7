"""What the penalties add to the loss that is reported."""

from typing import Any

import numpy as np

from accelnn.row_weights import weigh
from accelnn.training import Loop


class Penalty:
    """What the penalties add to the loss of an epoch, per row.

    scikit-learn adds ``alpha/2 · |W|² / rows`` to the loss of each minibatch, and most backends
    report exactly that. Where one does not, and for L1, the mean of the penalties at the two ends
    of the epoch is taken.
    """

    def __init__(self, estimator: Any, loop: Loop, weights: Any) -> None:
        self.alpha, self.l1 = float(estimator.alpha), float(estimator.l1)
        self.loop, self.weights = loop, weights
        self.plan: Any = loop.engine.plan  # type: ignore[attr-defined]
        self.before = self._now()

    def _now(self) -> tuple[float, float]:
        """(alpha/2 · |W|², l1 · Σ|W|) of the present weights."""
        if not self.alpha and not self.l1:
            return 0.0, 0.0
        plan = self.plan
        w = plan.params[: plan.n_weights]
        squares = 0.5 * self.alpha * float(w @ w) if self.alpha else 0.0
        return squares, self.l1 * float(abs(w).sum()) if self.l1 else 0.0

    def of(self, order: Any) -> float:
        """Return the penalty of the epoch that has just ended, in which rows came in ``order``."""
        if not self.alpha and not self.l1:
            return 0.0
        n, exact = len(order), self.loop.penalty
        if exact is not None and not self.l1:
            return exact / n
        before, self.before = self.before, self._now()
        l2, l1 = ((a + b) / 2 for a, b in zip(before, self.before, strict=True))
        total = l1 + l2 if exact is None else l1
        rows = np.diff([*range(0, n, self.plan.batch_size), n])
        shares = weigh(self.plan, self.weights, order)[1]
        return (total * float(rows @ shares) + (exact or 0.0)) / n
