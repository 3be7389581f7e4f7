"""The cost of a gradient: proportional to the weights by backpropagation, else to their square."""

from itertools import pairwise
from typing import Any


def test_the_textbook_s_figure(experiment: dict[str, Any]) -> None:
    assert experiment["counted"][3, 2, 2, 3] == (16, 16, 26, 512)
    assert experiment["counted"][2, 2, 3, 2] == (16, 16, 28, 512)


def test_counts_of_growing_networks(experiment: dict[str, Any]) -> None:
    for widths, (weights, forward, backward, differences) in experiment["counted"].items():
        assert weights == sum(a * b for a, b in pairwise(widths))
        assert forward == weights
        # Both directions but the gradient of the input, and one for each hidden ReLU at most.
        assert 0 <= backward - (2 * weights - widths[0] * widths[1]) <= sum(widths[1:-1])
        assert forward + backward < 3 * weights
        assert differences == 2 * weights**2
    ratios = [backward / forward for _, forward, backward, _ in experiment["counted"].values()]
    assert 1.4 < min(ratios) < max(ratios) < 2


def test_differences_take_two_passes_for_each_parameter(experiment: dict[str, Any]) -> None:
    for h, calls in experiment["calls_of_differences"].items():
        assert calls == 2 * experiment["n_parameters"][h]
    assert max(experiment["worst_difference"].values()) < 1e-6
