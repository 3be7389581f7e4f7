"""Initial values, drawn by NumPy on the host, so that every backend starts from the same ones.

The functions whose name ends in an underscore fill what they are given and return it, under
PyTorch's names and with its formulas. They take a Tensor or an array of NumPy; a matrix is read as
a ``weight`` of shape (fan_out, fan_in), so the ``coefs_`` of an estimator are passed as ``w.T``.
Without ``generator``, a Generator or RandomState of NumPy, they draw from that of ``manual_seed``.

Examples
--------
>>> import accelnn
>>> from accelnn import nn
>>> accelnn.manual_seed(0)
>>> layer = nn.Linear(3, 2)
>>> w = nn.init.orthogonal_(layer.weight)
>>> (w @ w.T).numpy().round(5).tolist()
[[1.0, 0.0], [0.0, 1.0]]
"""

import math
from typing import Any, TypeVar

import numpy as np

from accelnn.autograd import Tensor
from accelnn.nn.module import write
from accelnn.seeding import drawn

Filled = TypeVar("Filled")  # a Tensor or an array of NumPy


def uniform(shape: tuple[int, ...], fan_in: int, dtype: Any) -> Any:
    """Draw from U(-k, k), k = 1/√fan_in: PyTorch's default for a Linear, weight and bias alike."""
    k = 1 / math.sqrt(fan_in) if fan_in else 0.0
    return drawn(lambda rng: rng.uniform(-k, k, shape)).astype(dtype)


def zeros_(tensor: Filled) -> Filled:
    """Fill with 0."""
    return constant_(tensor, 0.0)


def ones_(tensor: Filled) -> Filled:
    """Fill with 1."""
    return constant_(tensor, 1.0)


def constant_(tensor: Filled, val: float) -> Filled:
    """Fill with ``val``."""
    return _filled(tensor, np.full(_shape(tensor), val))


def uniform_(tensor: Filled, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Filled:
    """Fill from U(a, b). A Linear starts with a, b = ∓1/√in_features, weight and bias alike."""
    shape = _shape(tensor)
    return _filled(tensor, drawn(lambda rng: rng.uniform(a, b, shape), generator))


def normal_(tensor: Filled, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Filled:
    """Fill from N(mean, std²); with ``std=0.01`` what is written as 0.01 · randn."""
    shape = _shape(tensor)
    return _filled(tensor, drawn(lambda rng: rng.normal(mean, std, shape), generator))


def xavier_uniform_(tensor: Filled, gain: float = 1.0, generator: Any = None) -> Filled:
    """Fill a matrix from U(-a, a), a = gain √(6 / (fan_in + fan_out)).

    Glorot & Bengio 2010 (AISTATS), equation 16.
    """
    fan_out, fan_in = _fans(tensor)
    return _uniform(tensor, gain * math.sqrt(6 / max(fan_in + fan_out, 1)), generator)


def xavier_normal_(tensor: Filled, gain: float = 1.0, generator: Any = None) -> Filled:
    """Fill a matrix from N(0, s²), s = gain √(2 / (fan_in + fan_out)); see ``xavier_uniform_``."""
    fan_out, fan_in = _fans(tensor)
    std = gain * math.sqrt(2 / max(fan_in + fan_out, 1))
    return normal_(tensor, 0.0, std, generator)


def kaiming_uniform_(
    tensor: Filled,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Filled:
    """Fill a matrix from U(-b, b), b = √3 times the deviation of ``kaiming_normal_``."""
    std = _kaiming(tensor, a, mode, nonlinearity)
    return _uniform(tensor, math.sqrt(3) * std, generator)


def kaiming_normal_(
    tensor: Filled,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Filled:
    """Fill a matrix from N(0, s²), s = gain / √fan (He et al. 2015, arXiv:1502.01852, equation 14).

    Parameters
    ----------
    tensor : Tensor or ndarray of shape (fan_out, fan_in)
    a : float
        Negative slope, where the nonlinearity is "leaky_relu"; 0 is that of "relu".
    mode : {"fan_in", "fan_out"}
        Whether the variance is kept on the way forward or back.
    nonlinearity : str
        See ``calculate_gain``.
    generator : Generator or RandomState, optional
    """
    return normal_(tensor, 0.0, _kaiming(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Filled, gain: float = 1.0, generator: Any = None) -> Filled:
    """Fill a matrix with ``gain`` times orthonormal rows or columns, whichever are fewer.

    Q of the QR decomposition of normal numbers, with the signs that make it unique (Saxe et al.
    2014, arXiv:1312.6120; Mezzadri 2007, arXiv:math-ph/0609050, section 5).
    """
    rows, columns = _fans(tensor)
    values = drawn(lambda rng: rng.normal(0.0, 1.0, (rows, columns)), generator)
    q, r = np.linalg.qr(values if rows >= columns else values.T)
    q = q * np.sign(np.diagonal(r))
    return _filled(tensor, gain * (q if rows >= columns else q.T))


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor that PyTorch recommends in front of a nonlinearity.

    Parameters
    ----------
    nonlinearity : {"linear", "sigmoid", "tanh", "relu", "leaky_relu"}
        1, 1, 5/3, √2 and √(2 / (1 + slope²)).
    param : float, optional
        The slope, 0.01 if not given.

    Examples
    --------
    >>> from accelnn import nn
    >>> nn.init.calculate_gain("leaky_relu", 1.0)
    1.0
    """
    slope = 0.01 if param is None else param
    gains = {
        "linear": 1.0,
        "sigmoid": 1.0,
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + slope**2)),
    }
    if nonlinearity not in gains:
        raise ValueError(f"nonlinearity must be one of {', '.join(gains)}; got {nonlinearity!r}")
    return gains[nonlinearity]


def _kaiming(tensor: Any, a: float, mode: str, nonlinearity: str) -> float:
    """Return the standard deviation."""
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan_out, fan_in = _fans(tensor)
    fan = fan_in if mode == "fan_in" else fan_out
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def _uniform(tensor: Filled, bound: float, generator: Any) -> Filled:
    shape = _shape(tensor)
    return _filled(tensor, drawn(lambda rng: rng.uniform(-bound, bound, shape), generator))


def _shape(tensor: Any) -> tuple[int, ...]:
    if not isinstance(tensor, Tensor | np.ndarray):
        raise TypeError(f"expected a Tensor or an array of NumPy, got {type(tensor).__name__}")
    return tuple(tensor.shape)


def _fans(tensor: Any) -> tuple[int, int]:
    """Return (fan_out, fan_in)."""
    shape = _shape(tensor)
    if len(shape) != 2:
        raise ValueError(f"expected a matrix of shape (fan_out, fan_in), got shape {shape}")
    return shape[0], shape[1]


def _filled(tensor: Filled, values: Any) -> Filled:
    if isinstance(tensor, Tensor):
        write(tensor, values)
    elif isinstance(tensor, np.ndarray):
        tensor[...] = values
    return tensor
