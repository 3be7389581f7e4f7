"""Other types and places of a tensor: float64, int64, the GPU."""

from typing import TYPE_CHECKING, Any

import numpy as np

from accelnn.backends import Backend
from accelnn.devices import backend_of
from accelnn.graph import record
from accelnn.operators.exports import on_host
from accelnn.operators.operand import Operand, is_float

if TYPE_CHECKING:
    from accelnn.autograd import Tensor

_DTYPES = frozenset(
    {"float16", "float32", "float64", "bool", "uint8", "uint16", "uint32", "uint64"}
    | {"int8", "int16", "int32", "int64"}
)


class Conversions(Operand):
    """Base of ``Tensor``: conversions, of which those between floats are in the graph."""

    __slots__ = ()

    # Types ------------------------------------------------------------------------------------

    def float(self) -> "Tensor":
        """Return the tensor in float32; itself if it is."""
        return self._cast("float32")

    def double(self) -> "Tensor":
        """Return the tensor in float64; itself if it is."""
        return self._cast("float64")

    def long(self) -> "Tensor":
        """Return the tensor in int64, fractions cut off; itself if it is."""
        return self._cast("int64")

    def int(self) -> "Tensor":
        """Return the tensor in int32, fractions cut off; itself if it is."""
        return self._cast("int32")

    def bool(self) -> "Tensor":
        """Return where the elements are not 0."""
        return self._cast("bool")

    def type_as(self, other: "Tensor") -> "Tensor":
        """Return the tensor in the dtype of another; itself if it is."""
        return self._cast(other.dtype)

    def _floating(self) -> "Tensor":
        """Return the tensor itself if it is of floats, else in float32."""
        return self if is_float(self.array.dtype) else self._cast("float32")  # type: ignore[return-value]

    def _cast(self, dtype: Any) -> "Tensor":
        """Return the tensor in another dtype, itself if it has that."""
        name, old = _name(dtype), self.dtype
        if name == _name(old):
            return self  # type: ignore[return-value]
        asarray = self.backend.asarray
        made = asarray(self.array, dtype=name)
        if not is_float(name):
            return self._of(made, self.backend)  # no gradient passes through integers and bool
        return record(name, made, (self,), lambda g: (asarray(g, dtype=old),))

    # Places -----------------------------------------------------------------------------------

    def to(self, *target: Any, dtype: Any = None, device: Any = None) -> "Tensor":
        """Return the tensor in another dtype or on another device; itself if it is both already.

        Parameters
        ----------
        *target : dtype, str, Backend or Tensor
            A dtype or its name; "cpu", which keeps a backend of the CPU and else returns to NumPy;
            "cuda", "cuda:1", which mean CuPy; a backend or its name; a Tensor, for both of its.
        dtype : dtype, optional
        device : str or Backend, optional

        Raises
        ------
        BackendUnavailable
            For a device that cannot be used here; the message says why and what to do.
        ValueError
            For an unknown name.

        Examples
        --------
        >>> from accelnn import Tensor
        >>> x = Tensor([1.0], requires_grad=True)
        >>> x.to("float64").dtype, x.to("numba").backend, x.to("cpu") is x
        (dtype('float64'), <accelnn backend 'numba'>, True)

        Notes
        -----
        Both are differentiable: the gradient comes back in the old dtype and place.
        """
        for given in target:
            if isinstance(given, Operand):
                dtype, device = given.dtype, given.backend
            elif isinstance(given, Backend) or (isinstance(given, str) and given not in _DTYPES):
                device = given
            elif given is not None and not isinstance(given, bool):  # PyTorch's non_blocking
                dtype = given
        moved = self._moved(backend_of(device, self.backend))
        return moved if dtype is None else moved._cast(dtype)

    def cpu(self) -> "Tensor":
        """Return the tensor on the CPU; itself if it is."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> "Tensor":
        """Return the tensor on a GPU, the current one or that of a number; itself if it is."""
        return self.to("cuda" if device is None else f"cuda:{device}")

    def _moved(self, target: Backend) -> "Tensor":
        source = self.backend
        if target is source:
            return self  # type: ignore[return-value]

        def backward(g: Any) -> tuple[Any]:
            return (source.asarray(target.to_numpy(g)),)

        made = record("to", target.asarray(on_host(self)), (self,), backward)
        made.backend = target
        return made


def _name(dtype: Any) -> str:
    """Return "float32" for that of NumPy, of PyTorch, and for the string."""
    if isinstance(dtype, type):
        return np.dtype(dtype).name
    return str(dtype).rpartition(".")[2]
