"""The loss of an estimator: as a kernel of a program where there is one, and through tensors.

An ``Objective`` says what a row loses, and what a row's loss weighs in what scikit-learn reports.
The gradient is always that of the mean over rows of ``rows``.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from accelnn import nn
from accelnn.autograd import Tensor
from accelnn.backends import get_backend
from accelnn.graph import no_grad
from accelnn.kernels import table as t
from accelnn.lowering import RowLoss
from accelnn.nn.loss_functions import row_losses


class Objective(NamedTuple):
    """What is minimised.

    Attributes
    ----------
    rows : callable (outputs, targets) -> Tensor of (n,) or of ()
        Loss of each row; a loss of the user's own may give the mean alone.
    program : RowLoss or None
        The same as a kernel, for a program; None where there is none.
    reported : float
        What is reported is the mean of ``rows`` times this.
    name : str
        For the reason why there is no program.
    """

    rows: Callable[[Tensor, Tensor], Tensor]
    program: RowLoss | None = None
    reported: float = 1.0
    name: str = ""

    def report(self, outputs: Any, targets: Any, weights: Any) -> float:
        """Return the loss of NumPy outputs (n, m), rows weighted, without any penalty."""
        host = get_backend("numpy")
        with no_grad():
            value = self.rows(Tensor(outputs, backend=host), Tensor(targets, backend=host)).array
        if not value.ndim and weights is not None:
            raise ValueError("with weights of the rows a loss must return that of each row, (n,)")
        mean = np.average(value, weights=weights) if value.ndim else value
        return float(mean) * self.reported


def _kernel(code: int, scale: float = 1.0) -> RowLoss:
    return RowLoss(code, scale, True)


def squared_error(n_outputs: int) -> Objective:
    """Half the squared error: stepped on summed over outputs, reported as their mean."""

    def rows(y: Tensor, target: Tensor) -> Tensor:
        return row_losses("squared_error", y, target) * 0.5

    return Objective(rows, _kernel(t.SQUARED_ERROR, 0.5), 1 / n_outputs)


def poisson() -> Objective:
    """Half the Poisson deviance of ``exp(outputs)``, summed over outputs."""
    return Objective(partial(row_losses, "poisson"), _kernel(t.POISSON))


def perceptron() -> Objective:
    """``(ŷ - y) z`` with ŷ = 1[z ≥ 0]: the loss behind the perceptron's rule."""
    return Objective(partial(row_losses, "perceptron"), _kernel(t.PERCEPTRON))


def log_loss(softmax: bool, smoothing: float) -> Objective:
    """Cross-entropy of classes, or the binary one of each output.

    A binary target is smoothed before it comes here, since it is a number; a class is not.
    """
    if not softmax:
        return Objective(nn.BCEWithLogitsLoss().per_row, _kernel(t.BINARY_CROSS_ENTROPY))
    if not smoothing:
        return Objective(nn.CrossEntropyLoss().per_row, _kernel(t.CROSS_ENTROPY))
    smoothed = nn.CrossEntropyLoss(label_smoothing=smoothing)
    return Objective(smoothed.per_row, name=f"the loss {smoothed!r}")


_NAMED: dict[str, Callable[[], nn.Loss]] = {
    "absolute_error": nn.L1Loss,
    "huber": nn.HuberLoss,
    "quantile": nn.QuantileLoss,
    "focal": nn.FocalLoss,
}
REGRESSION = frozenset({"squared_error", "poisson", "absolute_error", "huber", "quantile"})
CLASSIFICATION = frozenset({"log_loss", "focal"})


def of(loss: Any) -> Objective:
    """Return the objective of a name, a loss module or a function of the user's own."""
    if isinstance(loss, str):
        loss = _NAMED[loss]()
    if isinstance(loss, nn.Loss):
        return Objective(loss.per_row, name=f"the loss {loss!r}")
    return Objective(loss, name=f"the loss {getattr(loss, '__name__', loss)!r}")
