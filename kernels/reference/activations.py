"""Activations and their derivatives.

A backward kernel multiplies the gradient ``da`` of the activation's output by the derivative,
``dz = da · g'``. It reads the *output* ``a = g(z)``, which a program still holds when ``z`` has
been overwritten; a name that ends in ``_z`` reads ``z``. Where both exist they agree (tested).
relu and leaky_relu need only a sign, which ``z`` and ``a`` share, so either may be passed.

NaN: every forward kernel gives NaN for NaN. A comparison with NaN is false, so the derivative of a
NaN counts as that of a negative number; the NaN itself arrives through ``da``.

Element-wise kernels take any shape; softmax and log_softmax work along the rows of (n, m).
"""

from typing import Any

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
