"""Weights of rows: on every backend what the eager way makes of them, and what they stand for."""

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from accelnn import nn
from accelnn.autograd import Tensor
from accelnn.backends import Backend, get_backend
from accelnn.backends.plan import Update
from accelnn.kernels import table as t
from accelnn.program import Program, lower
from tests.stacks import OPTIMIZERS, data, stack

STEPS, ROWS, BATCH = 20, 70, 8  # eight full minibatches and one of six rows: 2.2 epochs
CLOSE: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-9}  # the library's promise in float64
LOSSES: dict[str, Any] = {
    "cross-entropy": (nn.CrossEntropyLoss(), nn.CrossEntropyLoss("none")),
    "cross-entropy, sum": (nn.CrossEntropyLoss("sum"), nn.CrossEntropyLoss("none")),
    "squared error": (nn.MSELoss(), nn.MSELoss("none")),
}


@dataclass
class Alpha:
    """scikit-learn's kind of step: plain SGD, and a decay of the weights per row."""

    alpha: float = 3.0
    t: int = 0

    def update(self) -> Update:
        return Update(t.SGD, decay_weights=self.alpha, decay_per_row=True)

    def scalars(self, t: int, lr: float) -> tuple[float, float, float]:
        return lr, 0.0, 0.0


def weights_of(n: int) -> Any:
    """Return weights of which some are 0."""
    rng = np.random.default_rng(8)
    return rng.exponential(1.0, n) * (rng.random(n) > 0.2)


