"""Activations and their derivatives.

A backward kernel multiplies the gradient ``da`` of the activation's output by the derivative,
``dz = da · g'``. It reads the *output* ``a = g(z)``, which a program still holds when ``z`` has
been overwritten; a name that ends in ``_z`` reads ``z``. Where both exist they agree (tested).
relu, leaky_relu and hardtanh compare only, which ``z`` and ``a`` do alike, so either may be passed.

NaN: every forward kernel gives NaN for NaN. A comparison with NaN is false, so the derivative of a
NaN counts as that of a negative number; the NaN itself arrives through ``da``.

The derivatives of gelu, gelu_tanh and silu are NaN where ``z`` is infinite, as 0 · ∞ is.

Element-wise kernels take any shape; softmax, log_softmax and maxout work along the rows of (n, m).
"""

from typing import Any

from accelnn.kernels import normal
from accelnn.kernels.cost import Cost, cost, per_element, size


@cost(lambda z: Cost())
def identity(z: Any) -> Any:
    """``a = z``."""
    return z


@cost(lambda da, a: Cost())
def identity_backward(da: Any, a: Any) -> Any:
    """``dz = da``; reads neither ``a`` nor ``z``."""
    return da


@cost(per_element(add=1, other=2))
def sigmoid(z: Any) -> Any:
    """``a = 1 / (1 + e⁻ᶻ)``, written so that nothing overflows."""
    xp = z.__array_namespace__()
    e = xp.exp(-xp.abs(z))
    return xp.where(z >= 0, xp.ones_like(e), e) / (1 + e)


@cost(per_element(mul=2, add=1, arrays=2))
def sigmoid_backward(da: Any, a: Any) -> Any:
    """``dz = da · a (1 - a)``; reads the output."""
    return da * (a * (1 - a))


@cost(per_element(mul=2, add=2, other=2, arrays=2))
def sigmoid_backward_z(da: Any, z: Any) -> Any:
    """``dz = da · σ(z) (1 - σ(z))``; reads z."""
    a = sigmoid(z)
    return da * (a * (1 - a))


@cost(per_element(other=1))
def tanh(z: Any) -> Any:
    """``a = tanh z``."""
    return z.__array_namespace__().tanh(z)


@cost(per_element(mul=2, add=1, arrays=2))
def tanh_backward(da: Any, a: Any) -> Any:
    """``dz = da · (1 - a²)``; reads the output."""
    return da * (1 - a * a)


@cost(per_element(mul=2, add=1, other=1, arrays=2))
def tanh_backward_z(da: Any, z: Any) -> Any:
    """``dz = da · (1 - tanh² z)``; reads z."""
    a = z.__array_namespace__().tanh(z)
    return da * (1 - a * a)


@cost(per_element(other=1))
def relu(z: Any) -> Any:
    """``a = max(z, 0)``, NaN kept."""
    xp = z.__array_namespace__()
    return xp.where(z <= 0, xp.zeros_like(z), z)


@cost(per_element(other=1, arrays=2))
def relu_backward(da: Any, a: Any) -> Any:
    """``dz = da · 1[a > 0]``, 0 at 0; reads the output or z. A choice, not a multiplication."""
    return da * a.__array_namespace__().astype(a > 0, da.dtype)


@cost(per_element(mul=1, other=1))
def leaky_relu(z: Any, *, slope: float) -> Any:
    """``a = z if z > 0 else slope · z``."""
    return z.__array_namespace__().where(z > 0, z, slope * z)


@cost(per_element(mul=1, other=1, arrays=2))
def leaky_relu_backward(da: Any, a: Any, *, slope: float) -> Any:
    """``dz = da · (1 if a > 0 else slope)``; reads z, or the output where slope >= 0."""
    xp = a.__array_namespace__()
    return da * xp.where(a > 0, xp.ones_like(a), xp.full_like(a, slope))


@cost(per_element(mul=1, add=1, other=2))
def elu(z: Any, *, alpha: float) -> Any:
    """``a = z if z > 0 else α (eᶻ - 1)`` (Clevert et al. 2015, arXiv:1511.07289, eq. 15)."""
    xp = z.__array_namespace__()
    return xp.where(z > 0, z, alpha * xp.expm1(xp.where(z > 0, xp.zeros_like(z), z)))


@cost(per_element(mul=1, add=1, other=1, arrays=2))
def elu_backward(da: Any, a: Any, *, alpha: float) -> Any:
    """``dz = da · (1 if a > 0 else a + α)``; reads the output, valid for α >= 0."""
    xp = a.__array_namespace__()
    return da * xp.where(a > 0, xp.ones_like(a), a + alpha)


