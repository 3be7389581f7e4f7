"""Optimizer updates, block by block; ``out`` names the arrays to overwrite, often the inputs."""

from typing import Any

import numpy as np

from accelnn.kernels.on_numpy._blocks import blocks


def sgd(p: Any, g: Any, *, lr: float, decay: float, out: Any = None) -> Any:
    """``p - lr (g + decay p)``."""
    out = _copied((p,), out)
    for q, h, t in blocks(out[0], g):
        np.multiply(h, lr, out=t)
        if decay:
            q *= 1 - lr * decay
        q -= t
    return out[0]


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
    out = _copied((p, v), out)
    for q, w, h, t in blocks(*out, g):
        h = _decayed(h, q, decay)
        np.multiply(h, a, out=t)
        w *= mu
        w += t
        if nesterov:
            t *= b
            q -= t
            np.multiply(w, b * mu, out=t)
        else:
            np.multiply(w, b, out=t)
        q -= t
    return out[0], out[1]


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
    out = _copied((p, m, v), out)
    for q, first, second, h, t in blocks(*out, g):
        h = _decayed(h, q, decay)
        np.multiply(h, 1 - beta1, out=t)
        first *= beta1
        first += t
        np.multiply(h, h, out=t)
        t *= 1 - beta2
        second *= beta2
        second += t
        np.sqrt(second, out=t)
        t += eps
        np.divide(first, t, out=t)
        t *= step
        if shrink != 1:
            q *= shrink
        q -= t
    return out[0], out[1], out[2]


def _copied(arrays: tuple[Any, ...], out: Any) -> Any:
    """Return the arrays to work on in place: ``out`` holding the values, or fresh copies."""
    if out is None:
        return tuple(np.array(a, order="C") for a in arrays)
    targets = out if isinstance(out, tuple) else (out,)
    for target, a in zip(targets, arrays, strict=True):
        if target is not a:
            target[...] = a
    return targets


def _decayed(g: Any, p: Any, decay: float) -> Any:
    """``g + decay p``; the gradient itself is left as it is."""
    return g + decay * p if decay else g
