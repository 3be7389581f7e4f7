"""tanh is better than the sigmoid in hidden layers; ReLU is not faster than tanh at this size."""

from typing import Any

import pytest


def after(experiment: dict[str, Any], start: str, hidden: int, name: str, epochs: int) -> Any:
    return experiment["accuracy"][start, hidden, name][:, epochs - 1]


@pytest.mark.parametrize("start", ["default", "made for it"])
@pytest.mark.parametrize("hidden", [1, 3])
def test_tanh_is_better_than_the_sigmoid(
    experiment: dict[str, Any], start: str, hidden: int
) -> None:
    tanh = after(experiment, start, hidden, "tanh", 5)
    sigmoid = after(experiment, start, hidden, "sigmoid", 5)
    assert (tanh > sigmoid + 0.08).all()
    assert tanh.mean() > 0.68


@pytest.mark.parametrize("start", ["default", "made for it"])
def test_three_layers_of_sigmoids_do_not_begin_to_learn(
    experiment: dict[str, Any], start: str
) -> None:
    assert (after(experiment, start, 3, "sigmoid", 10) < 0.3).all()


def test_relu_is_not_faster_than_tanh_with_one_hidden_layer(experiment: dict[str, Any]) -> None:
    for start in ("default", "made for it"):
        relu, tanh = (after(experiment, start, 1, name, 5) for name in ("ReLU", "tanh"))
        assert abs(relu.mean() - tanh.mean()) < 0.05


def test_relu_is_slower_than_tanh_with_three_hidden_layers_and_the_default_start(
    experiment: dict[str, Any],
) -> None:
    for epochs in (5, 10):
        relu, tanh = (after(experiment, "default", 3, name, epochs) for name in ("ReLU", "tanh"))
        assert (relu < tanh - 0.1).all()


def test_a_start_made_for_relu_brings_it_level(experiment: dict[str, Any]) -> None:
    relu, tanh = (after(experiment, "made for it", 3, name, 10) for name in ("ReLU", "tanh"))
    assert abs(relu.mean() - tanh.mean()) < 0.05
    assert (relu > after(experiment, "default", 3, "ReLU", 10) + 0.1).all()
