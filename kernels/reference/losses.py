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
    rounded probabilities is infinite from ``|z|`` of about 37 (float64) or 17 (float32).
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


@cost(_cost(mul=1, add=4, other=3))
def poisson(z: Any, t: Any) -> Any:
    """``lᵢ = Σⱼ e^z - t (1 + z - log t)``, where 0 log 0 is 0: half the Poisson deviance.

    Logarithms z of the means, targets t >= 0, both (n, m) -> (n,). It is 0 where e^z = t, and
    infinite where e^z is (McCullagh & Nelder, "Generalized Linear Models", 2nd ed. 1989, 2.3).
    """
    xp = z.__array_namespace__()
    log_t = xp.log(xp.where(t == 0, xp.ones_like(t), t))
    return xp.sum(xp.exp(z) - t * (1 + z - log_t), axis=1)


@cost(_cost(mul=1, add=1, other=1))
def poisson_backward(dl: Any, z: Any, t: Any) -> Any:
    """``dz[i, j] = dlᵢ · (e^z[i, j] - t[i, j])``."""
    return dl[:, None] * (z.__array_namespace__().exp(z) - t)


@cost(_cost(mul=1, add=2, other=1))
def perceptron(z: Any, t: Any) -> Any:
    """``lᵢ = Σⱼ (1[z >= 0] - t) z``: how far z is on the wrong side of 0.

    Scores z, targets t in {0, 1}, both (n, m) -> (n,).
    """
    return z.__array_namespace__().sum((_step(z) - t) * z, axis=1)


@cost(_cost(mul=1, add=1, other=1))
def perceptron_backward(dl: Any, z: Any, t: Any) -> Any:
    """``dz[i, j] = dlᵢ · (1[z[i, j] >= 0] - t[i, j])``, 0 where z is on the right side.

    A step of SGD on one row is then the perceptron's rule, w <- w + lr (t - ŷ) x (Rosenblatt 1958,
    "The perceptron", Psychological Review 65, doi:10.1037/h0042519). For labels of -1 and 1 the
    rule's difference is 2 (t - ŷ), so its rate is half of lr.
    """
    return dl[:, None] * (_step(z) - t)


def _step(z: Any) -> Any:
    """Return 1 where z >= 0, else 0; a NaN stays."""
    xp = z.__array_namespace__()
    return xp.where(z >= 0, xp.ones_like(z), xp.where(z < 0, xp.zeros_like(z), z))
