"""Activations and their derivatives, which are built in a block and multiplied by ``da``."""

from typing import Any

import numpy as np

from accelnn.kernels import normal
from accelnn.kernels.on_numpy import _blocks
from accelnn.kernels.on_numpy._blocks import BLOCK, blocks


def _ready(x: Any, out: Any) -> Any:
    return np.empty(x.shape, x.dtype) if out is None else out


def identity(z: Any, *, out: Any = None) -> Any:
    """``a = z``."""
    if out is None:
        return z
    if out is not z:
        out[...] = z
    return out


def identity_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da``."""
    return identity(da, out=out)


def sigmoid(z: Any, *, out: Any = None) -> Any:
    """``a = 1 / (1 + e⁻ᶻ)``: where e⁻ᶻ overflows, 1/inf is the right 0."""
    out = np.negative(z, out=_ready(z, out))
    with np.errstate(over="ignore"):
        np.exp(out, out=out)
    out += 1
    return np.reciprocal(out, out=out)


def sigmoid_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da · a (1 - a)``; reads the output."""
    for d, y, o, t in _over(da, a, out := _ready(a, out)):
        np.subtract(1, y, out=t)
        np.multiply(t, y, out=t)
        np.multiply(t, d, out=o)
    return out


def sigmoid_backward_z(da: Any, z: Any, *, out: Any = None) -> Any:
    """``dz = da · σ(z) (1 - σ(z))``; reads z."""
    for d, x, o, t in _over(da, z, out := _ready(z, out)):
        sigmoid_backward(d, sigmoid(x, out=t), out=o)
    return out


def tanh(z: Any, *, out: Any = None) -> Any:
    """``a = tanh z``."""
    return np.tanh(z, out=out)


def tanh_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da · (1 - a²)``; reads the output."""
    for d, y, o, t in _over(da, a, out := _ready(a, out)):
        np.multiply(y, y, out=t)
        np.subtract(1, t, out=t)
        np.multiply(t, d, out=o)
    return out


def tanh_backward_z(da: Any, z: Any, *, out: Any = None) -> Any:
    """``dz = da · (1 - tanh² z)``; reads z."""
    for d, x, o, t in _over(da, z, out := _ready(z, out)):
        tanh_backward(d, np.tanh(x, out=t), out=o)
    return out


def relu(z: Any, *, out: Any = None) -> Any:
    """``a = max(z, 0)``, NaN kept."""
    # NumPy's maximum of two arrays is twice as fast as that of an array and a number.
    zero = np.zeros(z.shape[1:], z.dtype) if z.ndim > 1 else 0
    return np.maximum(z, zero, out=out)


def relu_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da · 1[a > 0]``; reads the output or z."""
    if a.size <= BLOCK:  # a minibatch: one mask, without the bookkeeping of blocks
        return np.multiply(da, a > 0, out=out)
    for d, y, o, t in _over(da, a, out := _ready(a, out)):
        # A mask of bytes times floats; a[a <= 0] = 0 takes ten times as long.
        mask = t.view(np.bool_)[: y.size]
        np.greater(y, 0, out=mask)
        np.multiply(d, mask, out=o)
    return out


def leaky_relu(z: Any, *, slope: float, out: Any = None) -> Any:
    """``a = z if z > 0 else slope · z``."""
    for x, o, t in _over(z, out := _ready(z, out)):
        np.greater(x, 0, out=t)
        _one_or(slope, t)
        np.multiply(t, x, out=o)
    return out


def leaky_relu_backward(da: Any, a: Any, *, slope: float, out: Any = None) -> Any:
    """``dz = da · (1 if a > 0 else slope)``; reads z, or the output where slope >= 0."""
    for d, y, o, t in _over(da, a, out := _ready(a, out)):
        np.greater(y, 0, out=t)
        _one_or(slope, t)
        np.multiply(t, d, out=o)
    return out


def _one_or(slope: float, mask: Any) -> None:
    """Turn 1 and 0 into 1 and ``slope``, exactly: where the mask is 1, slope is added to 0."""
    np.copyto(mask, slope, where=mask == 0)


def elu(z: Any, *, alpha: float, out: Any = None) -> Any:
    """``a = z if z > 0 else α (eᶻ - 1)``."""
    for x, o, t in _over(z, out := _ready(z, out)):
        np.minimum(x, 0, out=t)
        np.expm1(t, out=t)
        t *= alpha
        np.copyto(t, x, where=x > 0)
        o[...] = t
    return out


def elu_backward(da: Any, a: Any, *, alpha: float, out: Any = None) -> Any:
    """``dz = da · (1 if a > 0 else a + α)``; reads the output, valid for α >= 0."""
    for d, y, o, t in _over(da, a, out := _ready(a, out)):
        np.add(y, alpha, out=t)
        np.copyto(t, 1, where=y > 0)
        np.multiply(t, d, out=o)
    return out


def elu_backward_z(da: Any, z: Any, *, alpha: float, out: Any = None) -> Any:
    """``dz = da · (1 if z > 0 else α eᶻ)``; reads z, valid for any α."""
    for d, x, o, t in _over(da, z, out := _ready(z, out)):
        np.minimum(x, 0, out=t)
        np.exp(t, out=t)
        t *= alpha
        np.copyto(t, 1, where=x > 0)
        np.multiply(t, d, out=o)
    return out


