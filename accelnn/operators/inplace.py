"""Changes in place: the same memory with other values, and what of that a graph allows.

A tensor outside the graph may be overwritten, and whatever shares its memory changes with it. A
leaf with ``requires_grad`` may be under ``no_grad`` only, as optimizers do it: otherwise the graph
would not know of the change. A tensor inside a graph is never overwritten by ``+=``, which then
makes a new tensor; nor by a method, which raises. Every change is noted (``changes.py``), so that
a backward pass which needs the values from before raises instead of being wrong.

On a backend whose arrays cannot be written to the tensor gets a new array instead.
"""

from typing import TYPE_CHECKING, Any

from accelnn import changes
from accelnn.errors import GraphError
from accelnn.graph import recording
from accelnn.operators.exports import on_host
from accelnn.operators.operand import Operand, is_float

if TYPE_CHECKING:
    from accelnn.autograd import Tensor


class InPlace(Operand):
    """Base of ``Tensor``: methods with an underscore, ``x[...] =`` and augmented assignment."""

    __slots__ = ()

    def zero_(self) -> "Tensor":
        """Fill with 0, in place.

        Examples
        --------
        >>> from accelnn import Tensor
        >>> w = Tensor([2.0], requires_grad=True)
        >>> (w * w).backward()
        >>> w.grad.zero_().tolist(), w.grad.tolist()
        ([0.0], [0.0])
        """
        return self.fill_(0)

    def fill_(self, value: Any) -> "Tensor":
        """Fill with one value, in place."""
        return self._assign("fill_", ..., value)

    def copy_(self, source: Any) -> "Tensor":
        """Take over the values of ``source``, in place; from any backend, in this dtype."""
        if isinstance(source, Operand) and source.backend is not self.backend:
            source = self._of(self.backend.asarray(on_host(source)), self.backend)
        return self._assign("copy_", ..., source)

    def add_(self, other: Any, *, alpha: float = 1) -> "Tensor":
        """Add ``alpha`` times ``other``, in place."""
        other = self._other(other)
        return self._overwrite("add_", "add", other if alpha == 1 else other * alpha)

    def sub_(self, other: Any, *, alpha: float = 1) -> "Tensor":
        """Subtract ``alpha`` times ``other``, in place."""
        other = self._other(other)
        return self._overwrite("sub_", "subtract", other if alpha == 1 else other * alpha)

    def mul_(self, other: Any) -> "Tensor":
        """Multiply by ``other``, in place."""
        return self._overwrite("mul_", "multiply", other)

    def div_(self, other: Any) -> "Tensor":
        """Divide by ``other``, in place."""
        return self._overwrite("div_", "true_divide", other)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._assign("x[...] =", self._index(index)[0], value)

    def __iadd__(self, other: Any) -> "Tensor":
        return self._augmented("+=", "add", other, lambda x, y: x + y)

    def __isub__(self, other: Any) -> "Tensor":
        return self._augmented("-=", "subtract", other, lambda x, y: x - y)

    def __imul__(self, other: Any) -> "Tensor":
        return self._augmented("*=", "multiply", other, lambda x, y: x * y)

    def __itruediv__(self, other: Any) -> "Tensor":
        return self._augmented("/=", "true_divide", other, lambda x, y: x / y)

    if TYPE_CHECKING:

        def _index(self, index: Any) -> tuple[Any, bool]: ...

    def _augmented(self, sign: str, ufunc: str, other: Any, plain: Any) -> "Tensor":
        """In place outside the graph; with anything of a graph in it a new tensor, recorded."""
        other = self._other(other)
        if recording.get() and (self._node is not None or other.requires_grad):
            if self._node is None and self.requires_grad:
                self._writable(sign, other)
            made: Tensor = plain(self, other)
            return made
        return self._overwrite(sign, ufunc, other)

    def _overwrite(self, name: str, ufunc: str, other: Any) -> "Tensor":
        """Write ``ufunc(self, other)`` into this tensor's memory."""
        other = self._writable(name, self._other(other))
        compute, x, y = getattr(self.backend.xp, ufunc), self.array, other.array
        if is_float(y.dtype) and not is_float(x.dtype):
            raise TypeError(
                f"{name} would round {y.dtype} to this tensor's {x.dtype}; convert it first, "
                "as x = x.float()"
            )
        if _has_memory(self):
            compute(x, y, out=x)
        else:
            made = compute(x, y)
            if tuple(made.shape) != self.shape:
                raise ValueError(
                    f"{name}: a result of {tuple(made.shape)} has no room in {x.shape}"
                )
            self.array = self.backend.asarray(made, dtype=x.dtype)
        return self._noted()

    def _assign(self, name: str, index: Any, value: Any) -> "Tensor":
        """Write values into elements of this tensor's memory."""
        values = self._writable(name, self._other(value)).array
        if not _has_memory(self):
            array = self.backend.xp.asarray(self.array, copy=True)
            array[index] = values
            self.array = array
        else:
            self.array[index] = values
        return self._noted()

    def _writable(self, name: str, other: "Tensor") -> "Tensor":
        """Return the other operand, or raise if the graph forbids the change."""
        if recording.get():
            if self._node is not None:
                raise GraphError(
                    f"{name} would overwrite a tensor inside a graph (made by {self._node.name}); "
                    "compute a new one, as y = y + x, or detach() it first"
                )
            if self.requires_grad:
                raise GraphError(
                    f"{name} would overwrite a leaf that requires a gradient, which the graph "
                    "cannot record; do it under no_grad(), or on x.data"
                )
            if other.requires_grad:
                raise GraphError(
                    f"{name} would write values that require a gradient into a tensor, which the "
                    "graph cannot record; compute a new one (x + y, where, cat, stack), or "
                    "detach() the values"
                )
        return other

    def _noted(self) -> "Tensor":
        changes.changed(changes.owner(self.array))
        return self  # type: ignore[return-value]


def _has_memory(tensor: Any) -> bool:
    """Return whether the array can be written to: not one of JAX, nor a number of NumPy."""
    return tensor.backend.in_place and hasattr(tensor.array, "__setitem__")
