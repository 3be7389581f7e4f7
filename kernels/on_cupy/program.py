"""A range of minibatches, or a prediction, on the GPU: recordings are run on a stream of their own.

There are three ways to run the same recording:

``together``
    One cooperative launch for the whole range; the blocks wait for each other at a barrier.
``graph``
    A CUDA graph of ``UNROLLED`` steps, captured once and launched again and again; the minibatch
    that is on is counted in device memory.
``launches``
    Stage by stage; also what is left over when a graph has been launched as often as it fits.

Data that lie on the host, because they do not fit on the device, are brought in pieces, the next
piece while the GPU works on one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from accelnn.kernels.on_cupy._held import Held, Piece, Tasks
from accelnn.kernels.on_cupy._launch import BLOCK, launch, plain, runner
from accelnn.kernels.on_cupy.recording import Product, Recorder
from accelnn.kernels.on_cupy.rows import take_rows
from accelnn.kernels.table import DROPOUT, LINEAR

WAYS = ("auto", "together", "graph", "launches")
#: Steps in a graph: launching one costs the CPU some microseconds, about what a step takes.
UNROLLED = 8
#: A program with a product of so many multiplications takes a library's. Not measured on a GPU yet.
LIBRARY_FROM = 2.0**28
#: Most rows that are predicted at a time.
HEIGHT = 4096
#: Bytes of data that are brought to the device at a time.
PIECE = 64 * 2**20


class _Data(NamedTuple):
    """What a range of steps reads, all on the device."""

    X: Any  # (n, n_in)
    y: Any  # (n,) or (n, n_out)
    order: Any  # (n,)
    row_losses: Any
    weights: Any  # (n,) or None


def held(plan: Any) -> Held:
    """Return what a plan keeps on the device between calls."""
    found: Held | None = plan.views.get("device")
    return found or plan.views.setdefault("device", Held(plan))  # the same for all threads


def release(plan: Any) -> None:
    """Wait for what is running and give back everything but the plan's own buffers."""
    stream = held(plan).stream if "device" in plan.views else None
    if stream is not None:
        stream.synchronize()
    plan.views.clear()
    if stream is not None:
        runner().free(stream)


@contextmanager
def _alone(plan: Any) -> Iterator[Held]:
    """Work on the stream of a plan, one thread at a time, in the order of the caller's stream."""
    mine = held(plan)
    with mine.lock, runner().in_order(mine.stream):
        yield mine


# Training -----------------------------------------------------------------------------------------


def run_steps(plan: Any, first: int, last: int, scalars: Any, way: str = "auto") -> None:
    """Train on minibatches first ... last - 1 of a ``Plan``; ``scalars`` (last - first, 4).

    No steps at all compile and capture what steps need.
    """
    with _alone(plan) as mine:
        tasks, way = _step(plan, mine, plan.batch_size, way)
        if first == last:
            _load(mine, tasks, way)
            if way == "graph":
                _graph(plan, mine, tasks)
            return
        scalars = np.ascontiguousarray(scalars, np.float64)
        plan.y = plain(plan.y)  # kernels read rows in C order; a copy is made once
        if runner().on_device(plan.X):
            plan.X = plain(plan.X)
            data = _Data(plan.X, plan.y, plan.order, plan.row_losses, plan.weights)
            _run(plan, mine, data, (first, last), scalars, way)
        else:
            _run_pieces(plan, mine, (first, last), scalars, way)


def _step(plan: Any, mine: Held, rows: int, way: str) -> tuple[Tasks, str]:
    """Return the recording of a step on so many rows, and which way to run it."""
    library = _wants_library(plan, rows, way)
    if way == "auto":
        way = "together" if mine.most_together and not library else "graph"
    scale = _scale(plan, plan.X)
    key = rows, plan.update, scale, library

    def make() -> Any:
        return Recorder(plan, rows, mine.calls, library, scale).step()

    return mine.keep(mine.steps, key, make), way


def _scale(plan: Any, X: Any) -> float:
    """Return what the data are multiplied by on their way in."""
    return plan.input_scale if X.dtype == np.uint8 else 1.0


