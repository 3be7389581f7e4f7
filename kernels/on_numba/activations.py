"""Activations and their derivatives: first the loops, then the kernels that call them.

A parameter that is a constant of the formula is cast to the array's dtype first: float32 times a
Python float would be computed in float64, at half the speed.
"""

from typing import Any

import numpy as np

from accelnn.kernels.on_numba import elementary
from accelnn.kernels.on_numba._jit import flat, jit, jit_in_order, plain, ready, run


@jit
def sigmoid_loop(z: Any, out: Any) -> None:
    """Flat arrays."""
    for i in range(z.size):
        out[i] = elementary.sigmoid(z[i])


@jit
def sigmoid_backward_loop(da: Any, a: Any, out: Any) -> None:
    """Flat arrays."""
    one = a.dtype.type(1)
    for i in range(a.size):
        out[i] = da[i] * (a[i] * (one - a[i]))


@jit
def sigmoid_backward_z_loop(da: Any, z: Any, out: Any) -> None:
    """Flat arrays."""
    one = z.dtype.type(1)
    for i in range(z.size):
        a = elementary.sigmoid(z[i])
        out[i] = da[i] * (a * (one - a))


@jit
def tanh_loop(z: Any, out: Any) -> None:
    """Flat arrays."""
    for i in range(z.size):
        out[i] = elementary.tanh(z[i])


@jit
def tanh_backward_loop(da: Any, a: Any, out: Any) -> None:
    """Flat arrays."""
    one = a.dtype.type(1)
    for i in range(a.size):
        out[i] = da[i] * (one - a[i] * a[i])


@jit
def tanh_backward_z_loop(da: Any, z: Any, out: Any) -> None:
    """Flat arrays."""
    one = z.dtype.type(1)
    for i in range(z.size):
        a = elementary.tanh(z[i])
        out[i] = da[i] * (one - a * a)


@jit
def relu_loop(z: Any, out: Any) -> None:
    """Flat arrays; ``z <= 0`` is false for NaN, so a NaN stays."""
    zero = z.dtype.type(0)
    for i in range(z.size):
        out[i] = zero if z[i] <= zero else z[i]


@jit
def relu_backward_loop(da: Any, a: Any, out: Any) -> None:
    """Flat arrays."""
    zero, one = a.dtype.type(0), a.dtype.type(1)
    for i in range(a.size):
        out[i] = da[i] * (one if a[i] > zero else zero)


@jit
def leaky_relu_loop(z: Any, slope: Any, out: Any) -> None:
    """Flat arrays."""
    zero, s = z.dtype.type(0), z.dtype.type(slope)
    for i in range(z.size):
        out[i] = z[i] if z[i] > zero else s * z[i]


@jit
def leaky_relu_backward_loop(da: Any, a: Any, slope: Any, out: Any) -> None:
    """Flat arrays."""
    zero, one, s = a.dtype.type(0), a.dtype.type(1), a.dtype.type(slope)
    for i in range(a.size):
        out[i] = da[i] * (one if a[i] > zero else s)


@jit
def elu_loop(z: Any, alpha: Any, out: Any) -> None:
    """Flat arrays."""
    zero, s = z.dtype.type(0), z.dtype.type(alpha)
    for i in range(z.size):
        out[i] = z[i] if z[i] > zero else s * elementary.expm1(z[i])


@jit
def elu_backward_loop(da: Any, a: Any, alpha: Any, out: Any) -> None:
    """Flat arrays."""
    zero, one, s = a.dtype.type(0), a.dtype.type(1), a.dtype.type(alpha)
    for i in range(a.size):
        out[i] = da[i] * (one if a[i] > zero else a[i] + s)


@jit
def elu_backward_z_loop(da: Any, z: Any, alpha: Any, out: Any) -> None:
    """Flat arrays."""
    zero, one, s = z.dtype.type(0), z.dtype.type(1), z.dtype.type(alpha)
    for i in range(z.size):
        out[i] = da[i] * (one if z[i] > zero else s * elementary.exp(z[i]))


@jit
def exp_loop(z: Any, out: Any) -> None:
    """Flat arrays."""
    for i in range(z.size):
        out[i] = elementary.exp(z[i])


@jit
def exp_in_place_loop(x: Any) -> None:
    """Rows of (n, m), all at once: one of ten classes is too short to vectorise."""
    flat_x = x.ravel()
    exp_loop(flat_x, flat_x)


@jit
def row_max(z: Any, i: Any) -> Any:
    """Largest element of row i; where that holds a NaN, any of them, as all that follows is NaN."""
    top = z[i, 0]
    for j in range(1, z.shape[1]):
        top = z[i, j] if z[i, j] > top else top
    return top


@jit
def below_max_loop(z: Any, out: Any) -> None:
    """Rows of (n, m): how far each element is from the largest of its row."""
    for i in range(z.shape[0]):
        top = row_max(z, i)
        for j in range(z.shape[1]):
            out[i, j] = z[i, j] - top


@jit
def shares_loop(e: Any) -> None:
    """Rows of (n, m), in place: exponentials divided by the sum of a row's."""
    zero, one = e.dtype.type(0), e.dtype.type(1)
    for i in range(e.shape[0]):
        total = zero
        for j in range(e.shape[1]):
            total += e[i, j]
        share = one / total
        for j in range(e.shape[1]):
            e[i, j] *= share


@jit
def softmax_loop(z: Any, out: Any) -> None:
    """Rows of (n, m)."""
    below_max_loop(z, out)
    exp_in_place_loop(out)
    shares_loop(out)


