"""Checks at the public edge: what was passed, what was expected, what to do about it."""

import math
import sys
from numbers import Real
from typing import Any

import numpy as np

from accelnn.backends import Backend, get_backend
from accelnn.backends.base import on_gpu


def check_features(
    X: Any,
    n_in: int | None,
    dtype: Any,
    backend: Backend,
    name: str = "X",
    scale: float = 1.0,
    keep_bytes: bool = False,
) -> Any:
    """Return X as a (n, n_in) array that a network reads, images flattened to rows.

    What ``as_features`` makes of X, in C order; a C-contiguous array of the right dtype is not
    copied.

    Raises
    ------
    TypeError
        If the elements are not real numbers.
    ValueError
        If there are no rows, the width is not ``n_in``, or a value is NaN or infinite.
    """
    array = _as_array(X, name)
    _require_real(array, name)
    if len(array.shape) < 2:
        raise ValueError(
            f"{name} must have a row per sample, shape (n, features), got shape "
            f"{tuple(array.shape)}; for one feature use {name}.reshape(-1, 1), for one sample "
            f"{name}.reshape(1, -1)"
        )
    if array.shape[0] == 0:
        raise ValueError(f"{name} has no rows (shape {tuple(array.shape)}); expected at least one")
    held = as_features(array, dtype, backend, scale, keep_bytes)
    if len(held.shape) > 2:
        held = held.reshape(held.shape[0], -1)
    if n_in is not None and held.shape[1] != n_in:
        raise ValueError(
            f"{name} has {held.shape[1]} features per row (shape {tuple(array.shape)}), the first "
            f"layer expects {n_in}"
        )
    backend = _home(held, backend)
    if "float" in str(held.dtype):
        check_finite(held, backend, name)
    return backend.xp.ascontiguousarray(held) if backend.in_place else held


def check_rows(X: Any, n_in: int) -> Any:
    """Return X as an array, if it has the shape (n, n_in) and holds real numbers."""
    array = _as_array(X, "X")
    _require_real(array, "X")
    if len(array.shape) != 2 or array.shape[1] != n_in:
        raise ValueError(
            f"X must have a row of {n_in} features per sample, shape (n, {n_in}), got shape "
            f"{tuple(array.shape)}"
        )
    return array


def as_features(
    array: Any, dtype: Any, backend: Backend, scale: float = 1.0, keep_bytes: bool = False
) -> Any:
    """Return what a network reads of an array: ``array * scale`` in ``dtype``, on the backend.

    With ``keep_bytes`` an array of uint8 stays one and is not multiplied; the backend does that as
    it reads. A NumPy array that is too big for the device stays on the host. Where nothing has to
    be done, that is the array itself, which is never written to.
    """
    kept = keep_bytes and _dtype_name(array) == "uint8"
    if isinstance(array, np.ndarray):
        n_bytes = array.size * (1 if kept else np.dtype(dtype).itemsize)
        backend = backend if backend.fits(n_bytes) else get_backend("numpy")
    if kept or (scale == 1 and array.dtype == dtype):
        return backend.asarray(array)
    held = _converted(array, dtype, backend)
    if scale == 1:
        return held
    with np.errstate(over="ignore", invalid="ignore"):  # looked for by check_finite
        if not backend.in_place or _dtype_name(array) == _dtype_name(held):
            return held * scale
        held *= scale  # the conversion made a copy
        return held


def as_given(result: Any, X: Any, backend: Backend) -> Any:
    """Return an array of the backend as the kind of array that X is, NumPy's unless on a GPU."""
    place = on_gpu(X)
    if place is None:
        return backend.to_numpy(result)
    held = get_backend(place).asarray(result)
    if isinstance(X, type(held)):
        return held
    return sys.modules[type(X).__module__.partition(".")[0]].from_dlpack(held)


def from_gpu(x: Any) -> Any:
    """Return an array that lies on a GPU as a NumPy array, everything else as it is."""
    place = on_gpu(x)
    if place is None:
        return x
    backend = get_backend(place)
    return backend.to_numpy(backend.asarray(x))


