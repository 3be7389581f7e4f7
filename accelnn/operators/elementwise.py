"""Functions of each element by itself, and choices between elements, each with its way back."""

from typing import TYPE_CHECKING, Any

from accelnn.graph import record, unbroadcast
from accelnn.operators.operand import Operand

if TYPE_CHECKING:
    from accelnn.autograd import Tensor


class Elementwise(Operand):
    """Base of ``Tensor``: exp, log and the like, activations, maximum, clip and where.

    Integers and bool are read as float32, as in PyTorch.
    """

    __slots__ = ()

    def exp(self) -> "Tensor":
        """``eˣ``, element by element."""
        x = self._floating()
        y = x.backend.xp.exp(x.array)
        return record("exp", y, (x,), lambda g: (g * y,))

    def expm1(self) -> "Tensor":
        """``eˣ - 1``, exact also where x is small."""
        x = self._floating()
        y = x.backend.xp.expm1(x.array)
        return record("expm1", y, (x,), lambda g: (g * (y + 1),))

    def log(self) -> "Tensor":
        """Natural logarithm, element by element."""
        x = self._floating()
        array = x.array
        return record("log", x.backend.xp.log(array), (x,), lambda g: (g / array,))

    def log1p(self) -> "Tensor":
        """``ln(1 + x)``, exact also where x is small."""
        x = self._floating()
        array = x.array
        return record("log1p", x.backend.xp.log1p(array), (x,), lambda g: (g / (array + 1),))

    def sqrt(self) -> "Tensor":
        """``√x``, element by element; the slope at 0 is infinite."""
        x = self._floating()
        y = x.backend.xp.sqrt(x.array)
        return record("sqrt", y, (x,), lambda g: (g * 0.5 / y,))

    def square(self) -> "Tensor":
        """``x²``, element by element."""
        x = self.array
        return record("square", x * x, (self,), lambda g: (g * 2 * x,))

    def abs(self) -> "Tensor":
        """``|x|``, element by element; the slope at 0 is 0."""
        x, xp = self.array, self.backend.xp
        return record("abs", xp.abs(x), (self,), lambda g: (g * xp.sign(x),))

    def __abs__(self) -> "Tensor":
        return self.abs()

    def sign(self) -> "Tensor":
        """-1, 0 or 1, element by element; the slope is 0 everywhere, so nothing is learned."""
        y = self.backend.xp.sign(self.array)
        return record("sign", y, (self,), lambda g: (g * 0,))

    # Activations, by the kernels of the backend -----------------------------------------------

    def sigmoid(self) -> "Tensor":
        """``1 / (1 + e⁻ˣ)``, element by element."""
        return self._floating()._activated("sigmoid")

    def tanh(self) -> "Tensor":
        """``tanh x``, element by element."""
        return self._floating()._activated("tanh")

    def relu(self) -> "Tensor":
        """``max(x, 0)``, element by element; the slope at 0 is 0."""
        return self._floating()._activated("relu")

    def softmax(self, dim: int = -1) -> "Tensor":
        """``exp(x) / Σ exp(x)`` along an axis: positive, with the sum 1.

        Examples
        --------
        >>> from accelnn import Tensor
        >>> Tensor([[0.0, 0.0], [5.0, 5.0]]).softmax(dim=1).tolist()
        [[0.5, 0.5], [0.5, 0.5]]
        """
        return self._by_rows("softmax", dim)

    def log_softmax(self, dim: int = -1) -> "Tensor":
        """Logarithm of ``softmax``, exact also where that rounds to 0."""
        return self._by_rows("log_softmax", dim)

    def _activated(self, name: str) -> "Tensor":
        """Return an activation whose kernel for the way back reads the output."""
        backward = getattr(self.backend, name + "_backward")
        y = getattr(self.backend, name)(self.array)
        return record(name, y, (self,), lambda g: (backward(g, y),))

    def _by_rows(self, name: str, dim: int) -> "Tensor":
        """Bring the axis to the end and the rest into rows, which is what the kernels take."""
        x = self._floating()
        if not -x.ndim <= dim < x.ndim:
            raise ValueError(f"{name} has no axis dim={dim} in a tensor of shape {x.shape}")
        if dim % x.ndim != x.ndim - 1:
            return x.transpose(dim, -1)._by_rows(name, -1).transpose(dim, -1)
        if x.ndim == 2:
            return x._activated(name)
        return x.reshape(-1, x.shape[-1])._activated(name).reshape(x.shape)

    # Choice -----------------------------------------------------------------------------------

    def maximum(self, other: Any) -> "Tensor":
        """Return the larger element of the two; equal ones share the gradient, as in PyTorch."""
        return self._extreme("maximum", "less", other)

    def minimum(self, other: Any) -> "Tensor":
        """Return the smaller element of the two; equal ones share the gradient, as in PyTorch."""
        return self._extreme("minimum", "greater", other)

    def _extreme(self, name: str, loses: str, other: Any) -> "Tensor":
        a, b = self._pair(other)
        x, y, xp = a.array, b.array, a.backend.xp
        beaten = getattr(xp, loses)
        to_a, to_b = a.requires_grad and x.shape, b.requires_grad and y.shape

        def backward(g: Any) -> tuple[Any, Any]:
            shared = xp.where(x == y, g * 0.5, g)
            nothing = xp.zeros_like(g)
            left = right = None
            if to_a is not False:
                left = unbroadcast(xp.where(beaten(x, y), nothing, shared), to_a)
            if to_b is not False:
                right = unbroadcast(xp.where(beaten(y, x), nothing, shared), to_b)
            return left, right

        return record(name, getattr(xp, name)(x, y), (a, b), backward)

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

    def clamp(self, min: float | None = None, max: float | None = None) -> "Tensor":
        """Return what ``clip`` does, under PyTorch's other name for it."""
        return self.clip(min, max)

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
        a, b = self._pair(other)
        x, y, xp = a.array, b.array, a.backend.xp
        chosen = a._other(condition).array
        if "bool" not in str(chosen.dtype):
            raise TypeError(f"where expects a condition of bool, got {chosen.dtype}")
        to_a, to_b = a.requires_grad and x.shape, b.requires_grad and y.shape

        def backward(g: Any) -> tuple[Any, Any]:
            nothing = xp.zeros_like(g)
            return (
                None if to_a is False else unbroadcast(xp.where(chosen, g, nothing), to_a),
                None if to_b is False else unbroadcast(xp.where(chosen, nothing, g), to_b),
            )

        return record("where", xp.where(chosen, x, y), (a, b), backward)
