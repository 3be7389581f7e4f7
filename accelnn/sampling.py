"""Drawn tensors, under PyTorch's names.

NumPy draws them on the host, from the generator of ``manual_seed``, in float64; they are then
rounded to the dtype: the same on every backend. They are not the numbers that PyTorch draws for
that seed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from accelnn.autograd import Tensor
from accelnn.creation import Place, like, made, rounded, shape_of
from accelnn.dtypes import float32, int64
from accelnn.seeding import drawn


def rand(
    *size: int | Sequence[int],
    generator: Any = None,
    dtype: Any = float32,
    device: Place = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draw from the uniform distribution over [0, 1)."""
    shape = shape_of(size)
    values = drawn(lambda rng: rng.random(shape), generator)
    return made(rounded(values, dtype), device, requires_grad)


def randn(
    *size: int | Sequence[int],
    generator: Any = None,
    dtype: Any = float32,
    device: Place = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draw from the normal distribution of mean 0 and variance 1.

    Parameters
    ----------
    *size : int, or one tuple of int
    generator : numpy.random.Generator, optional
        Otherwise that of ``manual_seed``.
    dtype : dtype
    device : str or Backend, optional
    requires_grad : bool

    Examples
    --------
    >>> import accelnn as torch
    >>> torch.manual_seed(0)
    >>> first = torch.randn(100, 1)
    >>> torch.manual_seed(0)
    >>> torch.randn((100, 1)).tolist() == first.tolist()
    True
    """
    shape = shape_of(size)
    values = drawn(lambda rng: rng.normal(0.0, 1.0, shape), generator)
    return made(rounded(values, dtype), device, requires_grad)


def randint(
    low: int,
    high: int | Sequence[int],
    size: Sequence[int] | None = None,
    *,
    generator: Any = None,
    dtype: Any = int64,
    device: Place = None,
) -> Tensor:
    """Draw integers from ``low`` to ``high - 1``; ``randint(high, size)`` starts at 0."""
    if size is None:
        low, high, size = 0, low, high  # type: ignore[assignment]
    shape = shape_of((size,))
    values = drawn(lambda rng: np.asarray(rng.integers(low, high, shape)), generator)
    return made(values.astype(dtype), device)


def randperm(n: int, *, generator: Any = None, dtype: Any = int64, device: Place = None) -> Tensor:
    """Return the integers from 0 to n - 1 in random order."""
    return made(drawn(lambda rng: rng.permutation(n), generator).astype(dtype), device)


def rand_like(
    input: Tensor, *, dtype: Any = None, device: Place = None, requires_grad: bool = False
) -> Tensor:
    """Draw from [0, 1), in the shape, dtype and backend of another tensor."""

    def draw(shape: tuple[int, ...]) -> Any:
        return drawn(lambda rng: rng.random(shape))

    return like(input, draw, dtype, device, requires_grad)


def randn_like(
    input: Tensor, *, dtype: Any = None, device: Place = None, requires_grad: bool = False
) -> Tensor:
    """Draw normal numbers, in the shape, dtype and backend of another tensor."""

    def draw(shape: tuple[int, ...]) -> Any:
        return drawn(lambda rng: rng.normal(0.0, 1.0, shape))

    return like(input, draw, dtype, device, requires_grad)
