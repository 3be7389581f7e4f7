"""XNOR is learned from some starts by the smallest network, and from nearly all by a larger one."""

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("case", "least", "most"),
    [
        ((2, "ReLU"), 15, 31),
        ((2, "tanh"), 38, 54),
        ((2, "sigmoid"), 41, 57),
        ((8, "ReLU"), 90, 99),
        ((8, "tanh"), 99, 100),
        ((8, "sigmoid"), 99, 100),
    ],
)
def test_rates(experiment: dict[str, Any], case: tuple[int, str], least: int, most: int) -> None:
    assert least <= experiment["successes"][case] <= most


def test_those_that_fail_are_stuck_at_three_losses(experiment: dict[str, Any]) -> None:
    assert {case: sum(counts) for case, counts in experiment["outcomes"].items()} == dict.fromkeys(
        experiment["runs"], 100
    )
    assert all(
        counts[0] == experiment["successes"][c] for c, counts in experiment["outcomes"].items()
    )
    assert experiment["outcomes"][2, "ReLU"][3] > 20  # nothing learned at all
    assert experiment["outcomes"][2, "tanh"][1] > 20  # two corners alike


def test_each_learns_as_it_would_alone(experiment: dict[str, Any]) -> None:
    alone, among = experiment["history"]["loss"], experiment["runs"][2, "tanh"][0][:, 0]
    assert among[[0, 9, 99]] == pytest.approx([alone[0], alone[9], alone[99]], rel=1e-9)
    assert among[-1] == pytest.approx(alone[-1], rel=1e-3)
