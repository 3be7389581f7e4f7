"""Backends by name: which there are, which one is meant, and why one cannot run.

Importing this module imports no optional library; a backend is imported when it is first asked for.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from importlib import import_module
from typing import Any, cast

from accelnn.backends.base import Backend as Backend
from accelnn.backends.base import Status as Status
from accelnn.backends.base import on_gpu
from accelnn.backends.watching import Log, unwatch, watch
from accelnn.errors import BackendUnavailable

#: Name -> "module:class", imported when first asked for, or the class itself.
_REGISTRY: dict[str, str | type[Backend]] = {
    "numpy": "accelnn.backends.numpy_backend:NumpyBackend",
    "numba": "accelnn.backends.numba_backend:NumbaBackend",
    "cupy": "accelnn.backends.cupy_backend:CupyBackend",
}
_instances: dict[str, Backend] = {}
_lock = threading.RLock()  # a backend may ask for the one it builds on
_watched: dict[int, Backend] = {}  # those that a profile listens to
_log: Log | None = None  # of the profile that runs
_chosen: ContextVar[Backend | None] = ContextVar("accelnn_backend", default=None)

#: A fit of less work than this is done before Numba is even imported (about 0.5 s with a warm
#: cache, which NumPy fills with some 10 GFLOP on two cores).
NUMBA_FROM_FLOPS = 2e10
#: A fit of less work is not worth a CUDA context, the kernels' first compilation and the copies.
CUPY_FROM_FLOPS = 2e11


def register_backend(name: str, backend: str | type[Backend]) -> None:
    """Make a backend known under ``name``, replacing one of that name.

    Parameters
    ----------
    name : str
        Without a colon, behind which the number of a device would stand.
    backend : str or subclass of Backend
        "module:class", imported at first use, or the class itself.
    """
    if name == "auto":
        raise ValueError("a backend cannot be called 'auto': that name means 'choose one for me'")
    if ":" in name:
        raise ValueError(f"the name of a backend cannot hold a colon: {name!r}")
    is_class = isinstance(backend, type) and issubclass(backend, Backend)
    if not is_class and not (isinstance(backend, str) and all(backend.partition(":"))):
        raise TypeError(f"expected a subclass of Backend or 'module:Class', got {backend!r}")
    with _lock:
        _REGISTRY[name] = backend
        for known in [k for k in _instances if k.partition(":")[0] == name]:
            del _instances[known]


def get_backend(name: str | Backend) -> Backend:
    """Return the one instance of a backend.

    Parameters
    ----------
    name : str or Backend
        "cupy:1" is the GPU of number 1, "cupy" the one that is current when it is first asked for.
        A Backend is returned as it is.

    Raises
    ------
    ValueError
        For an unknown name.
    BackendUnavailable
        Where its library or device is missing; the message says what to do.
    """
    if isinstance(name, Backend):
        return name
    with _lock:
        try:
            known, colon, number = name.partition(":") if isinstance(name, str) else (name, "", "")
            made_by = _backend_class(known)
            if name not in _instances:
                _instances[name] = made_by.on_device(number) if colon else made_by()
                _watch_all()
        except ModuleNotFoundError as error:
            raise _not_installed(name, error) from error
        except BackendUnavailable:
            raise
        except ImportError as error:  # such as a Numba that is too old for this NumPy
            reason = f"its library is installed, but cannot be imported: {error}"
            remedy = "Run pip check; it names the versions that do not fit each other"
            raise BackendUnavailable(name, reason, remedy) from error
        return _instances[name]


@contextmanager
def watched_by(log: Log) -> Iterator[None]:
    """Let a log hear of all backends that ``get_backend`` knows, and of those made inside.

    Raises
    ------
    RuntimeError
        Where another log listens already.
    """
    global _log
    with _lock:
        if _log is not None:
            raise RuntimeError("a profile is running already; profiles do not nest")
        _log = log
    try:
        with _lock:
            _watch_all()
        yield
    finally:
        with _lock:
            for backend in _watched.values():
                unwatch(backend)
            _watched.clear()
            _log = None
        log.close()


def _watch_all() -> None:
    if _log is None:
        return
    for backend in _instances.values():
        if id(backend) not in _watched:
            _watched[id(backend)] = backend
            watch(backend, _log)


def _backend_class(name: Any) -> type[Backend]:
    if not isinstance(name, str) or name not in _REGISTRY:
        close = get_close_matches(str(name), _REGISTRY, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        hint = "; 'auto' stands for one of them where work is given" if name == "auto" else hint
        known = ", ".join(repr(k) for k in _REGISTRY)
        raise ValueError(f"unknown backend {name!r}: expected one of {known}{hint}")
    target = _REGISTRY[name]
    if isinstance(target, str):
        module, _, attribute = target.partition(":")
        target = cast("type[Backend]", getattr(import_module(module), attribute))
    return target


def _not_installed(name: str, error: ModuleNotFoundError) -> BackendUnavailable:
    package = (error.name or "").partition(".")[0]
    return BackendUnavailable(name, f"{package} is not installed", f"Run: pip install {package}")


@contextmanager
def use_backend(name: str | Backend) -> Iterator[Backend]:
    """Make ``name`` the backend of everything created inside, in this thread or task only.

    Its GPU is the current one inside. CUDA knows one current GPU per thread, not per task, so
    asynchronous code that awaits inside should name the backends of several GPUs in each call.

    Examples
    --------
    >>> import accelnn
    >>> with accelnn.use_backend("numpy"):
    ...     accelnn.Tensor([1.0]).backend
    <accelnn backend 'numpy'>
    """
    backend = get_backend(name)
    token = _chosen.set(backend)
    try:
        with backend.scope():
            yield backend
    finally:
        _chosen.reset(token)


def resolve_backend(
    backend: str | Backend = "auto", *arrays: Any, flops: float | None = None
) -> Backend:
    """Choose a backend; the first that is given wins.

    The argument unless "auto", ``use_backend``, the environment variable ``ACCELNN_BACKEND``, an
    array that lies on a GPU. Otherwise NumPy, or for a fit of known work what ``choose_for_fit``
    says.

    Parameters
    ----------
    backend : str or Backend
    *arrays
        What the caller was given; only their place is looked at.
    flops : float, optional
        Floating-point operations of the whole fit.
    """
    return resolve_with_reason(backend, *arrays, flops=flops)[0]


def resolve_with_reason(
    backend: str | Backend = "auto",
    *arrays: Any,
    flops: float | None = None,
    small: str = "numpy",
    large: str = "numba",
) -> tuple[Backend, str]:
    """Return what ``resolve_backend`` does, and why in a few words.

    ``small`` and ``large`` are what ``choose_for_fit`` takes.
    """
    if backend != "auto":
        return get_backend(backend), "named in the call"
    if (chosen := _chosen.get()) is not None:
        return chosen, "named by use_backend"
    if (named := os.environ.get("ACCELNN_BACKEND", "auto")) not in ("", "auto"):
        return get_backend(named), "named by ACCELNN_BACKEND"
    if place := next((p for p in map(on_gpu, arrays) if p is not None), None):
        return get_backend(place), "the data lie on a GPU"
    if flops is None:
        return get_backend("numpy"), "the default"
    chosen_name = choose_for_fit(flops, small, large)
    why = f"chosen for a fit of {flops:.0e} operations at most"
    if flops < NUMBA_FROM_FLOPS and chosen_name == "numba":
        why += ", since its code is loaded"
    return get_backend(chosen_name), why


def choose_for_fit(flops: float, small: str = "numpy", large: str = "numba") -> str:
    """Return the name of the backend that should do a fit of so many operations soonest.

    ``small`` does what is not worth compiling or loading anything for, ``large`` what is, on a CPU.
    """
    if flops >= CUPY_FROM_FLOPS and _usable("cupy"):
        return "cupy"
    return large if flops >= NUMBA_FROM_FLOPS and _usable(large) else small


def _usable(name: str) -> bool:
    """Whether a backend can run; asking about CuPy initialises CUDA, if it is installed."""
    return _status(name).usable


def list_backends() -> list[Status]:
    """Say for every known backend what it runs on, or why it cannot run and what to do.

    Asking about CuPy initialises CUDA in this process, if CuPy is installed.

    Examples
    --------
    >>> import accelnn
    >>> [status.name for status in accelnn.list_backends()][:2]
    ['numpy', 'numba']
    """
    return [_status(name) for name in _REGISTRY]


def _status(name: str) -> Status:
    """Return a backend's own word, or where its module cannot be imported, why."""
    try:
        return _backend_class(name).status()
    except ModuleNotFoundError as error:
        why = _not_installed(name, error)
        return Status(name, False, reason=why.reason, remedy=why.remedy)
