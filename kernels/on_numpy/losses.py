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


def poisson(z: Any, t: Any, *, out: Any = None) -> Any:
    """``lᵢ = Σⱼ e^z - t (1 + z - log t)``, where 0 log 0 is 0."""
    terms = t + (t == 0)  # the logarithm of 1 is the 0 that belongs there
    np.log(terms, out=terms)
    np.subtract(z, terms, out=terms)
    terms += 1
    terms *= t
    np.subtract(np.exp(z), terms, out=terms)
    return np.sum(terms, axis=1, out=out)


def poisson_backward(dl: Any, z: Any, t: Any, *, out: Any = None) -> Any:
    """``dz[i, j] = dlᵢ · (e^z[i, j] - t[i, j])``."""
    out = np.exp(z, out=out)
    np.subtract(out, t, out=out)
    return np.multiply(out, dl[:, None], out=out)


def perceptron(z: Any, t: Any, *, out: Any = None) -> Any:
    """``lᵢ = Σⱼ (1[z >= 0] - t) z``."""
    terms = np.heaviside(z, 1)
    terms -= t
    return np.einsum("ij,ij->i", terms, z, out=out)


def perceptron_backward(dl: Any, z: Any, t: Any, *, out: Any = None) -> Any:
    """``dz[i, j] = dlᵢ · (1[z[i, j] >= 0] - t[i, j])``."""
    out = np.heaviside(z, 1, out=out)
    np.subtract(out, t, out=out)
    return np.multiply(out, dl[:, None], out=out)