@cost(per_element(mul=2, other=2, arrays=2))
def elu_backward_z(da: Any, z: Any, *, alpha: float) -> Any:
    """``dz = da · (1 if z > 0 else α eᶻ)``; reads z, valid for any α."""
    xp = z.__array_namespace__()
    slope = alpha * xp.exp(xp.where(z > 0, xp.zeros_like(z), z))
    return da * xp.where(z > 0, xp.ones_like(z), slope)


@cost(per_element(add=2, other=3))
def softmax(z: Any) -> Any:
    """``a[i, j] = exp(z[i, j] - zmaxᵢ) / Σₖ exp(z[i, k] - zmaxᵢ)``. z (n, m) -> (n, m)."""
    xp = z.__array_namespace__()
    e = xp.exp(z - xp.max(z, axis=1, keepdims=True)) if size(z) else z
    return e / xp.sum(e, axis=1, keepdims=True)


@cost(per_element(mul=2, add=2, arrays=2))
def softmax_backward(da: Any, a: Any) -> Any:
    """``dz = a · (da - Σₖ da[:, k] a[:, k])``; reads the output."""
    return a * (da - a.__array_namespace__().sum(da * a, axis=1, keepdims=True))


@cost(per_element(add=3, other=2))
def log_softmax(z: Any) -> Any:
    """``a[i, j] = z[i, j] - zmaxᵢ - log Σₖ exp(z[i, k] - zmaxᵢ)``. z (n, m) -> (n, m)."""
    xp = z.__array_namespace__()
    shifted = z - xp.max(z, axis=1, keepdims=True) if size(z) else z
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))


@cost(per_element(mul=1, add=2, other=1, arrays=2))
def log_softmax_backward(da: Any, a: Any) -> Any:
    """``dz = da - eᵃ Σₖ da[:, k]``; reads the output."""
    xp = a.__array_namespace__()
    return da - xp.exp(a) * xp.sum(da, axis=1, keepdims=True)


@cost(per_element(add=2, other=4))
def log_sigmoid(z: Any) -> Any:
    """``a = log σ(z) = min(z, 0) - log(1 + e^-|z|)``, where nothing overflows or cancels."""
    xp = z.__array_namespace__()
    return xp.where(z > 0, xp.zeros_like(z), z) - xp.log1p(xp.exp(-xp.abs(z)))


@cost(per_element(mul=1, other=2, arrays=2))
def log_sigmoid_backward(da: Any, a: Any) -> Any:
    """``dz = da · (1 - eᵃ)``, as σ(-z) = 1 - σ(z); reads the output."""
    return da * -a.__array_namespace__().expm1(a)


@cost(per_element(other=2))
def hardtanh(z: Any, *, low: float, high: float) -> Any:
    """``a = low`` below, ``high`` above, else z.

    R. Collobert, *Large Scale Machine Learning* (thesis, Paris VI, 2004). From 0 to 6 it is ReLU6.
    """
    xp = z.__array_namespace__()
    below = xp.where(z <= low, xp.full_like(z, low), z)
    return xp.where(z >= high, xp.full_like(z, high), below)


@cost(per_element(mul=1, other=2, arrays=2))
def hardtanh_backward(da: Any, a: Any, *, low: float, high: float) -> Any:
    """``dz = da · 1[low < a < high]``, 0 at both ends; reads the output or z."""
    xp = a.__array_namespace__()
    inside = xp.logical_and(a > low, a < high)
    return da * xp.astype(inside, da.dtype)


@cost(per_element(mul=29, add=30, other=4))
def gelu(z: Any) -> Any:
    """``a = z Φ(z)`` (Hendrycks & Gimpel 2016, arXiv:1606.08415).

    Φ is the distribution function of the normal distribution, ``½ (1 + erf(z/√2))``. Far left that
    would cancel: there Φ(z) is computed as the tail that it is (``kernels/normal.py``).
    """
    return z * _normal(z)[0]


@cost(per_element(mul=32, add=31, other=4, arrays=2))
def gelu_backward_z(da: Any, z: Any) -> Any:
    """``dz = da · (Φ(z) + z φ(z))`` with the density ``φ(z) = e^(-z²/2) / √(2π)``; reads z."""
    below, bell = _normal(z)
    return da * (below + z * (normal.PEAK * bell))


def _normal(z: Any) -> Any:
    """Return Φ(z) and ``e^(-z²/2)``.

    Rounding z² would cost as many units of e^(-z²/2) in the last place as z²/4 is. So z is split:
    q² is exact, since q has few bits, and ``z² - q² = (z - q)(z + q)``.
    """
    xp = z.__array_namespace__()
    x = xp.abs(z)
    x = xp.where(x > normal.FAR, xp.full_like(x, normal.FAR), x)
    q = xp.floor(16 * x) / 16
    rest = (q * q - x * x) + (x - q) * (x + q)
    bell = xp.exp(-0.5 * (x * x))
    bell = bell - bell * (0.5 * rest)
    t = (x - normal.MIDDLE) / (x + normal.MIDDLE)
    p = xp.zeros_like(t)
    for c in reversed(normal.LONG):
        p = p * t + c
    tail = bell * p / (1 + x)
    return xp.where(z > 0, 1 - tail, tail), bell


