"""A whole range of minibatches in one compiled call, for any depth and width.

The table of layers and all buffers are arguments, so nothing is compiled again for another network:
one signature per dtype. The loops are those of the other files here; this one only orders them, and
cuts the work for several threads: ``part`` of ``parts``, with meetings in between (``threads.py``).
"""

from typing import Any

import numpy as np

from accelnn.kernels.on_numba._jit import from_python, jit, plain
from accelnn.kernels.on_numba.codes import activate, activate_backward, lose, update
from accelnn.kernels.on_numba.dropout import dropout_loop
from accelnn.kernels.on_numba.gemm import SCRATCH, gemm_address, gemm_part
from accelnn.kernels.on_numba.rows import add_bias_loop, sum_rows_loop, take_rows_loop
from accelnn.kernels.on_numba.threads import meet, run_parts, share, threads_for
from accelnn.kernels.table import DROPOUT, LINEAR


@jit
def view(buffer: Any, offset: Any, rows: Any, columns: Any) -> Any:
    """A (rows, columns) array inside a flat buffer."""
    return buffer[offset : offset + rows * columns].reshape(rows, columns)


@jit
def copy_loop(x: Any, out: Any) -> None:
    """``out = x``, (rows, n) both."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = x[i, j]


@jit
def forward(
    part: Any,
    parts: Any,
    barrier: Any,
    meeting: Any,
    scratch: Any,
    gemm: Any,
    table: Any,
    params: Any,
    work: Any,
    rows: Any,
    training: Any,
) -> Any:
    """All layers, from the minibatch at the start of the workspace to the output at its end.

    Every part does its rows of what is element-wise and its columns of the products, and meets the
    others where it needs what they have done. Returns the number of the last meeting, -1 if one
    failed.
    """
    lo, hi = rows * part // parts, rows * (part + 1) // parts
    no = rows < 0  # a variable: gemm_part would be compiled once more for a literal
    for i in range(table.size):
        r = table[i]
        x = view(work, r.source, rows, r.n_in)
        y = view(work, r.target, rows, r.n_out)
        if r.kind == LINEAR:
            meeting += 1
            if not meet(barrier, parts, meeting):
                return -1
            w = view(params, r.weight, r.n_in, r.n_out)
            gemm_part(gemm, x, no, w, no, y, part, parts, scratch)
            meeting += 1
            if not meet(barrier, parts, meeting):
                return -1
            if r.bias >= 0:
                add_bias_loop(y[lo:hi], params[r.bias : r.bias + r.n_out], y[lo:hi])
        elif r.kind == DROPOUT and training:
            start, stop = lo * r.n_in, hi * r.n_in
            flat_x, flat_y = x.reshape(-1), y.reshape(-1)
            dropout_loop(flat_x[start:stop], start, r.scalar, r.seed, r.call, flat_y[start:stop])
        else:
            activate(r.kind, r.scalar, x[lo:hi], y[lo:hi])
    return meeting


@jit
def backward(
    part: Any,
    parts: Any,
    barrier: Any,
    meeting: Any,
    scratch: Any,
    gemm: Any,
    table: Any,
    params: Any,
    grads: Any,
    work: Any,
    deltas: Any,
    rows: Any,
) -> Any:
    """All gradients, from the output's delta in ``deltas[0]`` down to the first Linear.

    Returns the number of the last meeting, -1 if one failed.
    """
    lo, hi = rows * part // parts, rows * (part + 1) // parts
    no, yes = rows < 0, rows >= 0  # variables, as in forward
    first = 0
    while table[first].kind != LINEAR:
        first += 1
    ping = 0
    for i in range(table.size - 1, first - 1, -1):
        r = table[i]
        delta = view(deltas[ping], rows - rows, rows, r.n_out)
        if r.kind == LINEAR:
            meeting += 1
            if not meet(barrier, parts, meeting):
                return -1
            x = view(work, r.source, rows, r.n_in)
            dw = view(grads, r.weight, r.n_in, r.n_out)
            gemm_part(gemm, x, yes, delta, no, dw, part, parts, scratch)
            if r.bias >= 0:
                start, stop = share(r.n_out, part, parts)
                sum_rows_loop(delta, start, stop, grads[r.bias : r.bias + r.n_out])
            if i > first:
                w = view(params, r.weight, r.n_in, r.n_out)
                dx = view(deltas[1 - ping], rows - rows, rows, r.n_in)
                gemm_part(gemm, delta, no, w, yes, dx, part, parts, scratch)
            ping = 1 - ping
            meeting += 1
            if not meet(barrier, parts, meeting):
                return -1
        elif r.kind == DROPOUT:
            start, stop = lo * r.n_out, hi * r.n_out
            mine = delta.reshape(-1)[start:stop]
            dropout_loop(mine, start, r.scalar, r.seed, r.call, mine)
        else:
            a = view(work, r.target, rows, r.n_out)
            activate_backward(r.kind, r.scalar, delta[lo:hi], a[lo:hi])
    return meeting


@jit
def run_steps_loop(
    part: Any,
    parts: Any,
    barrier: Any,
    scratch: Any,
    gemm: Any,
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
    mine = scratch[part]
    n_in, n_out = table[0].n_in, table[table.size - 1].n_out
    zero = first - first  # of a variable's type: a literal 0 would compile what it meets once more
    meeting = zero
    dl = np.empty(batch_size, params.dtype)
    batch_labels = np.empty(batch_size, np.int64)
    batch_targets = np.empty(batch_size * n_out, params.dtype)
    for step in range(first, last):
        start = step * batch_size
        stop = min(start + batch_size, order.size)
        rows = stop - start
        lo, hi = rows * part // parts, rows * (part + 1) // parts
        chosen = order[start + lo : start + hi]
        take_rows_loop(X, chosen, view(work, zero, rows, n_in)[lo:hi])
        meeting = forward(
            part, parts, barrier, meeting, mine, gemm, table, params, work, rows, last > first
        )
        if meeting < 0:
            return
        for i in range(lo, hi):
            dl[i] = loss_scale / rows if loss_mean else loss_scale
            if labels.size > 0:
                batch_labels[i] = labels[chosen[i - lo]]
        if targets.size > 0:
            take_rows_loop(targets, chosen, view(batch_targets, zero, rows, n_out)[lo:hi])
        y = view(work, table[table.size - 1].target, rows, n_out)
        lose(
            loss,
            dl[lo:hi],
            y[lo:hi],
            batch_labels[lo:hi],
            view(batch_targets, zero, rows if targets.size > 0 else zero, n_out)[lo:hi],
            row_losses[start + lo : start + hi],
            view(deltas[0], zero, rows, n_out)[lo:hi],
        )
        meeting = backward(
            part, parts, barrier, meeting, mine, gemm, table, params, grads, work, deltas, rows
        )
        if meeting < 0:
            return
        cut = 0 if decays[0] == decays[1] else n_weights  # one decay: one call for everything
        for piece in range(2):
            begin, size = (0, cut) if piece == 0 else (cut, params.size - cut)
            from_, to = share(size, part, parts)
            update(
                kind,
                beta1,
                beta2,
                nesterov,
                decays[piece] / (rows if decay_per_row else 1),
                scalars[step - first],
                params,
                grads,
                states,
                begin + from_,
                begin + to,
            )
        if part == 0:
            for i in range(table.size):
                if table[i].kind == DROPOUT:
                    table[i].call = table[i].call + np.uint64(1)
        meeting += 1
        if not meet(barrier, parts, meeting):
            return


@jit
def run_forward_loop(
    part: Any,
    parts: Any,
    barrier: Any,
    scratch: Any,
    gemm: Any,
    table: Any,
    params: Any,
    work: Any,
    batch_size: Any,
    X: Any,
    out: Any,
) -> None:
    """Outputs for all rows of X, a batch at a time."""
    n_out = out.shape[1]
    zero = batch_size - batch_size  # of a variable's type, as above
    meeting = zero
    for start in range(0, X.shape[0], batch_size):
        rows = min(batch_size, X.shape[0] - start)
        lo, hi = rows * part // parts, rows * (part + 1) // parts
        copy_loop(X[start + lo : start + hi], view(work, zero, rows, X.shape[1])[lo:hi])
        meeting = forward(
            part, parts, barrier, meeting, scratch[part], gemm, table, params, work, rows, rows < 0
        )
        if meeting < 0:
            return
        y = view(work, table[table.size - 1].target, rows, n_out)
        copy_loop(y[lo:hi], out[start + lo : start + hi])
        meeting += 1
        if not meet(barrier, parts, meeting):
            return


def run_steps(plan: Any, first: int, last: int, scalars: Any) -> None:
    """Train on minibatches first ... last - 1 of a ``Plan``."""
    u = plan.update
    classes = plan.y.ndim == 1
    parts = threads_for(6.0 * plan.params.size * plan.batch_size) if last > first else 1
    run_parts(
        from_python(run_steps_loop),
        parts,
        _scratch(plan, parts),
        gemm_address(plan.params.dtype),
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
    parts = threads_for(2.0 * plan.params.size * min(plan.batch_size, len(X)))
    scratch = _scratch(plan, parts)
    gemm = gemm_address(plan.params.dtype)
    buffers = (plan.table, plan.params, plan.work, plan.batch_size)
    run_parts(from_python(run_forward_loop), parts, scratch, gemm, *buffers, plain(X), out)


def _scratch(plan: Any, parts: int) -> Any:
    """Room for packing, a row for each part; kept with the plan."""
    key = ("scratch", parts)
    if key not in plan.views:
        plan.views[key] = np.empty((parts, SCRATCH), plan.params.dtype)
    return plan.views[key]
