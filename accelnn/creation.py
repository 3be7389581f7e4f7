"""New tensors from data, filled and counted, under PyTorch's names; ``sampling`` draws some."""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from accelnn.autograd import Tensor
from accelnn.backends import Backend, resolve_backend
from accelnn.devices import backend_of
from accelnn.dtypes import float32, int64

Place = str | Backend | None  # a device or a backend; None where things are made by default

# From data ----------------------------------------------------------------------------------------


def tensor(
    data: Any, *, dtype: Any = None, device: Place = None, requires_grad: bool = False
) -> Tensor:
    """Copy numbers into a new tensor.

    Parameters
    ----------
    data : number, nested sequence of numbers or tensors, array or Tensor
        Python floats become float32, Python ints int64; arrays and tensors keep their dtype.
    dtype : dtype, optional
        Such as ``accelnn.float64``, or its name.
    device : str or Backend, optional
        "cpu", "cuda", or the name of a backend; otherwise where ``data`` are, if a Tensor, or the
        backend that ``use_backend`` names.
    requires_grad : bool

    Raises
    ------
    TypeError
        For something else than numbers, and for sizes as in ``tensor(8, 2)``: ``zeros`` and
        ``randn`` take those.

    Examples
    --------
    >>> import accelnn as torch
    >>> w = torch.tensor([3.0], requires_grad=True)
    >>> (w * w).backward()
    >>> w.grad.tolist(), str(torch.tensor([1, 2]).dtype)
    ([6.0], 'int64')
    """
    backend = backend_of(device, data.backend) if isinstance(data, Tensor) else _place(device, data)
    source = data.array if isinstance(data, Tensor) else _numbers(data)
    if isinstance(data, Tensor) and backend is not data.backend:
        source = data.numpy()
    made = Tensor(source, requires_grad, dtype=dtype, backend=backend)
    if not requires_grad and hasattr(source, "dtype"):  # which Tensor reads without a copy
        made.array = backend.copy(made.array)
    return made


def as_tensor(data: Any, *, dtype: Any = None, device: Place = None) -> Tensor:
    """Return ``data`` itself if it is a Tensor that fits, else one without a copy if possible."""
    if isinstance(data, Tensor):
        same_place = backend_of(device, data.backend) is data.backend
        if same_place and (dtype is None or _name(dtype) == _name(data.dtype)):
            return data
        return tensor(data, dtype=dtype, device=device)
    return Tensor(_numbers(data), dtype=dtype, backend=_place(device, data))


def from_numpy(array: Any) -> Tensor:
    """Return a Tensor on the memory of an array of NumPy; on a GPU it is a copy.

    Examples
    --------
    >>> import numpy as np
    >>> import accelnn
    >>> x = np.zeros(2)
    >>> shared = accelnn.from_numpy(x)
    >>> x[0] = 5
    >>> shared.tolist()
    [5.0, 0.0]
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(
            f"from_numpy expects an array of NumPy, got {type(array).__name__}; "
            "tensor(...) takes numbers and lists"
        )
    return Tensor(array)


def LongTensor(data: Any) -> Tensor:  # noqa: N802 - PyTorch's name
    """Copy numbers into a tensor of int64, as class numbers are.

    Examples
    --------
    >>> import accelnn as torch
    >>> torch.LongTensor([1, 0]).tolist()
    [1, 0]
    """
    return tensor(_listed(data, "LongTensor"), dtype=int64)


def FloatTensor(data: Any) -> Tensor:  # noqa: N802 - PyTorch's name
    """Copy numbers into a tensor of float32."""
    return tensor(_listed(data, "FloatTensor"), dtype=float32)


# Filled -------------------------------------------------------------------------------------------


def zeros(
    *size: int | Sequence[int],
    dtype: Any = float32,
    device: Place = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return zeros; the size as several integers or as one tuple."""
    return full(shape_of(size), 0, dtype=dtype, device=device, requires_grad=requires_grad)


