"""The epochs that the MNIST suite times: checked against the plain loop, at any depth."""

from typing import Any

import numpy as np
import pytest

from accelnn.bench import mnist_epochs, networks
from accelnn.bench.mnist_epochs import PLAIN, Epochs, Fit, check
from accelnn.bench.networks import PlainLoop, program, weights
from accelnn.bench.settings import Settings
from accelnn.datasets import load_digits

SETTINGS = Settings(network=(7, 8, 6, 5))
HOW: dict[str, Any] = {"widths": SETTINGS.network, "batch": 8}


def images(rows: int = 43) -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    return rng.random((rows, 7), np.float32), rng.integers(0, 5, rows)


@pytest.mark.parametrize("widths", [(7, 5), (7, 8, 6, 4, 5)])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_all_learn_the_same_at_any_depth(
    widths: tuple[int, ...], optimizer: str, backend: str
) -> None:
    check(Fit(backend, optimizer, 8), Settings(network=widths), *images())


@pytest.mark.parametrize("rate", [0.1001, 0.0])
def test_a_wrong_step_is_noticed(monkeypatch: pytest.MonkeyPatch, rate: float) -> None:
    monkeypatch.setattr(mnist_epochs, "RATES", {"sgd": rate})  # the plain loop has 0.1
    with pytest.raises(AssertionError):
        check(Fit("numpy", "sgd", 8), SETTINGS, *images())


def test_the_first_of_the_widths_follows_the_data() -> None:
    shapes = [w.shape for w, _ in weights(7, np.float64, (784, 4, 5))]
    assert shapes == [(7, 4), (4, 5)]


def test_the_gradient_of_the_plain_loop_is_that_of_its_loss() -> None:
    X, y = images(8)
    wide = X.astype(np.float64)
    loop = PlainLoop("sgd", wide, y, **HOW)
    before = [p.copy() for p in loop.parameters]
    loop.step(wide, y)
    gradient = [(b - p) / 0.1 for b, p in zip(before, loop.parameters, strict=True)]
    moved = PlainLoop("sgd", wide, y, **HOW)
    h = 1e-6
    losses = []
    for sign in (1, -1):
        moved.parameters = [b + sign * h * g for b, g in zip(before, gradient, strict=True)]
        losses.append(moved.step(wide, y) / len(y))
    squares = sum(float((g * g).sum()) for g in gradient)
    assert squares > 1e-3
    assert (losses[0] - losses[1]) / (2 * h) == pytest.approx(squares, rel=1e-5)


def test_an_epoch_goes_through_the_same_order_by_everybody() -> None:
    X, y = images()
    parameters = []
    for trainer in (PLAIN, "numpy"):
        epoch = Epochs(Fit(trainer, "sgd", 8), SETTINGS, X, y)
        epoch()
        epoch()
        if epoch.loop is not None:
            learned = epoch.loop.parameters
            parameters.append(np.concatenate([p.ravel() for p in learned[::2] + learned[1::2]]))
        if epoch.made is not None:
            parameters.append(np.array(epoch.made.plan.params))
        epoch.close()
    plain, ours = parameters
    np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-6)


def test_the_batch_is_the_programs() -> None:
    X, y = images(43)
    with program("numpy", "sgd", X, y, **HOW) as made:
        assert made.n_batches == 6


def test_what_a_reader_sees() -> None:
    assert str(Fit("numba", "sgd", 32)) == "numba-sgd-32"
    assert Fit("numba", "sgd", 32).who == "accelnn numba"
    assert Fit(PLAIN, "sgd", 32).info(10, "MNIST")["who"] == "plain NumPy loop"


@pytest.mark.parametrize(
    ("trainer", "rows", "steps"), [(PLAIN, 43, 3), ("numpy", 43, 3), ("numpy", 9, 2)]
)
def test_a_warm_up_is_a_few_steps(trainer: str, rows: int, steps: int) -> None:
    epoch = Epochs(Fit(trainer, "adam", 8), SETTINGS, *images(rows))
    epoch.warm_up()
    done = epoch.loop.t if epoch.loop is not None else 0
    done += epoch.made.rule.t if epoch.made is not None else 0
    assert done == steps


def test_only_the_rows_that_are_asked_for_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "load_default", load_digits)
    data, X, y = networks.load(5)
    whole, everything, labels = networks.load()
    assert (X.shape, y.shape, len(data.y_train)) == ((5, 64), (5,), len(whole.y_train))
    np.testing.assert_array_equal(X, everything[:5])
    np.testing.assert_array_equal(y, labels[:5])
    assert len(everything) == len(labels) == len(whole.y_train)
