"""Module: what it registers, names, saves, moves and switches."""

from copy import deepcopy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import Parameter, Tensor, nn
from accelnn.backends import Backend, get_backend
from tests.golden.entries import Golden
from tests.tolerances import assert_close


class Net(nn.Module):
    """Parameters of its own, a layer, a list it does not see, and one layer used twice."""

    def __init__(self, backend: str | Backend = "numpy") -> None:
        super().__init__()
        self.first = nn.Linear(2, 2, backend=backend)
        self.scale = Parameter([1.0, 2.0], backend=backend)
        self.again = self.first
        self.drop = nn.Dropout(0.5, seed=1)
        self.note = "not a parameter"

    def forward(self, x: Tensor) -> Tensor:
        return self.again(self.drop(self.first(x)) * self.scale)


NAMES = ["scale", "first.weight", "first.bias"]


def test_names_in_order_and_shared_once() -> None:
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert [name for name, _ in net.named_parameters("net.")] == [f"net.{n}" for n in NAMES]
    assert list(net.parameters()) == [net.scale, net.first.weight, net.first.bias]
    assert list(net.children()) == [net.first, net.first, net.drop]


def test_a_shared_parameter_gets_both_gradients(backend: Backend) -> None:
    one, two = nn.Linear(2, 2, bias=False, backend=backend), nn.Linear(2, 2, backend=backend)
    two.weight = one.weight
    model = nn.Sequential(one, two)
    assert [n for n, _ in model.named_parameters()] == ["0.weight", "1.bias"]
    one.load_state_dict({"weight": [[1, 2], [3, 4]]})
    model(np.array([[1, 1]], "float32")).sum().backward()
    assert one.weight.grad is not None
    # y = W W x: ones xᵀ Wᵀ through the second, Wᵀ ones xᵀ through the first
    assert_close(one.weight.grad.numpy(), np.array([[7, 11], [9, 13]], "float32"))


def test_registration_follows_assignment() -> None:
    net = Net()
    net.scale = "gone"  # type: ignore[assignment]
    assert [n for n, _ in net.named_parameters()] == NAMES[1:]
    net.scale = Parameter([3.0])
    del net.first
    assert [n for n, _ in net.named_parameters()] == ["scale", "again.weight", "again.bias"]
    net.again = Parameter([4.0])  # type: ignore[assignment]
    assert [n for n, _ in net.named_parameters()] == ["scale", "again"]
    assert list(net.children()) == [net.drop]


def test_a_replaced_parameter_keeps_its_place() -> None:
    layer = nn.Linear(2, 1)
    layer.weight = Parameter([[5.0, 6.0]])
    assert [n for n, _ in layer.named_parameters()] == ["weight", "bias"]
    layer.bias = None
    assert layer([[1.0, 1.0]]).tolist() == [[11.0]]


