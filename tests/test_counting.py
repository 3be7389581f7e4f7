"""count_ops: the counts of the notes, and a model that stays as it was."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from accelnn import Tensor, count_ops, nn
from accelnn.backends import Backend
from tests.golden.entries import Golden


def relu_net(sizes: list[int], bias: bool = False) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out, bias), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def test_golden_networks() -> None:
    golden = Golden("S4-G18")
    counts = [count_ops(relu_net(sizes), 1) for sizes in golden.inputs["layer_sizes"]]
    assert [c.forward.multiplications for c in counts] == golden.expected["forward_mul"]
    assert [c.backward.multiplications for c in counts] == golden.expected["backward_mul"]


def test_golden_matrix_times_vector() -> None:
    """Ah of a 3 x 5 matrix: mn multiplications, m(n-1) additions."""
    golden = Golden("S4-G18").expected["Ah_3x5"]
    count = count_ops(nn.Linear(5, 3, bias=False), 1).forward
    assert (count.multiplications, count.additions) == (golden["mul"], golden["add"]) == (15, 12)
    assert count_ops(nn.Linear(5, 3), 1).forward.additions == 12 + 3


def test_every_term_of_a_small_net() -> None:
    """n = 4 rows through 3-5-2 with biases and ReLU, by hand."""
    n, model = 4, relu_net([3, 5, 2], bias=True)
    count = count_ops(model, n)
    assert count.forward.multiplications == n * (3 * 5 + 5 * 2)
    assert count.forward.additions == n * (2 * 5 + 4 * 2) + n * (5 + 2)
    assert count.forward.other == n * 5  # the comparisons of ReLU
    weights, inputs = n * (3 * 5 + 5 * 2), n * 2 * 5  # none for the network's own input
    assert count.backward.multiplications == weights + inputs
    adds = (n - 1) * (3 * 5 + 5 * 2) + n * 1 * 5 + (n - 1) * (5 + 2)
    assert count.backward.additions == adds
    assert count.backward.other == n * 5


def test_rows_scale_the_products() -> None:
    one, many = (count_ops(relu_net([6, 5, 4]), n) for n in (1, 32))
    for way in ("forward", "backward"):
        assert getattr(many, way).multiplications == 32 * getattr(one, way).multiplications


def test_a_number_of_rows_or_an_input() -> None:
    model = nn.Sequential(nn.Flatten(), relu_net([6, 5, 4], bias=True))
    expected = count_ops(model, 3)
    for batch in (np.ones((3, 6)), np.ones((3, 2, 3), "float32"), [[1] * 6] * 3, np.int64(3)):
        assert count_ops(model, batch) == expected


@pytest.mark.parametrize("training", [True, False])
def test_the_model_stays_as_it_was(backend: Backend, training: bool) -> None:
    model = nn.Sequential(
        nn.Linear(3, 4, backend=backend), nn.Dropout(0.5), nn.Linear(4, 2, backend=backend)
    ).train(training)
    x = Tensor(np.ones((2, 3), "float32"), backend=backend)
    model(x).sum().backward()
    dropout = model[1]  # type: ignore[index]
    state, call = model.state_dict(), dropout.call
    held = [(id(p), p.array, p.grad, p.backend) for p in model.parameters()]
    count = count_ops(model, 5)
    assert count.forward.multiplications == 5 * (12 + 8) + 5 * 4 * training
    assert dropout.call == call == int(training)
    for p, (number, data, grad, on) in zip(model.parameters(), held, strict=True):
        assert (id(p), p.array is data, p.grad is grad, p.backend is on) == (number, *[True] * 3)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, state[name])
    assert all(layer.training is training for layer in model.children())


def test_the_array_stays_as_it_was() -> None:
    x = np.full((2, 3), 2.0, "float32")
    count_ops(relu_net([3, 4, 1]), x)
    np.testing.assert_array_equal(x, np.full((2, 3), 2.0))


def test_frozen_layers_cost_nothing_on_the_way_back() -> None:
    model = relu_net([3, 4, 2])
    for p in model.parameters():
        p.requires_grad = False
    assert count_ops(model, 2).backward.flops == 0
    assert count_ops(model, 2).forward.flops > 0


def test_losses_and_other_layers_are_counted_by_their_declared_cost() -> None:
    linear = count_ops(nn.Linear(3, 4), 2).forward
    for layer, other in ((nn.Tanh(), 1), (nn.Sigmoid(), 2), (nn.Softmax(), 3)):
        count = count_ops(nn.Sequential(nn.Linear(3, 4), layer), 2).forward
        assert count.other - linear.other == other * 2 * 4


@pytest.mark.parametrize(
    ("model", "batch"),
    [(nn.Sequential(nn.ReLU()), 3), (relu_net([3, 2]), 0), (relu_net([3, 2]), -1)],
    ids=["no Linear", "no rows", "negative"],
)
def test_what_cannot_be_counted(model: nn.Module, batch: Any) -> None:
    with pytest.raises(ValueError, match=rf"rows of at least 1 .*Linear.*got batch={batch}"):
        count_ops(model, batch)


def test_input_of_the_wrong_width() -> None:
    with pytest.raises(ValueError, match=r"\(\.\.\., 3\)"):
        count_ops(relu_net([3, 2]), np.ones((2, 4)))
