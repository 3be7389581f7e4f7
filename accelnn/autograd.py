"""The computation graph: a Tensor is an array and the operation that made it.

An operation is a pair: the forward array, and a function that turns the gradient of the result
into the gradients of the inputs. ``backward`` visits the operations in reverse topological order
and sums over the children of a node, so that branches are right by construction.
"""

from numbers import Integral, Real
from typing import Any

import numpy as np

from accelnn.backends import Backend, resolve_backend
from accelnn.errors import GraphError
from accelnn.graph import Node, topological_order
from accelnn.graph import record as record
from accelnn.operators import Operators


class Tensor(Operators):
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
        if requires_grad and not _is_float(self.array):
            raise TypeError(
                f"only float32 and float64 tensors have gradients, got {self.array.dtype}; "
                "pass dtype='float32' or leave requires_grad out"
            )
        self.requires_grad = requires_grad
        self.grad = None
        self._node = None
        self._retain = False

    @classmethod
    def _of(cls, data: Any, backend: Backend) -> "Tensor":
        """Wrap an array of ``backend`` as it is."""
        made = object.__new__(Tensor)
        made.array, made.backend = data, backend
        made.requires_grad, made.grad, made._node, made._retain = False, None, None, False
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
            self.array = self.backend.asarray(values)

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

    def __len__(self) -> int:
        return int(self.array.shape[0])

    def __repr__(self) -> str:
        values = np.array2string(self.numpy(), separator=", ", prefix="Tensor(")
        made = f", op={self._node.name}" if self._node else ""
        wants = ", requires_grad=True" if self.requires_grad and not self._node else ""
        return f"Tensor({values}, dtype={self.array.dtype}{made}{wants})"

    def numpy(self) -> Any:
        """Return the values as a NumPy array, without a copy where the memory allows it."""
        return self.backend.to_numpy(self.array)

    def item(self) -> Any:
        """Return the only element as a Python number."""
        return self.numpy().item()

    def tolist(self) -> Any:
        """Return nested Python lists."""
        return self.numpy().tolist()

    def detach(self) -> "Tensor":
        """Return the same array outside the graph."""
        return Tensor._of(self.array, self.backend)

    def retain_grad(self) -> None:
        """Keep the gradient of a tensor inside the graph, too."""
        self._retain = True

    # The way back -----------------------------------------------------------------------------

    def backward(self, gradient: Any = None, *, retain_graph: bool = False) -> None:
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
            elements without ``gradient``, and for a graph that was used up already.
        """
        if not self.requires_grad:
            raise GraphError(
                "backward() of a tensor that needs no gradient: no tensor it was computed from has "
                "requires_grad=True, or it was computed under no_grad()"
            )
        seed = self._seed(gradient)
        order = topological_order(self)
        for made in (t._node for t in order if t._node is not None):
            if made.backward is None:  # found out before any gradient is written
                raise GraphError(
                    f"this graph was used up by an earlier backward pass (at {made.name}); compute "
                    "the forward pass again or call backward(retain_graph=True) the first time"
                )
        grads: dict[int, Any] = {id(self): _own(seed, gradient, self)}
        for tensor in reversed(order):
            grad = grads.pop(id(tensor), None)
            if grad is None:
                continue
            node = tensor._node
            if node is None or tensor._retain:
                held = tensor.grad
                total = grad if held is None else held.array + grad
                tensor.grad = Tensor._of(total, tensor.backend)
            if node is None or node.backward is None:
                continue
            for parent, part in zip(node.parents, node.backward(grad), strict=True):
                if parent.requires_grad:
                    before = grads.get(id(parent))
                    total = _own(part, grad, parent) if before is None else before + part
                    grads[id(parent)] = _in_dtype(total, parent)
            if not retain_graph:
                node.backward = None

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

    # Operators --------------------------------------------------------------------------------

    def _other(self, other: Any) -> "Tensor":
        """Return the other operand on this tensor's backend; numbers take its dtype."""
        if isinstance(other, Tensor):
            if other.backend is not self.backend:
                raise TypeError(
                    f"tensors of two backends, {self.backend.name!r} and {other.backend.name!r}, "
                    "in one operation; make both on the same one (use_backend, or backend=)"
                )
            return other
        if not isinstance(other, Real):
            return Tensor(other, backend=self.backend)
        whole = isinstance(other, Integral) or _is_float(self.array)  # 0.5 is no integer
        return Tensor(other, dtype=self.array.dtype if whole else None, backend=self.backend)


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


def on_host(tensor: Tensor) -> Any:
    """Return the values as a NumPy array in their memory order, C or its transpose.

    A Linear's weight is the transpose of its storage; some backends bring only C order back.
    """
    x, to_numpy = tensor.array, tensor.backend.to_numpy
    flags = getattr(x, "flags", None)
    turned = flags is not None and flags.f_contiguous and not flags.c_contiguous
    return to_numpy(x.T).T if turned else to_numpy(x)


def _restored(
    kind: type[Tensor], array: Any, backend: Backend, requires_grad: bool, grad: Tensor | None
) -> Tensor:
    """Return a leaf of what ``Tensor.__reduce__`` gave."""
    made = object.__new__(kind)
    made.array, made.backend = backend.asarray(array), backend
    made.requires_grad, made.grad, made._node, made._retain = requires_grad, grad, None, False
    return made


def _own(grad: Any, source: Any, tensor: Tensor) -> Any:
    """Return ``grad``, copied if it is to be kept in ``tensor.grad`` but lies in ``source``.

    Sums, reshapes and the like pass their gradient on as it is; two ``.grad`` that share memory
    would both change when one is clipped in place.
    """
    kept = tensor._node is None or tensor._retain
    if not (kept and tensor.backend.in_place) or source is None:
        return grad
    xp, source = tensor.backend.xp, _array(source)
    return xp.array(grad) if grad is source or xp.may_share_memory(grad, source) else grad


def _in_dtype(grad: Any, tensor: Tensor) -> Any:
    """Return ``grad`` in the dtype of ``tensor``, from which a wider operand made it differ."""
    dtype = tensor.array.dtype
    return grad if grad.dtype == dtype else tensor.backend.asarray(grad, dtype=dtype)


def _array(x: Any) -> Any:
    return x.array if isinstance(x, Tensor) else x


def _is_float(x: Any) -> bool:
    return str(x.dtype).rpartition(".")[2] in ("float32", "float64")


def _python_dtype(data: Any) -> Any:
    """Return the dtype for Python numbers: float32, int64 or bool."""
    kind = np.asarray(data).dtype
    if kind.kind not in "fiub":
        raise TypeError(
            f"expected numbers, got {type(data).__name__} that NumPy reads as {kind}; "
            "rows of different lengths are a common cause"
        )
    return np.float32 if kind.kind == "f" else kind
