"""Straight pieces with ReLU, smooth curves with tanh, one line without hidden units."""

from typing import Any

import pytest


@pytest.mark.parametrize("name", ["moons", "rings"])
def test_pieces(experiment: dict[str, Any], name: str) -> None:
    pieces, points = experiment["pieces"], len(experiment["grid"])
    assert pieces[name, "no hidden layer"] == 1
    assert 3 <= pieces[name, "ReLU 4"] <= 11
    assert 11 < pieces[name, "ReLU 32-32"] < 0.2 * points
    assert pieces[name, "tanh 4"] > 0.8 * points
    assert pieces[name, "tanh 32-32"] > 0.8 * points


def test_accuracy(experiment: dict[str, Any]) -> None:
    right = experiment["right"]
    assert 0.8 < right["moons", "no hidden layer"] < 0.95
    assert right["rings", "no hidden layer"] < 0.65
    for name in ("moons", "rings"):
        for label in ("ReLU 32-32", "tanh 4", "tanh 32-32"):
            assert right[name, label] > 0.97


def test_small_networks_of_relus_need_luck(experiment: dict[str, Any]) -> None:
    successes = experiment["successes"]
    assert successes["moons", "relu"] <= 6
    assert successes["moons", "tanh"] >= 8
    assert successes["rings", "tanh"] >= 7
