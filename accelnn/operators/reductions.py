"""What makes many elements one: sums, means, extremes, positions, all and any.

Each takes the axes as PyTorch calls them, ``dim`` and ``keepdim``, or as NumPy does, ``axis`` and
``keepdims``: an integer, a tuple of them, or None for all.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

from accelnn.graph import record
from accelnn.operators.operand import Operand

if TYPE_CHECKING:
    from accelnn.autograd import Tensor

Axes = int | tuple[int, ...] | None


class Extremes(NamedTuple):
    """What ``max`` and ``min`` along an axis return.

    Attributes
    ----------
    values, indices : Tensor
        The extreme elements, and their positions along the axis.
    """

    values: "Tensor"
    indices: "Tensor"


class Reductions(Operand):
    """Base of ``Tensor``: reductions over axes."""

    __slots__ = ()

    def sum(
        self,
        dim: Axes = None,
        keepdim: bool = False,
        *,
        axis: Axes = None,
        keepdims: bool = False,
    ) -> "Tensor":
        """Sum over axes, or over all elements.

        Parameters
        ----------
        dim : int or tuple of int, optional
            Axes to sum over; all if not given. ``axis`` is the same.
        keepdim : bool
            Keep them with length 1. ``keepdims`` is the same.

        Examples
        --------
        >>> from accelnn import Tensor
        >>> x = Tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> x.sum().item(), x.sum(dim=0).tolist(), x.sum(axis=1, keepdims=True).tolist()
        (10.0, [4.0, 6.0], [[3.0], [7.0]])
        """
        axes, keep = _axes(dim, axis), keepdim or keepdims
        shape, kept, xp = self.shape, self._kept(axes), self.backend.xp

        def backward(g: Any) -> tuple[Any]:
            return (xp.broadcast_to(xp.reshape(g, kept), shape),)

        return record("sum", xp.sum(self.array, axis=axes, keepdims=keep), (self,), backward)

    def mean(
        self,
        dim: Axes = None,
        keepdim: bool = False,
        *,
        axis: Axes = None,
        keepdims: bool = False,
    ) -> "Tensor":
        """Mean over axes, or over all elements; of integers and bool in float32.

        Parameters
        ----------
        dim, keepdim, axis, keepdims
            As for ``sum``.
        """
        x, axes, keep = self._floating(), _axes(dim, axis), keepdim or keepdims
        shape, kept, xp = x.shape, x._kept(axes), x.backend.xp
        total = xp.sum(x.array, axis=axes, keepdims=keep)
        count = _ratio(shape, kept)

        def backward(g: Any) -> tuple[Any]:
            return (xp.broadcast_to(xp.reshape(g / count, kept), shape),)

        return record("mean", total / count, (x,), backward)

    def var(
        self,
        dim: Axes = None,
        correction: int = 1,
        keepdim: bool = False,
        *,
        axis: Axes = None,
        keepdims: bool = False,
    ) -> "Tensor":
        """Variance ``Σ (x - mean)² / (n - correction)`` over axes, or over all elements.

        Parameters
        ----------
        dim, keepdim, axis, keepdims
            As for ``sum``.
        correction : int
            1 estimates the variance of a population from a sample, as PyTorch does; 0 is the mean
            of the squares, NumPy's default.
        """
        axes, keep = _axes(dim, axis), keepdim or keepdims
        count = _ratio(self.shape, self._kept(axes))
        squares = (self - self.mean(axes, True)).square()
        return squares.sum(axes, keep) / max(count - correction, 0)

    def std(
        self,
        dim: Axes = None,
        correction: int = 1,
        keepdim: bool = False,
        *,
        axis: Axes = None,
        keepdims: bool = False,
    ) -> "Tensor":
        """Return the root of ``var``."""
        return self.var(_axes(dim, axis), correction, keepdim or keepdims).sqrt()

    def prod(
        self,
        dim: Axes = None,
        keepdim: bool = False,
        *,
        axis: Axes = None,
        keepdims: bool = False,
    ) -> "Tensor":
        """Product over axes, or over all elements.

        The slope of an element is the product of the others, also where one of them is 0.

        Parameters
        ----------
        dim, keepdim, axis, keepdims
            As for ``sum``.
        """
        axes, keep = _axes(dim, axis), keepdim or keepdims
        x, kept, xp = self.array, self._kept(axes), self.backend.xp

        def backward(g: Any) -> tuple[Any]:
            is_zero = x == 0
            filled = xp.where(is_zero, xp.ones_like(x), x)
            rest = xp.prod(filled, axis=axes, keepdims=True) / filled
            zeros_of_others = xp.sum(is_zero, axis=axes, keepdims=True) - is_zero
            slope = xp.where(zeros_of_others == 0, rest, xp.zeros_like(x))
            return (xp.reshape(g, kept) * slope,)

        return record("prod", xp.prod(x, axis=axes, keepdims=keep), (self,), backward)

    # Extremes ---------------------------------------------------------------------------------

    def max(
        self,
        dim: Any = None,
        keepdim: bool = False,
        *,
        axis: Axes = None,
        keepdims: bool = False,
    ) -> Any:
        """Largest element of all, or along an axis with its position, or of two tensors.

        Parameters
        ----------
        dim : int, tuple of int or Tensor, optional
            None gives a Tensor of one element; equal ones share its gradient. One axis gives
            ``(values, indices)`` as in PyTorch, and the gradient goes to the element of the index,
            the first of equal ones. Several axes give the values alone, as ``amax`` does. A Tensor
            makes it ``maximum``.
        keepdim, axis, keepdims
            As for ``sum``.

        Examples
        --------
        >>> from accelnn import Tensor
        >>> x = Tensor([[1.0, 5.0], [7.0, 2.0]])
        >>> values, indices = x.max(dim=1)
        >>> x.max().item(), values.tolist(), indices.tolist()
        (7.0, [5.0, 7.0], [1, 0])
        """
        return self._extreme_of("max", dim, axis, keepdim or keepdims)

    def min(
        self,
        dim: Any = None,
        keepdim: bool = False,
        *,
        axis: Axes = None,
        keepdims: bool = False,
    ) -> Any:
        """Smallest element of all, or along an axis with its position, or of two tensors.

        As ``max`` in everything else.
        """
        return self._extreme_of("min", dim, axis, keepdim or keepdims)

    def amax(
        self,
        dim: Axes = None,
        keepdim: bool = False,
        *,
        axis: Axes = None,
        keepdims: bool = False,
    ) -> "Tensor":
        """Largest element over axes, without its position; equal ones share the gradient."""
        return self._shared_extreme("max", _axes(dim, axis), keepdim or keepdims)

    def amin(
        self,
        dim: Axes = None,
        keepdim: bool = False,
        *,
        axis: Axes = None,
        keepdims: bool = False,
    ) -> "Tensor":
        """Smallest element over axes, without its position; equal ones share the gradient."""
        return self._shared_extreme("min", _axes(dim, axis), keepdim or keepdims)

    def argmax(
        self,
        dim: int | None = None,
        keepdim: bool = False,
        *,
        axis: int | None = None,
        keepdims: bool = False,
    ) -> "Tensor":
        """Position of the largest element along an axis, or in the flattened tensor; the first."""
        return self._position("argmax", dim, axis, keepdim or keepdims)

    def argmin(
        self,
        dim: int | None = None,
        keepdim: bool = False,
        *,
        axis: int | None = None,
        keepdims: bool = False,
    ) -> "Tensor":
        """Position of the smallest element along an axis, or in the flattened tensor; the first."""
        return self._position("argmin", dim, axis, keepdim or keepdims)

    def _extreme_of(self, name: str, dim: Any, axis: Axes, keep: bool) -> Any:
        if isinstance(dim, Operand):
            return getattr(self, name + "imum")(dim)
        axes = _axes(dim, axis)
        if axes is None or isinstance(axes, tuple):
            return self._shared_extreme(name, axes, keep)
        x, xp = self.array, self.backend.xp
        shape, kept = self.shape, self._kept(axes)
        indices = self._position("arg" + name, axes, None, keep)
        places = xp.reshape(indices.array, kept)

        def backward(g: Any) -> tuple[Any]:
            along = [1] * len(shape)
            along[axes] = shape[axes]
            here = xp.reshape(xp.arange(shape[axes]), along) == places
            g = xp.reshape(g, kept)
            return (xp.where(here, g, xp.zeros_like(g)),)

        values = getattr(xp, name)(x, axis=axes, keepdims=keep)
        return Extremes(record(name, values, (self,), backward), indices)

    def _shared_extreme(self, name: str, axes: Axes, keep: bool) -> "Tensor":
        x, kept, xp = self.array, self._kept(axes), self.backend.xp
        y = getattr(xp, name)(x, axis=axes, keepdims=keep)

        def backward(g: Any) -> tuple[Any]:
            chosen = (x == xp.reshape(y, kept)) | (x != x)  # a NaN is the extreme
            equal = xp.asarray(chosen, dtype=x.dtype)
            return (equal / xp.sum(equal, axis=axes, keepdims=True) * xp.reshape(g, kept),)

        return record(name, y, (self,), backward)

    def _position(self, name: str, dim: int | None, axis: int | None, keep: bool) -> "Tensor":
        axes = _axes(dim, axis)
        xp = self.backend.xp
        found = getattr(xp, name)(self.array, axis=axes)
        return self._of(xp.reshape(found, self._kept(axes)) if keep else found, self.backend)

    # Logic ------------------------------------------------------------------------------------

    def all(
        self,
        dim: Axes = None,
        keepdim: bool = False,
        *,
        axis: Axes = None,
        keepdims: bool = False,
    ) -> "Tensor":
        """Whether all elements, or all along axes, are true; a number is where it is not 0."""
        xp = self.backend.xp
        found = xp.all(self.array, axis=_axes(dim, axis), keepdims=keepdim or keepdims)
        return self._of(found, self.backend)

    def any(
        self,
        dim: Axes = None,
        keepdim: bool = False,
        *,
        axis: Axes = None,
        keepdims: bool = False,
    ) -> "Tensor":
        """Whether any element, or any along axes, is true; a number is where it is not 0."""
        xp = self.backend.xp
        found = xp.any(self.array, axis=_axes(dim, axis), keepdims=keepdim or keepdims)
        return self._of(found, self.backend)

    def _kept(self, axes: Axes) -> tuple[int, ...]:
        """Return the shape with the axes that go at length 1."""
        shape, n = self.shape, self.ndim
        if axes is None:
            return (1,) * n
        gone = {axis % n for axis in (axes if isinstance(axes, tuple) else (axes,)) if n}
        return tuple(1 if i in gone else length for i, length in enumerate(shape))


def _axes(dim: Axes, axis: Axes) -> Axes:
    """Return the axes under whichever of the two names they were given."""
    if dim is None:
        dim = axis
    elif axis is not None:
        raise TypeError(f"dim={dim} and axis={axis} are two names of the same argument; give one")
    return tuple(dim) if isinstance(dim, list) else dim


def _ratio(shape: tuple[int, ...], kept: tuple[int, ...]) -> int:
    """Return how many elements of ``shape`` there are to one of ``kept``."""
    count = 1
    for length, left in zip(shape, kept, strict=True):
        count *= length if left == 1 else 1
    return count
