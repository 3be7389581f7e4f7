"""Activations and their derivatives."""

from typing import Any

from accelnn.kernels.on_cupy._launch import each, namespace, per_row, plain, ready


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


def log_sigmoid(z: Any, *, out: Any = None) -> Any:
    """``a = log σ(z) = min(z, 0) - log(1 + e^-|z|)``."""
    out = ready(z, out)
    each("log_sigmoid", z, plain(z), out)
    return out


def log_sigmoid_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da · (1 - eᵃ)``; reads the output."""
    out = ready(a, out)
    each("log_sigmoid_backward", a, plain(da), plain(a), out)
    return out


def hardtanh(z: Any, *, low: float, high: float, out: Any = None) -> Any:
    """``a = min(max(z, low), high)``, NaN kept."""
    out = ready(z, out)
    each("hardtanh", z, plain(z), low, high, out)
    return out


def hardtanh_backward(da: Any, a: Any, *, low: float, high: float, out: Any = None) -> Any:
    """``dz = da · 1[low < a < high]``; reads the output or z."""
    out = ready(a, out)
    each("hardtanh_backward", a, plain(da), plain(a), low, high, out)
    return out


def gelu(z: Any, *, out: Any = None) -> Any:
    """``a = z Φ(z)``, Φ being the distribution function of the normal distribution."""
    out = ready(z, out)
    each("gelu", z, plain(z), out)
    return out


def gelu_backward_z(da: Any, z: Any, *, out: Any = None) -> Any:
    """``dz = da · (Φ(z) + z φ(z))``, φ being the density; reads z."""
    out = ready(z, out)
    each("gelu_backward_z", z, plain(da), plain(z), out)
    return out


def gelu_tanh(z: Any, *, out: Any = None) -> Any:
    """``a = ½ z (1 + tanh u) = z σ(2u)``, ``u = √(2/π) (z + 0.044715 z³)``."""
    out = ready(z, out)
    each("gelu_tanh", z, plain(z), out)
    return out


def gelu_tanh_backward_z(da: Any, z: Any, *, out: Any = None) -> Any:
    """``dz = da · (σ(2u) + z σ(2u) (1 - σ(2u)) 2u')``; reads z."""
    out = ready(z, out)
    each("gelu_tanh_backward_z", z, plain(da), plain(z), out)
    return out


def silu(z: Any, *, out: Any = None) -> Any:
    """``a = z σ(z)``."""
    out = ready(z, out)
    each("silu", z, plain(z), out)
    return out


def silu_backward_z(da: Any, z: Any, *, out: Any = None) -> Any:
    """``dz = da · σ(z) (1 + z (1 - σ(z)))``; reads z."""
    out = ready(z, out)
    each("silu_backward_z", z, plain(da), plain(z), out)
    return out


def step(z: Any, *, low: float, at_zero: float, out: Any = None) -> Any:
    """``a = 1`` where z > 0, ``low`` where z < 0, ``at_zero`` where z = 0, NaN kept."""
    out = ready(z, out)
    each("step", z, plain(z), low, at_zero, out)
    return out


def step_backward(da: Any, a: Any, *, low: float, at_zero: float, out: Any = None) -> Any:
    """``dz = 0``."""
    out = ready(a, out)
    each("step_backward", a, out)
    return out


def maxout(z: Any, *, pieces: int, out: Any = None) -> Any:
    """``a[i, j] = max z[i, j·pieces ... (j+1)·pieces - 1]``, NaN kept."""
    n, m = z.shape
    if out is None:
        out = namespace().empty((n, m // pieces), z.dtype)
    each("maxout", out, plain(z), pieces, out)
    return out


def maxout_backward_z(da: Any, z: Any, *, pieces: int, out: Any = None) -> Any:
    """``dz = da`` at the first maximum of each unit's pieces, else 0; reads z."""
    out = ready(z, out)
    each("maxout_backward_z", da, plain(da), plain(z), pieces, out)
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
