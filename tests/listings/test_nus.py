"""The listings of NUS CS2109S and IT5005, with their import changed, and what they print."""

import math
from typing import Any

import numpy as np
import pytest

import accelnn as torch
import accelnn.nn as nn
import accelnn.nn.functional as F
import accelnn.optim as optim
from tests.listings.gradients import slopes


def test_one_neuron_at_zero() -> None:
    x = torch.tensor([0.0])
    w1 = torch.tensor([0.0], requires_grad=True)
    w2 = torch.tensor([0.0], requires_grad=True)
    y = w2 * torch.sigmoid(w1 * x)
    y.backward()
    assert [t.tolist() for t in (x, w1, w2)] == [[0.0]] * 3
    assert slopes(w1).tolist() == [0.0]
    assert slopes(w2).tolist() == [0.5]
    assert x.grad is None


def test_the_same_by_differences() -> None:
    """With ``math`` imported, which the slide forgets, and x as it stands: a tensor."""
    epsilon = 0.001

    def y2(w1: float, w2: float, x: Any) -> Any:
        return w2 / (1 + math.exp(-(w1 * x)))

    def gradient_w1(w1: float, w2: float, x: Any) -> Any:
        return (y2(w1 + epsilon, w2, x) - y2(w1 - epsilon, w2, x)) / (2 * epsilon)

    def gradient_w2(w1: float, w2: float, x: Any) -> Any:
        return (y2(w1, w2 + epsilon, x) - y2(w1, w2 - epsilon, x)) / (2 * epsilon)

    for x in (0.0, torch.tensor([0.0])):
        assert gradient_w1(0, 0, x) == 0.0
        assert gradient_w2(0, 0, x) == 0.5


class NeuralNetRegressor(nn.Module):
    """Linear, ReLU, Linear to one output."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(input_size, hidden_size)
        self.linear2 = nn.Linear(hidden_size, 1)
        self.relu = nn.ReLU()

    def forward(self, x: Any) -> Any:
        f1 = self.linear1(x)
        a1 = self.relu(f1)
        return self.linear2(a1)


def functional_regressor(x: Any, w1: Any, w2: Any) -> Any:
    """The same without biases; weights of (8, 2) and (1, 8), where the slide has (8, 2), (2, 1)."""
    return F.linear(F.relu(F.linear(x, w1)), w2)


def test_three_ways_to_the_same_network() -> None:
    model1: Any = NeuralNetRegressor(2, 8)
    model2 = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    assert sum(p.numel() for p in model1.parameters()) == 33
    assert sum(p.numel() for p in model2.parameters()) == 33
    x = torch.randn(6, 2)
    model2.load_state_dict(
        dict(zip(model2.state_dict(), model1.state_dict().values(), strict=True))
    )
    np.testing.assert_allclose(model2(x).numpy(), model1(x).numpy(), rtol=1e-6, atol=1e-7)
    for p in (model1.linear1.bias, model1.linear2.bias):
        p.data.zero_()
    w1, w2 = model1.linear1.weight.detach(), model1.linear2.weight.detach()
    assert w1.numel() + w2.numel() == 24
    y = functional_regressor(x, w1, w2)
    np.testing.assert_allclose(y.numpy(), model1(x).numpy(), rtol=1e-6, atol=1e-7)


def test_three_losses() -> None:
    squared = nn.MSELoss()
    assert squared(torch.tensor([1.5, 2.0, 2.0]), torch.tensor([1.0, 1.0, 1.0])).item() == 0.75
    found = nn.BCELoss()(torch.tensor([0.9, 0.2, 0.6]), torch.tensor([1.0, 0.0, 0.0]))
    assert found.item() == pytest.approx(-(math.log(0.9) + math.log(0.8) + math.log(0.4)) / 3)
    logits = torch.zeros(2, 3, requires_grad=True)
    loss = nn.CrossEntropyLoss()(logits, torch.LongTensor([0, 2]))
    assert loss.item() == pytest.approx(math.log(3))
    loss.backward()
    third = 1 / 3
    expected = np.array([[third - 1, third, third], [third, third, third - 1]]) / 2
    np.testing.assert_allclose(slopes(logits), expected, rtol=1e-6)


def test_two_optimizers_on_two_tensors() -> None:
    """One step of lr = 0.01: by the gradient, and for Adam by lr whatever the gradient's size."""
    ways: list[tuple[Any, list[float]]] = [
        (optim.SGD, [0.01 * 6.0, 0.01 * 10.0]),
        (optim.Adam, [0.01, 0.01]),
    ]
    for make, moved in ways:
        w_1 = torch.tensor([2.0], requires_grad=True)
        w_2 = torch.tensor([3.0], requires_grad=True)
        optimizer = make([w_1, w_2], lr=0.01)
        optimizer.zero_grad()
        (2 * w_1 * w_2 + 2 * w_2 * w_1 - 6 * w_1 + 2 * w_2).sum().backward()
        optimizer.step()
        np.testing.assert_allclose([2 - w_1.item(), 3 - w_2.item()], moved, rtol=1e-4)


