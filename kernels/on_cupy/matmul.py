"""The matrix product: cuBLAS, through CuPy."""

from typing import Any

from accelnn.kernels.on_cupy._launch import namespace


def matmul(a: Any, b: Any, *, ta: bool = False, tb: bool = False, out: Any = None) -> Any:
    """``op(a) @ op(b)``; a transpose is a flag to cuBLAS, never a copy.

    float32 is computed in float32: CuPy uses TF32 only where the user has set ``CUPY_TF32=1``.
    """
    return namespace().matmul(a.T if ta else a, b.T if tb else b, out=out)
