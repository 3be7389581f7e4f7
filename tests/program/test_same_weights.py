"""Eager or program, on every backend: the same weights after 20 steps from equal starts."""

from typing import Any

import numpy as np
import pytest

from accelnn import nn
from accelnn.backends import Backend, get_backend
from accelnn.engines import EagerEngine
from tests.kernel_losses import lowered
from tests.stacks import HIDDEN, LOSSES, OPTIMIZERS, data, stack
from tests.tolerances import tolerance

STEPS, ROWS, BATCH = 20, 70, 8  # eight full minibatches and one of six rows: 2.2 epochs


def weights_after(
    engine: str,
    backend: Backend,
    hidden: str,
    loss: nn.Loss,
    optimizer: str,
    dtype: str,
    bias: bool = True,
) -> list[Any]:
    """Return all parameters after STEPS steps, the last ones with half the learning rate."""
    model = stack(hidden, backend, dtype, bias)
    rule = OPTIMIZERS[optimizer](model.parameters())
    make = EagerEngine if engine == "eager" else lowered
    runner = make(model, loss, rule, backend, BATCH)
    X, y = data(loss, ROWS, dtype)
    runner.bind(backend.asarray(X), backend.asarray(y))
    rng, left, rate = np.random.default_rng(7), STEPS, rule.lr
    while left:
        runner.start_epoch(rng.permutation(ROWS))
        steps = min(left, runner.n_batches)
        runner.run(0, steps, [rate if i < 3 else rate / 2 for i in range(steps)])
        left -= steps
    return [p.numpy() for p in model.parameters()]


def assert_same(actual: list[Any], expected: list[Any], dtype: str) -> None:
    # 1e-9 in float64 is the library's promise; float32 has the tolerance of a sum over all steps.
    close = {"rtol": 1e-9, "atol": 1e-9} if dtype == "float64" else tolerance(dtype, STEPS * ROWS)
    for a, e in zip(actual, expected, strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, e, **close)


@pytest.mark.parametrize("engine", ["eager", "program"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_layers(engine: str, backend: Backend, hidden: str, dtype: str) -> None:
    how = (hidden, nn.CrossEntropyLoss(), "adam", dtype)
    expected = weights_after("eager", get_backend("numpy"), *how)
    assert_same(weights_after(engine, backend, *how), expected, dtype)


@pytest.mark.parametrize("engine", ["eager", "program"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers(engine: str, backend: Backend, optimizer: str) -> None:
    how = ("tanh", nn.CrossEntropyLoss(), optimizer, "float64")
    expected = weights_after("eager", get_backend("numpy"), *how)
    assert_same(weights_after(engine, backend, *how), expected, "float64")


@pytest.mark.parametrize("engine", ["eager", "program"])
@pytest.mark.parametrize("loss", LOSSES)
def test_losses(engine: str, backend: Backend, loss: str) -> None:
    how = ("elu", LOSSES[loss](), "small steps" if "sum" in loss else "sgd", "float64")
    expected = weights_after("eager", get_backend("numpy"), *how)
    assert_same(weights_after(engine, backend, *how), expected, "float64")


@pytest.mark.parametrize("engine", ["eager", "program"])
def test_without_bias(engine: str, backend: Backend) -> None:
    how = ("relu", nn.MSELoss(), "momentum", "float64", False)
    expected = weights_after("eager", get_backend("numpy"), *how)
    assert_same(weights_after(engine, backend, *how), expected, "float64")


def test_twice_is_bitwise_the_same(backend: Backend) -> None:
    how = ("dropout", nn.CrossEntropyLoss(), "adam", "float32")
    first, second = (weights_after("program", backend, *how) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_training_moves_every_parameter() -> None:
    how = ("tanh", nn.CrossEntropyLoss(), "sgd", "float64")
    start = [p.numpy().copy() for p in stack("tanh", get_backend("numpy"), "float64").parameters()]
    after = weights_after("program", get_backend("numpy"), *how)
    for a, b in zip(start, after, strict=True):
        assert np.abs(a - b).min() > 0
