"""Optimizer updates: one kernel per optimizer, for every convention of its scalars.

``g`` becomes ``g + decay · p`` first (the gradient of ``decay/2 · |p|²``). All arrays have one
shape and dtype; scalars are Python floats that the optimizer prepares once per step. With
``out=(p, v)`` and the like, the fast folders work in place.
"""

from typing import Any

from accelnn.kernels.cost import Cost, cost, size


def _cost(mul: int, add: int, other: int, state: int) -> Any:
    def of_call(p: Any, *rest: Any, **scalars: Any) -> Cost:
        n = size(p)
        return Cost(mul * n, add * n, other * n, reads=(2 + state) * n, writes=(1 + state) * n)

    return of_call


@cost(_cost(mul=2, add=2, other=0, state=0))
def sgd(p: Any, g: Any, *, lr: float, decay: float) -> Any:
    """``p - lr (g + decay p)``; returns p."""
    return p - lr * (g + decay * p)


@cost(_cost(mul=4, add=3, other=0, state=1))
def momentum(
    p: Any, g: Any, v: Any, *, mu: float, a: float, b: float, nesterov: bool, decay: float
) -> tuple[Any, Any]:
    """``v = μ v + a g``, then ``p - b v``, or with nesterov ``p - b (μ v + a g)``; returns (p, v).

    PyTorch: (a, b) = (1, lr). scikit-learn: (a, b) = (lr, 1), its velocity being ``-v``. The two
    differ when the rate changes between steps.
    """
    g = g + decay * p
    v = mu * v + a * g
    return p - b * (mu * v + a * g if nesterov else v), v


@cost(_cost(mul=8, add=5, other=2, state=2))
def adam(
    p: Any,
    g: Any,
    m: Any,
    v: Any,
    *,
    beta1: float,
    beta2: float,
    step: float,
    eps: float,
    decay: float,
    shrink: float,
) -> tuple[Any, Any, Any]:
    """Adam (Kingma & Ba 2015, arXiv:1412.6980, section 2); returns (p, m, v).

    ``m = β₁ m + (1-β₁) g``, ``v = β₂ v + (1-β₂) g²``, ``p = shrink · p - step · m / (√v + eps)``.
    The caller passes ``step = lr √(1-β₂ᵗ) / (1-β₁ᵗ)`` and as ``eps`` either ε (scikit-learn: the
    paper's ε̂) or ``ε √(1-β₂ᵗ)`` (PyTorch, the paper's algorithm 1). ``shrink = 1 - lr λ`` makes it
    AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), 1 plain Adam.
    """
    xp = p.__array_namespace__()
    g = g + decay * p
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * (g * g)
    return shrink * p - step * m / (xp.sqrt(v) + eps), m, v
