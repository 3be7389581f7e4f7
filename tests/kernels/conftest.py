"""The folders of kernels that the tests of this folder run over."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from accelnn.kernels import load


@dataclass(frozen=True)
class Folder:
    """One folder of kernels, and the library whose arrays they take."""

    name: str
    kernels: dict[str, Any]
    xp: Any

    def __getitem__(self, kernel: str) -> Any:
        return self.kernels[kernel]


@cache
def _why_no_gpu() -> str:
    """Return what stands in the way of the kernels on_cupy, empty if nothing does."""
    try:
        import cupy

        cupy.cuda.runtime.getDeviceCount()
    except ImportError as error:
        return f"cupy cannot be imported: {error}"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"no CUDA device: {error}"
    return ""


def _open(name: str) -> Folder:
    if name != "on_cupy":
        return Folder(name, load(name), np)
    if reason := _why_no_gpu():
        pytest.skip(reason)
    import cupy

    return Folder(name, load(name), cupy)


@pytest.fixture(params=["on_numpy", "on_numba", pytest.param("on_cupy", marks=pytest.mark.gpu)])
def folder(request: Any) -> Folder:
    """Return each folder that writes into ``out``; the CuPy one only where there is a GPU."""
    return _open(request.param)


@pytest.fixture(params=["reference", "on_numpy", "on_numba"])
def cpu_folder(request: Any) -> Folder:
    """Return each folder that works on NumPy arrays, the reference included."""
    return _open(request.param)
