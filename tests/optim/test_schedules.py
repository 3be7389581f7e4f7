"""Schedules: exact values at the ends, the formula between, and numbers that make none."""

import copy
import math
import pickle
from typing import Any

import pytest

from accelnn.optim.schedules import Cosine, Exponential, Linear, OneCycle, Schedule, Step, WarmUp


def doubled(epoch: float, max_iter: float) -> float:
    """Return something that says what it was called with."""
    return 100 * epoch + max_iter


VALUES: dict[str, tuple[Schedule, list[tuple[float, float]]]] = {
    "cosine": (Cosine(), [(0, 1.0), (5, 0.5), (10, 0.0), (11, 0.0)]),
    "cosine to a floor": (Cosine(0.2), [(0, 1.0), (5, 0.6), (10, 0.2)]),
    "cosine, between": (Cosine(), [(2.5, 0.5 + 0.5 * math.sqrt(0.5)), (10 / 3, 0.75)]),
    "linear": (Linear(), [(0, 1.0), (2.5, 0.75), (10, 0.0), (12, 0.0)]),
    "linear to a floor": (Linear(0.5), [(0, 1.0), (5, 0.75), (10, 0.5)]),
    "one cycle": (OneCycle(), [(0, 0.04), (1.5, 0.52), (3, 1.0), (6.5, 0.50005), (10, 1e-4)]),
    "one cycle, late": (OneCycle(0.1, 0.5, 0.0), [(0, 0.1), (2.5, 0.55), (5, 1.0), (7.5, 0.5)]),
    "warm-up": (WarmUp(4), [(0, 0.0), (1, 0.25), (4, 1.0), (10, 1.0)]),
    "warm-up of a fraction": (WarmUp(0.5), [(0.25, 0.5), (0.5, 1.0)]),
    "warm-up, then": (WarmUp(4, Cosine()), [(0, 0.0), (4, 1.0), (7, 0.5), (10, 0.0)]),
    "warm-up, then a function": (WarmUp(4, doubled), [(2, 0.5), (4, 6.0), (5.5, 156.0)]),
    "warm-up to the end": (WarmUp(10, Cosine()), [(9, 0.9), (10, 0.0)]),
    "step": (Step(3), [(0, 1.0), (2.999, 1.0), (3, 0.1), (6, 0.1**2), (8.9, 0.1**2), (9, 0.1**3)]),
    "step by half": (Step(0.5, by=0.5), [(0, 1.0), (0.49, 1.0), (1, 0.25)]),
    "exponential": (Exponential(0.25), [(0, 1.0), (0.5, 0.5), (1, 0.25), (2, 0.0625)]),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_over_ten_epochs(name: str) -> None:
    schedule, values = VALUES[name]
    for epoch, expected in values:
        found = schedule(epoch, 10)
        assert type(found) is float
        assert found == pytest.approx(expected, rel=1e-14, abs=1e-15)


@pytest.mark.parametrize(
    ("schedule", "first", "last"),
    [
        (Cosine(0.3), 1.0, 0.3),
        (Linear(0.0), 1.0, 0.0),
        (OneCycle(), 0.04, 1e-4),
        (OneCycle(0.07, 0.9, 0.003), 0.07, 0.003),
        (WarmUp(0.5, Cosine(0.7)), 0.0, 0.7),
    ],
    ids=repr,
)
@pytest.mark.parametrize("max_iter", [7, 200, 1])
def test_ends_are_exact(schedule: Any, first: float, last: float, max_iter: int) -> None:
    assert (schedule(0, max_iter), schedule(max_iter, max_iter)) == (first, last)
    assert schedule(max_iter + 1, max_iter) == last


@pytest.mark.parametrize("max_iter", [10, 33])
def test_the_peak_of_a_cycle_is_one(max_iter: int) -> None:
    factors = [OneCycle(peak_at=0.3)(i * max_iter / 1000, max_iter) for i in range(1001)]
    assert max(factors) == pytest.approx(1, rel=1e-12)
    assert factors.index(max(factors)) == 300
    assert factors[:301] == sorted(factors[:301])
    assert factors[300:] == sorted(factors[300:], reverse=True)


def test_no_epochs_at_all() -> None:
    for schedule, last in ((Cosine(0.1), 0.1), (Linear(0.2), 0.2), (OneCycle(end=0.3), 0.3)):
        assert schedule(0, 0) == last


def test_they_are_values() -> None:
    """As an estimator's argument they are compared, printed, copied and pickled."""
    schedule = WarmUp(3, Cosine(0.1))
    assert repr(schedule) == "WarmUp(epochs=3, then=Cosine(floor=0.1))"
    assert schedule == WarmUp(3, Cosine(0.1)) != WarmUp(3, Cosine())
    assert copy.deepcopy(schedule) == pickle.loads(pickle.dumps(schedule)) == schedule
    with pytest.raises(AttributeError, match="cannot assign to field 'epochs'"):
        schedule.epochs = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cosine(-0.1), "floor must be a number of at least 0, got -0.1"),
        (lambda: Linear(math.nan), "floor must be a number of at least 0, got nan"),
        (lambda: OneCycle(start=-1), "start must be a number of at least 0, got -1"),
        (lambda: OneCycle(end="0"), "end must be a number of at least 0, got '0'"),  # type: ignore[arg-type]
        (lambda: OneCycle(peak_at=1), "peak_at must be .* below 1, got 1"),
        (lambda: OneCycle(peak_at=0), "peak_at must be above 0, got 0"),
        (lambda: WarmUp(0), "epochs must be above 0, got 0"),
        (lambda: Step(0), "every must be above 0, got 0"),
        (lambda: Step(1, -1), "by must be a number of at least 0, got -1"),
        (lambda: Exponential(math.inf), "by must be a number of at least 0, got inf"),
    ],
)
def test_numbers_out_of_range(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_then_is_a_schedule() -> None:
    with pytest.raises(TypeError, match="then must be a schedule or None, got 0"):
        WarmUp(2, 0)  # type: ignore[arg-type]
