"""Activations and their derivatives, which are built in a block and multiplied by ``da``."""

from typing import Any

import numpy as np

from accelnn.kernels.on_numpy._blocks import BLOCK, blocks


def _ready(x: Any, out: Any) -> Any:
    return np.empty(x.shape, x.dtype) if out is None else out


def identity(z: Any, *, out: Any = None) -> Any:
    """``a = z``."""
    if out is None:
        return z
    if out is not z:
        out[...] = z
    return out


def identity_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da``."""
    return identity(da, out=out)


def sigmoid(z: Any, *, out: Any = None) -> Any:
    """``a = 1 / (1 + e⁻ᶻ)``: where e⁻ᶻ overflows, 1/inf is the right 0."""
    out = np.negative(z, out=_ready(z, out))
    with np.errstate(over="ignore"):
        np.exp(out, out=out)
    out += 1
    return np.reciprocal(out, out=out)


def sigmoid_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da · a (1 - a)``; reads the output."""
    for d, y, o, t in _over(da, a, out := _ready(a, out)):
        np.subtract(1, y, out=t)
        np.multiply(t, y, out=t)
        np.multiply(t, d, out=o)
    return out


def sigmoid_backward_z(da: Any, z: Any, *, out: Any = None) -> Any:
    """``dz = da · σ(z) (1 - σ(z))``; reads z."""
    for d, x, o, t in _over(da, z, out := _ready(z, out)):
        sigmoid_backward(d, sigmoid(x, out=t), out=o)
    return out


def tanh(z: Any, *, out: Any = None) -> Any:
    """``a = tanh z``."""
    return np.tanh(z, out=out)


def tanh_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da · (1 - a²)``; reads the output."""
    for d, y, o, t in _over(da, a, out := _ready(a, out)):
        np.multiply(y, y, out=t)
        np.subtract(1, t, out=t)
        np.multiply(t, d, out=o)
    return out


def tanh_backward_z(da: Any, z: Any, *, out: Any = None) -> Any:
    """``dz = da · (1 - tanh² z)``; reads z."""
    for d, x, o, t in _over(da, z, out := _ready(z, out)):
        tanh_backward(d, np.tanh(x, out=t), out=o)
    return out


def relu(z: Any, *, out: Any = None) -> Any:
    """``a = max(z, 0)``, NaN kept."""
    # NumPy's maximum of two arrays is twice as fast as that of an array and a number.
    zero = np.zeros(z.shape[1:], z.dtype) if z.ndim > 1 else 0
    return np.maximum(z, zero, out=out)


def relu_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da · 1[a > 0]``; reads the output or z."""
    if a.size <= BLOCK:  # a minibatch: one mask, without the bookkeeping of blocks
        return np.multiply(da, a > 0, out=out)
    for d, y, o, t in _over(da, a, out := _ready(a, out)):
        # A mask of bytes times floats; a[a <= 0] = 0 takes ten times as long.
        mask = t.view(np.bool_)[: y.size]
        np.greater(y, 0, out=mask)
        np.multiply(d, mask, out=o)
    return out


def leaky_relu(z: Any, *, slope: float, out: Any = None) -> Any:
    """``a = z if z > 0 else slope · z``."""
    for x, o, t in _over(z, out := _ready(z, out)):
        np.greater(x, 0, out=t)
        _one_or(slope, t)
        np.multiply(t, x, out=o)
    return out


def leaky_relu_backward(da: Any, a: Any, *, slope: float, out: Any = None) -> Any:
    """``dz = da · (1 if a > 0 else slope)``; reads z, or the output where slope >= 0."""
    for d, y, o, t in _over(da, a, out := _ready(a, out)):
        np.greater(y, 0, out=t)
        _one_or(slope, t)
        np.multiply(t, d, out=o)
    return out


def _one_or(slope: float, mask: Any) -> None:
    """Turn 1 and 0 into 1 and ``slope``, exactly: where the mask is 1, slope is added to 0."""
    np.copyto(mask, slope, where=mask == 0)


def elu(z: Any, *, alpha: float, out: Any = None) -> Any:
    """``a = z if z > 0 else α (eᶻ - 1)``."""
    for x, o, t in _over(z, out := _ready(z, out)):
        np.minimum(x, 0, out=t)
        np.expm1(t, out=t)
        t *= alpha
        np.copyto(t, x, where=x > 0)
        o[...] = t
    return out


def elu_backward(da: Any, a: Any, *, alpha: float, out: Any = None) -> Any:
    """``dz = da · (1 if a > 0 else a + α)``; reads the output, valid for α >= 0."""
    for d, y, o, t in _over(da, a, out := _ready(a, out)):
        np.add(y, alpha, out=t)
        np.copyto(t, 1, where=y > 0)
        np.multiply(t, d, out=o)
    return out


def elu_backward_z(da: Any, z: Any, *, alpha: float, out: Any = None) -> Any:
    """``dz = da · (1 if z > 0 else α eᶻ)``; reads z, valid for any α."""
    for d, x, o, t in _over(da, z, out := _ready(z, out)):
        np.minimum(x, 0, out=t)
        np.exp(t, out=t)
        t *= alpha
        np.copyto(t, 1, where=x > 0)
        np.multiply(t, d, out=o)
    return out


def softmax(z: Any, *, out: Any = None) -> Any:
    """``a[i, j] = exp(z[i, j] - zmaxᵢ) / Σₖ exp(z[i, k] - zmaxᵢ)``."""
    out = _shifted(z, out)
    np.exp(out, out=out)
    return np.divide(out, np.sum(out, axis=1, keepdims=True), out=out)


def softmax_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = a · (da - Σₖ da[:, k] a[:, k])``; reads the output."""
    inner = np.einsum("ij,ij->i", da, a)[:, None]
    out = np.subtract(da, inner, out=out)
    return np.multiply(out, a, out=out)


def log_softmax(z: Any, *, out: Any = None) -> Any:
    """``a[i, j] = z[i, j] - zmaxᵢ - log Σₖ exp(z[i, k] - zmaxᵢ)``."""
    out = _shifted(z, out)
    return np.subtract(out, np.log(np.sum(np.exp(out), axis=1, keepdims=True)), out=out)


def log_softmax_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da - eᵃ Σₖ da[:, k]``; reads the output."""
    total = np.sum(da, axis=1, keepdims=True)
    return np.subtract(da, np.exp(a) * total, out=out)


def _shifted(z: Any, out: Any) -> Any:
    out = _ready(z, out)
    return np.subtract(z, np.max(z, axis=1, keepdims=True), out=out) if z.size else out


def _over(*arrays: Any) -> Any:
    """Blocks of arrays that may be strided; the last one is ``out``, contiguous by contract."""
    return blocks(*(np.ascontiguousarray(a) for a in arrays[:-1]), arrays[-1])
