"""Activations and their derivatives."""

from typing import Any

from accelnn.kernels.on_cupy._launch import each, per_row, plain, ready


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
    """``a = 1 / (1 + e⁻ᶻ)``."""
    out = ready(z, out)
    each("sigmoid", z, plain(z), out)
    return out


def sigmoid_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da · a (1 - a)``; reads the output."""
    out = ready(a, out)
    each("sigmoid_backward", a, plain(da), plain(a), out)
    return out


def sigmoid_backward_z(da: Any, z: Any, *, out: Any = None) -> Any:
    """``dz = da · σ(z) (1 - σ(z))``; reads z."""
    out = ready(z, out)
    each("sigmoid_backward_z", z, plain(da), plain(z), out)
    return out


def tanh(z: Any, *, out: Any = None) -> Any:
    """``a = tanh z``."""
    out = ready(z, out)
    each("tanh", z, plain(z), out)
    return out


def tanh_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da · (1 - a²)``; reads the output."""
    out = ready(a, out)
    each("tanh_backward", a, plain(da), plain(a), out)
    return out


def tanh_backward_z(da: Any, z: Any, *, out: Any = None) -> Any:
    """``dz = da · (1 - tanh² z)``; reads z."""
    out = ready(z, out)
    each("tanh_backward_z", z, plain(da), plain(z), out)
    return out


def relu(z: Any, *, out: Any = None) -> Any:
    """``a = max(z, 0)``, NaN kept."""
    out = ready(z, out)
    each("relu", z, plain(z), out)
    return out


def relu_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da · 1[a > 0]``; reads the output or z."""
    out = ready(a, out)
    each("relu_backward", a, plain(da), plain(a), out)
    return out


def leaky_relu(z: Any, *, slope: float, out: Any = None) -> Any:
    """``a = z if z > 0 else slope · z``."""
    out = ready(z, out)
    each("leaky_relu", z, plain(z), slope, out)
    return out


def leaky_relu_backward(da: Any, a: Any, *, slope: float, out: Any = None) -> Any:
    """``dz = da · (1 if a > 0 else slope)``; reads z, or the output where slope >= 0."""
    out = ready(a, out)
    each("leaky_relu_backward", a, plain(da), plain(a), slope, out)
    return out


def elu(z: Any, *, alpha: float, out: Any = None) -> Any:
    """``a = z if z > 0 else α (eᶻ - 1)``."""
    out = ready(z, out)
    each("elu", z, plain(z), alpha, out)
    return out


def elu_backward(da: Any, a: Any, *, alpha: float, out: Any = None) -> Any:
    """``dz = da · (1 if a > 0 else a + α)``; reads the output, valid for α >= 0."""
    out = ready(a, out)
    each("elu_backward", a, plain(da), plain(a), alpha, out)
    return out


def elu_backward_z(da: Any, z: Any, *, alpha: float, out: Any = None) -> Any:
    """``dz = da · (1 if z > 0 else α eᶻ)``; reads z, valid for any α."""
    out = ready(z, out)
    each("elu_backward_z", z, plain(da), plain(z), alpha, out)
    return out


def softmax(z: Any, *, out: Any = None) -> Any:
    """``a[i, j] = exp(z[i, j] - zmaxᵢ) / Σₖ exp(z[i, k] - zmaxᵢ)``."""
    out = ready(z, out)
    per_row("softmax", z, plain(z), out)
    return out


def softmax_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = a · (da - Σₖ da[:, k] a[:, k])``; reads the output."""
    out = ready(a, out)
    per_row("softmax_backward", a, plain(da), plain(a), out)
    return out


def log_softmax(z: Any, *, out: Any = None) -> Any:
    """``a[i, j] = z[i, j] - zmaxᵢ - log Σₖ exp(z[i, k] - zmaxᵢ)``."""
    out = ready(z, out)
    per_row("log_softmax", z, plain(z), out)
    return out


def log_softmax_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da - eᵃ Σₖ da[:, k]``; reads the output."""
    out = ready(a, out)
    per_row("log_softmax_backward", a, plain(da), plain(a), out)
    return out
