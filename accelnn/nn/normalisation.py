"""Normalisation layers: the numbers of a batch, or of a row, get mean 0 and variance 1.

Both are one formula along another axis. With the mean μ and the biased variance σ² of m numbers::

    x̂ = (x - μ) / √(σ² + ε)          y = γ x̂ + β

    dx̂ = γ dy                         dγ = Σ dy x̂          dβ = Σ dy
    dx = (dx̂ - mean(dx̂) - x̂ mean(dx̂ x̂)) / √(σ² + ε)

where the means are over the same m numbers, and the sums over the rows (Ioffe & Szegedy 2015,
arXiv:1502.03167, section 3; its gradients of σ² and μ are put into that of x and simplified).
"""

import math
from typing import Any, SupportsIndex

from accelnn.autograd import Parameter, Tensor, record
from accelnn.backends import Backend, resolve_backend
from accelnn.nn.module import Module, write
from accelnn.nn.ranges import number_between


class _Normalisation(Module):
    """Holds ε, and γ and β as ``weight`` and ``bias``."""

    weight: Parameter | None
    bias: Parameter | None

    def __init__(self, width: int, eps: float, affine: bool, dtype: Any, backend: Backend) -> None:
        super().__init__()
        if str(dtype).rpartition(".")[2].strip("'>") not in ("float32", "float64"):
            raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
        self.eps = number_between("eps", eps, 0, math.inf, ends=True)
        self.weight = self.bias = None
        if affine:
            self.weight = Parameter(backend.xp.ones(width, dtype=dtype), backend=backend)
            self.bias = Parameter(backend.xp.zeros(width, dtype=dtype), backend=backend)

    def _check(self, x: Tensor, held: Tensor | None) -> None:
        """Raise unless the input is of the dtype and on the backend of what the layer holds."""
        name = type(self).__name__
        if held is not None and held.dtype != x.dtype:
            raise TypeError(
                f"{name} of {held.dtype} got input of {x.dtype}; convert the input, or create the "
                "layer with dtype="
            )
        if held is not None and held.backend is not x.backend:
            raise TypeError(
                f"{name} is on backend {held.backend.name!r}, its input on {x.backend.name!r}; "
                "use Tensor(x, backend=...) or model.to(...)"
            )

    def _affine(self, x: Tensor, normal: Any, dx: Any) -> Tensor:
        """Record ``y = γ x̂ + β`` as one operation, ``dx`` being the way back from x̂ to x."""
        xp, weight, bias = x.backend.xp, self.weight, self.bias
        name = type(self).__name__
        if weight is None or bias is None:
            return record(name, normal, (x,), lambda dy: (dx(dy),))
        gamma = weight.array
        rows = tuple(range(x.ndim - 1))

        def backward(dy: Any) -> tuple[Any, Any, Any]:
            return dx(dy * gamma), xp.sum(dy * normal, axis=rows), xp.sum(dy, axis=rows)

        return record(name, normal * gamma + bias.array, (x, weight, bias), backward)


