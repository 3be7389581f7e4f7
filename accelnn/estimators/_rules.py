"""The stochastic solvers as rules that a program can follow, in scikit-learn's conventions.

They differ from ``accelnn.optim``: momentum scales the gradient by the rate before it enters the
velocity, Adam's epsilon is the paper's ε̂, and ``alpha`` decays the weights alone, divided by the
rows of the minibatch.

What the fused update kernels do not know, L1 and clipping and a decay beside SGD's gradient, is
done by hand: the program computes the gradient of a minibatch and calls ``step_plan``.
"""

import math
from dataclasses import dataclass
from typing import Any

from accelnn.backends import Backend, stepper
from accelnn.backends.plan import Update
from accelnn.kernels import table as t


@dataclass(kw_only=True)
class Rule:
    """What all solvers share.

    Attributes
    ----------
    alpha : float
        L2 penalty of the weights.
    lr : float
        The present learning rate.
    decay : float
        Decay of all parameters beside the gradient, times the learning rate (AdamW's λ).
    t : int
        Steps taken.
    kept : ndarray or None
        States of the optimizer between two fits, (n_states, n_params).
    """

    alpha: float = 0.0
    lr: float = 0.0
    decay: float = 0.0
    t: int = 0
    kept: Any = None

    def update(self) -> Update:
        """Return what stays the same from step to step."""
        return Update()

    def scalars(self, t: int, lr: float) -> tuple[float, float, float]:
        """Return what varies, for step ``t`` = 1, 2, ..."""
        return 0.0, 0.0, 0.0

    def epoch_ends(self, rows_seen: int) -> None:
        """Change the learning rate after an epoch."""

    def stops(self, message: str, verbose: bool) -> bool:
        """Say whether training ends where it no longer improves."""
        if verbose:
            print(message + " Stopping.")
        return True


@dataclass(kw_only=True)
class SGDRule(Rule):
    """``v = μ v - lr g``, ``p += v`` (or ``p += μ v - lr g``), with scikit-learn's schedules."""

    lr_init: float
    schedule: str
    momentum: float
    nesterov: bool
    power_t: float

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
        """Stop, unless "adaptive", which goes on slower."""
        if self.schedule != "adaptive":
            return super().stops(message, verbose)
        if self.lr <= 1e-6:
            return super().stops(message + " Learning rate too small.", verbose)
        self.lr /= 5.0
        if verbose:
            print(f"{message} Setting learning rate to {self.lr:f}")
        return False


@dataclass(kw_only=True)
class AdamRule(Rule):
    """``p = (1 - lr λ) p - lr √(1-β₂ᵗ)/(1-β₁ᵗ) · m / (√v + ε)``."""

    beta_1: float
    beta_2: float
    epsilon: float

    def update(self) -> Update:
        """Betas, and the decay of the weights."""
        return Update(
            t.ADAM, self.beta_1, self.beta_2, decay_weights=self.alpha, decay_per_row=True
        )

    def scalars(self, t: int, lr: float) -> tuple[float, float, float]:
        """(step, eps, shrink)."""
        step = lr * math.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        return step, self.epsilon, 1 - lr * self.decay


@dataclass(kw_only=True)
class RMSpropRule(AdamRule):
    """``p = (1 - lr λ) p - lr g / (√v + ε)``: Adam's kernel with β₁ = 0 and nothing corrected.

    Tieleman & Hinton, lecture 6.5 of "Neural networks for machine learning", 2012.
    """

    def scalars(self, t: int, lr: float) -> tuple[float, float, float]:
        """(step, eps, shrink)."""
        return lr, self.epsilon, 1 - lr * self.decay


@dataclass(kw_only=True)
class ByHand(Rule):
    """Steps between the gradient of a minibatch and its update, on the flat buffers of a program.

    Attributes
    ----------
    l1 : float
        ``l1 · |W|`` is added to the loss of a minibatch, divided by its rows as ``alpha`` is.
    max_norm : float or None
        The gradient of the loss is scaled to this Euclidean norm where it is longer (Pascanu,
        Mikolov & Bengio 2013, algorithm 1). The penalties enter behind it.
    """

    l1: float = 0.0
    max_norm: float | None = None

    def step_plan(self, plan: Any, backend: Backend, share: float, lr: float) -> None:
        """Take a step whose gradient is in ``plan.grads``; ``share`` is 1 by its rows."""
        p, g, cut = plan.params, plan.grads, plan.n_weights
        if self.max_norm is not None:
            norm = math.sqrt(float(g @ g))
            if norm > self.max_norm:
                g *= self.max_norm / norm
        if self.l1:
            g[:cut] += (self.l1 * share) * backend.xp.sign(p[:cut])
        if self.decay and plan.update.kind == t.MOMENTUM:  # Adam's kernel does it itself
            p *= 1 - lr * self.decay
        stepper.update(backend, plan, (*self.scalars(self.t, lr), share))


@dataclass(kw_only=True)
class SGDByHand(ByHand, SGDRule):
    """SGD, by hand."""


@dataclass(kw_only=True)
class AdamByHand(ByHand, AdamRule):
    """Adam, by hand."""


@dataclass(kw_only=True)
class RMSpropByHand(ByHand, RMSpropRule):
    """RMSprop, by hand."""


def make_rule(estimator: Any) -> Rule:
    """Return the rule for an estimator's constructor arguments."""
    e = estimator
    decay = e.weight_decay
    if decay is None:
        decay = 0.01 if e.solver == "adamw" else 0.0
    common: dict[str, Any] = {"alpha": e.alpha, "lr": e.learning_rate_init, "decay": decay}
    by_hand = bool(e.l1) or e.max_grad_norm is not None or (bool(decay) and e.solver == "sgd")
    if by_hand:
        common |= {"l1": e.l1, "max_norm": e.max_grad_norm}
    if e.solver == "sgd":
        return (SGDByHand if by_hand else SGDRule)(
            **common,
            lr_init=e.learning_rate_init,
            schedule=e.learning_rate if isinstance(e.learning_rate, str) else "constant",
            momentum=e.momentum,
            nesterov=e.nesterovs_momentum,
            power_t=e.power_t,
        )
    betas = {"beta_2": e.beta_2, "epsilon": e.epsilon}
    if e.solver == "rmsprop":
        return (RMSpropByHand if by_hand else RMSpropRule)(**common, beta_1=0.0, **betas)
    return (AdamByHand if by_hand else AdamRule)(**common, beta_1=e.beta_1, **betas)