@cost(per_element(mul=4, add=2, other=2))
def gelu_tanh(z: Any) -> Any:
    """``a = ½ z (1 + tanh u)``, u = √(2/π) (z + 0.044715 z³), for GELU (arXiv:1606.08415, sec. 2).

    Written ``z σ(2u)``, which is the same and does not cancel far left.
    """
    return z * _sigmoid_of_2u(z)[0]


@cost(per_element(mul=10, add=5, other=2, arrays=2))
def gelu_tanh_backward_z(da: Any, z: Any) -> Any:
    """``dz = da · (s + z s (1 - s) · 2u')``, s = σ(2u), u' = √(2/π) (1 + 3 · 0.044715 z²)."""
    s, slope = _sigmoid_of_2u(z)
    return da * (s + z * (s * (1 - s) * slope))


def _sigmoid_of_2u(z: Any) -> Any:
    """Return σ(2u) and 2u', of z not so large that z³ overflows: σ is 0 or 1 before."""
    xp = z.__array_namespace__()
    x = xp.where(z > normal.FAR, xp.full_like(z, normal.FAR), z)
    x = xp.where(x < -normal.FAR, xp.full_like(x, -normal.FAR), x)
    u2 = 4 * normal.PEAK * x * (1 + 0.044715 * (x * x))
    return sigmoid(u2), 4 * normal.PEAK * (1 + 3 * 0.044715 * (x * x))


@cost(per_element(mul=1, add=1, other=2))
def silu(z: Any) -> Any:
    """``a = z σ(z)`` (Elfwing et al. 2017, arXiv:1702.03118)."""
    return z * sigmoid(z)


@cost(per_element(mul=3, add=3, other=2, arrays=2))
def silu_backward_z(da: Any, z: Any) -> Any:
    """``dz = da · σ(z) (1 + z (1 - σ(z)))``; reads z."""
    s = sigmoid(z)
    return da * (s * (1 + z * (1 - s)))


@cost(per_element(other=3))
def step(z: Any, *, low: float, at_zero: float) -> Any:
    """``a = 1`` above 0, ``low`` below, ``at_zero`` at 0: Heaviside's function, or a sign."""
    xp = z.__array_namespace__()
    a = xp.where(z == 0, xp.full_like(z, at_zero), z)
    a = xp.where(z < 0, xp.full_like(z, low), a)
    return xp.where(z > 0, xp.ones_like(z), a)


@cost(lambda da, a, *, low, at_zero: Cost(writes=size(da)))
def step_backward(da: Any, a: Any, *, low: float, at_zero: float) -> Any:
    """``dz = 0``, whatever ``da`` is: a step is flat where it has a slope. Reads nothing."""
    return da.__array_namespace__().zeros_like(da)


@cost(lambda z, *, pieces: Cost(other=size(z), reads=size(z), writes=size(z) // pieces))
def maxout(z: Any, *, pieces: int) -> Any:
    """``a[i, j] = maxₖ z[i, j · pieces + k]``. z (n, m · pieces) -> (n, m).

    Each unit is the maximum of ``pieces`` affine maps of its own (Goodfellow et al. 2013,
    arXiv:1302.4389, eq. 2). A NaN among them is the result.
    """
    return _largest(z, pieces)[0]


@cost(
    lambda da, z, *, pieces: Cost(
        other=2 * size(z), reads=size(z) + size(z) // pieces, writes=size(z)
    )
)
def maxout_backward_z(da: Any, z: Any, *, pieces: int) -> Any:
    """``dz[i, j · pieces + k] = da[i, j]`` for the piece that was taken, else 0; reads z.

    da (n, m), z (n, m · pieces) -> (n, m · pieces). Of equal maxima the first is taken; of NaN too.
    """
    xp = z.__array_namespace__()
    _, taken = _largest(z, pieces)
    here = [xp.where(taken == k, da, xp.zeros_like(da)) for k in range(pieces)]
    return xp.reshape(xp.stack(here, axis=-1), z.shape)


def _largest(z: Any, pieces: int) -> Any:
    """Return the largest of each unit's pieces (n, m), and its number; a NaN counts as largest."""
    xp = z.__array_namespace__()
    z = xp.reshape(z, (z.shape[0], z.shape[1] // pieces, pieces))
    top, taken = z[:, :, 0], xp.zeros_like(z[:, :, 0])
    for k in range(1, pieces):
        better = xp.logical_and(xp.logical_not(z[:, :, k] <= top), top == top)
        taken = xp.where(better, xp.full_like(top, k), taken)
        top = xp.where(better, z[:, :, k], top)
    return top, taken