def test_before_super_init() -> None:
    class Early(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.ReLU()
            super().__init__()

    with pytest.raises(AttributeError, match=r"call super\(\).__init__\(\) before setting 'layer'"):
        Early()


def test_without_forward() -> None:
    with pytest.raises(TypeError, match=r"Module does not define forward\(x\)"):
        nn.Module()([1.0])


def test_arrays_and_lists_become_tensors_of_the_model(backend: Backend) -> None:
    layer = nn.Linear(2, 1, backend=backend)
    y = layer([[1.0, 2.0]])
    assert y.backend is backend
    assert layer.backend is backend
    assert nn.ReLU().backend is None
    assert layer(Tensor([[1.0, 2.0]], backend=backend)).tolist() == y.tolist()


def test_state_round_trip(backend: Backend) -> None:
    one, two = Net(backend), Net("numpy")
    state = one.state_dict()
    assert list(state) == NAMES
    assert all(type(v) is np.ndarray and v.flags.c_contiguous for v in state.values())
    two.load_state_dict(dict(reversed(state.items())))
    for name, value in two.state_dict().items():
        assert_close(value, state[name])
    state["scale"][:] = 99  # a copy: nothing is written through it
    assert one.scale.tolist() == [1.0, 2.0]


def test_loading_writes_through(backend: Backend) -> None:
    layer = nn.Linear(2, 1, backend=backend)
    assert layer.bias is not None
    w, b = layer.weight.array, layer.bias.array
    layer.load_state_dict({"weight": Tensor([[1.0, 2.0]]), "bias": [3]})
    assert layer.weight.array is w
    assert layer.bias.array is b
    assert (layer.weight.tolist(), layer.bias.tolist()) == ([[1.0, 2.0]], [3.0])
    assert str(layer.weight.dtype) == "float32"


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({"bias": None}, "missing: bias"),
    "unknown": ({"extra": np.ones(1)}, "unknown: extra"),
    "shape": ({"bias": np.ones((1, 1))}, r"bias: shape \(1, 1\), expected \(1,\)"),
    "transposed": ({"weight": np.ones((2, 1))}, r"weight: shape \(2, 1\), expected \(1, 2\)"),
    "text": ({"bias": np.array(["a"])}, "bias: dtype <U1, expected real numbers"),
    "complex": ({"bias": np.ones(1, complex)}, "bias: dtype complex128, expected real numbers"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_all_or_nothing(backend: Backend, change: dict[str, Any], message: str) -> None:
    layer = nn.Linear(2, 1, backend=backend)
    before = layer.state_dict()
    state = {"weight": np.full((1, 2), 7.0), "bias": np.full(1, 7.0)} | change
    state = {name: value for name, value in state.items() if value is not None}
    with pytest.raises(ValueError, match=f"state does not fit this module; {message}"):
        layer.load_state_dict(state)
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_every_mismatch_is_listed() -> None:
    with pytest.raises(ValueError, match="missing: bias; unknown: a; weight: shape"):
        nn.Linear(2, 1).load_state_dict({"weight": np.ones(3), "a": 1})


def test_to_another_backend() -> None:
    net = Net("numpy")
    x = np.array([[1.0, -2.0]], "float32")
    net.eval()
    before, y = net.state_dict(), net(x)
    y.sum().backward()
    ids = [id(p) for p in net.parameters()]
    assert net.to("numba") is net
    assert [id(p) for p in net.parameters()] == ids  # an optimizer still holds them
    assert net.backend is get_backend("numba")
    assert all(p.grad is None for p in net.parameters())
    assert net.first.weight.array.T.flags.c_contiguous
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert_close(net(x).numpy(), y.numpy(), length=2)


def test_to_where_it_is_changes_nothing() -> None:
    layer = nn.Linear(2, 1, backend="numpy")
    layer([[1.0, 2.0]]).sum().backward()
    data, grad = layer.weight.array, layer.weight.grad
    layer.to("numpy")
    assert layer.weight.array is data
    assert layer.weight.grad is grad
    with pytest.raises(ValueError, match="unknown backend 'nmpy'"):
        layer.to("nmpy")


def test_train_and_eval_reach_every_module() -> None:
    model = nn.Sequential(nn.Sequential(nn.Dropout(0.5)), Net())
    assert model.training
    assert model.eval() is model
    inner = [model, *model, *model[0].children(), *model[1].children()]
    assert not any(m.training for m in inner)
    assert model.train() is model
    assert all(m.training for m in inner)


def test_zero_grad(backend: Backend) -> None:
    layer = nn.Linear(2, 1, backend=backend)
    layer([[1.0, 2.0]]).sum().backward()
    assert all(p.grad is not None for p in layer.parameters())
    layer.zero_grad()
    assert all(p.grad is None for p in layer.parameters())


def test_zero_grad_keeps_the_arrays(backend: Backend) -> None:
    model = nn.Sequential(nn.Linear(2, 1, backend=backend), nn.Linear(1, 1, backend=backend))
    model[0]([[1.0, 2.0]]).sum().backward()
    held = [p.grad for p in model.parameters()]
    arrays = [g.array for g in held if g is not None]
    model.zero_grad(set_to_none=False)
    assert [p.grad for p in model.parameters()] == held
    assert held[2:] == [None, None]  # what had no gradient gets none
    for gradient, array in zip(held, arrays, strict=False):
        assert gradient is not None
        assert gradient.array is array
        assert not gradient.numpy().any()
    model[0]([[1.0, 2.0]]).sum().backward()
    assert isinstance(model[0], nn.Linear)
    assert model[0].weight.grad is not None
    assert model[0].weight.grad.tolist() == [[1.0, 2.0]]


def test_freezing(backend: Backend) -> None:
    layer = nn.Linear(2, 1, backend=backend)
    assert layer.requires_grad_(False) is layer
    assert not layer([[1.0, 2.0]]).requires_grad
    layer.requires_grad_()
    assert layer([[1.0, 2.0]]).requires_grad


def test_the_tree_by_name() -> None:
    net = nn.Sequential(Net(), nn.Sequential(nn.ReLU()))
    inner = net[0]
    assert isinstance(inner, Net)
    assert list(net.named_modules()) == [
        ("", net),
        ("0", inner),
        ("0.first", inner.first),
        ("0.drop", inner.drop),
        ("1", net[1]),
        ("1.0", net[1][0]),  # type: ignore[index]
    ]
    assert list(net.modules()) == [module for _, module in net.named_modules()]
    assert next(iter(net.named_modules("model")))[0] == "model"
    assert [name for name, _ in inner.named_children()] == ["first", "again", "drop"]


def test_apply_goes_from_the_leaves_up() -> None:
    net, seen = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh())), []
    assert net.apply(lambda module: seen.append(type(module).__name__)) is net
    assert seen == ["ReLU", "Tanh", "Sequential", "Sequential"]


