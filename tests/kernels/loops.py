"""What the kernels mean, as slow and obvious loops over Python floats.

Nothing here is shared with the library: no array arithmetic, no common helper, no rearranged
formula. Arrays serve as containers only. Results are float64.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np


def _each(f: Callable[..., float], *arrays: Any) -> Any:
    """Apply ``f`` to matching elements, as Python floats."""
    out = np.zeros(arrays[0].shape)
    for i in np.ndindex(out.shape):
        out[i] = f(*(float(a[i]) for a in arrays))
    return out


def _each_row(f: Callable[..., list[float]], *arrays: Any) -> Any:
    """Apply ``f`` to matching rows, as lists of Python floats, where it returns a row."""
    out = np.zeros(arrays[0].shape)
    for i in range(out.shape[0]):
        row = f(*([float(x) for x in a[i]] for a in arrays))
        for j in range(out.shape[1]):
            out[i, j] = row[j]
    return out


def matmul(a: Any, b: Any, *, ta: bool = False, tb: bool = False) -> Any:
    n, k = (a.shape[1], a.shape[0]) if ta else (a.shape[0], a.shape[1])
    m = b.shape[0] if tb else b.shape[1]
    out = np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            total = 0.0
            for r in range(k):
                total += float(a[r, i] if ta else a[i, r]) * float(b[j, r] if tb else b[r, j])
            out[i, j] = total
    return out


def take_rows(x: Any, index: Any) -> Any:
    out = np.zeros((len(index), *x.shape[1:]))
    for k in range(len(index)):
        for j in np.ndindex(x.shape[1:]):
            out[(k, *j)] = x[(int(index[k]), *j)]
    return out


def add_bias(z: Any, b: Any) -> Any:
    out = np.zeros(z.shape)
    for i, j in np.ndindex(z.shape):
        out[i, j] = float(z[i, j]) + float(b[j])
    return out


def sum_rows(dz: Any) -> Any:
    out = np.zeros(dz.shape[1])
    for j in range(dz.shape[1]):
        total = 0.0
        for i in range(dz.shape[0]):
            total += float(dz[i, j])
        out[j] = total
    return out


def identity(z: Any) -> Any:
    return _each(lambda x: x, z)


def identity_backward(da: Any, a: Any) -> Any:
    return _each(lambda d, y: d, da, a)


def _sigmoid(x: float) -> float:
    if x < 0:
        return math.exp(x) / (math.exp(x) + 1)
    return 1 / (1 + math.exp(-x))


def sigmoid(z: Any) -> Any:
    return _each(_sigmoid, z)


def sigmoid_backward(da: Any, a: Any) -> Any:
    return _each(lambda d, y: d * y * (1 - y), da, a)


def sigmoid_backward_z(da: Any, z: Any) -> Any:
    def one(d: float, x: float) -> float:
        return d * math.exp(-abs(x)) / (1 + math.exp(-abs(x))) ** 2

    return _each(one, da, z)


def tanh(z: Any) -> Any:
    return _each(math.tanh, z)


def tanh_backward(da: Any, a: Any) -> Any:
    return _each(lambda d, y: d * (1 - y**2), da, a)


def tanh_backward_z(da: Any, z: Any) -> Any:
    return _each(lambda d, x: d / math.cosh(x) ** 2, da, z)


def relu(z: Any) -> Any:
    return _each(lambda x: x if x > 0 else 0.0, z)


def relu_backward(da: Any, a: Any) -> Any:
    return _each(lambda d, y: d if y > 0 else 0.0, da, a)


def leaky_relu(z: Any, *, slope: float) -> Any:
    return _each(lambda x: x if x > 0 else slope * x, z)


def leaky_relu_backward(da: Any, a: Any, *, slope: float) -> Any:
    return _each(lambda d, y: d if y > 0 else slope * d, da, a)


def elu(z: Any, *, alpha: float) -> Any:
    return _each(lambda x: x if x > 0 else alpha * math.expm1(x), z)


def elu_backward(da: Any, a: Any, *, alpha: float) -> Any:
    return _each(lambda d, y: d if y > 0 else d * (y + alpha), da, a)


def elu_backward_z(da: Any, z: Any, *, alpha: float) -> Any:
    return _each(lambda d, x: d if x > 0 else d * alpha * math.exp(x), da, z)


def _log_sum_exp(row: list[float]) -> float:
    top = max(row)
    return top + math.log(sum(math.exp(x - top) for x in row))


def softmax(z: Any) -> Any:
    return _each_row(lambda row: [math.exp(x - _log_sum_exp(row)) for x in row], z)


def softmax_backward(da: Any, a: Any) -> Any:
    """Σₖ da[k] · ∂a[k]/∂z[j], with the whole Jacobian a[k] (δ[k, j] - a[j])."""

    def one(d: list[float], y: list[float]) -> list[float]:
        m = range(len(y))
        return [sum(d[k] * y[k] * ((1 if k == j else 0) - y[j]) for k in m) for j in m]

    return _each_row(one, da, a)


def log_softmax(z: Any) -> Any:
    return _each_row(lambda row: [x - _log_sum_exp(row) for x in row], z)


def log_softmax_backward(da: Any, a: Any) -> Any:
    """Σₖ da[k] · ∂a[k]/∂z[j], with the whole Jacobian δ[k, j] - exp(a[j])."""

    def one(d: list[float], y: list[float]) -> list[float]:
        m = range(len(y))
        return [sum(d[k] * ((1 if k == j else 0) - math.exp(y[j])) for k in m) for j in m]

    return _each_row(one, da, a)


def log_sigmoid(z: Any) -> Any:
    return _each(lambda x: -math.log1p(math.exp(-x)) if x > 0 else x - math.log1p(math.exp(x)), z)


def log_sigmoid_backward(da: Any, a: Any) -> Any:
    return _each(lambda d, y: d * (1 - math.exp(y)), da, a)


def hardtanh(z: Any, *, low: float, high: float) -> Any:
    return _each(lambda x: min(max(x, low), high), z)


def hardtanh_backward(da: Any, a: Any, *, low: float, high: float) -> Any:
    return _each(lambda d, y: d if low < y < high else 0.0, da, a)


def _below(x: float) -> float:
    """The normal distribution's Φ."""
    return math.erfc(-x / math.sqrt(2)) / 2


