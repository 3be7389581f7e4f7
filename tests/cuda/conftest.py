"""The CUDA kernels, compiled once per test session for the CPU."""

import ctypes
import shutil

import pytest

from accelnn.kernels.on_cupy import _launch
from tests.cuda.host_shim import compile_modules


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if shutil.which("g++") is None:
        pytest.skip("g++ is missing: the CUDA kernels cannot be run on the CPU")
    modules = {
        f"{f}_{t}": _launch.source(f, t) for f, types in _launch.TYPES.items() for t in types
    }
    return compile_modules(modules, tmp_path_factory.mktemp("host_shim"))
