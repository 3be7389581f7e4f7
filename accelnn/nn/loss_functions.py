"""Losses as functions: those with kernels, and those of a formula for each element.

All take ``reduction``: the "mean" over what is listed, the "sum", or "none" for all numbers as they
are. A target gets no gradient unless said otherwise.
"""

import math
from collections.abc import Callable
from typing import Any

from accelnn.autograd import Tensor, record
from accelnn.nn.ranges import number_between
from accelnn.operators.operand import is_integer

Formula = Callable[[Any, Any], Any]


def mse_loss(y: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """Squared error ``(y - t)²``: its mean over all elements, its sum, or each element ("none").

    The notes' ½ Σ is ``0.5 * mse_loss(y, t, "sum")``, their 1/(2m) Σ with one output is
    ``0.5 * mse_loss(y, t)``.

    Parameters
    ----------
    y, target : Tensor or array of one shape
        A target that requires a gradient gets one.
    """
    target = _target(y, target)
    if target.shape != y.shape:
        raise ValueError(f"mse_loss expects a target of shape {y.shape}, got {target.shape}")
    weight = _reduction(reduction, y.array.size)
    if weight is None or target.requires_grad:
        error: Tensor = y - target
        squares = error * error
        return squares if weight is None else squares.sum() * weight
    return _row_loss("squared_error", _as_rows(y), _as_rows(target).array, weight)


def binary_cross_entropy_with_logits(z: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """``-t log σ(z) - (1-t) log(1 - σ(z))``, mean over all elements or sum; exact for any logit.

    Parameters
    ----------
    z, target : Tensor or array of one shape
        Logits, and probabilities of the positive class in [0, 1], which get no gradient.
    """
    target = _same_shape("binary_cross_entropy_with_logits", z, target)
    rows = _as_rows(z) if reduction != "none" else z.reshape(z.array.size, 1)
    loss = _row_loss(
        "binary_cross_entropy",
        rows,
        z.backend.xp.reshape(target.array, rows.shape),
        _reduction(reduction, z.array.size),
    )
    return loss.reshape(z.shape) if reduction == "none" else loss


def binary_cross_entropy(p: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """``-t log p - (1-t) log(1 - p)`` of probabilities, mean over all elements; both logs ≥ -100.

    As PyTorch documents for BCELoss: so the loss of p = 0 or 1 is finite. The derivative
    ``(p - t) / (p (1 - p))`` is kept finite alike, by a denominator of at least 1e-12.

    A logistic function in front of it rounds to 1 for logits above some 37 in float64, 17 in
    float32, whatever they were; from there on only ``binary_cross_entropy_with_logits`` is exact.

    Parameters
    ----------
    p, target : Tensor or array of one shape
        Probabilities of the positive class in [0, 1], predicted and true; the latter get no
        gradient.

    Raises
    ------
    ValueError
        For a prediction outside [0, 1]; a NaN stays one.
    """
    xp = p.backend.xp

    def log(x: Any) -> Any:
        empty = x == 0
        held = xp.maximum(xp.log(xp.where(empty, xp.ones_like(x), x)), -100.0)
        return xp.where(empty, xp.full_like(x, -100.0), held)

    def value(p: Any, t: Any) -> Any:
        return -(t * log(p) + (1 - t) * log(1 - p))

    def slope(p: Any, t: Any) -> Any:
        return (p - t) / xp.maximum(p * (1 - p), 1e-12)

    outside = xp.logical_or(p.array < 0, p.array > 1)
    if bool(xp.any(outside)):
        raise ValueError(
            f"binary_cross_entropy expects probabilities from 0 to 1, got "
            f"{float(p.array[outside][0])}; for logits use binary_cross_entropy_with_logits"
        )
    return _element_loss("binary_cross_entropy", p, target, reduction, value, slope)


def cross_entropy(
    z: Tensor, target: Any, reduction: str = "mean", label_smoothing: float = 0.0
) -> Tensor:
    """``log Σⱼ exp zⱼ - z_t`` of each row: mean, sum or one per row ("none").

    With smoothing ε the target is no longer all on one class: each of the k classes gets ε/k, the
    right one 1 - ε more (Szegedy et al. 2016, arXiv:1512.00567, section 7), as in PyTorch.

    Parameters
    ----------
    z : Tensor of shape (n, n_classes)
        Logits, not probabilities.
    target : Tensor or array of shape (n,), integers
        Classes 0 ... n_classes - 1.
    label_smoothing : float
        ε, 0 to 1.
    """
    smooth = number_between("label_smoothing", label_smoothing, 0, 1, ends=True)
    data = _classes("cross_entropy", z, target)
    weight = _reduction(reduction, z.shape[0])
    if not smooth:
        return _row_loss("cross_entropy", z, data, weight)
    be, k = z.backend, z.shape[1]
    spread = be.xp.mean(be.log_softmax(z.array), axis=1)
    rows = be.cross_entropy(z.array, data) * (1 - smooth) - spread * smooth

    def slope(dl: Any) -> Any:
        to_all = (be.softmax(z.array) - 1 / k) * dl[:, None]
        return be.cross_entropy_backward(dl, z.array, data) * (1 - smooth) + to_all * smooth

    return _reduced("cross_entropy", rows, z, weight, slope)


def l1_loss(y: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """Absolute error ``|y - t|`` of each element, averaged over all; the slope at 0 is 0.

    Parameters
    ----------
    y, target : Tensor or array of one shape
    """

    def value(y: Any, t: Any) -> Any:
        return xp.abs(y - t)

    def slope(y: Any, t: Any) -> Any:
        return xp.sign(y - t)

    xp = y.backend.xp
    return _element_loss("l1_loss", y, target, reduction, value, slope)


def huber_loss(y: Tensor, target: Any, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """``½ e²`` where the error ``e = y - t`` is at most δ, else ``δ (|e| - ½ δ)``; mean over all.

    Huber 1964, doi:10.1214/aoms/1177703732, as in PyTorch: from δ on it is straight.

    Parameters
    ----------
    y, target : Tensor or array of one shape
    delta : float
        δ, above 0.
    """

    def value(y: Any, t: Any) -> Any:
        e = xp.abs(y - t)
        return xp.where(e < delta, e * e * 0.5, (e - 0.5 * delta) * delta)

    def slope(y: Any, t: Any) -> Any:
        return xp.clip(y - t, -delta, delta)

    xp, delta = y.backend.xp, number_between("delta", delta, 0, math.inf, ends=False)
    return _element_loss("huber_loss", y, target, reduction, value, slope)


def quantile_loss(y: Tensor, target: Any, reduction: str = "mean", quantile: float = 0.5) -> Tensor:
    """``q (t - y)`` where the prediction is too low, ``(1 - q) (y - t)`` where too high; mean.

    The prediction with the least such loss is the q-th quantile of the targets (Koenker & Bassett
    1978, doi:10.2307/1913643); also called pinball loss. With q = ½ it is half of ``l1_loss``. The
    slope at 0 is 0. PyTorch has none.

    Parameters
    ----------
    y, target : Tensor or array of one shape
    quantile : float
        q, between 0 and 1 and neither.
    """

    def value(y: Any, t: Any) -> Any:
        e = y - t
        return xp.where(e < 0, e * -quantile, e * (1 - quantile))

    def slope(y: Any, t: Any) -> Any:
        sign = xp.sign(y - t)
        return sign * (sign * (0.5 - quantile) + 0.5)

    xp, quantile = y.backend.xp, number_between("quantile", quantile, 0, 1, ends=False)
    return _element_loss("quantile_loss", y, target, reduction, value, slope)


def poisson_nll_loss(
    y: Tensor, target: Any, log_input: bool = True, reduction: str = "mean"
) -> Tensor:
    """Negative log-likelihood of counts t with the rate λ, up to what y does not change; mean.

    ``eʸ - t y``, y being log λ, or without ``log_input`` ``y - t log(y + 1e-8)``, y being λ. As in
    PyTorch, whose ``full`` (the term log t!) and ``eps`` are not known here.

    Parameters
    ----------
    y, target : Tensor or array of one shape
        Targets are counts or other numbers of at least 0, which is not checked.
    log_input : bool
    """
    xp, eps = y.backend.xp, 1e-8

    def value(y: Any, t: Any) -> Any:
        return xp.exp(y) - t * y if log_input else y - t * xp.log(y + eps)

    def slope(y: Any, t: Any) -> Any:
        return xp.exp(y) - t if log_input else 1 - t / (y + eps)

    return _element_loss("poisson_nll_loss", y, target, reduction, value, slope)


def focal_loss(z: Tensor, target: Any, reduction: str = "mean", gamma: float = 2.0) -> Tensor:
    """``-(1 - p_t)^γ log p_t``, p_t being the probability that the target gets.

    Cross-entropy in which what is easy counts less (Lin et al. 2017, arXiv:1708.02002, equation 4,
    without its α). log p_t is computed as in the cross-entropies, so no logit is too large. With
    γ = 0 it is one of them. PyTorch has none; torchvision's ``sigmoid_focal_loss`` has the second
    form below.

    Parameters
    ----------
    z : Tensor of shape (n, n_classes), or of any shape
        Logits, not probabilities.
    target : Tensor or array of shape (n,), integers, or of the shape of z
        Classes 0 ... n_classes - 1: softmax, and the mean is over rows. Or probabilities of the
        positive class in [0, 1], one for each logit: logistic function, and the mean is over all
        elements; between 0 and 1, ``p_t = p t + (1 - p)(1 - t)`` and the cross-entropy of t stands
        for -log p_t.
    gamma : float
        γ, at least 0.
    """
    gamma = number_between("gamma", gamma, 0, math.inf, ends=True)
    shape = tuple(target.shape) if hasattr(target, "shape") else Tensor(target).shape
    if z.ndim == 2 and len(shape) == 1:
        data = _classes("focal_loss", z, target)
        return _focal_of_classes(z, data, gamma, _reduction(reduction, z.shape[0]))
    be, xp = z.backend, z.backend.xp

    def chances(z: Any, t: Any) -> tuple[Any, Any, Any]:
        """Return p, 1 - p and 1 - p_t, none as a difference of rounded numbers."""
        p, rest = be.sigmoid(z), be.sigmoid(-z)
        return p, rest, p * (1 - t) + rest * t

    def cross(z: Any, t: Any) -> Any:
        column = (z.size, 1)
        entropy = be.binary_cross_entropy(xp.reshape(z, column), xp.reshape(t, column))
        return xp.reshape(entropy, z.shape)

    def value(z: Any, t: Any) -> Any:
        return cross(z, t) * chances(z, t)[2] ** gamma

    def slope(z: Any, t: Any) -> Any:
        p, rest, missing = chances(z, t)
        ratio = p * rest * (1 - t * 2) / xp.where(missing == 0, xp.ones_like(missing), missing)
        return missing**gamma * (p - t + ratio * cross(z, t) * gamma)

    return _element_loss("focal_loss", z, target, reduction, value, slope)


def _focal_of_classes(z: Tensor, target: Any, gamma: float, weight: float | None) -> Tensor:
    """``l = -q^γ log p`` with q = 1 - p, so ``dl/dlog p = q^γ (γ p log p / q - 1)``."""
    be, xp = z.backend, z.backend.xp
    surprise = be.cross_entropy(z.array, target)  # -log p
    missing = -xp.expm1(-surprise)
    eased = missing**gamma

    def slope(dl: Any) -> Any:
        ratio = surprise / xp.where(missing == 0, xp.ones_like(missing), missing)
        per_surprise = eased * (ratio * xp.exp(-surprise) * gamma + 1)
        return be.cross_entropy_backward(dl * per_surprise, z.array, target)

    return _reduced("focal_loss", surprise * eased, z, weight, slope)


def _classes(name: str, z: Tensor, target: Any) -> Any:
    """Return int64 classes, or raise unless there is one of 0 ... m - 1 for each row of (n, m)."""
    data = target.array if isinstance(target, Tensor) else z.backend.asarray(target)
    if z.ndim != 2:
        raise ValueError(f"{name} expects logits of shape (n, n_classes), got {z.shape}")
    if not is_integer(data.dtype):
        raise TypeError(f"{name} expects integer classes, got {data.dtype}")
    n, m = z.shape
    if tuple(data.shape) != (n,):
        raise ValueError(f"{name} expects one class per row, shape ({n},), got {tuple(data.shape)}")
    if n:
        low, high = int(data.min()), int(data.max())
        if low < 0 or high >= m:
            raise ValueError(f"{name} expects classes 0 ... {m - 1}, got {low} ... {high}")
    return z.backend.asarray(data, dtype=z.backend.xp.int64)


def _as_rows(x: Tensor) -> Tensor:
    """(n, m) as it is, anything else as one column."""
    return x if x.ndim == 2 else x.reshape(x.array.size, 1)


def _target(y: Tensor, target: Any) -> Tensor:
    """Return the target as a Tensor of the prediction's dtype on its backend."""
    if isinstance(target, Tensor):
        y._other(target)  # raises if it is on another backend
        if target.dtype == y.dtype:
            return target
    return Tensor(target, dtype=y.array.dtype, backend=y.backend)


def _reduction(reduction: str, count: int) -> float | None:
    """Return the weight of a row, or None for no reduction; an empty mean is NaN, as in NumPy."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    if reduction == "none":
        return None
    return 1.0 if reduction == "sum" else 1 / count if count else float("nan")


def row_losses(name: str, y: Tensor, target: Any) -> Tensor:
    """Return the (n,) losses of a kernel for prediction and target of one shape (n, ...)."""
    target = _same_shape(name, y, target)
    shape = (y.shape[0] if y.ndim else 1, math.prod(y.shape[1:]))
    rows = y if y.shape == shape else y.reshape(shape)
    return _row_loss(name, rows, y.backend.xp.reshape(target.array, shape), None)


def _same_shape(name: str, y: Tensor, target: Any) -> Tensor:
    """Return the target without its graph, or raise unless it has the shape of the prediction."""
    held = _target(y, target).detach()
    if held.shape != y.shape:
        raise ValueError(f"{name} expects a target of shape {y.shape}, got {held.shape}")
    return held


def _row_loss(name: str, y: Tensor, target: Any, weight: float | None) -> Tensor:
    """Weighted sum of a loss kernel's rows; without a weight, the rows themselves."""
    be = y.backend
    kernel = getattr(be, name + "_backward")
    rows = getattr(be, name)(y.array, target)
    return _reduced(name, rows, y, weight, lambda dl: kernel(dl, y.array, target))


def _element_loss(
    name: str, y: Tensor, target: Any, reduction: str, value: Formula, slope: Formula
) -> Tensor:
    """Loss of one formula for each element, and the slope of the formula in the prediction."""
    t = _same_shape(name, y, target).array
    weight = _reduction(reduction, y.array.size)
    return _reduced(name, value(y.array, t), y, weight, lambda dl: slope(y.array, t) * dl)


def _reduced(
    name: str, losses: Any, y: Tensor, weight: float | None, slope: Callable[[Any], Any]
) -> Tensor:
    """Weighted sum of losses, or without a weight the losses themselves.

    ``slope`` goes from the weight of each loss in the total to the gradient of ``y``.
    """
    xp = y.backend.xp
    if weight is None:
        return record(name, losses, (y,), lambda g: (slope(g),))

    def backward(g: Any) -> tuple[Any]:
        return (slope(xp.full(losses.shape, weight, dtype=y.array.dtype) * g),)

    return record(name, xp.sum(losses) * weight, (y,), backward)