def check_targets(
    y: Any,
    n: int,
    n_out: int | None,
    classes: bool,
    dtype: Any,
    backend: Backend,
    name: str = "y",
) -> Any:
    """Return y as (n,) int64 classes, or as (n, n_out) values of ``dtype``.

    Where the number of outputs is not known before the model runs, only the rows are checked.

    Raises
    ------
    TypeError
        If classes are not integers, or values not real numbers.
    ValueError
        If the shape does not fit, a class is out of range, or a value is NaN or infinite.
    """
    array = _as_array(y, name)
    if tuple(array.shape[:1]) != (n,):
        shape = tuple(array.shape)
        raise ValueError(f"{name} must have a row for each of the {n} of X, got shape {shape}")
    if n_out is None:
        return backend.asarray(array)
    if classes:
        if "int" not in str(array.dtype):
            raise TypeError(
                f"{name} must hold integer classes 0 ... {n_out - 1} for a cross-entropy, got "
                f"dtype {array.dtype}; {name}.astype('int64') if they are whole numbers"
            )
        if tuple(array.shape) != (n,):
            raise ValueError(
                f"{name} must hold one class per row of X, shape ({n},), got {tuple(array.shape)}"
            )
        low, high = int(array.min()), int(array.max())
        if low < 0 or high >= n_out:
            raise ValueError(
                f"{name} must hold classes 0 ... {n_out - 1}, as many as the network has outputs, "
                f"got {low} ... {high}"
            )
        return backend.asarray(array, dtype=np.int64)
    _require_real(array, name)
    shape = tuple(array.shape)
    if shape == (n,) and n_out == 1:
        array = array.reshape(n, 1)
    elif shape != (n, n_out):
        raise ValueError(
            f"{name} must have shape ({n}, {n_out}), a row for each of X and a value per output, "
            f"got {shape}"
        )
    held = _converted(array, dtype, backend)
    check_finite(held, backend, name)
    return backend.xp.ascontiguousarray(held) if backend.in_place else held


def check_order(order: Any, n: int) -> Any:
    """Return the order in which rows are visited as (m,) int64 on the host, m >= 1."""
    array = np.asarray(order)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu":
        raise ValueError(
            "order must be a list of one or more row numbers, shape (m,) of integers, got shape "
            f"{array.shape} of {array.dtype}"
        )
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= n:
        raise ValueError(f"order must hold rows 0 ... {n - 1} of X, got {low} ... {high}")
    return np.ascontiguousarray(array, np.int64)


def check_scale(scale: Any) -> float:
    """Return ``input_scale`` if it is a finite number other than 0, else raise ValueError."""
    number = isinstance(scale, Real) and not isinstance(scale, bool)
    if not number or not math.isfinite(scale) or scale == 0:
        raise ValueError(f"input_scale must be a finite number other than 0, got {scale!r}")
    return float(scale)


def check_precision(precision: Any, dtype: Any, backend: Backend) -> None:
    """Raise ValueError unless programs of a backend compute in ``precision`` with this dtype."""
    if precision not in backend.precisions:
        offered = ", ".join(repr(each) for each in backend.precisions)
        raise ValueError(
            f"backend {backend.name!r} does not offer precision {precision!r}; it offers {offered}"
        )
    if precision != "float32" and str(dtype).rpartition(".")[2] != "float32":
        raise ValueError(
            f"precision {precision!r} is for models of dtype float32, this one has {dtype}; "
            "precision='float32', the default, computes in the dtype of the model"
        )


def check_finite(x: Any, backend: Backend, name: str) -> None:
    """Raise ValueError naming the first NaN or infinity."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = x.sum()  # one pass, no temporary; an overflow is looked into
    if bool(backend.xp.isfinite(total)):
        return
    bad = ~backend.to_numpy(backend.xp.isfinite(x))
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"{name} holds {int(bad.sum())} values that are NaN or infinite in {x.dtype}, "
            f"the first at {where}; remove, impute or scale them"
        )


def _home(x: Any, backend: Backend) -> Backend:
    """Return the backend that an array is of: NumPy's for one that stayed on the host."""
    return get_backend("numpy") if isinstance(x, np.ndarray) else backend


def _dtype_name(x: Any) -> str:
    """``torch.float32`` and ``dtype('float32')`` -> "float32"."""
    return str(x.dtype).rpartition(".")[2]


def _as_array(x: Any, name: str) -> Any:
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return x
    try:
        return np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{name} is no array, its rows differ in length: {error}") from None


def _require_real(array: Any, name: str) -> None:
    if getattr(array.dtype, "kind", None) in {"f", "i", "u", "b"}:  # cheaper than its name
        return
    if not any(word in str(array.dtype) for word in ("float", "int", "bool")):
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")


def _converted(array: Any, dtype: Any, backend: Backend) -> Any:
    with np.errstate(over="ignore"):  # a number too large becomes infinite, which is looked for
        return backend.asarray(array, dtype=dtype)


def check_count(name: str, value: Any) -> int:
    """Return ``value`` if it is an integer of at least 1, else raise ValueError."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
    return int(value)
