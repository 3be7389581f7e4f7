"""Units that start saturated learn slowly; the sigmoid's usual start is bad for another reason."""

from typing import Any

import numpy as np
import pytest


def at(experiment: dict[str, Any], name: str, z: float) -> float:
    return float(experiment["slopes"][name][np.argmin(abs(experiment["z"] - z))])


def test_slopes_far_from_zero(experiment: dict[str, Any]) -> None:
    assert at(experiment, "sigmoid", 0) == pytest.approx(0.25, rel=1e-12)
    assert at(experiment, "tanh", 0) == pytest.approx(1, rel=1e-12)
    assert at(experiment, "sigmoid", 10) == pytest.approx(4.5396e-05, rel=1e-4)
    assert at(experiment, "tanh", 10) == pytest.approx(8.2446e-09, rel=1e-4)
    assert at(experiment, "ReLU", 10) == 1


def of(experiment: dict[str, Any], values: str, name: str) -> list[float]:
    over_seeds = experiment["over_seeds"]
    return [over_seeds(experiment[values], name, k) for k in experiment["FACTORS"]]


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_larger_weights_saturate_more_units(experiment: dict[str, Any], name: str) -> None:
    saturated = of(experiment, "saturated", name)
    assert saturated[0] == 0
    assert saturated[-1] > 0.7
    assert (np.diff(saturated) >= 0).all()


def test_saturated_tanh_learns_less(experiment: dict[str, Any]) -> None:
    accuracy, moved = of(experiment, "accuracy", "tanh"), of(experiment, "moved", "tanh")
    assert min(accuracy[:2]) > 0.9
    assert accuracy[1] > accuracy[2] + 0.04 > accuracy[3] + 0.1
    assert (np.diff(moved) < 0).all()
    assert moved[0] > 1 > 0.02 > moved[-1]


def test_the_sigmoid_needs_larger_weights_and_not_the_largest(experiment: dict[str, Any]) -> None:
    usual, larger, good, too_large = of(experiment, "accuracy", "sigmoid")
    assert usual < 0.2  # of ten classes
    assert usual + 0.3 < larger
    assert good > too_large + 0.08
    assert good > larger


def test_the_saturated_loss_falls_early_and_stalls(experiment: dict[str, Any]) -> None:
    usual = experiment["over_seeds"](experiment["losses"], "tanh", 1)
    saturated = experiment["over_seeds"](experiment["losses"], "tanh", 64)
    assert saturated[0] < usual[0]
    assert saturated[-1] > 2 * usual[-1]
