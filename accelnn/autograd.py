"""The computation graph: a Tensor is an array and the operation that made it.

An operation is a pair: the forward array, and a function that turns the gradient of the result
into the gradients of the inputs. ``backward`` visits the operations in reverse topological order
and sums over the children of a node, so that branches are right by construction.
"""

from importlib import import_module
from numbers import Integral, Real
from typing import Any

import numpy as np

from accelnn.backends import Backend, resolve_backend
from accelnn.devices import device as Device
from accelnn.errors import GraphError
from accelnn.graph import Node, gradients
from accelnn.graph import record as record
from accelnn.operators.arithmetic import Arithmetic
from accelnn.operators.conversions import Conversions
from accelnn.operators.elementwise import Elementwise
from accelnn.operators.exports import Exports
from accelnn.operators.exports import on_host as on_host
from accelnn.operators.inplace import InPlace
from accelnn.operators.operand import is_float
from accelnn.operators.products import Products
from accelnn.operators.reductions import Reductions
from accelnn.operators.shaping import Shaping

_new = object.__new__


class Tensor(Arithmetic, Elementwise, Products, Reductions, Shaping, InPlace, Conversions, Exports):
    """An n-dimensional array that remembers how it was computed.

    Parameters
    ----------
    data : array, nested sequence of numbers or Tensor
        Python floats become float32 as in PyTorch; arrays keep their dtype. They are copied where
        ``requires_grad`` makes them something that an optimizer may write to.
    requires_grad : bool
        Whether ``backward`` leaves a gradient here.
    dtype : dtype, optional
    backend : str or Backend
        "auto" follows ``use_backend``, ``ACCELNN_BACKEND``, the place of ``data``, then NumPy.

    Attributes
    ----------
    array : array
        The array itself, of the backend's library.
    data : Tensor
        The same array outside the graph, as in PyTorch; what is assigned takes its place.
    grad : Tensor or None
        Sum of the gradients that backward passes left here.
    backend : Backend

    Examples
    --------
    The graph of L = 3 (a + b c) at a, b, c = 5, 3, 2:

    >>> from accelnn import Tensor
    >>> a, b, c = (Tensor(v, requires_grad=True) for v in (5.0, 3.0, 2.0))
    >>> L = 3 * (a + b * c)
    >>> L.backward()
    >>> L.item(), a.grad.item(), b.grad.item(), c.grad.item()
    (33.0, 3.0, 6.0, 9.0)
    """

    __slots__ = ("_node", "_retain", "array", "backend", "grad", "requires_grad")
    array: Any
    backend: Backend
    requires_grad: bool
    grad: "Tensor | None"
    _node: Node | None
    _retain: bool
    __array_priority__ = 100  # ndarray * Tensor is left to Tensor

    def __init__(
        self,
        data: Any,
        requires_grad: bool = False,
        *,
        dtype: Any = None,
        backend: str | Backend = "auto",
    ) -> None:
        if isinstance(data, Tensor):
            backend = data.backend if backend == "auto" else backend
            data = data.array
        self.backend = resolve_backend(backend, data)
        if dtype is None and not hasattr(data, "dtype"):
            dtype = _python_dtype(data)
        self.array = self.backend.asarray(data, dtype=dtype)
        if requires_grad and hasattr(data, "dtype"):
            self.array = self.backend.copy(
                self.array
            )  # an optimizer writes here, not to the user's
        if requires_grad and not is_float(self.array.dtype):
            raise TypeError(
                f"only float32 and float64 tensors have gradients, got {self.array.dtype}; "
                "pass dtype='float32' or leave requires_grad out"
            )
        self.requires_grad = requires_grad
        self.grad = None
        self._node = None
        self._retain = False

    @staticmethod
    def _of(data: Any, backend: Backend) -> "Tensor":
        """Wrap an array of ``backend`` as it is."""
        made: Tensor = _new(Tensor)
        made.array = data
        made.backend = backend
        made.grad = made._node = None
        made.requires_grad = made._retain = False
        return made

    # What it is -------------------------------------------------------------------------------

    @property
    def data(self) -> "Tensor":
        """The same array outside the graph: what is written there is written here."""
        return Tensor._of(self.array, self.backend)

    @data.setter
    def data(self, values: Any) -> None:
        if isinstance(values, Tensor):
            self.array, self.backend = values.array, values.backend
        else:
            kept = None if hasattr(values, "dtype") else self.array.dtype
            self.array = self.backend.asarray(values, dtype=kept)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple(self.array.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.array.shape)

    @property
    def dtype(self) -> Any:
        """Type of the elements, as the backend's library names it."""
        return self.array.dtype

    @property
    def device(self) -> Device:
        """Where the elements are, in PyTorch's words: "cpu", "cuda" or "cuda:1"."""
        kind, colon, number = self.backend.name.partition(":")
        return Device(f"cuda{colon}{number}" if kind == "cupy" else "cpu")

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the length of one axis."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """Return the number of axes."""
        return self.ndim

    def numel(self) -> int:
        """Return the number of elements."""
        return int(self.array.size)

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it."""
        return self._node is None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle or copy the values as a NumPy array beside the backend, which goes by name."""
        if not self.is_leaf:
            raise GraphError(
                f"a tensor inside a graph (made by {self._node.name}) cannot be "  # type: ignore[union-attr]
                "pickled or copied; detach() it first"
            )
        state = (type(self), on_host(self), self.backend, self.requires_grad, self.grad)
        return _restored, state, getattr(self, "__dict__", None)

    def detach(self) -> "Tensor":
        """Return the same array outside the graph."""
        return Tensor._of(self.array, self.backend)

    def clone(self) -> "Tensor":
        """Return a copy with memory of its own, inside the graph."""
        return record("clone", self.backend.copy(self.array), (self,), lambda g: (g,))

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Let backward leave a gradient here from now on, or no longer; returns the tensor itself.

        Raises
        ------
        TypeError
            For a tensor of integers or bool.
        GraphError
            To end it for a tensor inside a graph; ``detach`` gives the same outside.
        """
        if requires_grad and not is_float(self.dtype):
            raise TypeError(
                f"only float32 and float64 tensors have gradients, got {self.dtype}; "
                "convert it first, as x.float()"
            )
        if self._node is not None and not requires_grad:
            raise GraphError(
                f"a tensor inside a graph (made by {self._node.name}) requires a gradient as what "
                "it was computed from does; detach() it instead"
            )
        self.requires_grad = requires_grad
        return self

    def retain_grad(self) -> None:
        """Keep the gradient of a tensor inside the graph, too."""
        if not self.requires_grad:
            raise GraphError(
                "retain_grad() of a tensor that needs no gradient: no tensor it was computed from "
                "has requires_grad=True, or it was computed under no_grad()"
            )
        self._retain = True

    # The way back -----------------------------------------------------------------------------

    def backward(self, gradient: Any = None, retain_graph: bool = False) -> None:
        """Add the gradients of this tensor to ``.grad`` of all it was computed from.

        Parameters
        ----------
        gradient : array or Tensor of this shape, optional
            Gradient of whatever comes after; 1 for a tensor of one element.
        retain_graph : bool
            Keep the graph for another backward pass.

        Raises
        ------
        GraphError
            For a tensor that was not computed from any with ``requires_grad``, for one of several
            elements without ``gradient``, for a graph that was used up already, and for one that
            needs an array which was changed in place since.
        """
        if not self.requires_grad:
            raise GraphError(
                "backward() of a tensor that needs no gradient: no tensor it was computed from has "
                "requires_grad=True, or it was computed under no_grad()"
            )
        seed = self._seed(gradient)
        for tensor, grad in gradients(self, seed, retain_graph=retain_graph):
            if tensor._node is None or tensor._retain:
                held = tensor.grad
                total = grad if held is None else held.array + grad
                tensor.grad = Tensor._of(total, tensor.backend)

    def _seed(self, gradient: Any) -> Any:
        if gradient is None:
            if self.array.size != 1:
                raise GraphError(
                    f"backward() of a tensor of shape {self.shape} needs gradient=, an array of "
                    "that shape; only a tensor of one element can do without"
                )
            return self.backend.xp.ones_like(self.array)
        seed = self.backend.asarray(_array(gradient), dtype=self.array.dtype)
        if tuple(seed.shape) != self.shape:
            raise ValueError(
                f"gradient has shape {tuple(seed.shape)}, expected the tensor's, {self.shape}"
            )
        return seed

    # Arithmetic --------------------------------------------------------------------------------

    def _other(self, other: Any) -> "Tensor":
        """Return the other operand on this tensor's backend; numbers take its dtype."""
        if isinstance(other, Tensor):
            if other.backend is not self.backend:
                raise TypeError(
                    f"tensors of two backends, {self.backend.name!r} and {other.backend.name!r}, "
                    "in one operation; make both on the same one (use_backend, or backend=)"
                )
            return other
        if type(other) is not float and not isinstance(other, Real):  # the first is quick
            return Tensor(other, backend=self.backend)
        held = self.backend
        return Tensor._of(held.asarray(other, self._dtype_beside(other)), held)

    def _dtype_beside(self, number: Any) -> Any:
        """Return the dtype of a number: this tensor's, unless it is of a lower kind."""
        own = self.array.dtype
        if is_float(own) or isinstance(number, bool):
            return own
        if not isinstance(number, Integral):
            return np.float32  # 0.5 is no integer
        return np.int64 if "bool" in str(own) else own

    def _pair(self, other: Any) -> "tuple[Tensor, Tensor]":
        """Return both operands; beside floats, integers and bool are read as these."""
        b = other if isinstance(other, Tensor) else None
        if b is None or b.backend is not self.backend:
            b = self._other(other)
        a, left, right = self, self.array.dtype, b.array.dtype
        if left == right:
            return a, b
        if is_float(left) and not is_float(right):
            return a, b._cast(left)
        if is_float(right) and not is_float(left):
            return a._cast(right), b
        return a, b


