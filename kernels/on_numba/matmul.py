"""The matrix product: our own, register-tiled one (``gemm.py``), on several threads if large."""

import threading
from typing import Any

import numpy as np

from accelnn.kernels.on_numba._jit import from_python, jit, plain
from accelnn.kernels.on_numba.gemm import SCRATCH, gemm_address, gemm_part
from accelnn.kernels.on_numba.threads import run_parts, threads_for


@jit
def matmul_loop(
    part: Any,
    parts: Any,
    barrier: Any,
    gemm: Any,
    a: Any,
    ta: Any,
    b: Any,
    tb: Any,
    out: Any,
    scratch: Any,
) -> None:
    """One part of ``out = op(a) @ op(b)``; the parts share nothing, so they need not meet."""
    gemm_part(gemm, a, ta, b, tb, out, part, parts, scratch[part])


def matmul(a: Any, b: Any, *, ta: bool = False, tb: bool = False, out: Any = None) -> Any:
    """``op(a) @ op(b)``."""
    (a, ta), (b, tb) = _stored(a, ta), _stored(b, tb)
    n, m = a.shape[1 if ta else 0], b.shape[0 if tb else 1]
    out = np.empty((n, m), a.dtype) if out is None else out
    parts = threads_for(2.0 * n * m * a.shape[0 if ta else 1])
    arguments = (gemm_address(a.dtype), a, ta, b, tb, out, _scratch(parts, a.dtype))
    run_parts(from_python(matmul_loop), parts, *arguments)
    return out


def _scratch(parts: int, dtype: Any) -> Any:
    """Room for packing, a row for each part; one for each calling thread, as two may be at work.

    Kept, because a new 2 MB array costs more than a small product: the system hands out its pages
    one by one.
    """
    kept: dict[Any, Any] = vars(_kept)
    if (parts, dtype) not in kept:
        kept[parts, dtype] = np.empty((parts, SCRATCH), dtype)
    return kept[parts, dtype]


_kept = threading.local()


def _stored(x: Any, transposed: bool) -> tuple[Any, bool]:
    """Return C-ordered storage and whether it is to be transposed; a Fortran array is no copy."""
    if x.flags.f_contiguous and not x.flags.c_contiguous:
        return plain(x.T), not transposed
    return plain(x), bool(transposed)
