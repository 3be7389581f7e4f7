"""The suite of the cost of a gradient: what it measures, and that a wrong gradient is seen."""

from itertools import pairwise

import pytest

from accelnn.bench.settings import Settings
from accelnn.bench.test_backprop_cost import METHODS, PREPARE, cases_cost, problem

WIDTHS = (3, 2, 2, 3)


@pytest.mark.parametrize("method", METHODS)
def test_a_wrong_result_is_not_timed(method: str) -> None:
    given = problem(WIDTHS)
    PREPARE[method](given)
    wrong = given._replace(
        values=[*given.values[:-1], [v * 1.0001 for v in given.values[-1]]],
        gradient=[*given.gradient[:-1], given.gradient[-1] + 1e-4],
    )
    with pytest.raises(AssertionError):
        PREPARE[method](wrong)


@pytest.mark.parametrize("method", METHODS)
def test_a_call_can_be_repeated(method: str) -> None:
    call, setup = PREPARE[method](problem(WIDTHS))
    for _ in range(3):
        if setup is not None:
            setup()
        call()


def test_the_settings_network_is_measured_by_the_fast_methods_only() -> None:
    cases = cases_cost(Settings(network=(40, 30, 20)))
    assert [case.method for case in cases if case.series == "network"] == ["forward", "backward"]
    assert {case.widths for case in cases if case.series == "network"} == {(40, 30, 20)}


@pytest.mark.parametrize("scale", ["full", "quick"])
def test_an_exponent_can_be_fitted_to_each_method(scale: str) -> None:
    cases = [case for case in cases_cost(Settings(scale=scale)) if case.series == "width"]
    for method in METHODS:
        sizes = [case.widths for case in cases if case.method == method]
        assert len(sizes) >= 3
        assert all(len(widths) == 4 and len({*widths}) == 1 for widths in sizes)
        assert all(a < b for a, b in pairwise(sizes))
