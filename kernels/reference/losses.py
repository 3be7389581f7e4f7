"""Losses of each row of a batch, and their gradients.

A loss kernel returns one number per row, (n,), never a mean: every convention is then a choice of
the weights ``dl`` (n,) with which the rows enter the total, and the same ``dl`` is what the
backward kernel receives.

=================================  ==============================
mean over rows and m outputs       dl = 1 / (n m)
mean over rows (cross-entropies)   dl = 1 / n
1/(2n) Σ of the lecture notes      dl = 1 / (2n), squared error
½ Σ                                dl = 1/2, squared error
Σ                                  dl = 1
=================================  ==============================
"""

from typing import Any

from accelnn.kernels.cost import Cost, cost, size
from accelnn.kernels.reference.activations import log_softmax, sigmoid, softmax


def _cost(mul: int, add: int, other: int) -> Any:
    def of_call(*arrays: Any) -> Cost:
        # Three arguments are (dl, prediction, target), two (prediction, target) -> one per row.
        prediction = arrays[-2]
        n = size(prediction)
        reads = sum(size(a) for a in arrays)
        writes = n if len(arrays) == 3 else prediction.shape[0]
        return Cost(mul * n, add * n, other * n, reads=reads, writes=writes)

    return of_call


@cost(_cost(mul=1, add=2, other=0))
def squared_error(y: Any, t: Any) -> Any:
    """``lᵢ = Σⱼ (y[i, j] - t[i, j])²``. Prediction y, target t (n, m) -> (n,)."""
    return y.__array_namespace__().sum((y - t) ** 2, axis=1)


@cost(_cost(mul=2, add=1, other=0))
def squared_error_backward(dl: Any, y: Any, t: Any) -> Any:
    """``dy[i, j] = dlᵢ · 2 (y[i, j] - t[i, j])``."""
    return dl[:, None] * (2 * (y - t))


@cost(_cost(mul=1, add=3, other=3))
def binary_cross_entropy(z: Any, t: Any) -> Any:
    """``lᵢ = Σⱼ max(z, 0) - z t + log(1 + e^-|z|)`` = -t log σ(z) - (1-t) log(1 - σ(z)).

    Logits z, targets t in [0, 1], both (n, m) -> (n,). Exact for any z, where the same loss of
    rounded probabilities is infinite from |z| of about 37 (float64) or 17 (float32).
    """
    xp = z.__array_namespace__()
    positive = xp.where(z <= 0, xp.zeros_like(z), z)
    return xp.sum(positive - z * t + xp.log1p(xp.exp(-xp.abs(z))), axis=1)


@cost(_cost(mul=1, add=2, other=2))
def binary_cross_entropy_backward(dl: Any, z: Any, t: Any) -> Any:
    """``dz[i, j] = dlᵢ · (σ(z[i, j]) - t[i, j])``."""
    return dl[:, None] * (sigmoid(z) - t)


@cost(_cost(mul=0, add=3, other=2))
def cross_entropy(z: Any, t: Any) -> Any:
    """``lᵢ = log Σⱼ exp z[i, j] - z[i, tᵢ]``. Logits z (n, m), classes t (n,) int64 -> (n,)."""
    xp = z.__array_namespace__()
    picked = xp.take_along_axis(log_softmax(z), t[:, None], axis=1)
    return -picked[:, 0]


@cost(_cost(mul=1, add=3, other=3))
def cross_entropy_backward(dl: Any, z: Any, t: Any) -> Any:
    """``dz[i, j] = dlᵢ · (softmax(z)[i, j] - 1[j = tᵢ])``."""
    xp = z.__array_namespace__()
    hot = xp.astype(t[:, None] == xp.arange(z.shape[1], dtype=t.dtype)[None, :], z.dtype)
    return dl[:, None] * (softmax(z) - hot)
