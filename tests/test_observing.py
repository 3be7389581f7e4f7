"""observe: Z, A, dZ and dA of each layer, by name and in order, and nothing left behind."""

from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import Tensor, nn
from accelnn.backends import Backend
from tests.golden.entries import linear
from tests.tolerances import assert_close

W1, B1 = np.array([[1.0, 2.0], [-3.0, 1.0], [0.5, -1.0]]), np.array([0.5, 0.25, -1.0])
W2, B2 = np.array([[1.0, -1.0, 2.0]]), np.array([0.1])
X, Y = np.array([[1.0, -1.0], [2.0, 0.5]]), np.array([[1.0], [0.0]])
Z1 = X @ W1.T + B1
A1 = np.tanh(Z1)
Z2 = A1 @ W2.T + B2
DZ2 = 2 * (Z2 - Y) / 2
DA1 = DZ2 @ W2
DZ1 = DA1 * (1 - A1**2)


@pytest.fixture
def net(backend: Backend) -> nn.Sequential:
    inner = nn.Sequential(linear(W1, B1, backend), nn.Tanh())
    return nn.Sequential(inner, linear(W2, B2, backend))


def gradient(seen: Any, name: str) -> Any:
    assert seen[name].gradient is not None
    return seen[name].gradient.numpy()


def test_every_z_and_a_forward_and_back(net: nn.Sequential) -> None:
    with accelnn.observe(net) as seen:
        assert len(seen) == 0
        loss = nn.MSELoss()(net(X), Y)
        assert seen["1"].gradient is None
        loss.backward()
    assert list(seen) == ["0.0", "0.1", "1"]
    for name, z, dz in (("0.0", Z1, DZ1), ("0.1", A1, DA1), ("1", Z2, DZ2)):
        assert_close(seen[name].output.numpy(), z, length=3)
        assert_close(gradient(seen, name), dz, length=3)
    assert_close(seen["0.0"].input.numpy(), X)
    assert seen["0.1"].input is seen["0.0"].output
    assert [layer.module for layer in seen.values()] == [net[0][0], net[0][1], net[1]]  # type: ignore[index]


def test_nothing_is_computed_differently(net: nn.Sequential) -> None:
    nn.MSELoss()(net(X), Y).backward()
    before = [p.grad.tolist() for p in net.parameters() if p.grad is not None]
    net.zero_grad()
    with accelnn.observe(net):
        nn.MSELoss()(net(X), Y).backward()
    assert [p.grad.tolist() for p in net.parameters() if p.grad is not None] == before
    assert len(before) == 4


def test_hooks_are_gone_whatever_happens(net: nn.Sequential) -> None:
    watching = accelnn.observe(net)
    seen = watching.__enter__()
    net(X)
    assert not watching.__exit__(ZeroDivisionError, ZeroDivisionError(), None)  # it goes on
    assert not any(module.has_hooks for module in net.modules())
    assert len(seen) == 3
    net(X[:1])
    assert seen["1"].output.shape == (2, 1)  # of the pass inside


def test_a_pass_starts_afresh(net: nn.Sequential) -> None:
    with accelnn.observe(net) as seen:
        net(X)
        net(X[:1])
        assert len(seen) == 3
        assert seen["0.1"].output.shape == (1, 3)


def test_a_layer_used_twice() -> None:
    layer = linear([[2.0]], None, accelnn.get_backend("numpy"))
    net = nn.Sequential(layer, nn.ReLU(), layer)
    with accelnn.observe(net) as seen:
        net(np.array([[3.0]])).backward()
    outputs = [
        (name, each.output.item(), gradient(seen, name).item()) for name, each in seen.items()
    ]
    assert outputs == [("0", 6.0, 2.0), ("1", 6.0, 2.0), ("0:2", 12.0, 1.0)]


def test_without_a_graph(net: nn.Sequential) -> None:
    with accelnn.observe(net) as seen, accelnn.no_grad():
        net(X)
    assert_close(seen["1"].output.numpy(), Z2, length=3)
    assert all(layer.gradient is None for layer in seen.values())


def test_one_layer_alone() -> None:
    layer = nn.ReLU()
    with accelnn.observe(layer) as seen:
        layer([-1.0, 2.0])
    assert seen[""].output.tolist() == [0.0, 2.0]


def test_other_hooks_stay(net: nn.Sequential) -> None:
    calls: list[Any] = []
    handle = net[1].register_forward_hook(lambda *told: calls.append(told))
    with accelnn.observe(net):
        net(X)
    net(X)
    assert len(calls) == 2
    handle.remove()


def test_training_inside_goes_the_eager_way() -> None:
    model = nn.Sequential(nn.Linear(1, 1))
    sgd = accelnn.optim.SGD(model.parameters(), lr=0.1)
    with accelnn.observe(model) as seen, pytest.warns(UserWarning, match="a layer has hooks"):
        accelnn.train(model, nn.MSELoss(), sgd, [[1.0], [2.0]], [1.0, 2.0])
    assert seen["0"].gradient is not None


def test_words(net: nn.Sequential) -> None:
    with accelnn.observe(net) as seen:
        assert repr(seen) == "<nothing observed yet>"
        with pytest.raises(KeyError, match="none yet: call the model first"):
            seen["0"]
        net(X).sum().backward()
    assert repr(seen["1"]) == "<1: Linear gave (2, 1), with gradient>"
    assert repr(seen).splitlines()[0] == "<0.0: Linear gave (2, 3), with gradient>"
    with pytest.raises(KeyError, match=r"no layer '0' was seen; there are '0.0', '0.1', '1'"):
        seen["0"]
    with (
        pytest.raises(TypeError, match=r"observe\(\) looks into a Module, got Tensor"),
        accelnn.observe(
            Tensor([1.0])  # type: ignore[arg-type]
        ),
    ):
        pass
