"""Losses: of each row, for logits far out, at the kinks, and numbers that make no loss."""

import math
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import Tensor, gradcheck, nn, optim
from accelnn.backends import Backend
from accelnn.nn import functional as F
from tests.nn.test_losses import CLASSES, ELEMENTS, LOSSES, data, every
from tests.tolerances import assert_close

# Rows ---------------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_rows_are_sums_over_outputs(backend: Backend, name: str, reduction: str, rng: Any) -> None:
    module, _, formula = LOSSES[name]
    z, t = data(name, (6, 4), rng)
    loss = module(reduction)
    rows = loss.per_row(Tensor(z, backend=backend), t)
    each = formula(z, t, "none")
    assert_close(rows.numpy(), each if name in CLASSES else each.sum(1), length=30)
    weights = rng.uniform(size=6)
    gradcheck(lambda x: (loss.per_row(x, t) * weights).sum(), Tensor(z, True, backend=backend))


@pytest.mark.parametrize("name", ELEMENTS)
@pytest.mark.parametrize("shape", [(), (5,), (5, 1), (2, 3, 4)], ids=str)
def test_rows_of_any_shape(backend: Backend, name: str, shape: tuple[int, ...], rng: Any) -> None:
    module, _, formula = LOSSES[name]
    z, t = (np.asarray(x) for x in data(name, shape, rng))
    rows = module("sum").per_row(Tensor(z, True, backend=backend), t)
    n = shape[0] if shape else 1
    assert rows.shape == (n,) or shape == ()
    expected = formula(z, t, "none").reshape(n, math.prod(shape[1:])).sum(1)
    assert_close(rows.reshape(n).numpy(), expected, length=30)
    rows.sum().backward()


@every
def test_no_rows(backend: Backend, name: str) -> None:
    x = Tensor(np.ones((0, 3)), backend=backend)
    t = np.ones(0, np.int64) if name in CLASSES else np.ones((0, 3))
    assert LOSSES[name][0]("mean").per_row(x, t).shape == (0,)


@pytest.mark.parametrize("name", ["mse", "bce", "l1"])
def test_rows_of_shapes_that_would_broadcast_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"target of shape \(4, 1\), got \(4,\)"):
        LOSSES[name][0]("mean").per_row(Tensor(np.ones((4, 1))), np.ones(4))


# Far out ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2])
def test_focal_of_logits_far_out(backend: Backend, dtype: str, gamma: float) -> None:
    """As good as certain: right is a loss of 0, wrong is |z|, each with the slope of that."""
    z = np.array([1000.0, -1000.0, 1000.0, -1000.0], dtype)
    t = np.array([1.0, 0.0, 0.0, 1.0], dtype)
    x = Tensor(z, True, backend=backend)
    loss = F.focal_loss(x, t, "none", gamma)
    assert_close(loss.numpy(), np.array([0, 0, 1000, 1000], dtype))
    loss.sum().backward()
    assert x.grad is not None
    assert_close(x.grad.numpy(), np.array([0, 0, 1, -1], dtype))

    both = Tensor(np.stack([z, np.zeros(4, dtype)], axis=1), True, backend=backend)
    loss = F.focal_loss(both, np.array([0, 1, 1, 0]), "none", gamma)
    assert_close(loss.numpy(), np.array([0, 0, 1000, 1000], dtype))
    loss.sum().backward()
    assert both.grad is not None
    expected = np.array([[0, 0], [0, 0], [1, -1], [-1, 1]], dtype)
    assert_close(both.grad.numpy(), expected)


def test_focal_of_a_right_answer_keeps_its_digits(backend: Backend) -> None:
    """With z = 30 the chance of the other class is e⁻³⁰, of which 1 - p has not one digit."""
    rest = math.exp(-30) / (1 + math.exp(-30))
    expected = np.array([rest**2 * math.log1p(math.exp(-30))])
    z = Tensor(np.array([30.0]), backend=backend)
    found = F.focal_loss(z, np.ones(1), "none").numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_focal_without_focus_is_cross_entropy(backend: Backend, rng: Any) -> None:
    z, t = data("bce", (5, 3), rng)
    x = Tensor(z, backend=backend)
    assert_close(
        F.focal_loss(x, t, gamma=0).numpy(), F.binary_cross_entropy_with_logits(x, t).numpy()
    )
    classes = rng.integers(0, 3, 5)
    assert_close(F.focal_loss(x, classes, gamma=0).numpy(), F.cross_entropy(x, classes).numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_smooth_cross_entropy_of_logits_far_out(backend: Backend, dtype: str) -> None:
    x = Tensor(np.array([[1000.0, 0.0], [0.0, 1000.0]], dtype), True, backend=backend)
    loss = F.cross_entropy(x, [0, 0], "none", label_smoothing=0.2)
    assert_close(loss.numpy(), np.array([100, 900], dtype))
    loss.sum().backward()
    assert x.grad is not None
    assert_close(x.grad.numpy(), np.array([[0.1, -0.1], [-0.9, 0.9]], dtype))


# Kinks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "slopes"),
    [
        (nn.L1Loss("sum"), [-1, 0, 1]),
        (nn.QuantileLoss(0.9, "sum"), [-0.9, 0, 0.1]),
        (nn.HuberLoss("sum", delta=2), [-2, 0, 2]),
        (nn.HuberLoss("sum", delta=4), [-3, 0, 3]),
    ],
    ids=repr,
)
def test_slopes_on_both_sides(backend: Backend, loss: nn.Loss, slopes: Any) -> None:
    x = Tensor(np.array([-2.0, 1.0, 4.0]), True, backend=backend)
    loss(x, np.ones(3)).backward()
    assert x.grad is not None
    assert_close(x.grad.numpy(), np.array(slopes, "float64"))


