"""What cuBLAS is asked for, answered by a library of the same functions on the CPU."""

import ctypes
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from accelnn.kernels.on_cupy import cublas
from accelnn.kernels.on_cupy.cublas import WORKSPACE, Cublas, CublasError
from tests.tolerances import assert_close

STUB = Path(__file__).with_name("cublas_stub.cpp")


class Last(ctypes.Structure):
    """``stub_last``: what the product was asked for."""

    _fields_ = [
        ("stream", ctypes.c_void_p),
        ("workspace", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("compute", ctypes.c_int),
        ("algorithm", ctypes.c_int),
    ]


class Stub:
    """The library, and what it remembers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.library = ctypes.CDLL(str(path))
        self.create_status = ctypes.c_int.in_dll(self.library, "stub_create_status")
        self.handles = ctypes.c_int.in_dll(self.library, "stub_handles")
        self.calls = ctypes.c_int.in_dll(self.library, "stub_calls")
        self.last = Last.in_dll(self.library, "stub_last")


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Stub:
    if shutil.which("g++") is None:
        pytest.skip("g++ is missing: the stand-in for cuBLAS cannot be compiled")
    path = tmp_path_factory.mktemp("cublas") / "libcublas.so"
    command = ["g++", "-std=c++20", "-O1", "-Wall", "-Werror", "-shared", "-fPIC"]
    done = subprocess.run([*command, "-o", path, STUB], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Stub(path)


@pytest.fixture
def handle(stub: Stub) -> Iterator[Cublas]:
    handle = Cublas(stub.library)
    yield handle
    handle.close()


def product(handle: Cublas, a: Any, b: Any, out: Any, **flags: Any) -> None:
    """Run the product on NumPy arrays."""
    rows, inner = a.T.shape if flags.get("ta") else a.shape
    columns = b.shape[0 if flags.get("tb") else 1]
    at_a, at_b, at_out = (x.ctypes.data for x in (a, b, out))
    handle.product(at_a, at_b, at_out, rows, inner, columns, dtype=a.dtype.name, **flags)


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (3, 5, 7), (7, 5, 3), (1, 6, 2), (4, 1, 9), (33, 17, 65)]
)
@pytest.mark.parametrize("tb", [False, True])
@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_product(
    dtype: str, ta: bool, tb: bool, shape: tuple[int, int, int], handle: Cublas
) -> None:
    rows, inner, columns = shape
    rng = np.random.default_rng(0)
    a = rng.standard_normal((inner, rows) if ta else (rows, inner)).astype(dtype)
    b = rng.standard_normal((columns, inner) if tb else (inner, columns)).astype(dtype)
    # Not a number where the result goes, which must not be read, and around it, where nothing is.
    whole = np.full((rows + 2, columns), np.nan, dtype)
    product(handle, a, b, whole[1:-1], ta=ta, tb=tb)
    expected = (a.T if ta else a).astype("float64") @ (b.T if tb else b).astype("float64")
    assert_close(whole[1:-1], expected.astype(dtype), inner)
    assert np.isnan(whole[[0, -1]]).all()


@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 4, 0), (0, 4, 0)])
def test_a_result_without_elements_is_no_call(
    shape: tuple[int, int, int], handle: Cublas, stub: Stub
) -> None:
    before = stub.calls.value
    handle.product(0, 0, 0, *shape)
    assert stub.calls.value == before


@pytest.mark.parametrize("shape", [(3, 0, 4), (0, 0, 4)])
def test_an_inner_size_of_0_is_refused(
    shape: tuple[int, int, int], handle: Cublas, stub: Stub
) -> None:
    before = stub.calls.value
    with pytest.raises(ValueError, match="inner size of 0 is zeros"):
        handle.product(0, 0, 0, *shape)
    assert stub.calls.value == before


@pytest.mark.parametrize(
    ("dtype", "precision", "compute"),
    [
        ("float32", None, 68),  # CUBLAS_COMPUTE_32F
        ("float32", "float32", 68),
        ("float32", "tf32", 77),  # CUBLAS_COMPUTE_32F_FAST_TF32
        ("float32", "bf16", 75),  # CUBLAS_COMPUTE_32F_FAST_16BF
        ("float64", None, 70),  # CUBLAS_COMPUTE_64F
        ("float64", "float64", 70),
    ],
)
def test_precision(
    dtype: str, precision: str | None, compute: int, handle: Cublas, stub: Stub
) -> None:
    a = np.full((2, 2), 3, dtype)
    out = np.zeros_like(a)
    product(handle, a, a, out, precision=precision)
    np.testing.assert_array_equal(out, 18)
    assert (stub.last.compute, stub.last.algorithm) == (compute, -1)  # CUBLAS_GEMM_DEFAULT


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_float64_is_never_multiplied_in_less(precision: str, handle: Cublas) -> None:
    with pytest.raises(KeyError):
        handle.product(0, 0, 0, 1, 1, 1, dtype="float64", precision=precision)


def test_stream_and_workspace(handle: Cublas, stub: Stub) -> None:
    a = np.ones((1, 1), np.float32)
    for stream in (2**40 + 8, 2**33 + 16):  # addresses that half their bits do not hold
        handle.stream(stream, 3 * stream // 256 * 256, WORKSPACE)
        product(handle, a, a, np.empty_like(a))
        assert stub.last.stream == stream
        assert stub.last.workspace == 3 * stream // 256 * 256
        assert stub.last.size == 32 * 1024 * 1024
    handle.stream(0, 256, 2**32)  # the default stream
    product(handle, a, a, np.empty_like(a))
    assert (stub.last.stream, stub.last.workspace, stub.last.size) == (None, 256, 2**32)


def test_an_error_names_the_function_and_the_status(handle: Cublas) -> None:
    with pytest.raises(CublasError) as info:
        handle.stream(0, 128, WORKSPACE)
    assert str(info.value) == "cublasSetWorkspace_v2: CUBLAS_STATUS_INVALID_VALUE"


def test_no_device(stub: Stub) -> None:
    stub.create_status.value = 1
    try:
        with pytest.raises(CublasError, match=r"^cublasCreate_v2: CUBLAS_STATUS_NOT_INITIALIZED$"):
            Cublas(stub.library)
    finally:
        stub.create_status.value = 0


def test_close(stub: Stub) -> None:
    assert stub.handles.value == 0
    first, second = Cublas(stub.library), Cublas(stub.library)
    assert stub.handles.value == 2
    first.close()
    first.close()
    assert stub.handles.value == 1
    with pytest.raises(CublasError, match="cublasGemmEx: CUBLAS_STATUS_NOT_INITIALIZED"):
        first.product(0, 0, 0, 1, 1, 1)
    second.close()
    assert stub.handles.value == 0


class NotFoundError(RuntimeError):
    """``cuda.pathfinder.DynamicLibNotFoundError``."""


def pathfinder(answer: str | None) -> Any:
    """Return ``cuda.pathfinder`` of a machine where the library is at ``answer``, or is not."""

    def load_nvidia_dynamic_lib(name: str) -> Any:
        assert name == "cublas"
        if answer is None:
            raise NotFoundError
        return SimpleNamespace(abs_path=answer)

    return lambda name: SimpleNamespace(
        load_nvidia_dynamic_lib=load_nvidia_dynamic_lib, DynamicLibNotFoundError=NotFoundError
    )


def no_pathfinder(name: str) -> Any:
    assert name == "cuda.pathfinder"
    raise ModuleNotFoundError(name)


def test_the_library_that_cupy_uses(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cublas, "import_module", pathfinder(str(stub.path)))
    handle = Cublas()
    assert stub.handles.value == 1  # the same file is loaded once in a process
    handle.close()


@pytest.mark.parametrize("finder", [no_pathfinder, pathfinder(None)], ids=["none", "not-found"])
@pytest.mark.parametrize("found", ["libcublas.so", "libcublas.so.13", "libcublas.so.12"])
def test_the_library_of_the_system(
    found: str, finder: Any, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(name: str) -> Any:
        if name != found:
            raise OSError(name)
        return stub.library

    monkeypatch.setattr(cublas, "import_module", finder)
    monkeypatch.setattr(cublas, "find_library", lambda name: f"lib{name}.so")
    monkeypatch.setattr(ctypes, "CDLL", load)
    handle = Cublas()
    assert stub.handles.value == 1
    handle.close()


@pytest.mark.parametrize("finder", [no_pathfinder, pathfinder(None)], ids=["none", "not-found"])
def test_no_library(finder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> Any:
        assert name is not None  # which would be this process
        raise OSError(name)

    monkeypatch.setattr(cublas, "import_module", finder)
    monkeypatch.setattr(cublas, "find_library", lambda name: None)
    monkeypatch.setattr(ctypes, "CDLL", load)
    with pytest.raises(CublasError, match=r"cannot be loaded.*pip install 'accelnn\[cuda12\]'"):
        Cublas()


def test_an_import_loads_nothing() -> None:
    code = """
import accelnn.kernels.on_cupy.cublas, sys
print([name for name in ("cupy", "cuda") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
