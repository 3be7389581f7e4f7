"""Rows of a batch: gather them, add a bias to each, sum over them."""

from typing import Any

from accelnn.kernels.on_cupy._launch import BLOCK, each, launch, namespace, plain, ready


def take_rows(x: Any, index: Any, *, out: Any = None) -> Any:
    """``x[index]``; the index is trusted to lie in 0 ... n-1."""
    if out is None:
        out = namespace().empty((len(index), *x.shape[1:]), x.dtype)
    each("take_rows", out, plain(x), plain(index), out, out.size // max(len(index), 1))
    return out


def add_bias(z: Any, b: Any, *, out: Any = None) -> Any:
    """``z + b`` for each row."""
    out = ready(z, out)
    each("add_bias", z, plain(z), plain(b), out, z.shape[1])
    return out


def sum_rows(dz: Any, *, out: Any = None) -> Any:
    """``Σᵢ dz[i, :]``."""
    n, m = dz.shape
    out = namespace().empty(m, dz.dtype) if out is None else out
    launch("sum_rows", dz.dtype, (m + 31) // 32, BLOCK, plain(dz), out, n, m)
    return out
