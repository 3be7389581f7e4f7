"""The CUDA kernels, compiled once per test session for the CPU."""

import ctypes
import shutil
from collections.abc import Iterator

import pytest

from accelnn.kernels.on_cupy import _launch, program
from tests.cuda.host_shim import HostRunner, compile_modules


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if shutil.which("g++") is None:
        pytest.skip("g++ is missing: the CUDA kernels cannot be run on the CPU")
    modules = {
        f"{f}_{t}": _launch.source(f, t) for f, types in _launch.TYPES.items() for t in types
    }
    return compile_modules(modules, tmp_path_factory.mktemp("host_shim"))


@pytest.fixture
def runner(library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostRunner]:
    monkeypatch.setattr(program, "UNROLLED", 3)  # so that a range has a graph and a step left over
    found = HostRunner(library)
    with _launch.use(found):
        yield found
