"""Losses: every reduction against its formula and the golden values, and their gradients."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accelnn import Tensor, gradcheck, nn
from accelnn.backends import Backend
from accelnn.nn import functional as F
from tests.golden.entries import Golden
from tests.tolerances import assert_close

Case = tuple[Callable[[str], nn.Loss], Callable[[Tensor, Any, str], Tensor], Callable[..., Any]]


def elementwise(of_element: Callable[[Any, Any], Any]) -> Callable[[Any, Any, str], Any]:
    def loss(y: Any, t: Any, reduction: str) -> Any:
        each = of_element(y, t)
        return {"none": each, "sum": each.sum(), "mean": each.mean()}[reduction]

    return loss


def nll_of_classes(z: Any, t: Any, reduction: str) -> Any:
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    each = -np.log(p[np.arange(len(t)), t])
    return {"none": each, "sum": each.sum(), "mean": each.mean()}[reduction]


def bce(z: Any, t: Any) -> Any:
    p = 1 / (1 + np.exp(-z))
    return -t * np.log(p) - (1 - t) * np.log(1 - p)


def bce_of_p(p: Any, t: Any) -> Any:
    return -t * np.log(p) - (1 - t) * np.log(1 - p)


def smooth_nll(z: Any, t: Any, reduction: str) -> Any:
    """A target of 0.3/k on each of k classes, and of 0.7 more on the right one."""
    k = z.shape[1]
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    wanted = np.full(z.shape, 0.3 / k) + 0.7 * np.eye(k)[t]
    each = -(wanted * np.log(p)).sum(1)
    return {"none": each, "sum": each.sum(), "mean": each.mean()}[reduction]


def huber(y: Any, t: Any) -> Any:
    near = np.abs(y - t) <= 0.8
    return near * 0.5 * (y - t) ** 2 + ~near * 0.8 * (np.abs(y - t) - 0.4)


def pinball(y: Any, t: Any) -> Any:
    return np.maximum(0.2 * (t - y), -0.8 * (t - y))


def focal(z: Any, t: Any) -> Any:
    p = 1 / (1 + np.exp(-z))
    return (1 - (p * t + (1 - p) * (1 - t))) ** 1.5 * bce(z, t)


def focal_of_classes(z: Any, t: Any, reduction: str) -> Any:
    p = (np.exp(z) / np.exp(z).sum(1, keepdims=True))[np.arange(len(t)), t]
    each = -((1 - p) ** 2) * np.log(p)
    return {"none": each, "sum": each.sum(), "mean": each.mean()}[reduction]


#: Name -> (module, function, the formula as one writes it down).
LOSSES: dict[str, Case] = {
    "mse": (nn.MSELoss, F.mse_loss, elementwise(lambda y, t: (y - t) ** 2)),
    "bce": (nn.BCEWithLogitsLoss, F.binary_cross_entropy_with_logits, elementwise(bce)),
    "bce of p": (nn.BCELoss, F.binary_cross_entropy, elementwise(bce_of_p)),
    "ce": (nn.CrossEntropyLoss, F.cross_entropy, nll_of_classes),
    "smooth ce": (
        lambda how: nn.CrossEntropyLoss(how, label_smoothing=0.3),
        lambda z, t, how: F.cross_entropy(z, t, how, label_smoothing=0.3),
        smooth_nll,
    ),
    "l1": (nn.L1Loss, F.l1_loss, elementwise(lambda y, t: np.abs(y - t))),
    "huber": (
        lambda how: nn.HuberLoss(how, delta=0.8),
        lambda y, t, how: F.huber_loss(y, t, how, delta=0.8),
        elementwise(huber),
    ),
    "quantile": (
        lambda how: nn.QuantileLoss(0.2, how),
        lambda y, t, how: F.quantile_loss(y, t, how, quantile=0.2),
        elementwise(pinball),
    ),
    "poisson": (
        lambda how: nn.PoissonNLLLoss(reduction=how),
        lambda y, t, how: F.poisson_nll_loss(y, t, reduction=how),
        elementwise(lambda y, t: np.exp(y) - t * y),
    ),
    "poisson of rates": (
        lambda how: nn.PoissonNLLLoss(False, how),
        lambda y, t, how: F.poisson_nll_loss(y, t, False, how),
        elementwise(lambda y, t: y - t * np.log(y + 1e-8)),
    ),
    "focal": (
        lambda how: nn.FocalLoss(1.5, how),
        lambda z, t, how: F.focal_loss(z, t, how, gamma=1.5),
        elementwise(focal),
    ),
    "focal ce": (
        lambda how: nn.FocalLoss(reduction=how),
        F.focal_loss,
        focal_of_classes,
    ),
}
CLASSES = [name for name in LOSSES if name.endswith("ce") and name != "bce"]
ELEMENTS = [name for name in LOSSES if name not in CLASSES]
every = pytest.mark.parametrize("name", LOSSES)
reductions = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


def data(name: str, shape: tuple[int, ...], rng: Any) -> tuple[Any, Any]:
    z = rng.normal(size=shape)
    if name == "bce of p":
        return rng.uniform(0.05, 0.95, size=shape), rng.uniform(size=shape)
    if name in CLASSES:
        return z, rng.integers(0, shape[1], shape[0])
    if name.startswith("poisson"):
        return z if name == "poisson" else np.exp(z), rng.poisson(2, shape).astype("float64")
    return z, rng.uniform(size=shape) if name in ("bce", "focal") else rng.normal(size=shape)


@every
@reductions
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_value(backend: Backend, name: str, reduction: str, dtype: str, rng: Any) -> None:
    module, function, formula = LOSSES[name]
    z, t = data(name, (6, 5), rng)
    z = z.astype(dtype)
    expected = np.asarray(formula(z.astype("float64"), t, reduction)).astype(dtype)
    targets = [t, Tensor(t, backend=backend)]  # a target's own dtype does not matter
    for target in targets:
        x = Tensor(z, backend=backend)
        assert_close(module(reduction)(x, target).numpy(), expected, length=30)
        assert_close(function(x, target, reduction).numpy(), expected, length=30)
        assert_close(x.numpy(), z)


@every
@reductions
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (5, 3)], ids=str)
def test_derivative(
    backend: Backend, name: str, reduction: str, shape: tuple[int, int], rng: Any
) -> None:
    z, t = data(name, shape, rng)
    loss = LOSSES[name][0](reduction)
    gradcheck(lambda x: loss(x, t) * 2, Tensor(z, True, backend=backend))
    gradcheck(lambda x: loss(x.T, t), Tensor(z.T.copy(), True, backend=backend))


@pytest.mark.parametrize("name", ELEMENTS)
@reductions
@pytest.mark.parametrize("shape", [(), (4,), (2, 3, 2)], ids=str)
def test_any_shape_of_elementwise_losses(
    backend: Backend, name: str, reduction: str, shape: tuple[int, ...], rng: Any
) -> None:
    _, function, formula = LOSSES[name]
    z, t = data(name, shape, rng)
    z, t = np.asarray(z), np.asarray(t)
    x = Tensor(z, True, backend=backend)
    y = function(x, t, reduction)
    assert_close(y.numpy(), np.asarray(formula(z, t, reduction)), length=12)
    gradcheck(lambda s: function(s, t, reduction), x)


@every
def test_float32_gradient(backend: Backend, name: str, rng: Any) -> None:
    z, t = data(name, (5, 3), rng)
    found = []
    for dtype in ("float32", "float64"):
        x = Tensor(z.astype(dtype), True, backend=backend)
        LOSSES[name][1](x, t, "mean").backward()
        assert x.grad is not None
        assert str(x.grad.dtype) == dtype
        found.append(x.grad.numpy())
    assert_close(found[0], found[1].astype("float32"))


@reductions
def test_a_target_that_requires_a_gradient_gets_it(
    backend: Backend, reduction: str, rng: Any
) -> None:
    y, t = (Tensor(rng.normal(size=(3, 2)), True, backend=backend) for _ in range(2))
    gradcheck(lambda a, b: F.mse_loss(a, b, reduction), y, t)


@every
def test_empty_batch(backend: Backend, name: str) -> None:
    x = Tensor(np.ones((0, 3)), backend=backend)
    t = np.ones((0,), np.int64) if name in CLASSES else np.ones((0, 3))
    loss = LOSSES[name][1]
    assert loss(x, t, "sum").item() == 0
    assert loss(x, t, "none").shape == ((0,) if name in CLASSES else (0, 3))
    assert np.isnan(loss(x, t, "mean").item())


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64"])
def test_any_integer_is_a_class(backend: Backend, dtype: str) -> None:
    z = Tensor([[1.0, 2.0], [3.0, 5.0]], True, backend=backend)
    loss = F.cross_entropy(z, np.array([1, 0], dtype), "none")
    assert_close(
        loss.numpy(), np.array([np.log1p(np.exp(-1)), 2 + np.log1p(np.exp(-2))], "float32")
    )
    assert F.cross_entropy(z, [1, 0], "none").tolist() == loss.tolist()


# Golden values ------------------------------------------------------------------------------------


def test_golden_regression_cost(backend: Backend) -> None:
    golden = Golden("S1-G07")
    y, target = golden.tensor("yhat", backend), golden.tensor("y", backend)
    golden.check("J", 0.5 * F.mse_loss(y, target))
    golden.check("mse_mean", nn.MSELoss()(y, target))
    golden.check("sse", nn.MSELoss("sum")(y, target))


def test_golden_logistic_cost(backend: Backend) -> None:
    golden = Golden("S1-G08")
    a = golden.tensor("a", backend)
    golden.check("J", nn.BCEWithLogitsLoss()((a / (1 - a)).log(), golden.inputs["y"]))


def test_golden_binary_cross_entropy(backend: Backend) -> None:
    golden = Golden("S2-G21-bce")
    p, target = golden.tensor("p", backend, True), golden.inputs["target"]
    loss = nn.BCELoss()(p, target)
    loss.backward()
    golden.check("mean", loss)
    golden.check("grad_p", p.grad)
    p.grad = None
    golden.check("mean", nn.BCEWithLogitsLoss()(golden.tensor("logits", backend), target))
    loss = nn.BCEWithLogitsLoss()((p / (1 - p)).log(), target)
    loss.backward()
    golden.check("from_logits", loss)
    golden.check("grad_p", p.grad)


def test_golden_extreme_logits(backend: Backend) -> None:
    golden = Golden("S2-G21-bce-extreme")
    z = golden.tensor("logits", backend, True)
    loss = nn.BCEWithLogitsLoss("none")(z, golden.inputs["target"])
    loss.sum().backward()
    golden.check("none", loss)
    golden.check("grad", z.grad)


def test_golden_cross_entropy(backend: Backend) -> None:
    golden = Golden("S2-G21-ce")
    z, labels = golden.tensor("logits", backend, True), golden.inputs["labels"]
    loss = nn.CrossEntropyLoss()(z, labels)
    loss.backward()
    golden.check("mean", loss)
    golden.check("grad", z.grad)
    golden.check("sum", nn.CrossEntropyLoss("sum")(z, labels))
    by_hand = -F.log_softmax(z)[[0, 1, 2], labels]
    golden.check("mean", by_hand.mean())


def test_golden_sums_over_the_data(backend: Backend) -> None:
    golden = Golden("S4-G25")
    y = golden.tensor("o_reg", backend)
    golden.check("sse", nn.MSELoss("sum")(y, golden.inputs["y_reg"]))
    z, labels = golden.tensor("logits", backend), golden.inputs["labels_0_based"]
    golden.check("ce_sum", nn.CrossEntropyLoss("sum")(z, labels))
    golden.check("ce_mean", nn.CrossEntropyLoss()(z, labels))


def test_golden_labels_of_minus_one_and_one(backend: Backend) -> None:
    golden = Golden("S4-G26")
    labels = (np.array(golden.inputs["y_pm1"]) + 1) / 2
    golden.check("sum", nn.BCEWithLogitsLoss("sum")(golden.tensor("score", backend), labels))


# Probabilities 0 and 1 ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_certain_and_wrong(backend: Backend, dtype: str) -> None:
    """As PyTorch has it: log at least -100, denominator of the slope at least 1e-12."""
    p = Tensor([0.0, 1.0, 0.0, 1.0, 0.5], True, dtype=dtype, backend=backend)
    loss = nn.BCELoss("none")(p, [0.0, 1.0, 1.0, 0.0, 0.0])
    assert_close(loss.numpy(), np.array([0, 0, 100, 100, np.log(2)], dtype))
    loss.sum().backward()
    assert p.grad is not None
    assert_close(p.grad.numpy(), np.array([0, 0, -1e12, 1e12, 2], dtype))
    assert F.binary_cross_entropy(p, [0.5] * 5, "none").tolist()[0] == 50


def test_a_probability_that_float32_can_just_hold(backend: Backend) -> None:
    p = Tensor(np.array([1e-30, 1e-40, 1e-45]), backend=backend)  # log 1e-45 = -103.6
    found = F.binary_cross_entropy(p, [1.0, 1.0, 1.0], "none").numpy()
    assert_close(found, np.array([-np.log(1e-30), -np.log(1e-40), 100]))


@pytest.mark.parametrize(("dtype", "edge"), [("float32", 17.5), ("float64", 37.5)])
def test_where_only_logits_are_exact(backend: Backend, dtype: str, edge: float) -> None:
    z = Tensor([edge], dtype=dtype, backend=backend)
    assert F.sigmoid(z).item() == 1
    assert F.binary_cross_entropy(F.sigmoid(z), [0.0]).item() == 100
    assert F.binary_cross_entropy_with_logits(z, [0.0]).item() == pytest.approx(edge)
    z = Tensor([edge - 2], dtype=dtype, backend=backend)
    assert F.binary_cross_entropy(F.sigmoid(z), [0.0]).item() == pytest.approx(edge - 2, rel=0.2)


@pytest.mark.parametrize("value", [-0.25, 1.5, np.inf], ids=str)
def test_no_probability(backend: Backend, value: float) -> None:
    p = Tensor(np.array([0.5, value, -3.0]), backend=backend)
    message = f"expects probabilities from 0 to 1, got {value}; for logits use"
    with pytest.raises(ValueError, match=message):
        F.binary_cross_entropy(p, [0.0, 0.0, 0.0])


def test_a_nan_stays_one(backend: Backend) -> None:
    p = Tensor(np.array([0.5, np.nan]), True, backend=backend)
    loss = F.binary_cross_entropy(p, [1.0, 1.0], "none")
    assert np.isnan(loss.numpy()).tolist() == [False, True]
    assert np.isnan(F.binary_cross_entropy(p, [1.0, 1.0]).item())


# Errors -------------------------------------------------------------------------------------------


@every
def test_unknown_reduction(name: str, rng: Any) -> None:
    module, function, _ = LOSSES[name]
    z, t = data(name, (2, 3), rng)
    with pytest.raises(ValueError, match="reduction must be 'mean', 'sum' or 'none', got 'avg'"):
        module("avg")
    with pytest.raises(ValueError, match="reduction must be 'mean', 'sum' or 'none', got 'avg'"):
        function(Tensor(z), t, "avg")


@pytest.mark.parametrize("name", [name for name in ELEMENTS if name != "focal"])
def test_shapes_that_would_broadcast_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"target of shape \(4, 1\), got \(4,\)"):
        LOSSES[name][1](Tensor(np.ones((4, 1))), np.ones(4), "mean")


@pytest.mark.parametrize("name", ELEMENTS)
def test_target_on_another_backend(name: str) -> None:
    y, t = Tensor([1.0], backend="numpy"), Tensor([1.0], backend="numba")
    with pytest.raises(TypeError, match="'numpy' and 'numba'"):
        LOSSES[name][1](y, t, "mean")


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ([0, 3], ValueError, r"classes 0 \.\.\. 2, got 0 \.\.\. 3"),
        ([-1, 0], ValueError, r"classes 0 \.\.\. 2, got -1 \.\.\. 0"),
        ([0, 1, 2], ValueError, r"one class per row, shape \(2,\), got \(3,\)"),
        ([[0], [1]], ValueError, r"one class per row, shape \(2,\), got \(2, 1\)"),
        ([0.0, 1.0], TypeError, "integer classes, got float64"),
        ([True, False], TypeError, "integer classes, got bool"),
    ],
    ids=str,
)
def test_labels_that_are_none(backend: Backend, target: Any, error: Any, message: str) -> None:
    z = Tensor(np.ones((2, 3)), backend=backend)
    for given in (target, np.array(target), Tensor(np.array(target), backend=backend)):
        with pytest.raises(error, match=message):
            F.cross_entropy(z, given)


def test_logits_are_a_matrix(backend: Backend) -> None:
    with pytest.raises(ValueError, match=r"logits of shape \(n, n_classes\), got \(3,\)"):
        F.cross_entropy(Tensor([1.0, 2.0, 3.0], backend=backend), [0])


def test_base_and_repr() -> None:
    assert repr(nn.MSELoss("sum")) == "MSELoss(reduction='sum')"
    with pytest.raises(TypeError, match=r"Loss does not define __call__"):
        nn.Loss()(Tensor([1.0]), [1.0])
    with pytest.raises(TypeError, match=r"Loss does not define per_row"):
        nn.Loss().per_row(Tensor([1.0]), [1.0])
