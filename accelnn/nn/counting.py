"""Count the operations of a network from the costs that its kernels declare."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from accelnn import kernels
from accelnn.autograd import Tensor
from accelnn.backends import get_backend
from accelnn.kernels.cost import Cost
from accelnn.nn.linear import Linear
from accelnn.nn.module import Module


@dataclass(frozen=True)
class OpCount:
    """Operations of one pass over a batch.

    Attributes
    ----------
    forward, backward : Cost
        With ``multiplications``, ``additions``, ``other``, ``flops``, ``reads``, ``writes``.
    """

    forward: Cost
    backward: Cost


def count_ops(model: Module, batch: Any) -> OpCount:
    """Count the operations of forward and backward, from the gradient of the output on.

    Parameters
    ----------
    model : Module
    batch : int or array of shape (n, ...)
        Number of rows, the width being that of the first Linear, or an input.

    Examples
    --------
    >>> import accelnn
    >>> from accelnn import nn
    >>> mnist = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(),
    ...                       nn.Linear(512, 10))
    >>> count = accelnn.count_ops(mnist, 1)
    >>> count.forward.multiplications, count.backward.multiplications
    (668672, 935936)
    """
    total = Cost()
    reference = kernels.load("reference")

    def around(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        declared = reference[name].cost  # type: ignore[attr-defined]

        def counted(*args: Any, out: Any = None, **how: Any) -> Any:
            nonlocal total
            total += declared(*args, **how)
            return kernel(*args, out=out, **how)

        return counted

    spy = get_backend("numpy").intercept(around)
    twin = deepcopy(model)
    for tensor in (*twin.parameters(), *twin.buffers()):
        tensor.array, tensor.backend = np.array(tensor.numpy()), spy
    x = Tensor(_rows_for(model, batch), backend=spy)
    with np.errstate(all="ignore"):
        y = twin(x)
        forward, total = total, Cost()
        if y.requires_grad:
            y.backward(np.ones(y.shape))
    return OpCount(forward, total)


def _rows_for(model: Module, batch: Any) -> Any:
    dtype = next((str(p.dtype) for p in model.parameters()), "float32")
    if not isinstance(batch, Integral):
        return np.asarray(batch, dtype=dtype)
    first = _first_linear(model)
    if first is None or batch < 1:
        raise ValueError(
            f"count_ops needs a number of rows of at least 1 and a model with a Linear, or an "
            f"input array; got batch={batch!r}"
        )
    return np.zeros((int(batch), first.in_features), dtype)


def _first_linear(module: Module) -> Linear | None:
    if isinstance(module, Linear):
        return module
    return next((f for child in module.children() if (f := _first_linear(child))), None)