def test_registering_by_name() -> None:
    layer = nn.Module()
    layer.register_parameter("w", Parameter([1.0]))
    layer.register_parameter("b", None)
    layer.add_module("inner", nn.Linear(1, 1))
    assert [n for n, _ in layer.named_parameters()] == ["w", "inner.weight", "inner.bias"]
    assert vars(layer)["b"] is None
    with pytest.raises(TypeError, match="expected a Parameter or None, got 3 for 'w'"):
        layer.register_parameter("w", 3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a Module, got 3 for 'inner'"):
        layer.add_module("inner", 3)  # type: ignore[arg-type]


def test_append() -> None:
    model = nn.Sequential(nn.Linear(2, 3))
    assert model.append(nn.ReLU()).append(nn.Linear(3, 1)) is model
    assert [name for name, _ in model.named_children()] == ["0", "1", "2"]
    assert model([[1.0, 2.0]]).shape == (1, 1)
    with pytest.raises(TypeError, match="expected a Module, got 'relu' for '3'"):
        model.append("relu")  # type: ignore[arg-type]


def test_deepcopy_is_independent(backend: Backend) -> None:
    net = Net(backend)
    twin = deepcopy(net)
    assert twin.first is twin.again
    assert next(iter(twin.parameters())) is twin.scale
    twin.scale.array[...] = 5
    assert net.scale.tolist() == [1.0, 2.0]
    assert twin.backend is backend
    assert twin.first.weight.array.T.flags.c_contiguous


def test_repr_nests() -> None:
    assert repr(Net()).splitlines()[0] == "Net("
    assert "  (drop): Dropout(p=0.5, seed=1)" in repr(Net())


@pytest.mark.parametrize("name", ["S0-G05", "S3-G07"])
def test_golden_parameter_count(name: str) -> None:
    golden = Golden(name)
    sizes = golden.inputs["layer_sizes"]
    model = nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(sizes)))
    assert sum(p.array.size for p in model.parameters()) == golden.expected["total"]
    shapes = [list(p.shape) for p in model.parameters()]
    expected = golden.expected.get("shapes") or golden.expected["W_shapes"]
    assert (shapes if "shapes" in golden.expected else shapes[::2]) == expected


def test_golden_mnist_parameters() -> None:
    golden = Golden("S0-G10")
    layers = [nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(512, 10))
    per_module = [sum(p.array.size for p in layer.parameters()) for layer in model]
    assert per_module == golden.expected["params_per_module"]
    assert sum(per_module) == golden.expected["total"]


def test_backend_is_the_one_in_use(backend: Backend) -> None:
    with accelnn.use_backend(backend):
        layer = nn.Linear(2, 1)
    assert layer.backend is backend


# Buffers ------------------------------------------------------------------------------------------


class Counting(nn.Module):
    """A parameter and a buffer, and below them a layer with both."""

    def __init__(self, backend: str | Backend = "numpy") -> None:
        super().__init__()
        self.register_buffer("seen", Tensor(3, backend=backend))
        self.scale = Parameter([2.0], backend=backend)
        self.norm = nn.BatchNorm1d(1, backend=backend)

    seen: Tensor


def test_buffers_stand_behind_the_parameters_of_their_module() -> None:
    layer = Counting()
    inner = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert list(layer.state_dict()) == ["scale", "seen", *(f"norm.{name}" for name in inner)]
    assert [n for n, _ in layer.named_parameters()] == ["scale", "norm.weight", "norm.bias"]
    assert [n for n, _ in layer.named_buffers("a.")] == [
        "a.seen",
        "a.norm.running_mean",
        "a.norm.running_var",
        "a.norm.num_batches_tracked",
    ]
    assert next(layer.buffers()) is layer.seen
    assert layer.state_dict()["seen"].dtype == np.int64


def test_loading_writes_into_buffers(backend: Backend) -> None:
    layer = Counting(backend)
    held = layer.seen.array
    layer.load_state_dict(layer.state_dict() | {"seen": np.array(7), "norm.running_var": [9.0]})
    assert layer.seen.array is held
    assert (layer.seen.item(), layer.norm.running_var.tolist()) == (7, [9.0])
    state = layer.state_dict()
    del state["seen"]
    with pytest.raises(ValueError, match="missing: seen"):
        layer.load_state_dict(state)


def test_buffers_move_with_the_parameters() -> None:
    layer = Counting()
    assert layer.to("numba") is layer
    assert {b.backend.name for b in layer.buffers()} == {"numba"}
    assert nn.BatchNorm1d(2, affine=False, backend="numba").backend is get_backend("numba")


def test_what_replaces_a_buffer() -> None:
    layer = Counting()
    layer.seen = Tensor(5)
    assert layer.state_dict()["seen"] == 5
    layer.seen = Parameter([6.0])
    assert next(n for n, _ in layer.named_buffers()) == "norm.running_mean"
    assert "seen" in dict(layer.named_parameters())
    layer = Counting()
    layer.seen = None  # type: ignore[assignment]
    assert "seen" not in layer.state_dict()
    layer = Counting()
    del layer.seen
    assert "seen" not in layer.state_dict()


@pytest.mark.parametrize("value", [np.ones(1), 3, None, Parameter([1.0])], ids=str)
def test_a_buffer_is_a_tensor_without_gradient(value: Any) -> None:
    with pytest.raises(TypeError, match=r"is a Tensor without gradient, got .* for 'seen'"):
        nn.Module().register_buffer("seen", value)
