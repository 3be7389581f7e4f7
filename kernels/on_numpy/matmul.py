"""The matrix product: NumPy's BLAS."""

from typing import Any

import numpy as np


def matmul(a: Any, b: Any, *, ta: bool = False, tb: bool = False, out: Any = None) -> Any:
    """``op(a) @ op(b)``; a transpose is a flag to BLAS, never a copy."""
    return np.matmul(a.T if ta else a, b.T if tb else b, out=out)
