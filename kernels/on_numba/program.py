"""A whole range of minibatches in one compiled call, for any depth and width.

The table of layers and all buffers are arguments, so nothing is compiled again for another network:
one signature per dtype. The loops are those of the other files here; this one only orders them.
"""

from typing import Any

import numpy as np

from accelnn.kernels.on_numba import activations as act
from accelnn.kernels.on_numba import losses
from accelnn.kernels.on_numba._jit import jit, plain
from accelnn.kernels.on_numba.dropout import dropout_loop
from accelnn.kernels.on_numba.matmul import matmul_loop
from accelnn.kernels.on_numba.rows import add_bias_loop, sum_rows_loop, take_rows_loop
from accelnn.kernels.on_numba.updates import adam_loop, momentum_loop, sgd_loop
from accelnn.kernels.table import (
    ADAM,
    BINARY_CROSS_ENTROPY,
    CROSS_ENTROPY,
    DROPOUT,
    ELU,
    LEAKY_RELU,
    LINEAR,
    LOG_SOFTMAX,
    MOMENTUM,
    RELU,
    SGD,
    SIGMOID,
    SOFTMAX,
    SQUARED_ERROR,
    TANH,
)

# Activations as functions of a record's kind: flat views for the element-wise ones.


@jit
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
        flat_out[:] = flat_z


@jit
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


@jit
def view(buffer: Any, offset: Any, rows: Any, columns: Any) -> Any:
    """A (rows, columns) array inside a flat buffer."""
    return buffer[offset : offset + rows * columns].reshape(rows, columns)


@jit
def forward(table: Any, params: Any, work: Any, rows: Any, training: Any) -> None:
    """All layers, from the minibatch at the start of the workspace to the output at its end."""
    for i in range(table.size):
        r = table[i]
        x = view(work, r.source, rows, r.n_in)
        y = view(work, r.target, rows, r.n_out)
        if r.kind == LINEAR:
            matmul_loop(x, view(params, r.weight, r.n_in, r.n_out), y)
            if r.bias >= 0:
                add_bias_loop(y, params[r.bias : r.bias + r.n_out], y)
        elif r.kind == DROPOUT and training:
            dropout_loop(x.reshape(-1), r.scalar, r.seed, r.call, y.reshape(-1))
        else:
            activate(r.kind, r.scalar, x, y)


@jit
def backward(table: Any, params: Any, grads: Any, work: Any, deltas: Any, rows: Any) -> None:
    """All gradients, from the output's delta in ``deltas[0]`` down to the first Linear."""
    first = 0
    while table[first].kind != LINEAR:
        first += 1
    ping = 0
    for i in range(table.size - 1, first - 1, -1):
        r = table[i]
        delta = view(deltas[ping], 0, rows, r.n_out)
        if r.kind == LINEAR:
            x = view(work, r.source, rows, r.n_in)
            matmul_loop(x.T, delta, view(grads, r.weight, r.n_in, r.n_out))
            if r.bias >= 0:
                sum_rows_loop(delta, grads[r.bias : r.bias + r.n_out])
            if i > first:
                w = view(params, r.weight, r.n_in, r.n_out)
                matmul_loop(delta, w.T, view(deltas[1 - ping], 0, rows, r.n_in))
            ping = 1 - ping
        elif r.kind == DROPOUT:
            dropout_loop(delta.reshape(-1), r.scalar, r.seed, r.call, delta.reshape(-1))
            table[i].call = r.call + np.uint64(1)
        else:
            activate_backward(r.kind, r.scalar, delta, view(work, r.target, rows, r.n_out))


@jit
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


@jit
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


@jit
def run_steps_loop(
    table: Any,
    loss: Any,
    loss_scale: Any,
    loss_mean: Any,
    kind: Any,
    beta1: Any,
    beta2: Any,
    nesterov: Any,
    decays: Any,
    decay_per_row: Any,
    n_weights: Any,
    batch_size: Any,
    params: Any,
    grads: Any,
    states: Any,
    work: Any,
    deltas: Any,
    X: Any,
    labels: Any,
    targets: Any,
    order: Any,
    row_losses: Any,
    first: Any,
    last: Any,
    scalars: Any,
) -> None:
    """Minibatches first ... last - 1; see ``Plan`` for the arrays, whose order is the same."""
    n_in, n_out = table[0].n_in, table[table.size - 1].n_out
    for step in range(first, last):
        start = step * batch_size
        stop = min(start + batch_size, order.size)
        rows, chosen = stop - start, order[start:stop]
        take_rows_loop(X, chosen, view(work, 0, rows, n_in))
        forward(table, params, work, rows, True)
        y = view(work, table[table.size - 1].target, rows, n_out)
        dl = np.full(rows, loss_scale / rows if loss_mean else loss_scale).astype(params.dtype)
        chosen_labels = labels[chosen] if labels.size > 0 else labels
        chosen_targets = np.empty((rows if targets.size > 0 else 0, targets.shape[1]), params.dtype)
        take_rows_loop(targets, chosen[: chosen_targets.shape[0]], chosen_targets)
        lose(
            loss,
            dl,
            y,
            chosen_labels,
            chosen_targets,
            row_losses[start:stop],
            view(deltas[0], 0, rows, n_out),
        )
        backward(table, params, grads, work, deltas, rows)
        share = rows if decay_per_row else 1
        cut = 0 if decays[0] == decays[1] else n_weights  # one decay: one call for everything
        for part in range(2):
            lo, hi = (0, cut) if part == 0 else (cut, params.size)
            update(
                kind,
                beta1,
                beta2,
                nesterov,
                decays[part] / share,
                scalars[step - first],
                params,
                grads,
                states,
                lo,
                hi,
            )


@jit
def run_forward_loop(table: Any, params: Any, work: Any, batch_size: Any, X: Any, out: Any) -> None:
    """Outputs for all rows of X, a batch at a time."""
    n_out = out.shape[1]
    for start in range(0, X.shape[0], batch_size):
        stop = min(start + batch_size, X.shape[0])
        view(work, 0, stop - start, X.shape[1])[:] = X[start:stop]
        forward(table, params, work, stop - start, False)
        out[start:stop] = view(work, table[table.size - 1].target, stop - start, n_out)


def run_steps(plan: Any, first: int, last: int, scalars: Any) -> None:
    """Train on minibatches first ... last - 1 of a ``Plan``."""
    u = plan.update
    classes = plan.y.ndim == 1
    run_steps_loop(
        plan.table,
        plan.loss,
        float(plan.loss_scale),
        bool(plan.loss_mean),
        u.kind,
        float(u.beta1),
        float(u.beta2),
        bool(u.nesterov),
        np.array([u.decay_weights, u.decay_biases]),
        bool(u.decay_per_row),
        plan.n_weights,
        plan.batch_size,
        plan.params,
        plan.grads,
        plan.states,
        plan.work,
        plan.deltas,
        plain(plan.X),
        plain(plan.y) if classes else np.empty(0, np.int64),
        np.empty((0, plan.n_out), plan.params.dtype) if classes else plain(plan.y),
        plain(plan.order),
        plan.row_losses,
        int(first),
        int(last),
        np.ascontiguousarray(scalars, np.float64),
    )


def run_forward(plan: Any, X: Any, out: Any) -> None:
    """Write the outputs for all rows of X to out."""
    run_forward_loop(plan.table, plan.params, plan.work, plan.batch_size, plain(X), out)
