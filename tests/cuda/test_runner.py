"""What the runner asks of CuPy, and in which order, on a CuPy that writes down what it is asked.

That CuPy cannot make arrays, so whatever allocates one fails.
"""

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from accelnn.kernels.on_cupy import _launch, _runner, program
from accelnn.kernels.on_cupy._runner import CupyRunner
from accelnn.kernels.on_cupy._source import source
from accelnn.kernels.on_cupy.cublas import WORKSPACE, Cublas
from tests.cuda.host_shim import HostRunner
from tests.cuda.networks import bytes_like_images, prepare, train
from tests.cuda.saying_cupy import Array, Cupy, Stream
from tests.cuda.test_cublas import Stub
from tests.cuda.test_cublas import stub as stub
from tests.program.conftest import CudaOnHost


@pytest.fixture
def cupy() -> Cupy:
    return Cupy()


@pytest.fixture
def runner(cupy: Cupy, monkeypatch: pytest.MonkeyPatch) -> CupyRunner:
    monkeypatch.setattr(_runner, "import_module", {"cupy": cupy}.__getitem__)
    return CupyRunner()


@pytest.fixture
def inner(cupy: Cupy) -> Stream:
    return Stream(cupy, "inner", 2**40 + 16)


# Kernels ------------------------------------------------------------------------------------------


def test_a_module_is_made_once(runner: CupyRunner, cupy: Cupy) -> None:
    asked = [
        ("rows", "float", "sum_rows_float"),
        ("rows", "double", "sum_rows_double"),
        ("updates", "float", "sgd_float"),
        ("rows", "float", "add_bias_float"),
        ("rows", "float", "sum_rows_float"),
    ]
    for file, real, name in asked:
        runner.function(file, real, name)
    pairs = [asked[0][:2], asked[1][:2], asked[2][:2]]
    how = [{"code": source(*pair), "options": ("--std=c++17",)} for pair in pairs]
    assert cupy.modules == how


def test_only_blocks_that_wait_for_each_other_are_launched_together(
    runner: CupyRunner, cupy: Cupy
) -> None:
    for together in (False, True, False, True):
        runner.function("program", "float", "steps_float", together)
    plain = {"code": source("program", "float"), "options": ("--std=c++17",)}
    assert cupy.modules == [plain, {**plain, "enable_cooperative_groups": True}]


def test_a_launch(runner: CupyRunner, cupy: Cupy) -> None:
    arguments = [np.int64(3), "an array", np.float32(0.5)]
    runner.function("rows", "float", "sum_rows_float")(7, 64, arguments)
    assert cupy.launched == [("sum_rows_float", (7,), (64,), tuple(arguments))]


def test_as_many_blocks_as_there_is_room_for(runner: CupyRunner, cupy: Cupy) -> None:
    cupy.device = 3
    assert runner.most_together("program", "float", "steps_float", 256) == 132 * 5
    assert cupy.occupancies == [(2**41 + 1, 256, 0)]
    runner.function("program", "float", "steps_float", together=True)
    assert len(cupy.modules) == 1  # the room was asked of the very kernel that is launched


def test_no_blocks_together_without_cooperative_launches(runner: CupyRunner, cupy: Cupy) -> None:
    cupy.cooperative = 0
    assert runner.most_together("program", "float", "steps_float", 256) == 0
    assert cupy.modules == []


# Arrays and streams -------------------------------------------------------------------------------


