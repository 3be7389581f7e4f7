"""Hooks: what they are told, what they may change, and that nothing stays behind."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import Tensor, nn, optim
from accelnn.backends import Backend
from tests.golden.entries import grads, linear
from tests.tolerances import assert_close

W = [[1.0, 2.0], [-3.0, 1.0], [0.5, -1.0]]  # (out, in) = (3, 2)
B = [0.5, 0.25, -1.0]
X = np.array([[1.0, -1.0], [2.0, 0.5]])
DA = np.array([[1.0, -2.0, 3.0], [0.5, 1.0, -1.0]])
Z = X @ np.transpose(W) + B
A = np.tanh(Z)
DZ = DA * (1 - A**2)


@pytest.fixture
def net(backend: Backend) -> nn.Sequential:
    return nn.Sequential(linear(W, B, backend), nn.Tanh())


def tensor(values: Any, backend: Backend) -> Tensor:
    return Tensor(values, True, dtype="float64", backend=backend)


def test_forward_hooks_read_z_and_a(backend: Backend, net: nn.Sequential) -> None:
    seen: list[Any] = []
    for layer in net:
        layer.register_forward_hook(lambda *told: seen.append(told))
    y = net(X)
    assert [told[0] for told in seen] == list(net)
    assert [len(told[1]) for told in seen] == [1, 1]
    assert_close(seen[0][1][0].numpy(), X)
    assert_close(seen[0][2].numpy(), Z, length=2)
    assert_close(seen[1][1][0].numpy(), Z, length=2)
    assert seen[1][2] is y
    assert_close(y.numpy(), A, length=2)


def test_backward_hooks_read_dz_and_da(backend: Backend, net: nn.Sequential) -> None:
    seen: list[Any] = []
    for layer in net:
        layer.register_full_backward_hook(lambda *told: seen.append(told))
    x = tensor(X, backend)
    y = net(x)
    assert not seen
    y.backward(DA)
    assert [told[0] for told in seen] == [net[1], net[0]]  # the last layer first
    (dz,), (da,) = seen[0][1:]
    assert_close(da.numpy(), DA)
    assert_close(dz.numpy(), DZ, length=2)
    (dx,), (dz_again,) = seen[1][1:]
    assert_close(dz_again.numpy(), DZ, length=2)
    assert_close(dx.numpy(), DZ @ W, length=3)
    assert x.grad is not None
    assert_close(x.grad.numpy(), DZ @ W, length=3)


def test_hooks_change_no_number(backend: Backend, net: nn.Sequential) -> None:
    twin = deepcopy(net)
    for layer in [*net, net]:
        layer.register_forward_pre_hook(lambda *told: None)
        layer.register_forward_hook(lambda *told: None)
        layer.register_full_backward_hook(lambda *told: None)
    for model in (net, twin):
        model(X).backward(DA)
    for ours, theirs in zip(grads(net), grads(twin), strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_input_without_gradient(backend: Backend, net: nn.Sequential) -> None:
    seen: list[Any] = []
    with net[0].register_full_backward_hook(lambda *told: seen.append(told[1:])):
        net(X).backward(DA)
    ((dx, dz),) = seen
    assert dx == (None,)
    assert_close(dz[0].numpy(), DZ, length=2)


def test_each_backward_pass_is_told(backend: Backend, net: nn.Sequential) -> None:
    seen: list[Any] = []
    with net.register_full_backward_hook(lambda *told: seen.append(told[2][0].tolist())):
        y = net(tensor(X, backend))
        y.backward(DA, retain_graph=True)
        y.backward(2 * DA)
    assert seen == [DA.tolist(), (2 * DA).tolist()]


def test_a_forward_hook_replaces_the_output(backend: Backend, net: nn.Sequential) -> None:
    net[0].register_forward_hook(lambda layer, inputs, output: output * 2)
    net[0].register_forward_hook(lambda layer, inputs, output: output + 1)
    assert_close(net(X).numpy(), np.tanh(2 * Z + 1), length=2)


def test_a_pre_hook_replaces_the_input(backend: Backend, net: nn.Sequential) -> None:
    net[1].register_forward_pre_hook(lambda layer, inputs: inputs[0] * 3)
    assert_close(net(X).numpy(), np.tanh(3 * Z), length=2)
    net[1].register_forward_pre_hook(lambda layer, inputs: (inputs[0] + 1,))
    assert_close(net(X).numpy(), np.tanh(3 * Z + 1), length=2)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_backward_hook_replaces_grad_input(
    backend: Backend, net: nn.Sequential, wrapped: bool
) -> None:
    def clip(layer: nn.Module, dz: Any, da: Any) -> Any:
        small = Tensor(np.clip(dz[0].numpy(), -0.1, 0.1), backend=backend)
        return (small,) if wrapped else small

    net[1].register_full_backward_hook(clip)
    net(X).backward(DA)
    assert isinstance(net[0], nn.Linear)
    assert net[0].weight.grad is not None
    assert_close(net[0].weight.grad.numpy(), np.clip(DZ, -0.1, 0.1).T @ X, length=2)


def test_removed_hooks_leave_nothing(net: nn.Sequential) -> None:
    seen: list[str] = []
    handles = [
        net.register_forward_hook(lambda *told: seen.append("first")),
        net.register_forward_hook(lambda *told: seen.append("second")),
        net.register_full_backward_hook(lambda *told: seen.append("back")),
    ]
    handles[0].remove()
    handles[0].remove()
    y = net(X)
    assert (seen, y.is_leaf) == (["second"], False)
    assert "output_hook" in repr(y)
    for handle in handles[1:]:
        assert net.has_hooks
        handle.remove()
    assert not net.has_hooks
    assert "tanh" in repr(net(X))  # no identity on the graph
    assert seen == ["second"]
    assert "_hooks" not in vars(net)


def test_a_handle_need_not_be_kept(net: nn.Sequential) -> None:
    seen: list[int] = []
    for i in range(20):
        net.register_forward_hook(lambda *told, i=i: seen.append(i))
    net(X)
    assert seen == list(range(20))


def test_a_with_block_removes_its_hook_whatever_happens(net: nn.Sequential) -> None:
    with pytest.raises(ZeroDivisionError), net.register_forward_hook(lambda *told: 1 / 0):
        net(X)
    assert not net.has_hooks
    assert_close(net(X).numpy(), A, length=2)


def test_without_a_graph_only_forward_hooks_are_called(net: nn.Sequential) -> None:
    seen: list[str] = []
    net.register_forward_hook(lambda *told: seen.append("forward"))
    net.register_full_backward_hook(lambda *told: seen.append("back"))
    with accelnn.no_grad():
        assert not net(X).requires_grad
    assert seen == ["forward"]


class Sum(nn.Module):
    """A module of several arguments."""

    def forward(self, x: Tensor, other: Any = 0.0, *, times: float = 1.0) -> Tensor:
        total: Tensor = (x + other) * times
        return total


def test_further_arguments(backend: Backend) -> None:
    layer, seen = Sum(), []
    assert layer(tensor([1.0], backend), 2.0, times=3.0).tolist() == [9.0]
    layer.register_forward_hook(lambda layer, inputs, output: seen.append(inputs[1]))
    layer.register_full_backward_hook(lambda layer, dx, dy: seen.append(dx[0].tolist()))
    y = layer(tensor([1.0], backend), 2.0, times=3.0)
    y.backward()
    assert (y.tolist(), seen) == ([9.0], [2.0, [3.0]])


# Programs -----------------------------------------------------------------------------------------


@pytest.fixture
def job() -> tuple[Any, ...]:
    accelnn.manual_seed(3)
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU()), nn.Linear(3, 1))
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 2))
    return model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), X, X.sum(1)


def test_no_program_passes_a_hook_by(job: tuple[Any, ...]) -> None:
    model, calls = job[0], []
    assert accelnn.explain(*job[:3]).engine == "program"
    with model[1][0].register_forward_hook(lambda *told: calls.append(told)):
        why = accelnn.explain(*job[:3])
        assert (why.engine, why.reason) == (
            "eager",
            "a layer has hooks, which a program would pass by",
        )
        with pytest.warns(UserWarning, match="the eager way, .* because a layer has hooks"):
            history = accelnn.train(*job, epochs=2, batch_size=10)
        assert (history.engine, len(calls)) == ("eager", 4)
    assert accelnn.explain(*job[:3]).engine == "program"


# Errors -------------------------------------------------------------------------------------------


def test_what_is_no_hook() -> None:
    layer = nn.ReLU()
    with pytest.raises(TypeError, match="a hook is a function, got 3"):
        layer.register_forward_hook(3)  # type: ignore[arg-type]
    assert not layer.has_hooks


@pytest.mark.parametrize(
    ("given", "got"), [(Tensor([1.0, 2.0, 3.0]), r"shape \(3,\)"), ("no", "'no'")], ids=str
)
def test_a_gradient_of_another_shape(given: Any, got: str) -> None:
    layer = nn.ReLU()
    layer.register_full_backward_hook(lambda *told: given)
    y = layer(Tensor([1.0, 2.0], requires_grad=True)).sum()
    with pytest.raises(ValueError, match=rf"of its shape \(2,\), or None; got {got}"):
        y.backward()


class Pair(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return x, x


def test_several_outputs() -> None:
    layer = Pair()
    layer.register_full_backward_hook(lambda *told: None)
    with pytest.raises(TypeError, match="returns a Tensor; Pair returned tuple"):
        layer([1.0])
