"""A step written down: which operation works on what, in which order, for one of several threads.

Like a CUDA graph, a step is recorded once, in Python, and then replayed by compiled code
(``program.py``) as often as there are minibatches. Nothing is compiled for another network; what
depends on depth, widths and the number of threads is decided here, where it costs nothing:

- Where the weights are fewer than the numbers that pass between the layers (``is_by_rows``), a part
  has its own rows of the minibatch, from the data to the gradient of the first layer's output, and
  waits for nobody. Then the parts meet, layer by layer, and each updates rows of the weights.
- Elsewhere a product is cut by columns of its result, or by rows where there are few columns. For
  the next product, and for a softmax, the parts wait for each other.
- A part adds the bias and applies what follows element by element to what it has just computed.
- With a product cut by columns, a part computes those columns of a layer's ``dx`` that belong to
  its own rows of the weights, and the gradient of those rows. Only it reads them after the layer
  above is done, so it may update them at once. Layers too narrow for that cut ``dx`` by rows, with
  one more meeting. An update walks through whole rows of the weights, for which the processor reads
  ahead: half rows, the other half being written by another core, took twice as long.
- The gradient of a weight is not stored, unless it is what was asked for (``loss_and_grad``): some
  rows of it are computed, used while they are in the cache of the core, and overwritten. What
  their update will touch is fetched while they are computed.

Which tests tell: ``tests/program/test_same_weights.py``, and ``tests/kernels/test_threads.py`` for
one, two, three and five threads.
"""

from typing import Any

import numpy as np

from accelnn.kernels.on_numba._jit import in_python
from accelnn.kernels.on_numba.gemm import MR, takes_dots
from accelnn.kernels.on_numba.operations import LESS_USUAL
from accelnn.kernels.on_numba.pointers import LINE
from accelnn.kernels.on_numba.tape import WORDS as WORDS
from accelnn.kernels.on_numba.tape import Block, Recording, bits
from accelnn.kernels.table import (
    DROPOUT,
    ELU,
    GELU,
    GELU_TANH,
    HARDTANH,
    IDENTITY,
    LEAKY_RELU,
    LINEAR,
    LOG_SIGMOID,
    LOG_SOFTMAX,
    LOSSES,
    MAXOUT,
    NO_UPDATE,
    READS_Z,
    RECORD,
    RELU,
    SIGMOID,
    SILU,
    SOFTMAX,
    STEP,
    TANH,
)

#: A step is cut by rows up to so many bytes of weights, of which each core has its own copy. On two
#: cores steps of 64-100-10 on 200 rows were 1.2 to 1.4 times as fast by rows, others with less than
#: this 1.0 to 1.5 times; with 2.7 MB of weights they were slower or as fast.
BY_ROWS = 1 << 20
#: Activations whose elements do not depend on each other.
ELEMENTWISE = (
    IDENTITY, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, LOG_SIGMOID, HARDTANH, GELU, GELU_TANH, SILU,
    STEP,
)  # fmt: skip
#: Layers that need whole rows.
BY_ROW = (SOFTMAX, LOG_SOFTMAX, MAXOUT)
#: Columns of a gradient that are computed at a time, and elements.
WIDE, GRADIENT = 2048, 12288
#: Room for them.
GRADIENT_ROOM = max(GRADIENT, WIDE * MR)


