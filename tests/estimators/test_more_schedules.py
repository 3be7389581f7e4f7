"""Schedules: the rate that each step is really taken with."""

from typing import Any

import numpy as np
import pytest

from accelnn import MLPRegressor
from accelnn.optim import schedules
from tests.estimators.by_hand import assert_equal_weights, weights

# Few epochs, for speed.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

#: One weight w, x = 1 and y = 0: the gradient is w, so that each step is w *= 1 - rate.
X, Y = np.ones((6, 1)), np.zeros(6)


def model(backend: str, **arguments: Any) -> Any:
    made: dict[str, Any] = {
        "hidden_layer_sizes": (),
        "initial_weights": ([np.array([[1.0]])], [np.array([0.0])]),
        "solver": "sgd",
        "momentum": 0.0,
        "learning_rate_init": 0.1,
        "alpha": 0.0,
        "batch_size": 2,
        "max_iter": 4,
        "tol": 0.0,
        "backend": backend,
    }
    return MLPRegressor(**(made | arguments))


class Noted:
    """A schedule that notes what it is asked and answers with factors that tell steps apart."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, int]] = []

    def __call__(self, epoch: float, max_iter: int) -> float:
        self.asked.append((epoch, max_iter))
        return 1 + epoch

    @property
    def epochs(self) -> list[float]:
        return [epoch for epoch, _ in self.asked]


def left(epochs: Any, factor: Any, rate: float = 0.1) -> float:
    """Return what steps at these epochs leave of w + b, whose gradients are both w + b."""
    return float(np.prod([1 - 2 * rate * factor(epoch) for epoch in epochs]))


THIRDS = np.arange(12) / 3


def test_the_epoch_counts_in_fractions(backend: str) -> None:
    noted = Noted()
    fitted = model(backend, learning_rate=noted).fit(X, Y)
    np.testing.assert_allclose(noted.epochs, THIRDS, atol=1e-15)
    assert {max_iter for _, max_iter in noted.asked} == {4}
    expected = left(THIRDS, lambda epoch: 1 + epoch)
    assert sum(weights(fitted)).item() == pytest.approx(expected, rel=1e-12)


def test_a_smaller_last_minibatch_is_a_step_too(backend: str) -> None:
    noted = Noted()
    model(backend, learning_rate=noted, batch_size=4, max_iter=2).fit(X, Y)
    assert noted.epochs == [0, 0.5, 1, 1.5]


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.Cosine(),
        schedules.Linear(0.1),
        schedules.OneCycle(),
        schedules.WarmUp(1, then=schedules.Cosine()),
        schedules.Step(2, 0.5),
        schedules.Exponential(0.7),
    ],
    ids=repr,
)
def test_a_schedule(schedule: Any, backend: str) -> None:
    fitted = model(backend, learning_rate=schedule).fit(X, Y)
    expected = left(THIRDS, lambda epoch: schedule(epoch, 4))
    assert sum(weights(fitted)).item() == pytest.approx(expected, rel=1e-12)


def test_cosine_by_hand(backend: str) -> None:
    fitted = model(backend, learning_rate=schedules.Cosine()).fit(X, Y)
    expected = left(THIRDS, lambda epoch: (1 + np.cos(np.pi * epoch / 4)) / 2)
    assert sum(weights(fitted)).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("solver", ["adam", "adamw", "rmsprop", "sgd"])
@pytest.mark.parametrize("more", [{}, {"l1": 0.1}], ids=["fused", "by hand"])
def test_a_constant_schedule_is_constant(solver: str, more: dict[str, Any], backend: str) -> None:
    a, b = (
        model(backend, solver=solver, learning_rate=rate, **more).fit(X, Y)
        for rate in (lambda epoch, max_iter: 1.0, "constant")
    )
    assert_equal_weights(a, b)
    np.testing.assert_allclose(a.loss_curve_, b.loss_curve_, rtol=1e-14)  # summed otherwise


@pytest.mark.parametrize("solver", ["adam", "adamw", "rmsprop", "sgd"])
def test_a_rate_of_zero_moves_nothing(solver: str, backend: str) -> None:
    fitted = model(backend, solver=solver, learning_rate=lambda epoch, max_iter: 0.0).fit(X, Y)
    assert [w.item() for w in weights(fitted)] == [1.0, 0.0]


def test_partial_fit_counts_on(backend: str) -> None:
    noted = Noted()
    parts = model(backend, learning_rate=noted)
    for _ in range(4):
        parts.partial_fit(X, Y)
    np.testing.assert_allclose(noted.epochs, THIRDS, atol=1e-15)
    whole = model(backend, learning_rate=Noted(), shuffle=False).fit(X, Y)
    assert sum(weights(parts)).item() == pytest.approx(sum(weights(whole)).item(), rel=1e-12)


def test_partial_fit_counts_on_after_fit(backend: str) -> None:
    noted = Noted()
    fitted = model(backend, learning_rate=noted, max_iter=2).fit(X, Y)
    noted.asked.clear()
    fitted.partial_fit(X, Y)
    np.testing.assert_allclose(noted.epochs, [2, 2 + 1 / 3, 2 + 2 / 3])


def test_each_fit_is_a_schedule_of_its_own(backend: str) -> None:
    """A warm one too: it has ``max_iter`` epochs again, as ``n_iter_`` says."""
    noted = Noted()
    fitted = model(backend, learning_rate=noted, warm_start=True, max_iter=2).fit(X, Y)
    first = list(noted.epochs)
    fitted.fit(X, Y)
    assert noted.epochs == first * 2
    assert fitted.n_iter_ == 2
    assert len(fitted.loss_curve_) == 4


def test_an_early_end_does_not_ask_further(backend: str) -> None:
    noted = Noted()
    stopping: dict[str, Any] = {"tol": 1e9, "n_iter_no_change": 1, "max_iter": 9}
    fitted = model(backend, learning_rate=noted, **stopping).fit(X, Y)
    assert fitted.n_iter_ == 3  # the first improves on infinity, and one more may not
    assert max(noted.epochs) < 3


@pytest.mark.parametrize("answer", [float("nan"), float("inf"), None, "0.5", 1j])
def test_no_factor(answer: Any, backend: str) -> None:
    with pytest.raises(ValueError, match=r"learning_rate\(0.0, 4\) returned .*a finite number"):
        model(backend, learning_rate=lambda epoch, max_iter: answer).fit(X, Y)
