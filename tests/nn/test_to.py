"""Where a model is: devices by PyTorch's names, backends by their own."""

from copy import deepcopy

import numpy as np
import pytest

import accelnn
from accelnn import Tensor, nn
from accelnn.backends import Backend, get_backend
from accelnn.errors import BackendUnavailable
from accelnn.utils.data import DataLoader, TensorDataset
from tests.device import DeviceBackend
from tests.tolerances import assert_close


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_cpu_keeps_a_backend_of_the_cpu(name: str) -> None:
    layer = nn.Linear(2, 1, backend=name)
    held = layer.weight.array
    assert layer.to("cpu") is layer
    assert layer.cpu() is layer
    assert layer.backend is get_backend(name)
    assert layer.weight.array is held


def test_there_and_back(device: DeviceBackend) -> None:
    layer = nn.Linear(2, 1, backend="numpy")
    before = layer.state_dict()
    assert layer.to("cuda").backend is device
    assert type(layer.weight.array) is not np.ndarray
    layer([[1.0, 2.0]]).sum().backward()
    assert layer.to("cpu").backend is get_backend("numpy")
    assert type(layer.weight.array) is np.ndarray
    assert layer.weight.grad is None
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert layer.cuda().backend is device
    assert layer.to("numba").backend is get_backend("numba")
    assert layer.to(device).backend is device


def test_a_layer_made_there(device: DeviceBackend) -> None:
    assert nn.Linear(2, 1, device="cuda").backend is device
    assert nn.Linear(2, 1, device="cpu").backend is get_backend("numpy")
    with accelnn.use_backend("numba"):
        assert nn.Linear(2, 1, device="cpu").backend is get_backend("numba")
    with pytest.raises(ValueError, match="give backend or device, not both; got 'numpy' and 'cpu'"):
        nn.Linear(2, 1, backend="numpy", device="cpu")


def test_what_looks_inside_works_there(device: DeviceBackend) -> None:
    """Nothing takes an array of the device for one of NumPy."""
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1), nn.Sigmoid())
    twin = deepcopy(model).to("cuda")
    X, y = np.array([[1, -1], [2, 3]], "float32"), np.array([[1], [0]], "float32")
    found = []
    for each in (model, twin):
        assert each.backend is not None
        data = TensorDataset(*(Tensor(part, backend=each.backend) for part in (X, y)))
        with accelnn.observe(each) as seen:
            for x, t in DataLoader(data, batch_size=2):
                nn.BCELoss()(each(x), t).backward()
        gradient = seen["0"].gradient
        assert gradient is not None
        report = accelnn.layer_health(each, nn.BCELoss(), X, y)
        layer = next(each.children())
        assert isinstance(layer, nn.Linear)
        dense = nn.Dense.of(layer, "relu")
        a, cache = dense.forward(X)
        dw = dense.backward(np.ones((2, 3), "float32"), cache)[1]
        arrays = [each.backend.to_numpy(part) for part in (a, dw)]
        found.append(([*arrays, gradient.numpy()], report))
        each.zero_grad(set_to_none=False)
        assert not any(p.grad.numpy().any() for p in each.parameters() if p.grad is not None)
    assert twin.backend is device
    for ours, theirs in zip(found[0][0], found[1][0], strict=True):
        assert_close(theirs, ours, length=3)
    for one, other in zip(found[0][1], found[1][1], strict=True):
        assert one[:2] + one[4:] == other[:2] + other[4:]
        assert (one[2] is None) == (other[2] is None)
        assert one[2] is None or one[2:4] == pytest.approx(other[2:4], rel=1e-5)


def test_without_a_gpu() -> None:
    if next(s for s in accelnn.list_backends() if s.name == "cupy").usable:
        pytest.skip("this machine has a GPU")
    layer = nn.Linear(2, 1)
    with pytest.raises(BackendUnavailable, match="backend 'cupy' cannot run here: "):
        layer.cuda()
    with pytest.raises(BackendUnavailable, match="backend 'cupy:1' cannot run here: "):
        layer.cuda(1)
    assert layer([[1.0, 2.0]]).shape == (1, 1)


def test_unknown_places() -> None:
    with pytest.raises(ValueError, match=r"'gpu': expected one of .*'numpy', 'numba', 'cupy'"):
        nn.Linear(2, 1).to("gpu")


def test_a_model_without_parameters(backend: Backend) -> None:
    model = nn.Sequential(nn.ReLU())
    assert model.to(backend) is model
    assert model.backend is None


def test_double_and_float(backend: Backend) -> None:
    model = nn.Sequential(nn.Linear(2, 3, backend=backend), nn.BatchNorm1d(3, backend=backend))
    before = model.state_dict()
    x = np.array([[1.0, 2.0], [3.0, 5.0]])
    model(x.astype("float32")).sum().backward()
    assert model.double() is model
    assert {str(p.dtype) for p in model.parameters()} == {"float64"}
    assert all(p.grad is not None and str(p.grad.dtype) == "float64" for p in model.parameters())
    assert str(model(x).dtype) == "float64"
    w = next(model.parameters())
    accelnn.gradcheck(lambda w: nn.functional.linear(Tensor(x, backend=backend), w), w)
    model.float().load_state_dict(before)
    assert str(model.state_dict()["1.num_batches_tracked"].dtype) == "int64"
    for name, value in model.state_dict().items():
        assert value.dtype == before[name].dtype
        np.testing.assert_array_equal(value, before[name])