class BatchNorm1d(_Normalisation):
    """Normalise each feature over the rows of the minibatch (Ioffe & Szegedy 2015), as in PyTorch.

    In training with the mean and the biased variance of the minibatch, which also enter running
    means, the variance in its unbiased form: ``running = (1 - momentum) running + momentum new``.
    In evaluation with the running ones.

    Parameters
    ----------
    num_features : int
    eps : float
        Added to the variance.
    momentum : float
        Weight of the newest minibatch in the running means. PyTorch's None, for the mean of all
        minibatches, is not known here.
    affine : bool
        Whether there are a learned factor and summand for each feature.
    dtype : {"float32", "float64"}
    backend : str or Backend

    Attributes
    ----------
    weight, bias : Parameter of shape (num_features,), or None
        γ, ones at first, and β, zeros at first.
    running_mean, running_var : Tensor of shape (num_features,)
        Buffers: zeros and ones at first.
    num_batches_tracked : Tensor of shape ()
        Buffer: minibatches seen in training.

    Raises
    ------
    ValueError
        In training for a minibatch of one row, which has no variance, and always for input that is
        not (n, num_features). PyTorch's (n, num_features, length) is not known here.
    TypeError
        If dtype or backend of the input are not the layer's.

    Examples
    --------
    >>> from accelnn import nn
    >>> layer = nn.BatchNorm1d(2)
    >>> layer([[1.0, 10.0], [3.0, 30.0]]).numpy().round(3).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    >>> layer.running_mean.tolist()
    [0.20000000298023224, 2.0]
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        *,
        dtype: Any = "float32",
        backend: str | Backend = "auto",
    ) -> None:
        held, width = resolve_backend(backend), _width("num_features", num_features)
        super().__init__(width, eps, affine, dtype, held)
        self.num_features = width
        self.momentum = number_between("momentum", momentum, 0, 1, ends=True)
        xp = held.xp
        for name, array in (
            ("running_mean", xp.zeros(width, dtype=dtype)),
            ("running_var", xp.ones(width, dtype=dtype)),
            ("num_batches_tracked", xp.zeros((), dtype=xp.int64)),
        ):
            self.register_buffer(name, Tensor(array, backend=held))

    def forward(self, x: Tensor) -> Tensor:
        """(n, num_features), n ≥ 2 in training."""
        if x.ndim != 2 or x.shape[1] != self.num_features:
            raise ValueError(
                f"BatchNorm1d expects input of shape (n, {self.num_features}), got {x.shape}"
            )
        self._check(x, self.running_mean)
        xp = x.backend.xp
        if not self.training:
            factor = _inverse_root(self.running_var.array, self.eps)
            normal = (x.array - self.running_mean.array) * factor
            return self._affine(x, normal, lambda g: g * factor)
        if x.shape[0] < 2:
            raise ValueError(
                "BatchNorm1d in training needs at least 2 rows to have a variance, got input of "
                f"shape {x.shape}; use another batch size, or eval()"
            )
        normal, mean, variance, back = _normalised(xp, x.array, 0, self.eps)
        self._track(mean[0], variance[0] * (x.shape[0] / (x.shape[0] - 1)))
        return self._affine(x, normal, back)

    def _track(self, mean: Any, variance: Any) -> None:
        for running, new in ((self.running_mean, mean), (self.running_var, variance)):
            write(running, running.array * (1 - self.momentum) + new * self.momentum)
        write(self.num_batches_tracked, self.num_batches_tracked.array + 1)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "num_features": self.num_features,
            "eps": self.eps,
            "momentum": self.momentum,
            "affine": self.weight is not None,
            "dtype": str(self.running_mean.dtype),
        }


class LayerNorm(_Normalisation):
    """Normalise each row over its features (Ba, Kiros & Hinton 2016, arXiv:1607.06450).

    As in PyTorch over one axis, the last; training and evaluation are the same.

    Parameters
    ----------
    normalized_shape : int
        Length of the last axis. A tuple of several, as PyTorch takes it, is not known here.
    eps : float
        Added to the variance, which is the biased one.
    dtype : {"float32", "float64"}
    backend : str or Backend

    Attributes
    ----------
    weight, bias : Parameter of shape (normalized_shape,)
        γ, ones at first, and β, zeros at first.

    Raises
    ------
    ValueError
        For input that is not (..., normalized_shape).
    TypeError
        If dtype or backend of the input are not the layer's.

    Examples
    --------
    >>> from accelnn import nn
    >>> nn.LayerNorm(2)([[1.0, 3.0], [20.0, 10.0]]).numpy().round(3).tolist()
    [[-1.0, 1.0], [1.0, -1.0]]
    """

    weight: Parameter
    bias: Parameter

    def __init__(
        self,
        normalized_shape: int,
        eps: float = 1e-5,
        *,
        dtype: Any = "float32",
        backend: str | Backend = "auto",
    ) -> None:
        held, width = resolve_backend(backend), _width("normalized_shape", normalized_shape)
        super().__init__(width, eps, True, dtype, held)
        self.normalized_shape = width

    def forward(self, x: Tensor) -> Tensor:
        """(..., normalized_shape)."""
        if x.ndim == 0 or x.shape[-1] != self.normalized_shape:
            raise ValueError(
                f"LayerNorm expects input of shape (..., {self.normalized_shape}), got {x.shape}"
            )
        self._check(x, self.weight)
        normal, _, _, back = _normalised(x.backend.xp, x.array, -1, self.eps)
        return self._affine(x, normal, back)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "normalized_shape": self.normalized_shape,
            "eps": self.eps,
            "dtype": str(self.weight.dtype),
        }


def _normalised(xp: Any, x: Any, axis: int, eps: float) -> tuple[Any, Any, Any, Any]:
    """Return x̂, μ, σ² and the way back from the gradient of x̂ to that of x."""
    mean = xp.mean(x, axis=axis, keepdims=True)
    centred = x - mean
    variance = xp.mean(centred * centred, axis=axis, keepdims=True)
    factor = _inverse_root(variance, eps)
    normal = centred * factor

    def back(g: Any) -> Any:
        along = xp.mean(g * normal, axis=axis, keepdims=True)
        return (g - xp.mean(g, axis=axis, keepdims=True) - normal * along) * factor

    return normal, mean, variance, back


def _inverse_root(variance: Any, eps: float) -> Any:
    return (variance + eps) ** -0.5


def _width(name: str, value: Any) -> int:
    if not isinstance(value, SupportsIndex) or int(value) < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
    return int(value)