@every
def test_nan_stays_nan(backend: Backend, name: str, rng: Any) -> None:
    z, t = data(name, (2, 3), rng)
    z[0, 0] = np.nan
    x = Tensor(z, True, backend=backend)
    rows = LOSSES[name][0]("mean").per_row(x, t)
    rows.sum().backward()
    assert x.grad is not None
    assert np.isnan(rows.numpy()).tolist() == [True, False]
    assert np.isnan(x.grad.numpy()[:, 0]).tolist() == [True, False]


def test_the_least_pinball_loss_is_at_the_quantile(backend: Backend) -> None:
    t = np.arange(11.0)
    y = Tensor(np.arange(11.0)[:, None] * np.ones((1, 11)), backend=backend)
    losses = nn.QuantileLoss(0.73).per_row(y, np.broadcast_to(t, (11, 11)).copy())
    assert losses.numpy().argmin() == 8


# What makes no loss -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.HuberLoss(delta=0), "delta must be a number above 0, got 0"),
        (lambda: nn.HuberLoss(delta=math.inf), "delta must be a number above 0, got inf"),
        (lambda: nn.QuantileLoss(1), "quantile must be a number above 0 and below 1, got 1"),
        (lambda: nn.QuantileLoss(math.nan), "quantile must be .* got nan"),
        (lambda: nn.FocalLoss(-1), "gamma must be a number of at least 0, got -1"),
        (lambda: nn.FocalLoss("2"), "gamma must be a number of at least 0, got '2'"),  # type: ignore[arg-type]
        (
            lambda: nn.CrossEntropyLoss(label_smoothing=1.5),
            "label_smoothing must be a number of at least 0 and at most 1, got 1.5",
        ),
        (lambda: F.huber_loss(Tensor([1.0]), [1.0], delta=-1), "delta must be"),
        (lambda: F.focal_loss(Tensor([1.0]), [1.0], gamma=-1), "gamma must be"),
        (lambda: F.quantile_loss(Tensor([1.0]), [1.0], quantile=0), "quantile must be"),
    ],
)
def test_numbers_out_of_range(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("z", "target", "message"),
    [
        ((2, 3), [0, 3], r"focal_loss expects classes 0 \.\.\. 2, got 0 \.\.\. 3"),
        ((2, 3), [0, 1, 2], r"focal_loss expects one class per row, shape \(2,\), got \(3,\)"),
        ((2,), [0, 1, 2], r"focal_loss expects a target of shape \(2,\), got \(3,\)"),
        ((2, 3), np.ones((3, 2)), r"focal_loss expects a target of shape \(2, 3\), got \(3, 2\)"),
    ],
    ids=str,
)
def test_targets_that_are_none_for_focal(z: Any, target: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        F.focal_loss(Tensor(np.ones(z)), target)


def test_repr() -> None:
    assert repr(nn.HuberLoss()) == "HuberLoss(reduction='mean', delta=1.0)"
    assert repr(nn.CrossEntropyLoss("sum")) == "CrossEntropyLoss(reduction='sum')"
    assert repr(nn.CrossEntropyLoss(label_smoothing=0.1)) == (
        "CrossEntropyLoss(reduction='mean', label_smoothing=0.1)"
    )


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(label_smoothing=0.1), nn.FocalLoss()])
def test_programs_leave_them_to_the_eager_way(loss: nn.Loss) -> None:
    model = nn.Sequential(nn.Linear(4, 3))
    found = accelnn.explain(model, loss, optim.SGD(model.parameters()))
    assert (found.engine, repr(loss) in found.reason) == ("eager", True)
