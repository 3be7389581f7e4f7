"""Tensor's methods as functions, under PyTorch's names: ``accelnn.exp(x)`` is ``x.exp()``.

What is no Tensor is read as one, beside a Tensor on its backend. ``dim`` and ``keepdim`` are
PyTorch's words for ``axis`` and ``keepdims``, which do as well.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from accelnn.autograd import Tensor

Axis = int | tuple[int, ...] | None


def _read(x: Any, beside: Any = None) -> Tensor:
    """Return a Tensor as it is, and everything else as one on the backend of the other operand."""
    if isinstance(x, Tensor):
        return x
    return beside._other(x) if isinstance(beside, Tensor) else Tensor(x)


# Element by element -------------------------------------------------------------------------------


def square(input: Any) -> Tensor:
    """``x²``."""
    return _read(input).square()


def exp(input: Any) -> Tensor:
    """``eˣ``."""
    return _read(input).exp()


def expm1(input: Any) -> Tensor:
    """``eˣ - 1``, exact also near 0."""
    return _read(input).expm1()


def log(input: Any) -> Tensor:
    """Natural logarithm."""
    return _read(input).log()


def log1p(input: Any) -> Tensor:
    """``log(1 + x)``, exact also near 0."""
    return _read(input).log1p()


def sign(input: Any) -> Tensor:
    """-1, 0 or 1; the slope is 0."""
    return _read(input).sign()


def sqrt(input: Any) -> Tensor:
    """``√x``."""
    return _read(input).sqrt()


def abs(input: Any) -> Tensor:
    """``|x|``; the slope at 0 is 0."""
    return _read(input).abs()


def neg(input: Any) -> Tensor:
    """``-x``."""
    return _read(input).__neg__()


def sigmoid(input: Any) -> Tensor:
    """``σ(x) = 1 / (1 + e⁻ˣ)``."""
    return _read(input).sigmoid()


def tanh(input: Any) -> Tensor:
    """Hyperbolic tangent."""
    return _read(input).tanh()


def relu(input: Any) -> Tensor:
    """``max(x, 0)``; the slope at 0 is 0."""
    return _read(input).relu()


def add(input: Any, other: Any) -> Tensor:
    """``a + b``."""
    return _read(input, other) + _read(other, input)


def sub(input: Any, other: Any) -> Tensor:
    """``a - b``."""
    return _read(input, other) - _read(other, input)


def mul(input: Any, other: Any) -> Tensor:
    """``a · b``, element by element."""
    return _read(input, other) * _read(other, input)


def div(input: Any, other: Any) -> Tensor:
    """``a / b``."""
    return _read(input, other) / _read(other, input)


def pow(input: Any, exponent: float) -> Tensor:
    """``xⁿ`` for a number n."""
    return _read(input) ** exponent


def maximum(input: Any, other: Any) -> Tensor:
    """Return the larger element of the two; equal ones share the gradient."""
    return _read(input, other).maximum(other)


def minimum(input: Any, other: Any) -> Tensor:
    """Return the smaller element of the two; equal ones share the gradient."""
    return _read(input, other).minimum(other)


def clamp(input: Any, min: float | None = None, max: float | None = None) -> Tensor:
    """Return the nearest number from ``min`` to ``max``; the slope outside is 0."""
    return _read(input).clip(min, max)


clip = clamp


def where(condition: Any, input: Any, other: Any) -> Tensor:
    """Return the element of ``input`` where ``condition`` is true, that of ``other`` elsewhere.

    Examples
    --------
    >>> import accelnn
    >>> x = accelnn.tensor([-2.0, 3.0])
    >>> accelnn.where(x > 0, x, 0.0).tolist()
    [0.0, 3.0]
    """
    known = next((x for x in (input, other, condition) if isinstance(x, Tensor)), None)
    return _read(input, known).where(condition, other)


def softmax(input: Any, dim: int = -1) -> Tensor:
    """``eˣ / Σ eˣ`` along an axis."""
    return _read(input).softmax(dim)


def log_softmax(input: Any, dim: int = -1) -> Tensor:
    """Logarithm of ``softmax``, exact where that rounds to 0."""
    return _read(input).log_softmax(dim)


# Over axes ----------------------------------------------------------------------------------------


def sum(
    input: Any,
    dim: Axis = None,
    keepdim: bool = False,
    *,
    axis: Axis = None,
    keepdims: bool = False,
) -> Tensor:
    """Sum over axes, or over all."""
    return _read(input).sum(dim, keepdim, axis=axis, keepdims=keepdims)


def mean(
    input: Any,
    dim: Axis = None,
    keepdim: bool = False,
    *,
    axis: Axis = None,
    keepdims: bool = False,
) -> Tensor:
    """Mean over axes, or over all."""
    return _read(input).mean(dim, keepdim, axis=axis, keepdims=keepdims)


def prod(
    input: Any,
    dim: Axis = None,
    keepdim: bool = False,
    *,
    axis: Axis = None,
    keepdims: bool = False,
) -> Tensor:
    """Product over axes, or over all."""
    return _read(input).prod(dim, keepdim, axis=axis, keepdims=keepdims)


def var(
    input: Any,
    dim: Axis = None,
    correction: int = 1,
    keepdim: bool = False,
    *,
    axis: Axis = None,
    keepdims: bool = False,
) -> Tensor:
    """Variance over axes, or over all, of a sample: ``Σ (x - mean)² / (n - correction)``."""
    return _read(input).var(dim, correction, keepdim, axis=axis, keepdims=keepdims)


def std(
    input: Any,
    dim: Axis = None,
    correction: int = 1,
    keepdim: bool = False,
    *,
    axis: Axis = None,
    keepdims: bool = False,
) -> Tensor:
    """Root of ``var``."""
    return _read(input).std(dim, correction, keepdim, axis=axis, keepdims=keepdims)


def all(
    input: Any,
    dim: Axis = None,
    keepdim: bool = False,
    *,
    axis: Axis = None,
    keepdims: bool = False,
) -> Tensor:
    """Whether all elements are true, over axes or over all."""
    return _read(input).all(dim, keepdim, axis=axis, keepdims=keepdims)


def any(
    input: Any,
    dim: Axis = None,
    keepdim: bool = False,
    *,
    axis: Axis = None,
    keepdims: bool = False,
) -> Tensor:
    """Whether any element is true, over axes or over all."""
    return _read(input).any(dim, keepdim, axis=axis, keepdims=keepdims)


def max(
    input: Any, dim: Any = None, keepdim: bool = False, *, axis: Axis = None, keepdims: bool = False
) -> Any:
    """Return the largest element of all, or those along an axis with their places.

    Parameters
    ----------
    input : Tensor
    dim : int or Tensor, optional
        With an axis a pair ``(values, indices)`` as in PyTorch; with a Tensor ``maximum``.
    keepdim : bool

    Examples
    --------
    >>> import accelnn
    >>> x = accelnn.tensor([[1.0, 4.0], [3.0, 2.0]])
    >>> values, indices = accelnn.max(x, dim=1)
    >>> accelnn.max(x).item(), values.tolist(), indices.tolist()
    (4.0, [4.0, 3.0], [1, 0])
    """
    return _read(input).max(dim, keepdim, axis=axis, keepdims=keepdims)


def min(
    input: Any, dim: Any = None, keepdim: bool = False, *, axis: Axis = None, keepdims: bool = False
) -> Any:
    """Return the smallest element of all, or those along an axis with their places; see ``max``."""
    return _read(input).min(dim, keepdim, axis=axis, keepdims=keepdims)


def argmax(
    input: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    axis: int | None = None,
    keepdims: bool = False,
) -> Tensor:
    """Return where the largest element is, the first of equal ones."""
    return _read(input).argmax(dim, keepdim, axis=axis, keepdims=keepdims)


def argmin(
    input: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    axis: int | None = None,
    keepdims: bool = False,
) -> Tensor:
    """Return where the smallest element is, the first of equal ones."""
    return _read(input).argmin(dim, keepdim, axis=axis, keepdims=keepdims)


# Products -----------------------------------------------------------------------------------------


def matmul(input: Any, other: Any) -> Tensor:
    """``a @ b``."""
    return _read(input, other) @ _read(other, input)


def mm(input: Any, mat2: Any) -> Tensor:
    """``a @ b`` of two matrices."""
    return _read(input, mat2).mm(_read(mat2, input))


def dot(input: Any, tensor: Any) -> Tensor:
    """``Σ aᵢ bᵢ`` of two vectors.

    Examples
    --------
    >>> import accelnn
    >>> accelnn.dot(accelnn.tensor([1.0, 2.0]), [3.0, 4.0]).item()
    11.0
    """
    return _read(input, tensor).dot(_read(tensor, input))


# Shape --------------------------------------------------------------------------------------------


def reshape(input: Any, shape: Sequence[int]) -> Tensor:
    """Return the same elements, in C order, in another shape."""
    return _read(input).reshape(tuple(shape))


def squeeze(input: Any, dim: int | None = None) -> Tensor:
    """Leave out axes of length 1, all or one."""
    return _read(input).squeeze() if dim is None else _read(input).squeeze(dim)


def unsqueeze(input: Any, dim: int) -> Tensor:
    """Put in an axis of length 1."""
    return _read(input).unsqueeze(dim)


def transpose(input: Any, dim0: int, dim1: int) -> Tensor:
    """Exchange two axes."""
    return _read(input).transpose(dim0, dim1)


def permute(input: Any, dims: Sequence[int]) -> Tensor:
    """Return the axes in another order."""
    return _read(input).permute(*dims)


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Make one axis of several."""
    return _read(input).flatten(start_dim, end_dim)


def numel(input: Any) -> int:
    """Return the number of elements."""
    return int(_read(input).array.size)


def is_tensor(obj: Any) -> bool:
    """Whether something is a Tensor."""
    return isinstance(obj, Tensor)


# Comparison ---------------------------------------------------------------------------------------


def allclose(
    input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether all elements are within ``atol + rtol · |other|`` of the other's.

    Examples
    --------
    >>> import accelnn
    >>> accelnn.allclose(accelnn.tensor([1.0, 2.0]), [1.0, 2.000001])
    True
    """
    a, b = _read(input, other).numpy(), _read(other, input).numpy()
    return bool(np.allclose(a, b, rtol, atol, equal_nan))


def equal(input: Any, other: Any) -> bool:
    """Whether two tensors have one shape and the same elements."""
    return bool(np.array_equal(_read(input, other).numpy(), _read(other, input).numpy()))
