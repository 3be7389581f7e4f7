"""The replay of ``program.py`` with a clock, for profiles: how long each operation took.

The clock is read once between any two operations, so that the times of a part add up to the time
that it was at work. It is Python's own, ``time.perf_counter``, called from compiled code.
"""

import sys
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from accelnn.kernels.on_numba import program
from accelnn.kernels.on_numba._jit import jit, job
from accelnn.kernels.on_numba.gemm import SCRATCH
from accelnn.kernels.on_numba.notes import Note
from accelnn.kernels.on_numba.pointers import (
    INT64,
    at,
    call_address,
    flush_subnormals,
    restore,
    typed,
    types,
)
from accelnn.kernels.on_numba.program import BARRIER, FRAME_WORDS, HEAD, PART, PARTS, Job
from accelnn.kernels.on_numba.tape import WORDS
from accelnn.kernels.on_numba.threads import run_job

_PUBLIC = sys.version_info >= (3, 13)  # from where on there is a clock that does not need the GIL
_perf_counter: Any = (
    types.ExternalFunction("PyTime_PerfCounterRaw", types.intc(types.CPointer(types.int64)))
    if _PUBLIC
    else types.ExternalFunction("_PyTime_GetPerfCounter", types.int64())
)


@jit
def now(place: Any) -> Any:
    """Return the nanoseconds of ``time.perf_counter_ns``; ``place`` is a word of the caller's."""
    if _PUBLIC:
        _perf_counter(place)
        return place[0]
    return _perf_counter()


def timed_replay(part: Any, parts: Any, barrier: Any, w: Any, scratch: Any) -> None:
    """As ``program.replay``, and add the nanoseconds of each operation to the part's times.

    The times are those of the first recording's operations, then the second's, then a word for
    the clock.
    """
    who = part
    if parts != w[0]:
        if part > 0:
            return
        who = w[0]
    mine = at(w, HEAD + who * PART)
    frame, room, times = typed(mine[6], INT64), at(scratch, part * SCRATCH), typed(mine[7], INT64)
    place = at(times, mine[1] + mine[4])
    frame[BARRIER], frame[PARTS] = barrier, parts
    before = flush_subnormals()
    last = now(place)
    for half in range(2 * w[1]):
        these, spent = at(mine, 3 * (half % 2)), at(times, half % 2 * mine[1])
        first, count, repeats = typed(these[0], INT64), these[1], these[2]
        for _ in range(repeats):
            for i in range(count):
                words = at(first, i * WORDS)
                call_address(words[0], (words, frame, room))
                done = now(place)
                spent[i] += done - last
                last = done
            for i in range(FRAME_WORDS):
                frame[i] += frame[FRAME_WORDS + i]
    restore(before)


@cache
def timed_address(dtype: Any) -> int:
    """Compile or load the timed replay for a dtype and return its address."""
    return job(timed_replay, dtype)


class Spent(NamedTuple):
    """What one recorded operation took in a job.

    Attributes
    ----------
    note : Note
    calls : int
    seconds : float
        Of all calls; the mean over the parts is the sum over them of this.
    """

    note: Note
    calls: int
    seconds: float


Report = Callable[[list[Spent]], None]


class TimedJob(Job):
    """A job that reports, when it is done, what each operation took.

    Seconds are divided by the number of parts, so that they add up to the time of the whole job.
    """

    def __init__(self, notes: dict[int, list[Note]], report: Report, parts: int) -> None:
        super().__init__(parts)
        self._notes, self._report = notes, report
        self._times: list[Any] = []
        self._said: list[list[tuple[Note, int]]] = []  # and of which half

    def set(
        self, part: int, tapes: list[tuple[Any, int]], frame: dict[str, tuple[int, int]]
    ) -> None:
        """As for a job, and make room for the times."""
        super().set(part, tapes, frame)
        said = [
            (n, half) for half, (tape, _) in enumerate(tapes) for n in self._notes[_place(tape)]
        ]
        times = np.zeros(len(said) + 1, np.int64)
        self.words[HEAD + part * PART + 7] = times.ctypes.data
        self._times.append(times)
        self._said.append(said)

    def run(self, dtype: Any, scratch: Any) -> None:
        """Replay, and report."""
        for times in self._times:
            times.fill(0)
        used = run_job(timed_address(dtype), self.words, scratch, self.parts)
        parts = range(self.parts) if used == self.parts else [self.parts]  # or one alone
        self._report(
            [
                Spent(note, self.times(part, half), nanoseconds / 1e9 / len(parts))
                for part in parts
                for (note, half), nanoseconds in zip(
                    self._said[part], self._times[part][:-1].tolist(), strict=True
                )
            ]
        )


def _place(tape: Any) -> int:
    return int(tape.ctypes.data)


def run_steps(plan: Any, first: int, last: int, scalars: Any, report: Report) -> Any:
    """As ``program.run_steps``; ``plan`` has room for notes in its views."""
    if first == last:
        timed_address(plan.params.dtype)
    return program.run_steps(plan, first, last, scalars, _maker(plan, report))


def run_forward(plan: Any, X: Any, out: Any, report: Report) -> None:
    """As ``program.run_forward``; ``plan`` has room for notes in its views."""
    program.run_forward(plan, X, out, _maker(plan, report))


def _maker(plan: Any, report: Report) -> Callable[[int], Job]:
    return partial(TimedJob, plan.views["notes"], report)
