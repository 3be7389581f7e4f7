"""How the loops are compiled, and where the compiled code is kept.

Two traps shape this module. Numba's on-disk cache looks at the file of a function, not at the files
of the functions it calls: so the cache lies in a folder named by a hash of all sources beside this
one, and an edit anywhere leads to a new, empty folder. And Numba raises at decoration, that is at
import, where it cannot write: so whether the folder is writable is found out before decorating,
and if it is not, kernels are compiled anew in each process, after one warning.
"""

import gc
import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
from numba import types
from numba.core import event

from accelnn.paths import user_cache

F = TypeVar("F", bound=Callable[..., Any])

#: "reassoc" lets a sum vectorise, "contract" allows fused multiply-add, "nsz" frees the sign of
#: zero. "nnan" and "ninf" stay out: with them a NaN in need not be a NaN out.
FASTMATH = {"reassoc", "contract", "nsz"}
#: "reassoc" may turn ``(z - max) - log`` into ``z - (max + log)``, which loses the digits of log,
#: and ``b m + (1-b) g`` into ``g + b (m - g)``, a NaN where g is infinite.
IN_ORDER = FASTMATH - {"reassoc"}


def source_hash(folder: Path) -> str:
    """Return 16 hex digits that change with any Python source in ``folder`` or beside it.

    Beside it are the codes of the layers and the coefficients of the normal distribution.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    for path in [*sorted(folder.glob("*.py")), *sorted(folder.parent.glob("*.py"))]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _cache_folder() -> str | None:
    """Return the folder for compiled code, or None, having warned, where none can be written.

    ``NUMBA_CACHE_DIR`` is honoured; ``ACCELNN_NUMBA_CACHE=0`` switches the cache off silently.
    """
    if os.environ.get("ACCELNN_NUMBA_CACHE") == "0":
        return None
    given = os.environ.get("NUMBA_CACHE_DIR")
    base = Path(given) / "accelnn" if given else user_cache() / "numba"
    folder = base / source_hash(Path(__file__).parent)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        warnings.warn(
            f"accelnn cannot write its cache of compiled kernels ({error}); the Numba backend "
            "compiles for some seconds in each process. Set ACCELNN_CACHE to a folder that can be "
            "written, or ACCELNN_NUMBA_CACHE=0 to accept this without a warning.",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return str(folder)


CACHE_FOLDER = _cache_folder()


def jit_in_order(loop: F) -> F:
    """Make a loop whose additions and subtractions must stay in the order written."""
    return jit(loop, IN_ORDER)


def jit(loop: F, fastmath: set[str] = FASTMATH) -> F:
    """Make a loop, which Numba copies into compiled callers; Python calls it through ``run``.

    A loop that is compiled apart is vectorised for arrays that do not overlap; where a caller then
    gives it the same array twice, it runs element by element, at a fifth of the speed. Copied, it
    is compiled for what it is given, and once. The caller's fastmath holds then, ``IN_ORDER``.
    """
    return _made(loop, fastmath, inline="always")


def apart(function: F) -> F:
    """Compile a function for compiled callers as a function of its own: it is long."""
    return _made(function, FASTMATH)


def exactly(function: F) -> F:
    """Compile a function of numbers that LLVM copies into the loops, as it is written.

    Its operations keep their order and their rounding whatever the caller's fastmath is.
    """
    return _made(function, set(), forceinline=True)


def _made(function: F, fastmath: set[str], **options: Any) -> F:
    """What only Python needs to call it, a third of the compile time, is left to ``run``."""
    options |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "nogil": True}
    njit: Any = numba.njit
    compiled: F = njit(error_model="numpy", fastmath=fastmath, **options)(function)
    return compiled


def in_python(loop: Any) -> Any:
    """Return the function that was given to be compiled."""
    return loop.py_func


def run(loop: Any, *arguments: Any) -> Any:
    """Call a loop from Python, compiled on the first call with each dtype."""
    return from_python(loop)(*arguments)


@cache
def from_python(loop: Any) -> Any:
    """Return a twin of a loop that Python can call, and that is compiled only for that."""
    fastmath = loop.targetoptions["fastmath"]
    options = {"nogil": True, "fastmath": fastmath, "no_cfunc_wrapper": True}
    return _decorated(numba.njit, "called from Python", **options)(loop.py_func)


def c_function(signature: Any) -> Callable[[Callable[..., Any]], int]:
    """Compile a function of numbers and pointers, or load it, and return the address to call.

    Numba compiles the code of a callee again with each of its callers, but not behind an address.
    """

    def address(function: Callable[..., Any]) -> int:
        compiled = _decorated(numba.cfunc, "by address", signature, fastmath=IN_ORDER)(function)
        _alive.append(compiled)  # the address is good as long as this lives
        return int(compiled.address)

    return address


_alive: list[Any] = []


@cache
def operation(function: Callable[..., Any], dtype: Any) -> int:
    """Compile or load ``function(words, frame, scratch)`` for a dtype, and return its address.

    All that a program calls has this form: the words are its arguments, the frame is what changes
    from step to step, and scratch, a pointer to elements of the dtype, is the caller's alone.
    """
    return c_function(types.void(_WORDS, _WORDS, _pointer(dtype)))(function)


def job(function: Callable[..., Any], dtype: Any) -> int:
    """Compile or load ``function(part, parts, barrier, words, scratch)``; see ``threads.py``."""
    n: Any = types.intp
    return c_function(types.void(n, n, n, _WORDS, _pointer(dtype)))(function)


def _pointer(dtype: Any) -> Any:
    element = numba.from_dtype(np.dtype(dtype))
    pointer: Any = types.CPointer
    return pointer(element)


_WORDS = _pointer(np.int64)


def _decorated(decorate: Any, kind: str, *signature: Any, **options: Any) -> Callable[[Any], Any]:
    """Return a decorator of Numba's that keeps compiled code in our folder.

    Each kind of code has a folder of its own: Numba's cache does not tell apart what was compiled
    from one function with other options, and would give Python a loop that it cannot call.
    """

    def compiled(loop: Any) -> Any:
        config: Any = numba.config
        before = config.CACHE_DIR
        if CACHE_FOLDER is not None:
            config.CACHE_DIR = os.path.join(CACHE_FOLDER, kind)  # read on decoration only
        try:
            caching = {"cache": CACHE_FOLDER is not None, "error_model": "numpy"}
            return decorate(*signature, **caching, **options)(loop)
        finally:
            config.CACHE_DIR = before

    return compiled


@contextmanager
def compiling() -> Iterator[None]:
    """Compile much in here: a seventh of the time goes, without it, into looking for garbage."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextmanager
