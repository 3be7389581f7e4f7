"""Losses of each row of a batch, and their gradients weighted by ``dl`` (n,)."""

from typing import Any

import numpy as np

from accelnn.kernels.on_numba._jit import jit, jit_in_order, plain, ready, run
from accelnn.kernels.on_numba.activations import row_max, softmax_loop


@jit
def squared_error_loop(y: Any, t: Any, out: Any) -> None:
    """Rows of (n, m)."""
    for i in range(y.shape[0]):
        total = y.dtype.type(0)
        for j in range(y.shape[1]):
            d = y[i, j] - t[i, j]
            total += d * d
        out[i] = total


@jit
def squared_error_backward_loop(dl: Any, y: Any, t: Any, out: Any) -> None:
    """Rows of (n, m)."""
    two = y.dtype.type(2)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            out[i, j] = dl[i] * (two * (y[i, j] - t[i, j]))


@jit_in_order
def binary_cross_entropy_loop(z: Any, t: Any, out: Any) -> None:
    """Rows of (n, m)."""
    zero = z.dtype.type(0)
    for i in range(z.shape[0]):
        total = zero
        for j in range(z.shape[1]):
            positive = zero if z[i, j] <= zero else z[i, j]
            total += positive - z[i, j] * t[i, j] + np.log1p(np.exp(-abs(z[i, j])))
        out[i] = total


@jit
def binary_cross_entropy_backward_loop(dl: Any, z: Any, t: Any, out: Any) -> None:
    """Rows of (n, m)."""
    one = z.dtype.type(1)
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[i, j] = dl[i] * (one / (one + np.exp(-z[i, j])) - t[i, j])


@jit_in_order
def cross_entropy_loop(z: Any, t: Any, out: Any) -> None:
    """Rows of (n, m); the logarithm is of a sum of at least 1, so nothing is lost."""
    for i in range(z.shape[0]):
        top = row_max(z, i)
        total = z.dtype.type(0)
        for j in range(z.shape[1]):
            total += np.exp(z[i, j] - top)
        out[i] = np.log(total) - (z[i, t[i]] - top)


@jit
def cross_entropy_backward_loop(dl: Any, z: Any, t: Any, out: Any) -> None:
    """Rows of (n, m)."""
    softmax_loop(z, out)
    for i in range(z.shape[0]):
        out[i, t[i]] -= z.dtype.type(1)
        for j in range(z.shape[1]):
            out[i, j] *= dl[i]


@jit_in_order
def poisson_loop(z: Any, t: Any, out: Any) -> None:
    """Rows of (n, m)."""
    zero, one = z.dtype.type(0), z.dtype.type(1)
    for i in range(z.shape[0]):
        total = zero
        for j in range(z.shape[1]):
            log_t = zero if t[i, j] == zero else np.log(t[i, j])
            total += np.exp(z[i, j]) - t[i, j] * (one + z[i, j] - log_t)
        out[i] = total


@jit
def poisson_backward_loop(dl: Any, z: Any, t: Any, out: Any) -> None:
    """Rows of (n, m)."""
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[i, j] = dl[i] * (np.exp(z[i, j]) - t[i, j])


@jit
def perceptron_loop(z: Any, t: Any, out: Any) -> None:
    """Rows of (n, m)."""
    zero, one = z.dtype.type(0), z.dtype.type(1)
    for i in range(z.shape[0]):
        total = zero
        for j in range(z.shape[1]):
            step = one if z[i, j] >= zero else zero  # of a NaN, which the product keeps
            total += (step - t[i, j]) * z[i, j]
        out[i] = total


@jit
def perceptron_backward_loop(dl: Any, z: Any, t: Any, out: Any) -> None:
    """Rows of (n, m)."""
    zero, one = z.dtype.type(0), z.dtype.type(1)
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            below = zero if z[i, j] < zero else z[i, j]  # a NaN stays
            step = one if z[i, j] >= zero else below
            out[i, j] = dl[i] * (step - t[i, j])


def squared_error(y: Any, t: Any, *, out: Any = None) -> Any:
    """``lᵢ = Σⱼ (y[i, j] - t[i, j])²``."""
    out = np.empty(y.shape[0], y.dtype) if out is None else out
    run(squared_error_loop, plain(y), plain(t), out)
    return out


def squared_error_backward(dl: Any, y: Any, t: Any, *, out: Any = None) -> Any:
    """``dy[i, j] = dlᵢ · 2 (y[i, j] - t[i, j])``."""
    out = ready(y, out)
    run(squared_error_backward_loop, plain(dl), plain(y), plain(t), out)
    return out


def binary_cross_entropy(z: Any, t: Any, *, out: Any = None) -> Any:
    """``lᵢ = Σⱼ max(z, 0) - z t + log(1 + e^-|z|)``."""
    out = np.empty(z.shape[0], z.dtype) if out is None else out
    run(binary_cross_entropy_loop, plain(z), plain(t), out)
    return out


def binary_cross_entropy_backward(dl: Any, z: Any, t: Any, *, out: Any = None) -> Any:
    """``dz[i, j] = dlᵢ · (σ(z[i, j]) - t[i, j])``."""
    out = ready(z, out)
    run(binary_cross_entropy_backward_loop, plain(dl), plain(z), plain(t), out)
    return out


def cross_entropy(z: Any, t: Any, *, out: Any = None) -> Any:
    """``lᵢ = log Σⱼ exp z[i, j] - z[i, tᵢ]``."""
    out = np.empty(z.shape[0], z.dtype) if out is None else out
    run(cross_entropy_loop, plain(z), plain(t), out)
    return out


def cross_entropy_backward(dl: Any, z: Any, t: Any, *, out: Any = None) -> Any:
    """``dz[i, j] = dlᵢ · (softmax(z)[i, j] - 1[j = tᵢ])``."""
    out = ready(z, out)
    run(cross_entropy_backward_loop, plain(dl), plain(z), plain(t), out)
    return out


def poisson(z: Any, t: Any, *, out: Any = None) -> Any:
    """``lᵢ = Σⱼ e^z - t (1 + z - log t)``, where 0 log 0 is 0."""
    out = np.empty(z.shape[0], z.dtype) if out is None else out
    run(poisson_loop, plain(z), plain(t), out)
    return out


def poisson_backward(dl: Any, z: Any, t: Any, *, out: Any = None) -> Any:
    """``dz[i, j] = dlᵢ · (e^z[i, j] - t[i, j])``."""
    out = ready(z, out)
    run(poisson_backward_loop, plain(dl), plain(z), plain(t), out)
    return out


def perceptron(z: Any, t: Any, *, out: Any = None) -> Any:
    """``lᵢ = Σⱼ (1[z >= 0] - t) z``."""
    out = np.empty(z.shape[0], z.dtype) if out is None else out
    run(perceptron_loop, plain(z), plain(t), out)
    return out


def perceptron_backward(dl: Any, z: Any, t: Any, *, out: Any = None) -> Any:
    """``dz[i, j] = dlᵢ · (1[z[i, j] >= 0] - t[i, j])``."""
    out = ready(z, out)
    run(perceptron_backward_loop, plain(dl), plain(z), plain(t), out)
    return out
