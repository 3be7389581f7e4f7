"""Which loop a code of ``kernels/table.py`` stands for, in compiled code.

A layer, loss or update that enters the program's table gets its line here.
"""

from typing import Any

from accelnn.kernels.on_numba import activations as act
from accelnn.kernels.on_numba import losses
from accelnn.kernels.on_numba._jit import inlined
from accelnn.kernels.on_numba.updates import adam_loop, momentum_loop, sgd_loop
from accelnn.kernels.table import (
    ADAM,
    BINARY_CROSS_ENTROPY,
    CROSS_ENTROPY,
    ELU,
    LEAKY_RELU,
    LOG_SOFTMAX,
    MOMENTUM,
    RELU,
    SGD,
    SIGMOID,
    SOFTMAX,
    SQUARED_ERROR,
    TANH,
)


@inlined
def activate(kind: Any, scalar: Any, z: Any, out: Any) -> None:
    """``out = g(z)``, (rows, n) both; ``out`` may be ``z``."""
    flat_z, flat_out = z.reshape(-1), out.reshape(-1)
    if kind == SIGMOID:
        act.sigmoid_loop(flat_z, flat_out)
    elif kind == TANH:
        act.tanh_loop(flat_z, flat_out)
    elif kind == RELU:
        act.relu_loop(flat_z, flat_out)
    elif kind == LEAKY_RELU:
        act.leaky_relu_loop(flat_z, scalar, flat_out)
    elif kind == ELU:
        act.elu_loop(flat_z, scalar, flat_out)
    elif kind == SOFTMAX:
        act.softmax_loop(z, out)
    elif kind == LOG_SOFTMAX:
        act.log_softmax_loop(z, out)
    else:
        for i in range(flat_z.size):
            flat_out[i] = flat_z[i]


@inlined
def activate_backward(kind: Any, scalar: Any, da: Any, a: Any) -> None:
    """``da <- da · g'``, from the output ``a``, in place."""
    flat_da, flat_a = da.reshape(-1), a.reshape(-1)
    if kind == SIGMOID:
        act.sigmoid_backward_loop(flat_da, flat_a, flat_da)
    elif kind == TANH:
        act.tanh_backward_loop(flat_da, flat_a, flat_da)
    elif kind == RELU:
        act.relu_backward_loop(flat_da, flat_a, flat_da)
    elif kind == LEAKY_RELU:
        act.leaky_relu_backward_loop(flat_da, flat_a, scalar, flat_da)
    elif kind == ELU:
        act.elu_backward_loop(flat_da, flat_a, scalar, flat_da)
    elif kind == SOFTMAX:
        act.softmax_backward_loop(da, a, da)
    elif kind == LOG_SOFTMAX:
        act.log_softmax_backward_loop(da, a, da)


@inlined
def lose(kind: Any, dl: Any, y: Any, labels: Any, targets: Any, row_losses: Any, dy: Any) -> None:
    """Loss of each row, and its gradient with respect to the output."""
    if kind == CROSS_ENTROPY:
        losses.cross_entropy_loop(y, labels, row_losses)
        losses.cross_entropy_backward_loop(dl, y, labels, dy)
    elif kind == BINARY_CROSS_ENTROPY:
        losses.binary_cross_entropy_loop(y, targets, row_losses)
        losses.binary_cross_entropy_backward_loop(dl, y, targets, dy)
    elif kind == SQUARED_ERROR:
        losses.squared_error_loop(y, targets, row_losses)
        losses.squared_error_backward_loop(dl, y, targets, dy)


@inlined
def update(
    kind: Any,
    beta1: Any,
    beta2: Any,
    nesterov: Any,
    decay: Any,
    s: Any,
    params: Any,
    grads: Any,
    states: Any,
    lo: Any,
    hi: Any,
) -> None:
    """One optimizer step on elements lo ... hi - 1; s holds the step's three scalars."""
    p, g = params[lo:hi], grads[lo:hi]
    if kind == SGD:
        sgd_loop(p, g, s[0], decay)
    elif kind == MOMENTUM:
        momentum_loop(p, g, states[0, lo:hi], beta1, s[0], s[1], nesterov, decay)
    elif kind == ADAM:
        m, v = states[0, lo:hi], states[1, lo:hi]
        adam_loop(p, g, m, v, beta1, beta2, s[0], s[1], decay, s[2])