class Parameter(Tensor):
    """A tensor that belongs to a layer and is learned: ``requires_grad`` unless said otherwise."""

    __slots__ = ()

    def __init__(
        self,
        data: Any,
        requires_grad: bool = True,
        *,
        dtype: Any = None,
        backend: str | Backend = "auto",
    ) -> None:
        super().__init__(data, requires_grad, dtype=dtype, backend=backend)


def _restored(
    kind: type[Tensor], array: Any, backend: Backend, requires_grad: bool, grad: Tensor | None
) -> Tensor:
    """Return a leaf of what ``Tensor.__reduce__`` gave."""
    made = object.__new__(kind)
    made.array, made.backend = backend.asarray(array), backend
    made.requires_grad, made.grad, made._node, made._retain = requires_grad, grad, None, False
    return made


def _array(x: Any) -> Any:
    return x.array if isinstance(x, Tensor) else x


def _python_dtype(data: Any) -> Any:
    """Return the dtype for Python numbers: float32, int64 or bool."""
    kind = np.asarray(data).dtype
    if kind.kind not in "fiub":
        raise TypeError(
            f"expected numbers, got {type(data).__name__} that NumPy reads as {kind}; "
            "rows of different lengths are a common cause"
        )
    return np.float32 if kind.kind == "f" else kind


def __getattr__(name: str) -> Any:
    """Return what PyTorch has in ``torch.autograd``, from its own module here, on first use."""
    if name in ("grad", "functional"):  # functional.jacobian, vjp and jvp
        derivatives = import_module("accelnn.derivatives")
        return derivatives if name == "functional" else derivatives.grad
    raise AttributeError(f"module 'accelnn.autograd' has no attribute {name!r}")
