"""The one place that compiles and launches CUDA kernels, and that knows whose arrays they run on.

A ``.cu`` file is written once for all element types. ``source`` puts a type in the place of the
word REAL, and the shared files in front: in Python rather than by #include, because CuPy's cache of
compiled kernels does not look at included files. A module, that is one file for one type, is
compiled when the first of its kernels runs.

CuPy would pass a Python int as 64 bits and a float as a double whatever the kernel declares, and
the kernel would read rubbish. So ``launch`` reads the declarations in the ``.cu`` text and converts
each argument to what is written there.

What runs a kernel is a ``Runner``: CuPy, or in the tests a compiler for the CPU (``use``).
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

#: Threads in a block of an element-wise kernel, and the most in any. A power of two.
BLOCK = 256

#: C type of a declaration -> NumPy's. REAL becomes one of those that TYPES names.
SCALARS = {
    "float": np.float32,
    "double": np.float64,
    "uint8": np.uint8,
    "int32": np.int32,
    "int64": np.int64,
    "uint32": np.uint32,
    "uint64": np.uint64,
}

_FLOATS = ("float", "double")

#: File -> the element types it is compiled for; rows are also gathered from data and labels.
TYPES = {
    "rows": (*_FLOATS, "uint8", "int64"),
    "activations": _FLOATS,
    "losses": _FLOATS,
    "updates": _FLOATS,
    "dropout": _FLOATS,
}

#: File -> the files of which its source is put together.
_PARTS = {file: ("_common.cu", f"{file}.cu") for file in TYPES} | {
    file: ("_common.cu", "_functions.cu", f"{file}.cu") for file in ("activations", "losses")
}

_FOLDER = Path(__file__).parent
_runner: "Runner | None" = None  # CuPy, from the first kernel on
_SIGNATURE = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)')
_PARAMETER = re.compile(r"(?:const )?(\w+)(\*?) (\w+)")


class Parameter(NamedTuple):
    """A parameter of a CUDA kernel: ``const float* z`` or ``float slope``."""

    dtype: np.dtype[Any]
    pointer: bool
    name: str

    def __call__(self, value: Any) -> Any:
        """Return the scalar in its declared width, or the array, having looked at its dtype."""
        if not self.pointer:
            return self.dtype.type(value)
        if value.dtype != self.dtype:
            raise TypeError(f"{self.name} must be an array of {self.dtype}, not {value.dtype}")
        return value


class Runner(Protocol):
    """What compiles and runs the kernels."""

    @property
    def xp(self) -> Any:
        """The namespace of the arrays it runs on: ``cupy``, or ``numpy`` on the CPU."""

    def function(self, file: str, real: str, name: str) -> Callable[[int, int, list[Any]], None]:
        """Return kernel ``name`` of a module, to be called with blocks, threads and arguments."""


class CupyRunner:
    """CUDA through CuPy, which keeps what it compiled per device, and on disk for the next time."""

    def __init__(self) -> None:
        self.xp = import_module("cupy")
        self._modules: dict[tuple[str, str], Any] = {}

    def function(self, file: str, real: str, name: str) -> Callable[[int, int, list[Any]], None]:
        """Return kernel ``name``; it goes to CuPy's current device and stream."""
        if (file, real) not in self._modules:
            code = source(file, real)
            self._modules[file, real] = self.xp.RawModule(code=code, options=("--std=c++17",))
        kernel = self._modules[file, real].get_function(name)

        def run(blocks: int, threads: int, arguments: list[Any]) -> None:
            kernel((blocks,), (threads,), tuple(arguments))

        return run


def source(file: str, real: str) -> str:
    """Return the CUDA source of one module: a file, for the element type ``real``."""
    parts = [f"#define BLOCK {BLOCK}"]
    for name in _PARTS[file]:
        text = (_FOLDER / name).read_text(encoding="utf-8")
        parts += [f'#line 1 "{name}"', re.sub(r"REAL\b", real, text)]
    return "\n".join(parts)


def signatures(text: str) -> dict[str, tuple[Parameter, ...]]:
    """Return the kernels that a CUDA source defines, with their parameters in order.

    Raises ``ValueError`` for a parameter that is not ``type name`` or ``type* name`` with a type in
    ``SCALARS``, and where a ``__global__`` function is not declared on the pattern.
    """
    found = {
        name: tuple(_parameter(" ".join(p.split())) for p in parameters.split(","))
        for name, parameters in _SIGNATURE.findall(text)
    }
    if len(found) != text.count("__global__"):
        raise ValueError('a kernel must be declared as: extern "C" __global__ void name(...)')
    return found


def _parameter(declaration: str) -> Parameter:
    match = _PARAMETER.fullmatch(declaration)
    if match is None or match[1] not in SCALARS:
        raise ValueError(f"cannot read the kernel parameter {declaration!r}")
    return Parameter(np.dtype(SCALARS[match[1]]), bool(match[2]), match[3])


@cache
def _files() -> dict[str, str]:
    """Kernel -> the file it is in."""
    return {
        name.removesuffix("_float"): file
        for file in TYPES
        for name in signatures(source(file, "float"))
    }


@cache
def _kernel(kernel: str, dtype: Any) -> tuple[Any, tuple[Parameter, ...]]:
    """Return what runs a kernel on elements of one dtype, and its parameters."""
    file = _files()[kernel]
    for real in TYPES[file]:
        if SCALARS[real] == dtype:
            name = f"{kernel}_{real}"
            return runner().function(file, real, name), signatures(source(file, real))[name]
    raise TypeError(f"no CUDA kernel {kernel} for arrays of {dtype}")


def launch(kernel: str, dtype: Any, blocks: int, threads: int, *arguments: Any) -> None:
    """Run a kernel for elements of ``dtype``; a grid without blocks is no launch at all."""
    run, parameters = _kernel(kernel, dtype)
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
