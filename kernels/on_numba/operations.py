"""What a step is made of: the operations that a program's recording calls, by their addresses.

An operation is ``f(w, frame, scratch)``. ``w`` points to its words, the address of ``f`` itself and
then the arguments that its first line names: integers, addresses, and the bits of float64 numbers.
``frame`` holds what changes from step to step (``FRAME``). It works on a block of a matrix: of
``rows`` rows that lie ``x_row`` elements apart it takes ``columns``.

A layer, loss or update that enters the program's table gets its line here. The usual activations
are one operation, and all updates, so that another of them compiles nothing; the other activations,
a loss, dropout and maxout are compiled for the first program that has them. Which are called, on
what, is written in Python (``recording.py``).
"""

from typing import Any

import numpy as np

from accelnn.kernels.on_numba import activation_loops as act
from accelnn.kernels.on_numba import losses
from accelnn.kernels.on_numba._jit import apart, jit, operation
from accelnn.kernels.on_numba.dropout import dropout_loop
from accelnn.kernels.on_numba.gemm import gemm
from accelnn.kernels.on_numba.pointers import (
    INT64,
    array,
    as_float,
    at,
    like,
    matrix,
    typed,
    word,
)
from accelnn.kernels.on_numba.rows import add_loop
from accelnn.kernels.on_numba.threads import meet
from accelnn.kernels.on_numba.updates import adam_loop, momentum_loop, sgd_loop
from accelnn.kernels.table import (
    ADAM,
    ELU,
    GELU,
    GELU_TANH,
    HARDTANH,
    LEAKY_RELU,
    LOG_SIGMOID,
    LOG_SOFTMAX,
    MOMENTUM,
    RELU,
    SGD,
    SIGMOID,
    SILU,
    SOFTMAX,
    STEP,
    TANH,
)

FLOAT64 = np.dtype(np.float64)

#: What changes from step to step: the number of the step in this run, addresses of the rows chosen,
#: of their losses, of their weights if they have any, of the four scalars of the update, of where
#: this part adds up the squares of the weights, if anywhere, of the first row of X and of the
#: result; and what is bound anew for other data.
FRAME = ["step", "order", "row_losses", "weights", "scalars", "squares", "x", "out"]
FRAME += ["x_row", "x_column", "labels", "targets", "barrier", "parts"]
_STEP, _ORDER, _LOSSES, _WEIGHTS, _SCALARS, _SQUARES, _X, _OUT = range(8)
_X_ROW, _X_COLUMN, _LABELS, _TARGETS, _BARRIER, _PARTS = range(8, 14)


@jit
def as_one_row(x_row: Any, y_row: Any, rows: Any, columns: Any) -> Any:
    """Return (rows, columns) of the same block, as one row if it is contiguous."""
    return (1, rows * columns) if x_row == columns and y_row == columns else (rows, columns)


@jit
def copy_elements(source: Any, step: Any, target: Any, n: Any) -> None:
    """Copy n elements that lie ``step`` apart."""
    if step == 1:
        for j in range(n):
            target[j] = source[j]
    else:
        for j in range(n):
            target[j] = source[j * step]


def wait(w: Any, frame: Any, scratch: Any) -> None:
    """Wait until all parts are here."""
    meet(typed(frame[_BARRIER], INT64), frame[_PARTS])


def gather(w: Any, frame: Any, scratch: Any) -> None:
    """first, stop, x, n_in, labels, targets, n_out: fetch the chosen rows of the data."""
    first, stop, n_in, n_out = w[1], w[2], w[4], w[7]
    x, X = like(scratch, w[3]), like(scratch, frame[_X])
    order = typed(frame[_ORDER], INT64)
    labels, chosen_labels = typed(w[5], INT64), typed(frame[_LABELS], INT64)
    targets, chosen_targets = like(scratch, w[6]), like(scratch, frame[_TARGETS])
    for i in range(first, stop):
        chosen = order[i]
        copy_elements(at(X, chosen * frame[_X_ROW]), frame[_X_COLUMN], at(x, i * n_in), n_in)
        if frame[_LABELS] != 0:
            labels[i] = chosen_labels[chosen]
        else:
            copy_elements(at(chosen_targets, chosen * n_out), 1, at(targets, i * n_out), n_out)


def fetch(w: Any, frame: Any, scratch: Any) -> None:
    """first, stop, x, n_in: copy rows of X as they follow each other."""
    x, X, n_in = like(scratch, w[3]), like(scratch, frame[_X]), w[4]
    for i in range(w[1], w[2]):
        copy_elements(at(X, i * frame[_X_ROW]), frame[_X_COLUMN], at(x, i * n_in), n_in)


