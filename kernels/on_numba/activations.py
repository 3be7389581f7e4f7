"""Activations and their derivatives; the loops are in ``activation_loops.py``."""

from typing import Any

import numpy as np

from accelnn.kernels.on_numba import activation_loops as loops
from accelnn.kernels.on_numba._jit import flat, plain, ready, run


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
    run(loops.sigmoid_loop, flat(z), out.reshape(-1))
    return out


def sigmoid_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da · a (1 - a)``; reads the output."""
    out = ready(a, out)
    run(loops.sigmoid_backward_loop, flat(da), flat(a), out.reshape(-1))
    return out


def sigmoid_backward_z(da: Any, z: Any, *, out: Any = None) -> Any:
    """``dz = da · σ(z) (1 - σ(z))``; reads z."""
    out = ready(z, out)
    run(loops.sigmoid_backward_z_loop, flat(da), flat(z), out.reshape(-1))
    return out


def tanh(z: Any, *, out: Any = None) -> Any:
    """``a = tanh z``."""
    out = ready(z, out)
    run(loops.tanh_loop, flat(z), out.reshape(-1))
    return out


def tanh_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da · (1 - a²)``; reads the output."""
    out = ready(a, out)
    run(loops.tanh_backward_loop, flat(da), flat(a), out.reshape(-1))
    return out


def tanh_backward_z(da: Any, z: Any, *, out: Any = None) -> Any:
    """``dz = da · (1 - tanh² z)``; reads z."""
    out = ready(z, out)
    run(loops.tanh_backward_z_loop, flat(da), flat(z), out.reshape(-1))
    return out


def relu(z: Any, *, out: Any = None) -> Any:
    """``a = max(z, 0)``, NaN kept."""
    out = ready(z, out)
    run(loops.relu_loop, flat(z), out.reshape(-1))
    return out


def relu_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da · 1[a > 0]``; reads the output or z."""
    out = ready(a, out)
    run(loops.relu_backward_loop, flat(da), flat(a), out.reshape(-1))
    return out


def leaky_relu(z: Any, *, slope: float, out: Any = None) -> Any:
    """``a = z if z > 0 else slope · z``."""
    out = ready(z, out)
    run(loops.leaky_relu_loop, flat(z), float(slope), out.reshape(-1))
    return out


def leaky_relu_backward(da: Any, a: Any, *, slope: float, out: Any = None) -> Any:
    """``dz = da · (1 if a > 0 else slope)``; reads z, or the output where slope >= 0."""
    out = ready(a, out)
    run(loops.leaky_relu_backward_loop, flat(da), flat(a), float(slope), out.reshape(-1))
    return out


def elu(z: Any, *, alpha: float, out: Any = None) -> Any:
    """``a = z if z > 0 else α (eᶻ - 1)``."""
    out = ready(z, out)
    run(loops.elu_loop, flat(z), float(alpha), out.reshape(-1))
    return out


def elu_backward(da: Any, a: Any, *, alpha: float, out: Any = None) -> Any:
    """``dz = da · (1 if a > 0 else a + α)``; reads the output, valid for α >= 0."""
    out = ready(a, out)
    run(loops.elu_backward_loop, flat(da), flat(a), float(alpha), out.reshape(-1))
    return out


def elu_backward_z(da: Any, z: Any, *, alpha: float, out: Any = None) -> Any:
    """``dz = da · (1 if z > 0 else α eᶻ)``; reads z, valid for any α."""
    out = ready(z, out)
    run(loops.elu_backward_z_loop, flat(da), flat(z), float(alpha), out.reshape(-1))
    return out


def softmax(z: Any, *, out: Any = None) -> Any:
    """``a[i, j] = exp(z[i, j] - zmaxᵢ) / Σₖ exp(z[i, k] - zmaxᵢ)``."""
    out = ready(z, out)
    if z.size:
        run(loops.softmax_loop, plain(z), out)
    return out


def softmax_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = a · (da - Σₖ da[:, k] a[:, k])``; reads the output."""
    out = ready(a, out)
    run(loops.softmax_backward_loop, plain(da), plain(a), out)
    return out


def log_softmax(z: Any, *, out: Any = None) -> Any:
    """``a[i, j] = z[i, j] - zmaxᵢ - log Σₖ exp(z[i, k] - zmaxᵢ)``."""
    out = ready(z, out)
    if z.size:
        run(loops.log_softmax_loop, plain(z), out)
    return out


