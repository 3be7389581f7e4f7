"""Seconds to an accuracy, from made-up curves and from a training on data easily told apart."""

import numpy as np
import pytest

from accelnn.bench.mnist_accuracy import GOAL, Until, curve, learn, seconds_to
from accelnn.bench.mnist_epochs import Fit
from accelnn.history import Epoch, Explanation, History


def history(*epochs: tuple[float, float]) -> History:
    made = [
        Epoch(number, 0.0, seconds, compile_seconds=100.0, val_accuracy=accuracy)
        for number, (seconds, accuracy) in enumerate(epochs, 1)
    ]
    return History("numpy", "program", Explanation("program", "numpy", "", ()), epochs=made)


def test_a_curve_adds_up_the_seconds_of_training_alone() -> None:
    assert curve(history((2.0, 0.5), (3.0, 0.9), (1.5, 0.8))) == [
        [2.0, 0.5],
        [5.0, 0.9],
        [6.5, 0.8],
    ]


@pytest.mark.parametrize(
    ("goal", "seconds"), [(0.4, 2.0), (0.9, 5.0), (0.85, 5.0), (0.97, 9.0), (0.98, None)]
)
def test_the_first_time_counts(goal: float, seconds: float | None) -> None:
    points = [[2.0, 0.5], [5.0, 0.9], [6.5, 0.8], [9.0, 0.97]]
    assert seconds_to(goal, points) == seconds


def test_a_training_ends_at_the_goal() -> None:
    wish = Until(0.98)
    asked = [0.9799, 0.98, 0.99, None]
    wishes = [wish.on_epoch_end(Epoch(1, 0.0, 1.0, val_accuracy=a)) for a in asked]
    assert wishes == [False, True, True, False]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_learning_stops_once_it_is_accurate(optimizer: str) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 900)
    X = (np.eye(3)[y] + 0.05 * rng.random((900, 3))).astype(np.float32)
    data = (X[:600], y[:600], X[600:], y[600:])
    found = learn(Fit("numpy", optimizer, 8), (3, 16, 3), data, most=40)
    accuracies = found["val_accuracy"]
    assert 1 <= len(accuracies) < 40
    assert accuracies[-1] >= GOAL
    assert all(accuracy < GOAL for accuracy in accuracies[:-1])
    few = learn(Fit("numpy", optimizer, 600), (3, 16, 3), data, most=1)
    assert len(few.epochs) == 1
