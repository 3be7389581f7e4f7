"""Exercises: whether a reader's answer is right, and if not, what to look at."""

from typing import Any

import numpy as np

from accelnn.autograd import Tensor


def check_answer(answer: Any, expected: Any, rtol: float = 1e-4, atol: float = 1e-8) -> str:
    """Say whether an answer is right; a wrong one is no error.

    Parameters
    ----------
    answer : number, nested sequence, array, Tensor or str
        None and ``...`` stand for an exercise that nobody has begun.
    expected : the same
    rtol, atol : float
        An element may be off by ``atol + rtol · |expected|``.

    Returns
    -------
    str
        "right", "no answer yet", or "not yet: " and a hint about the shape, the sign, or how many
        elements are off and by how much; never the solution.

    Examples
    --------
    >>> import accelnn
    >>> accelnn.check_answer(..., 6)
    'no answer yet'
    >>> accelnn.check_answer([2, 2, -2], [2, 2, -2])
    'right'
    >>> accelnn.check_answer([2, 2, 2], [2, 2, -2])
    'not yet: 1 of 3 elements differs, by up to 4; the sign is wrong there'
    >>> accelnn.check_answer([2, 2], [2, 2, -2])
    'not yet: the shape is (2,), expected (3,)'
    """
    if answer is None or answer is Ellipsis:
        return "no answer yet"
    if isinstance(expected, str) or isinstance(answer, str):
        same = str(answer).strip().casefold() == str(expected).strip().casefold()
        return "right" if same else "not yet: that is another word"
    right = np.asarray(_plain(expected))
    try:
        given = np.asarray(_plain(answer))
        numbers = given.dtype.kind in "biufc"
    except Exception:  # such as rows of different lengths: wrong, whatever it is
        numbers = False
    if not numbers:
        return f"not yet: expected numbers of shape {right.shape}, got {type(answer).__name__}"
    if given.shape != right.shape:
        if given.shape == right.shape[::-1] and given.ndim == 2:
            return f"not yet: the shape is {given.shape}, expected its transpose {right.shape}"
        return f"not yet: the shape is {given.shape}, expected {right.shape}"
    given, right = given.astype("complex128"), right.astype("complex128")
    wrong = ~np.isclose(given, right, rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return "right"
    return f"not yet: {_hint(given[wrong], right[wrong], right.size)}"


def _hint(given: Any, right: Any, count: int) -> str:
    """Return how many elements are off, by how much, and what they have in common."""
    some = len(given)
    which = "the number is off" if count == 1 else f"{some} of {count} elements {_verb(some)}"
    if not np.isfinite(given).all():
        return f"{which}: nan or infinite"
    text = f"{which}, by up to {np.abs(given - right).max():.3g}"
    if np.allclose(given, -right):
        return f"{text}; the sign is wrong {'there' if count > 1 else ''}".rstrip()
    if np.all(right != 0):
        ratios = (given / right).real
        if some > 1 and np.allclose(ratios, ratios[0]):
            return f"{text}; all of them by the factor {ratios[0]:.3g}"
    return text


def _verb(some: int) -> str:
    return "differs" if some == 1 else "differ"


def _plain(x: Any) -> Any:
    """Return Tensors as arrays of NumPy, also those inside a list."""
    if isinstance(x, Tensor):
        return x.numpy()
    return [_plain(each) for each in x] if isinstance(x, list | tuple) else x
