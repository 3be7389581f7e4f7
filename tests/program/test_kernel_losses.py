"""Losses that only the table names, in programs: their values, gradients, and the classical rule.

``test_same_weights.py`` trains with them.
"""

from typing import Any

import numpy as np
import pytest

from accelnn import nn, optim
from accelnn.autograd import Tensor
from accelnn.backends import Backend
from accelnn.kernels import table as t
from accelnn.lowering import RowLoss
from accelnn.program import Program
from tests.kernel_losses import KernelLoss, Perceptron, Poisson, lowered
from tests.stacks import data, stack


@pytest.mark.parametrize("loss", [Poisson(), Perceptron()], ids=lambda loss: type(loss).__name__)
def test_loss_and_gradient(backend: Backend, loss: KernelLoss) -> None:
    model = stack("tanh", backend, "float64")
    X, y = data(loss, 10, "float64")
    value = loss(model(Tensor(X, backend=backend)), Tensor(y, backend=backend))
    value.backward()
    grads = [p.grad.numpy().T for p in model.parameters() if p.grad is not None]
    expected = np.concatenate([g.ravel() for g in (*grads[::2], *grads[1::2])])
    program = lowered(model, loss, optim.SGD(model.parameters(), lr=0.1), backend, 10)
    program.bind(backend.asarray(X), backend.asarray(y))
    found, flat = program.loss_and_grad()
    assert found == pytest.approx(value.item(), rel=1e-12)
    np.testing.assert_allclose(backend.to_numpy(flat), expected, rtol=1e-10, atol=1e-14)


def test_single_steps_are_the_rule_of_the_perceptron(backend: Backend) -> None:
    """w <- w + lr (t - ŷ) x, bias likewise, for each misclassified row in turn; ŷ = 1[z >= 0]."""
    rng = np.random.default_rng(8)
    X = rng.integers(-3, 4, (40, 3)).astype(float)  # small integers, so that sums are exact
    y = (X @ [2.0, -1.0, 1.0] > 1).astype(float)
    w, b, mistakes = np.zeros(3), 0.0, 0
    for _ in range(4):
        for x, target in zip(X, y, strict=True):
            said = 1 if b + sum(p * q for p, q in zip(w, x, strict=True)) >= 0 else 0
            if said != target:
                w, b = w + 0.5 * (target - said) * x, b + 0.5 * (target - said)
                mistakes += 1
    layer = nn.Linear.from_storage(np.zeros((3, 1)), backend.asarray(np.zeros(1)), backend)
    rule: Any = optim.SGD(layer.parameters(), lr=0.5)
    with Program([layer], RowLoss(t.PERCEPTRON, 1.0, True), rule, backend, 1) as program:
        program.bind(backend.asarray(X), backend.asarray(y[:, None]))
        for _ in range(4):
            program.run(0, 40, [0.5] * 40)
    assert 3 < mistakes < 80
    assert layer.weight.numpy().tolist() == [w.tolist()]
    assert layer.bias is not None
    assert layer.bias.numpy().tolist() == [b]
