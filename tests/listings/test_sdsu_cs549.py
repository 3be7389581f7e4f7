"""The listings of SDSU CS549, with their import changed, and what they print."""

from typing import Any

import numpy as np

import accelnn as torch
import accelnn.nn as nn
from tests.listings.gradients import slopes


def test_the_graph_of_three_numbers() -> None:
    a = torch.tensor([3.0], requires_grad=True)
    b = torch.tensor([2.0], requires_grad=True)
    c = torch.tensor([5.0], requires_grad=True)
    for leaf in (a, b, c):
        assert "requires_grad=True" in repr(leaf)
    J = 2 * (a * b + c)
    assert J.tolist() == [22.0]
    assert "mul" in repr(J)
    J.backward(gradient=torch.tensor([1.0]), retain_graph=True)
    for leaf, slope in ((a, 4.0), (b, 6.0), (c, 2.0)):
        assert leaf.grad is not None
        assert leaf.grad.tolist() == [slope]
        leaf.grad.data.zero_()
        assert leaf.grad.tolist() == [0.0]
    J.backward(gradient=torch.tensor([1.0]))  # which adds to zero, not to the slopes before
    assert [slopes(leaf).tolist() for leaf in (a, b, c)] == [[4.0], [6.0], [2.0]]


def test_ranks_shapes_and_types() -> None:
    cube = torch.tensor([[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]])
    assert (cube.ndim, cube.dim(), cube.shape) == (3, 3, (2, 2, 3))
    assert cube.size() == (2, 2, 3)
    assert cube.dtype == torch.int64
    assert [torch.tensor(data).ndim for data in (7.0, [7.0], [[7.0]])] == [0, 1, 2]
    assert torch.tensor([1, 2]).to(torch.int32).dtype == torch.int32
    assert torch.tensor([1.0]).dtype == torch.float32
    assert torch.tensor([True]).dtype == torch.bool


def test_a_linear_layer_step_by_step() -> None:
    torch.manual_seed(0)
    m: Any = nn.Linear(4, 3)
    assert (m.weight.shape, m.bias.shape) == ((3, 4), (3,))
    for drawn in (m.weight, m.bias):  # U(-1/√4, 1/√4); the digits on the slide are PyTorch's own
        values = drawn.data.numpy()
        assert np.abs(values).max() <= 0.5
        assert len(np.unique(values)) == values.size

    m.weight.data = torch.tensor(np.arange(1, 13).reshape((3, 4))).float()
    m.bias.data = torch.ones_like(m.bias.data).float()
    assert m.weight.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
    assert m.bias.tolist() == [1, 1, 1]
    assert m.weight.dtype == torch.float32
    assert m.weight.requires_grad

    x = torch.randn(1, 4)
    assert (x.shape, m(x).shape) == ((1, 4), (1, 3))
    x1 = torch.randn(100, 4)
    assert (x1.shape, m(x1).shape) == ((100, 4), (100, 3))

    x2 = torch.ones(1, 4)
    out2 = m(x2)
    assert x2.tolist() == [[1, 1, 1, 1]]
    assert out2.tolist() == [[11, 27, 43]]
    weight, bias = m.weight.data.numpy(), m.bias.data.numpy()
    one = x2.numpy().squeeze()
    assert [float(np.dot(weight[i, :], one) + bias[i]) for i in range(3)] == [11, 27, 43]
    assert np.equal(np.sum(weight, axis=1) + bias, out2.data.numpy()).tolist() == [[True] * 3]


def two_layers() -> Any:
    """Weights 1 to 12 without bias in the first layer, zeros in the second."""
    torch.manual_seed(0)
    linear1: Any = nn.Linear(3, 4)
    linear2: Any = nn.Linear(4, 2)
    linear1.weight.data = torch.tensor(np.arange(1, 13).reshape((4, 3))).float()
    linear1.bias.data = torch.zeros_like(linear1.bias.data).float()
    linear2.weight.data = torch.zeros_like(linear2.weight.data).float()
    linear2.bias.data = torch.zeros_like(linear2.bias.data).float()
    return linear1, linear2


def test_backward_through_the_first_layer() -> None:
    linear1, _ = two_layers()
    assert linear1.weight.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]]
    assert linear1.bias.tolist() == [0, 0, 0, 0]
    x = torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    z1 = linear1(x)
    a1 = nn.ReLU()(z1)
    assert z1.tolist() == a1.tolist() == [[14, 32, 50, 68]]
    assert a1.shape == (1, 4)
    assert "relu" in repr(a1).lower()
    a1.backward(gradient=torch.ones_like(a1) * 0.5)
    assert slopes(x).tolist() == [[11, 13, 15]]
    assert slopes(linear1.weight).tolist() == [[0.5, 1.0, 1.5]] * 4
    assert slopes(linear1.bias).tolist() == [0.5] * 4


def test_backward_through_the_second_layer() -> None:
    linear1, linear2 = two_layers()
    act1, act2 = nn.ReLU(), nn.Sigmoid()
    x = torch.tensor([[1.0, 2.0, 3.0]])
    a1 = act1(linear1(x))
    z2 = linear2(a1)
    a2 = act2(z2)
    assert z2.tolist() == [[0, 0]]
    assert a2.tolist() == [[0.5, 0.5]]

    z2.retain_grad()
    a1.retain_grad()
    external_grad = torch.ones_like(a2) * 0.5
    a2.backward(gradient=external_grad)
    a2_np = a2.data.numpy()
    dz2_manual = a2_np * (1 - a2_np) * external_grad.numpy()
    dz2 = slopes(z2)
    assert np.equal(dz2_manual, dz2).tolist() == [[True, True]]
    assert dz2.tolist() == [[0.125, 0.125]]

    printed = [[1.75, 4.0, 6.25, 8.5]] * 2
    assert slopes(linear2.weight).tolist() == printed
    assert slopes(linear2.bias).tolist() == [0.125, 0.125]
    assert slopes(z2).tolist() == [[0.125, 0.125]]
    assert slopes(a1).tolist() == [[0, 0, 0, 0]]
    assert np.dot(dz2.T, a1.data.numpy()).tolist() == printed