def announce(say: Callable[[], None]) -> Iterator[None]:
    """Call ``say`` once if something is compiled, rather than loaded from the cache, in here."""

    class Listener(event.Listener):
        said = False

        def on_start(self, _event: Any) -> None:
            if not self.said:
                self.said = True
                say()

        def on_end(self, _event: Any) -> None:
            """Nothing to do; Numba requires the method."""

    with event.install_listener("numba:compile", Listener()):
        yield


class _Alias:
    """The memory of an array, offered through the array interface as if it could be written."""

    def __init__(self, x: Any) -> None:
        address = x.__array_interface__["data"][0]
        self.__array_interface__ = x.__array_interface__ | {"data": (address, False)}
        self.owner = x


def plain(x: Any) -> Any:
    """Return ``x`` as the one kind of array the loops are compiled for: contiguous, writeable.

    Numba compiles again for read-only arrays, so those are passed under an alias; the loops never
    write to an input.
    """
    x = np.ascontiguousarray(x)
    return x if x.flags.writeable else np.asarray(_Alias(x))


def flat(x: Any) -> Any:
    """``plain``, in one dimension."""
    return plain(x).reshape(-1)


def ready(x: Any, out: Any) -> Any:
    """Return ``out``, or an array like ``x`` in C order."""
    return np.empty(x.shape, x.dtype) if out is None else out
