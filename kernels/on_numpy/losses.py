"""Losses of each row of a batch, and their gradients weighted by ``dl`` (n,)."""

from typing import Any

import numpy as np

from accelnn.kernels.on_numpy.activations import sigmoid, softmax


def squared_error(y: Any, t: Any, *, out: Any = None) -> Any:
    """``lᵢ = Σⱼ (y[i, j] - t[i, j])²``."""
    d = y - t
    return np.einsum("ij,ij->i", d, d, out=out)


def squared_error_backward(dl: Any, y: Any, t: Any, *, out: Any = None) -> Any:
    """``dy[i, j] = dlᵢ · 2 (y[i, j] - t[i, j])``."""
    out = np.subtract(y, t, out=out)
    return np.multiply(out, 2 * dl[:, None], out=out)


def binary_cross_entropy(z: Any, t: Any, *, out: Any = None) -> Any:
    """``lᵢ = Σⱼ max(z, 0) - z t + log(1 + e^-|z|)``."""
    terms = np.maximum(z, 0)
    terms -= z * t  # in this order: the logarithm may be far smaller than either of them
    tail = np.abs(z)
    np.negative(tail, out=tail)
    np.exp(tail, out=tail)
    terms += np.log1p(tail, out=tail)
    return np.sum(terms, axis=1, out=out)


def binary_cross_entropy_backward(dl: Any, z: Any, t: Any, *, out: Any = None) -> Any:
    """``dz[i, j] = dlᵢ · (σ(z[i, j]) - t[i, j])``."""
    out = sigmoid(z, out=out)
    np.subtract(out, t, out=out)
    return np.multiply(out, dl[:, None], out=out)


def cross_entropy(z: Any, t: Any, *, out: Any = None) -> Any:
    """``lᵢ = log Σⱼ exp z[i, j] - z[i, tᵢ]``."""
    if not z.size:
        return np.zeros(len(z), z.dtype) if out is None else out
    shifted = z - np.max(z, axis=1, keepdims=True)
    out = np.log(np.sum(np.exp(shifted), axis=1), out=out)
    return np.subtract(out, shifted[np.arange(len(t)), t], out=out)


def cross_entropy_backward(dl: Any, z: Any, t: Any, *, out: Any = None) -> Any:
    """``dz[i, j] = dlᵢ · (softmax(z)[i, j] - 1[j = tᵢ])``."""
    out = softmax(z, out=out)
    out[np.arange(len(t)), t] -= 1
    return np.multiply(out, dl[:, None], out=out)
