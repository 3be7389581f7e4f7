"""Stochastic gradient descent."""

from collections.abc import Iterable
from typing import Any

from accelnn.autograd import Parameter
from accelnn.backends.plan import Update
from accelnn.kernels import table as t
from accelnn.optim.optimizer import Optimizer, Scalars, check_number


class SGD(Optimizer):
    """``v = μ v + g``, ``p -= lr v``, as in PyTorch; without momentum ``p -= lr g``.

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
    momentum : float
        μ, 0 to 1.
    nesterov : bool
        ``p -= lr (μ v + g)`` (Sutskever et al. 2013, in the form of PyTorch); needs momentum.
    weight_decay : float
        Added to the gradient, times the parameter.

    Examples
    --------
    >>> from accelnn import nn, optim
    >>> optim.SGD(nn.Linear(2, 1).parameters(), lr=0.1)
    SGD(lr=0.1, momentum=0.0, nesterov=False, weight_decay=0.0)
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 0.001,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr)
        self.momentum = check_number("momentum", momentum, 0)
        self.nesterov = bool(nesterov)
        self.weight_decay = check_number("weight_decay", weight_decay, 0)
        if nesterov and momentum == 0:
            raise ValueError("nesterov=True needs momentum > 0")

    def update(self) -> Update:
        """Plain or with momentum."""
        return Update(
            kind=t.MOMENTUM if self.momentum else t.SGD,
            beta1=self.momentum,
            nesterov=self.nesterov,
            decay_weights=self.weight_decay,
            decay_biases=self.weight_decay,
        )

    def scalars(self, t: int, lr: float) -> Scalars:
        """(a, b) = (1, lr) with momentum, else (lr,)."""
        return (1.0, lr, 0.0) if self.momentum else (lr, 0.0, 0.0)

    def apply(self, backend: Any, p: Any, g: Any, states: list[Any], scalars: Scalars) -> Any:
        """Call ``sgd`` or ``momentum``."""
        if not self.momentum:
            out = {"out": p} if backend.in_place else {}
            return (backend.sgd(p, g, lr=scalars[0], decay=self.weight_decay, **out),)
        (v,) = states
        return backend.momentum(
            p,
            g,
            v,
            mu=self.momentum,
            a=scalars[0],
            b=scalars[1],
            nesterov=self.nesterov,
            decay=self.weight_decay,
            **({"out": (p, v)} if backend.in_place else {}),
        )
