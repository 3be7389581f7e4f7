"""What is written with a sign: arithmetic, comparisons and logic, each with its way back.

Operands broadcast as in NumPy, and the gradient of one is summed over the axes along which it was
repeated. A way back holds only the arrays that it reads: an operand that needs no gradient costs
nothing, and one that only its shape matters of may be changed in place before the backward pass.
"""

from numbers import Real
from typing import TYPE_CHECKING, Any

from accelnn.errors import GraphError
from accelnn.graph import record, recording, unbroadcast
from accelnn.operators.operand import Operand, is_float

if TYPE_CHECKING:
    from accelnn.autograd import Tensor


class Arithmetic(Operand):
    """Base of ``Tensor``: the operators of Python but for ``@`` and ``[]``."""

    __slots__ = ()

    # Arithmetic -------------------------------------------------------------------------------

    def __add__(self, other: Any) -> "Tensor":
        a, b = self._pair(other)
        x, y = a.array, b.array
        total = x + y
        if x.shape == y.shape:
            return record("add", total, (a, b), _to_both)
        if total.shape == x.shape and not b.requires_grad:  # as a number
            return record("add", total, (a, b), _to_first)
        to_a, to_b = a.requires_grad and x.shape, b.requires_grad and y.shape

        def backward(g: Any) -> tuple[Any, Any]:
            return (
                None if to_a is False else unbroadcast(g, to_a),
                None if to_b is False else unbroadcast(g, to_b),
            )

        return record("add", total, (a, b), backward)

    def __sub__(self, other: Any) -> "Tensor":
        a, b = self._pair(other)
        x, y = a.array, b.array
        if x.shape == y.shape:
            return record("sub", x - y, (a, b), _to_both_turned)
        to_a, to_b = a.requires_grad and x.shape, b.requires_grad and y.shape

        def backward(g: Any) -> tuple[Any, Any]:
            return (
                None if to_a is False else unbroadcast(g, to_a),
                None if to_b is False else unbroadcast(-g, to_b),
            )

        return record("sub", x - y, (a, b), backward)

    def __mul__(self, other: Any) -> "Tensor":
        a, b = self._pair(other)
        x, y = a.array, b.array
        product = x * y
        if x.shape == y.shape and a.requires_grad and b.requires_grad:
            return record("mul", product, (a, b), lambda g: (g * y, g * x))
        to_a, to_b = a.requires_grad and x.shape, b.requires_grad and y.shape
        x, y = (None if to_b is False else x), (None if to_a is False else y)

        def backward(g: Any) -> tuple[Any, Any]:
            return (
                None if to_a is False else unbroadcast(g * y, to_a),
                None if to_b is False else unbroadcast(g * x, to_b),
            )

        return record("mul", product, (a, b), backward)

    def __truediv__(self, other: Any) -> "Tensor":
        a, b = self._pair(other)
        a, b = a._floating(), b._floating()
        x, y = a.array, b.array
        ratio = x / y
        to_a, to_b = a.requires_grad and x.shape, b.requires_grad and y.shape
        x = None if to_b is False else x

        def backward(g: Any) -> tuple[Any, Any]:
            by_y = g / y
            return (
                None if to_a is False else unbroadcast(by_y, to_a),
                None if to_b is False else unbroadcast(-by_y * x / y, to_b),
            )

        return record("div", ratio, (a, b), backward)

    def __floordiv__(self, other: Any) -> "Tensor":
        a, b = self._pair(other)
        if recording.get() and (a.requires_grad or b.requires_grad):
            raise GraphError(
                "// has no derivative; detach() the operands, or compute it under no_grad()"
            )
        return a._of(a.array // b.array, a.backend)

    def __pow__(self, exponent: Any) -> "Tensor":
        if not isinstance(exponent, Real):
            return self._power(exponent)
        whole = isinstance(exponent, int)
        exponent = exponent if whole else float(exponent)
        x = self if whole else self._floating()
        array = x.array

        def backward(g: Any) -> tuple[Any]:
            if exponent == 0:  # also where x = 0, whose -1st power is infinite
                return (g * 0.0,)
            return (g * exponent * array ** (exponent - 1),)

        return record("pow", array**exponent, (x,), backward)

    def _power(self, exponent: Any) -> "Tensor":
        """``aᵇ`` with the slopes ``b aᵇ⁻¹`` and ``aᵇ ln a``; PyTorch's 0 where those have no value.

        That is the first where b = 0, and the second where a = 0 and b ≥ 0.
        """
        a, b = self._pair(exponent)
        x, y, xp = a.array, b.array, a.backend.xp
        power = x**y
        to_a, to_b = a.requires_grad and x.shape, b.requires_grad and y.shape

        def backward(g: Any) -> tuple[Any, Any]:
            left = right = None
            if to_a is not False:
                below = xp.where(y == 0, xp.ones_like(y), y) - 1
                left = unbroadcast(g * y * x**below, to_a)
            if to_b is not False:
                flat = (x == 0) & (y >= 0)
                slope = power * xp.log(xp.where(flat, xp.ones_like(x), x))
                right = unbroadcast(g * slope, to_b)
            return left, right

        return record("pow", power, (a, b), backward)

    def __neg__(self) -> "Tensor":
        return record("neg", -self.array, (self,), lambda g: (-g,))

    def __pos__(self) -> Any:
        return self

    def __radd__(self, other: Any) -> "Tensor":
        return self._other(other) + self

    def __rsub__(self, other: Any) -> "Tensor":
        return self._other(other) - self

    def __rmul__(self, other: Any) -> "Tensor":
        return self._other(other) * self

    def __rtruediv__(self, other: Any) -> "Tensor":
        return self._other(other) / self

    def __rfloordiv__(self, other: Any) -> "Tensor":
        return self._other(other) // self

    def __rpow__(self, other: Any) -> "Tensor":
        return self._other(other)._power(self)

    # Comparisons and logic, which have no gradient --------------------------------------------

    #: ``==`` compares elements, as in PyTorch; in sets and dictionaries a tensor is itself.
    __hash__ = object.__hash__

    def __eq__(self, other: Any) -> Any:
        return self._compared("equal", other)

    def __ne__(self, other: Any) -> Any:
        return self._compared("not_equal", other)

    def __lt__(self, other: Any) -> "Tensor":
        return self._ordered("less", other)

    def __le__(self, other: Any) -> "Tensor":
        return self._ordered("less_equal", other)

    def __gt__(self, other: Any) -> "Tensor":
        return self._ordered("greater", other)

    def __ge__(self, other: Any) -> "Tensor":
        return self._ordered("greater_equal", other)

    def eq(self, other: Any) -> "Tensor":
        """Return where the elements are equal, as ``==`` does."""
        return self._ordered("equal", other)

    def ne(self, other: Any) -> "Tensor":
        """Return where the elements differ, as ``!=`` does."""
        return self._ordered("not_equal", other)

    def _compared(self, name: str, other: Any) -> Any:
        """Compare with what holds numbers; a tensor never equals None, a string and so on."""
        if other is None or isinstance(other, str | bytes):
            return NotImplemented
        return self._ordered(name, other)

    def _ordered(self, name: str, other: Any) -> "Tensor":
        """Return booleans."""
        b = self._other(other)
        return b._of(getattr(self.backend.xp, name)(self.array, b.array), self.backend)

    def __and__(self, other: Any) -> "Tensor":
        return self._bits("bitwise_and", "&", other)

    def __or__(self, other: Any) -> "Tensor":
        return self._bits("bitwise_or", "|", other)

    def __xor__(self, other: Any) -> "Tensor":
        return self._bits("bitwise_xor", "^", other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self) -> "Tensor":
        """Not, of bool; all bits turned, of integers."""
        if is_float(self.dtype):
            raise TypeError(f"~ takes a tensor of bool or integers, got {self.dtype}")
        return self._of(self.backend.xp.invert(self.array), self.backend)

    def _bits(self, name: str, sign: str, other: Any) -> "Tensor":
        """Logic of bool, bits of integers; PyTorch has no others either."""
        b = self._other(other)
        for dtype in (self.dtype, b.dtype):
            if is_float(dtype):
                raise TypeError(
                    f"{sign} takes tensors of bool or integers, got {dtype}; put comparisons in "
                    f"brackets: (x > 0) {sign} (x < 1)"
                )
        return b._of(getattr(self.backend.xp, name)(self.array, b.array), self.backend)


def _to_both(g: Any) -> tuple[Any, Any]:
    """Way back of a sum of equal shapes, which needs to remember nothing."""
    return g, g


def _to_first(g: Any) -> tuple[Any, Any]:
    """Way back of a sum of the first operand's shape, where the second needs no gradient."""
    return g, None


def _to_both_turned(g: Any) -> tuple[Any, Any]:
    """Way back of a difference of equal shapes."""
    return g, -g
