"""A range of minibatches, or a prediction, in one compiled call: recordings are replayed.

A job is given, for each of its parts and for a part that does all alone, two recordings
(``recording.py``) and how often to replay them: the full minibatches, and the last, smaller one;
and how many such rounds, or epochs, there are.
"""

import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from accelnn.kernels.on_numba._jit import compiling, job, plain
from accelnn.kernels.on_numba.gemm import MR, SCRATCH
from accelnn.kernels.on_numba.operations import COMMON, FRAME, address
from accelnn.kernels.on_numba.pointers import (
    INT64,
    LINE,
    at,
    call_address,
    flush_subnormals,
    restore,
    typed,
)
from accelnn.kernels.on_numba.recording import (
    GRADIENT_ROOM,
    record_forward,
    record_step,
)
from accelnn.kernels.on_numba.tape import WORDS
from accelnn.kernels.on_numba.threads import pool, run_job, threads_for
from accelnn.kernels.table import DROPOUT

#: Words of a part in a job's arguments: two recordings, each an address, a number of operations and
#: how often it is replayed, the address of the frame, and that of a profile's times (``timed.py``).
#: Before them, for how many parts the recordings are, and how many rounds.
PART, HEAD = 8, 2
FRAME_WORDS = len(FRAME)
BARRIER, PARTS, _X, _OUT = (FRAME.index(name) for name in ("barrier", "parts", "x", "out"))
_ORDER, _ROW_LOSSES, _SCALARS, _SQUARES, _WEIGHTS = (
    FRAME.index(name) for name in ("order", "row_losses", "scalars", "squares", "weights")
)
#: Rows that a part predicts at a time.
HEIGHT = 128
#: Predictions of so many different heights are remembered.
_REMEMBERED = 64


def replay(part: Any, parts: Any, barrier: Any, w: Any, scratch: Any) -> None:
    """Replay the recordings of one part; w holds the parts they are for, the rounds, and each's."""
    who = part
    if parts != w[0]:  # fewer came than were wanted: one does it alone
        if part > 0:
            return
        who = w[0]
    mine = at(w, HEAD + who * PART)
    frame, room = typed(mine[6], INT64), at(scratch, part * SCRATCH)
    frame[BARRIER], frame[PARTS] = barrier, parts
    before = flush_subnormals()
    for half in range(2 * w[1]):
        these = at(mine, 3 * (half % 2))
        first, count, times = typed(these[0], INT64), these[1], these[2]
        for _ in range(times):
            for i in range(count):
                words = at(first, i * WORDS)
                call_address(words[0], (words, frame, room))
            for i in range(FRAME_WORDS):
                frame[i] += frame[FRAME_WORDS + i]
    restore(before)


@cache
def replay_address(dtype: Any) -> int:
    """Compile or load the replay for a dtype and return its address."""
    return job(replay, dtype)


class Job:
    """The arguments of a replay, filled part by part; a profile has a kind of its own."""

    def __init__(self, parts: int) -> None:
        self.parts = parts
        self.words = np.zeros(HEAD + (parts + 1) * PART, np.int64)
        self.words[:HEAD] = parts, 1
        self.frames: list[Any] = []
        self._held: list[Any] = []

    def set(
        self, part: int, tapes: list[tuple[Any, int]], frame: dict[str, tuple[int, int]]
    ) -> None:
        """Give a part its recordings, how often, and the frame: values and what a step adds."""
        memory = np.zeros((2, FRAME_WORDS), np.int64)
        for name, values in frame.items():
            memory[:, FRAME.index(name)] = values
        mine = self.words[HEAD + part * PART :]
        for half, (tape, times) in enumerate(tapes):
            mine[3 * half : 3 * half + 3] = tape.ctypes.data, tape.size // WORDS, times
        mine[6] = memory.ctypes.data
        self.frames.append(memory[0])
        self._held += [memory, *tapes]

    def times(self, part: int, half: int) -> int:
        """Return how often one of a part's two recordings is replayed, in all rounds."""
        return int(self.words[1] * self.words[HEAD + part * PART + 3 * half + 2])

    def run(self, dtype: Any, scratch: Any) -> None:
        """Replay."""
        run_job(replay_address(dtype), self.words, scratch, self.parts)


