"""The one place that launches CUDA kernels, and that knows whose arrays they run on.

CuPy would pass a Python int as 64 bits and a float as a double whatever the kernel declares, and
the kernel would read rubbish. So ``launch`` reads the declarations in the ``.cu`` text and converts
each argument to what is written there.

What runs a kernel is a ``Runner``: CuPy, or in the tests a compiler for the CPU (``use``).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from accelnn.kernels.on_cupy._runner import CupyRunner as CupyRunner
from accelnn.kernels.on_cupy._runner import Runner as Runner
from accelnn.kernels.on_cupy._source import BLOCK as BLOCK
from accelnn.kernels.on_cupy._source import SCALARS as SCALARS
from accelnn.kernels.on_cupy._source import TASKS as TASKS
from accelnn.kernels.on_cupy._source import TYPES as TYPES
from accelnn.kernels.on_cupy._source import Parameter as Parameter
from accelnn.kernels.on_cupy._source import signatures as signatures
from accelnn.kernels.on_cupy._source import source as source

_runner: Runner | None = None  # CuPy, from the first kernel on


@cache
def _files() -> dict[str, str]:
    """Kernel -> the file it is in."""
    return {
        name.removesuffix("_float"): file
        for file in TYPES
        for name in signatures(source(file, "float"))
    }


def place(kernel: str, dtype: Any) -> tuple[str, str, str]:
    """Return the file, the element type and the full name of a kernel for elements of a dtype."""
    file = _files()[kernel]
    for real in TYPES[file]:
        if SCALARS[real] == dtype:
            return file, real, f"{kernel}_{real}"
    raise TypeError(f"no CUDA kernel {kernel} for arrays of {dtype}")


@cache
def _kernel(kernel: str, dtype: Any, together: bool) -> tuple[Any, tuple[Parameter, ...]]:
    """Return what runs a kernel on elements of one dtype, and its parameters."""
    file, real, name = place(kernel, dtype)
    parameters = signatures(source(file, real))[name]
    return runner().function(file, real, name, together), parameters


def launch(
    kernel: str, dtype: Any, blocks: int, threads: int, *arguments: Any, together: bool = False
) -> None:
    """Run a kernel for elements of ``dtype``; a grid without blocks is no launch at all.

    ``together`` is for kernels whose blocks wait for each other: all of them must run at once.
    """
    run, parameters = _kernel(kernel, dtype, together)
    converted = [p(a) for p, a in zip(parameters, arguments, strict=True)]
    if blocks:
        run(blocks, threads, converted)


def each(kernel: str, like: Any, *arguments: Any) -> None:
    """Run an element-wise kernel: a thread for each of n elements, n being its last parameter.

    ``like`` is an array that has the number of elements, and the dtype to compute in.
    """
    n = like.size
    launch(kernel, like.dtype, -(-n // BLOCK), BLOCK, *arguments, n)


def per_row(kernel: str, like: Any, *arguments: Any) -> None:
    """Run a row-wise kernel: a block for each of n rows of m numbers, m being its last parameter.

    ``like`` is an array (n, m) of the dtype to compute in. Threads: the power of two, from 32 (a
    warp) to BLOCK, that leaves each of them a few numbers.
    """
    n, m = like.shape
    threads = min(max(32, 1 << (m // 4).bit_length()), BLOCK)
    launch(kernel, like.dtype, n, threads, *arguments, m)


def runner() -> Runner:
    """Return what runs the kernels now; raises ``ModuleNotFoundError`` where CuPy is missing."""
    global _runner
    if _runner is None:
        _runner = CupyRunner()
    return _runner


@contextmanager
def use(other: Runner) -> Iterator[None]:
    """Launch through another runner for a while: the tests' compiler for the CPU."""
    global _runner
    before, _runner = _runner, other
    _kernel.cache_clear()
    try:
        yield
    finally:
        _runner = before
        _kernel.cache_clear()


def namespace() -> Any:
    """Return the namespace of the arrays that kernels run on."""
    return runner().xp


def plain(x: Any) -> Any:
    """Return ``x``, or a copy of it in C order."""
    return namespace().ascontiguousarray(x)


def ready(x: Any, out: Any) -> Any:
    """Return ``out``, or a new array like ``x`` in C order."""
    return namespace().empty(x.shape, x.dtype) if out is None else out
