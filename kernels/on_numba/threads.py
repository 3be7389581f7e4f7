"""Several threads through one compiled function: each does its part, and waits for the others.

The threads are plain ones of Python's, started for a call and joined at its end; compiled code
holds no GIL. So there is no threading layer of Numba's to choose, to lock or to lose in a fork, and
between two calls nothing spins. Within a call the parts meet at barriers: a counter that each part
raises by one and then watches until all have come. Waiting spins for some microseconds, which is
what a meeting takes where every thread has a core of its own, and then gives the core away.

How the work is cut depends on sizes alone, at multiples of a block, and no part adds to what
another one began. So the results are bitwise the same for any number of threads.
"""

import sys
import threading
from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from accelnn.kernels.on_numba._jit import jit

#: Places in a barrier: how many parts have come, and whether one of them failed.
_COME, _FAILED = 0, 1
#: Looks at the counter before the core is given away: some 10 µs.
_PATIENCE = 4000
#: Elements per cut, so that a part begins where a vector does, whatever the number of parts.
_GRAIN = 64

_sched_yield: Any = types.ExternalFunction("sched_yield", types.int32())
_HAS_YIELD = sys.platform != "win32"


@intrinsic
def _add_one(_context: Any, array: Any, index: Any) -> Any:
    """``array[index] += 1``, atomically."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        one = ir.Constant(ir.IntType(64), 1)
        builder.atomic_rmw("add", _place(context, builder, signature, args), one, "seq_cst")
        return context.get_dummy_value()

    return types.void(array, index), codegen


@intrinsic
def _look(_context: Any, array: Any, index: Any) -> Any:
    """``array[index]`` as it is now, with all that was written before it was raised."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_place(context, builder, signature, args), "acquire", align=8)

    return types.int64(array, index), codegen


def _place(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(array.data, [args[1]])


@jit
def _give_way() -> None:
    """Let another thread have the core; on Windows, which has no such function in C, spin on."""
    if _HAS_YIELD:
        _sched_yield()


#: In compiled code they are called without the typing context, which type checkers cannot know.
_raise, _watch = cast("Any", _add_one), cast("Any", _look)


@jit
def meet(barrier: Any, parts: Any, meeting: Any) -> Any:
    """Wait until all parts have come to meeting number 1, 2, ...; False if one of them failed."""
    if parts == 1:
        return True
    _raise(barrier, _COME)
    looks = 0
    while _watch(barrier, _COME) < parts * meeting:
        if _watch(barrier, _FAILED) > 0:
            return False
        looks += 1
        if looks > _PATIENCE:
            _give_way()
    return True


@jit
def share(size: Any, part: Any, parts: Any) -> Any:
    """Return (start, stop) of a part of ``size`` elements, cut at multiples of the grain."""
    grains = (size + _GRAIN - 1) // _GRAIN
    start = min(grains * part // parts * _GRAIN, size)
    stop = min(grains * (part + 1) // parts * _GRAIN, size)
    return start, stop


def run_parts(function: Callable[..., Any], parts: int, *arguments: Any) -> None:
    """Call ``function(part, parts, barrier, *arguments)`` for each part, in a thread each.

    Part 0 runs in the caller's thread. If it is interrupted before it begins, the others leave at
    their next meeting.
    """
    barrier = np.zeros(16, np.int64)  # two cache lines: nothing else of use lies beside it
    others = [
        threading.Thread(target=function, args=(part, parts, barrier, *arguments), daemon=True)
        for part in range(1, parts)
    ]
    try:
        for thread in others:
            thread.start()
        function(0, parts, barrier, *arguments)
    except BaseException:
        barrier[_FAILED] = 1
        raise
    finally:
        for thread in others:
            if thread.ident is not None:
                thread.join()


def threads_for(flops: float) -> int:
    """Return how many threads are worth starting for work that is repeated ``flops`` at a time.

    Numba's own setting (``NUMBA_NUM_THREADS``), or one where a share would take less than the
    meetings of the parts.
    """
    config: Any = numba.config
    return int(config.NUMBA_NUM_THREADS) if flops > 4e6 else 1