def gelu(z: Any) -> Any:
    return _each(lambda x: x * _below(x), z)


def gelu_backward_z(da: Any, z: Any) -> Any:
    def one(d: float, x: float) -> float:
        return d * (_below(x) + x * math.exp(-(x**2) / 2) / math.sqrt(2 * math.pi))

    return _each(one, da, z)


def _bent(x: float) -> float:
    return math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


def gelu_tanh(z: Any) -> Any:
    return _each(lambda x: x * (1 + _bent(x)) / 2, z)


def gelu_tanh_backward_z(da: Any, z: Any) -> Any:
    def one(d: float, x: float) -> float:
        slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)
        return d * ((1 + _bent(x)) / 2 + x / 2 * (1 - _bent(x) ** 2) * slope)

    return _each(one, da, z)


def silu(z: Any) -> Any:
    return _each(lambda x: x / (1 + math.exp(-x)), z)


def silu_backward_z(da: Any, z: Any) -> Any:
    def one(d: float, x: float) -> float:
        e = math.exp(-x)
        return d * (1 + e + x * e) / (1 + e) ** 2

    return _each(one, da, z)


def step(z: Any, *, low: float, at_zero: float) -> Any:
    return _each(lambda x: 1.0 if x > 0 else low if x < 0 else at_zero, z)


def step_backward(da: Any, a: Any, *, low: float, at_zero: float) -> Any:
    return np.zeros(da.shape)


