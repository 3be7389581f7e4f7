"""Losses that programs know by their kernels, and no module by name: the same in tensors."""

from typing import Any, ClassVar

import numpy as np

from accelnn import nn
from accelnn.autograd import Tensor
from accelnn.backends import Backend
from accelnn.kernels import table as t
from accelnn.lowering import check_lowerable, row_loss
from accelnn.nn import functional as F
from accelnn.program import Program, lower


class KernelLoss(nn.Loss):
    """A mean over all elements; ``code`` is the kernel's in the table."""

    code: ClassVar[int]


class Poisson(KernelLoss):
    """``e^z - t z``, and what does not depend on z."""

    code = t.POISSON

    def __call__(self, prediction: Tensor, target: Any) -> Tensor:
        """Both of one shape."""
        counts = target.numpy()
        rest = counts * np.log(np.maximum(counts, 1e-300)) - counts
        loss: Tensor = (prediction.exp() - target * prediction).mean()
        return loss + float(rest.mean())


class Perceptron(KernelLoss):
    """``max(z, 0) - t z``."""

    code = t.PERCEPTRON

    def __call__(self, prediction: Tensor, target: Any) -> Tensor:
        """Both of one shape."""
        loss: Tensor = (F.relu(prediction) - target * prediction).mean()
        return loss


def lowered(
    model: nn.Module,
    loss: nn.Loss,
    rule: Any,
    backend: Backend,
    batch_size: int,
    precision: str = "float32",
) -> Program:
    """Return the program of a stack, as ``lower`` does, with one of these losses too."""
    if not isinstance(loss, KernelLoss):
        return lower(model, loss, rule, backend, batch_size, precision)
    layers = check_lowerable(model, nn.MSELoss(), rule)
    how = row_loss(nn.MSELoss(), layers)._replace(code=loss.code)
    return Program(layers, how, rule, backend, batch_size, precision)