def deliver(w: Any, frame: Any, scratch: Any) -> None:
    """y, y_row, offset, rows, columns: copy a block to the result, which is like y."""
    y, out = like(scratch, w[1]), at(like(scratch, frame[_OUT]), w[3])
    for i in range(w[4]):
        copy_elements(at(y, i * w[2]), 1, at(out, i * w[2]), w[5])


@jit
def with_bias(w: Any, scratch: Any) -> Any:
    """Return the output of ``activate``, rows that lie so far apart: z, and the bias if any."""
    z, z_row, out, out_row = like(scratch, w[3]), w[4], like(scratch, w[5]), w[6]
    if w[3] != w[5]:
        for i in range(w[7]):
            copy_elements(at(z, i * z_row), 1, at(out, i * out_row), w[8])
    if w[9] != 0:
        bias = array(like(scratch, w[9]), w[8])
        for i in range(w[7]):
            row = array(at(out, i * out_row), w[8])
            add_loop(row, bias, row)
    return out, out_row


def activate(w: Any, frame: Any, scratch: Any) -> None:
    """kind, scalar, z, z_row, out, out_row, rows, columns, bias, second: ``out = g(z + bias)``.

    ``out`` may be z, ``bias`` 0 for none. In place in any case: of a loop over two arrays LLVM
    makes one that is slow if they are the same.
    """
    kind, scalar = w[1], as_float(w[2])
    out, out_row = with_bias(w, scratch)
    if kind == SOFTMAX:
        whole = matrix(out, w[7], w[8])
        act.softmax_loop(whole, whole)
        return
    if kind == LOG_SOFTMAX:
        whole = matrix(out, w[7], w[8])
        act.log_softmax_loop(whole, whole)
        return
    rows, columns = as_one_row(out_row, out_row, w[7], w[8])
    for i in range(rows):
        x = array(at(out, i * out_row), columns)
        if kind == SIGMOID:
            act.sigmoid_loop(x, x)
        elif kind == TANH:
            act.tanh_loop(x, x)
        elif kind == RELU:
            act.relu_loop(x, x)
        elif kind == LEAKY_RELU:
            act.leaky_relu_loop(x, scalar, x)
        elif kind == ELU:
            act.elu_loop(x, scalar, x)


def activate_more(w: Any, frame: Any, scratch: Any) -> None:
    """As ``activate``, for the kinds that few networks have."""
    kind, scalar, second = w[1], as_float(w[2]), as_float(w[10])
    out, out_row = with_bias(w, scratch)
    rows, columns = as_one_row(out_row, out_row, w[7], w[8])
    for i in range(rows):
        x = array(at(out, i * out_row), columns)
        if kind == LOG_SIGMOID:
            act.log_sigmoid_loop(x, x)
        elif kind == HARDTANH:
            act.hardtanh_loop(x, scalar, second, x)
        elif kind == GELU:
            act.gelu_loop(x, x)
        elif kind == GELU_TANH:
            act.gelu_tanh_loop(x, x)
        elif kind == SILU:
            act.silu_loop(x, x)
        elif kind == STEP:
            act.step_loop(x, scalar, second, x)


def activate_backward(w: Any, frame: Any, scratch: Any) -> None:
    """kind, scalar, da, da_row, a, a_row, rows, columns, second: ``da <- da · g'``.

    a is what the backward kernel reads: the output, or for some z.
    """
    kind, scalar = w[1], as_float(w[2])
    da, da_row, a, a_row = like(scratch, w[3]), w[4], like(scratch, w[5]), w[6]
    if kind == SOFTMAX:
        d = matrix(da, w[7], w[8])
        act.softmax_backward_loop(d, matrix(a, w[7], w[8]), d)
        return
    if kind == LOG_SOFTMAX:
        d = matrix(da, w[7], w[8])
        act.log_softmax_backward_loop(d, matrix(a, w[7], w[8]), d)
        return
    rows, columns = as_one_row(da_row, a_row, w[7], w[8])
    for i in range(rows):
        d, y = array(at(da, i * da_row), columns), array(at(a, i * a_row), columns)
        if kind == SIGMOID:
            act.sigmoid_backward_loop(d, y, d)
        elif kind == TANH:
            act.tanh_backward_loop(d, y, d)
        elif kind == RELU:
            act.relu_backward_loop(d, y, d)
        elif kind == LEAKY_RELU:
            act.leaky_relu_backward_loop(d, y, scalar, d)
        elif kind == ELU:
            act.elu_backward_loop(d, y, scalar, d)


