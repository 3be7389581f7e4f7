"""A real GPU under pressure: little memory, many threads, streams of the caller's.

Warm-up before a measurement is part of some tests: CUDA's and CuPy's own set-up is not ours to
count.
"""

import gc
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import MLPClassifier, get_backend, nn, optim
from accelnn.backends.cupy_probe import probe
from accelnn.errors import DeviceMemoryError
from accelnn.kernels.on_cupy import _held, program
from tests.cuda.networks import N_IN, STACKS, bytes_like_images, prepare, targets, train
from tests.cuda.test_gpu_program import (
    ROWS,
    WAYS,
    Device,
    assert_same_bits,
    each,
    on_gpu,
    result,
)
from tests.cuda.test_gpu_program import device as device

gpu = pytest.mark.gpu
unfinished = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

MIB = 2**20


@pytest.fixture
def cupy() -> Iterator[Any]:
    """CuPy, with nothing of earlier tests in its pool; the limit of its memory is set back."""
    found = probe()
    if not found.usable:
        pytest.skip(f"no GPU: {found.reason}")
    module, backend = pytest.importorskip("cupy"), get_backend("cupy")
    before = module.get_default_memory_pool().get_limit()
    gc.collect()
    backend.free_memory()
    yield module
    backend.limit_memory(before or None)
    gc.collect()
    backend.free_memory()


def used(cupy: Any) -> int:
    """Return the bytes of all arrays that are alive."""
    gc.collect()
    return int(cupy.get_default_memory_pool().used_bytes())


def leave(cupy: Any, n_bytes: int) -> int:
    """Limit the memory to so many bytes more than are in use now, and return the limit."""
    gc.collect()
    get_backend("cupy").free_memory()
    limit = int(cupy.get_default_memory_pool().total_bytes()) + n_bytes
    get_backend("cupy").limit_memory(limit)
    return limit


def classes(rows: int = 600) -> tuple[Any, Any]:
    """Return X (rows, 784) of float32, and y (rows,)."""
    rng = np.random.default_rng(7)
    y = rng.integers(0, 10, rows)
    centres = rng.standard_normal((10, 784))
    return (centres[y] + rng.standard_normal((rows, 784))).astype(np.float32), y


def estimator(backend: str = "cupy") -> Any:
    sizes = (512, 512)
    return MLPClassifier(sizes, batch_size=200, max_iter=2, random_state=0, backend=backend)


# Memory -------------------------------------------------------------------------------------------


def fit_an_estimator() -> None:
    estimator().fit(*classes())


def train_a_model() -> None:
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.Linear(512, 10))
    adam = optim.Adam(model.parameters())
    accelnn.train(model, nn.CrossEntropyLoss(), adam, *classes(), backend="cupy")


@gpu
@unfinished
@pytest.mark.parametrize("work", [fit_an_estimator, train_a_model])
def test_a_fit_out_of_memory_names_the_bytes(work: Callable[[], None], cupy: Any) -> None:
    limit = leave(cupy, 2 * MIB)  # the parameters alone are 2.6 MiB
    with pytest.raises(DeviceMemoryError) as caught:
        work()
    error = caught.value
    assert error.wanted > 0
    assert (error.backend, error.limit) == ("cupy", limit)
    assert re.search(r"out of device memory: [\d.]+ [KM]iB wanted", str(error))
    del caught, error  # their tracebacks hold arrays
    get_backend("cupy").limit_memory(None)
    work()  # nothing is broken


