"""The error of differences: powers of the step on one side, rounding on the other."""

from typing import Any

import pytest


def test_the_derivative_itself(experiment: dict[str, Any]) -> None:
    assert experiment["exact"].item() == pytest.approx(1.3090816, rel=1e-12)


def test_errors_of_central_differences(experiment: dict[str, Any]) -> None:
    found = experiment["at_step"]
    for step, error in ((1e-2, 6.6e-4), (1e-3, 6.9e-6), (1e-4, 6.9e-8)):
        assert found[step] == pytest.approx(error, rel=0.02)
    assert 1e-7 < found[1e-12] < 1e-3  # rounding, of any size


def test_slopes(experiment: dict[str, Any]) -> None:
    slopes = experiment["slopes"]
    assert slopes["central, large steps"] == pytest.approx(2, abs=0.05)
    assert slopes["forward, large steps"] == pytest.approx(1, abs=0.02)
    assert slopes["central, small steps"] == pytest.approx(-1, abs=0.2)


def test_best_steps(experiment: dict[str, Any]) -> None:
    step, error = experiment["best_step"], experiment["best_error"]
    assert 1e-7 < step["float64", "central"] < 1e-5
    assert 1e-10 < step["float64", "forward"] < 1e-7
    assert 1e-4 < step["float32", "central"] < 1e-2
    assert error["float64", "central"] < 1e-9 < 1e-8 < error["float64", "forward"] < 1e-6
    assert 1e-6 < error["float32", "central"] < 1e-3 < error["float32", "forward"] < 0.1


def test_in_single_precision_small_steps_do_not_move_the_number(experiment: dict[str, Any]) -> None:
    still = experiment["steps"] < 1e-8
    for kind in ("central", "forward"):
        assert experiment["errors"]["float32", kind][still] == pytest.approx(1.309, abs=1e-3)
