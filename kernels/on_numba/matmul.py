"""The matrix product: BLAS, called from compiled code."""

from typing import Any

import numpy as np

from accelnn.kernels.on_numba._jit import jit, plain


@jit
def matmul_loop(a: Any, b: Any, out: Any) -> None:
    """``out = a @ b``; C or Fortran order each, so a transpose of a C array is a flag to BLAS."""
    if a.shape[1] == 0:
        out[:] = 0
    elif out.size > 0:
        np.dot(a, b, out)


def matmul(a: Any, b: Any, *, ta: bool = False, tb: bool = False, out: Any = None) -> Any:
    """``op(a) @ op(b)``."""
    a, b = plain(a), plain(b)
    a, b = a.T if ta else a, b.T if tb else b
    out = np.empty((a.shape[0], b.shape[1]), a.dtype) if out is None else out
    matmul_loop(a, b, out)
    return out
