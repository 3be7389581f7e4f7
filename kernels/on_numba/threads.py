"""Several threads through one compiled function: each does its part, and waits for the others.

A job is a compiled function ``job(part, parts, barrier, arguments, scratch)``, called by address.
The caller's thread does part 0; the others are done by workers: plain Python threads that wait in
compiled code, without the GIL, for the next job, so that a product of 50 µs is worth sharing. A
worker that has waited in vain for a millisecond or so goes to sleep on a Python event. So nothing
here belongs to Numba's threading layers: there is none to choose, to lock or to lose in a fork.

::

    SLEEPING --(Python wakes it)--> READY --(a job claims it)--> CLAIMED --> CALLED --> READY
        ^------(nothing to do)--------'

Only READY workers take part. A pool serves one job at a time; who finds it busy, or its workers
asleep, does with fewer parts or alone. That is allowed because no result depends on how many there
are: every element is computed in one piece, in an order that the cuts do not change. Which test
tells: ``tests/kernels/test_threads.py``.

Within a job the parts meet at barriers, which spin for some microseconds, what a meeting takes
where every thread has a core of its own, and then give the core away.
"""

import atexit
import os
import sys
import threading
import time
from typing import Any

import numba
import numpy as np

from accelnn.kernels.on_numba._jit import apart, from_python
from accelnn.kernels.on_numba.pointers import (
    INT64,
    add_one,
    at,
    call_address,
    exchange,
    give_way,
    look,
    put,
    typed,
)

SLEEPING, READY, CLAIMED, CALLED = range(4)

#: Places of the pool's words. What different threads write lies in different pairs of cache lines.
_PAIR = 16
_BUSY, _JOB, _BARRIER, _DONE, _STOP, _WORKERS = (_PAIR * i for i in (0, 1, 2, 4, 5, 6))
#: Of a job: its address, those of its arguments and scratch, and into how many parts it is cut.
_FUNCTION, _ARGUMENTS, _SCRATCH, _PARTS = range(4)
#: Of a barrier: how many parts have come, and how often all have.
_COME, _ROUND = 0, _PAIR
#: Of a worker: its state, and the part it does.
_STATE, _PART = 0, 1

#: Looks at a word before the core is offered to others: some 10 µs.
_PATIENCE = 4000
#: Looks before a worker goes to sleep: a millisecond or so; more where cores are scarce.
_VIGIL = _PATIENCE + 5000
#: The most looks for a worker that is waking up: some milliseconds. It may have fallen asleep just
#: after it was seen awake, and then nobody wakes it.
LONG = 20_000


@apart
def meet(barrier: Any, parts: Any) -> None:
    """Wait until all parts have come."""
    if parts == 1:
        return
    turn = look(at(barrier, _ROUND))
    if add_one(barrier) == parts - 1:
        put(barrier, 0)
        add_one(at(barrier, _ROUND))
        return
    looks = 0
    while look(at(barrier, _ROUND)) == turn:
        looks += 1
        if looks > _PATIENCE:
            give_way()


