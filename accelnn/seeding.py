"""The one source of random numbers: a generator of NumPy's on the host, whatever the backend.

Initial weights, dropout seeds and ``randn`` all draw here, so that one ``manual_seed`` repeats them
all and every backend gets the same numbers.
"""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

_lock = threading.Lock()
_generator = np.random.default_rng()


def manual_seed(seed: int) -> None:
    """Make what is drawn from here on repeatable: layers, their dropout masks, ``randn``.

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


def drawn(draw: Callable[[Any], Any], generator: Any = None) -> Any:
    """Return what ``draw`` takes from a generator, or from that of ``manual_seed``."""
    if generator is not None:
        return draw(generator)
    with _lock:
        return draw(_generator)


def fresh_seed() -> int:
    """Draw a seed for something that needs random numbers of its own."""
    return int(drawn(lambda rng: rng.integers(2**63)))
