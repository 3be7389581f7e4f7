"""Layers and losses as functions: each is a pair of kernels of the tensor's backend."""

import math
from typing import Any, SupportsIndex

from accelnn.autograd import Tensor, record
from accelnn.nn.loss_functions import binary_cross_entropy as binary_cross_entropy
from accelnn.nn.loss_functions import (
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
)
from accelnn.nn.loss_functions import cross_entropy as cross_entropy
from accelnn.nn.loss_functions import focal_loss as focal_loss
from accelnn.nn.loss_functions import huber_loss as huber_loss
from accelnn.nn.loss_functions import l1_loss as l1_loss
from accelnn.nn.loss_functions import mse_loss as mse_loss
from accelnn.nn.loss_functions import poisson_nll_loss as poisson_nll_loss
from accelnn.nn.loss_functions import quantile_loss as quantile_loss


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``y = x Wᵀ + b``.

    Parameters
    ----------
    x : Tensor of shape (..., in_features)
    weight : Tensor of shape (out_features, in_features)
    bias : Tensor of shape (out_features,), optional

    Returns
    -------
    Tensor of shape (..., out_features)

    Raises
    ------
    ValueError
        If the shapes do not fit.
    TypeError
        If the dtypes or backends differ.
    """
    if not _fits(x, weight, bias):
        _check_linear(x, weight, bias)
    be, rows, shape = x.backend, x.array, x.array.shape
    n_out, n_in = weight.array.shape
    w, flipped = c_ordered(weight.array)
    if len(shape) != 2 and n_in:
        rows = be.xp.reshape(rows, (-1, n_in))
    y = be.matmul(rows, w, tb=flipped)
    if bias is not None:
        y = be.add_bias(y, bias.array, out=y) if be.in_place else be.add_bias(y, bias.array)

    biased, folded = bias is not None, None
    if len(shape) != 2:  # shapes of the gradients: of the rows, of x
        folded = (rows.shape[0], n_out), shape
        y = be.xp.reshape(y, (*shape[:-1], n_out))
    rows = rows if weight.requires_grad else None  # a way back holds only what it reads
    w = w if x.requires_grad else None

    def backward(dy: Any) -> tuple[Any, ...]:
        dy = be.xp.reshape(dy, folded[0]) if folded else dy
        dx = None if w is None else be.matmul(dy, w, tb=not flipped)
        dx = be.xp.reshape(dx, folded[1]) if folded and dx is not None else dx
        dw = None if rows is None else be.matmul(rows, dy, ta=True).T
        return (dx, dw, be.sum_rows(dy)) if biased else (dx, dw)

    return record("linear", y, (x, weight) if bias is None else (x, weight, bias), backward)


def c_ordered(w: Any) -> tuple[Any, bool]:
    """Return (storage, flipped): a C-ordered matrix that is ``wᵀ``, or ``w`` itself if flipped.

    A Linear's weight is the transpose of its storage (in_features, out_features), so nothing is
    copied; neither is a weight that a user set as an ordinary (out, in) array.
    """
    flags = getattr(w, "flags", None)
    flipped = flags is not None and flags.c_contiguous and not flags.f_contiguous
    return (w, True) if flipped else (w.T, False)


def _fits(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Return whether shapes, dtypes and backends fit; ``_check_linear`` says what does not."""
    (n_out, n_in), dtype, backend = weight.array.shape, x.array.dtype, x.backend
    return (
        x.array.shape[-1:] == (n_in,)
        and weight.array.dtype == dtype
        and weight.backend is backend
        and (
            bias is None
            or (
                bias.array.shape == (n_out,)
                and bias.array.dtype == dtype
                and bias.backend is backend
            )
        )
    )


