"""How close two computations of the same thing must be."""

from typing import Any

import numpy as np


def tolerance(dtype: Any, length: int = 1) -> dict[str, Any]:
    """Return ``rtol`` and ``atol`` for results in ``dtype`` that sum ``length`` terms of order 1.

    Two correct programs differ by the order in which they add and by the last digits of ``exp``
    and its like. An elementary function is within 4 units in the last place in every library in
    use (libm, SVML, CUDA), and an element-wise kernel chains a few of them: 16 eps. Rounding errors
    of a sum behave like a random walk (Higham & Mary 2019, doi:10.1137/18M1226312), so they grow
    with the square root of the number of terms. The same bound serves as ``atol``, because terms of
    order 1 may cancel to a result near 0.
    """
    bound = 16 * float(np.finfo(dtype).eps) * max(length, 1) ** 0.5
    return {"rtol": bound, "atol": bound}


def difference_tolerance(length: int = 1) -> dict[str, Any]:
    """Return ``rtol`` and ``atol`` for a float64 derivative against a central difference.

    With the step ``eps^(1/3)`` the error of the formula, step², and the rounding of the function,
    eps/step, are both ``eps^(2/3)`` (4e-11) times derivatives of order 1 to 10.
    """
    bound = 10 * float(np.finfo(np.float64).eps) ** (2 / 3) * max(length, 1) ** 0.5
    return {"rtol": bound, "atol": bound}


def host(x: Any) -> Any:
    """Return ``x``, an array of any library, as a NumPy array."""
    if isinstance(x, np.ndarray):
        return x
    return x.get() if hasattr(x, "get") else np.asarray(x)


def assert_close(actual: Any, expected: Any, length: int = 1) -> None:
    """Assert equal dtype and shape, and values within ``tolerance``; a NaN equals a NaN only."""
    actual, expected = host(actual), host(expected)
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    if np.issubdtype(expected.dtype, np.floating):
        np.testing.assert_allclose(actual, expected, **tolerance(expected.dtype, length))
    else:
        np.testing.assert_array_equal(actual, expected)
