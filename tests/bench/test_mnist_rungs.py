"""Rungs of the ladder as the product of a training step: the plain loop's weights come out."""

import time
from typing import Any

import numpy as np
import pytest

from accelnn.bench.mnist_rungs import Steps, Stopwatch, in_order_of_a_plan, of_rung, train
from accelnn.bench.rungs import RUNGS, Rung
from accelnn.kernels.reference.matmul import matmul

NETWORK = (7, 8, 6, 5)


def learn(rung: Rung, slow: bool = False) -> Steps:
    rng = np.random.default_rng(1)
    X, y = rng.random((11, 7), np.float32), rng.integers(0, 5, 11)
    return train(rung, X, y, NETWORK, batch=4, slow=slow)


@pytest.mark.parametrize("name", RUNGS)
def test_every_rung_gives_the_plain_loops_weights(name: str) -> None:
    steps = learn(RUNGS[name])
    assert steps.distance < 1e-5
    assert len(steps.seconds) == len(steps.products) == 3
    assert all(0 < p < s for p, s in zip(steps.products, steps.seconds, strict=True))


def by(factor: float, pause: float = 0.0) -> Rung:
    """A rung whose products are wrong by a factor, and take so many seconds at least."""

    def prepare(a: Any, ta: bool, b: Any, tb: bool, out: Any) -> Any:
        def call() -> None:
            time.sleep(pause)
            out[...] = factor * matmul(a, b, ta=ta, tb=tb)

        return call

    return RUNGS["NumPy's product, all threads"]._replace(prepare=prepare)


def test_a_wrong_product_is_noticed() -> None:
    with pytest.raises(AssertionError, match=r"NumPy's product, all threads is .* of the way"):
        learn(by(1.1))
    assert 1e-4 < learn(by(1.001)).distance < 0.02


def test_the_seconds_of_a_steps_products_are_added_up() -> None:
    steps = learn(by(1.0, pause=0.002))
    assert all(seconds > 8 * 0.002 for seconds in steps.products)  # two layers of 3, the first of 2


def test_the_first_step_of_a_slow_rung_is_another_ones() -> None:
    steps = learn(by(1.0, pause=0.02), slow=True)
    assert [seconds > 8 * 0.02 for seconds in steps.products] == [False, True, True]
    assert steps.distance < 1e-5


def test_a_stopwatch_takes_the_place_of_the_product_alone() -> None:
    watch = Stopwatch(lambda a, ta, b, tb, out: out.fill(7.0))
    out = np.zeros((2, 2))
    assert watch.around("relu", abs) is abs
    assert watch.around("matmul", abs)(out, out, ta=True, out=out) is out
    assert out.tolist() == [[7.0, 7.0], [7.0, 7.0]]
    assert watch.seconds > 0


def test_a_rung_of_a_backend_of_its_own_uses_that_ones_kernels() -> None:
    held, product = of_rung(Rung("a GPU", lambda *_: lambda: None, backend="numpy"))
    assert held.name == "numpy"
    a, out = np.arange(6.0).reshape(2, 3), np.empty((3, 3))
    product(a, True, a, False, out)
    np.testing.assert_array_equal(out, a.T @ a)


def test_flat_parameters_have_the_weights_first() -> None:
    w, b = np.array([[1.0, 2.0]]), np.array([3.0])
    assert in_order_of_a_plan([w, b, w + 10, b + 10]).tolist() == [1, 2, 11, 12, 3, 13]
