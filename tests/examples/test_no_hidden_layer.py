"""Three linear models, by their estimators and by a Linear through the graph: the same weights."""

from typing import Any

import numpy as np


def test_estimators_and_graph_agree(experiment: dict[str, Any]) -> None:
    assert set(experiment["differences"]) == {"perceptron", "line", "logistic"}
    assert max(experiment["differences"].values()) < 1e-9
    for linear in experiment["by_graph"].values():
        assert np.abs(linear.weight.numpy()).max() > 0.5


def test_the_perceptron_ends_without_a_mistake(experiment: dict[str, Any]) -> None:
    model = experiment["perceptron"]
    assert model.n_mistakes_[0] > 3
    assert model.n_mistakes_[-1] == 0
    assert model.score(experiment["separable"], experiment["sides"]) == 1


def test_descent_reaches_the_normal_equations(experiment: dict[str, Any]) -> None:
    assert experiment["off"] < 1e-6
    assert 1.3 < experiment["closed_form"][0] < 1.7


def test_logistic_regression_is_at_its_minimum(experiment: dict[str, Any]) -> None:
    """There the sum of (output - target) x is 0."""
    model, X, y = experiment["logistic"], experiment["overlapping"], experiment["classes"]
    surplus = model.predict_proba(X)[:, 1] - y
    assert abs(surplus.mean()) < 1e-3
    assert np.abs(surplus @ X / len(y)).max() < 1e-3
    assert 0.8 < model.score(X, y) < 1
