"""Run a program step by step through a backend's kernels, every result written with ``out=``.

For a height of minibatch (the full one, and the last, smaller one) the table becomes once a list of
layers that hold their views of the flat buffers; a step then only calls kernels.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from accelnn.backends.plan import Plan
from accelnn.kernels import table as t

if TYPE_CHECKING:
    from accelnn.backends.base import Backend

#: Weights that are squared at a time: they stay in a cache.
_BLOCK = 1 << 15


class _Layer(NamedTuple):
    forward: Callable[[bool], None]  # training? -> writes the layer's output
    backward: Callable[[], None] | None  # None below the first layer with parameters


class _Views(NamedTuple):
    batch: Any  # (rows, n_in), where the minibatch is gathered
    output: Any  # (rows, n_out)
    delta: Any  # (rows, n_out), gradient of the output
    weights: Any  # (rows,), weight of each row's loss
    layers: list[_Layer]


def run_steps(backend: "Backend", plan: Plan, first: int, last: int, scalars: Any) -> Any:
    """Train on minibatches ``first`` ... ``last - 1`` and return their penalties, an array.

    ``scalars`` (last - first, 4): three of the update, and the share of the decays.
    """
    penalties = np.zeros(last - first)
    dropouts = plan.table["kind"] == t.DROPOUT
    loss = getattr(backend, t.LOSSES[plan.loss])
    loss_backward = getattr(backend, t.LOSSES[plan.loss] + "_backward")
    on_host = _stays_on_host(plan, plan.X)
    as_bytes = plan.X.dtype == np.uint8
    for step in range(first, last):
        rows, start = plan.rows(step), step * plan.batch_size
        stop = start + rows
        v = _views(backend, plan, rows)
        chosen = plan.order[start:stop]
        if on_host:
            _fill(backend, plan, v.batch, plan.X[backend.to_numpy(chosen)])
        elif as_bytes:
            _fill(backend, plan, v.batch, backend.take_rows(plan.X, chosen))
        else:
            backend.take_rows(plan.X, chosen, out=v.batch)
        target = backend.take_rows(plan.y, chosen)
        for layer in v.layers:
            layer.forward(True)
        loss(v.output, target, out=plan.row_losses[start:stop])
        weights = v.weights if plan.weights is None else v.weights * plan.weights[start:stop]
        loss_backward(weights, v.output, target, out=v.delta)
        for layer in reversed(v.layers):
            if layer.backward is not None:
                layer.backward()
        penalties[step - first] = penalty(backend, plan, step, scalars[step - first][3])
        update(backend, plan, scalars[step - first])
        plan.table["call"][dropouts] += np.uint64(1)  # also of those that have no backward
    return penalties


def run_forward(backend: "Backend", plan: Plan, X: Any, out: Any) -> None:
    """Write the network's outputs for the rows of X (n, n_in) to out (n, n_out)."""
    for start in range(0, len(X), plan.batch_size):
        stop = min(start + plan.batch_size, len(X))
        v = _views(backend, plan, stop - start)
        _fill(backend, plan, v.batch, X[start:stop])
        for layer in v.layers:
            layer.forward(False)
        out[start:stop] = v.output


def _fill(backend: "Backend", plan: Plan, batch: Any, rows: Any) -> None:
    """Write rows of X to the minibatch, those of bytes multiplied as the network sees them."""
    batch[...] = backend.asarray(rows) if _stays_on_host(plan, rows) else rows
    if rows.dtype == np.uint8:
        batch *= plan.input_scale


def _stays_on_host(plan: Plan, X: Any) -> bool:
    """Whether X was too big for the device that the buffers are on."""
    return isinstance(X, np.ndarray) and not isinstance(plan.params, np.ndarray)


def penalty(backend: "Backend", plan: Plan, step: int, share: float) -> float:
    """Return ``rows · decay · share / 2 · |W|²``, what decay of the weights adds to the loss."""
    if not plan.update.decay_weights:
        return 0.0
    squares = 0.0
    for start in range(0, plan.n_weights, _BLOCK):
        part = plan.params[start : min(start + _BLOCK, plan.n_weights)]
        part = backend.asarray(part, dtype=np.float64)
        squares += float((part * part).sum())
    return plan.rows(step) * plan.update.decay_weights * float(share) / 2 * squares


def update(backend: "Backend", plan: Plan, scalars: Any) -> None:
    """Change the parameters and states by the gradients; ``scalars`` (4,) as in ``run_steps``."""
    u, cut = plan.update, plan.n_weights
    s0, s1, s2, share = (float(s) for s in scalars)
    if u.decay_weights == u.decay_biases:
        parts = [(slice(None), u.decay_weights * share)]
    else:
        parts = [(slice(cut), u.decay_weights * share), (slice(cut, None), u.decay_biases * share)]
    for part, decay in parts:
        p, g = plan.params[part], plan.grads[part]
        if u.kind == t.SGD:
            backend.sgd(p, g, lr=s0, decay=decay, out=p)
        elif u.kind == t.MOMENTUM:
            v = plan.states[0, part]
            how = {"mu": u.beta1, "a": s0, "b": s1, "nesterov": u.nesterov, "decay": decay}
            backend.momentum(p, g, v, **how, out=(p, v))
        elif u.kind == t.ADAM:
            m, v = plan.states[0, part], plan.states[1, part]
            betas = {"beta1": u.beta1, "beta2": u.beta2}
            rates = {"step": s0, "eps": s1, "shrink": s2, "decay": decay}
            backend.adam(p, g, m, v, **betas, **rates, out=(p, m, v))


