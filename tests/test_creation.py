"""Tensors from data, filled, counted and drawn: values, dtypes, places, and what is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import accelnn as torch
from accelnn import Tensor, nn
from accelnn.backends import Backend
from tests.device import DeviceBackend


def name(x: Tensor) -> str:
    return str(x.dtype)


# From data ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, "float32"),
        ([[1, 2], [3, 4]], "int64"),
        ([1, 2.5], "float32"),
        ([True, False], "bool"),
        (np.array([1.5]), "float64"),
        (np.array([3], dtype="int32"), "int32"),
    ],
)
def test_python_numbers_make_float32_and_arrays_keep_theirs(
    backend: Backend, data: Any, dtype: str
) -> None:
    with torch.use_backend(backend):
        made = torch.tensor(data)
    assert made.backend is backend
    assert name(made) == dtype
    assert made.tolist() == np.asarray(data).tolist()
    assert made.shape == np.shape(data)


def test_tensor_copies(backend: Backend) -> None:
    array = np.array([1.0, 2.0])
    made, other = torch.tensor(array, device=backend), torch.tensor(array, device=backend)
    of_tensor = torch.tensor(made)
    array[0] = 7
    made.array[1] = 9.0
    assert array.tolist() == [7.0, 2.0]
    assert made.tolist() == [1.0, 9.0]
    assert other.tolist() == of_tensor.tolist() == [1.0, 2.0]
    assert of_tensor.backend is backend


def test_tensor_of_tensors(backend: Backend) -> None:
    parts = [torch.tensor(1.5, device=backend), torch.tensor(2.5, device=backend)]
    assert torch.tensor([parts, parts]).tolist() == [[1.5, 2.5], [1.5, 2.5]]
    x = torch.tensor([1.0, 2.0], device=backend, requires_grad=True)
    copy = torch.tensor(x)
    assert (copy.requires_grad, copy.is_leaf) == (False, True)


def test_dtype_and_gradient(backend: Backend) -> None:
    x = torch.tensor([1, 2], dtype=torch.float64, device=backend, requires_grad=True)
    assert name(x) == "float64"
    (x * x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 4.0]
    with pytest.raises(TypeError, match="only float32 and float64"):
        torch.tensor([1, 2], device=backend, requires_grad=True)


def test_a_size_is_no_data() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        torch.tensor(8, 2, requires_grad=True)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="inhomogeneous"):
        torch.tensor([[1.0], [1.0, 2.0]])
    with pytest.raises(TypeError, match="expects a sequence of numbers"):
        torch.LongTensor(3)


def test_named_types(backend: Backend) -> None:
    with torch.use_backend(backend):
        classes = torch.LongTensor([1, 0])
        reals = torch.FloatTensor([1, 0])
    assert (name(classes), classes.tolist()) == ("int64", [1, 0])
    assert (name(reals), reals.tolist()) == ("float32", [1.0, 0.0])
    assert torch.float32 == "float32" == torch.float
    assert torch.long == torch.int64 == "int64"
    assert torch.tensor([1.0], dtype="float64").dtype == torch.double == torch.float64


def test_from_numpy_shares() -> None:
    array = np.zeros(2)
    shared = torch.from_numpy(array)
    array[1] = 3
    assert shared.tolist() == [0.0, 3.0]
    with pytest.raises(TypeError, match="expects an array of NumPy, got list"):
        torch.from_numpy([1.0])


def test_as_tensor_copies_only_what_must_change() -> None:
    x = torch.tensor([1.0])
    assert torch.as_tensor(x) is x
    assert torch.as_tensor(x, dtype="float32") is x
    assert name(torch.as_tensor(x, dtype=torch.float64)) == "float64"
    array = np.zeros(1)
    shared = torch.as_tensor(array)
    array[0] = 2
    assert shared.tolist() == [2.0]


# Filled and counted -------------------------------------------------------------------------------


def test_filled(backend: Backend) -> None:
    with torch.use_backend(backend):
        assert torch.zeros(2, 1).tolist() == [[0.0], [0.0]]
        assert torch.ones((1, 2)).tolist() == [[1.0, 1.0]]
        assert torch.ones([2]).tolist() == [1.0, 1.0]
        assert torch.zeros(()).tolist() == torch.zeros().tolist() == 0.0
        assert torch.full((2,), 7).tolist() == [7, 7]
        assert torch.eye(2, 3).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
        assert torch.empty(0, 3).shape == (0, 3)
        made = [torch.zeros(1), torch.ones(1), torch.eye(1), torch.empty(1), torch.full((1,), 0.5)]
        assert {name(x) for x in made} == {"float32"}
        assert {x.backend for x in made} == {backend}
        assert name(torch.full((1,), 7)) == "int64"
        assert name(torch.full((1,), True)) == "bool"
        assert torch.ones(1, dtype=torch.float64, requires_grad=True).requires_grad


def test_like_another(backend: Backend) -> None:
    x = torch.tensor([[1.0, 2.0]], dtype="float64", device=backend)
    for made, values in [
        (torch.zeros_like(x), [[0.0, 0.0]]),
        (torch.ones_like(x), [[1.0, 1.0]]),
        (torch.full_like(x, 3), [[3.0, 3.0]]),
        (torch.empty_like(x), [[0.0, 0.0]]),
    ]:
        assert made.tolist() == values
        assert name(made) == "float64"
        assert made.backend is backend
        assert not made.requires_grad
    for drawn in (torch.rand_like(x), torch.randn_like(x)):
        assert (drawn.shape, name(drawn), drawn.backend) == ((1, 2), "float64", backend)
    assert name(torch.ones_like(x, dtype=torch.int64)) == "int64"
    assert torch.zeros_like(x, requires_grad=True).requires_grad


def test_counted(backend: Backend) -> None:
    with torch.use_backend(backend):
        assert torch.arange(4).tolist() == [0, 1, 2, 3]
        assert torch.arange(1, 13).shape == (12,)
        assert torch.arange(5, 0, -2).tolist() == [5, 3, 1]
        assert torch.arange(3, 1).tolist() == []
        assert name(torch.arange(4)) == "int64"
        assert (torch.arange(0, 1, 0.25).tolist(), name(torch.arange(2.0))) == (
            [0.0, 0.25, 0.5, 0.75],
            "float32",
        )
        assert torch.linspace(-1, 1, 5).tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]
    with pytest.raises(ValueError, match="step must not be 0"):
        torch.arange(0, 3, 0)


@pytest.mark.parametrize(
    ("size", "error", "text"),
    [
        ((2.5,), TypeError, "made of integers"),
        ((-1,), ValueError, "must not be negative"),
        (("two",), TypeError, "made of integers"),
    ],
)
def test_sizes_that_are_none(size: tuple[Any, ...], error: type[Exception], text: str) -> None:
    for make in (torch.zeros, torch.ones, torch.rand, torch.randn):
        with pytest.raises(error, match=text):
            make(*size)


# Drawn --------------------------------------------------------------------------------------------

DRAWS: dict[str, Callable[[], Tensor]] = {
    "rand": lambda: torch.rand(50, 2),
    "randn": lambda: torch.randn(50, 2),
    "randn64": lambda: torch.randn((50, 2), dtype="float64"),
    "rand_like": lambda: torch.rand_like(torch.zeros(50, 2)),
    "randn_like": lambda: torch.randn_like(torch.zeros(50, 2)),
    "randint": lambda: torch.randint(-3, 9, (100,)),
    "randperm": lambda: torch.randperm(100),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_the_seed_repeats_them_on_every_backend(backend: Backend, draw: Any) -> None:
    torch.manual_seed(3)
    expected, later = draw().tolist(), draw().tolist()
    assert expected != later
    with torch.use_backend(backend):
        torch.manual_seed(3)
        made = draw()
    assert made.backend is backend
    assert made.tolist() == expected


def test_both_types_draw_the_same_numbers() -> None:
    torch.manual_seed(0)
    wide = torch.randn(20, dtype="float64").numpy()
    torch.manual_seed(0)
    narrow = torch.randn(20).numpy()
    assert narrow.tolist() == wide.astype("float32").tolist()


def test_distributions() -> None:
    torch.manual_seed(1)
    flat, bell = torch.rand(20000).numpy(), torch.randn(20000).numpy()
    assert 0 <= flat.min() < 0.001
    assert 0.999 < flat.max() < 1.0000001
    assert flat.mean() == pytest.approx(0.5, abs=0.01)
    assert (bell.mean(), bell.std()) == pytest.approx((0, 1), abs=0.03)
    dice = torch.randint(1, 7, (2000,))
    assert set(dice.tolist()) == {1, 2, 3, 4, 5, 6}
    assert set(torch.randint(2, (100,)).tolist()) == {0, 1}
    assert sorted(torch.randperm(30).tolist()) == list(range(30))
    assert (name(dice), name(torch.randperm(3))) == ("int64", "int64")


def test_a_generator_of_ones_own() -> None:
    drawn = torch.randn(3, generator=np.random.default_rng(5), dtype="float64")
    assert drawn.tolist() == np.random.default_rng(5).normal(size=3).tolist()


def test_layers_draw_from_the_same_source() -> None:
    torch.manual_seed(0)
    first = nn.Linear(2, 1).weight.tolist()
    torch.manual_seed(0)
    torch.randn(1)
    assert nn.Linear(2, 1).weight.tolist() != first


# Places -------------------------------------------------------------------------------------------


def test_a_device_is_its_name() -> None:
    place = torch.device("cuda", 1)
    assert place == "cuda:1"
    assert (place.type, place.index, repr(place)) == ("cuda", 1, "device('cuda:1')")
    assert torch.device("cpu").index is None
    assert torch.device(torch.device("cpu")) == "cpu"
    with pytest.raises(TypeError, match="takes a name such as 'cpu'"):
        torch.device(0)  # type: ignore[arg-type]


def test_cpu_keeps_a_backend_on_the_cpu() -> None:
    for known in ("numpy", "numba"):
        with torch.use_backend(known):
            assert torch.zeros(1, device="cpu").backend.name == known
            assert torch.zeros(1, device=torch.device("cpu")).backend.name == known
    assert torch.zeros(1, device="numba").backend.name == "numba"
    with pytest.raises(ValueError, match="unknown backend 'tpu'"):
        torch.zeros(1, device="tpu")


def test_cuda_is_cupy(device: DeviceBackend) -> None:
    assert torch.cuda.is_available() is True
    there = torch.tensor([1.0, 2.0], device="cuda")
    assert there.backend is device
    assert there.tolist() == [1.0, 2.0]
    with torch.use_backend(device):
        assert torch.ones(1, device="cuda").backend is device
        assert torch.randn(2, 2).backend is device
        assert torch.ones(1, device="cpu").backend.name == "numpy"
    assert torch.tensor(there, device="cpu").backend.name == "numpy"
    assert torch.tensor(there, device="cpu").tolist() == [1.0, 2.0]


def test_without_a_gpu(device: DeviceBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeviceBackend, "usable", False)
    assert torch.cuda.is_available() is False