def is_by_rows(plan: Any, rows: int, parts: int) -> bool:
    """Whether each part has its own rows of the minibatch in all of a step.

    What one core has written costs another about as much to read as from memory: here that is the
    weights, there the outputs of the layers.
    """
    weights, widths = plan.n_weights, plan.work.size // plan.batch_size
    small = weights <= min(rows * widths, BY_ROWS // plan.params.itemsize)
    return bool(parts > 1 and rows >= 2 * MR * parts and small)


def record_step(plan: Any, rows: int, part: int, parts: int, room: dict[str, int]) -> Any:
    """Return the words of one training step on ``rows`` rows, for one part.

    ``room`` has the addresses of a minibatch's labels, targets and weights of the rows, and of some
    rows of a gradient for each part.
    """
    rec = Recording(plan, rows, part, parts, plan.batch_size, int(plan.work.ctypes.data))
    n_out, size = plan.n_out, rec.size
    rec.gradient = room["gradient"] + part * GRADIENT_ROOM * size
    rec.by_rows = is_by_rows(plan, rows, parts)
    first, stop = rec.cut(rows, 1)
    known = (room["labels"], room["targets"])
    rec.add("gather", first, stop, rec.work, plan.n_in, *known, n_out)
    output = _forward(rec, rec.work, plan.n_in, training=True)
    if rec.by_columns:
        rec.wait()
    scale = plan.loss_weight(rows)
    row = first * n_out * size
    deltas = [int(buffer.ctypes.data) for buffer in plan.deltas]
    answers = (room["labels"] + first * 8, room["targets"] + row)
    results = (deltas[0] + row, room["weights"] + first * size)
    words = (bits(scale), output + row, *answers, *results, stop - first, n_out, first)
    rec.where = None, ""
    rec.add(LOSSES[plan.loss], *words)
    _backward(rec, deltas)
    rec.wait()
    return rec.words()


def record_forward(plan: Any, rows: int, part: int, parts: int, height: int, work: int) -> Any:
    """Return the words that predict ``rows`` rows, for one part; ``work`` has ``height`` rows."""
    rec = Recording(plan, rows, part, parts, height, work)
    rec.add("fetch", *rec.cut(rows, 1), work, plan.n_in)
    output = _forward(rec, work, plan.n_in, training=False)
    rec.where = None, ""
    mine = rec.own(plan.n_out)
    offset = rec.inside(0, plan.n_out, mine)
    words = (output + offset, plan.n_out, offset // rec.size, mine.rows, mine.columns)
    rec.add("deliver", *words)
    rec.wait()
    return rec.words()


def _forward(rec: Recording, x: int, x_row: int, training: bool) -> int:
    """All layers, from the input at x to the output, whose address is returned."""
    table = rec.plan.table
    followed = False
    for i, r in enumerate(table):
        kind, n_in, n_out = int(r["kind"]), int(r["n_in"]), int(r["n_out"])
        if followed:  # done, strip by strip, with the product before
            followed = False
            continue
        y, rec.where = rec.place(int(r["target"])), (r, "forward")
        if i > 0:
            x, x_row = rec.place(int(r["source"])), n_in
        if kind == LINEAR:
            if not rec.by_rows:
                rec.wait()
            rec.by_columns = rec.is_wide(n_out)
            then: Any = table[i + 1] if i + 1 < len(table) else None
            followed = then is not None and int(then["kind"]) in ELEMENTWISE
            for strip in rec.strips(rec.own(n_out)):
                _product(rec, r, x, x_row, y, strip)
                bias = rec.params + (int(r["bias"]) + strip.column) * rec.size
                _follow(rec, then if followed else None, y, n_out, strip, bias * (r["bias"] >= 0))
            y = rec.place(int(then["target"])) if followed else y
            continue
        if kind in BY_ROW and rec.by_columns:
            rec.wait()
            rec.by_columns = False
        mine = rec.own(n_out)
        if kind == MAXOUT:
            places = (x + mine.row * x_row * rec.size, rec.inside(y, n_out, mine))
            rec.add("maxout", int(r["scalar"]), *places, mine.rows, n_out)
            continue
        if kind == DROPOUT and training:
            source = x + (mine.row * x_row + mine.column) * rec.size
            _drop(rec, i, source, x_row, rec.inside(y, n_out, mine), n_out, mine)
        else:
            then = None if kind == DROPOUT else r
            _activate(rec, then, x, x_row, y, n_out, mine, 0)
    return y


def _follow(rec: Recording, then: Any, z: int, width: int, block: Block, bias: int) -> None:
    """What follows a product: a block of ``g(z + bias)``, in place unless backward reads z."""
    if then is None or int(then["kind"]) not in READS_Z:
        _activate(rec, then, z, width, z, width, block, bias)
    else:
        _activate(rec, None, z, width, z, width, block, bias)
        _activate(rec, then, z, width, rec.place(int(then["target"])), width, block, 0)


def _product(rec: Recording, r: Any, x: int, x_row: int, y: int, block: Block) -> None:
    """A block of ``y = x @ W``."""
    n_in, n_out = int(r["n_in"]), int(r["n_out"])
    a = x + block.row * x_row * rec.size, x_row, 1
    b = rec.params + (int(r["weight"]) + block.column) * rec.size, n_out, 1
    dots = in_python(takes_dots)(1, n_out, rec.rows, n_out, 1)
    out = rec.inside(y, n_out, block), n_out
    rec.multiply(a, b, out, (block.rows, n_in, block.columns), dots)


def _activate(
    rec: Recording, r: Any, x: int, x_row: int, y: int, width: int, block: Block, bias: int
) -> None:
    """A block of ``y = g(x + bias)``, where g is the identity if r is None."""
    kind = IDENTITY if r is None else int(r["kind"])
    if kind == IDENTITY and x == y and not bias:
        return
    first, second = (0, 0) if r is None else (bits(r["scalar"]), bits(r["second"]))
    source = x + (block.row * x_row + block.column) * rec.size
    known = (kind, first, source, x_row, rec.inside(y, width, block), width)
    name = "activate_more" if kind in LESS_USUAL else "activate"
    rec.add(name, *known, block.rows, block.columns, bias, second)


def _drop(rec: Recording, i: int, x: int, x_row: int, out: int, width: int, mine: Block) -> None:
    """Dropout of a block by layer i, or its gradient."""
    table = rec.plan.table
    r, (_, offset) = table[i], RECORD.fields["call"]  # type: ignore[index,misc]
    call = int(table.ctypes.data) + i * RECORD.itemsize + offset
    start = mine.row * width + mine.column
    seed = int(r["seed"].astype(np.int64))
    known = (start, width, bits(r["scalar"]), seed, call)
    rec.add("drop", x, x_row, out, width, mine.rows, mine.columns, *known)


def _backward(rec: Recording, deltas: list[int]) -> None:
    """All gradients and updates, from the output's delta, made by rows, to the first Linear.

    ``deltas`` are buffers that take turns. In a step by rows some parts may still read the one
    before the last while others write the next. Maxout takes a turn too: its gradient is wider.
    """
    plan = rec.plan
    rec.by_columns, summed, followed, met = False, False, False, False
    first = next(i for i, r in enumerate(plan.table) if r["kind"] == LINEAR)
    for i in range(len(plan.table) - 1, first - 1, -1):
        r = plan.table[i]
        kind, n_in, n_out = int(r["kind"]), int(r["n_in"]), int(r["n_out"])
        if followed:  # done, strip by strip, with the product before
            followed = False
            continue
        delta, rec.where = deltas[0], (r, "input")
        if kind != LINEAR:
            if kind in BY_ROW and rec.by_columns:
                rec.wait()
                rec.by_columns = False
            mine, met = rec.own(n_out), False
            if kind == MAXOUT:
                _maxout_backward(rec, r, delta, deltas[1], mine)
                rec.wait()  # so that nobody reads the buffer that is written next
                met, deltas = True, [*deltas[1:], delta]
            elif kind == DROPOUT:
                d = rec.inside(delta, n_out, mine)
                _drop(rec, i, d, n_out, d, n_out, mine)
            else:
                _activate_backward(rec, r, delta, mine)
            continue
        if not rec.by_rows:
            if not met:
                rec.wait()
            met = False
            if r["bias"] >= 0 and not summed:
                _bias_step(rec, r, delta, *rec.cut(n_out, rec.vector))
        if i > first:
            rec.by_columns = rec.is_wide(n_in)
            followed, summed = _input_step(rec, i, delta, deltas[1])
        if rec.by_rows:
            if i > first or not met:
                rec.wait()  # all rows of delta are there, and nobody reads the weights any more
            met = True
            if r["bias"] >= 0:
                _bias_step(rec, r, delta, *rec.cut(n_out, rec.vector))
        elif i > first and not rec.by_columns:
            rec.wait()  # the others still read the weights that are updated now
        unit = rec.vector if i > first else 1
        x = rec.place(int(r["source"]))
        _weights_step(rec, r, x, delta, Block(*rec.cut(n_in, unit), 0, n_out))
        deltas = [*deltas[1:], delta]


def _input_step(rec: Recording, i: int, delta: int, out: int) -> tuple[bool, bool]:
    """``out = delta @ Wᵀ`` of Linear i, this part's own block, and what follows strip by strip.

    Returns whether the layer below was followed up, and whether the bias below that was updated.
    """
    r, before = rec.plan.table[i], rec.plan.table[i - 1]
    n_in, n_out = int(r["n_in"]), int(r["n_out"])
    followed = int(before["kind"]) in ELEMENTWISE
    below = rec.plan.table[i - 2] if followed else before
    # the bias below takes what this part makes now, while it is in the cache
    alone = rec.by_columns or rec.parts == 1
    summed = alone and int(below["kind"]) == LINEAR and below["bias"] >= 0
    dots = in_python(takes_dots)(1, 1, rec.rows, n_in, n_out)
    for strip in rec.strips(rec.own(n_in)):
        a = delta + strip.row * n_out * rec.size, n_out, 1
        b = rec.params + (int(r["weight"]) + strip.column * n_out) * rec.size, 1, n_out
        target, rec.where = (rec.inside(out, n_in, strip), n_in), (r, "input")
        rec.multiply(a, b, target, (strip.rows, n_out, strip.columns), dots)
        if followed:
            _activate_backward(rec, before, out, strip)
        if summed:
            _bias_step(rec, below, out, strip.column, strip.column_end)
    return followed, summed


def _activate_backward(rec: Recording, r: Any, delta: int, block: Block) -> None:
    """``delta <- delta · g'`` of a block, from the layer's output, or z."""
    rec.where = r, ""
    width, kind = int(r["n_out"]), int(r["kind"])
    read = rec.place(int(r["source" if kind in READS_Z else "target"]))
    d, a = (rec.inside(x, width, block) for x in (delta, read))
    known = (kind, bits(r["scalar"]), d, width, a, width)
    name = "activate_more_backward" if kind in LESS_USUAL else "activate_backward"
    rec.add(name, *known, block.rows, block.columns, bits(r["second"]))


def _maxout_backward(rec: Recording, r: Any, delta: int, out: int, block: Block) -> None:
    """A block of rows of maxout's gradient, from that of its output."""
    n_in, n_out = int(r["n_in"]), int(r["n_out"])
    da, start = rec.inside(delta, n_out, block), block.row * n_in * rec.size
    places = (da, rec.place(int(r["source"])) + start, out + start)
    rec.add("maxout_backward", int(r["scalar"]), *places, block.rows, n_out)


def _bias_step(rec: Recording, r: Any, delta: int, start: int, stop: int) -> None:
    """``b <- b - step(Σᵢ delta[i])`` for elements start ... stop - 1."""
    n_out, bias, rec.where = int(r["n_out"]), int(r["bias"]), (r, "")
    gradient = int(rec.plan.grads.ctypes.data) + (bias + start) * rec.size
    if start < stop:
        rec.add("sum_rows", delta + start * rec.size, n_out, rec.rows, stop - start, gradient)
        decay = rec.plan.update.decay_biases
        _update(rec, decay, False, bias + start, n_out, gradient, n_out, 1, stop - start)


def _weights_step(rec: Recording, r: Any, x: int, delta: int, block: Block) -> None:
    """``W <- W - step(xᵀ @ delta)`` for a block of W, a few rows at a time."""
    plan, n_in, n_out, weight = rec.plan, int(r["n_in"]), int(r["n_out"]), int(r["weight"])
    rec.where = r, "weights"
    dots = in_python(takes_dots)(n_in, n_out, n_in, n_out, 1)
    stored = plan.update.kind == NO_UPDATE
    for j in range(block.column, block.column_end, WIDE):
        width = min(WIDE, block.column_end - j)
        high = max(MR, GRADIENT // width // MR * MR)
        for i in range(block.row, block.row_end, high):
            height, place = min(high, block.row_end - i), weight + i * n_out + j
            g, g_row = rec.gradient, width
            if stored:
                g, g_row = int(plan.grads.ctypes.data) + place * rec.size, n_out
            a, b = (x + i * rec.size, 1, n_in), (delta + j * rec.size, n_out, 1)
            ahead: tuple[int, ...] = ()
            if width == n_out and not stored:  # whole rows: what the update takes lies together
                lines = height * width * rec.size // LINE
                ahead = (*(*rec.places(place), 0, 0)[:3], lines)
            rec.multiply(a, b, (g, g_row), (height, rec.rows, width), dots, ahead)
            _update(rec, plan.update.decay_weights, True, place, n_out, g, g_row, height, width)


def _update(
    rec: Recording, decay: float, squared: bool, first: int, row: int, g: int, g_row: int,
    rows: int, columns: int,
) -> None:  # fmt: skip
    """Update a block of parameters that begins at number ``first``; add up its squares before."""
    u = rec.plan.update
    if u.kind == NO_UPDATE:
        return
    places = rec.places(first)
    p, m, v = (*places, *places[:1] * 2)[:3]
    constants = (u.kind, bits(u.beta1), bits(u.beta2), u.nesterov, bits(decay))
    rec.add("update", *constants, p, m, v, row, g, g_row, rows, columns, squared and decay != 0)
