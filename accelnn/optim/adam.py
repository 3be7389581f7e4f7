"""Adam and AdamW: one kernel, two ways to decay."""

import math
from collections.abc import Iterable
from typing import Any

from accelnn.autograd import Parameter
from accelnn.backends.plan import Update
from accelnn.kernels import table as t
from accelnn.optim.optimizer import Optimizer, Scalars, check_number


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, algorithm 1), as in PyTorch.

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
    betas : tuple of two floats
        Decay rates of the running means of g and g², 0 to 1.
    eps : float
        Added to the root of the bias-corrected second moment.
    weight_decay : float
        Added to the gradient, times the parameter.

    Examples
    --------
    >>> from accelnn import nn, optim
    >>> optim.Adam(nn.Linear(2, 1).parameters())
    Adam(lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0)
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr)
        try:
            b1, b2 = betas
        except (TypeError, ValueError):
            raise ValueError(f"betas must be two numbers, got {betas!r}") from None
        self.betas = (check_number("betas[0]", b1, 0, 1), check_number("betas[1]", b2, 0, 1))
        self.eps = check_number("eps", eps, 0)
        self.weight_decay = check_number("weight_decay", weight_decay, 0)

    def update(self) -> Update:
        """Betas, and the decay that enters the gradient."""
        decay = self._gradient_decay()
        return Update(t.ADAM, *self.betas, decay_weights=decay, decay_biases=decay)

    def scalars(self, t: int, lr: float) -> Scalars:
        """(step, eps, shrink) of the kernel, with the bias corrections of step ``t`` folded in."""
        root = math.sqrt(1 - self.betas[1] ** t)
        return lr * root / (1 - self.betas[0] ** t), self.eps * root, self._shrink(lr)

    def apply(self, backend: Any, p: Any, g: Any, states: list[Any], scalars: Scalars) -> Any:
        """Call ``adam``."""
        return adam_kernel(
            backend, p, g, states, scalars, betas=self.betas, decay=self._gradient_decay()
        )

    def _gradient_decay(self) -> float:
        return self.weight_decay

    def _shrink(self, lr: float) -> float:
        return 1.0


class AdamW(Adam):
    """Adam whose decay shrinks the parameters, not the gradient (Loshchilov & Hutter 2019).

    ``p = (1 - lr · weight_decay) p - ...``; parameters as in ``Adam``, ``weight_decay`` 0.01.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def _gradient_decay(self) -> float:
        return 0.0

    def _shrink(self, lr: float) -> float:
        return 1.0 - lr * self.weight_decay


def adam_kernel(
    backend: Any,
    p: Any,
    g: Any,
    states: list[Any],
    scalars: Scalars,
    *,
    betas: tuple[float, float],
    decay: float,
) -> Any:
    """Call the kernel ``adam`` with the scalars of a step; returns (p, m, v)."""
    m, v = states
    return backend.adam(
        p,
        g,
        m,
        v,
        beta1=betas[0],
        beta2=betas[1],
        step=scalars[0],
        eps=scalars[1],
        decay=decay,
        shrink=scalars[2],
        **({"out": (p, m, v)} if backend.in_place else {}),
    )