def softmax(z: Any, *, out: Any = None) -> Any:
    """``a[i, j] = exp(z[i, j] - zmaxᵢ) / Σₖ exp(z[i, k] - zmaxᵢ)``."""
    out = _shifted(z, out)
    np.exp(out, out=out)
    return np.divide(out, np.sum(out, axis=1, keepdims=True), out=out)


def softmax_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = a · (da - Σₖ da[:, k] a[:, k])``; reads the output."""
    inner = np.einsum("ij,ij->i", da, a)[:, None]
    out = np.subtract(da, inner, out=out)
    return np.multiply(out, a, out=out)


def log_softmax(z: Any, *, out: Any = None) -> Any:
    """``a[i, j] = z[i, j] - zmaxᵢ - log Σₖ exp(z[i, k] - zmaxᵢ)``."""
    out = _shifted(z, out)
    return np.subtract(out, np.log(np.sum(np.exp(out), axis=1, keepdims=True)), out=out)


def log_softmax_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da - eᵃ Σₖ da[:, k]``; reads the output."""
    total = np.sum(da, axis=1, keepdims=True)
    return np.subtract(da, np.exp(a) * total, out=out)


def log_sigmoid(z: Any, *, out: Any = None) -> Any:
    """``a = log σ(z) = min(z, 0) - log(1 + e^-|z|)``."""
    for x, o, t, u in _over(z, out := _ready(z, out), room=2):
        np.abs(x, out=t)
        np.negative(t, out=t)
        np.exp(t, out=t)
        np.log1p(t, out=t)
        np.minimum(x, 0, out=u)
        np.subtract(u, t, out=o)
    return out


