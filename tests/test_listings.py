"""The PyTorch listings of the five documents, with the import changed and their errata corrected.

Each is written anew around the calls, names and numbers of its document, and asserts the numbers
that the document prints; it runs on every backend. At the end the listings as printed, where
PyTorch refuses them, are refused here for the same reason.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import accelnn as torch
import accelnn.nn as nn
import accelnn.nn.functional as F
import accelnn.optim as optim
from accelnn.backends import Backend


@pytest.fixture(autouse=True)
def _on_backend(backend: Backend) -> Iterator[None]:
    with torch.use_backend(backend):
        yield


def slopes(x: Any) -> Any:
    """Return what backward left at a tensor, as an array of NumPy."""
    assert x.grad is not None
    return x.grad.numpy()


# Nguyen (Glasgow) ---------------------------------------------------------------------------------


class NeuralNetwork(nn.Module):
    """784-512-512-10, ReLU between, logits out."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(28 * 28, 512),
            nn.ReLU(),
            nn.Linear(512, 512),
            nn.ReLU(),
            nn.Linear(512, 10),
        )

    def forward(self, x: Any) -> Any:
        return self.linear_relu_stack(self.flatten(x))


def test_the_classifier_of_digits(backend: Backend) -> None:
    torch.manual_seed(0)
    place = "cuda" if backend.name.startswith("cupy") else "cpu"
    model = NeuralNetwork().to(place)
    images = torch.rand(5, 28, 28)
    logits = model(images)
    assert logits.shape == (5, 10)
    assert logits.backend is backend
    assert sum(p.numel() for p in model.parameters()) == 669706
    assert [name for name, _ in model.named_parameters()] == [
        f"linear_relu_stack.{layer}.{part}" for layer in (0, 2, 4) for part in ("weight", "bias")
    ]
    loss = F.cross_entropy(logits, torch.randint(10, (5,)))
    assert loss.item() == pytest.approx(math.log(10), abs=0.15)  # it knows nothing yet
    loss.backward()
    assert all(p.grad is not None and p.grad.shape == p.shape for p in model.parameters())


@pytest.mark.parametrize(
    ("module", "function", "formula"),
    [
        (nn.Sigmoid(), F.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
        (nn.Tanh(), F.tanh, np.tanh),
        (nn.ReLU(), F.relu, lambda x: np.maximum(x, 0)),
    ],
)
def test_activations_as_modules_and_functions(module: Any, function: Any, formula: Any) -> None:
    x = torch.linspace(-5, 5, 12).reshape(3, 4)
    expected = formula(x.numpy())
    np.testing.assert_allclose(module(x).numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(function(x).numpy(), expected, rtol=1e-6)


# SDSU CS549 ---------------------------------------------------------------------------------------


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


# NUS CS2109S and IT5005 ---------------------------------------------------------------------------


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


# Princeton, chapter 11 ----------------------------------------------------------------------------


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


# As printed ---------------------------------------------------------------------------------------


def test_errata_in_calls() -> None:
    a2 = torch.sigmoid(torch.tensor([[0.0, 0.0]], requires_grad=True))
    with pytest.raises(TypeError, match="grad"):  # E1-14: the keyword is gradient
        a2.backward(grad=torch.ones_like(a2))  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional"):  # E2-6: sizes are for randn
        torch.tensor(8, 2, requires_grad=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="missing 2 required positional arguments"):  # E2-7
        NeuralNetRegressor()  # type: ignore[call-arg]
    with pytest.raises(AttributeError, match="Hardtanh"):  # E1-6: the t is small
        nn.HardTanh  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(NameError):  # E3-8: math is not imported
        exec("def sigmoid(x):\n    return 1 / (1 + math.exp(-x))\nsigmoid(0)", {})


@pytest.mark.parametrize(
    ("id", "line"),
    [
        ("E2-7", "model = neural_net_regressor // w1 and w2 are declared before"),
        ("E4-9", "weight = nn.Parameter(torch.tensor([[0., 1.], [2., -1.] ], [1., 2.]])"),
        ("E4-9", "weight = nn.Parameter(torch.tensor([[-1., 2., 1.], [3., 0., 0.])))"),
    ],
)
def test_errata_in_the_grammar(id: str, line: str) -> None:
    with pytest.raises(SyntaxError):
        compile(line, id, "exec")