def test_example_1_the_functional_loop() -> None:
    torch.manual_seed(0)
    x, w_true = torch.randn(40, 2), torch.tensor([[1.0], [-2.0]])
    y = torch.relu(x @ w_true)
    w1: Any = torch.randn(8, 2, requires_grad=True)
    w2: Any = torch.randn(1, 8, requires_grad=True)
    optimizer = optim.Adam([w1, w2], lr=0.01)
    losses = []
    for _ in range(200):
        optimizer.zero_grad()
        y_pred = functional_regressor(x, w1, w2)
        loss = F.mse_loss(y_pred, y)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.1 * losses[0]


def train(model: Any, x: Any, y: Any, epochs: int) -> list[float]:
    """The loop of example 2 and 3, and of IT5005: clear, predict, compare, back, step."""
    adam = optim.Adam(model.parameters(), lr=1e-1)
    loss_function = nn.MSELoss()
    losses = []
    for _ in range(epochs):
        adam.zero_grad()
        y_pred = model(x)
        loss = loss_function(y_pred, y)
        losses.append(loss.item())
        loss.backward()
        adam.step()
    return losses


def test_example_2_the_modular_loop() -> None:
    torch.manual_seed(0)
    x = torch.randn(40, 2)
    y = x.sum(dim=1, keepdim=True)
    losses = train(NeuralNetRegressor(2, 8), x, y, 200)
    assert losses[-1] < 0.02 * losses[0]


def test_example_3_a_parabola_with_noise() -> None:
    torch.manual_seed(0)
    x = 5 * torch.randn(100, 1)  # variance 25
    y = torch.square(x)
    clean = y.numpy().copy()
    y += torch.randn_like(y)
    noise = y.numpy() - clean
    assert (x.shape, y.shape, noise.shape) == ((100, 1),) * 3
    assert noise.std() == pytest.approx(1, abs=0.25)
    assert x.numpy().std() == pytest.approx(5, abs=1.25)
    losses = train(NeuralNetRegressor(1, 8), x, y, 400)
    assert losses[0] > 300
    assert losses[-1] < 30


class MultilayerPerceptron(nn.Module):
    """Two hidden layers of one size."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super(MultilayerPerceptron, self).__init__()  # noqa: UP008 - as the notes call it
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.linear = nn.Linear(self.input_size, self.hidden_size)
        self.linear2 = nn.Linear(self.hidden_size, self.hidden_size)
        self.linear3 = nn.Linear(self.hidden_size, 1)
        self.relu = nn.ReLU()

    def forward(self, x: Any) -> Any:
        linear = self.linear(x)
        linear2 = self.linear2(self.relu(linear))
        return self.linear3(self.relu(linear2))


def test_two_hidden_layers_on_the_parabola() -> None:
    torch.manual_seed(0)
    x = 5 * torch.randn(100, 1)
    y = torch.square(x) + torch.randn_like(x)
    model = MultilayerPerceptron(1, 8)
    shapes = {name: p.shape for name, p in model.named_parameters()}
    assert shapes == {
        "linear.weight": (8, 1),
        "linear.bias": (8,),
        "linear2.weight": (8, 8),
        "linear2.bias": (8,),
        "linear3.weight": (1, 8),
        "linear3.bias": (1,),
    }
    assert sum(p.numel() for p in model.parameters()) == 97
    losses = train(model, x, y, 300)
    assert losses[0] > 300
    assert losses[-1] < 15
    x2 = 5 * torch.randn(5, 1)
    assert np.shape(model(x2).tolist()) == (5, 1)


def test_squares_of_the_printed_points() -> None:
    """Bit for bit in float32, as the slides print them."""
    x2 = torch.tensor(
        [
            [5.367788791656494],
            [0.8833026885986328],
            [-0.6179562211036682],
            [4.864236831665039],
            [5.316009998321533],
        ]
    )
    y2 = torch.square(x2)
    assert y2.tolist() == [
        [28.813156127929688],
        [0.7802236676216125],
        [0.3818698823451996],
        [23.660799026489258],
        [28.25996208190918],
    ]


def test_a_loss_prints_as_a_number() -> None:
    loss = nn.MSELoss()(torch.tensor([1.5]), torch.tensor([1.0]))
    assert f"Epoch {0}: training loss: {loss}" == "Epoch 0: training loss: 0.25"
    assert f"{loss:.3f}" == "0.250"
