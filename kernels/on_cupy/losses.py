"""Losses of each row of a batch, and their gradients weighted by ``dl`` (n,)."""

from typing import Any

from accelnn.kernels.on_cupy._launch import each, namespace, per_row, plain, ready


def squared_error(y: Any, t: Any, *, out: Any = None) -> Any:
    """``lᵢ = Σⱼ (y[i, j] - t[i, j])²``."""
    out = _ready(y, out)
    per_row("squared_error", y, plain(y), plain(t), out)
    return out


def squared_error_backward(dl: Any, y: Any, t: Any, *, out: Any = None) -> Any:
    """``dy[i, j] = dlᵢ · 2 (y[i, j] - t[i, j])``."""
    out = ready(y, out)
    each("squared_error_backward", y, plain(dl), plain(y), plain(t), out, y.shape[1])
    return out


def binary_cross_entropy(z: Any, t: Any, *, out: Any = None) -> Any:
    """``lᵢ = Σⱼ max(z, 0) - z t + log(1 + e^-|z|)``."""
    out = _ready(z, out)
    per_row("binary_cross_entropy", z, plain(z), plain(t), out)
    return out


def binary_cross_entropy_backward(dl: Any, z: Any, t: Any, *, out: Any = None) -> Any:
    """``dz[i, j] = dlᵢ · (σ(z[i, j]) - t[i, j])``."""
    out = ready(z, out)
    each("binary_cross_entropy_backward", z, plain(dl), plain(z), plain(t), out, z.shape[1])
    return out


def cross_entropy(z: Any, t: Any, *, out: Any = None) -> Any:
    """``lᵢ = log Σⱼ exp z[i, j] - z[i, tᵢ]``; classes are trusted to lie in 0 ... m-1."""
    out = _ready(z, out)
    per_row("cross_entropy", z, plain(z), plain(t), out)
    return out


def cross_entropy_backward(dl: Any, z: Any, t: Any, *, out: Any = None) -> Any:
    """``dz[i, j] = dlᵢ · (softmax(z)[i, j] - 1[j = tᵢ])``."""
    out = ready(z, out)
    per_row("cross_entropy_backward", z, plain(dl), plain(z), plain(t), out)
    return out


def poisson(z: Any, t: Any, *, out: Any = None) -> Any:
    """``lᵢ = Σⱼ e^z - t (1 + z - log t)``, where 0 log 0 is 0."""
    out = _ready(z, out)
    per_row("poisson", z, plain(z), plain(t), out)
    return out


def poisson_backward(dl: Any, z: Any, t: Any, *, out: Any = None) -> Any:
    """``dz[i, j] = dlᵢ · (e^z[i, j] - t[i, j])``."""
    out = ready(z, out)
    each("poisson_backward", z, plain(dl), plain(z), plain(t), out, z.shape[1])
    return out


def perceptron(z: Any, t: Any, *, out: Any = None) -> Any:
    """``lᵢ = Σⱼ (1[z >= 0] - t) z``."""
    out = _ready(z, out)
    per_row("perceptron", z, plain(z), plain(t), out)
    return out


def perceptron_backward(dl: Any, z: Any, t: Any, *, out: Any = None) -> Any:
    """``dz[i, j] = dlᵢ · (1[z[i, j] >= 0] - t[i, j])``."""
    out = ready(z, out)
    each("perceptron_backward", z, plain(dl), plain(z), plain(t), out, z.shape[1])
    return out


def _ready(z: Any, out: Any) -> Any:
    """Return ``out``, or a new array of one number per row."""
    return namespace().empty(z.shape[0], z.dtype) if out is None else out
