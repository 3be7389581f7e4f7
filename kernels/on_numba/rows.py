"""Rows of a batch: gather them, add a bias to each, sum over them."""

from math import prod
from typing import Any

import numpy as np

from accelnn.kernels.on_numba._jit import jit, plain, ready, run


@jit
def take_rows_loop(x: Any, index: Any, out: Any) -> None:
    """``out = x[index]``; x (n, m). A loop, as Numba compiles a slice assignment for seconds."""
    for i in range(index.size):
        for j in range(x.shape[1]):
            out[i, j] = x[index[i], j]


@jit
def add_loop(x: Any, y: Any, out: Any) -> None:
    """Flat arrays: ``out = x + y``."""
    for j in range(out.size):
        out[j] = x[j] + y[j]


@jit
def add_bias_loop(z: Any, b: Any, out: Any) -> None:
    """``out = z + b`` for each row."""
    for i in range(z.shape[0]):
        add_loop(z[i], b, out[i])


@jit
def sum_rows_loop(dz: Any, out: Any) -> None:
    """``out = Σᵢ dz[i, :]``, in the order of memory."""
    for j in range(out.size):
        out[j] = 0
    for i in range(dz.shape[0]):
        add_loop(out, dz[i], out)


def take_rows(x: Any, index: Any, *, out: Any = None) -> Any:
    """``x[index]``."""
    if out is None:
        out = np.empty((len(index), *x.shape[1:]), x.dtype)
    width = prod(x.shape[1:])
    run(
        take_rows_loop,
        plain(x).reshape(x.shape[0], width),
        plain(index),
        out.reshape(len(index), width),
    )
    return out


def add_bias(z: Any, b: Any, *, out: Any = None) -> Any:
    """``z + b`` for each row."""
    out = ready(z, out)
    run(add_bias_loop, plain(z), plain(b), out)
    return out


def sum_rows(dz: Any, *, out: Any = None) -> Any:
    """``Σᵢ dz[i, :]``."""
    out = np.empty(dz.shape[1], dz.dtype) if out is None else out
    run(sum_rows_loop, plain(dz), out)
    return out
