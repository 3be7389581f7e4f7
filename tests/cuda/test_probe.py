"""Each way in which CuPy can be unusable, with fakes in its place."""

from collections.abc import Callable
from importlib import metadata
from types import SimpleNamespace
from typing import Any

import pytest

from accelnn.backends import cupy_probe, forking
from accelnn.backends.cupy_probe import Diagnosis, probe

CUDA12, CUDA13 = "pip install 'accelnn[cuda12]'", "pip install 'accelnn[cuda13]'"


class FakeCudaError(RuntimeError):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def raising(error: Exception) -> Callable[..., Any]:
    def call(*_: Any) -> Any:
        raise error

    return call


class Cuda:
    """``cupy.cuda`` of a machine where all is well; tests spoil one thing each."""

    def __init__(self) -> None:
        self.runtime = SimpleNamespace(
            driverGetVersion=lambda: 13000,
            runtimeGetVersion=lambda: 12090,
            getDeviceCount=lambda: 1,
            getDevice=lambda: 0,
            getDeviceProperties=lambda device: {"name": b"NVIDIA Fake %d" % device},
        )
        self.nvrtc = SimpleNamespace(getVersion=lambda: (12, 9))
        self.load_cublas: Callable[[], Any] = lambda: SimpleNamespace(getVersion=len)

    @property
    def cublas(self) -> Any:
        """CuPy imports it when it is first touched, and raises ImportError where it cannot."""
        return self.load_cublas()


class Machine:
    """Which CuPy distributions are installed, and what ``import cupy`` gives."""

    def __init__(self) -> None:
        self.distributions = ["numpy", "cupy-cuda12x"]
        self.cuda = Cuda()
        self.module: Any = SimpleNamespace(__version__="14.2.0", cuda=self.cuda)
        self.found = True
        self.watched: list[bool] = []  # whether forks are watched, as is due once CUDA was used


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()

    def version(name: str) -> str:
        if name in machine.distributions:
            return "14.2.0"
        raise metadata.PackageNotFoundError(name)

    def import_module(name: str) -> Any:
        assert name == "cupy"
        if isinstance(machine.module, Exception):
            raise machine.module
        return machine.module

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(cupy_probe, "find_spec", lambda name: name if machine.found else None)
    monkeypatch.setattr(cupy_probe, "import_module", import_module)
    monkeypatch.setattr(forking, "watch", lambda: machine.watched.append(True))
    return machine


def test_ok(machine: Machine) -> None:
    assert probe() == Diagnosis(
        True,
        version="14.2.0",
        wheel="cupy-cuda12x 14.2.0",
        driver="13.0",
        runtime="12.9",
        device="NVIDIA Fake 0",
        devices=("NVIDIA Fake 0",),
    )
    assert machine.watched


def test_several_gpus(machine: Machine) -> None:
    machine.cuda.runtime.getDeviceCount = lambda: 3
    machine.cuda.runtime.getDevice = lambda: 2
    diagnosis = probe()
    assert diagnosis.devices == ("NVIDIA Fake 0", "NVIDIA Fake 1", "NVIDIA Fake 2")
    assert diagnosis.device == "NVIDIA Fake 2"


def test_built_from_source_without_a_distribution(machine: Machine) -> None:
    machine.distributions = []
    diagnosis = probe()
    assert diagnosis.usable
    assert diagnosis.wheel == ""


def test_not_installed(machine: Machine) -> None:
    machine.found = False
    diagnosis = probe()
    assert not diagnosis.usable
    assert diagnosis.reason == "CuPy is not installed"
    assert CUDA12 in diagnosis.remedy
    assert CUDA13 in diagnosis.remedy
    assert diagnosis.version == diagnosis.wheel == diagnosis.device == ""


@pytest.mark.parametrize("second", ["cupy", "cupy-cuda11x", "cupy-cuda13x"])
def test_several_wheels(machine: Machine, second: str) -> None:
    machine.distributions.append(second)
    diagnosis = probe()
    assert not diagnosis.usable
    assert "several CuPy packages" in diagnosis.reason
    assert "cupy-cuda12x" in diagnosis.reason
    assert second in diagnosis.reason
    assert diagnosis.remedy.startswith("Run: pip uninstall -y ")
    assert diagnosis.remedy.endswith(f" && {CUDA12}")


@pytest.mark.parametrize(
    ("distributions", "remedy"),
    [
        (["cupy-cuda12x"], f"Run: pip uninstall -y cupy-cuda12x && {CUDA12}"),
        (["cupy-cuda13x"], f"Run: pip uninstall -y cupy-cuda13x && {CUDA13}"),
        ([], f"Run: pip uninstall -y cupy && {CUDA12}"),
    ],
)
@pytest.mark.parametrize("error", [ImportError("libfoo.so.1\nsecond line"), OSError()], ids=repr)
def test_import_fails(
    machine: Machine, distributions: list[str], remedy: str, error: Exception
) -> None:
    machine.distributions, machine.module = distributions, error
    diagnosis = probe()
    assert not diagnosis.usable
    said = "libfoo.so.1" if str(error) else "OSError"
    assert diagnosis.reason == f"CuPy is installed but cannot be imported: {said}"
    assert diagnosis.remedy == remedy


