"""The backends that programs run on: those of the machine, and CuPy's kernels on the CPU."""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest

from accelnn import kernels
from accelnn.backends import Backend, get_backend
from accelnn.backends.cupy_backend import CupyBackend
from accelnn.backends.cupy_probe import probe
from accelnn.backends.plan import Plan
from accelnn.kernels.on_cupy import _launch, program
from tests.cuda.conftest import library as library
from tests.cuda.host_shim import HostRunner


class CudaOnHost(Backend):
    """CuPy's kernels as g++ compiles them, over NumPy arrays; cuBLAS's product is NumPy's."""

    name: ClassVar[str] = "cuda on host"
    folder: ClassVar[str] = "on_cupy"
    reads_bytes: ClassVar[bool] = CupyBackend.reads_bytes
    precisions: ClassVar[tuple[str, ...]] = CupyBackend.precisions
    deltas_alive: ClassVar[int] = CupyBackend.deltas_alive
    xp: Any = np
    way = "auto"

    def __init__(self, way: str = "auto") -> None:
        vars(self).update(kernels.load(self.folder), way=way)

    def run_steps(self, plan: Plan, first: int, last: int, scalars: Any) -> None:
        """As CupyBackend does."""
        program.run_steps(plan, first, last, scalars, self.way)

    def run_forward(self, plan: Plan, X: Any, out: Any) -> None:
        """As CupyBackend does."""
        program.run_forward(plan, X, out)

    def release(self, plan: Plan) -> None:
        """As CupyBackend does."""
        program.release(plan)


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
