"""The gradient by moving each weight a little and looking at what comes out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from accelnn import Tensor, no_grad
from accelnn.nn import Module

#: How far a weight is moved; seen from one weight, a network of ReLUs is a line with a few bends.
STEP = 1e-6


def forward_differences(model: Module, x: Tensor) -> list[Any]:
    """Return the derivatives of the sum of the outputs, from P + 1 forward passes."""
    with no_grad():
        here = total(model, x)
        return per_weight(model, lambda moved: (moved(STEP) - here) / STEP, x)


def central_differences(model: Module, x: Tensor) -> list[Any]:
    """Return the derivatives of the sum of the outputs, from 2 P forward passes."""
    with no_grad():
        return per_weight(model, lambda moved: (moved(STEP) - moved(-STEP)) / (2 * STEP), x)


def total(model: Module, x: Tensor) -> float:
    """Return the sum of the outputs."""
    return float(model(x).numpy().sum())


def per_weight(
    model: Module, slope: Callable[[Callable[[float], float]], float], x: Tensor
) -> list[Any]:
    """Return ``slope`` of each weight, which is called with what moves it and passes forward."""
    found = []
    for parameter in model.parameters():
        slopes = np.empty(parameter.shape)
        for place in np.ndindex(*parameter.shape):

            def moved(by: float, data: Any = parameter.array, where: Any = place) -> float:
                with shifted(data, where, by):
                    return total(model, x)

            slopes[place] = slope(moved)
        found.append(slopes)
    return found


@contextmanager
def shifted(data: Any, place: tuple[int, ...], by: float) -> Iterator[None]:
    """Move one number, and put it back."""
    before = data[place]
    data[place] = before + by
    try:
        yield
    finally:
        data[place] = before