def test_no_driver(machine: Machine) -> None:
    machine.cuda.runtime.driverGetVersion = lambda: 0
    # As on a real machine: the count fails with the status of a driver that is too old.
    machine.cuda.runtime.getDeviceCount = raising(FakeCudaError(35, "insufficient"))
    diagnosis = probe()
    assert not diagnosis.usable
    assert diagnosis.reason == "there is no NVIDIA driver on this machine"
    assert (diagnosis.driver, diagnosis.runtime) == ("", "12.9")
    assert diagnosis.wheel == "cupy-cuda12x 14.2.0"
    assert not machine.watched
    assert "Install NVIDIA's driver" in diagnosis.remedy
    assert CUDA12 in diagnosis.remedy
    assert diagnosis.version == "14.2.0"


def test_driver_too_old(machine: Machine) -> None:
    machine.cuda.runtime.driverGetVersion = lambda: 11040
    machine.cuda.runtime.getDeviceCount = raising(FakeCudaError(35, "insufficient"))
    diagnosis = probe()
    assert not diagnosis.usable
    assert diagnosis.reason == (
        "the NVIDIA driver is too old: it supports CUDA 11.4, and CuPy is built for CUDA 12.9"
    )
    assert diagnosis.remedy.startswith("Update the driver; ")
    assert CUDA12 in diagnosis.remedy


def test_driver_too_old_for_cuda_13_but_not_for_12(machine: Machine) -> None:
    machine.distributions = ["cupy-cuda13x"]
    machine.cuda.runtime.driverGetVersion = lambda: 12080
    machine.cuda.runtime.runtimeGetVersion = lambda: 13020
    machine.cuda.runtime.getDeviceCount = raising(FakeCudaError(35, "insufficient"))
    diagnosis = probe()
    assert diagnosis.reason == (
        "the NVIDIA driver is too old: it supports CUDA 12.8, and CuPy is built for CUDA 13.2"
    )
    assert (diagnosis.driver, diagnosis.runtime) == ("12.8", "13.2")
    assert (
        diagnosis.remedy == f"Update the driver, or run: pip uninstall -y cupy-cuda13x && {CUDA12}"
    )


@pytest.mark.parametrize("count", [raising(FakeCudaError(100, "no device")), lambda: 0])
def test_no_device(machine: Machine, count: Callable[[], int]) -> None:
    machine.cuda.runtime.getDeviceCount = count
    diagnosis = probe()
    assert not diagnosis.usable
    assert diagnosis.reason == "the NVIDIA driver finds no GPU"
    assert diagnosis.devices == ()
    assert not machine.watched
    assert "CUDA_VISIBLE_DEVICES" in diagnosis.remedy
    assert CUDA12 in diagnosis.remedy


def test_forked_from_a_process_that_used_cuda_by_itself(machine: Machine) -> None:
    machine.cuda.runtime.getDeviceCount = raising(FakeCudaError(3, "initialization error"))
    diagnosis = probe()
    assert not diagnosis.usable
    assert diagnosis.reason == (
        "CUDA cannot be initialised, as if this process was forked from one that had used CUDA"
    )
    assert '"spawn" or "forkserver"' in diagnosis.remedy


def spoil_cublas(cuda: Cuda) -> None:
    cuda.load_cublas = raising(ImportError("libcublasLt.so.12"))


def spoil_nvrtc(cuda: Cuda) -> None:
    cuda.nvrtc.getVersion = raising(RuntimeError("libnvrtc.so.12"))


@pytest.mark.parametrize(
    ("spoil", "library", "missing"),
    [(spoil_cublas, "cuBLAS", "libcublasLt.so.12"), (spoil_nvrtc, "NVRTC", "libnvrtc.so.12")],
)
@pytest.mark.parametrize(("wheel", "pip"), [("cupy-cuda12x", CUDA12), ("cupy-cuda13x", CUDA13)])
def test_no_cuda_libraries(
    machine: Machine,
    spoil: Callable[[Cuda], None],
    library: str,
    missing: str,
    wheel: str,
    pip: str,
) -> None:
    machine.distributions = [wheel]
    spoil(machine.cuda)
    diagnosis = probe()
    assert not diagnosis.usable
    assert diagnosis.reason == f"the CUDA library {library} is missing: {missing}"
    assert diagnosis.remedy.startswith(f"Run: {pip} ")
    assert "it brings the CUDA libraries" in diagnosis.remedy
    assert diagnosis.version == "14.2.0"


@pytest.mark.parametrize(
    "function", ["driverGetVersion", "runtimeGetVersion", "getDeviceCount", "getDeviceProperties"]
)
@pytest.mark.parametrize("status", [35, 100, 999, None])
def test_any_other_error(machine: Machine, function: str, status: int | None) -> None:
    error = RuntimeError("strange") if status is None else FakeCudaError(status, "strange")
    setattr(machine.cuda.runtime, function, raising(error))
    diagnosis = probe()
    assert not diagnosis.usable
    assert "pip install 'accelnn[cuda12]'" in diagnosis.remedy
    if status in (999, None):
        assert diagnosis.reason == "CUDA answers with an error: strange"


def test_a_module_without_a_spec(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """``find_spec`` raises ValueError for those, which is no reason to."""
    monkeypatch.setattr(cupy_probe, "find_spec", raising(ValueError("cupy.__spec__ is None")))
    assert probe().usable


def test_here() -> None:
    """On this machine, whatever it is: an answer, not an exception."""
    diagnosis = probe()
    assert diagnosis.usable == (diagnosis.reason == "") == (diagnosis.remedy == "")