def log_softmax_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da - eᵃ Σₖ da[:, k]``; reads the output."""
    out = ready(a, out)
    run(loops.log_softmax_backward_loop, plain(da), plain(a), out)
    return out


def log_sigmoid(z: Any, *, out: Any = None) -> Any:
    """``a = log σ(z) = min(z, 0) - log(1 + e^-|z|)``."""
    out = ready(z, out)
    run(loops.log_sigmoid_loop, flat(z), out.reshape(-1))
    return out


def log_sigmoid_backward(da: Any, a: Any, *, out: Any = None) -> Any:
    """``dz = da · (1 - eᵃ)``; reads the output."""
    out = ready(a, out)
    run(loops.log_sigmoid_backward_loop, flat(da), flat(a), out.reshape(-1))
    return out


def hardtanh(z: Any, *, low: float, high: float, out: Any = None) -> Any:
    """``a = low`` below, ``high`` above, else z."""
    out = ready(z, out)
    run(loops.hardtanh_loop, flat(z), float(low), float(high), out.reshape(-1))
    return out


def hardtanh_backward(da: Any, a: Any, *, low: float, high: float, out: Any = None) -> Any:
    """``dz = da · 1[low < a < high]``; reads the output or z."""
    out = ready(a, out)
    run(loops.hardtanh_backward_loop, flat(da), flat(a), float(low), float(high), out.reshape(-1))
    return out


def gelu(z: Any, *, out: Any = None) -> Any:
    """``a = z Φ(z)``."""
    out = ready(z, out)
    run(loops.gelu_loop, flat(z), out.reshape(-1))
    return out


def gelu_backward_z(da: Any, z: Any, *, out: Any = None) -> Any:
    """``dz = da · (Φ(z) + z φ(z))``; reads z."""
    out = ready(z, out)
    run(loops.gelu_backward_z_loop, flat(da), flat(z), out.reshape(-1))
    return out


def gelu_tanh(z: Any, *, out: Any = None) -> Any:
    """``a = z σ(2u)``, u = √(2/π) (z + 0.044715 z³)."""
    out = ready(z, out)
    run(loops.gelu_tanh_loop, flat(z), out.reshape(-1))
    return out


def gelu_tanh_backward_z(da: Any, z: Any, *, out: Any = None) -> Any:
    """``dz = da · (s + z s (1 - s) · 2u')``, s = σ(2u); reads z."""
    out = ready(z, out)
    run(loops.gelu_tanh_backward_z_loop, flat(da), flat(z), out.reshape(-1))
    return out


def silu(z: Any, *, out: Any = None) -> Any:
    """``a = z σ(z)``."""
    out = ready(z, out)
    run(loops.silu_loop, flat(z), out.reshape(-1))
    return out


def silu_backward_z(da: Any, z: Any, *, out: Any = None) -> Any:
    """``dz = da · σ(z) (1 + z (1 - σ(z)))``; reads z."""
    out = ready(z, out)
    run(loops.silu_backward_z_loop, flat(da), flat(z), out.reshape(-1))
    return out


def step(z: Any, *, low: float, at_zero: float, out: Any = None) -> Any:
    """``a = 1`` above 0, ``low`` below, ``at_zero`` at 0."""
    out = ready(z, out)
    run(loops.step_loop, flat(z), float(low), float(at_zero), out.reshape(-1))
    return out


def step_backward(da: Any, a: Any, *, low: float, at_zero: float, out: Any = None) -> Any:
    """``dz = 0``; reads nothing."""
    out = ready(da, out)
    out[...] = 0
    return out


def maxout(z: Any, *, pieces: int, out: Any = None) -> Any:
    """``a[i, j] = maxₖ z[i, j · pieces + k]``. z (n, m · pieces) -> (n, m)."""
    out = np.empty((z.shape[0], z.shape[1] // pieces), z.dtype) if out is None else out
    run(loops.maxout_loop, plain(z), int(pieces), out)
    return out


def maxout_backward_z(da: Any, z: Any, *, pieces: int, out: Any = None) -> Any:
    """``dz[i, j · pieces + k] = da[i, j]`` for the first of the largest pieces, else 0; reads z."""
    out = ready(z, out)
    run(loops.maxout_backward_z_loop, plain(da), plain(z), int(pieces), out)
    return out