def test_arrays(runner: CupyRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    host = np.zeros((2, 3))
    there = Array(host, ptr=2**40)
    assert runner.on_device(there)
    assert not runner.on_device(host)
    assert runner.address(there) == 2**40
    cupyx = SimpleNamespace(empty_pinned=lambda shape, dtype: ("pinned", shape, dtype))
    monkeypatch.setattr(_runner, "import_module", {"cupyx": cupyx}.__getitem__)
    assert runner.pinned((2, 3), "uint8") == ("pinned", (2, 3), "uint8")


def test_an_upload_is_in_the_current_streams_order(
    runner: CupyRunner, cupy: Cupy, inner: Stream
) -> None:
    host = np.zeros(3)
    there = Array(host)
    runner.upload(there, host)
    with inner:
        runner.upload(there, host)
    assert [(h is host, s) for h, s in there.sets] == [(True, cupy.outer), (True, inner)]


def test_the_memory_of_a_stream_is_given_back(
    runner: CupyRunner, cupy: Cupy, inner: Stream
) -> None:
    runner.free(inner)
    assert cupy.said == ["inner: free"]


def test_streams_and_events(runner: CupyRunner, cupy: Cupy, inner: Stream) -> None:
    assert runner.stream().non_blocking is True
    event = runner.event(inner)
    assert (event.of, event.how) == ("inner", (True, True))  # the CPU sleeps; no time is taken
    assert cupy.said == ["inner: record"]


IN_ORDER = ["outer: record", "inner: wait for outer", "inner: enter"]
AND_OUT = ["inner: exit", "inner: record", "outer: wait for inner"]


def test_the_streams_wait_for_each_other(runner: CupyRunner, cupy: Cupy, inner: Stream) -> None:
    with runner.in_order(inner):
        assert cupy.streams()[-1] is inner
        cupy.said.append("work")
    assert cupy.said == [*IN_ORDER, "work", *AND_OUT]
    assert cupy.streams() == [cupy.outer]


def test_the_streams_wait_after_an_error_as_well(
    runner: CupyRunner, cupy: Cupy, inner: Stream
) -> None:
    with pytest.raises(KeyError, match="mine"), runner.in_order(inner):
        raise KeyError("mine")
    assert cupy.said == [*IN_ORDER, *AND_OUT]
    assert cupy.streams() == [cupy.outer]


# Graphs -------------------------------------------------------------------------------------------

CAPTURE = ["inner: enter", "inner: begin capture", "work", "inner: end capture", "inner: exit"]


def test_a_capture(runner: CupyRunner, cupy: Cupy, inner: Stream) -> None:
    launch = runner.capture(inner, lambda: cupy.said.append("work"))
    assert cupy.said == [*CAPTURE, "inner: upload"]
    cupy.said.clear()
    launch()
    launch()
    assert cupy.said == ["inner: launch"] * 2


@pytest.mark.parametrize("error", [KeyError("mine"), KeyboardInterrupt()])
@pytest.mark.parametrize("broken", [False, True])
def test_a_capture_that_fails_ends_and_says_why(
    broken: bool, error: BaseException, runner: CupyRunner, cupy: Cupy, inner: Stream
) -> None:
    inner.broken = broken

    def work() -> None:
        cupy.said.append("work")
        raise error

    with pytest.raises(type(error)) as caught:
        runner.capture(inner, work)
    assert caught.value is error
    assert cupy.said == CAPTURE
    assert cupy.streams() == [cupy.outer]


def test_a_capture_that_cuda_refuses(runner: CupyRunner, cupy: Cupy, inner: Stream) -> None:
    inner.broken = True
    with pytest.raises(RuntimeError, match="cudaErrorStreamCaptureInvalidated"):
        runner.capture(inner, lambda: cupy.said.append("work"))
    assert cupy.said == CAPTURE


@pytest.mark.parametrize("library_from", [0, 2**28], ids=["library", "tiles"])
def test_a_captured_step_allocates_nothing(
    library_from: int, library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it would allocate could be freed before the graph is launched."""
    host = HostRunner(library)

    class NumPy:
        def __getattr__(self, name: str) -> Any:
            assert host.recording is None, f"{name} is called while a graph is captured"
            return getattr(np, name)

    host.xp = NumPy()  # type: ignore[assignment]
    monkeypatch.setattr(program, "LIBRARY_FROM", library_from)
    monkeypatch.setattr(program, "UNROLLED", 3)
    with _launch.use(host):
        made, loss = prepare(CudaOnHost("graph"))
        train(made, loss, bytes_like_images(250), 1 / 255, epochs=1)
    assert (host.captured, host.replayed) == (1, 1)


# Products -----------------------------------------------------------------------------------------


def room() -> tuple[Any, Array]:
    """Return memory, and an array of the size that cuBLAS wants where it wants it."""
    memory = np.empty(WORKSPACE + 256, np.uint8)
    start = -memory.ctypes.data % 256
    return memory, Array(memory[start : start + WORKSPACE])


@pytest.mark.parametrize(
    ("dtype", "precision", "compute"),
    [
        ("float32", "float32", 68),  # CUBLAS_COMPUTE_32F
        ("float64", "float32", 70),  # CUBLAS_COMPUTE_64F: "float32" is the dtype of the arrays
        ("float32", "tf32", 77),
        ("float32", "bf16", 75),
    ],
)
@pytest.mark.parametrize("tb", [False, True])
@pytest.mark.parametrize("ta", [False, True])
def test_a_product(
    ta: bool,
    tb: bool,
    dtype: str,
    precision: str,
    compute: int,
    runner: CupyRunner,
    inner: Stream,
    stub: Stub,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handles = [Cublas(stub.library)]
    monkeypatch.setattr(_runner, "Cublas", handles.pop)
    rng = np.random.default_rng(0)
    a, b = rng.integers(-9, 9, (3, 5)).astype(dtype), rng.integers(-9, 9, (5, 7)).astype(dtype)
    stored_a, stored_b = (np.ascontiguousarray(x.T) if t else x for x, t in ((a, ta), (b, tb)))
    out, (_memory, space) = np.full((3, 7), np.nan, dtype), room()
    how: dict[str, Any] = {"ta": ta, "tb": tb, "precision": precision, "room": space}
    with inner:
        runner.product(Array(stored_a), Array(stored_b), Array(out), **how)
    np.testing.assert_array_equal(out, a @ b)
    last = stub.last
    assert (last.stream, last.compute) == (inner.ptr, compute)
    assert (last.workspace, last.size) == (space.data.ptr, WORKSPACE)
    runner._cublas[0].close()


def multiply(runner: CupyRunner) -> None:
    x = Array(np.ones((2, 2), np.float32))
    runner.product(x, x, x, ta=False, tb=False, precision="float32", room=x)


def test_a_handle_for_each_device(
    runner: CupyRunner, cupy: Cupy, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, used = [], []

    class Handle:
        def __init__(self) -> None:
            made.append(cupy.device)  # cuBLAS takes the current one
            self.device = cupy.device

        def stream(self, *_: int) -> None:
            pass

        def product(self, *_: int, **how: Any) -> None:
            used.append(self.device)

    monkeypatch.setattr(_runner, "Cublas", Handle)
    for cupy.device in (0, 1, 1, 0):
        multiply(runner)
    assert made == [0, 1]
    assert used == [0, 1, 1, 0]


def test_threads_share_a_handle_in_turns(
    runner: CupyRunner, cupy: Cupy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sets its stream and multiplies before the next one does."""
    found: list[bool] = []
    handles: list[Any] = []

    class Handle:
        def __init__(self) -> None:
            handles.append(self)
            time.sleep(0.01)  # time for another thread to make a second one

        def stream(self, pointer: int, *_: int) -> None:
            self.pointer = pointer
            time.sleep(0.01)

        def product(self, *_: int, **how: Any) -> None:
            found.append(self.pointer == cupy.streams()[-1].ptr)

    monkeypatch.setattr(_runner, "Cublas", Handle)

    def work(number: int) -> Callable[[], None]:
        def run() -> None:
            with Stream(cupy, "of a thread", number):
                multiply(runner)

        return run

    threads = [threading.Thread(target=work(number)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4
    assert len(handles) == 1
