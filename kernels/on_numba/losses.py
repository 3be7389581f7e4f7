"""Losses of each row of a batch, and their gradients weighted by ``dl`` (n,).

``room``, where a loop takes it, is like z: what is summed over a row is computed for all rows at
once first, in a loop that vectorises however short a row is.
"""

from typing import Any

import numpy as np

from accelnn.kernels.on_numba import elementary
from accelnn.kernels.on_numba._jit import jit, jit_in_order, plain, ready, run
from accelnn.kernels.on_numba.activation_loops import (
    below_max_loop,
    exp_in_place_loop,
    exp_loop,
    shares_loop,
    sigmoid_loop,
)

#: Elements of a room outside of programs.
_ROOM = 2048


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
def binary_cross_entropy_terms_loop(z: Any, t: Any, out: Any) -> None:
    """Flat arrays."""
    zero = z.dtype.type(0)
    for i in range(z.size):
        positive = zero if z[i] <= zero else z[i]
        out[i] = positive - z[i] * t[i] + elementary.log1p(elementary.exp(-abs(z[i])))


@jit_in_order
def binary_cross_entropy_loop(z: Any, t: Any, room: Any, out: Any) -> None:
    """Rows of (n, m)."""
    binary_cross_entropy_terms_loop(z.ravel(), t.ravel(), room.ravel())
    for i in range(z.shape[0]):
        total = z.dtype.type(0)
        for j in range(z.shape[1]):
            total += room[i, j]
        out[i] = total


@jit
def binary_cross_entropy_backward_loop(dl: Any, z: Any, t: Any, out: Any) -> None:
    """Rows of (n, m)."""
    sigmoid_loop(z.ravel(), out.ravel())
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[i, j] = dl[i] * (out[i, j] - t[i, j])


@jit_in_order
def cross_entropy_loop(z: Any, t: Any, room: Any, out: Any) -> None:
    """Rows of (n, m); the logarithm is of a sum of at least 1, so nothing is lost.

    ``room`` holds e^(z - max) afterwards.
    """
    below_max_loop(z, room)
    for i in range(z.shape[0]):
        out[i] = room[i, t[i]]
    exp_in_place_loop(room)
    for i in range(z.shape[0]):
        total = z.dtype.type(0)
        for j in range(z.shape[1]):
            total += room[i, j]
        out[i] = np.log(total) - out[i]


@jit
def cross_entropy_backward_loop(dl: Any, z: Any, t: Any, out: Any) -> None:
    """Rows of (n, m)."""
    below_max_loop(z, out)
    exp_in_place_loop(out)
    cross_entropy_slope_loop(dl, t, out)


@jit
def cross_entropy_slope_loop(dl: Any, t: Any, e: Any) -> None:
    """Rows of (n, m), in place: from e^(z - max), as ``cross_entropy_loop`` leaves it."""
    shares_loop(e)
    for i in range(e.shape[0]):
        e[i, t[i]] -= e.dtype.type(1)
        for j in range(e.shape[1]):
            e[i, j] *= dl[i]


@jit_in_order
def poisson_loop(z: Any, t: Any, room: Any, out: Any) -> None:
    """Rows of (n, m)."""
    exp_loop(z.ravel(), room.ravel())
    zero, one = z.dtype.type(0), z.dtype.type(1)
    for i in range(z.shape[0]):
        total = zero
        for j in range(z.shape[1]):
            log_t = zero if t[i, j] == zero else np.log(t[i, j])
            total += room[i, j] - t[i, j] * (one + z[i, j] - log_t)
        out[i] = total


@jit
def poisson_backward_loop(dl: Any, z: Any, t: Any, out: Any) -> None:
    """Rows of (n, m)."""
    exp_loop(z.ravel(), out.ravel())
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[i, j] = dl[i] * (out[i, j] - t[i, j])


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


def _by_rows(loop: Any, z: Any, t: Any, out: Any) -> Any:
    """Run a loop that takes room on some rows at a time, so that the room is small."""
    out = np.empty(z.shape[0], z.dtype) if out is None else out
    z, t, (n, m) = plain(z), plain(t), z.shape
    high = max(1, _ROOM // max(1, m))
    room = np.empty((min(n, high), m), z.dtype)
    for i in range(0, n, high):
        rows = slice(i, i + high)
        run(loop, z[rows], t[rows], room[: n - i], out[rows])
    return out


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
    return _by_rows(binary_cross_entropy_loop, z, t, out)


def binary_cross_entropy_backward(dl: Any, z: Any, t: Any, *, out: Any = None) -> Any:
    """``dz[i, j] = dlᵢ · (σ(z[i, j]) - t[i, j])``."""
    out = ready(z, out)
    run(binary_cross_entropy_backward_loop, plain(dl), plain(z), plain(t), out)
    return out


def cross_entropy(z: Any, t: Any, *, out: Any = None) -> Any:
    """``lᵢ = log Σⱼ exp z[i, j] - z[i, tᵢ]``."""
    return _by_rows(cross_entropy_loop, z, t, out)


def cross_entropy_backward(dl: Any, z: Any, t: Any, *, out: Any = None) -> Any:
    """``dz[i, j] = dlᵢ · (softmax(z)[i, j] - 1[j = tᵢ])``."""
    out = ready(z, out)
    run(cross_entropy_backward_loop, plain(dl), plain(z), plain(t), out)
    return out


def poisson(z: Any, t: Any, *, out: Any = None) -> Any:
    """``lᵢ = Σⱼ e^z - t (1 + z - log t)``, where 0 log 0 is 0."""
    return _by_rows(poisson_loop, z, t, out)


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