def maxout(z: Any, *, pieces: int) -> Any:
    out = np.zeros((z.shape[0], z.shape[1] // pieces))
    for i, j in np.ndindex(out.shape):
        out[i, j] = max(float(x) for x in z[i, j * pieces : (j + 1) * pieces])
    return out


def maxout_backward_z(da: Any, z: Any, *, pieces: int) -> Any:
    out = np.zeros(z.shape)
    for i, j in np.ndindex(da.shape):
        own = [float(x) for x in z[i, j * pieces : (j + 1) * pieces]]
        out[i, j * pieces + own.index(max(own))] = da[i, j]
    return out


def _row_sums(f: Callable[..., float], *arrays: Any) -> Any:
    out = np.zeros(arrays[0].shape[0])
    for i in range(len(out)):
        for j in range(arrays[0].shape[1]):
            out[i] += f(*(float(a[i, j]) for a in arrays))
    return out


def _weighted(f: Callable[..., float], dl: Any, *arrays: Any) -> Any:
    out = np.zeros(arrays[0].shape)
    for i, j in np.ndindex(out.shape):
        out[i, j] = float(dl[i]) * f(*(float(a[i, j]) for a in arrays))
    return out


def squared_error(y: Any, t: Any) -> Any:
    return _row_sums(lambda u, v: (u - v) ** 2, y, t)


def squared_error_backward(dl: Any, y: Any, t: Any) -> Any:
    return _weighted(lambda u, v: 2 * (u - v), dl, y, t)


def binary_cross_entropy(z: Any, t: Any) -> Any:
    """-t log σ(z) - (1-t) log σ(-z), where -log σ(x) = log(1 + e^-x)."""

    def minus_log_sigmoid(x: float) -> float:
        return math.log1p(math.exp(-x)) if x > 0 else -x + math.log1p(math.exp(x))

    return _row_sums(lambda x, v: v * minus_log_sigmoid(x) + (1 - v) * minus_log_sigmoid(-x), z, t)


def binary_cross_entropy_backward(dl: Any, z: Any, t: Any) -> Any:
    return _weighted(lambda x, v: _sigmoid(x) - v, dl, z, t)


def cross_entropy(z: Any, t: Any) -> Any:
    out = np.zeros(z.shape[0])
    for i in range(z.shape[0]):
        row = [float(x) for x in z[i]]
        out[i] = _log_sum_exp(row) - row[int(t[i])]
    return out


def cross_entropy_backward(dl: Any, z: Any, t: Any) -> Any:
    out = np.zeros(z.shape)
    for i in range(z.shape[0]):
        row = [float(x) for x in z[i]]
        for j in range(z.shape[1]):
            share = math.exp(row[j] - _log_sum_exp(row))
            out[i, j] = float(dl[i]) * (share - (1 if j == int(t[i]) else 0))
    return out


def poisson(z: Any, t: Any) -> Any:
    """t log(t/μ) - t + μ with the mean μ = e^z, as deviances are written."""

    def one(x: float, v: float) -> float:
        mean = math.exp(x)
        return (v * math.log(v / mean) if v > 0 else 0) - v + mean

    return _row_sums(one, z, t)


def poisson_backward(dl: Any, z: Any, t: Any) -> Any:
    return _weighted(lambda x, v: math.exp(x) - v, dl, z, t)


def perceptron(z: Any, t: Any) -> Any:
    """|z| of what is misclassified; 0 counts as positive."""
    return _row_sums(lambda x, v: abs(x) if (x >= 0) != (v == 1) else 0, z, t)


def perceptron_backward(dl: Any, z: Any, t: Any) -> Any:
    return _weighted(lambda x, v: (1 if x >= 0 else 0) - v, dl, z, t)


def sgd(p: Any, g: Any, *, lr: float, decay: float) -> Any:
    return _each(lambda x, d: x - lr * (d + decay * x), p, g)


def momentum(
    p: Any, g: Any, v: Any, *, mu: float, a: float, b: float, nesterov: bool, decay: float
) -> tuple[Any, Any]:
    new_p, new_v = np.zeros(p.shape), np.zeros(p.shape)
    for i in np.ndindex(p.shape):
        slope = float(g[i]) + decay * float(p[i])
        velocity = mu * float(v[i]) + a * slope
        new_v[i] = velocity
        if nesterov:
            velocity = mu * velocity + a * slope
        new_p[i] = float(p[i]) - b * velocity
    return new_p, new_v


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
    new_p, new_m, new_v = np.zeros(p.shape), np.zeros(p.shape), np.zeros(p.shape)
    for i in np.ndindex(p.shape):
        slope = float(g[i]) + decay * float(p[i])
        first = beta1 * float(m[i]) + (1 - beta1) * slope
        second = beta2 * float(v[i]) + (1 - beta2) * slope**2
        new_m[i], new_v[i] = first, second
        new_p[i] = shrink * float(p[i]) - step * first / (math.sqrt(second) + eps)
    return new_p, new_m, new_v


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Philox4x32-10 as printed in Salmon et al. 2011, section 3.3, on Python's own integers."""
    left0, right0, left1, right1 = counter[1], counter[0], counter[3], counter[2]
    for turn in range(10):
        key0 = (key[0] + turn * 0x9E3779B9) % 2**32
        key1 = (key[1] + turn * 0xBB67AE85) % 2**32
        high0, low0 = divmod(0xD2511F53 * right0, 2**32)
        high1, low1 = divmod(0xCD9E8D57 * right1, 2**32)
        left0, right0, left1, right1 = low1, high1 ^ left0 ^ key0, low0, high0 ^ left1 ^ key1
    return right0, left0, right1, left1


def dropout(x: Any, *, p: float, seed: int, call: int) -> Any:
    out = np.zeros(x.shape)
    for position, i in enumerate(np.ndindex(x.shape)):
        block, lane = divmod(position, 4)
        counter = (block % 2**32, block // 2**32, call % 2**32, call // 2**32)
        word = philox(counter, (seed % 2**32, seed // 2**32))[lane]
        if p < 1 and word >= math.floor(p * 2**32):
            out[i] = float(x[i]) / (1 - p)
    return out
