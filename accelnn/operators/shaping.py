"""Shapes: the same elements in other axes, some of them, and several tensors as one.

Most results are views: they share the memory of what they were made of, as in NumPy and PyTorch.
"""

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from accelnn.graph import record, unbroadcast
from accelnn.operators.operand import Operand

if TYPE_CHECKING:
    from accelnn.autograd import Tensor


class Shaping(Operand):
    """Base of ``Tensor``: axes, indices and broadcasting."""

    __slots__ = ()

    def reshape(self, *shape: int | Sequence[int]) -> "Tensor":
        """Return the same elements, in C order, in another shape; one length may be -1."""
        old, new, xp = self.shape, _lengths(shape), self.backend.xp
        return record(
            "reshape", xp.reshape(self.array, new), (self,), lambda g: (xp.reshape(g, old),)
        )

    def view(self, *shape: int | Sequence[int]) -> "Tensor":
        """Return what ``reshape`` does, also where that has to copy."""
        return self.reshape(*shape)

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> "Tensor":
        """Make one axis of those from ``start_dim`` to ``end_dim``, both included."""
        if self.ndim == 0:
            return self.reshape(1)
        first, last = _axis(start_dim, self.ndim), _axis(end_dim, self.ndim)
        if first > last:
            raise ValueError(f"flatten: start_dim={start_dim} lies behind end_dim={end_dim}")
        width = 1
        for length in self.shape[first : last + 1]:
            width *= length
        return self.reshape(*self.shape[:first], width, *self.shape[last + 1 :])

    def unsqueeze(self, dim: int) -> "Tensor":
        """Insert an axis of length 1 at ``dim``, which may be the number of axes."""
        place = _axis(dim, self.ndim + 1)
        return self.reshape(*self.shape[:place], 1, *self.shape[place:])

    def squeeze(self, dim: int | tuple[int, ...] | None = None) -> "Tensor":
        """Drop the axes of length 1, or those of them that ``dim`` names."""
        asked = range(self.ndim) if dim is None else dim if isinstance(dim, tuple) else (dim,)
        gone = {_axis(i, self.ndim) for i in asked} if self.ndim else set()
        left = [n for i, n in enumerate(self.shape) if n != 1 or i not in gone]
        return self.reshape(tuple(left))

    # Order of the axes ------------------------------------------------------------------------

    @property
    def T(self) -> "Tensor":  # noqa: N802 - the field's name
        """The transpose of a matrix."""
        if self.ndim != 2:
            raise ValueError(
                f".T is the transpose of a matrix, got shape {self.shape}; .mT transposes a stack "
                "of them, permute(...) names any order of axes"
            )
        return self.permute(1, 0)

    @property
    def mT(self) -> "Tensor":  # noqa: N802 - the field's name
        """The transposes of a stack of matrices: its last two axes change places."""
        if self.ndim < 2:
            raise ValueError(f".mT transposes matrices, got shape {self.shape}")
        return self.transpose(-2, -1)

    def t(self) -> "Tensor":
        """Return the transpose of a matrix; a vector and a number as they are."""
        return self.T if self.ndim > 1 else self.reshape(self.shape)

    def transpose(self, dim0: int | None = None, dim1: int | None = None) -> "Tensor":
        """Let two axes change places; without any, turn the order of all around."""
        order = list(range(self.ndim))
        if dim0 is None or dim1 is None:
            return self.permute(order[::-1])
        i, j = _axis(dim0, self.ndim), _axis(dim1, self.ndim)
        order[i], order[j] = j, i
        return self.permute(order)

    def permute(self, *dims: int | Sequence[int]) -> "Tensor":
        """Return the axes in another order: axis i of the result is axis ``dims[i]``.

        Examples
        --------
        >>> from accelnn import Tensor
        >>> Tensor([[[1.0, 2.0, 3.0]]]).permute(2, 0, 1).shape
        (3, 1, 1)
        """
        order = [_axis(i, self.ndim) for i in _lengths(dims)]
        if sorted(order) != list(range(self.ndim)):
            raise ValueError(f"permute expects each of {self.ndim} axes once, got {tuple(order)}")
        back = sorted(range(len(order)), key=order.__getitem__)
        turn = self.backend.xp.transpose
        return record("transpose", turn(self.array, order), (self,), lambda g: (turn(g, back),))

    def movedim(self, source: int, destination: int) -> "Tensor":
        """Move one axis to another place, the others keeping their order."""
        order = list(range(self.ndim))
        moved = order.pop(_axis(source, self.ndim))
        order.insert(_axis(destination, self.ndim), moved)
        return self.permute(order)

    # Broadcasting -----------------------------------------------------------------------------

    def expand(self, *shape: int | Sequence[int]) -> "Tensor":
        """Repeat along axes of length 1, and along new ones in front, without a copy.

        Parameters
        ----------
        *shape : int, or one tuple of int
            -1 keeps the length of an axis.
        """
        new = _lengths(shape)
        extra = len(new) - self.ndim
        if extra < 0 or -1 in new[:extra]:
            raise ValueError(f"expand: shape {self.shape} cannot become {new}")
        full = [n if n != -1 else self.shape[i - extra] for i, n in enumerate(new)]
        return self.broadcast_to(full)

    def broadcast_to(self, shape: Sequence[int]) -> "Tensor":
        """Return the tensor repeated to a shape that it broadcasts to, without a copy."""
        old, new = self.shape, tuple(shape)
        return record(
            "expand",
            self.backend.xp.broadcast_to(self.array, new),
            (self,),
            lambda g: (unbroadcast(g, old),),
        )

    # Indices ----------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> "Tensor":
        index, repeats = self._index(index)
        shape, dtype, xp = self.shape, self.dtype, self.backend.xp

        def backward(g: Any) -> tuple[Any]:
            full = xp.zeros(shape, dtype=dtype)
            if repeats:
                xp.add.at(full, index, g)  # an element taken twice gets both gradients
            else:
                full[index] = g
            return (full,)

        return record("getitem", self.array[index], (self,), backward)

    def _index(self, index: Any) -> tuple[Any, bool]:
        """Return an index of arrays, and whether it may name an element twice: by integers."""
        if isinstance(index, tuple):
            found = [self._index(part) for part in index]
            return tuple(part for part, _ in found), any(repeats for _, repeats in found)
        index = self._other(index).array if isinstance(index, Operand) else index
        dtype = getattr(index, "dtype", None)
        return index, isinstance(index, list) if dtype is None else "bool" not in str(dtype)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("a tensor of shape () has no length")
        return self.shape[0]

    def __iter__(self) -> Any:
        """Go through the first axis."""
        if self.ndim == 0:
            raise TypeError("a tensor of shape () has no elements to go through; item() is its own")
        return (self[i] for i in range(len(self)))


