"""Losses as modules: a function of prediction and target with its reduction and numbers held."""

import math
from typing import Any

from accelnn.autograd import Tensor
from accelnn.nn import functional as F
from accelnn.nn.loss_functions import row_losses
from accelnn.nn.ranges import number_between


class Loss:
    """Base of the losses; ``reduction`` is "mean", "sum" or "none"."""

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
        self.reduction = reduction

    def __call__(self, prediction: Tensor, target: Any) -> Tensor:
        """Return the loss; a subclass must define it."""
        raise TypeError(f"{type(self).__name__} does not define __call__(prediction, target)")

    def per_row(self, prediction: Tensor, target: Any) -> Tensor:
        """Return the loss of each row, summed over its outputs, whatever the reduction.

        Parameters
        ----------
        prediction : Tensor of shape (n, ...)
        target : Tensor or array
            As for a call; it gets no gradient.

        Returns
        -------
        Tensor of shape (n,)
            What rows may be weighted by before they are summed.

        Examples
        --------
        >>> from accelnn import Tensor, nn
        >>> nn.L1Loss().per_row(Tensor([[1.0, 2.0], [3.0, 5.0]]), [[0.0, 0.0], [3.0, 4.0]]).tolist()
        [3.0, 1.0]
        """
        raise TypeError(f"{type(self).__name__} does not define per_row(prediction, target)")

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({shown})"


class MSELoss(Loss):
    """Squared error, averaged over all elements; see ``functional.mse_loss``."""

    def __call__(self, prediction: Tensor, target: Any) -> Tensor:
        """Both of one shape."""
        return F.mse_loss(prediction, target, self.reduction)

    def per_row(self, prediction: Tensor, target: Any) -> Tensor:
        """Both of one shape (n, ...)."""
        return row_losses("squared_error", prediction, target)


class BCEWithLogitsLoss(Loss):
    """Binary cross-entropy of logits; see ``functional.binary_cross_entropy_with_logits``."""

    def __call__(self, prediction: Tensor, target: Any) -> Tensor:
        """Both of one shape."""
        return F.binary_cross_entropy_with_logits(prediction, target, self.reduction)

    def per_row(self, prediction: Tensor, target: Any) -> Tensor:
        """Both of one shape (n, ...)."""
        return row_losses("binary_cross_entropy", prediction, target)


class CrossEntropyLoss(Loss):
    """Cross-entropy of logits and integer classes; see ``functional.cross_entropy``.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
    label_smoothing : float
        Part of the target that is spread over all classes, 0 to 1.
    """

    def __init__(self, reduction: str = "mean", label_smoothing: float = 0.0) -> None:
        super().__init__(reduction)
        self.label_smoothing = number_between("label_smoothing", label_smoothing, 0, 1, ends=True)

    def __call__(self, prediction: Tensor, target: Any) -> Tensor:
        """Logits (n, n_classes), classes (n,)."""
        return F.cross_entropy(prediction, target, self.reduction, self.label_smoothing)

    def per_row(self, prediction: Tensor, target: Any) -> Tensor:
        """Logits (n, n_classes), classes (n,)."""
        return F.cross_entropy(prediction, target, "none", self.label_smoothing)

    def __repr__(self) -> str:
        smooth = f", label_smoothing={self.label_smoothing}" if self.label_smoothing else ""
        return f"CrossEntropyLoss(reduction={self.reduction!r}{smooth})"


class _ElementLoss(Loss):
    """A loss that its function computes for each element."""

    def _of(self, prediction: Tensor, target: Any, reduction: str) -> Tensor:
        raise NotImplementedError

    def __call__(self, prediction: Tensor, target: Any) -> Tensor:
        """Return the loss of prediction and target of one shape."""
        return self._of(prediction, target, self.reduction)

    def per_row(self, prediction: Tensor, target: Any) -> Tensor:
        """Both of one shape (n, ...)."""
        each = self._of(prediction, target, "none")
        if each.ndim == 1:
            return each
        rows = each.shape[0] if each.ndim else 1
        return each.reshape(rows, math.prod(each.shape[1:])).sum(1)


class BCELoss(_ElementLoss):
    """Binary cross-entropy of probabilities; see ``functional.binary_cross_entropy``.

    Behind a Sigmoid, ``BCEWithLogitsLoss`` in place of both is faster and exact for any logit.
    """

    def _of(self, prediction: Tensor, target: Any, reduction: str) -> Tensor:
        return F.binary_cross_entropy(prediction, target, reduction)


class L1Loss(_ElementLoss):
    """Absolute error, averaged over all elements; see ``functional.l1_loss``."""

    def _of(self, prediction: Tensor, target: Any, reduction: str) -> Tensor:
        return F.l1_loss(prediction, target, reduction)


class HuberLoss(_ElementLoss):
    """Squared error near the target, absolute error far off; see ``functional.huber_loss``.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
    delta : float
        Error from which on it is straight, above 0.
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = number_between("delta", delta, 0, math.inf, ends=False)

    def _of(self, prediction: Tensor, target: Any, reduction: str) -> Tensor:
        return F.huber_loss(prediction, target, reduction, self.delta)


class QuantileLoss(_ElementLoss):
    """Loss whose least value is at a quantile of the targets; see ``functional.quantile_loss``.

    Parameters
    ----------
    quantile : float
        Between 0 and 1, and neither.
    reduction : {"mean", "sum", "none"}
    """

    def __init__(self, quantile: float = 0.5, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.quantile = number_between("quantile", quantile, 0, 1, ends=False)

    def _of(self, prediction: Tensor, target: Any, reduction: str) -> Tensor:
        return F.quantile_loss(prediction, target, reduction, self.quantile)


class PoissonNLLLoss(_ElementLoss):
    """Negative log-likelihood of counts; see ``functional.poisson_nll_loss``.

    Parameters
    ----------
    log_input : bool
        Whether the prediction is the logarithm of the rate.
    reduction : {"mean", "sum", "none"}
    """

    def __init__(self, log_input: bool = True, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.log_input = bool(log_input)

    def _of(self, prediction: Tensor, target: Any, reduction: str) -> Tensor:
        return F.poisson_nll_loss(prediction, target, self.log_input, reduction)


class FocalLoss(_ElementLoss):
    """Cross-entropy in which what is easy counts less; see ``functional.focal_loss``.

    Parameters
    ----------
    gamma : float
        How much less, at least 0.
    reduction : {"mean", "sum", "none"}

    Notes
    -----
    Logits (n, n_classes) with classes (n,), or logits and targets of one shape.
    """

    def __init__(self, gamma: float = 2.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.gamma = number_between("gamma", gamma, 0, math.inf, ends=True)

    def _of(self, prediction: Tensor, target: Any, reduction: str) -> Tensor:
        return F.focal_loss(prediction, target, reduction, self.gamma)
