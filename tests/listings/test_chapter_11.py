"""The listing of chapter 11 (Princeton), with its import changed, and what it prints."""

from typing import Any

import numpy as np
import pytest

import accelnn as torch
import accelnn.nn as nn
from tests.listings.gradients import slopes


class Net(nn.Module):
    """2-2-3-2 without biases, its weights assigned one by one."""

    def __init__(
        self, input_size: int = 2, hidden_dim1: int = 2, hidden_dim2: int = 3, hidden_dim3: int = 2
    ) -> None:
        super(Net, self).__init__()  # noqa: UP008 - as the chapter calls it
        self.hidden1 = nn.Linear(input_size, hidden_dim1, bias=False)
        self.hidden1.weight = nn.Parameter(torch.tensor([[-2.0, 1.0], [3.0, -1.0]]))
        self.hidden2 = nn.Linear(hidden_dim1, hidden_dim2, bias=False)
        self.hidden2.weight = nn.Parameter(torch.tensor([[0.0, 1.0], [2.0, -1.0], [1.0, 2.0]]))
        self.hidden3 = nn.Linear(hidden_dim2, hidden_dim3, bias=False)
        self.hidden3.weight = nn.Parameter(torch.tensor([[-1.0, 2.0, 1.0], [3.0, 0.0, 0.0]]))
        self.activation = nn.ReLU()

    def forward(self, x: Any) -> Any:
        h1 = self.activation(self.hidden1(x))
        h2 = self.activation(self.hidden2(h1))
        return self.hidden3(h2)


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 0.1), ("float64", 1e-5)])
def test_forward_and_backward_of_one_example(dtype: str, rtol: float) -> None:
    """In float32 the softmax is 1 but for one unit in its last place, and so is the gradient."""
    net = Net()
    for layer in (net.hidden1, net.hidden2, net.hidden3):
        layer.weight = nn.Parameter(layer.weight.data.to(dtype))
    y_pred = net.forward(torch.tensor([3.0, 1.0], dtype=dtype))
    assert y_pred.tolist() == [8.0, 24.0]
    loss = nn.functional.cross_entropy(y_pred.unsqueeze(0), torch.LongTensor([1]))
    loss.backward(retain_graph=True)
    assert loss.item() == pytest.approx(1.12535168e-07, rel=rtol)
    exact = np.array([[0, 0], [-6.75211e-07, -2.25070e-07]])
    np.testing.assert_allclose(slopes(net.hidden1.weight), exact, rtol=rtol)
    loss.backward()  # gradients add up until they are cleared
    np.testing.assert_allclose(slopes(net.hidden1.weight), 2 * exact, rtol=rtol)
    net.zero_grad()
    assert net.hidden1.weight.grad is None