def _views(backend: "Backend", plan: Plan, rows: int) -> _Views:
    if rows not in plan.views:
        plan.views[rows] = _make_views(backend, plan, rows)
    found: _Views = plan.views[rows]
    return found


def _make_views(backend: "Backend", plan: Plan, rows: int) -> _Views:
    def view(buffer: Any, offset: int, *shape: int) -> Any:
        size = shape[0] * shape[-1] if len(shape) == 2 else shape[0]
        return buffer[offset : offset + size].reshape(shape)

    ping = 0
    delta = output_delta = view(plan.deltas[ping], 0, rows, plan.n_out)
    first_linear = next(i for i, r in enumerate(plan.table) if r["kind"] == t.LINEAR)
    layers: list[_Layer] = []
    for i in range(len(plan.table) - 1, -1, -1):  # backwards, since the deltas are swept so
        r = plan.table[i : i + 1]  # a view, so that the dropout's call counts on
        kind, n_in, n_out = (int(r[name][0]) for name in ("kind", "n_in", "n_out"))
        x = view(plan.work, int(r["source"][0]), rows, n_in)
        y = view(plan.work, int(r["target"][0]), rows, n_out)
        if kind == t.LINEAR:
            w, b = int(r["weight"][0]), int(r["bias"][0])
            here, ping = delta, 1 - ping
            delta = view(plan.deltas[ping], 0, rows, n_in)
            layer = _linear(
                backend,
                (x, y, here, delta if i > first_linear else None),
                tuple(view(p, w, n_in, n_out) for p in (plan.params, plan.grads)),
                tuple(view(p, b, n_out) for p in (plan.params, plan.grads)) if b >= 0 else None,
            )
        elif kind == t.DROPOUT:
            layer = _dropout(backend, r, x, y, delta)
        else:
            here = delta
            if kind == t.MAXOUT:  # whose gradient is wider than that of its output
                ping = 1 - ping
                delta = view(plan.deltas[ping], 0, rows, n_in)
            layer = _activation(backend, r[0], x, y, here, delta)
        layer = layer if i >= first_linear else layer._replace(backward=None)
        layers.append(_named(plan, int(r["target"][0]), layer))
    weights = backend.empty((rows,), plan.params.dtype)
    weights[...] = plan.loss_weight(rows)
    batch = view(plan.work, 0, rows, plan.n_in)
    output = view(plan.work, int(plan.table["target"][-1]), rows, plan.n_out)
    return _Views(batch, output, output_delta, weights, layers[::-1])


def _named(plan: Plan, target: int, layer: _Layer) -> _Layer:
    """Return the layer itself, or where a profile runs the plan, one that says which it is."""
    if "watch" not in plan.views:
        return layer
    name, named = t.layer_name(plan.table, target), plan.views["watch"].named
    back = layer.backward
    return _Layer(named(name, layer.forward), back and named(name, back))


def _linear(backend: "Backend", arrays: Any, weights: Any, biases: Any) -> _Layer:
    x, y, dy, dx = arrays
    w, dw = weights
    matmul, add_bias, sum_rows = backend.matmul, backend.add_bias, backend.sum_rows

    def forward(_training: bool) -> None:
        matmul(x, w, out=y)
        if biases is not None:
            add_bias(y, biases[0], out=y)

    def backward() -> None:
        matmul(x, dy, ta=True, out=dw)
        if biases is not None:
            sum_rows(dy, out=biases[1])
        if dx is not None:
            matmul(dy, w, tb=True, out=dx)

    return _Layer(forward, backward)


def _activation(backend: "Backend", record: Any, x: Any, y: Any, dy: Any, dx: Any) -> _Layer:
    kind, how = int(record["kind"]), t.numbers_of(record)
    run = partial(getattr(backend, t.LAYERS[kind]), **how)
    run_backward = partial(getattr(backend, t.backward_of(kind)), **how)
    read = x if kind in t.READS_Z else y

    def forward(_training: bool) -> None:
        run(x, out=y)

    def backward() -> None:
        run_backward(dy, read, out=dx)

    return _Layer(forward, backward)


def _dropout(backend: "Backend", record: Any, x: Any, y: Any, dy: Any) -> _Layer:
    p, seed = float(record["scalar"][0]), int(record["seed"][0])

    def forward(training: bool) -> None:
        if training:
            backend.dropout(x, p=p, seed=seed, call=int(record["call"][0]), out=y)
        else:
            backend.identity(x, out=y)

    def backward() -> None:
        backend.dropout(dy, p=p, seed=seed, call=int(record["call"][0]), out=dy)

    return _Layer(forward, backward)
