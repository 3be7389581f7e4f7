"""Optimizer updates: one pass over memory each, in place on what ``out`` names."""

from typing import Any

import numpy as np

from accelnn.kernels.on_numba._jit import flat, jit_in_order, run


@jit_in_order
def sgd_loop(p: Any, g: Any, lr: Any, decay: Any) -> None:
    """Flat arrays, p in place."""
    rate, c = p.dtype.type(lr), p.dtype.type(decay)
    for i in range(p.size):
        p[i] -= rate * (g[i] + c * p[i])


@jit_in_order
def momentum_loop(
    p: Any, g: Any, v: Any, mu: Any, a: Any, b: Any, nesterov: Any, decay: Any
) -> None:
    """Flat arrays, p and v in place."""
    real = p.dtype.type
    mu_, a_, b_, c = real(mu), real(a), real(b), real(decay)
    for i in range(p.size):
        h = g[i] + c * p[i]
        w = mu_ * v[i] + a_ * h
        v[i] = w
        p[i] -= b_ * (mu_ * w + a_ * h if nesterov else w)


@jit_in_order
def adam_loop(
    p: Any,
    g: Any,
    m: Any,
    v: Any,
    beta1: Any,
    beta2: Any,
    step: Any,
    eps: Any,
    decay: Any,
    shrink: Any,
) -> None:
    """Flat arrays, p, m and v in place."""
    real = p.dtype.type
    b1, b2, r1, r2 = real(beta1), real(beta2), real(1 - beta1), real(1 - beta2)
    s, e, c, k = real(step), real(eps), real(decay), real(shrink)
    for i in range(p.size):
        h = g[i] + c * p[i]
        first = b1 * m[i] + r1 * h
        second = b2 * v[i] + r2 * (h * h)
        m[i] = first
        v[i] = second
        p[i] = k * p[i] - s * first / (np.sqrt(second) + e)


def sgd(p: Any, g: Any, *, lr: float, decay: float, out: Any = None) -> Any:
    """``p - lr (g + decay p)``."""
    (p,) = _targets((p,), out)
    run(sgd_loop, p.reshape(-1), flat(g), float(lr), float(decay))
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
    run(
        momentum_loop,
        p.reshape(-1),
        flat(g),
        v.reshape(-1),
        float(mu),
        float(a),
        float(b),
        bool(nesterov),
        float(decay),
    )
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
    run(
        adam_loop,
        p.reshape(-1),
        flat(g),
        m.reshape(-1),
        v.reshape(-1),
        float(beta1),
        float(beta2),
        float(step),
        float(eps),
        float(decay),
        float(shrink),
    )
    return p, m, v


def _targets(arrays: tuple[Any, ...], out: Any) -> tuple[Any, ...]:
    """Return the arrays to work on in place: ``out`` holding the values, or fresh copies."""
    if out is None:
        return tuple(np.array(a, order="C") for a in arrays)
    targets = out if isinstance(out, tuple) else (out,)
    for target, a in zip(targets, arrays, strict=True):
        if target is not a:
            target[...] = a
    return targets