def activate_more_backward(w: Any, frame: Any, scratch: Any) -> None:
    """As ``activate_backward``, for the kinds of ``activate_more``."""
    kind, scalar, second = w[1], as_float(w[2]), as_float(w[9])
    da, da_row, a, a_row = like(scratch, w[3]), w[4], like(scratch, w[5]), w[6]
    rows, columns = as_one_row(da_row, a_row, w[7], w[8])
    for i in range(rows):
        d, y = array(at(da, i * da_row), columns), array(at(a, i * a_row), columns)
        if kind == LOG_SIGMOID:
            act.log_sigmoid_backward_loop(d, y, d)
        elif kind == HARDTANH:
            act.hardtanh_backward_loop(d, y, scalar, second, d)
        elif kind == GELU:
            act.gelu_backward_z_loop(d, y, d)
        elif kind == GELU_TANH:
            act.gelu_tanh_backward_z_loop(d, y, d)
        elif kind == SILU:
            act.silu_backward_z_loop(d, y, d)
        elif kind == STEP:
            act.zero_loop(d)


def maxout(w: Any, frame: Any, scratch: Any) -> None:
    """pieces, z, out, rows, units: rows of units · pieces columns and of units."""
    out = matrix(like(scratch, w[3]), w[4], w[5])
    act.maxout_loop(matrix(like(scratch, w[2]), w[4], w[5] * w[1]), w[1], out)


def maxout_backward(w: Any, frame: Any, scratch: Any) -> None:
    """pieces, da, z, dz, rows, units: as for ``maxout``."""
    wide = w[6] * w[1]
    da, z = matrix(like(scratch, w[2]), w[5], w[6]), matrix(like(scratch, w[3]), w[5], wide)
    act.maxout_backward_z_loop(da, z, w[1], matrix(like(scratch, w[4]), w[5], wide))


def drop(w: Any, frame: Any, scratch: Any) -> None:
    """x, x_row, out, out_row, rows, columns, start, width, p, seed, call: dropout, or backward.

    The block begins at element ``start`` of rows ``width`` long; ``call`` is the address of how
    often the layer was applied before this run.
    """
    x, out, start, width = like(scratch, w[1]), like(scratch, w[3]), w[7], w[8]
    seed, call = np.uint64(w[10]), np.uint64(word(w[11]) + frame[_STEP])
    for i in range(w[5]):
        source, target = array(at(x, i * w[2]), w[6]), array(at(out, i * w[4]), w[6])
        dropout_loop(source, start + i * width, as_float(w[9]), seed, call, target)


def cross_entropy(w: Any, frame: Any, scratch: Any) -> None:
    """weight, y, labels, targets, dy, dl, rows, columns, first.

    A loss of whole rows, from number ``first`` of the minibatch on, and its gradient with respect
    to the output y; dl is room for the weights of the rows. Labels or targets is 0.
    """
    y, dy, dl, row_losses = loss_arrays(w, frame, scratch)
    labels = array(typed(w[3], INT64), w[7])
    losses.cross_entropy_loop(y, labels, dy, row_losses)
    losses.cross_entropy_slope_loop(dl, labels, dy)


def binary_cross_entropy(w: Any, frame: Any, scratch: Any) -> None:
    """As for ``cross_entropy``."""
    y, dy, dl, row_losses = loss_arrays(w, frame, scratch)
    targets = matrix(like(scratch, w[4]), w[7], w[8])
    losses.binary_cross_entropy_loop(y, targets, dy, row_losses)
    losses.binary_cross_entropy_backward_loop(dl, y, targets, dy)


def squared_error(w: Any, frame: Any, scratch: Any) -> None:
    """As for ``cross_entropy``."""
    y, dy, dl, row_losses = loss_arrays(w, frame, scratch)
    targets = matrix(like(scratch, w[4]), w[7], w[8])
    losses.squared_error_loop(y, targets, row_losses)
    losses.squared_error_backward_loop(dl, y, targets, dy)


def poisson(w: Any, frame: Any, scratch: Any) -> None:
    """As for ``cross_entropy``."""
    y, dy, dl, row_losses = loss_arrays(w, frame, scratch)
    targets = matrix(like(scratch, w[4]), w[7], w[8])
    losses.poisson_loop(y, targets, dy, row_losses)
    losses.poisson_backward_loop(dl, y, targets, dy)


