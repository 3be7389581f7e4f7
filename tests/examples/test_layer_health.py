"""Dead ReLUs stay dead, saturated sigmoids stay where they are."""

from typing import Any

import numpy as np


def test_units_of_the_first_layer_never_come_back(experiment: dict[str, Any]) -> None:
    for layers in experiment["dead"].values():
        assert (np.diff(layers["1"]) >= 0).all()


def test_a_large_rate_kills_units_and_a_moderate_one_does_not(experiment: dict[str, Any]) -> None:
    dead, accuracy = experiment["dead"], experiment["accuracy"]
    for seed in experiment["seeds"]:
        for rate in (0.1, 0.5):
            assert dead[rate, seed]["1"][-1] <= 0.25
            assert accuracy[rate, seed] > 0.8
        assert dead[1.0, seed]["1"][-1] >= 0.4
        assert dead[2.0, seed]["1"][-1] >= 0.5
        assert dead[2.0, seed]["3"][-1] >= 0.9
        assert accuracy[2.0, seed] < 0.3


def test_a_dead_first_layer_does_not_move(experiment: dict[str, Any]) -> None:
    assert experiment["dead_unlucky"] == [1.0] * experiment["epochs"]
    assert experiment["moved"] == 0
    last = experiment["watch_unlucky"].reports[-1]
    assert last["0"].gradient_norm == 0
    assert last["4"].gradient_norm > 0
    assert experiment["accuracy_unlucky"][-1] < 0.2


def test_saturated_sigmoids_stay_saturated_and_slow(experiment: dict[str, Any]) -> None:
    saturated, accuracy = experiment["saturated"], experiment["sigmoid_accuracy"]
    assert min(saturated[4.0]) > 0.6
    assert 0.05 < min(saturated[1.0]) <= max(saturated[1.0]) < 0.3
    assert np.ptp(saturated[4.0]) < 0.05
    assert accuracy[4.0] < accuracy[1.0] - 0.05


def test_no_saturation_is_not_enough(experiment: dict[str, Any]) -> None:
    first = experiment["watch_usual"].reports[0]
    assert first["1"].saturated == first["3"].saturated == first["1"].dead == 0
    assert max(first["0"].gradient_norm, first["2"].gradient_norm) < 0.02
    assert experiment["accuracy_usual"][-1] < 0.3
