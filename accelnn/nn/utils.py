"""What PyTorch keeps in ``nn.utils``: gradients kept within bounds."""

import math
from collections.abc import Iterable

from accelnn.autograd import Tensor
from accelnn.nn.ranges import number_between


def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float) -> Tensor:
    """Scale all gradients together so that their norm is at most ``max_norm``; in place.

    ``g *= min(1, max_norm / (‖g‖ + 1e-6))`` with the Euclidean norm of all gradients as one vector
    (Pascanu et al. 2013, arXiv:1211.5063, algorithm 1), as in PyTorch. Its ``norm_type`` and
    ``error_if_nonfinite`` are not known here: a norm of NaN makes all gradients NaN.

    Parameters
    ----------
    parameters : iterable of Tensor, or one Tensor
        Those without a gradient are left out. All on one backend.
    max_norm : float
        At least 0.

    Returns
    -------
    Tensor of shape ()
        The norm before; it stays on the device until somebody reads it.

    Examples
    --------
    >>> from accelnn import Parameter, Tensor, nn
    >>> p = Parameter([1.0, 1.0])
    >>> p.grad = Tensor([3.0, 4.0])
    >>> nn.utils.clip_grad_norm_([p], 1.0).item()
    5.0
    >>> p.grad.numpy().round(5).tolist()
    [0.6000000238418579, 0.800000011920929]
    """
    limit = number_between("max_norm", max_norm, 0, math.inf, ends=True)
    given = [parameters] if isinstance(parameters, Tensor) else parameters
    gradients = [p.grad for p in given if p.grad is not None]
    if not gradients:
        return Tensor(0.0)
    backend = gradients[0].backend
    for gradient in gradients[1:]:
        gradients[0]._other(gradient)  # raises if it is on another backend
    xp = backend.xp
    total = xp.sqrt(sum(xp.sum(gradient.array * gradient.array) for gradient in gradients))
    factor = xp.minimum(xp.divide(limit, total + 1e-6), 1.0)
    for gradient in gradients:
        if backend.in_place:
            gradient.array *= factor
        else:
            gradient.array = gradient.array * factor
    return Tensor._of(total, backend)