def log_sigmoid_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da · (1 - eᵃ)``; reads the output."""
    for d, y, o, t in _over(da, a, out := _ready(a, out)):
        np.expm1(y, out=t)
        np.negative(t, out=t)
        np.multiply(t, d, out=o)
    return out


def hardtanh(z: Any, *, low: float, high: float, out: Any = None) -> Any:
    """``a = low`` below, ``high`` above, else z."""
    return np.clip(z, low, high, out=_ready(z, out))


def hardtanh_backward(da: Any, a: Any, *, low: float, high: float, out: Any = None) -> Any:
    """``dz = da · 1[low < a < high]``; reads the output or z."""
    for d, y, o, t, u in _over(da, a, out := _ready(a, out), room=2):
        np.greater(y, low, out=t)
        np.less(y, high, out=u)
        np.multiply(t, u, out=t)
        np.multiply(t, d, out=o)
    return out


def gelu(z: Any, *, out: Any = None) -> Any:
    """``a = z Φ(z)``."""
    for x, o, below, bell, *room in _over(z, out := _ready(z, out), room=4):
        _normal(x, below, bell, *room)
        np.multiply(x, below, out=o)
    return out


def gelu_backward_z(da: Any, z: Any, *, out: Any = None) -> Any:
    """``dz = da · (Φ(z) + z φ(z))``; reads z."""
    for d, x, o, below, bell, *room in _over(da, z, out := _ready(z, out), room=4):
        _normal(x, below, bell, *room)
        np.multiply(bell, normal.PEAK, out=bell)
        np.multiply(bell, x, out=bell)
        np.add(bell, below, out=bell)
        np.multiply(bell, d, out=o)
    return out


def _normal(z: Any, below: Any, bell: Any, x: Any, t: Any) -> None:
    """Write Φ(z) to ``below``, ``e^(-z²/2)`` to ``bell``, as the reference does; x, t are room."""
    np.abs(z, out=x)
    np.minimum(x, normal.FAR, out=x)
    np.multiply(x, 16, out=bell)
    np.floor(bell, out=bell)
    np.divide(bell, 16, out=bell)  # q
    np.subtract(x, bell, out=t)
    np.add(x, bell, out=below)
    np.multiply(t, below, out=t)
    np.multiply(bell, bell, out=below)
    np.multiply(x, x, out=bell)
    np.subtract(below, bell, out=below)
    np.add(t, below, out=t)  # z² - x², what rounding left out
    np.multiply(bell, -0.5, out=bell)
    np.exp(bell, out=bell)
    np.multiply(t, 0.5, out=t)
    np.multiply(t, bell, out=t)
    np.subtract(bell, t, out=bell)
    np.subtract(x, normal.MIDDLE, out=t)
    np.add(x, normal.MIDDLE, out=below)
    np.divide(t, below, out=t)
    last, *others = reversed(normal.SHORT if z.dtype == np.float32 else normal.LONG)
    below.fill(last)
    for c in others:
        np.multiply(below, t, out=below)
        np.add(below, c, out=below)
    np.multiply(below, bell, out=below)
    np.add(x, 1, out=x)
    np.divide(below, x, out=below)
    np.subtract(1, below, out=below, where=z > 0)


def gelu_tanh(z: Any, *, out: Any = None) -> Any:
    """``a = z σ(2u)``, u = √(2/π) (z + 0.044715 z³)."""
    for x, o, s, square in _over(z, out := _ready(z, out), room=2):
        _clipped(x, s, square)
        _sigmoid_of_2u(s, square)
        np.multiply(x, s, out=o)
    return out


def gelu_tanh_backward_z(da: Any, z: Any, *, out: Any = None) -> Any:
    """``dz = da · (s + z s (1 - s) · 2u')``, s = σ(2u); reads z."""
    for d, x, o, s, slope, t in _over(da, z, out := _ready(z, out), room=3):
        _clipped(x, s, t)
        np.multiply(t, 3 * 0.044715, out=slope)
        np.add(slope, 1, out=slope)
        np.multiply(slope, 4 * normal.PEAK, out=slope)
        _sigmoid_of_2u(s, t)
        np.subtract(1, s, out=t)
        np.multiply(t, s, out=t)
        np.multiply(t, slope, out=t)
        np.multiply(t, x, out=t)
        np.add(t, s, out=t)
        np.multiply(t, d, out=o)
    return out


def _clipped(z: Any, x: Any, square: Any) -> None:
    """Write z to ``x``, not so large that z³ overflows, and its square: σ is 0 or 1 before."""
    np.minimum(z, normal.FAR, out=x)
    np.maximum(x, -normal.FAR, out=x)
    np.multiply(x, x, out=square)


def _sigmoid_of_2u(x: Any, square: Any) -> None:
    """Replace x by σ(2u), given its square, which is overwritten."""
    np.multiply(square, 0.044715, out=square)
    np.add(square, 1, out=square)
    np.multiply(x, 4 * normal.PEAK, out=x)
    np.multiply(x, square, out=x)
    sigmoid(x, out=x)


def silu(z: Any, *, out: Any = None) -> Any:
    """``a = z σ(z)``."""
    for x, o, t in _over(z, out := _ready(z, out)):
        np.multiply(x, sigmoid(x, out=t), out=o)
    return out


def silu_backward_z(da: Any, z: Any, *, out: Any = None) -> Any:
    """``dz = da · σ(z) (1 + z (1 - σ(z)))``; reads z."""
    for d, x, o, s, t in _over(da, z, out := _ready(z, out), room=2):
        sigmoid(x, out=s)
        np.subtract(1, s, out=t)
        np.multiply(t, x, out=t)
        np.add(t, 1, out=t)
        np.multiply(t, s, out=t)
        np.multiply(t, d, out=o)
    return out


def step(z: Any, *, low: float, at_zero: float, out: Any = None) -> Any:
    """``a = 1`` above 0, ``low`` below, ``at_zero`` at 0."""
    for x, o, t in _over(z, out := _ready(z, out)):
        np.copyto(t, x)  # a NaN is none of the three
        np.copyto(t, 1, where=x > 0)
        np.copyto(t, low, where=x < 0)
        np.copyto(t, at_zero, where=x == 0)
        o[...] = t
    return out


def step_backward(da: Any, a: Any, *, low: float, at_zero: float, out: Any = None) -> Any:
    """``dz = 0``; reads nothing."""
    out = _ready(da, out)
    out[...] = 0
    return out


def maxout(z: Any, *, pieces: int, out: Any = None) -> Any:
    """``a[i, j] = maxₖ z[i, j · pieces + k]``. z (n, m · pieces) -> (n, m)."""
    each = _in_pieces(z, pieces)
    out = np.empty(each.shape[:2], z.dtype) if out is None else out
    out[...] = each[:, :, 0]
    for k in range(1, pieces):
        np.maximum(out, each[:, :, k], out=out)
    return out


def maxout_backward_z(da: Any, z: Any, *, pieces: int, out: Any = None) -> Any:
    """``dz[i, j · pieces + k] = da[i, j]`` for the first of the largest pieces, else 0; reads z."""
    out = _ready(z, out)
    each, target = _in_pieces(z, pieces), _in_pieces(out, pieces)
    rows = max(1, _blocks.BLOCK // max(1, z.shape[1]))  # whose masks stay in the cache
    for start in range(0, len(z), rows):
        here = slice(start, start + rows)
        top = np.max(each[here], axis=2)
        left = np.ones(top.shape, np.bool_)
        for k in range(pieces):
            x = each[here, :, k]
            taken = ((x == top) | (x != x)) & left
            target[here, :, k] = 0
            np.copyto(target[here, :, k], da[here], where=taken)
            left &= ~taken
    return out


def _in_pieces(z: Any, pieces: int) -> Any:
    return np.ascontiguousarray(z).reshape(len(z), z.shape[1] // pieces, pieces)


def _shifted(z: Any, out: Any) -> Any:
    out = _ready(z, out)
    return np.subtract(z, np.max(z, axis=1, keepdims=True), out=out) if z.size else out


def _over(*arrays: Any, room: int = 1) -> Any:
    """Blocks of arrays that may be strided; the last one is ``out``, contiguous by contract."""
    return blocks(*(np.ascontiguousarray(a) for a in arrays[:-1]), arrays[-1], room=room)
