"""Adam's update, cut among the threads of accelnn's engine: it waits for memory.

Programs do the same inside a training step, where it cannot be timed alone; the backend's kernel
runs on one thread.
"""

from functools import cache
from typing import Any

import numpy as np

from accelnn.kernels.on_numba._jit import job
from accelnn.kernels.on_numba.pointers import array, at, like
from accelnn.kernels.on_numba.threads import run_job, share, threads
from accelnn.kernels.on_numba.updates import adam_loop

#: As ``kernels/reference/updates.py`` defines them.
BETA1, BETA2, STEP, EPS, DECAY, SHRINK = 0.9, 0.999, 1e-3, 1e-8, 0.0, 1.0
SCALARS = {
    "beta1": BETA1, "beta2": BETA2, "step": STEP, "eps": EPS, "decay": DECAY, "shrink": SHRINK,
}  # fmt: skip
#: Elements at whose multiples the work is cut: whole cache lines.
_UNIT = 64


def adam_part(part: Any, parts: Any, barrier: Any, w: Any, scratch: Any) -> None:
    """Update a part; w holds the addresses of p, g, m, v and their size."""
    start, stop = share(w[4], _UNIT, part, parts)
    n = stop - start
    p, g = array(at(like(scratch, w[0]), start), n), array(at(like(scratch, w[1]), start), n)
    m, v = array(at(like(scratch, w[2]), start), n), array(at(like(scratch, w[3]), start), n)
    adam_loop(p, g, m, v, BETA1, BETA2, STEP, EPS, DECAY, SHRINK)


@cache
def _address(dtype: Any) -> int:
    return job(adam_part, dtype)


def shared_adam(p: Any, g: Any, m: Any, v: Any) -> int:
    """Update p, m and v, contiguous arrays of one dtype, in place; return by how many threads."""
    words = np.array([*(x.ctypes.data for x in (p, g, m, v)), p.size], np.int64)
    return run_job(_address(p.dtype), words, np.empty(1, p.dtype), threads())
