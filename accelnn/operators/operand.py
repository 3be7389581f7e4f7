"""What the bases of Tensor know of it; each holds the operations of one kind."""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accelnn.autograd import Tensor
    from accelnn.backends import Backend


class Operand:
    """Base of the bases: ``Tensor`` brings all that is declared here."""

    __slots__ = ()

    if TYPE_CHECKING:
        array: Any
        backend: Backend
        requires_grad: bool
        _node: Any

        @property
        def shape(self) -> tuple[int, ...]:
            """Lengths of the axes."""

        @property
        def ndim(self) -> int:
            """Number of axes."""

        @property
        def dtype(self) -> Any:
            """Type of the elements."""

        def _other(self, other: Any) -> Tensor: ...

        def _pair(self, other: Any) -> tuple[Tensor, Tensor]: ...

        def _floating(self) -> Tensor: ...

        @staticmethod
        def _of(data: Any, backend: Backend) -> Tensor: ...


@cache  # the name of a dtype takes NumPy ten times as long as to look one up
def is_float(dtype: Any) -> bool:
    """Return whether a dtype, of any library, is float32 or float64: those that have gradients."""
    return str(dtype).rpartition(".")[2] in ("float32", "float64")


@cache
def is_integer(dtype: Any) -> bool:
    """Return whether a dtype, of any library, is of integers, signed or not."""
    return "int" in str(dtype)