@jit
def softmax_backward_loop(da: Any, a: Any, out: Any) -> None:
    """Rows of (n, m)."""
    for i in range(a.shape[0]):
        inner = a.dtype.type(0)
        for j in range(a.shape[1]):
            inner += da[i, j] * a[i, j]
        for j in range(a.shape[1]):
            out[i, j] = a[i, j] * (da[i, j] - inner)


@jit_in_order
def log_softmax_loop(z: Any, out: Any) -> None:
    """Rows of (n, m). A sum in order is not vectorised, and there NumPy's exp is as fast."""
    for i in range(z.shape[0]):
        top = row_max(z, i)
        total = z.dtype.type(0)
        for j in range(z.shape[1]):
            total += np.exp(z[i, j] - top)
        log_total = np.log(total)
        for j in range(z.shape[1]):
            out[i, j] = z[i, j] - top - log_total


@jit
def log_softmax_backward_loop(da: Any, a: Any, out: Any) -> None:
    """Rows of (n, m)."""
    for i in range(a.shape[0]):
        total = a.dtype.type(0)
        for j in range(a.shape[1]):
            total += da[i, j]
        for j in range(a.shape[1]):
            out[i, j] = da[i, j] - elementary.exp(a[i, j]) * total


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
    """``a = 1 / (1 + e⁻ᶻ)``."""
    out = ready(z, out)
    run(sigmoid_loop, flat(z), out.reshape(-1))
    return out


def sigmoid_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da · a (1 - a)``; reads the output."""
    out = ready(a, out)
    run(sigmoid_backward_loop, flat(da), flat(a), out.reshape(-1))
    return out


def sigmoid_backward_z(da: Any, z: Any, *, out: Any = None) -> Any:
    """``dz = da · σ(z) (1 - σ(z))``; reads z."""
    out = ready(z, out)
    run(sigmoid_backward_z_loop, flat(da), flat(z), out.reshape(-1))
    return out


def tanh(z: Any, *, out: Any = None) -> Any:
    """``a = tanh z``."""
    out = ready(z, out)
    run(tanh_loop, flat(z), out.reshape(-1))
    return out


def tanh_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da · (1 - a²)``; reads the output."""
    out = ready(a, out)
    run(tanh_backward_loop, flat(da), flat(a), out.reshape(-1))
    return out


def tanh_backward_z(da: Any, z: Any, *, out: Any = None) -> Any:
    """``dz = da · (1 - tanh² z)``; reads z."""
    out = ready(z, out)
    run(tanh_backward_z_loop, flat(da), flat(z), out.reshape(-1))
    return out


def relu(z: Any, *, out: Any = None) -> Any:
    """``a = max(z, 0)``, NaN kept."""
    out = ready(z, out)
    run(relu_loop, flat(z), out.reshape(-1))
    return out


def relu_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da · 1[a > 0]``; reads the output or z."""
    out = ready(a, out)
    run(relu_backward_loop, flat(da), flat(a), out.reshape(-1))
    return out


def leaky_relu(z: Any, *, slope: float, out: Any = None) -> Any:
    """``a = z if z > 0 else slope · z``."""
    out = ready(z, out)
    run(leaky_relu_loop, flat(z), float(slope), out.reshape(-1))
    return out


def leaky_relu_backward(da: Any, a: Any, *, slope: float, out: Any = None) -> Any:
    """``dz = da · (1 if a > 0 else slope)``; reads z, or the output where slope >= 0."""
    out = ready(a, out)
    run(leaky_relu_backward_loop, flat(da), flat(a), float(slope), out.reshape(-1))
    return out


def elu(z: Any, *, alpha: float, out: Any = None) -> Any:
    """``a = z if z > 0 else α (eᶻ - 1)``."""
    out = ready(z, out)
    run(elu_loop, flat(z), float(alpha), out.reshape(-1))
    return out


def elu_backward(da: Any, a: Any, *, alpha: float, out: Any = None) -> Any:
    """``dz = da · (1 if a > 0 else a + α)``; reads the output, valid for α >= 0."""
    out = ready(a, out)
    run(elu_backward_loop, flat(da), flat(a), float(alpha), out.reshape(-1))
    return out


def elu_backward_z(da: Any, z: Any, *, alpha: float, out: Any = None) -> Any:
    """``dz = da · (1 if z > 0 else α eᶻ)``; reads z, valid for any α."""
    out = ready(z, out)
    run(elu_backward_z_loop, flat(da), flat(z), float(alpha), out.reshape(-1))
    return out


def softmax(z: Any, *, out: Any = None) -> Any:
    """``a[i, j] = exp(z[i, j] - zmaxᵢ) / Σₖ exp(z[i, k] - zmaxᵢ)``."""
    out = ready(z, out)
    if z.size:
        run(softmax_loop, plain(z), out)
    return out


def softmax_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = a · (da - Σₖ da[:, k] a[:, k])``; reads the output."""
    out = ready(a, out)
    run(softmax_backward_loop, plain(da), plain(a), out)
    return out


def log_softmax(z: Any, *, out: Any = None) -> Any:
    """``a[i, j] = z[i, j] - zmaxᵢ - log Σₖ exp(z[i, k] - zmaxᵢ)``."""
    out = ready(z, out)
    if z.size:
        run(log_softmax_loop, plain(z), out)
    return out


def log_softmax_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da - eᵃ Σₖ da[:, k]``; reads the output."""
    out = ready(a, out)
    run(log_softmax_backward_loop, plain(da), plain(a), out)
    return out
