"""The sigmoid's gradients vanish with depth; those of others do not, with weights to match."""

from typing import Any

import numpy as np
import pytest


def test_a_chain_of_sigmoids_stays_below_the_bound(experiment: dict[str, Any]) -> None:
    found, bound = np.array(experiment["chains"]["sigmoid"]), np.array(experiment["bound"])
    assert found[0] == pytest.approx(0.196612, rel=1e-5)
    assert found[9] == pytest.approx(2.784767e-07, rel=1e-6)
    assert (found <= bound).all()
    assert (np.diff(np.log(found)) < np.log(0.25)).all()  # each layer costs more than a factor of 4


def test_chains_of_tanh_and_relu_keep_more(experiment: dict[str, Any]) -> None:
    chains = experiment["chains"]
    assert chains["ReLU"] == [1.0] * 10
    assert (np.diff(chains["tanh"]) < 0).all()
    assert chains["tanh"][9] == pytest.approx(0.0409, abs=1e-4)


def test_the_bound_is_one_of_the_slope_and_not_of_the_factor(experiment: dict[str, Any]) -> None:
    np.testing.assert_allclose(experiment["large_weights"], 0.125, rtol=1e-12)


def test_in_networks_the_first_layer_loses_with_depth(experiment: dict[str, Any]) -> None:
    ratios = experiment["first_against_last"]
    sigmoid = [ratios["sigmoid"][hidden] for hidden in (1, 2, 4, 8)]
    assert (np.diff(sigmoid) < 0).all()
    assert sigmoid[0] > 0.1
    assert sigmoid[-1] < 1e-6
    assert ratios["tanh"][8] == pytest.approx(0.1, abs=0.02)
    assert ratios["ReLU"][8] == pytest.approx(0.012, abs=0.003)
    assert (np.diff(experiment["norms"]["sigmoid"][8]) > 0).all()  # layer by layer


def test_matched_weights_help_all_but_the_sigmoid(experiment: dict[str, Any]) -> None:
    ratio = {name: found[0] / found[-1] for name, found in experiment["matched"].items()}
    assert 0.5 < ratio["tanh"] < 3
    assert 0.5 < ratio["ReLU"] < 3
    assert ratio["sigmoid"] < 1e-4
