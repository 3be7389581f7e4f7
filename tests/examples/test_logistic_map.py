"""Formulas of derivatives swell, differences are rounded, a backward pass is neither."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sympy", reason="SymPy, of the extra [docs], differentiates symbolically here")


def test_the_polynomial_of_the_notes(experiment: dict[str, Any]) -> None:
    expected = [1, -42, 504, -2640, 7040, -9984, 7168, -2048]
    assert experiment["coefficients"] == [64 * c for c in expected]


def test_formulas_swell_and_the_loop_does_not(experiment: dict[str, Any]) -> None:
    counts = {name: np.array(row) for name, row in experiment["counts"].items()}
    assert counts["loop"].tolist() == [3 * (n - 1) for n in experiment["generations"]]
    assert (counts["derivative"][2:] > 2.5 * counts["derivative"][1:-1]).all()
    assert (counts["multiplied out"][1:] > 2 * counts["multiplied out"][:-1]).all()
    assert counts["derivative"][-1] > 100 * counts["loop"][-1]
    assert counts["shared"][-1] < counts["derivative"][-1] / 10


def test_a_backward_pass_is_exact_and_differences_are_not(experiment: dict[str, Any]) -> None:
    assert experiment["truth"][2] == pytest.approx(1.3090816, rel=1e-12)
    assert experiment["error_automatic"].max() < 1e-13
    assert experiment["error_numerical"].min() > 1e-13
    assert experiment["error_numerical"][-1] > 1e-10


def test_a_procedure_is_differentiated_along_the_way_it_took(experiment: dict[str, Any]) -> None:
    assert "truth value" in experiment["refusal"]
    found = experiment["procedure"]
    assert [rounds for rounds, _, _ in found.values()] == [4, 2, 3]
    for _, slope, by_differences in found.values():
        assert slope == pytest.approx(by_differences, rel=1e-6)
    assert found[0.3][1] == pytest.approx(1.3090816, rel=1e-12)
