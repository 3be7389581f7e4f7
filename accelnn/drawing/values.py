"""Numbers and arrays as the short texts that stand on an edge."""

from typing import Any

import numpy as np

#: Arrays of up to this many elements are written out.
WRITTEN_OUT = 6


def number(x: Any, digits: int) -> str:
    """Return ``x`` with so many significant digits; whole numbers below a million in full.

    Examples
    --------
    >>> number(2 / 3, 4), number(22.0, 4), number(12345.0, 4), number(-1.5e-7, 4)
    ('0.6667', '22', '12345', '-1.5e-07')
    """
    x = float(x)
    if x.is_integer() and abs(x) < 1e6:
        return str(int(x))
    return f"{x:.{digits}g}"


def array_text(x: Any, digits: int) -> str:
    """Return a number, or an array's shape with its elements, or with its norm if there are many.

    Parameters
    ----------
    x : numpy.ndarray
    digits : int

    Examples
    --------
    >>> import numpy as np
    >>> array_text(np.float32(0.5), 4), array_text(np.eye(2), 4), array_text(np.ones((4, 4)), 4)
    ('0.5', '(2, 2) [1, 0; 0, 1]', '(4, 4) ‖·‖ = 4')
    """
    x = np.asarray(x)
    if x.ndim == 0:
        return number(x, digits)
    if x.size > WRITTEN_OUT:
        with np.errstate(all="ignore"):
            norm = np.linalg.norm(np.ravel(x).astype(float))
        return f"{x.shape} ‖·‖ = {number(norm, digits)}"
    return f"{x.shape} {_written(x, digits)}"


def _written(x: Any, digits: int) -> str:
    """Elements in brackets, the rows of a matrix parted by semicolons."""
    if x.ndim == 1:
        return f"[{', '.join(number(v, digits) for v in x)}]"
    if x.ndim == 2:
        return f"[{'; '.join(', '.join(number(v, digits) for v in row) for row in x)}]"
    return f"[{', '.join(_written(part, digits) for part in x)}]"
