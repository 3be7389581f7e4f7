"""Layers that move or drop numbers without computing any: Flatten, Dropout, Sequential."""

from collections.abc import Iterator
from typing import Any, overload

from accelnn.autograd import Tensor
from accelnn.nn import functional as F
from accelnn.nn.module import Module
from accelnn.seeding import fresh_seed


class Flatten(Module):
    """(n, ...) -> (n, product of the rest): an image becomes a row."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, ...) -> (n, m)."""
        return F.flatten(x)


class Dropout(Module):
    """While training, zero each element with probability ``p`` and scale the rest by 1/(1-p).

    Parameters
    ----------
    p : float
        Fraction dropped, 0 to 1.
    seed : int, optional
        0 ... 2⁶⁴-1. Drawn from ``manual_seed``'s generator if not given.

    Notes
    -----
    The mask depends on the seed, on the number of training passes so far (``call``) and on the
    position in the batch, so that every backend, eager or program, draws the same one.
    """

    def __init__(self, p: float = 0.5, *, seed: int | None = None) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p is the fraction dropped, 0 to 1; got {p!r}")
        if seed is not None and not 0 <= seed < 2**64:
            raise ValueError(f"seed must be an integer from 0 to 2**64 - 1, got {seed!r}")
        self.p = float(p)
        self.seed = fresh_seed() if seed is None else int(seed)
        self.call = 0

    def forward(self, x: Tensor) -> Tensor:
        """Any shape; the input itself when not training."""
        if not self.training:
            return x
        self.call += 1
        return F.dropout(x, self.p, seed=self.seed, call=self.call - 1)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"p": self.p, "seed": self.seed}


class Sequential(Module):
    """Layers one after the other.

    Examples
    --------
    >>> from accelnn import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> len(model), model(nn.functional.Tensor([[1.0, 2.0, 3.0, 4.0]])).shape
    (3, (1, 3))
    >>> len(model.append(nn.Softmax()))
    4
    """

    def __init__(self, *layers: Module) -> None:
        super().__init__()
        for i, layer in enumerate(layers):
            if not isinstance(layer, Module):
                raise TypeError(
                    f"Sequential expects modules, got {type(layer).__name__} at position {i}"
                )
            setattr(self, str(i), layer)

    def forward(self, x: Tensor) -> Tensor:
        """Pass ``x`` through all layers."""
        for layer in self:
            x = layer(x)
        return x

    def append(self, module: Module) -> "Sequential":
        """Put a layer behind the last; returns itself."""
        self.add_module(str(len(self)), module)
        return self

    def __iter__(self) -> Iterator[Module]:
        return iter(list(self._modules.values()))

    def __len__(self) -> int:
        return len(self._modules)

    @overload
    def __getitem__(self, i: int) -> Module: ...

    @overload
    def __getitem__(self, i: slice) -> "Sequential": ...

    def __getitem__(self, i: int | slice) -> Module:
        layers = list(self._modules.values())
        return Sequential(*layers[i]) if isinstance(i, slice) else layers[i]
