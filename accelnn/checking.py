"""Checks at the public edge: what was passed, what was expected, what to do about it."""

from typing import Any

import numpy as np

from accelnn.backends import Backend


def check_features(X: Any, n_in: int | None, dtype: Any, backend: Backend, name: str = "X") -> Any:
    """Return X as a (n, n_in) array of the backend, images flattened to rows.

    A C-contiguous array of the right dtype is not copied.

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
    held = _converted(array, dtype, backend)
    if len(held.shape) > 2:
        held = held.reshape(held.shape[0], -1)
    if n_in is not None and held.shape[1] != n_in:
        raise ValueError(
            f"{name} has {held.shape[1]} features per row (shape {tuple(array.shape)}), the first "
            f"layer expects {n_in}"
        )
    check_finite(held, backend, name)
    return backend.xp.ascontiguousarray(held) if backend.in_place else held


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


def _as_array(x: Any, name: str) -> Any:
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return x
    try:
        return np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{name} is no array, its rows differ in length: {error}") from None


def _require_real(array: Any, name: str) -> None:
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
