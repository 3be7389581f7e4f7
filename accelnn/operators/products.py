"""Matrix products: of matrices, vectors and stacks of matrices.

With ``C = A B``, A of shape (n, k), B of (k, m), the gradients are ``dA = dC Bᵀ`` and
``dB = Aᵀ dC``. A vector on the left is one row, on the right one column; leading axes broadcast.
"""

from typing import TYPE_CHECKING, Any

from accelnn.graph import record, unbroadcast
from accelnn.operators.operand import Operand, is_float

if TYPE_CHECKING:
    from accelnn.autograd import Tensor


class Products(Operand):
    """Base of ``Tensor``: ``@`` and its relatives."""

    __slots__ = ()

    def __matmul__(self, other: Any) -> "Tensor":
        a, b = self._pair(other)
        if a.dtype != b.dtype:
            a, b = a.double(), b.double()
        fits = a.ndim and b.ndim and a.shape[-1] == b.shape[-2 if b.ndim > 1 else 0]
        if not fits:
            raise ValueError(
                f"@ expects (n, k) @ (k, m), vectors (k,), or stacks (..., n, k) @ (..., k, m), "
                f"got {a.shape} @ {b.shape}"
            )
        if a.ndim == 2 and b.ndim == 2 and is_float(a.dtype):
            return _of_matrices(a, b)
        return _of_stacks(a, b)

    def __rmatmul__(self, other: Any) -> "Tensor":
        return self._other(other) @ self

    def matmul(self, other: Any) -> "Tensor":
        """Return ``self @ other``.

        Parameters
        ----------
        other : Tensor or array
            (..., k, m) for a tensor of (..., n, k); leading axes broadcast. A vector (k,) counts as
            one row on the left, as one column on the right, and its axis is missing in the result.

        Raises
        ------
        ValueError
            If the shapes do not fit.

        Examples
        --------
        >>> from accelnn import Tensor
        >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).matmul([1.0, 1.0]).tolist()
        [3.0, 7.0]
        """
        return self.__matmul__(other)

    def mm(self, other: Any) -> "Tensor":
        """Return the product of two matrices, (n, k) and (k, m), and of nothing else."""
        b = self._other(other)
        if self.ndim != 2 or b.ndim != 2:
            raise ValueError(f"mm expects two matrices, got {self.shape} and {b.shape}; see matmul")
        return self @ b

    def dot(self, other: Any) -> "Tensor":
        """Return the sum of the products of two vectors' elements, and of nothing else's."""
        b = self._other(other)
        if self.ndim != 1 or b.ndim != 1:
            raise ValueError(f"dot expects two vectors, got {self.shape} and {b.shape}; see matmul")
        return self @ b


def _of_matrices(a: "Tensor", b: "Tensor") -> "Tensor":
    """(n, k) @ (k, m), all three products by the backend's kernel."""
    x, y, matmul = a.array, b.array, a.backend.matmul
    product = matmul(x, y)
    x, y = (x if b.requires_grad else None), (y if a.requires_grad else None)

    def backward(g: Any) -> tuple[Any, Any]:
        return (
            None if y is None else matmul(g, y, tb=True),
            None if x is None else matmul(x, g, ta=True),
        )

    return record("matmul", product, (a, b), backward)


def _of_stacks(a: "Tensor", b: "Tensor") -> "Tensor":
    """Products of other than two matrices; vectors are matrices of one row or one column here."""
    xp, a_shape, b_shape = a.backend.xp, a.shape, b.shape
    x = xp.reshape(a.array, (1, a_shape[0])) if a.ndim == 1 else a.array
    y = xp.reshape(b.array, (b_shape[0], 1)) if b.ndim == 1 else b.array
    x_shape, y_shape = tuple(x.shape), tuple(y.shape)
    product = xp.matmul(x, y)
    full = tuple(product.shape)
    shape = full[:-2] + full[-2:-1] * (a.ndim > 1) + full[-1:] * (b.ndim > 1)
    x, y = (x if b.requires_grad else None), (y if a.requires_grad else None)

    def backward(g: Any) -> tuple[Any, Any]:
        g = xp.reshape(g, full)
        left = right = None
        if y is not None:
            left = xp.reshape(unbroadcast(xp.matmul(g, xp.swapaxes(y, -1, -2)), x_shape), a_shape)
        if x is not None:
            right = xp.reshape(unbroadcast(xp.matmul(xp.swapaxes(x, -1, -2), g), y_shape), b_shape)
        return left, right

    return record("matmul", xp.reshape(product, shape), (a, b), backward)
