"""The way out of a tensor: arrays of NumPy, numbers of Python, text."""

import operator
from typing import Any

import numpy as np

from accelnn.errors import GraphError
from accelnn.operators.operand import Operand


class Exports(Operand):
    """Base of ``Tensor``: what Python and NumPy read of it."""

    __slots__ = ()

    def numpy(self) -> Any:
        """Return the values as a NumPy array, without a copy where the memory allows it."""
        return self.backend.to_numpy(self.array)

    def item(self) -> Any:
        """Return the only element as a Python number."""
        return self.numpy().item()

    def tolist(self) -> Any:
        """Return nested Python lists, or a number for a tensor of shape ()."""
        return self.numpy().tolist()

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        """Let NumPy read the values of a tensor that needs no gradient."""
        if self.requires_grad:
            raise GraphError(
                "NumPy would read a tensor that requires a gradient, and the gradient would be "
                "lost; use x.detach().numpy()"
            )
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __bool__(self) -> bool:
        if self.array.size != 1:
            raise ValueError(
                f"the truth of a tensor of shape {self.shape} is ambiguous; use any() or all()"
            )
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return operator.index(self.item())

    def __format__(self, spec: str) -> str:
        """Format a tensor of shape () as its number, any other as text."""
        return format(self.item() if self.ndim == 0 else str(self), spec)

    def __repr__(self) -> str:
        values = np.array2string(self.numpy(), separator=", ", prefix="Tensor(")
        made = f", op={self._node.name}" if self._node else ""
        wants = ", requires_grad=True" if self.requires_grad and not self._node else ""
        return f"Tensor({values}, dtype={self.dtype}{made}{wants})"


def on_host(tensor: Any) -> Any:
    """Return the values as a NumPy array in their memory order, C or its transpose.

    A Linear's weight is the transpose of its storage; some backends bring only C order back.
    """
    x, to_numpy = tensor.array, tensor.backend.to_numpy
    flags = getattr(x, "flags", None)
    turned = flags is not None and flags.f_contiguous and not flags.c_contiguous
    return to_numpy(x.T).T if turned else to_numpy(x)
