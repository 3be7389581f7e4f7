"""Optimizer updates: one kernel each, in place on what ``out`` names."""

from typing import Any

from accelnn.kernels.on_cupy._launch import each, namespace, plain


def sgd(p: Any, g: Any, *, lr: float, decay: float, out: Any = None) -> Any:
    """``p - lr (g + decay p)``."""
    (p,) = _targets((p,), out)
    each("sgd", p, p, plain(g), lr, decay)
    return p


def momentum(
    p: Any,
    g: Any,
    v: Any,
    *,
    mu: float,
    a: float,
    b: float,
    nesterov: bool,
    decay: float,
    out: Any = None,
) -> tuple[Any, Any]:
    """``v = μ v + a g``, then ``p - b v``, or with nesterov ``p - b (μ v + a g)``."""
    p, v = _targets((p, v), out)
    each("momentum", p, p, plain(g), v, mu, a, b, nesterov, decay)
    return p, v


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
    out: Any = None,
) -> tuple[Any, Any, Any]:
    """``m = β₁ m + (1-β₁) g``, ``v = β₂ v + (1-β₂) g²``, ``p = shrink p - step m / (√v + eps)``."""
    p, m, v = _targets((p, m, v), out)
    betas = beta1, 1 - beta1, beta2, 1 - beta2
    each("adam", p, p, plain(g), m, v, *betas, step, eps, decay, shrink)
    return p, m, v


def _targets(arrays: tuple[Any, ...], out: Any) -> tuple[Any, ...]:
    """Return the arrays to work on in place: ``out`` holding the values, or fresh copies."""
    if out is None:
        return tuple(namespace().array(a, order="C") for a in arrays)
    targets = out if isinstance(out, tuple) else (out,)
    for target, a in zip(targets, arrays, strict=True):
        if target is not a:
            target[...] = a
    return targets
