"""The usual weights give the gates; a linear model gives no XNOR."""

from typing import Any

import numpy as np


def test_truth_tables(experiment: dict[str, Any]) -> None:
    assert experiment["truth"] == {
        "AND": [0, 0, 0, 1],
        "OR": [0, 1, 1, 1],
        "NOR": [1, 0, 0, 0],
        "XNOR": [1, 0, 0, 1],
    }
    assert experiment["hidden"].tolist() == [[0, 1], [0, 0], [0, 0], [1, 0]]


def test_linear_models_fail(experiment: dict[str, Any]) -> None:
    accuracy = experiment["accuracy"]
    assert accuracy["XNOR of steps"] == 1
    assert accuracy["AND, taken for XNOR"] == 0.75
    assert max(accuracy["perceptron"], accuracy["logistic regression"]) <= 0.75
    assert not experiment["perceptron"].converged_
    probabilities = experiment["logistic"].predict_proba(experiment["X"])
    np.testing.assert_allclose(probabilities, 0.5, atol=1e-3)


def test_regions(experiment: dict[str, Any]) -> None:
    grid = experiment["grid"]
    panels = experiment["panels"]
    total = grid.sum(axis=1)
    between = (total > 0.5 + 1e-9) & (total < 1.5 - 1e-9)
    outside = (total < 0.5 - 1e-9) | (total > 1.5 + 1e-9)
    assert not panels["XNOR"][0][between].any()
    assert panels["XNOR"][0][outside].all()
    assert panels["AND"][0].mean() < 0.5 < panels["OR"][0].mean()
