"""A layer that learns its activation."""

from typing import Any, SupportsIndex

from accelnn.autograd import Tensor
from accelnn.backends import Backend
from accelnn.nn import functional as F
from accelnn.nn.linear import Linear


class Maxout(Linear):
    """Each unit is the largest of some affine maps: ``aⱼ = maxₖ (x Wᵀ + b)[pieces · j + k]``.

    A unit is a convex function of x made of pieces, and the pieces are learned: with two, it can be
    ReLU, LeakyReLU or ``|x|`` (Goodfellow et al. 2013, arXiv:1302.4389).

    Parameters
    ----------
    in_features, out_features : int
    pieces : int
        Affine maps of a unit, at least 1.
    bias : bool
    dtype : {"float32", "float64"}
    backend : str or Backend
    device : str or Backend, optional
        As for ``Linear``.

    Attributes
    ----------
    weight : Parameter of shape (out_features · pieces, in_features)
        The rows ``j · pieces ... (j + 1) · pieces - 1`` belong to unit j. Stored as in ``Linear``.
    bias : Parameter of shape (out_features · pieces,), or None

    Raises
    ------
    ValueError
        If a size is negative or no integer, or ``pieces`` is less than 1.

    Notes
    -----
    Input (..., in_features), output (..., out_features). Of equal pieces the first has the
    gradient.

    Examples
    --------
    >>> import accelnn
    >>> from accelnn import nn
    >>> absolute = nn.Maxout(1, 1, pieces=2, bias=False)
    >>> absolute.weight.data = accelnn.Tensor([[1.0], [-1.0]])
    >>> absolute([[-3.0], [2.0]]).tolist()
    [[3.0], [2.0]]
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        pieces: int = 2,
        bias: bool = True,
        *,
        dtype: Any = "float32",
        backend: str | Backend = "auto",
        device: str | Backend | None = None,
    ) -> None:
        if not isinstance(out_features, SupportsIndex) or out_features < 0:
            raise ValueError(f"out_features must be an integer of at least 0, got {out_features!r}")
        how = {"dtype": dtype, "backend": backend, "device": device}
        wide = int(out_features) * F.checked_pieces(pieces)
        super().__init__(in_features, wide, bias, **how)
        self.out_features, self.pieces = int(out_features), int(pieces)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) -> (..., out_features)."""
        return F.maxout(super().forward(x), self.pieces)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        found = super().config()
        sizes = {name: found.pop(name) for name in ("in_features", "out_features")}
        return sizes | {"pieces": self.pieces} | found
