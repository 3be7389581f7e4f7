"""A training step reaches the kernels through the backend, eager and program alike."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accelnn import nn, optim
from accelnn.backends import Backend, get_backend
from accelnn.engines import EagerEngine
from accelnn.kernels import NAMES
from accelnn.program import lower
from tests.stacks import data, stack

#: Calls of one step of the 7-6-5-3 stack with tanh and cross-entropy.
EXPECTED = {
    "take_rows": 2,  # X and y
    "matmul": 8,  # 3 forward, 3 for weights, 2 for inputs
    "add_bias": 3,
    "tanh": 2,
    "tanh_backward": 2,
    "cross_entropy": 1,
    "cross_entropy_backward": 1,
    "sum_rows": 3,
}


def step(engine: str, backend: Backend) -> Any:
    """Train one step and return the parameters."""
    model = stack("tanh", backend, "float64")
    loss = nn.CrossEntropyLoss()
    rule = optim.SGD(model.parameters(), lr=0.5)
    make = EagerEngine if engine == "eager" else lower
    runner = make(model, loss, rule, backend, 8)
    X, y = data(loss, 8, "float64")
    runner.bind(backend.asarray(X), backend.asarray(y))
    runner.run(0, 1, [0.5])
    return np.concatenate([p.numpy().ravel() for p in model.parameters()])


@pytest.mark.parametrize("engine", ["eager", "program"])
def test_counts(engine: str, backend: Backend) -> None:
    calls: Counter[str] = Counter()

    def around(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **how: Any) -> Any:
            calls[name] += 1
            return kernel(*args, **how)

        return counted

    step(engine, backend.intercept(around))
    updates = calls.pop("sgd")
    assert updates == (1 if engine == "program" else 6)  # one flat buffer, six parameters
    assert dict(calls) == EXPECTED


@pytest.mark.parametrize("engine", ["eager", "program"])
@pytest.mark.parametrize("broken", [*EXPECTED, "sgd"])
def test_a_broken_kernel_changes_the_result(engine: str, backend: Backend, broken: str) -> None:
    if broken == "cross_entropy":
        pytest.skip("the loss itself moves no weight; only its gradient does")

    def around(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def wrong(*args: Any, **how: Any) -> Any:
            result = kernel(*args, **how)
            if name == "take_rows" and result.ndim == 1:
                return result  # labels would only run out of range
            result *= 1.5
            return result

        return wrong if name == broken else kernel

    right, changed = step(engine, backend), step(engine, backend.intercept(around))
    assert np.abs(right - changed).max() > 1e-3


def test_intercept_leaves_the_backend_alone() -> None:
    backend = get_backend("numpy")
    kept = {name: getattr(backend, name) for name in NAMES}
    backend.intercept(lambda name, kernel: lambda *a, **k: None)
    assert all(getattr(backend, name) is kernel for name, kernel in kept.items())
