"""From zeros hidden units stay equal; a little noise ends that."""

from typing import Any

import numpy as np
import pytest

ALL = pytest.mark.parametrize("name", ["sigmoid", "tanh", "ReLU"])


@ALL
def test_units_from_zeros_stay_equal(experiment: dict[str, Any], name: str) -> None:
    assert experiment["zeros_spread"][name].max() <= 1e-9


@ALL
def test_noise_drives_units_apart(experiment: dict[str, Any], name: str) -> None:
    spread = experiment["noise_spread"][name]
    assert spread[0] < 0.06
    assert spread[-1] > 1


def test_units_of_the_sigmoid_learn_as_one(experiment: dict[str, Any]) -> None:
    parameters = experiment["zeros_parameters"]["sigmoid"]
    assert abs(parameters["0.weight"]).max() > 1
    assert np.ptp(parameters["2.weight"]) <= 1e-9
    assert experiment["zeros_loss"]["sigmoid"][-1] == pytest.approx(0.479, abs=0.01)


@pytest.mark.parametrize("name", ["tanh", "ReLU"])
def test_of_tanh_and_relu_only_the_last_bias_moves(experiment: dict[str, Any], name: str) -> None:
    parameters = experiment["zeros_parameters"][name]
    assert {key for key, values in parameters.items() if values.any()} == {"2.bias"}
    share = experiment["y"].mean()
    guessing = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert experiment["zeros_loss"][name][-1] == pytest.approx(guessing, abs=1e-3)


@ALL
def test_it_costs(experiment: dict[str, Any], name: str) -> None:
    assert experiment["noise_loss"][name][-1] < 0.6 * experiment["zeros_loss"][name][-1]
