"""Layers and losses as functions: each is a pair of kernels of the tensor's backend."""

from typing import Any

from accelnn.autograd import Tensor, record
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
    _check_linear(x, weight, bias)
    be = x.backend
    n_out, n_in = weight.shape
    w, flipped = c_ordered(weight.array)
    rows = be.xp.reshape(x.array, (-1, n_in)) if n_in else x.array
    y = be.matmul(rows, w, tb=flipped)
    if bias is not None:
        y = be.add_bias(y, bias.array, out=y) if be.in_place else be.add_bias(y, bias.array)

    def backward(dy: Any) -> list[Any]:
        dy = be.xp.reshape(dy, (rows.shape[0], n_out))
        dx = be.matmul(dy, w, tb=not flipped) if x.requires_grad else None
        grads = [
            None if dx is None else be.xp.reshape(dx, x.shape),
            be.matmul(rows, dy, ta=True).T if weight.requires_grad else None,
        ]
        return grads if bias is None else [*grads, be.sum_rows(dy)]

    parents = (x, weight) if bias is None else (x, weight, bias)
    return record("linear", be.xp.reshape(y, (*x.shape[:-1], n_out)), parents, backward)


def c_ordered(w: Any) -> tuple[Any, bool]:
    """Return (storage, flipped): a C-ordered matrix that is ``wᵀ``, or ``w`` itself if flipped.

    A Linear's weight is the transpose of its storage (in_features, out_features), so nothing is
    copied; neither is a weight that a user set as an ordinary (out, in) array.
    """
    flags = getattr(w, "flags", None)
    flipped = flags is not None and flags.c_contiguous and not flags.f_contiguous
    return (w, True) if flipped else (w.T, False)


def _check_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> None:
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


def softmax(x: Tensor, dim: int = -1) -> Tensor:
    """``exp(x) / Σ exp(x)`` along the last axis, (n, m)."""
    return _rows("softmax", x, dim)


def log_softmax(x: Tensor, dim: int = -1) -> Tensor:
    """Logarithm of softmax along the last axis, (n, m)."""
    return _rows("log_softmax", x, dim)


def _rows(name: str, x: Tensor, dim: int) -> Tensor:
    if dim not in (-1, x.ndim - 1) or x.ndim == 0:
        raise ValueError(
            f"{name} works along the last axis of a tensor, got dim={dim} for shape {x.shape}"
        )
    if x.ndim == 2:
        return _from_output(name, x)
    return _from_output(name, x.reshape(-1, x.shape[-1])).reshape(x.shape)


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
