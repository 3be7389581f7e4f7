"""The exact network for |x - 1| exists; training finds it from some starts, or with more units."""

from typing import Any

import pytest


def test_two_relu_are_exact(experiment: dict[str, Any]) -> None:
    assert experiment["exact_error"] < 1e-12


def test_rates(experiment: dict[str, Any]) -> None:
    assert 18 <= experiment["successes"][2] <= 26  # of 48
    assert experiment["successes"][8] >= 47


def test_those_that_fail_have_one_arm_or_none(experiment: dict[str, Any]) -> None:
    assert experiment["one_arm"] == pytest.approx(1.489, abs=0.001)
    assert experiment["no_arm"] == pytest.approx(2.169, abs=0.001)
    small = experiment["outcomes"][2]
    assert sum(small.values()) == 48
    assert small["one arm"] >= 15
    assert 1 <= small["no arm"] <= 8
    assert experiment["outcomes"][8]["no arm"] == 0


def test_each_learns_as_it_would_alone(experiment: dict[str, Any]) -> None:
    alone, among = experiment["history"]["loss"], experiment["runs"][2][0][:, 0]
    assert among[[0, 9, 99]] == pytest.approx([alone[0], alone[9], alone[99]], rel=1e-9)