def ones(
    *size: int | Sequence[int],
    dtype: Any = float32,
    device: Place = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return ones; the size as several integers or as one tuple.

    Examples
    --------
    >>> import accelnn
    >>> accelnn.ones(1, 4).tolist(), accelnn.ones((2,)).tolist()
    ([[1.0, 1.0, 1.0, 1.0]], [1.0, 1.0])
    """
    return full(shape_of(size), 1, dtype=dtype, device=device, requires_grad=requires_grad)


def full(
    size: Sequence[int],
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Place = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of one value, whose type decides about the dtype unless it is given."""
    if dtype is None:
        dtype = Tensor(fill_value, backend="numpy").dtype
    values = np.full(shape_of((size,)), _host(fill_value), dtype)
    return made(values, device, requires_grad)


def empty(
    *size: int | Sequence[int],
    dtype: Any = float32,
    device: Place = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor to be written to: zeros, since what lay in the memory serves nobody."""
    return zeros(*size, dtype=dtype, device=device, requires_grad=requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = float32,
    device: Place = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return the identity matrix, of shape (n, n) or (n, m)."""
    return made(np.eye(n, m, dtype=dtype), device, requires_grad)


def zeros_like(
    input: Tensor, *, dtype: Any = None, device: Place = None, requires_grad: bool = False
) -> Tensor:
    """Return zeros of the shape, dtype and backend of another tensor."""
    return full_like(input, 0, dtype=dtype, device=device, requires_grad=requires_grad)


def ones_like(
    input: Tensor, *, dtype: Any = None, device: Place = None, requires_grad: bool = False
) -> Tensor:
    """Return ones of the shape, dtype and backend of another tensor."""
    return full_like(input, 1, dtype=dtype, device=device, requires_grad=requires_grad)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Place = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of one value, of the shape, dtype and backend of another."""
    return like(input, lambda shape: np.full(shape, fill_value), dtype, device, requires_grad)


def empty_like(
    input: Tensor, *, dtype: Any = None, device: Place = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor to be written to, of the shape, dtype and backend of another: zeros."""
    return zeros_like(input, dtype=dtype, device=device, requires_grad=requires_grad)


# Counted ------------------------------------------------------------------------------------------


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: Place = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return ``start, start + step, ...`` below ``end``: int64 for integers, else float32.

    Examples
    --------
    >>> import accelnn
    >>> accelnn.arange(3).tolist(), accelnn.arange(1, 2, 0.5).tolist()
    ([0, 1, 2], [1.0, 1.5])
    """
    start, end = (0, start) if end is None else (start, end)
    if step == 0:
        raise ValueError("arange: step must not be 0")
    if dtype is None:
        whole = all(isinstance(v, int | np.integer) for v in (start, end, step))
        dtype = int64 if whole else float32
    count = max(math.ceil((end - start) / step), 0)
    return made((start + step * np.arange(count)).astype(dtype), device, requires_grad)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: Any = float32,
    device: Place = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return ``steps`` numbers at equal distances, the first ``start``, the last ``end``."""
    return made(np.linspace(start, end, steps).astype(dtype), device, requires_grad)


# Helpers ------------------------------------------------------------------------------------------


def made(values: Any, device: Place, requires_grad: bool = False) -> Tensor:
    """Move an array of NumPy to the backend that ``device`` means."""
    return Tensor(values, requires_grad, backend=backend_of(device))


def like(
    other: Any, draw: Callable[[tuple[int, ...]], Any], dtype: Any, device: Place, wants: bool
) -> Tensor:
    """Return what ``draw(shape)`` gives, in the shape, dtype and backend of another tensor."""
    other = other if isinstance(other, Tensor) else Tensor(other)
    dtype = other.dtype if dtype is None else dtype
    backend = backend_of(device, other.backend)
    return Tensor(rounded(draw(other.shape), dtype), wants, backend=backend)


def _place(device: Place, data: Any) -> Backend:
    """Return the backend for data that are no Tensor."""
    return resolve_backend("auto", data) if device is None else backend_of(device)


def rounded(values: Any, dtype: Any) -> Any:
    """Return NumPy's array in a dtype, which may be that of another library."""
    return np.asarray(values).astype(_name(dtype))


def _name(dtype: Any) -> str:
    """Return "float32" for that of NumPy, ``torch.float32`` or the string."""
    if isinstance(dtype, type):
        return np.dtype(dtype).name
    return str(dtype).rpartition(".")[2]


def _host(x: Any) -> Any:
    return x.item() if isinstance(x, Tensor) else x


def shape_of(size: Sequence[Any]) -> tuple[int, ...]:
    """Return a shape that is given as ``(2, 3)`` or as ``((2, 3),)``."""
    if len(size) == 1 and isinstance(size[0], Sequence):
        size = size[0]
    try:
        shape = tuple(operator.index(n) for n in size)
    except TypeError:
        raise TypeError(f"a size is made of integers, got {tuple(size)}") from None
    if any(n < 0 for n in shape):
        raise ValueError(f"a size must not be negative, got {shape}")
    return shape


def _listed(data: Any, name: str) -> Any:
    if not hasattr(data, "__len__"):
        raise TypeError(
            f"{name} expects a sequence of numbers, got {data!r}; zeros(n) takes a size"
        )
    return data


def _numbers(data: Any) -> Any:
    """Return nested sequences with the values of the tensors in them."""
    if isinstance(data, Tensor):
        return data.tolist()
    if isinstance(data, list | tuple) and any(isinstance(x, Tensor | list | tuple) for x in data):
        return [_numbers(x) for x in data]
    return data
