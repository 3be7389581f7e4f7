"""RMSprop in a program: fused as Adam is, the same weights as step by step."""

from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import nn
from accelnn.backends import Backend
from accelnn.engines import EagerEngine
from accelnn.optim import RMSprop
from accelnn.program import lower
from tests.stacks import data, stack


def weights_after(make: Any, backend: Backend) -> list[Any]:
    """Return all parameters after two epochs of five minibatches."""
    model, loss = stack("tanh", backend, "float64"), nn.CrossEntropyLoss()
    rule = RMSprop(model.parameters(), lr=0.02, alpha=0.8, eps=1e-4, weight_decay=0.01)
    assert accelnn.explain(model, loss, rule, backend).engine == "program"
    runner = make(model, loss, rule, backend, 8)
    X, y = data(loss, 36, "float64")
    runner.bind(backend.asarray(X), backend.asarray(y))
    for rate in (0.02, 0.01):
        runner.run(0, 5, [rate] * 5)
    return [p.numpy().copy() for p in model.parameters()]


def test_the_same_weights(backend: Backend) -> None:
    eager, program = (weights_after(make, backend) for make in (EagerEngine, lower))
    for one, two in zip(program, eager, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-9)


def test_it_runs_on_adams_kernel() -> None:
    model = nn.Sequential(nn.Linear(2, 1))
    found = accelnn.explain(model, nn.MSELoss(), RMSprop(model.parameters()))
    assert found.layers[-1] == (
        "RMSprop(lr=0.01, alpha=0.99, eps=1e-08, weight_decay=0.0)",
        "adam",
    )


@pytest.mark.parametrize(("name", "value"), [("alpha", 1.0), ("eps", -1), ("weight_decay", -1)])
def test_numbers_out_of_range(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a number of at least 0.*got {value}"):
        RMSprop(nn.Linear(2, 1).parameters(), **{name: value})
