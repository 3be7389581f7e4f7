"""Stands for the GPU in ``gpu_check``: CuPy's kernels on the CPU, and the CPU's clock.

It is pickled into the processes that the check starts, and sets up each of them.
"""

import ctypes
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from accelnn.backends import Backend
from accelnn.bench.gpu_device import micro_source, software
from accelnn.kernels.on_cupy import _launch
from tests.cuda.conftest import library as library
from tests.cuda.host_device import OnHost
from tests.cuda.host_shim import HostRunner, build
from tests.program.conftest import CudaOnHost

#: A network, data and a batch that the CPU is done with in seconds.
WIDTHS, ROWS, BATCH = (784, 8, 6, 10), 48, 16


@dataclass
class Rehearsal:
    """A ``Device``; ``kernels`` and ``micro`` are compiled libraries."""

    kernels: str
    micro: str
    kind: str = "cpu"
    name: str = "numpy"
    widths: tuple[int, ...] = WIDTHS
    rows: int = ROWS
    repeats: int = 20

    def facts(self) -> dict[str, Any]:
        known = {"device": "none: a rehearsal", "compute capability": "0", "driver": "0"}
        return {**known, "wheel": "none", "runtime": "0", **software()}

    def backend(self, way: str) -> Backend:
        if not isinstance(_launch._runner, HostRunner):  # in a new process
            _launch._runner = HostRunner(ctypes.CDLL(self.kernels))
        if way == "eager":
            return CudaOnHost().intercept(lambda _name, kernel: kernel)
        return CudaOnHost(way)

    def seconds(self, call: Callable[[], Any], times: int) -> float:
        start = time.perf_counter()
        for _ in range(times):
            call()
        return (time.perf_counter() - start) / times

    def synchronize(self) -> None:
        pass

    def multiprocessors(self) -> int:
        return 2

    def micro_kernel(self, name: str, together: bool) -> tuple[Any, int]:
        runner, main = HostRunner(ctypes.CDLL(self.micro)), _launch.runner()
        assert isinstance(main, HostRunner)
        runner.do = main.do  # type: ignore[method-assign] # so that it is captured with the others
        return runner.function("gpu_floor", "", name, together), 16

    def on_host(self, array: Any) -> Any:
        return array.view(OnHost)


def micro_library(folder: Path) -> str:
    """Compile the micro-kernels for the CPU."""
    return str(build({"gpu_floor": micro_source()}, folder))


@pytest.fixture(scope="session")
def device(library: ctypes.CDLL, tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    return Rehearsal(library._name, micro_library(tmp_path_factory.mktemp("micro")))


@pytest.fixture
def here(device: Rehearsal, library: ctypes.CDLL) -> Iterator[Rehearsal]:
    """The rehearsal in this process."""
    with _launch.use(HostRunner(library)):
        yield device
