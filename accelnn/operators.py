"""What can be computed with a Tensor: its operators and methods, each with its way back.

Here are the operations that any array library has. Those with kernels, of layers and losses, are in
``nn/functional.py``.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from accelnn.backends import Backend
from accelnn.graph import record, unbroadcast

if TYPE_CHECKING:
    from accelnn.autograd import Tensor


class Operators:
    """Base of ``Tensor``, which brings the array, its backend and ``_other``."""

    __slots__ = ()

    if TYPE_CHECKING:
        array: Any
        backend: Backend

        @property
        def shape(self) -> tuple[int, ...]:
            """Lengths of the axes."""

        @property
        def ndim(self) -> int:
            """Number of axes."""

        def _other(self, other: Any) -> Tensor: ...

        @classmethod
        def _of(cls, data: Any, backend: Backend) -> Tensor: ...

    # Arithmetic -------------------------------------------------------------------------------

    def __add__(self, other: Any) -> "Tensor":
        a, b = self, self._other(other)

        def backward(g: Any) -> tuple[Any, Any]:
            return unbroadcast(g, a.shape), unbroadcast(g, b.shape)

        return record("add", a.array + b.array, (a, b), backward)

    def __sub__(self, other: Any) -> "Tensor":
        a, b = self, self._other(other)

        def backward(g: Any) -> tuple[Any, Any]:
            return unbroadcast(g, a.shape), unbroadcast(-g, b.shape)

        return record("sub", a.array - b.array, (a, b), backward)

    def __mul__(self, other: Any) -> "Tensor":
        a, b = self, self._other(other)

        def backward(g: Any) -> tuple[Any, Any]:
            return unbroadcast(g * b.array, a.shape), unbroadcast(g * a.array, b.shape)

        return record("mul", a.array * b.array, (a, b), backward)

    def __truediv__(self, other: Any) -> "Tensor":
        a, b = self, self._other(other)

        def backward(g: Any) -> tuple[Any, Any]:
            by_b = g / b.array
            return unbroadcast(by_b, a.shape), unbroadcast(-by_b * a.array / b.array, b.shape)

        return record("div", a.array / b.array, (a, b), backward)

    def __pow__(self, exponent: float) -> "Tensor":
        if not isinstance(exponent, int | float | np.integer | np.floating):
            raise TypeError(f"the exponent must be a number, got {type(exponent).__name__}")
        x = self
        exponent = exponent if isinstance(exponent, int) else float(exponent)

        def backward(g: Any) -> tuple[Any]:
            if exponent == 0:  # also where x = 0, whose -1st power is infinite
                return (g * 0.0,)
            return (g * exponent * x.array ** (exponent - 1),)

        return record("pow", x.array**exponent, (x,), backward)

    def __neg__(self) -> "Tensor":
        return record("neg", -self.array, (self,), lambda g: (-g,))

    def __radd__(self, other: Any) -> "Tensor":
        return self._other(other) + self

    def __rsub__(self, other: Any) -> "Tensor":
        return self._other(other) - self

    def __rmul__(self, other: Any) -> "Tensor":
        return self._other(other) * self

    def __rtruediv__(self, other: Any) -> "Tensor":
        return self._other(other) / self

    def __rmatmul__(self, other: Any) -> "Tensor":
        return self._other(other) @ self

    def __matmul__(self, other: Any) -> "Tensor":
        a, b = self, self._other(other)
        if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
            raise ValueError(f"@ expects (n, k) @ (k, m), got {a.shape} @ {b.shape}")
        matmul = a.backend.matmul

        def backward(g: Any) -> tuple[Any, Any]:
            return matmul(g, b.array, tb=True), matmul(a.array, g, ta=True)

        return record("matmul", matmul(a.array, b.array), (a, b), backward)

    def exp(self) -> "Tensor":
        """``eˣ``, element by element."""
        y = self.backend.xp.exp(self.array)
        return record("exp", y, (self,), lambda g: (g * y,))

    def log(self) -> "Tensor":
        """Natural logarithm, element by element."""
        x = self.array
        return record("log", self.backend.xp.log(x), (self,), lambda g: (g / x,))

    def sqrt(self) -> "Tensor":
        """``√x``, element by element; the slope at 0 is infinite."""
        y = self.backend.xp.sqrt(self.array)
        return record("sqrt", y, (self,), lambda g: (g * 0.5 / y,))

    def abs(self) -> "Tensor":
        """``|x|``, element by element; the slope at 0 is 0."""
        x, xp = self.array, self.backend.xp
        return record("abs", xp.abs(x), (self,), lambda g: (g * xp.sign(x),))

    def __abs__(self) -> "Tensor":
        return self.abs()

    # Choice -----------------------------------------------------------------------------------

    def __lt__(self, other: Any) -> "Tensor":
        return self._compared("less", other)

    def __le__(self, other: Any) -> "Tensor":
        return self._compared("less_equal", other)

    def __gt__(self, other: Any) -> "Tensor":
        return self._compared("greater", other)

    def __ge__(self, other: Any) -> "Tensor":
        return self._compared("greater_equal", other)

    def _compared(self, name: str, other: Any) -> "Tensor":
        """Return booleans, which have no gradient."""
        b = self._other(other)
        return b._of(getattr(self.backend.xp, name)(self.array, b.array), self.backend)

    def maximum(self, other: Any) -> "Tensor":
        """Return the larger element of the two; equal ones share the gradient, as in PyTorch."""
        return self._extreme("maximum", "less", other)

    def minimum(self, other: Any) -> "Tensor":
        """Return the smaller element of the two; equal ones share the gradient, as in PyTorch."""
        return self._extreme("minimum", "greater", other)

    def _extreme(self, name: str, loses: str, other: Any) -> "Tensor":
        a, b, xp = self, self._other(other), self.backend.xp
        beaten = getattr(xp, loses)

        def backward(g: Any) -> tuple[Any, Any]:
            shared = xp.where(a.array == b.array, g * 0.5, g)
            nothing = xp.zeros_like(g)
            to_a = xp.where(beaten(a.array, b.array), nothing, shared)
            to_b = xp.where(beaten(b.array, a.array), nothing, shared)
            return unbroadcast(to_a, a.shape), unbroadcast(to_b, b.shape)

        return record(name, getattr(xp, name)(a.array, b.array), (a, b), backward)

    def clip(self, low: float | None = None, high: float | None = None) -> "Tensor":
        """Return the nearest number from ``low`` to ``high``; the slope outside is 0.

        Parameters
        ----------
        low, high : float, optional
            None for no limit.
        """
        x, xp = self.array, self.backend.xp

        def backward(g: Any) -> tuple[Any]:
            nothing = xp.zeros_like(g)
            g = g if low is None else xp.where(x < low, nothing, g)
            return (g if high is None else xp.where(x > high, nothing, g),)

        return record("clip", xp.clip(x, low, high), (self,), backward)

    def where(self, condition: Any, other: Any) -> "Tensor":
        """Return this element where ``condition`` is true, that of ``other`` elsewhere.

        Parameters
        ----------
        condition : Tensor or array of bool
        other : Tensor, array or number

        Examples
        --------
        >>> from accelnn import Tensor
        >>> x = Tensor([-2.0, 3.0])
        >>> x.where(x > 0, 0.1 * x).tolist()
        [-0.20000000298023224, 3.0]
        """
        a, b, xp = self, self._other(other), self.backend.xp
        chosen = a._other(condition).array
        if "bool" not in str(chosen.dtype):
            raise TypeError(f"where expects a condition of bool, got {chosen.dtype}")

        def backward(g: Any) -> tuple[Any, Any]:
            nothing = xp.zeros_like(g)
            to_a, to_b = xp.where(chosen, g, nothing), xp.where(chosen, nothing, g)
            return unbroadcast(to_a, a.shape), unbroadcast(to_b, b.shape)

        return record("where", xp.where(chosen, a.array, b.array), (a, b), backward)

    # Sums -------------------------------------------------------------------------------------

    def sum(self, axis: int | None = None, keepdims: bool = False) -> "Tensor":
        """Sum over one axis, or over all."""
        x, xp = self, self.backend.xp

        def backward(g: Any) -> tuple[Any]:
            if axis is not None and not keepdims:
                g = xp.expand_dims(g, axis)
            return (xp.broadcast_to(g, x.shape),)

        return record("sum", xp.sum(x.array, axis=axis, keepdims=keepdims), (x,), backward)

    def mean(self, axis: int | None = None, keepdims: bool = False) -> "Tensor":
        """Mean over one axis, or over all."""
        count = self.array.size if axis is None else self.shape[axis]
        return self.sum(axis, keepdims) / count

    # Shape ------------------------------------------------------------------------------------

    def reshape(self, *shape: int | tuple[int, ...]) -> "Tensor":
        """Return the same elements, in C order, in another shape."""
        x, xp = self, self.backend.xp
        new = shape[0] if shape and isinstance(shape[0], tuple) else shape
        return record(
            "reshape", xp.reshape(x.array, new), (x,), lambda g: (xp.reshape(g, x.shape),)
        )

    @property
    def T(self) -> "Tensor":  # noqa: N802 - the field's name
        """The transpose of a matrix."""
        if self.ndim != 2:
            raise ValueError(f".T is the transpose of a matrix, got shape {self.shape}")
        return record("transpose", self.array.T, (self,), lambda g: (g.T,))

    def __getitem__(self, index: Any) -> "Tensor":
        x, xp = self, self.backend.xp
        index = index.array if isinstance(index, Operators) else index

        def backward(g: Any) -> tuple[Any]:
            full = xp.zeros_like(x.array)
            xp.add.at(full, index, g)  # an element taken twice gets both gradients
            return (full,)

        return record("getitem", x.array[index], (x,), backward)
