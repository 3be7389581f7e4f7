"""Types, places and forms of a tensor: what changes, what stays, what the graph keeps."""

from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import Tensor, gradcheck, no_grad
from accelnn.backends import Backend, get_backend
from accelnn.errors import BackendUnavailable, GraphError
from tests.device import DeviceArray, DeviceBackend
from tests.tolerances import assert_close


def leaf(values: Any, backend: Backend, dtype: str = "float64") -> Tensor:
    return Tensor(values, True, dtype=dtype, backend=backend)


# Types --------------------------------------------------------------------------------------------


def test_types(backend: Backend) -> None:
    x = leaf([0.0, 1.7, -1.7], backend)
    assert x.double() is x
    for y, dtype, values in (
        (x.long(), "int64", [0, 1, -1]),
        (x.int(), "int32", [0, 1, -1]),
        (x.bool(), "bool", [False, True, True]),
        (x.to("int64"), "int64", [0, 1, -1]),
        (x.to(np.int64), "int64", [0, 1, -1]),
        (x.to(dtype=np.dtype("bool")), "bool", [False, True, True]),
    ):
        assert (str(y.dtype), y.tolist(), y.requires_grad) == (dtype, values, False)
    narrow = x.float()
    assert (str(narrow.dtype), narrow.requires_grad) == ("float32", True)
    assert str(Tensor([1], backend=backend).type_as(narrow).dtype) == "float32"


def test_a_gradient_comes_back_in_the_old_type(backend: Backend) -> None:
    x = leaf([2.0], backend, "float32")
    (x.double() ** 2).backward()
    assert x.grad is not None
    assert_close(x.grad.numpy(), np.array([4.0], "float32"))


def test_clone_is_in_the_graph_and_has_its_own_memory(backend: Backend) -> None:
    x = leaf([2.0], backend)
    y = x.clone()
    (y * y).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [4.0]
    with no_grad():
        y.zero_()
    assert x.tolist() == [2.0]


def test_requires_grad_(backend: Backend) -> None:
    x = Tensor([1.0], backend=backend)
    assert x.requires_grad_() is x
    assert x.requires_grad
    assert not x.requires_grad_(False).requires_grad
    with pytest.raises(TypeError, match=r"got int64; convert it first, as x.float\(\)"):
        Tensor([1], backend=backend).requires_grad_()
    with pytest.raises(GraphError, match=r"made by mul.*detach\(\) it instead"):
        (leaf([1.0], backend) * 2).requires_grad_(False)
    with pytest.raises(GraphError, match=r"retain_grad\(\) of a tensor that needs no gradient"):
        x.retain_grad()


# Places -------------------------------------------------------------------------------------------


def test_the_cpu_keeps_its_backend() -> None:
    x = Tensor([1.0], backend="numba")
    assert x.cpu() is x.to("cpu") is x.to(accelnn.device("cpu")) is x.to(x.device) is x
    assert x.to("numpy").backend.name == "numpy"
    assert x.to(Tensor(np.ones(1), backend="numpy")).backend.name == "numpy"
    assert str(x.to("numpy", "float64").dtype) == "float64"
    assert x.device == "cpu"
    with pytest.raises(ValueError, match="unknown backend 'gpu'"):
        x.to("gpu")


def test_the_gradient_travels_back(device: DeviceBackend) -> None:
    x = leaf([[1.0, 2.0], [3.0, 4.0]], get_backend("numpy"))
    y = x.cuda() * 3
    assert (y.backend, y.device) == (device, "cuda")
    assert isinstance(y.array, DeviceArray)
    assert y.cpu().backend.name == "numpy"
    y.cpu().sum().backward()
    assert x.grad is not None
    assert isinstance(x.grad.array, np.ndarray)
    assert x.grad.tolist() == [[3.0, 3.0], [3.0, 3.0]]


