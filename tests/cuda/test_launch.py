"""The launcher: what it reads in the CUDA sources, and how it passes arguments."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from accelnn import kernels
from accelnn.kernels.on_cupy import _launch
from tests.cuda.host_device import HostDevice

#: Those that launch nothing of ours.
WITHOUT_CUDA = {"matmul", "identity", "identity_backward"}
MODULES = [(file, real) for file, types in _launch.TYPES.items() for real in types]
ON_CUPY = kernels.load("on_cupy")


class Recorder(HostDevice):
    """A runner that writes down what it is asked to run."""

    def __init__(self) -> None:
        super().__init__()
        self.launched: list[tuple[str, int, int, list[Any]]] = []

    def function(
        self, file: str, real: str, name: str, together: bool = False
    ) -> Callable[[int, int, list[Any]], None]:
        return lambda blocks, threads, arguments: self.launched.append(
            (f"{file}.cu {real} {name}", blocks, threads, arguments)
        )


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    with _launch.use(recorder):
        yield recorder


def test_every_kernel_has_its_cuda_source() -> None:
    declared = {
        (file, name.removesuffix("_float"))
        for file in _launch.TYPES
        for name in _launch.signatures(_launch.source(file, "float"))
        if file != "program"
    }
    wanted = {
        (file, name)
        for file, names in kernels.KERNELS.items()
        for name in names
        if name not in WITHOUT_CUDA
    }
    assert declared == wanted


@pytest.mark.parametrize(("file", "real"), MODULES)
def test_a_source_stands_alone(file: str, real: str) -> None:
    source = _launch.source(file, real)
    assert "REAL" not in source
    assert "#include" not in source.replace("No #include", "")
    # The barrier counts arrivals; nothing is added up in an order of its own.
    assert set(re.findall(r"\batomic\w+\(\w+", source)) <= {"atomicAdd(arrived"}
    assert all(name.endswith(f"_{real}") for name in _launch.signatures(source))


def test_signature() -> None:
    found = _launch.signatures(
        'extern "C" __global__ void f_float(\n    const float* z, int64 n,\n    float slope,'
        " uint8* out, uint32 a, uint64 b, int32 c, double d) {}\n"
        'extern "C" __global__ void g(double* x) {}'
    )
    assert {name: [tuple(p)[:3] for p in parameters] for name, parameters in found.items()} == {
        "f_float": [
            (np.float32, True, "z"),
            (np.int64, False, "n"),
            (np.float32, False, "slope"),
            (np.uint8, True, "out"),
            (np.uint32, False, "a"),
            (np.uint64, False, "b"),
            (np.int32, False, "c"),
            (np.float64, False, "d"),
        ],
        "g": [(np.float64, True, "x")],
    }


@pytest.mark.parametrize(
    "declaration", ["long long n", "float", "float&x", "const float z[]", "size_t n", "float** z"]
)
def test_a_parameter_that_cannot_be_read(declaration: str) -> None:
    with pytest.raises(ValueError, match="cannot read the kernel parameter"):
        _launch.signatures(f'extern "C" __global__ void f({declaration}) {{}}')


def test_a_kernel_that_is_declared_otherwise() -> None:
    with pytest.raises(ValueError, match="must be declared as"):
        _launch.signatures('__global__ void f(float x) {} extern "C" __global__ void g(float x) {}')


def test_widths_of_c_types() -> None:
    """The typedefs of _common.cu are what SCALARS takes them for."""
    common = _launch.source("rows", "float")
    width = {"char": 1, "int": 4, "long long": 8}
    for name, dtype in _launch.SCALARS.items():
        if name in ("float", "double"):
            continue
        [line] = [s for s in common.splitlines() if s.startswith("typedef") and f" {name};" in s]
        c_type = line.removeprefix("typedef ").removesuffix(f" {name};")
        assert c_type.startswith("unsigned ") == (np.dtype(dtype).kind == "u")
        assert width[c_type.removeprefix("unsigned ")] == np.dtype(dtype).itemsize


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scalars_have_the_declared_width(recorder: Recorder, dtype: Any) -> None:
    real = "float" if dtype == np.float32 else "double"
    p, g, v = np.zeros((3, 7, 100), dtype)
    scalars = {"mu": 0.9, "a": 1, "b": np.float64(0.1), "decay": 0}
    ON_CUPY["momentum"](p, g, v, nesterov=True, **scalars, out=(p, v))
    [(name, blocks, threads, arguments)] = recorder.launched
    assert name == f"updates.cu {real} momentum_{real}"
    assert (blocks, threads) == (3, 256)
    assert arguments[0] is p
    assert arguments[2] is v
    assert [type(a) for a in arguments[3:]] == [*[dtype] * 3, np.int32, dtype, np.int64]
    assert arguments[3:] == [dtype(0.9), 1, dtype(0.1), 1, 0, 700]


def test_dropout_words(recorder: Recorder) -> None:
    x = np.zeros(4097, np.float32)
    ON_CUPY["dropout"](x, p=0.25, seed=2**63 + 1, call=2**64 - 1)
    [(_, blocks, threads, arguments)] = recorder.launched
    assert blocks * threads >= 4097 / 4 > (blocks - 1) * threads
    assert [type(a) for a in arguments[2:]] == [
        np.float32,
        np.uint32,
        np.uint64,
        np.uint64,
        np.int64,
    ]
    assert arguments[2:] == [np.float32(4 / 3), 2**30, 2**63 + 1, 2**64 - 1, 4097]


def test_an_array_of_another_dtype(recorder: Recorder) -> None:
    z, labels = np.zeros((2, 3), np.float32), np.zeros(2, np.int32)
    with pytest.raises(TypeError, match="t must be an array of int64, not int32"):
        ON_CUPY["cross_entropy"](z, labels)
    with pytest.raises(TypeError, match="out must be an array of float32, not float64"):
        ON_CUPY["relu"](z, out=np.zeros((2, 3)))
    assert recorder.launched == []


@pytest.mark.parametrize("dtype", [np.int64, np.float16, np.complex64])
def test_no_kernel_for_a_dtype(recorder: Recorder, dtype: Any) -> None:
    with pytest.raises(TypeError, match=f"no CUDA kernel relu for arrays of {dtype.__name__}"):
        ON_CUPY["relu"](np.zeros(3, dtype))


def test_wrong_number_of_arguments(recorder: Recorder) -> None:
    """Rather than a kernel that reads past its arguments."""
    with pytest.raises(ValueError, match="zip"):
        _launch.each("relu", np.zeros(3), np.zeros(3), np.zeros(3), 3)


def test_an_empty_grid_is_not_launched(recorder: Recorder) -> None:
    """CUDA would answer with an error."""
    assert ON_CUPY["relu"](np.zeros((0, 3), np.float32)).shape == (0, 3)
    assert ON_CUPY["softmax"](np.zeros((0, 3), np.float32)).shape == (0, 3)
    assert ON_CUPY["sum_rows"](np.zeros((3, 0), np.float32)).shape == (0,)
    assert recorder.launched == []


@pytest.mark.parametrize(
    ("m", "threads"), [(1, 32), (10, 32), (127, 32), (128, 64), (1000, 256), (10**6, 256)]
)
def test_threads_of_a_row(recorder: Recorder, m: int, threads: int) -> None:
    ON_CUPY["softmax"](np.zeros((2, m), np.float32))
    assert [launch[1:3] for launch in recorder.launched] == [(2, threads)]


def test_strided_arguments_are_copied(recorder: Recorder) -> None:
    z = np.arange(24, dtype=np.float32).reshape(4, 6)
    ON_CUPY["relu"](z.T)
    passed = recorder.launched[0][3][0]
    assert passed.flags.c_contiguous
    np.testing.assert_array_equal(passed, z.T)


def test_cupy_compiles_a_module_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, launched = [], []

    class RawModule:
        def __init__(self, code: str, options: tuple[str, ...]) -> None:
            compiled.append((code, options))

        def get_function(self, name: str) -> Callable[..., None]:
            return lambda grid, block, arguments: launched.append((name, grid, block, arguments))

    fake = SimpleNamespace(RawModule=RawModule, ascontiguousarray=np.asarray, empty=np.empty)
    monkeypatch.setitem(sys.modules, "cupy", fake)
    z = np.zeros(300, np.float32)
    with _launch.use(_launch.CupyRunner()):
        assert compiled == []
        for name in ("relu", "sigmoid", "relu"):
            ON_CUPY[name](z)
        ON_CUPY["sgd"](z, z, lr=1.0, decay=0.0, out=z)
    sources = [_launch.source(file, "float") for file in ("activations", "updates")]
    assert compiled == [(code, ("--std=c++17",)) for code in sources]
    assert [name for name, *_ in launched] == [
        "relu_float",
        "sigmoid_float",
        "relu_float",
        "sgd_float",
    ]
    name, grid, block, arguments = launched[0]
    assert (grid, block) == ((2,), (256,))
    assert isinstance(arguments, tuple)


def test_without_cupy() -> None:
    """The kernels import without CuPy, and say so when the first one is called."""
    program = """
import sys
sys.modules["cupy"] = None  # as if it were not installed
from accelnn import kernels
relu = kernels.load("on_cupy")["relu"]
import numpy as np
try:
    relu(np.zeros(3))
except ModuleNotFoundError as error:
    print(error.name)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "cupy\n"


def test_nothing_is_imported_before_the_first_kernel() -> None:
    program = (
        "import sys; from accelnn import kernels; kernels.load('on_cupy'); "
        "import accelnn.backends.cupy_probe; "
        "print([m for m in ('cupy', 'numba', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
