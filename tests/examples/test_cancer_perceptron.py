"""The notes' perceptron, and the one that the rule finds from six examples."""

from typing import Any

import numpy as np


def test_the_notes_unit(experiment: dict[str, Any]) -> None:
    assert experiment["decisions"] == [-1, 1, 1]  # 3, 3.5 and 4


def test_the_rule_ends_at_minus_8_and_2(experiment: dict[str, Any]) -> None:
    perceptron = experiment["perceptron"]
    assert experiment["weights"] == (-8, 2)
    assert perceptron.predict(experiment["X"]).tolist() == [-1, -1, -1, 1, 1, 1]
    assert perceptron.n_mistakes_ == [2, 3, 4, 2, 3, 4, 2, 3, 1, 0]


def test_step_by_step_it_is_the_same_path(experiment: dict[str, Any]) -> None:
    path = experiment["path"]
    assert path[-1].tolist() == [-8, 2]
    assert experiment["changes"] == sum(experiment["perceptron"].n_mistakes_) == 24
    steps = np.diff(path, axis=0)
    rows = np.tile(experiment["X"][:, 0], len(steps) // 6)
    moved = steps.any(axis=1)
    np.testing.assert_array_equal(abs(steps[moved, 0]), 1)  # a row (1, x), added or subtracted
    np.testing.assert_array_equal(steps[moved, 1], steps[moved, 0] * rows[moved])


def test_every_order_ends_between_the_classes(experiment: dict[str, Any]) -> None:
    borders = experiment["borders"]
    assert min(borders) > 3
    assert max(borders) <= 4
    assert len(set(borders)) > 1