def _wants_library(plan: Any, rows: int, way: str) -> bool:
    """Whether a library multiplies: large products, and those of lower precision."""
    if plan.precision != "float32":
        if way == "together":
            raise ValueError(f"precision {plan.precision!r} has no tile of its own yet")
        return True
    linear = plan.table[plan.table["kind"] == LINEAR]
    largest = rows * int((linear["n_in"] * linear["n_out"]).max())
    if way == "together" and largest >= 2**31:
        raise ValueError(f"a product of {largest} multiplications is for a library, not {way!r}")
    return way != "together" and largest >= LIBRARY_FROM


def _run(
    plan: Any, mine: Held, data: _Data, steps: tuple[int, int], scalars: Any, way: str
) -> None:
    """Run minibatches ``steps`` of some data."""
    (first, last), height, run = steps, plan.batch_size, runner()
    n = len(data.order)
    short = n - (last - 1) * height if last * height > n else 0
    times = last - first - (short > 0)
    tasks = _step(plan, mine, height, way)[0]
    last_tasks = _step(plan, mine, short, way)[0] if short else None
    rates = run.xp.empty(scalars.shape, np.float64)
    run.upload(rates, scalars)
    classes = data.y.ndim == 1
    mine.set_range(
        {
            "bytes" if data.X.dtype == np.uint8 else "values": run.address(data.X),
            "order": run.address(data.order),
            "labels" if classes else "targets": run.address(data.y),
            "row_losses": run.address(data.row_losses),
            "weights": 0 if data.weights is None else run.address(data.weights),
            "scalars": run.address(rates),
            "first": first,
            "now": first,
            "height": height,
            "calls": _counted(plan, mine),
            "update": plan.update.kind,
            "beta1": plan.update.beta1,
            "beta2": plan.update.beta2,
            "nesterov": plan.update.nesterov,
        }
    )
    if way == "together":
        _launch_together(mine, tasks, times, last_tasks)
    else:
        if way == "graph" and times >= UNROLLED:
            for _ in range(times // UNROLLED):
                _graph(plan, mine, tasks)()
            times %= UNROLLED
        for ahead in range(times):
            _launch_stages(plan, mine, tasks, ahead)
        if last_tasks is not None:
            _launch_stages(plan, mine, last_tasks, times)
    plan.table["call"][plan.table["kind"] == DROPOUT] += np.uint64(last - first)
    mine.reading = data, rates, scalars  # until the next range, lest they go while it runs


def _counted(plan: Any, mine: Held) -> int:
    """Return how many steps the dropouts have counted since the recordings were made."""
    dropouts = plan.table["kind"] == DROPOUT
    return int((plan.table["call"] - mine.calls)[dropouts].max(initial=0))


def _launch_together(mine: Held, tasks: Tasks, times: int, last: Tasks | None) -> None:
    """Run ``times`` full minibatches and the last, smaller one in one launch."""
    end = last or tasks
    blocks = min(mine.most_together, max(tasks.recording.widest, end.recording.widest))
    mine.arrived.fill(0)
    arguments = mine.range, mine.arrived, tasks.device, tasks.count, times
    ending = end.device, end.count, int(last is not None), 0
    launch("steps", mine.dtype, blocks, BLOCK, *arguments, *ending, together=True)


def _launch_stages(plan: Any, mine: Held, tasks: Tasks, ahead: int) -> None:
    """Launch one step, ``ahead`` minibatches from where the range is."""
    for item in tasks.recording.items:
        if isinstance(item, Product):
            _multiply(plan, mine, item)
            continue
        here = tasks.device[item.first * tasks.size :]
        count = int(tasks.recording.tasks["together"][item.first])
        arguments = mine.range, None, here, count, 1, here, 0, 0, ahead
        launch("steps", mine.dtype, item.tiles, BLOCK, *arguments)


def _multiply(plan: Any, mine: Held, item: Product) -> None:
    how = {"ta": item.ta, "tb": item.tb, "precision": plan.precision}
    runner().product(item.a, item.b, item.out, **how, room=mine.library_room())


def _load(mine: Held, tasks: Tasks, way: str) -> None:
    """Run the kernels on nothing: they are compiled and loaded then, which a capture forbids."""
    nothing = mine.range, None, tasks.device, 0, 0, tasks.device, 0, 0, 0
    launch("steps", mine.dtype, 1, BLOCK, *nothing, together=way == "together")
    launch("tick", mine.dtype, 1, 32, mine.range, 0)


def _graph(plan: Any, mine: Held, tasks: Tasks) -> Any:
    """Return the graph of ``UNROLLED`` steps, to be called; captured at the first time."""
    if tasks.graph is None:
        _load(mine, tasks, "graph")
        for item in tasks.recording.items:  # a library sets itself up at its first call
            if isinstance(item, Product):
                _multiply(plan, mine, item)

        def work() -> None:
            for ahead in range(UNROLLED):
                _launch_stages(plan, mine, tasks, ahead)
            launch("tick", mine.dtype, 1, 32, mine.range, UNROLLED)

        tasks.graph = runner().capture(mine.stream, work)
    return tasks.graph


def _run_pieces(plan: Any, mine: Held, steps: tuple[int, int], scalars: Any, way: str) -> None:
    """Run minibatches of data on the host: while one piece is worked on, the next is on its way."""
    (first, last), height, run = steps, plan.batch_size, runner()
    order = to_host(plan.order)
    many = max(1, PIECE // (height * plan.n_in * plan.X.itemsize))  # minibatches of a piece
    pieces = mine.pieces_for(many * height, plan.X)
    for turn, start in enumerate(range(first, last, many)):
        stop = min(start + many, last)
        here = slice(start * height, min(stop * height, len(order)))
        piece: Piece = pieces[turn % 2]
        X = piece.bring(plan.X, order[here], mine)
        y = take_rows(plan.y, plan.order[here])
        weights = None if plan.weights is None else plan.weights[here]
        data = _Data(X, y, mine.as_they_come(len(X)), plan.row_losses[here], weights)
        rates = scalars[start - first : stop - first]
        _run(plan, mine, data, (0, stop - start), rates, way)
        piece.used = run.event(mine.stream)


def to_host(array: Any) -> Any:
    """Return an array as NumPy's."""
    return array.get() if hasattr(array, "get") else array


# Predicting ---------------------------------------------------------------------------------------


def run_forward(plan: Any, X: Any, out: Any) -> None:
    """Write the outputs for all rows of X, on the device or on the host, to ``out``.

    Where a piece does not fit in the memory, half of it is tried.
    """
    height, start = min(len(X), HEIGHT), 0
    with _alone(plan) as mine:
        while start < len(X):
            here = slice(start, min(start + height, len(X)))
            try:
                _predict(plan, mine, X[here], out[here])
            except MemoryError:
                if height == 1:
                    raise
                mine.forget_predictions()
                height = -(-height // 2)
            else:
                start += height


def _predict(plan: Any, mine: Held, X: Any, out: Any) -> None:
    rows, run = len(X), runner()
    widths = len(plan.work) // plan.batch_size
    work = mine.workspace(rows * widths)
    library = _wants_library(plan, rows, "launches")
    scale = _scale(plan, X)
    key = rows, scale, library

    def make() -> Any:
        return Recorder(plan, rows, mine.calls, library, scale, work).forward()

    tasks = mine.keep(mine.forwards, key, make)
    host = None
    if not run.on_device(X):
        host, X = np.ascontiguousarray(X), run.xp.empty(X.shape, X.dtype)
        run.upload(X, host)
    X = plain(X)
    place = "bytes" if X.dtype == np.uint8 else "values"
    order = run.address(mine.as_they_come(rows))
    mine.set_range({place: run.address(X), "order": order, "height": rows})
    _launch_stages(plan, mine, tasks, 0)
    last = int(plan.table["target"][-1]) // plan.batch_size * rows
    out[...] = work[last : last + rows * plan.n_out].reshape(rows, plan.n_out)
    mine.reading = X, host