@apart
def share(size: Any, unit: Any, part: Any, parts: Any) -> Any:
    """Return (start, stop) of a part of ``size`` elements, cut at multiples of ``unit``."""
    units = (size + unit - 1) // unit
    start = min(units * part // parts * unit, size)
    stop = min(units * (part + 1) // parts * unit, size)
    return start, stop


@apart
def launch(pool: Any, job: Any, arguments: Any, scratch: Any, wanted: Any, patience: Any) -> Any:
    """Do a job in up to ``wanted`` parts; all but the last are addresses. Returns the parts."""
    w = typed(pool, INT64)
    claimed = 0
    shared = wanted > 1 and exchange(at(w, _BUSY), 0, 1)
    if shared:
        looks = 0
        for i in range(wanted - 1):
            worker = at(w, _WORKERS + i * _PAIR)
            while look(worker) == SLEEPING and looks < patience:
                looks += 1
                if looks > _PATIENCE:
                    give_way()
            if exchange(worker, READY, CLAIMED):
                claimed += 1
                worker[_PART] = claimed
    parts = claimed + 1
    if claimed > 0:
        w[_JOB + _FUNCTION], w[_JOB + _ARGUMENTS] = job, arguments
        w[_JOB + _SCRATCH], w[_JOB + _PARTS] = scratch, parts
        put(at(w, _DONE), 0)
        for i in range(wanted - 1):
            exchange(at(w, _WORKERS + i * _PAIR), CLAIMED, CALLED)
    call_address(job, (0, parts, pool + 8 * _BARRIER, arguments, scratch))
    if claimed > 0:
        looks = 0
        while look(at(w, _DONE)) < claimed:
            looks += 1
            if looks > _PATIENCE:
                give_way()
    if shared:
        put(at(w, _BUSY), 0)
    return parts


@apart
def serve(pool: Any, number: Any) -> None:
    """Be worker ``number``: do parts of jobs, until there have been none for a while."""
    w = typed(pool, INT64)
    worker = at(w, _WORKERS + number * _PAIR)
    put(worker, READY)
    looks = 0
    while True:
        if look(worker) == CALLED:
            parts, part = w[_JOB + _PARTS], worker[_PART]
            arguments, scratch = w[_JOB + _ARGUMENTS], w[_JOB + _SCRATCH]
            barrier = pool + 8 * _BARRIER
            call_address(w[_JOB + _FUNCTION], (part, parts, barrier, arguments, scratch))
            put(worker, READY)
            add_one(at(w, _DONE))
            looks = 0
        looks += 1
        if looks > _PATIENCE:
            give_way()
        tired = looks > _VIGIL or look(at(w, _STOP)) != 0
        if tired and exchange(worker, READY, SLEEPING):
            return


class Pool:
    """The workers of this process. Threads start on first use, and never in a forked child's stead.

    Attributes
    ----------
    address : int
        Where the words lie that the threads share.
    size : int
        The most parts that a job can have.
    """

    def __init__(self) -> None:
        config: Any = numba.config
        self.size = max(1, int(config.NUMBA_NUM_THREADS))
        memory = np.zeros(_WORKERS + (self.size + 1) * _PAIR, np.int64)
        start = -memory.ctypes.data // 8 % _PAIR
        self._words = memory[start:]
        self.address = int(self._words.ctypes.data)
        self._calls: list[Any] = []
        self._threads: list[threading.Thread] = []
        integer = numba.types.int64
        # before a job waits for it, and before workers tire of waiting
        from_python(serve).compile((integer,) * 2)
        from_python(launch).compile((integer,) * 6)

    def wake(self, parts: int) -> None:
        """See that the workers for a job in ``parts`` parts are awake, or will be soon."""
        while len(self._threads) < min(parts, self.size) - 1:
            number = len(self._threads)
            self._calls.append(threading.Event())
            thread = threading.Thread(target=self._work, args=(number,), daemon=True)
            self._threads.append(thread)
            thread.start()
        for i in range(min(parts, self.size) - 1):
            if self._words[_WORKERS + i * _PAIR] == SLEEPING:
                self._calls[i].set()

    def gather(self, parts: int) -> None:
        """Wake the workers and give them some milliseconds to come."""
        for _ in range(300):
            self.wake(parts)
            states = self._words[_WORKERS::_PAIR][: parts - 1]
            if (states != SLEEPING).all():
                return
            time.sleep(1e-4)

    def _work(self, number: int) -> None:
        loop = from_python(serve)
        while True:
            self._calls[number].wait()
            self._calls[number].clear()
            if self._words[_STOP]:
                return
            loop(self.address, number)

    def close(self) -> None:
        """End the threads: none may run compiled code while the interpreter takes it down."""
        self._words[_STOP] = 1
        for call in self._calls:
            call.set()
        for thread in self._threads:
            thread.join(1.0)


_pool: Pool | None = None
_making = threading.Lock()


def pool() -> Pool:
    """Return the pool of this process."""
    global _pool
    if _pool is None:
        with _making:
            if _pool is None:
                _pool = Pool()
                atexit.register(_pool.close)
    return _pool


def _forget() -> None:
    """In a forked child: the parent's threads are not here, so begin anew."""
    global _pool, _making
    if _pool is not None:
        atexit.unregister(_pool.close)
    _pool, _making = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def run_job(job: int, arguments: Any, scratch: Any, parts: int) -> int:
    """Do a long job in up to ``parts`` parts and return their number.

    ``arguments`` and ``scratch`` are arrays, alive until the call returns.
    """
    held = pool()
    parts = min(parts, held.size)
    if parts > 1:
        held.gather(parts)
    given = (int(arguments.ctypes.data), int(scratch.ctypes.data))
    return int(from_python(launch)(held.address, job, *given, parts, LONG))


def threads() -> int:
    """Return Numba's own setting: ``NUMBA_NUM_THREADS``, or ``numba.set_num_threads`` where used.

    Asking Numba would start its threads, so it is asked only where they run already.
    """
    layer: Any = sys.modules.get("numba.np.ufunc.parallel")
    if layer is not None and layer._is_initialized:
        return int(layer.get_num_threads())
    config: Any = numba.config
    return int(config.NUMBA_NUM_THREADS)


def threads_for(flops: float) -> int:
    """Return how many threads are worth calling for work that is repeated ``flops`` at a time."""
    return threads() if flops > 1e6 else 1
