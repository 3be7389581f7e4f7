"""Compiling ahead of time: every kernel and all that programs call, in both types.

Containers and classrooms do it once, so that no fit waits for the compiler.
"""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from accelnn import kernels
from accelnn.kernels.on_numba import _jit, operations, program, threads

TYPES = (np.dtype(np.float32), np.dtype(np.float64))
_INT64 = np.dtype(np.int64)


def warm_up(types: tuple[Any, ...] = TYPES) -> Iterator[tuple[str, bool]]:
    """Compile, or find in the cache, one thing after another; yield its name, and whether anew.

    Raises
    ------
    OSError
        Where there is no folder to keep compiled code in.
    """
    if _jit.CACHE_FOLDER is None:
        raise OSError(
            "there is no folder for compiled kernels, so none are compiled ahead of time: set "
            "ACCELNN_CACHE to a folder that can be written, and leave ACCELNN_NUMBA_CACHE unset"
        )
    for name, compile_ in _tasks(types):
        before = _kept()
        with _jit.compiling():
            compile_()
        yield name, _kept() != before


def _tasks(types: tuple[Any, ...]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield a name, and what compiles it."""
    yield "threads", threads.pool
    for dtype in types:
        called = (*operations.COMMON, *operations.RARE)
        programs = [(f.__name__, partial(_jit.operation, f, dtype)) for f in called]
        programs += [("replay", partial(program.replay_address, dtype))]
        for name, compile_ in programs:
            yield f"program {name} {dtype}", compile_
        for name, kernel in kernels.load("on_numba").items():
            yield f"{name} {dtype}", partial(_call, name, kernel, dtype)
    take_rows = kernels.load("on_numba")["take_rows"]
    yield "take_rows int64", partial(_call, "take_rows", take_rows, _INT64)  # of classes


def _call(name: str, kernel: Callable[..., Any], dtype: Any) -> None:
    """Call a kernel on one element; arrays come by position, numbers by name."""
    arrays, numbers = [], {}
    for parameter in inspect.signature(kernel).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            if parameter.default is parameter.empty:
                numbers[parameter.name] = parameter.annotation(0.5) or 1
        elif parameter.name == "index" or (parameter.name, name[:13]) == ("t", "cross_entropy"):
            arrays.append(np.zeros(1, _INT64))
        elif parameter.name == "dl" or (parameter.name, name) == ("b", "add_bias"):
            arrays.append(np.zeros(1, dtype))
        else:
            arrays.append(np.zeros((1, 1), dtype))
    kernel(*arrays, **numbers)


def _kept() -> int:
    """Return how many pieces of compiled code there are in the cache."""
    assert _jit.CACHE_FOLDER is not None
    return sum(1 for _ in Path(_jit.CACHE_FOLDER).rglob("*.nbc"))