def _check_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    """Raise an error that names what does not fit."""
    n_out, n_in = weight.shape
    if x.ndim == 0 or x.shape[-1] != n_in:
        raise ValueError(
            f"Linear expects input of shape (..., {n_in}) for its weight of shape {weight.shape}, "
            f"got {x.shape}"
        )
    if bias is not None and bias.shape != (n_out,):
        raise ValueError(
            f"Linear expects a bias of shape ({n_out},) for its weight of shape {weight.shape}, "
            f"got {bias.shape}; a column would be added to every row: use bias.reshape({n_out})"
        )
    for name, other in (("weight", weight), ("bias", bias)):
        if other is not None and other.dtype != x.dtype:
            raise TypeError(
                f"Linear got input of {x.dtype} for a {name} of {other.dtype}; convert the input, "
                "or create the layer with dtype="
            )
        if other is not None and other.backend is not x.backend:
            raise TypeError(
                f"Linear's {name} is on backend {other.backend.name!r}, its input on "
                f"{x.backend.name!r}; use Tensor(x, backend=...) or model.to(...)"
            )


def _from_output(name: str, x: Tensor, **how: Any) -> Tensor:
    """Return an activation whose backward reads the output."""
    forward, backward = getattr(x.backend, name), getattr(x.backend, name + "_backward")
    a = forward(x.array, **how)
    return record(name, a, (x,), lambda da: (backward(da, a, **how),))


def _from_input(name: str, kernel: str, x: Tensor, **how: Any) -> Tensor:
    """Return an activation whose backward reads z, for parameters that the output form excludes."""
    forward, backward = getattr(x.backend, name), getattr(x.backend, kernel)
    z = x.array
    return record(name, forward(z, **how), (x,), lambda da: (backward(da, z, **how),))


def identity(x: Tensor) -> Tensor:
    """Return ``x``."""
    return x


def sigmoid(x: Tensor) -> Tensor:
    """``1 / (1 + e⁻ˣ)``, any shape."""
    return _from_output("sigmoid", x)


def tanh(x: Tensor) -> Tensor:
    """``tanh x``, any shape."""
    return _from_output("tanh", x)


def relu(x: Tensor) -> Tensor:
    """``max(x, 0)``, any shape; the derivative at 0 is 0."""
    return _from_output("relu", x)


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """``x`` where positive, else ``negative_slope · x``, any shape."""
    return _from_input("leaky_relu", "leaky_relu_backward", x, slope=negative_slope)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """``x`` where positive, else ``α (eˣ - 1)``, any shape."""
    return _from_input("elu", "elu_backward_z", x, alpha=alpha)


def logsigmoid(x: Tensor) -> Tensor:
    """``log 1 / (1 + e⁻ˣ)``, any shape."""
    return _from_output("log_sigmoid", x)


