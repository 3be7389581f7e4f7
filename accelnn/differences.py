"""Hold backward against differences of the forward pass."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from accelnn.autograd import Tensor
from accelnn.errors import GraphError


class GradientCheck(NamedTuple):
    """One comparison of ``gradcheck``: the slope along a random direction, both ways."""

    analytic: float
    numeric: float


def gradcheck(
    f: Callable[..., Tensor],
    *inputs: Tensor,
    directions: int = 3,
    eps: float = 1e-6,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    seed: int = 0,
) -> list[GradientCheck]:
    """Compare backward with central differences along random directions, in float64.

    The slope of ``s(t) = Σ r · f(x + t d)`` at 0 is ``(s(eps) - s(-eps)) / (2 eps)`` up to eps²,
    and ``⟨d, ∇⟩`` by backward, for random d and r: two forward passes, whatever the number of
    inputs (Baydin et al. 2018, arXiv:1502.05767, section 2.1, on the error of such differences).

    Parameters
    ----------
    f : callable
        From Tensors to one Tensor.
    *inputs : Tensor of float64
        Those with ``requires_grad`` are moved.
    directions : int
        Number of random directions.

    Returns
    -------
    list of GradientCheck

    Raises
    ------
    GraphError
        If the two differ by more than ``atol + rtol · |numeric|``.
    TypeError
        If an input is not float64, in which the difference would be rounding.
    """
    rng = np.random.default_rng(seed)
    for x in inputs:
        if x.requires_grad and "float64" not in str(x.dtype):
            raise TypeError(f"gradcheck needs float64 inputs, got {x.dtype}: pass dtype='float64'")
    weights = rng.standard_normal(f(*inputs).shape)
    checks = []
    for _ in range(directions):
        moves = [rng.standard_normal(x.shape) if x.requires_grad else None for x in inputs]
        leaves = [Tensor(x.array, x.requires_grad, backend=x.backend) for x in inputs]
        f(*leaves).backward(weights)
        analytic = sum(
            float((leaf.grad.numpy() * d).sum())
            for leaf, d in zip(leaves, moves, strict=True)
            if d is not None and leaf.grad is not None
        )
        sides = []
        for t in (eps, -eps):
            moved = [
                x if d is None else Tensor(x.numpy() + t * d, backend=x.backend)
                for x, d in zip(inputs, moves, strict=True)
            ]
            sides.append(float((f(*moved).numpy() * weights).sum()))
        numeric = (sides[0] - sides[1]) / (2 * eps)
        checks.append(GradientCheck(analytic, numeric))
        if not abs(analytic - numeric) <= atol + rtol * abs(numeric):
            raise GraphError(
                f"gradcheck failed: backward gives {analytic!r}, central differences {numeric!r} "
                f"along a random direction (eps={eps})"
            )
    return checks
