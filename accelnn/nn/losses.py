"""Losses as modules: a function of prediction and target with its reduction held."""

from typing import Any

from accelnn.autograd import Tensor
from accelnn.nn import functional as F


class Loss:
    """Base of the losses; ``reduction`` is "mean", "sum" or "none"."""

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
        self.reduction = reduction

    def __call__(self, prediction: Tensor, target: Any) -> Tensor:
        """Return the loss; a subclass must define it."""
        raise TypeError(f"{type(self).__name__} does not define __call__(prediction, target)")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(reduction={self.reduction!r})"


class MSELoss(Loss):
    """Squared error, averaged over all elements; see ``functional.mse_loss``."""

    def __call__(self, prediction: Tensor, target: Any) -> Tensor:
        """Both of one shape."""
        return F.mse_loss(prediction, target, self.reduction)


class BCEWithLogitsLoss(Loss):
    """Binary cross-entropy of logits; see ``functional.binary_cross_entropy_with_logits``."""

    def __call__(self, prediction: Tensor, target: Any) -> Tensor:
        """Both of one shape."""
        return F.binary_cross_entropy_with_logits(prediction, target, self.reduction)


class CrossEntropyLoss(Loss):
    """Cross-entropy of logits and integer classes; see ``functional.cross_entropy``."""

    def __call__(self, prediction: Tensor, target: Any) -> Tensor:
        """Logits (n, n_classes), classes (n,)."""
        return F.cross_entropy(prediction, target, self.reduction)