def hardtanh(x: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """``x`` between the two, the nearer of them outside, any shape; derivative 0 at both ends."""
    low, high = checked_ends(min_val, max_val)
    return _from_output("hardtanh", x, low=low, high=high)


def relu6(x: Tensor) -> Tensor:
    """``min(max(x, 0), 6)``, any shape; the derivative at 0 and 6 is 0."""
    return _from_output("hardtanh", x, low=0.0, high=6.0)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """``x Φ(x)``, any shape; with "tanh" Φ is ``½ (1 + tanh √(2/π) (x + 0.044715 x³))``."""
    name = "gelu" if checked_approximation(approximate) == "none" else "gelu_tanh"
    return _from_input(name, name + "_backward_z", x)


def silu(x: Tensor) -> Tensor:
    """``x / (1 + e⁻ˣ)``, any shape."""
    return _from_input("silu", "silu_backward_z", x)


def sign(x: Tensor, at_zero: float = 1) -> Tensor:
    """1 above 0, -1 below, ``at_zero`` at 0, any shape; the derivative is 0."""
    return _from_output("step", x, low=-1.0, at_zero=float(at_zero))


def step(x: Tensor, at_zero: float = 1) -> Tensor:
    """1 above 0, 0 below, ``at_zero`` at 0, any shape; the derivative is 0."""
    return _from_output("step", x, low=0.0, at_zero=float(at_zero))


def maxout(x: Tensor, pieces: int = 2) -> Tensor:
    """The largest of each ``pieces`` neighbours, (..., m · pieces) -> (..., m).

    Raises
    ------
    ValueError
        If the last axis cannot be cut so.
    """
    k = checked_pieces(pieces)
    if x.ndim == 0 or x.shape[-1] % k:
        raise ValueError(
            f"maxout of {k} pieces needs a last axis that is a multiple of {k}, got shape {x.shape}"
        )
    if x.ndim == 2:
        return _from_input("maxout", "maxout_backward_z", x, pieces=k)
    # counted, since -1 would not tell how many rows there are where there are no columns
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    a = _from_input("maxout", "maxout_backward_z", rows, pieces=k)
    return a.reshape(*x.shape[:-1], x.shape[-1] // k)


def checked_ends(min_val: float, max_val: float) -> tuple[float, float]:
    """Return both as floats, or raise ValueError where the first is not below the second."""
    if not min_val < max_val:
        raise ValueError(f"min_val must be below max_val, got {min_val!r} and {max_val!r}")
    return float(min_val), float(max_val)


def checked_approximation(approximate: str) -> str:
    """Return the name of a GELU, or raise ValueError."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f"approximate must be 'none' or 'tanh', got {approximate!r}")
    return approximate


def checked_pieces(pieces: int) -> int:
    """Return how many pieces a maxout unit has, or raise ValueError."""
    if not isinstance(pieces, SupportsIndex) or pieces < 1:
        raise ValueError(f"pieces must be an integer of at least 1, got {pieces!r}")
    return int(pieces)


def softmax(x: Tensor, dim: int = -1) -> Tensor:
    """``exp(x) / Σ exp(x)`` along the axis ``dim``."""
    return _along("softmax", x, dim)


def log_softmax(x: Tensor, dim: int = -1) -> Tensor:
    """Logarithm of softmax along the axis ``dim``."""
    return _along("log_softmax", x, dim)


def _along(name: str, x: Tensor, dim: int) -> Tensor:
    """Apply a kernel of rows along any axis: it is made the last one, and the others the rows."""
    if not -x.ndim <= dim < x.ndim:
        raise ValueError(
            f"{name} needs dim from {-x.ndim} to {x.ndim - 1} for shape {x.shape}, got {dim}"
            if x.ndim
            else f"{name} needs a tensor with an axis, got shape ()"
        )
    if x.ndim == 2 and dim in (-1, 1):
        return _from_output(name, x)
    forward, backward = getattr(x.backend, name), getattr(x.backend, name + "_backward")
    xp = x.backend.xp
    others = [n for axis, n in enumerate(x.shape) if axis != dim % x.ndim]
    size = x.shape[dim]

    def as_rows(array: Any) -> Any:
        return xp.reshape(xp.moveaxis(array, dim, -1), (math.prod(others), size))

    def as_it_was(rows: Any) -> Any:
        return xp.moveaxis(xp.reshape(rows, (*others, size)), -1, dim)

    a = forward(as_rows(x.array))
    return record(name, as_it_was(a), (x,), lambda da: (as_it_was(backward(as_rows(da), a)),))


def flatten(x: Tensor) -> Tensor:
    """(n, ...) -> (n, product of the rest)."""
    width = 1
    for n in x.shape[1:]:
        width *= n
    return x.reshape(x.shape[0], width)


def dropout(x: Tensor, p: float, *, seed: int, call: int) -> Tensor:
    """Zero each element with probability ``p`` and scale the rest; (seed, call) fix the mask."""
    kernel = x.backend.dropout
    y = kernel(x.array, p=p, seed=seed, call=call)
    return record("dropout", y, (x,), lambda dy: (kernel(dy, p=p, seed=seed, call=call),))