def run_steps(
    plan: Any, first: int, last: int, scalars: Any, make: Callable[[int], Job] = Job
) -> Any:
    """Train on minibatches first ... last - 1 of a ``Plan``; ``make(parts)`` returns the job.

    Returns the penalties of the steps, (last - first,).
    """
    parts = threads_for(6.0 * plan.params.size * plan.batch_size)
    if first == last:
        _compile(plan, parts)
        return np.zeros(0)
    penalties = np.empty(last - first)
    for i, j, rounds in _ranges(plan, first, last):
        short = plan.rows(j - 1) % plan.batch_size
        key = ("trainer", parts, short, plan.update)
        trainer = plan.views.get(key)
        if make is not Job or trainer is None or not trainer.fits(plan):
            trainer = plan.views[key] = _Trainer(plan, parts, short, make)
        here = slice(i - first, j - first)
        squares = trainer.run(plan, i, j, rounds, scalars[here])
        for r in plan.table:
            if r["kind"] == DROPOUT:
                r["call"] += np.uint64(j - i)
        rows = np.full((rounds, (j - i) // rounds), plan.batch_size)
        rows[:, -1] = short or plan.batch_size
        decays = plan.update.decay_weights * rows.ravel() * scalars[here, 3]
        penalties[here] = 0.5 * decays * squares
    return penalties


def _ranges(plan: Any, first: int, last: int) -> Iterator[tuple[int, int, int]]:
    """Cut minibatches first ... last - 1 into ranges that are replayed in one call.

    Yields first, last and rounds: whole epochs, or a part of one. Only a round's last minibatch may
    be smaller.
    """
    steps = plan.steps
    while first < last:
        inside = first % steps
        rounds = 0 if inside else (last - first) // steps
        stop = first + rounds * steps if rounds else min(first - inside + steps, last)
        yield first, stop, max(rounds, 1)
        first = stop


class _Trainer:
    """What ranges of steps on the same data need, kept: recordings, and where things lie.

    A step on a small network takes some microseconds, and so does each look at an address.
    """

    def __init__(self, plan: Any, parts: int, short: int, make: Callable[[int], Job]) -> None:
        dtype, height = plan.params.dtype, plan.batch_size
        self.short, self.data = short, (plan.X, plan.y, plan.weights is None)
        self.X, self.classes = _strided(plan.X, dtype), plan.y.ndim == 1
        self.y = plain(np.asarray(plan.y, np.int64 if self.classes else dtype))
        self.size = size = dtype.itemsize
        frame = {
            "step": (0, 1),
            "order": (0, 8 * height),
            "row_losses": (0, size * height),
            "scalars": (0, 32),
            "squares": (0, 8 * parts if plan.update.decay_weights else 0),
            "x": (self.X.ctypes.data, 0),
            "x_row": (self.X.strides[0] // size, 0),
            "x_column": (self.X.strides[1] // size, 0),
            "labels" if self.classes else "targets": (self.y.ctypes.data, 0),
        }
        if plan.weights is not None:
            frame["weights"] = 0, size * height
        self.replays, self.buffers = make(parts), _buffers(plan)
        for part in range(parts + 1):  # the last one is alone
            who = (part, parts) if part < parts else (0, 1)
            tapes = [(_step(plan, height, who), 0)]
            tapes += [(_step(plan, short, who), 1)] if short else []
            self.replays.set(part, tapes, frame)
        self.times = self.replays.words[HEAD + 2 :: PART]  # of the full minibatches
        self.start = self.replays.frames[0].copy()
        self.scratch = _room(plan, "scratch", parts * SCRATCH + LINE, dtype)
        self.place = int(plan.params.ctypes.data)

    def fits(self, plan: Any) -> bool:
        """Say whether the plan has the data and buffers that all this is for."""
        if self.place != plan.params.ctypes.data:
            return False  # a copy of a plan, this among it, whose addresses are those of the first
        X, y, unweighted = self.data
        same = plan.X is X and plan.y is y and (plan.weights is None) is unweighted
        return same and all(a is b for a, b in zip(self.buffers, _buffers(plan), strict=True))

    def run(self, plan: Any, first: int, last: int, rounds: int, scalars: Any) -> Any:
        """Train on minibatches first ... last - 1; return the squared norms of the weights before.

        Each part adds up the squares of those it updates.
        """
        order, scalars = plain(plan.order), np.ascontiguousarray(scalars, np.float64)
        place, begin = first * plan.batch_size, self.start.copy()
        begin[_ORDER] = order.ctypes.data + 8 * place
        begin[_ROW_LOSSES] = plan.row_losses.ctypes.data + self.size * place
        begin[_SCALARS] = scalars.ctypes.data
        if plan.weights is not None:
            begin[_WEIGHTS] = plan.weights.ctypes.data + self.size * place
        squares = np.zeros((last - first, self.replays.parts))
        for part, frame in enumerate(self.replays.frames):
            frame[:] = begin
            if plan.update.decay_weights:
                frame[_SQUARES] = squares.ctypes.data + 8 * (part % self.replays.parts)
        self.replays.words[1] = rounds
        self.times[:] = (last - first) // rounds - (self.short > 0)
        self.replays.run(plan.params.dtype, self.scratch)
        return squares.sum(axis=1)


def _compile(plan: Any, parts: int) -> None:
    """Compile or load all that a program calls; what ``run_steps`` is asked for no steps for."""
    dtype = plan.params.dtype
    with compiling():
        for common in COMMON:
            address(common.__name__, dtype)
        _step(plan, plan.batch_size, (0, parts))  # and what else it needs
        replay_address(dtype)
        pool()


def _step(plan: Any, rows: int, who: tuple[int, int]) -> Any:
    """Return the recording of a step on ``rows`` rows, for part ``who[0]`` of ``who[1]``."""
    key = ("step", rows, who, plan.update, *(int(b.ctypes.data) for b in _buffers(plan)))
    if key not in plan.views:
        dtype, height, parts = plan.params.dtype, plan.batch_size, who[1]
        room = {
            "labels": _room(plan, "labels", height, np.int64),
            "targets": _room(plan, "targets", height * plan.n_out, dtype),
            "weights": _room(plan, "weights", height, dtype),
            "gradient": _room(plan, "gradient", parts * GRADIENT_ROOM, dtype),
        }
        where = {name: int(memory.ctypes.data) for name, memory in room.items()}
        plan.views[key] = record_step(plan, rows, *who, where), room
    return plan.views[key][0]


def _buffers(plan: Any) -> tuple[Any, ...]:
    """Return the buffers whose addresses are in a recording."""
    return plan.params, plan.grads, plan.states, plan.work, plan.deltas


def _room(plan: Any, name: str, size: int, dtype: Any) -> Any:
    """Return memory of at least this size, kept with the plan."""
    if name not in plan.views or plan.views[name].size < size:
        plan.views[name] = np.zeros(size, dtype)
    return plan.views[name]


def run_forward(plan: Any, X: Any, out: Any, make: Callable[[int], Job] = Job) -> None:
    """Write the outputs for all rows of X to out."""
    n, dtype = len(X), plan.params.dtype
    if n == 0:
        return
    parts = threads_for(2.0 * plan.params.size * n)
    X = _strided(X, dtype)
    key = ("predictor", threading.get_ident(), parts)
    predictor = plan.views.get(key)
    if predictor is None or predictor.params is not plan.params:
        predictor = plan.views[key] = _Predictor(plan, parts, make)
    predictor.run(plan, X, out)


class _Predictor:
    """What predictions of one thread need, kept: the outputs of the layers, and recordings."""

    def __init__(self, plan: Any, parts: int, make: Callable[[int], Job]) -> None:
        dtype = plan.params.dtype
        self.parts, self.params, self.make = parts, plan.params, make
        self.widths = plan.work.size // plan.batch_size
        self.work = np.zeros(parts * HEIGHT * self.widths, dtype)
        self.scratch = np.zeros(parts * SCRATCH + LINE, dtype)
        self.jobs: dict[Any, tuple[Job, list[int]]] = {}

    def run(self, plan: Any, X: Any, out: Any) -> None:
        """Predict; only where X and out lie is new if as many rows have been predicted before."""
        key = len(X), X.strides
        if key not in self.jobs:
            if len(self.jobs) >= _REMEMBERED:
                self.jobs.clear()
            self.jobs[key] = self._job(plan, *key)
        replays, rows = self.jobs[key]
        row, out_row = X.strides[0], plan.n_out * X.itemsize
        x_at, out_at = int(X.ctypes.data), int(out.ctypes.data)
        for frame, first in zip(replays.frames, rows, strict=True):
            frame[_X], frame[_OUT] = x_at + first * row, out_at + first * out_row
        replays.run(X.dtype, self.scratch)

    def _job(self, plan: Any, n: int, strides: tuple[int, int]) -> tuple[Job, list[int]]:
        """Return the job for n rows, and the first row of each part."""
        parts, size = self.parts, self.work.itemsize
        together = n < MR * parts  # too few rows for each part to have its own
        alone = together or parts == 1
        blocks = -(-n // HEIGHT) if alone else parts * -(-n // (parts * HEIGHT))
        height = -(-n // blocks)
        blocks = -(-n // height)
        replays, rows = self.make(parts), []
        for part in range(parts + 1):  # the last one is alone
            single = part == parts
            first, stop = (0, blocks) if single or together else _cut(blocks, part, parts)
            who = (part, parts) if together and not single else (0, 1)
            place = 0 if single or together else part
            work = int(self.work.ctypes.data) + place * HEIGHT * self.widths * size
            short = n - (blocks - 1) * height if stop == blocks and n % height else 0
            tapes = [(record_forward(plan, height, *who, HEIGHT, work), stop - first - (short > 0))]
            tapes += [(record_forward(plan, short, *who, HEIGHT, work), 1)] if short else []
            frame = {
                "x": (0, height * strides[0]),
                "x_row": (strides[0] // size, 0),
                "x_column": (strides[1] // size, 0),
                "out": (0, height * plan.n_out * size),
            }
            replays.set(part, tapes, frame)
            rows.append(first * height)
        return replays, rows


def _cut(size: int, part: int, parts: int) -> tuple[int, int]:
    return size * part // parts, size * (part + 1) // parts


def _strided(X: Any, dtype: Any) -> Any:
    """Return X itself, or a copy where its dtype or strides are no whole elements of ours."""
    X = np.asarray(X, dtype)
    return X if not any(s % X.itemsize for s in X.strides) else np.ascontiguousarray(X)