def test_without_a_gpu_it_says_why() -> None:
    status = next(s for s in accelnn.list_backends() if s.name == "cupy")
    if status.usable:
        pytest.skip("there is a GPU")
    with pytest.raises(BackendUnavailable, match="'cupy' cannot run here"):
        Tensor([1.0]).to("cuda")
    with pytest.raises(BackendUnavailable, match="'cupy:1' cannot run here"):
        Tensor([1.0]).cuda(1)


# Python and NumPy ---------------------------------------------------------------------------------


def test_sizes(backend: Backend) -> None:
    x = Tensor(np.zeros((2, 3)), backend=backend)
    assert (x.size(), x.size(1), x.dim(), x.numel(), len(x)) == ((2, 3), 3, 2, 6, 2)
    assert [row.shape for row in x] == [(3,), (3,)]
    number = Tensor(1.0, backend=backend)
    assert (number.dim(), number.numel(), number.size()) == (0, 1, ())
    with pytest.raises(TypeError, match=r"shape \(\) has no length"):
        len(number)
    with pytest.raises(TypeError, match="no elements to go through"):
        iter(number)


def test_going_through_is_differentiable(backend: Backend) -> None:
    gradcheck(lambda x: sum(row * i for i, row in enumerate(x)), leaf(np.ones((3, 2)), backend))


def test_numbers(backend: Backend) -> None:
    x = leaf([2.5], backend)
    assert (float(x), int(x), bool(x), bool(x - 2.5)) == (2.5, 2, True, False)
    assert [10, 20, 30][Tensor(1, backend=backend)] == 20
    with pytest.raises(ValueError, match=r"truth of a tensor of shape \(2,\).*any\(\) or all\(\)"):
        bool(Tensor([1.0, 0.0], backend=backend))
    with pytest.raises(TypeError):
        [10, 20][Tensor(1.0, backend=backend)]


def test_text(backend: Backend) -> None:
    loss = (leaf(1.0, backend) * 1.25).exp()
    assert f"{loss:.3f} {loss.detach():.1e}" == "3.490 3.5e+00"
    assert f"{Tensor(0.5, backend=backend)}" == "0.5"
    assert f"{Tensor([0.5], backend=backend)}" == "Tensor([0.5], dtype=float32)"
    long = repr(Tensor(np.arange(100_000.0), backend=backend) + 1)
    assert "3.0000e+00, ..., 9.9998e+04" in long
    assert len(long) < 120
    assert repr(leaf([1.0], backend).sum()) == "Tensor(1., dtype=float64, op=sum)"


def test_numpy_reads_what_needs_no_gradient(backend: Backend) -> None:
    x = Tensor([[1.0, 2.0]], backend=backend)
    assert_close(np.asarray(x), np.array([[1.0, 2.0]], "float32"))
    assert np.asarray(x, "int64").dtype == np.int64
    assert np.mean([x.sum(), x.sum()]) == 3.0
    copied = np.array(x)
    copied[0, 0] = 5
    assert x.tolist() == [[1.0, 2.0]]
    with pytest.raises(GraphError, match=r"gradient would be lost; use x.detach\(\).numpy\(\)"):
        np.asarray(leaf([1.0], backend))


# Control flow -------------------------------------------------------------------------------------


def test_a_loop_and_a_branch_are_differentiated(backend: Backend) -> None:
    """The logistic map x ← 4 x (1 - x), written out and folded into branches."""

    def mapped(x: Tensor) -> Tensor:
        steps = 0
        while steps < 3:
            if bool(x < 0.5):
                x = 4 * x * (1 - x)
            else:
                half = 1 - x
                x = 4 * half * (1 - half)
            steps += 1
        return x

    for start in (0.2, 0.3, 0.7):
        x = leaf(start, backend)
        y = mapped(x)
        y.backward()
        value, slope = start, 1.0
        for _ in range(3):
            value, slope = 4 * value * (1 - value), slope * (4 - 8 * value)
        assert x.grad is not None
        np.testing.assert_allclose([y.item(), x.grad.item()], [value, slope], rtol=1e-12)
        gradcheck(mapped, leaf(start, backend))