def cat(tensors: Sequence["Tensor"], dim: int = 0) -> "Tensor":
    """Put tensors one after the other along an axis.

    Parameters
    ----------
    tensors : sequence of Tensor
        Of one shape but for that axis, on one backend.
    dim : int

    Raises
    ------
    ValueError
        For no tensors, or shapes that do not fit.
    TypeError
        If they are on several backends.

    Examples
    --------
    >>> import accelnn
    >>> from accelnn import Tensor
    >>> accelnn.cat([Tensor([[1.0, 2.0]]), Tensor([[3.0, 4.0]])], dim=1).tolist()
    [[1.0, 2.0, 3.0, 4.0]]
    """
    parts = _together("cat", tensors)
    first = parts[0]
    axis = _axis(dim, first.ndim) if first.ndim else 0
    wrong = [
        p.shape
        for p in parts
        if p.ndim == 0 or _without(p.shape, axis) != _without(first.shape, axis)
    ]
    if wrong:
        raise ValueError(
            f"cat along dim={dim} expects one shape but for that axis, got {first.shape} and "
            f"{wrong[0]}; stack(...) makes a new axis"
        )
    before = (slice(None),) * axis
    places, end = [], 0
    for part in parts:
        end, start = end + part.shape[axis], end
        places.append((*before, slice(start, end)))
    joined = first.backend.xp.concatenate([p.array for p in parts], axis=axis)
    return record("cat", joined, parts, lambda g: [g[place] for place in places])


def stack(tensors: Sequence["Tensor"], dim: int = 0) -> "Tensor":
    """Put tensors side by side along a new axis.

    Parameters
    ----------
    tensors : sequence of Tensor
        Of one shape, on one backend.
    dim : int
        Where the new axis goes.

    Raises
    ------
    ValueError
        For no tensors, or several shapes.
    TypeError
        If they are on several backends.

    Examples
    --------
    >>> import accelnn
    >>> from accelnn import Tensor
    >>> accelnn.stack([Tensor([1.0, 2.0]), Tensor([3.0, 4.0])], dim=1).tolist()
    [[1.0, 3.0], [2.0, 4.0]]
    """
    parts = _together("stack", tensors)
    shape = parts[0].shape
    for part in parts:
        if part.shape != shape:
            raise ValueError(f"stack expects tensors of one shape, got {shape} and {part.shape}")
    axis = _axis(dim, len(shape) + 1)
    before = (slice(None),) * axis
    joined = parts[0].backend.xp.stack([p.array for p in parts], axis=axis)
    return record("stack", joined, parts, lambda g: [g[(*before, i)] for i in range(len(parts))])


def _together(name: str, tensors: Sequence["Tensor"]) -> tuple["Tensor", ...]:
    """Return tensors of one backend and, if one of them is float, of floats."""
    parts = tuple(tensors)
    if not parts:
        raise ValueError(f"{name} expects at least one tensor, got none")
    for part in parts:
        if not isinstance(part, Operand):
            raise TypeError(f"{name} expects tensors, got {type(part).__name__}")
        parts[0]._other(part)  # raises for one of another backend
    return parts


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


def _lengths(given: Sequence[Any]) -> tuple[int, ...]:
    """Return integers that were given as ``(2, 3)`` or as ``((2, 3),)``."""
    if len(given) == 1 and isinstance(given[0], tuple | list):
        given = given[0]
    return tuple(operator.index(n) for n in given)


def _axis(dim: int, n: int) -> int:
    """Return an axis counted from the front, of ``n`` of them."""
    if not -n <= dim < n:
        raise ValueError(f"there is no axis {dim} among {n}; expected {-n} to {n - 1}")
    return dim % n
