"""scikit-learn's conventions for the two stochastic solvers, as rules a program can follow.

They differ from ``accelnn.optim``: momentum scales the gradient by the rate before it enters the
velocity, Adam's epsilon is the paper's ε̂, and ``alpha`` decays the weights alone, divided by the
rows of the minibatch.
"""

import math
from dataclasses import dataclass
from typing import Any

from accelnn.backends.plan import Update
from accelnn.kernels import table as t


@dataclass
class SGDRule:
    """``v = μ v - lr g``, ``p += v`` (or ``p += μ v - lr g``), with scikit-learn's schedules.

    Attributes
    ----------
    lr : float
        The present learning rate.
    t : int
        Steps taken.
    kept : ndarray or None
        Velocities between two calls of ``partial_fit``.
    """

    alpha: float
    lr_init: float
    schedule: str
    momentum: float
    nesterov: bool
    power_t: float
    lr: float = 0.0
    t: int = 0
    kept: Any = None

    def __post_init__(self) -> None:
        self.lr = self.lr_init

    def update(self) -> Update:
        """Momentum, and the decay of the weights."""
        return Update(
            t.MOMENTUM,
            beta1=self.momentum,
            nesterov=self.nesterov,
            decay_weights=self.alpha,
            decay_per_row=True,
        )

    def scalars(self, t: int, lr: float) -> tuple[float, float, float]:
        """(a, b) = (lr, 1)."""
        return lr, 1.0, 0.0

    def epoch_ends(self, rows_seen: int) -> None:
        """``invscaling``: lr = lr_init / (rows + 1)^power_t."""
        if self.schedule == "invscaling":
            self.lr = self.lr_init / (rows_seen + 1) ** self.power_t

    def stops(self, message: str, verbose: bool) -> bool:
        """Say whether training ends where it no longer improves; "adaptive" goes on slower."""
        if self.schedule != "adaptive":
            if verbose:
                print(message + " Stopping.")
            return True
        if self.lr <= 1e-6:
            if verbose:
                print(message + " Learning rate too small. Stopping.")
            return True
        self.lr /= 5.0
        if verbose:
            print(f"{message} Setting learning rate to {self.lr:f}")
        return False


@dataclass
class AdamRule:
    """``p -= lr √(1-β₂ᵗ)/(1-β₁ᵗ) · m / (√v + ε)``; attributes as in ``SGDRule``."""

    alpha: float
    lr: float
    beta_1: float
    beta_2: float
    epsilon: float
    t: int = 0
    kept: Any = None

    def update(self) -> Update:
        """Betas, and the decay of the weights."""
        return Update(
            t.ADAM, self.beta_1, self.beta_2, decay_weights=self.alpha, decay_per_row=True
        )

    def scalars(self, t: int, lr: float) -> tuple[float, float, float]:
        """(step, eps, shrink)."""
        step = lr * math.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        return step, self.epsilon, 1.0

    def epoch_ends(self, rows_seen: int) -> None:
        """Nothing: Adam's rate is constant."""

    def stops(self, message: str, verbose: bool) -> bool:
        """Stop where training no longer improves."""
        if verbose:
            print(message + " Stopping.")
        return True


@dataclass
class NoRule:
    """No update at all: L-BFGS asks for loss and gradient and steps itself."""

    alpha: float = 0.0
    lr: float = 0.0
    t: int = 0
    kept: Any = None

    def update(self) -> Update:
        """None."""
        return Update()

    def scalars(self, t: int, lr: float) -> tuple[float, float, float]:
        """Nothing varies."""
        return 0.0, 0.0, 0.0


def make_rule(estimator: Any) -> SGDRule | AdamRule:
    """Return the rule for an estimator's constructor arguments."""
    e = estimator
    if e.solver == "sgd":
        return SGDRule(
            e.alpha,
            e.learning_rate_init,
            e.learning_rate,
            e.momentum,
            e.nesterovs_momentum,
            e.power_t,
        )
    return AdamRule(e.alpha, e.learning_rate_init, e.beta_1, e.beta_2, e.epsilon)