@gpu
def test_predictions_in_little_memory(cupy: Any) -> None:
    """Pieces of 4096 rows do not fit, and are halved."""
    made, loss = prepare(get_backend("cupy"))
    train(made, loss, bytes_like_images(ROWS), 1 / 255, epochs=1)
    X = bytes_like_images(20_000)
    expected = made.predict(X)
    mine, widths = program.held(made.plan), len(made.plan.work) // made.plan.batch_size
    whole = program.HEIGHT * widths
    assert mine._work.size == whole
    mine.forget_predictions()
    mine.reading = None
    leave(cupy, X.nbytes + expected.nbytes + whole * 4 * 6 // 10)
    np.testing.assert_array_equal(made.predict(X), expected)
    assert mine._work.size == whole // 2


@gpu
@pytest.mark.parametrize("way", WAYS)
def test_data_larger_than_the_memory(way: str, cupy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stay on the host, and lead to the same bits."""
    monkeypatch.setattr(program, "PIECE", MIB)
    X = bytes_like_images(60_000).astype(np.float32) / 255  # 16 MiB
    how: dict[str, Any] = {"stack": "dropout first", "batch": 1000}
    found, on_host = [], []
    for room in (None, 14 * MIB):
        if room is not None:
            leave(cupy, room)
        made, loss = prepare(on_gpu(way), **how)
        with made:
            found.append(train(made, loss, X, 1.0))
            on_host.append(isinstance(made.plan.X, np.ndarray))
        del made
    assert on_host == [False, True]
    assert_same_bits(found[1], found[0])


@gpu
@pytest.mark.parametrize("end", ["close", "garbage"])
@pytest.mark.parametrize("library_from", [0, 2**28], ids=["library", "tiles"])
@pytest.mark.parametrize("way", ["auto", "graph"])
def test_memory_goes_back(
    way: str, library_from: int, end: str, cupy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And recordings and graphs are bounded until then."""
    monkeypatch.setattr(program, "LIBRARY_FROM", library_from)
    monkeypatch.setattr(program, "UNROLLED", 3)

    def work(end: str) -> None:
        made, loss = prepare(on_gpu(way))
        train(made, loss, bytes_like_images(ROWS), 1 / 255)
        for n in range(40, 0, -1):  # a larger one would make room, and begin anew
            made.predict(bytes_like_images(17 * n))
        mine = program.held(made.plan)
        assert len(mine.forwards) == _held._KEPT
        assert len(mine.steps) == 2  # the full minibatch and the last one
        del mine
        if end == "close":
            made.close()
            weights = sum(p.array.nbytes for layer in made.layers for p in layer.parameters())
            # The model keeps its parameters, Adam its two states; CuPy rounds up to 512 bytes.
            assert used(cupy) - before <= 3 * weights + 2 * 512

    before = used(cupy)
    work("")  # CUDA, CuPy and cuBLAS set themselves up
    before = used(cupy)
    work(end)
    assert used(cupy) == before


@gpu
@pytest.mark.parametrize("way", WAYS)
def test_a_long_run_takes_no_more_memory(way: str, cupy: Any) -> None:
    made, loss = prepare(on_gpu(way), "dropout first")
    X = bytes_like_images(ROWS)
    pool, sizes = cupy.get_default_memory_pool(), []
    with made:
        train(made, loss, X, 1 / 255, epochs=2)
        rng = np.random.default_rng(0)
        for _ in range(30):
            made.start_epoch(rng.permutation(ROWS))
            made.run(0, made.n_batches, [0.01] * made.n_batches)
            made.predict(X)
            sizes.append((used(cupy), pool.total_bytes()))
    assert len(set(sizes[2:])) == 1


# Threads and streams ------------------------------------------------------------------------------


@gpu
@pytest.mark.parametrize("library_from", [0, 2**28], ids=["library", "tiles"])
def test_models_on_threads(library_from: int, cupy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several at once, each as if it were alone."""
    monkeypatch.setattr(program, "LIBRARY_FROM", library_from)
    monkeypatch.setattr(program, "UNROLLED", 3)

    def work(stack: str) -> Any:
        return result(get_backend("cupy"), stack)

    expected = [work(stack) for stack in STACKS]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            for found, alone in zip(pool.map(work, STACKS), expected, strict=True):
                assert_same_bits(found, alone)


@gpu
def test_one_model_on_threads(cupy: Any) -> None:
    """Predictions take turns, and each has its own rows."""
    made, loss = prepare(get_backend("cupy"))
    X = bytes_like_images(2000)
    expected = train(made, loss, X, 1 / 255, epochs=1).outputs
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda i: made.predict(X[i : i + 100]), range(0, 2000, 100)))
    np.testing.assert_array_equal(np.concatenate(parts), expected)


def keep_busy(cupy: Any) -> None:
    """Give the current stream work for a good while, so that what does not wait comes too early."""
    a = cupy.zeros((4096, 4096), cupy.float32)
    b = cupy.empty_like(a)
    for _ in range(40):
        cupy.matmul(a, a, out=b)


def trained(cupy: Any, X: Any, y: Any, maker: Any) -> list[Any]:
    """Return losses and weights of a few steps on data that another stream, ``maker``, makes late.

    Nothing is waited for before the steps: a step too early would read zeros.
    """
    made, _ = prepare(get_backend("cupy"))
    here = cupy.cuda.get_current_stream()
    with made:
        there, source = cupy.zeros(X.shape, X.dtype), cupy.asarray(X)
        made.bind(there, cupy.asarray(y), 1 / 255)
        assert made.plan.X.data.ptr == there.data.ptr
        made.run(0, 0, [])  # compiles
        maker.wait_event(here.record())
        with maker:
            keep_busy(cupy)
            there[...] = source
        if maker.ptr != here.ptr and maker.is_non_blocking:
            here.wait_event(
                maker.record()
            )  # the null stream waits only for blocking ones by itself
        losses = [made.run(0, made.n_batches, [0.01] * made.n_batches) for _ in range(2)]
        return [*losses, made.backend.to_numpy(made.plan.params)]


def assert_equal(found: list[Any], expected: list[Any]) -> None:
    for f, e in zip(found, expected, strict=True):
        np.testing.assert_array_equal(f, e)


STREAMS: dict[str, dict[str, bool]] = {"blocking": {}, "non-blocking": {"non_blocking": True}}


@gpu
@pytest.mark.parametrize("how", STREAMS.values(), ids=STREAMS)
def test_steps_wait_for_their_data(how: dict[str, bool], cupy: Any) -> None:
    X, y = bytes_like_images(ROWS), targets(nn.CrossEntropyLoss(), ROWS, 10, "float32")
    made, _ = prepare(get_backend("cupy"))
    made.bind(X, y, 1 / 255)
    rates = [0.01] * made.n_batches
    expected = [made.run(0, made.n_batches, rates) for _ in range(2)]
    expected.append(made.backend.to_numpy(made.plan.params))
    null = cupy.cuda.get_current_stream()
    assert_equal(trained(cupy, X, y, null), expected)
    with cupy.cuda.Stream(**how) as stream:  # the caller's, for all
        assert_equal(trained(cupy, X, y, stream), expected)
    assert_equal(trained(cupy, X, y, cupy.cuda.Stream(**how)), expected)


@gpu
@pytest.mark.parametrize("how", STREAMS.values(), ids=STREAMS)
def test_predictions_are_in_the_order_of_the_callers_stream(
    how: dict[str, bool], cupy: Any
) -> None:
    """Nothing is waited for on the CPU, and nobody comes too early."""
    X = bytes_like_images(ROWS)
    made, loss = prepare(get_backend("cupy"))
    expected = train(made, loss, X, 1 / 255, epochs=1).outputs
    with cupy.cuda.Stream(**how):
        source, there = cupy.asarray(X), cupy.zeros(X.shape, X.dtype)
        for _ in range(2):  # the first time also compiles
            there[...] = 0
            keep_busy(cupy)
            there[...] = source
            out = made.predict(there)
            there[...] = 0  # asked for after the prediction
            doubled = out * 2
        np.testing.assert_array_equal(doubled.get(), expected * 2)


# Arrays in and out --------------------------------------------------------------------------------


@gpu
@unfinished
def test_an_estimator_answers_in_kind(cupy: Any) -> None:
    X, y = classes()
    fitted = estimator("auto").fit(cupy.asarray(X), y)
    assert fitted.backend_ == "cupy"
    for method in (fitted.predict, fitted.predict_proba):
        here, there = method(X), method(cupy.asarray(X))
        assert (type(here), type(there)) == (np.ndarray, cupy.ndarray)
        np.testing.assert_array_equal(there.get(), here)


@gpu
def test_a_tensor_of_torch_is_not_copied(cupy: Any) -> None:
    torch: Any = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this torch has no CUDA")
    backend = get_backend("cupy")
    tensor = torch.arange(12, dtype=torch.float32, device="cuda").reshape(3, 4)
    array = backend.asarray(tensor)
    assert type(array) is cupy.ndarray
    assert array.data.ptr == tensor.data_ptr()
    made, _ = prepare(backend)
    X = torch.rand(50, N_IN, device="cuda")
    found = made.predict(X)
    assert isinstance(found, torch.Tensor)
    assert found.is_cuda
    np.testing.assert_array_equal(found.cpu().numpy(), made.predict(X.cpu().numpy()))


@gpu
@unfinished
def test_a_device_by_number(cupy: Any) -> None:
    with cupy.cuda.Device(0):
        first, plain = get_backend("cupy:0"), get_backend("cupy")
        if plain.device_id != 0:  # type: ignore[attr-defined]
            pytest.skip("the current device of the first use was another than 0")
        assert_same_bits(result(first, "three layers"), result(plain, "three layers"))
    X, y = classes()
    assert estimator("cupy:0").fit(X, y).backend_ == "cupy:0"


@each([-1, 10, 2**40], 10)
def test_labels_out_of_range_run_nothing(
    case: int, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel would write elsewhere with them, and CUDA be dead for the rest of the process."""
    backend = device()
    expected = result(backend, "two linears")
    y = targets(nn.CrossEntropyLoss(), ROWS, 10, "float32")
    y[ROWS // 2] = case
    for labels in (y, backend.asarray(y)):
        made, _ = prepare(backend, "two linears")
        with monkeypatch.context() as patch:
            patch.setattr(program, "launch", lambda *_, **__: pytest.fail("a kernel was launched"))
            with pytest.raises(ValueError, match=r"y must hold classes 0 \.\.\. 9"):
                made.bind(bytes_like_images(ROWS), labels, 1 / 255)
    assert_same_bits(result(backend, "two linears"), expected)
