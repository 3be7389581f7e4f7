"""The backends that programs run on: those of the machine, and CuPy's kernels on the CPU."""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest

from accelnn import kernels
from accelnn.backends import Backend, get_backend
from accelnn.backends.cupy_probe import probe
from accelnn.kernels.on_cupy import _launch
from tests.cuda.conftest import library as library
from tests.cuda.host_shim import HostRunner


class CudaOnHost(Backend):
    """CuPy's kernels as g++ compiles them, over NumPy arrays; cuBLAS's product is NumPy's."""

    name: ClassVar[str] = "cuda on host"
    folder: ClassVar[str] = "on_cupy"
    xp: Any = np

    def __init__(self) -> None:
        vars(self).update(kernels.load(self.folder))


@pytest.fixture(
    params=["numpy", "numba", "cuda on host", pytest.param("cupy", marks=pytest.mark.gpu)]
)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Each backend that runs programs."""
    if request.param == "cuda on host":
        with _launch.use(HostRunner(request.getfixturevalue("library"))):
            yield CudaOnHost()
        return
    if request.param == "cupy" and not (found := probe()).usable:
        pytest.skip(found.reason)
    yield get_backend(request.param)
