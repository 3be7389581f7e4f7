"""The CuPy backend on a fake machine with two GPUs: devices, foreign arrays, memory."""

import copy
import pickle
import sys
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest

import accelnn
from accelnn import BackendUnavailable, backends, get_backend, kernels, mnist_job, use_backend
from accelnn.backends import cupy_probe, device_memory, forking, resolve_backend
from accelnn.backends.base import on_gpu
from accelnn.backends.cupy_backend import CupyBackend
from accelnn.backends.numpy_backend import NumpyBackend
from accelnn.errors import AccelnnError, DeviceMemoryError
from accelnn.kernels.on_cupy import _launch
from tests.cuda.fake_cupy import GIB, Array, ByCudaInterface, ByDlpack, Machine, make


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return a machine with two GPUs of 16 GiB, on which no backend has been made yet."""
    machine = Machine()
    monkeypatch.setitem(sys.modules, "cupy", make(machine))
    monkeypatch.setattr(cupy_probe, "_distribution_version", lambda name: "")
    monkeypatch.setattr(forking, "watch", lambda: None)  # the tests' own children may fork
    monkeypatch.setattr(backends, "_instances", {})
    monkeypatch.setattr(backends, "_REGISTRY", dict(backends._REGISTRY))
    monkeypatch.setattr(CupyBackend, "xp", None, raising=False)
    monkeypatch.delenv("ACCELNN_BACKEND", raising=False)
    return machine


def gpu(name: str) -> CupyBackend:
    backend = get_backend(name)
    assert isinstance(backend, CupyBackend)
    return backend


# Devices ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("machine")
def test_a_device_by_number() -> None:
    first, second = gpu("cupy:0"), gpu("cupy:1")
    assert (first.name, first.device_id) == ("cupy:0", 0)
    assert (second.name, second.device_id) == ("cupy:1", 1)
    assert repr(second) == "<accelnn backend 'cupy:1'>"
    assert get_backend("cupy:1") is second
    assert pickle.loads(pickle.dumps(second)) is second
    assert copy.copy(second).name == "cupy:1"
    assert gpu("cupy").name == "cupy"


def test_without_a_number_it_is_the_current_device_of_the_first_use(machine: Machine) -> None:
    machine.set_current(1)
    backend = gpu("cupy")
    machine.set_current(0)
    assert (backend.name, backend.device_id) == ("cupy", 1)
    assert gpu("cupy") is backend
    assert backend.zeros((2,), "float32").device_id == 1


@pytest.mark.usefixtures("machine")
def test_a_number_too_high_names_the_devices_there_are() -> None:
    with pytest.raises(BackendUnavailable) as caught:
        get_backend("cupy:2")
    assert caught.value.backend == "cupy:2"
    assert caught.value.reason == "there is no GPU of number 2"
    there = "'cupy:0' (NVIDIA Fake 0), 'cupy:1' (NVIDIA Fake 1)"
    assert caught.value.remedy == f"Take one of those there are: {there}"
    assert "cupy:2" not in backends._instances


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cupy:x", "unknown backend 'cupy:x': expected the number of a GPU behind the colon"),
        ("cupy:", "such as 'cupy:0'"),
        ("cupy:-1", "expected the number of a GPU"),
        ("cupy:01", "expected the number of a GPU"),  # or there would be two of one device
        ("cupy:²", "expected the number of a GPU"),
        ("numpy:1", "unknown backend 'numpy:1': expected 'numpy', which has no devices"),
        ("numba:0", "expected 'numba'"),
        ("cupi:0", "unknown backend 'cupi'.*did you mean 'cupy'"),
    ],
)
def test_names_that_mean_no_device(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        get_backend(name)


@pytest.mark.usefixtures("machine")
def test_a_registered_name_has_no_colon() -> None:
    with pytest.raises(ValueError, match="cannot hold a colon: 'mine:1'"):
        accelnn.register_backend("mine:1", NumpyBackend)

    class Mine(NumpyBackend):
        name: ClassVar[str] = "cupy"

    gpu("cupy:1")
    accelnn.register_backend("cupy", Mine)  # the devices go with the backend they belonged to
    with pytest.raises(ValueError, match="expected 'cupy', which has no devices"):
        get_backend("cupy:1")


@pytest.mark.usefixtures("machine")
def test_the_environment_may_name_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELNN_BACKEND", "cupy:1")
    assert resolve_backend() is get_backend("cupy:1")


@pytest.mark.usefixtures("machine")
def test_the_main_job_takes_a_device_by_number() -> None:
    chosen = mnist_job.choose(("cupy:1", "numpy"))
    assert [(status.name, status.usable) for status in chosen] == [
        ("cupy:1", True),
        ("numpy", True),
    ]


@pytest.mark.usefixtures("machine")
def test_the_list_names_cupy_once() -> None:
    found = [s for s in accelnn.list_backends() if s.name.startswith("cupy")]
    assert [(s.name, s.usable, s.device) for s in found] == [("cupy", True, "NVIDIA Fake 0")]


ARRAYS: dict[str, Callable[[CupyBackend], Any]] = {
    "asarray": lambda b: b.asarray([1.0, 2.0]),
    "of another device": lambda b: b.asarray(Array(np.ones(2), 1 - b.device_id)),
    "empty": lambda b: b.empty((2,), "float32"),
    "zeros": lambda b: b.zeros((2,), "float32"),
    "copy": lambda b: b.copy(Array(np.ones(2), b.device_id)),
}


@pytest.mark.parametrize("make_array", ARRAYS.values(), ids=ARRAYS)
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("current", [0, 1])
def test_arrays_are_made_on_the_backends_own_device(
    make_array: Callable[[CupyBackend], Any], number: int, current: int, machine: Machine
) -> None:
    backend = gpu(f"cupy:{number}")
    machine.set_current(current)
    array = make_array(backend)
    assert type(array) is backend.xp.ndarray
    assert array.device_id == number
    assert machine.current == current


def test_reading_and_waiting_happen_on_the_own_device(machine: Machine) -> None:
    backend = gpu("cupy:1")
    machine.calls.clear()
    np.testing.assert_array_equal(backend.to_numpy(backend.asarray([1.0, 2.0])), [1.0, 2.0])
    backend.synchronize()
    assert ("asnumpy", 1) in machine.calls
    assert ("synchronize", 1) in machine.calls
    assert machine.current == 0


def test_kernels_run_on_the_own_device(machine: Machine) -> None:
    backend = gpu("cupy:1")
    x = backend.zeros((3,), "float32")
    with _launch.use(_launch.CupyRunner()):
        machine.calls.clear()
        y = backend.relu(x)
    assert ("relu_float", 1) in machine.calls
    assert y.device_id == 1
    assert machine.current == 0


@pytest.mark.usefixtures("machine")
def test_kernels_of_the_plain_backend_are_called_directly() -> None:
    plain = kernels.load("on_cupy")
    assert {name: getattr(gpu("cupy"), name) for name in kernels.NAMES} == plain
    assert all(getattr(gpu("cupy:0"), name) is not plain[name] for name in kernels.NAMES)


def test_use_backend_makes_its_device_current(machine: Machine) -> None:
    with use_backend("cupy:1"):
        assert machine.current == 1
        with use_backend("cupy:0"):
            assert machine.current == 0
        with use_backend("numpy"):
            assert machine.current == 1
        assert resolve_backend() is get_backend("cupy:1")
    assert machine.current == 0
    with pytest.raises(KeyError), use_backend("cupy:1"):
        raise KeyError
    assert machine.current == 0


# Arrays of other libraries ------------------------------------------------------------------------


class Managed(ByDlpack):
    kind = 13  # kDLCUDAManaged


class Pinned(ByDlpack):
    kind = 3  # kDLCUDAHost: memory of the CPU


def test_the_place_of_an_array_chooses_the_device() -> None:
    x = np.ones(2)
    assert on_gpu(ByDlpack(x, 0)) == "cupy"
    assert on_gpu(ByDlpack(x, 1)) == "cupy:1"
    assert on_gpu(Managed(x, 1)) == "cupy:1"
    assert on_gpu(Pinned(x, 0)) is None
    assert on_gpu(ByCudaInterface(x, 0)) == "cupy"
    assert on_gpu(x) is None


@pytest.mark.usefixtures("machine")
def test_a_tensor_goes_where_its_array_is() -> None:
    assert resolve_backend("auto", np.ones(2), ByDlpack(np.ones(2), 1)) is get_backend("cupy:1")
    assert accelnn.Tensor(ByCudaInterface(np.ones(2), 0)).backend is get_backend("cupy")


@pytest.mark.parametrize("foreign", [ByDlpack, Managed, ByCudaInterface])
def test_an_array_on_the_device_is_not_copied(foreign: Any, machine: Machine) -> None:
    host = np.arange(3.0)
    backend = gpu("cupy:1")
    array = backend.asarray(foreign(host, 1))
    assert type(array) is backend.xp.ndarray
    assert array.host is host
    assert array.device_id == 1
    assert backend.asarray(array) is array
    assert ("new", 1) not in machine.calls


@pytest.mark.parametrize("foreign", [ByDlpack, Managed, ByCudaInterface])
def test_an_array_on_another_device_is_copied_here(foreign: Any, machine: Machine) -> None:
    array = gpu("cupy:1").asarray(foreign(np.arange(3.0), 0))
    assert array.device_id == 1
    np.testing.assert_array_equal(array.host, np.arange(3.0))
    assert ("new", 1) in machine.calls


def test_an_array_on_the_cpu_comes_through_numpy(machine: Machine) -> None:
    class OnCpu:  # and nothing but DLPack, so that NumPy could not read it otherwise
        def __dlpack__(self, **how: Any) -> Any:
            return np.arange(3.0).__dlpack__(**how)

        def __dlpack_device__(self) -> tuple[int, int]:
            return 1, 0

    array = gpu("cupy:1").asarray(OnCpu(), dtype="float32")
    assert (array.dtype, array.device_id) == (np.float32, 1)
    np.testing.assert_array_equal(array.host, [0, 1, 2])
    assert "from_dlpack" not in [name for name, _ in machine.calls]


# Memory -------------------------------------------------------------------------------------------


def test_out_of_memory_says_who_holds_it_and_what_helps(machine: Machine) -> None:
    backend = gpu("cupy:1")
    machine.taken = 4 * GIB
    kept = backend.empty((5 * GIB,), "uint8")
    dropped = backend.empty((GIB,), "uint8")
    del dropped
    with pytest.raises(DeviceMemoryError) as caught:
        backend.zeros((GIB, 2), "float32")
    error = caught.value
    assert isinstance(error, MemoryError)
    assert isinstance(error, AccelnnError)
    assert isinstance(error.__cause__, CupyBackend.xp.cuda.memory.OutOfMemoryError)
    assert (error.backend, error.wanted) == ("cupy:1", 8 * GIB)
    assert (error.free, error.total) == (6 * GIB, 16 * GIB)
    assert (error.used, error.held, error.limit) == (5 * GIB, 6 * GIB, 0)
    assert str(error) == (
        "backend 'cupy:1' is out of device memory: 8.0 GiB wanted, 6.0 GiB of 16.0 GiB free; "
        "arrays of this process use 5.0 GiB of the 6.0 GiB that its pool holds. Take a smaller "
        "batch, float32 instead of float64, drop arrays that are no longer needed, give unused "
        "blocks back by get_backend('cupy:1').free_memory()"
    )
    assert kept.size == 5 * GIB
    assert machine.current == 0


def test_out_of_memory_by_a_limit_names_it(machine: Machine) -> None:
    backend = gpu("cupy")
    backend.limit_memory(3 * GIB // 2)
    with pytest.raises(DeviceMemoryError) as caught:
        backend.empty((2 * GIB,), "uint8")
    assert caught.value.limit == 3 * GIB // 2
    assert "its pool holds, of 1.5 GiB it may hold. Take" in str(caught.value)
    assert str(caught.value).endswith("raise the limit by get_backend('cupy').limit_memory(...)")
    backend.limit_memory(None)
    assert backend.empty((2 * GIB,), "uint8").size == 2 * GIB


def test_the_memory_error_pickles() -> None:
    error = DeviceMemoryError("cupy", 0, 1, 2048, 3, 5 << 20, 7)
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is DeviceMemoryError
    assert vars(twin) == vars(error)
    assert str(twin) == str(error)
    assert "more wanted, 1 bytes of 2.0 KiB free; " in str(error)
    assert "use 3 bytes of the 5.0 MiB that its pool holds, of 7 bytes it may hold" in str(error)


@pytest.mark.parametrize("name", ["asarray", "of another device", "empty", "zeros", "copy"])
def test_every_way_to_an_array_raises_it(name: str, machine: Machine) -> None:
    backend = gpu("cupy")
    machine.taken = machine.memory
    with pytest.raises(DeviceMemoryError, match=r"wanted, 0 bytes of 16\.0 GiB free"):
        ARRAYS[name](backend)


def test_the_guard_is_for_others_too(machine: Machine) -> None:
    backend = gpu("cupy:1")
    with pytest.raises(DeviceMemoryError) as caught, backend.scope(), backend.memory_guard():
        backend.xp.empty((17 * GIB,), "uint8")
    assert (caught.value.backend, caught.value.wanted) == ("cupy:1", 17 * GIB)
    for other in (KeyError("a"), MemoryError("of the host")):
        with pytest.raises(type(other)) as kept, backend.memory_guard():
            raise other
        assert kept.value is other
    assert machine.current == 0


def test_unused_blocks_go_back(machine: Machine) -> None:
    for number in (0, 1):
        array = gpu(f"cupy:{number}").empty((GIB,), "uint8")
        del array
    assert machine.held == [GIB, GIB]
    gpu("cupy:1").free_memory()
    assert machine.held == [GIB, 0]
    assert ("free_all_blocks (pinned)", 1) in machine.calls


def test_what_fits_leaves_some_room(machine: Machine) -> None:
    backend = gpu("cupy:1")
    machine.taken = 6 * GIB
    spare = device_memory.SPARE
    assert backend.fits(10 * GIB - spare)
    assert not backend.fits(10 * GIB - spare + 1)
    kept = backend.empty((4 * GIB,), "uint8")
    assert backend.fits(6 * GIB - spare)
    assert not backend.fits(6 * GIB - spare + 1)
    backend.limit_memory(5 * GIB)
    assert backend.fits(GIB)
    assert not backend.fits(GIB + 1)
    assert kept.device_id == 1
    assert gpu("cupy:0").fits(6 * GIB)  # the limit is the other device's
    assert machine.current == 0


def test_unused_blocks_go_back_where_that_decides(machine: Machine) -> None:
    backend = gpu("cupy")
    array = backend.empty((4 * GIB,), "uint8")
    del array
    assert backend.fits(GIB)
    assert machine.held[0] == 4 * GIB
    assert backend.fits(15 * GIB)
    assert machine.held[0] == 0


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("n_bytes", [0, -1])
def test_a_limit_of_nothing_is_refused(n_bytes: int) -> None:
    with pytest.raises(ValueError, match="must be a positive number of bytes or None"):
        gpu("cupy").limit_memory(n_bytes)


def test_a_backend_without_a_device() -> None:
    backend = get_backend("numpy")
    backend.free_memory()
    assert backend.fits(1 << 60)
    with backend.scope(), backend.memory_guard():
        pass
    with pytest.raises(ValueError, match="'numpy' has no device memory that could be limited"):
        backend.limit_memory(GIB)
