"""Numbers that layers and losses take, and the range that each must be in."""

import math
from numbers import Real
from typing import Any


def number_between(name: str, value: Any, low: float, high: float, *, ends: bool) -> float:
    """Return ``value`` as a finite float, or raise naming the range, with its ends or without."""
    number = float(value) if isinstance(value, Real) else math.nan
    inside = low <= number <= high and number != math.inf if ends else low < number < high
    if not inside:
        limits = f"of at least {low:g}" if ends else f"above {low:g}"
        if high != math.inf:
            limits += f" and at most {high:g}" if ends else f" and below {high:g}"
        raise ValueError(f"{name} must be a number {limits}, got {value!r}")
    return number
