"""Initial values, drawn by NumPy on the host, so that every backend starts from the same ones."""

import math
import threading
from typing import Any

import numpy as np

_lock = threading.Lock()
_generator = np.random.default_rng()


def manual_seed(seed: int) -> None:
    """Make the layers created from here on, and their dropout masks, repeatable.

    Examples
    --------
    >>> import accelnn
    >>> accelnn.manual_seed(0)
    >>> a = accelnn.nn.Linear(2, 1).weight.tolist()
    >>> accelnn.manual_seed(0)
    >>> a == accelnn.nn.Linear(2, 1).weight.tolist()
    True
    """
    global _generator
    with _lock:
        _generator = np.random.default_rng(seed)


def uniform(shape: tuple[int, ...], fan_in: int, dtype: Any) -> Any:
    """Draw from U(-k, k), k = 1/√fan_in: PyTorch's default for a Linear, weight and bias alike."""
    k = 1 / math.sqrt(fan_in) if fan_in else 0.0
    with _lock:
        return _generator.uniform(-k, k, shape).astype(dtype)


def fresh_seed() -> int:
    """Draw a seed for a layer that needs random numbers of its own."""
    with _lock:
        return int(_generator.integers(2**63))
