"""A registry of this test's own: what it registers is gone afterwards."""

from typing import Any, ClassVar

import pytest

from accelnn import backends
from accelnn.backends import Backend, Status
from accelnn.backends.numpy_backend import NumpyBackend


class FakeGPU(NumpyBackend):
    """What a test takes for CuPy on a machine with a GPU."""

    name: ClassVar[str] = "cupy"

    @classmethod
    def status(cls) -> Status:
        return Status(cls.name, True, device="a GPU")


class GPUArray:
    """An array that lies on the CUDA device 0, as DLPack says it."""

    shape = (1,)

    def __dlpack__(self, **_: Any) -> Any:
        raise AssertionError("nobody needs the content to know where it lies")

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0  # kDLCUDA


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | type[Backend]]:
    """Return a copy of the registry that is in force for this test; no variable is set."""
    monkeypatch.delenv("ACCELNN_BACKEND", raising=False)
    mine = dict(backends._REGISTRY)
    monkeypatch.setattr(backends, "_REGISTRY", mine)
    monkeypatch.setattr(backends, "_instances", dict(backends._instances))
    return mine


@pytest.fixture
def fake_gpu() -> Backend:
    """Return a backend that goes for CuPy in this test."""
    backends.register_backend("cupy", FakeGPU)
    return backends.get_backend("cupy")
