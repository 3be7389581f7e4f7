"""The products of a training step by the Numba backend's own GEMM, as its program calls them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from accelnn.kernels.on_numba._jit import from_python, jit
from accelnn.kernels.on_numba.gemm import SCRATCH, gemm_address, gemm_part
from accelnn.kernels.on_numba.threads import meet, run_parts, threads_for


@jit
def repeat(
    part: Any, parts: Any, barrier: Any, gemm: Any, calls: Any, scratch: Any, n: Any
) -> None:
    """All products n times, the parts meeting after each of them."""
    meeting = part - part
    for _ in range(n):
        for a, ta, b, tb, out in calls:
            gemm_part(gemm, a, ta, b, tb, out, part, parts, scratch[part])
            meeting += 1
            if not meet(barrier, parts, meeting):
                return


def by_own_gemm(calls: list[Any]) -> Callable[[int], None]:
    """Return what computes the products (a, ta, b, tb, out) n times."""
    parts = threads_for(1e9)
    scratch = np.empty((parts, SCRATCH), np.float32)
    given = (gemm_address(np.dtype(np.float32)), tuple(calls), scratch)

    def run(n: int) -> None:
        run_parts(from_python(repeat), parts, *given, n)

    run(0)
    return run