def orders() -> list[tuple[Any, int]]:
    """Return the order of each epoch, and how many minibatches of it are trained."""
    rng, left, found = np.random.default_rng(7), STEPS, []
    while left:
        steps = min(left, -(-ROWS // BATCH))
        found.append((rng.permutation(ROWS), steps))
        left -= steps
    return found


def weighted(
    loss: nn.Loss, rows: nn.Loss, model: nn.Module, X: Any, y: Any, w: Any
) -> tuple[Tensor, float]:
    """Return the weighted loss of a minibatch, and what its rows add to the loss of the epoch."""
    each = rows(model(Tensor(X)), Tensor(y))
    if len(each.shape) > 1:
        each = each.mean(axis=1)
    total = (each * Tensor(w)).sum()
    if loss.reduction == "sum":
        return total, total.item()
    mean = total / w.sum()
    return mean, mean.item() * len(w)


def trained_eagerly(name: str, optimizer: str) -> tuple[list[Any], list[float]]:
    """Return parameters and losses of the epochs after STEPS steps with ``Tensor``."""
    loss, rows = LOSSES[name]
    model = stack("tanh", get_backend("numpy"), "float64")
    rule = OPTIMIZERS[optimizer](model.parameters())
    (X, y), w, totals = data(loss, ROWS, "float64"), weights_of(ROWS), []
    for order, steps in orders():
        totals.append(0.0)
        for i in range(steps):
            chosen = order[i * BATCH : (i + 1) * BATCH]
            rule.zero_grad()
            value, counted = weighted(loss, rows, model, X[chosen], y[chosen], w[chosen])
            value.backward()
            rule.step()
            totals[-1] += counted
    return [p.numpy() for p in model.parameters()], totals


@pytest.mark.parametrize(
    ("loss", "optimizer"),
    [
        ("cross-entropy", "adam"),
        ("cross-entropy, sum", "small steps"),
        ("squared error", "momentum"),
    ],
)
def test_same_weights_as_the_eager_way(backend: Backend, loss: str, optimizer: str) -> None:
    model = stack("tanh", backend, "float64")
    rule = OPTIMIZERS[optimizer](model.parameters())
    X, y = data(LOSSES[loss][0], ROWS, "float64")
    program = lower(model, LOSSES[loss][0], rule, backend, BATCH)
    program.bind(X, y, row_weights=weights_of(ROWS))
    totals = []
    for order, steps in orders():
        program.start_epoch(order)
        rates = [rule.lr] * steps
        totals.append(program.run(0, 2, rates[:2]) + program.run(2, steps, rates[2:]))
    expected, counted = trained_eagerly(loss, optimizer)
    for p, e in zip(model.parameters(), expected, strict=True):
        np.testing.assert_allclose(p.numpy(), e, **CLOSE)
    np.testing.assert_allclose(totals, counted, rtol=1e-9)


def bound(
    backend: Backend, X: Any, y: Any, weights: Any = None, rule: Any = None, batch: int = 0
) -> Program:
    """Return a program with data; its minibatch is all of them unless said otherwise."""
    model = stack("tanh", backend, "float64")
    program = lower(model, nn.CrossEntropyLoss(), rule or Alpha(), backend, batch or len(X))
    program.bind(X, y, row_weights=weights)
    return program


def params(program: Program) -> Any:
    return program.backend.to_numpy(program.plan.params).copy()


def test_a_weight_of_k_is_k_rows(backend: Backend) -> None:
    """With decay per row, too, which is divided by the sum of the weights."""
    X, y = data(nn.CrossEntropyLoss(), 20, "float64")
    times = np.arange(20) % 4
    by_weight = bound(backend, X, y, times)
    by_rows = bound(backend, np.repeat(X, times, axis=0), np.repeat(y, times))
    for _ in range(10):
        found, expected = by_weight.run(0, 1, [0.2]), by_rows.run(0, 1, [0.2])
        assert found / 20 == pytest.approx(expected / times.sum(), rel=1e-12)
        if by_weight.penalty is not None and by_rows.penalty is not None:
            of_a_row = by_rows.penalty / times.sum()
            assert by_weight.penalty / 20 == pytest.approx(of_a_row, rel=1e-12)
    np.testing.assert_allclose(params(by_weight), params(by_rows), **CLOSE)
    assert np.abs(params(by_weight) - params(bound(backend, X, y))).max() > 0.1


def test_loss_and_grad_of_weighted_rows(backend: Backend) -> None:
    loss, rows = LOSSES["cross-entropy"]
    (X, y), w = data(loss, 12, "float64"), weights_of(12)
    model = stack("tanh", get_backend("numpy"), "float64")
    expected, _ = weighted(loss, rows, model, X[8:], y[8:], w[8:])
    expected.backward()
    program = bound(backend, X, y, w, batch=8)
    found, flat = program.loss_and_grad(1)
    assert found == pytest.approx(expected.item(), rel=1e-12)
    grads = [p.grad.numpy() for p in model.parameters() if p.grad is not None]
    flat = backend.to_numpy(flat)
    np.testing.assert_allclose(flat[: 7 * 6].reshape(7, 6).T, grads[0], rtol=1e-10, atol=1e-14)
    first_bias = flat[program.plan.n_weights :][:6]
    np.testing.assert_allclose(first_bias, grads[1], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("per_row", [True, False])
def test_a_minibatch_of_no_weight_changes_nothing(backend: Backend, per_row: bool) -> None:
    X, y = data(nn.CrossEntropyLoss(), 12, "float64")
    program = bound(backend, X, y, batch=4)
    program.plan.update = replace(program.plan.update, decay_biases=1.0, decay_per_row=per_row)
    program.bind(X, y, row_weights=np.repeat([1.0, 0.0, 1.0], 4))
    start = params(program)
    assert program.run(1, 2, [0.1]) == 0.0
    np.testing.assert_array_equal(params(program), start)
    assert program.run(0, 1, [0.1]) > 0.0
    assert np.abs(params(program) - start).min() > 0
    assert program.loss_and_grad(1)[0] == 0.0


def test_weights_follow_the_order(backend: Backend) -> None:
    """Rows left out and rows twice; and weights end with the data that they were of."""
    (X, y), w = data(nn.CrossEntropyLoss(), 20, "float64"), weights_of(20)
    order = np.array([19, 4, 4, 7, 0, 2, 11])
    one, other = bound(backend, X, y, w, batch=4), bound(backend, X, y, batch=4)
    one.start_epoch(order)
    other.bind(X[order], y[order], row_weights=w[order])
    assert one.run(0, 2, [0.1] * 2) == other.run(0, 2, [0.1] * 2)
    np.testing.assert_array_equal(params(one), params(other))
    plain = bound(backend, X, y, batch=4)
    plain.plan.params[...] = one.plan.params
    one.bind(X, y)
    assert one.run(0, 5, [0.1] * 5) == plain.run(0, 5, [0.1] * 5)
    np.testing.assert_array_equal(params(one), params(plain))


@pytest.mark.parametrize(
    ("weights", "error", "said"),
    [
        ([1.0] * 5, ValueError, "a weight for each of the 6 rows of X, shape (6,), got shape (5,)"),
        (np.ones((6, 1)), ValueError, "got shape (6, 1)"),
        ([1.0] * 5 + [-0.5], ValueError, "finite and not negative, and so must their sum"),
        ([1.0] * 5 + [np.nan], ValueError, "finite and not negative"),
        ([1.0] * 5 + [np.inf], ValueError, "finite and not negative"),
        ([1e308] * 6, ValueError, "and so must their sum"),
        (["a"] * 6, TypeError, "row_weights must hold real numbers, got dtype <U1"),
    ],
)
def test_bad_weights(weights: Any, error: type[Exception], said: str) -> None:
    X, y = data(nn.CrossEntropyLoss(), 6, "float64")
    program = bound(get_backend("numpy"), X, y)
    before = program.plan.X, program.plan.order, program.plan.weights
    with pytest.raises(error, match=re.escape(said)):
        program.bind(X, y, row_weights=weights)
    after = program.plan.X, program.plan.order, program.plan.weights
    assert all(a is b for a, b in zip(after, before, strict=True))
