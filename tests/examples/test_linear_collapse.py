"""Layers without activations are one matrix, before and after training; with ReLU they are not."""

from typing import Any

import numpy as np
import pytest


def test_the_textbooks_three_matrices_are_one(experiment: dict[str, Any]) -> None:
    wanted = [[12, -15, -12], [6, -10, 4], [12, -17, -4]]
    assert experiment["one_matrix"].tolist() == wanted
    assert experiment["without_relu"].tolist() == [-15, 0, -9]
    assert experiment["with_relu"].tolist() == [-4, 8, 4]
    for J in experiment["linear_jacobians"]:
        np.testing.assert_array_equal(J, wanted)
    first, *others = experiment["bent_jacobians"]
    assert any((first != J).any() for J in others)


def test_the_trained_network_is_one_matrix(experiment: dict[str, Any]) -> None:
    assert experiment["collapse_error"] < 1e-12
    assert experiment["parameters"] == 593
    assert experiment["W"].item() == pytest.approx(experiment["slope"], abs=1e-6)
    assert experiment["b"].item() == pytest.approx(experiment["height"], abs=1e-6)
    assert np.ptp(experiment["linear_derivative"]) < 1e-12


def test_no_linear_network_beats_the_best_line(experiment: dict[str, Any]) -> None:
    best = experiment["best_line_loss"]
    assert best == pytest.approx(0.482094, abs=1e-6)
    for losses in (experiment["deep_losses"], experiment["single_losses"]):
        assert losses[-1] == pytest.approx(best, rel=1e-5)
    assert experiment["relu_losses"][-1] < 0.01
    assert experiment["relu_derivative"][0] == pytest.approx(-1, abs=0.2)
    assert experiment["relu_derivative"][-1] == pytest.approx(1, abs=0.2)


def test_depth_changes_how_it_learns(experiment: dict[str, Any]) -> None:
    excess = {
        name: experiment[name][19] - experiment["best_line_loss"]
        for name in ("deep_losses", "single_losses")
    }
    assert excess["deep_losses"] < 0.01
    assert excess["single_losses"] > 0.08
