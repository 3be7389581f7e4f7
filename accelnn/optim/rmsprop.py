"""RMSprop, by Adam's kernel."""

from collections.abc import Iterable
from typing import Any

from accelnn.autograd import Parameter
from accelnn.backends.plan import Update
from accelnn.kernels import table as t
from accelnn.optim.adam import adam_kernel
from accelnn.optim.optimizer import Optimizer, Scalars, check_number


class RMSprop(Optimizer):
    """``v = α v + (1-α) g²``, ``p -= lr g / (√v + eps)`` (Hinton 2012, lecture 6e), as in PyTorch.

    PyTorch's ``momentum`` and ``centered`` are not known here.

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
    alpha : float
        Decay rate of the running mean of g², 0 to 1.
    eps : float
        Added to its root.
    weight_decay : float
        Added to the gradient, times the parameter.

    Notes
    -----
    This is Adam with β₁ = 0, whose mean of g is then g itself, and without bias corrections. So it
    runs on Adam's kernel, in programs fused as Adam is, at the price of a state that nobody reads.

    Examples
    --------
    >>> from accelnn import nn, optim
    >>> optim.RMSprop(nn.Linear(2, 1).parameters())
    RMSprop(lr=0.01, alpha=0.99, eps=1e-08, weight_decay=0.0)
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr)
        self.alpha = check_number("alpha", alpha, 0, 1)
        self.eps = check_number("eps", eps, 0)
        self.weight_decay = check_number("weight_decay", weight_decay, 0)

    def update(self) -> Update:
        """Adam's, with β₁ = 0."""
        decay = self.weight_decay
        return Update(t.ADAM, 0.0, self.alpha, decay_weights=decay, decay_biases=decay)

    def scalars(self, t: int, lr: float) -> Scalars:
        """(step, eps, shrink) of Adam's kernel: nothing is corrected, nothing shrunk."""
        return lr, self.eps, 1.0

    def apply(self, backend: Any, p: Any, g: Any, states: list[Any], scalars: Scalars) -> Any:
        """Call ``adam``."""
        return adam_kernel(
            backend, p, g, states, scalars, betas=(0.0, self.alpha), decay=self.weight_decay
        )
