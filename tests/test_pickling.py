"""Pickles and copies of tensors and modules: NumPy arrays and the name of the backend."""

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accelnn import backends, get_backend, nn, optim, train
from accelnn.autograd import Parameter, Tensor
from accelnn.backends import Backend
from accelnn.errors import BackendUnavailable, GraphError
from tests.device import DeviceArray, DeviceBackend
from tests.stacks import data, stack

Copy = Callable[[Any], Any]
WAYS = [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]


@pytest.fixture(params=["numpy", "device"])
def place(request: pytest.FixtureRequest, device: DeviceBackend) -> Backend:
    """Return a backend on the host and one with arrays of its own."""
    return device if request.param == "device" else get_backend("numpy")


@pytest.mark.parametrize("way", WAYS)
def test_a_tensor(way: Copy, place: Backend) -> None:
    x = Tensor([[1.0, 2.0, 3.0]], requires_grad=True, backend=place)
    (x * x).sum().backward()
    twin = way(x)
    assert (type(twin), twin.backend, twin.requires_grad, twin.is_leaf) == (
        Tensor,
        place,
        True,
        True,
    )
    assert type(twin.array) is type(x.array)
    assert (twin.tolist(), twin.grad.tolist()) == ([[1.0, 2.0, 3.0]], [[2.0, 4.0, 6.0]])
    twin.array[0, 0] = 7.0
    assert x.tolist() == [[1.0, 2.0, 3.0]]


@pytest.mark.parametrize("way", WAYS)
def test_a_model_that_was_trained(way: Copy, place: Backend) -> None:
    """Its weights are views of a flat buffer, of which a copy holds none."""
    model = stack("dropout", place, "float32")
    loss = nn.CrossEntropyLoss()
    X, y = data(loss, 20, "float32")
    train(model, loss, optim.SGD(model.parameters(), lr=0.1), X, y, backend=place, seed=0)
    twin = way(model)
    assert twin.backend is place
    state, other = model.state_dict(), twin.state_dict()
    assert list(other) == list(state)
    for name in state:
        np.testing.assert_array_equal(other[name], state[name])
    for parameter in twin.parameters():
        assert type(parameter) is Parameter
        order = "f_contiguous" if parameter.ndim == 2 else "c_contiguous"
        assert getattr(parameter.array.flags, order)  # a weight is the transpose of its storage
    train(twin, loss, optim.SGD(twin.parameters(), lr=0.1), X, y, backend=place, seed=0)
    assert np.abs(twin.state_dict()["1.weight"] - state["1.weight"]).max() > 0
    np.testing.assert_array_equal(model.state_dict()["1.weight"], state["1.weight"])


@pytest.mark.parametrize("way", WAYS)
def test_buffers(way: Copy, place: Backend) -> None:
    model = nn.Sequential(nn.BatchNorm1d(2, backend=place))
    x = [[1.0, 10.0], [3.0, 30.0]]
    model(x)
    twin = way(model)
    assert {buffer.backend for buffer in twin.buffers()} == {place}
    model(x)
    assert [int(m.state_dict()["0.num_batches_tracked"]) for m in (model, twin)] == [2, 1]
    twin(x)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(twin.state_dict()[name], array)


@pytest.mark.parametrize("way", WAYS)
def test_a_shared_parameter_stays_shared(way: Copy, place: Backend) -> None:
    a, b = nn.Linear(3, 3, backend=place), nn.Linear(3, 3, backend=place)
    b.weight = a.weight
    twin = way(nn.Sequential(a, b))
    assert twin[0].weight is twin[1].weight


@pytest.mark.parametrize("reason", ["it cannot run", "it is unknown"])
def test_without_the_backend_it_is_numpys(
    reason: str, device: DeviceBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = stack("tanh", device, "float64")
    dumped, state = pickle.dumps(model), model.state_dict()

    class Broken(DeviceBackend):
        def __init__(self) -> None:
            raise BackendUnavailable("cupy", "the test took it away", "Give it back.")

    left = {k: v for k, v in backends._REGISTRY.items() if k != "cupy"}
    left |= {"cupy": Broken} if reason == "it cannot run" else {}
    monkeypatch.setattr(backends, "_REGISTRY", left)
    monkeypatch.setattr(backends, "_instances", {})
    said = "took it away" if reason == "it cannot run" else "unknown backend 'cupy'"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        twin = pickle.loads(dumped)
    assert [w.category for w in caught] == [UserWarning]  # one for six parameters
    assert "what was on backend 'cupy' is restored on 'numpy' instead" in str(caught[0].message)
    assert said in str(caught[0].message)
    assert {p.backend.name for p in twin.parameters()} == {"numpy"}
    for name, array in twin.state_dict().items():
        np.testing.assert_array_equal(array, state[name])


def test_a_copy_keeps_a_backend_that_nobody_registered() -> None:
    mine = get_backend("numpy").intercept(lambda name, kernel: kernel)
    assert copy.deepcopy(Tensor([1.0], backend=mine)).backend is mine


def test_attributes_of_a_subclass_come_along() -> None:
    weight = Named([1.0])
    weight.name = "w"
    twin = pickle.loads(pickle.dumps(weight))
    assert (type(twin), twin.name, twin.tolist()) == (Named, "w", [1.0])


class Named(Parameter):
    name: str


@pytest.mark.parametrize("way", [copy.deepcopy, pickle.dumps])
def test_a_tensor_inside_a_graph_is_refused(way: Copy) -> None:
    x = Tensor([1.0], requires_grad=True)
    with pytest.raises(GraphError, match=r"made by mul.*detach\(\) it first"):
        way(x * 2)
    assert way((x * 2).detach()) is not None


def test_moving_keeps_the_memory_order(device: DeviceBackend) -> None:
    layer = nn.Linear(4, 3, backend="numpy")
    before = layer.weight.numpy().copy()
    for backend in (device, get_backend("numpy")):
        layer.to(backend)
        assert layer.weight.array.flags.f_contiguous
        assert isinstance(layer.weight.array, DeviceArray) == (backend is device)
    np.testing.assert_array_equal(layer.weight.numpy(), before)