def perceptron(w: Any, frame: Any, scratch: Any) -> None:
    """As for ``cross_entropy``."""
    y, dy, dl, row_losses = loss_arrays(w, frame, scratch)
    targets = matrix(like(scratch, w[4]), w[7], w[8])
    losses.perceptron_loop(y, targets, row_losses)
    losses.perceptron_backward_loop(dl, y, targets, dy)


@jit
def loss_arrays(w: Any, frame: Any, scratch: Any) -> Any:
    """Return y, dy, the weights of the rows and their losses."""
    rows, columns = w[7], w[8]
    y, dy = matrix(like(scratch, w[2]), rows, columns), matrix(like(scratch, w[5]), rows, columns)
    dl = array(like(scratch, w[6]), rows)
    if frame[_WEIGHTS] == 0:
        for i in range(rows):
            dl[i] = as_float(w[1])
    else:
        weights = at(like(scratch, frame[_WEIGHTS]), w[9])
        for i in range(rows):
            dl[i] = as_float(w[1]) * weights[i]
    return y, dy, dl, array(at(like(scratch, frame[_LOSSES]), w[9]), rows)


def sum_rows(w: Any, frame: Any, scratch: Any) -> None:
    """dz, dz_row, rows, columns, out: the gradient of a bias."""
    dz, out = like(scratch, w[1]), array(like(scratch, w[5]), w[4])
    for j in range(w[4]):
        out[j] = 0
    for i in range(w[3]):
        add_loop(out, array(at(dz, i * w[2]), w[4]), out)


@apart
def squares(x: Any) -> Any:
    """Return ``Σ xᵢ²`` in float64."""
    total = 0.0
    for i in range(x.size):
        total += np.float64(x[i]) * np.float64(x[i])
    return total


def update(w: Any, frame: Any, scratch: Any) -> None:
    """kind, beta1, beta2, nesterov, decay, p, m, v, p_row, g, g_row, rows, columns, squared."""
    s = typed(frame[_SCALARS], FLOAT64)
    kind, beta1, beta2, decay = w[1], as_float(w[2]), as_float(w[3]), as_float(w[5]) * s[3]
    p, m, v, p_row = like(scratch, w[6]), like(scratch, w[7]), like(scratch, w[8]), w[9]
    g, g_row = like(scratch, w[10]), w[11]
    if w[14] != 0 and frame[_SQUARES] != 0:  # the update is about to read them anyway
        total = typed(frame[_SQUARES], FLOAT64)
        for i in range(w[12]):
            total[0] += squares(array(at(p, i * p_row), w[13]))
    for i in range(w[12]):
        ps, gs = array(at(p, i * p_row), w[13]), array(at(g, i * g_row), w[13])
        ms, vs = array(at(m, i * p_row), w[13]), array(at(v, i * p_row), w[13])
        if kind == SGD:
            sgd_loop(ps, gs, s[0], decay)
        elif kind == MOMENTUM:
            momentum_loop(ps, gs, ms, beta1, s[0], s[1], w[4] != 0, decay)
        elif kind == ADAM:
            adam_loop(ps, gs, ms, vs, beta1, beta2, s[0], s[1], decay, s[2])


#: Kinds of ``activate_more``; to compile them with the others would take every user a second more.
LESS_USUAL = (LOG_SIGMOID, HARDTANH, GELU, GELU_TANH, SILU, STEP)

#: Compiled before a program runs, and when a program needs it first.
COMMON = (
    gemm, wait, gather, fetch, deliver, activate, activate_backward, sum_rows, update,
)  # fmt: skip
RARE = (
    drop, activate_more, activate_more_backward, maxout, maxout_backward, cross_entropy,
    binary_cross_entropy, squared_error, poisson, perceptron,
)  # fmt: skip

_BY_NAME = {f.__name__: f for f in (*COMMON, *RARE)}


def address(name: str, dtype: Any) -> int:
    """Compile or load an operation for a dtype, and return its address."""
    found = operation(_BY_NAME[name], dtype)
    _loaded.add((name, np.dtype(dtype)))
    return found


_loaded: set[tuple[str, Any]] = set()


def loaded(names: tuple[str, ...], dtype: Any) -> bool:
    """Say whether programs that need these operations have nothing left to compile or load."""
    common = [f.__name__ for f in COMMON]
    return all((name, np.dtype(dtype)) in _loaded for name in (*common, *names))
