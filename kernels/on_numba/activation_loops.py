"""The loops of the activations and of their derivatives, for the kernels and for programs.

A parameter that is a constant of the formula is cast to the array's dtype first: float32 times a
Python float would be computed in float64, at half the speed.
"""

from typing import Any

import numpy as np

from accelnn.kernels import normal
from accelnn.kernels.on_numba import elementary
from accelnn.kernels.on_numba._jit import jit, jit_in_order


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


@jit
def log_sigmoid_loop(z: Any, out: Any) -> None:
    """Flat arrays."""
    for i in range(z.size):
        out[i] = elementary.log_sigmoid(z[i])


@jit
def log_sigmoid_backward_loop(da: Any, a: Any, out: Any) -> None:
    """Flat arrays. ``expm1`` knows no positive number, and no output is one."""
    zero = a.dtype.type(0)
    for i in range(a.size):
        out[i] = da[i] * -(elementary.expm1(a[i]) if a[i] <= zero else a[i])


@jit
def hardtanh_loop(z: Any, low: Any, high: Any, out: Any) -> None:
    """Flat arrays; a NaN is neither below nor above."""
    bottom, top = z.dtype.type(low), z.dtype.type(high)
    for i in range(z.size):
        x = bottom if z[i] <= bottom else z[i]
        out[i] = top if x >= top else x


@jit
def hardtanh_backward_loop(da: Any, a: Any, low: Any, high: Any, out: Any) -> None:
    """Flat arrays."""
    bottom, top = a.dtype.type(low), a.dtype.type(high)
    zero, one = a.dtype.type(0), a.dtype.type(1)
    for i in range(a.size):
        out[i] = da[i] * (one if (a[i] > bottom) & (a[i] < top) else zero)


@jit
def gelu_loop(z: Any, out: Any) -> None:
    """Flat arrays."""
    for i in range(z.size):
        below, _ = elementary.normal(z[i])
        out[i] = z[i] * below


@jit
def gelu_backward_z_loop(da: Any, z: Any, out: Any) -> None:
    """Flat arrays."""
    peak = z.dtype.type(normal.PEAK)
    for i in range(z.size):
        below, bell = elementary.normal(z[i])
        out[i] = da[i] * (below + z[i] * (peak * bell))


@jit
def gelu_tanh_loop(z: Any, out: Any) -> None:
    """Flat arrays."""
    for i in range(z.size):
        s, _ = elementary.sigmoid_of_2u(z[i])
        out[i] = z[i] * s


@jit
def gelu_tanh_backward_z_loop(da: Any, z: Any, out: Any) -> None:
    """Flat arrays."""
    one = z.dtype.type(1)
    for i in range(z.size):
        s, slope = elementary.sigmoid_of_2u(z[i])
        out[i] = da[i] * (s + z[i] * (s * (one - s) * slope))


@jit
def silu_loop(z: Any, out: Any) -> None:
    """Flat arrays."""
    for i in range(z.size):
        out[i] = z[i] * elementary.sigmoid(z[i])


@jit
def silu_backward_z_loop(da: Any, z: Any, out: Any) -> None:
    """Flat arrays."""
    one = z.dtype.type(1)
    for i in range(z.size):
        s = elementary.sigmoid(z[i])
        out[i] = da[i] * (s * (one + z[i] * (one - s)))


@jit
def step_loop(z: Any, low: Any, at_zero: Any, out: Any) -> None:
    """Flat arrays; a NaN is none of the three."""
    zero, one = z.dtype.type(0), z.dtype.type(1)
    below, between = z.dtype.type(low), z.dtype.type(at_zero)
    for i in range(z.size):
        x = between if z[i] == zero else z[i]
        x = below if z[i] < zero else x
        out[i] = one if z[i] > zero else x


@jit
def zero_loop(out: Any) -> None:
    """A flat array."""
    for i in range(out.size):
        out[i] = 0


@jit
def is_better(x: Any, top: Any) -> Any:
    """Whether x replaces the largest so far, in order: a NaN does, and no NaN is replaced."""
    return (not x <= top) & (top == top)


@jit
def maxout_loop(z: Any, pieces: Any, out: Any) -> None:
    """Rows of z (n, m · pieces) and out (n, m)."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            top = z[i, j * pieces]
            for k in range(j * pieces + 1, (j + 1) * pieces):
                top = z[i, k] if is_better(z[i, k], top) else top
            out[i, j] = top


@jit
def maxout_backward_z_loop(da: Any, z: Any, pieces: Any, out: Any) -> None:
    """Rows of da (n, m), z and out (n, m · pieces)."""
    for i in range(da.shape[0]):
        for j in range(da.shape[1]):
            taken = j * pieces
            top = z[i, taken]
            for k in range(j * pieces, (j + 1) * pieces):
                out[i, k] = 0
                if is_better(z[i, k], top):
                    taken, top = k, z[i, k]
            out[i, taken] = da[i, j]
