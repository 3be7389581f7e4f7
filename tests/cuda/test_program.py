"""The CuPy program on the CPU: whatever the way, the same weights as NumPy's, and the same bits."""

import gc
import threading
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from accelnn import nn, optim
from accelnn.backends import get_backend
from accelnn.kernels import table as t
from accelnn.kernels.on_cupy import _held, _launch, program
from accelnn.kernels.on_cupy.recording import Product
from tests.cuda.host_device import OnHost
from tests.cuda.host_shim import HostRunner
from tests.cuda.networks import STACKS, bytes_like_images, prepare, train
from tests.kernel_losses import Perceptron, Poisson
from tests.program.conftest import CudaOnHost
from tests.tolerances import tolerance

ROWS = 250  # six minibatches of 37 and one of 28; trained in ranges of two, and of four and one
WAYS = ["launches", "graph", "together"]
LOSSES = [nn.CrossEntropyLoss, nn.BCEWithLogitsLoss, nn.MSELoss, Poisson, Perceptron]
OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.05),
    "sgd, decay": lambda p: optim.SGD(p, lr=0.05, weight_decay=0.1),
    "nesterov": lambda p: optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True),
    "adamw": lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
}


def result(way: str, stack: str = "three layers", X: Any = None, **how: Any) -> Any:
    """Train on the CPU's CUDA, or on NumPy where the way is called so."""
    backend = get_backend("numpy") if way == "numpy" else CudaOnHost(way)
    made, loss = prepare(backend, stack, **how)
    if X is None:
        return train(made, loss, bytes_like_images(ROWS), 1 / 255)
    return train(made, loss, X, 1.0)


def assert_close(actual: Any, expected: Any, dtype: str = "float64") -> None:
    close = {"rtol": 1e-9, "atol": 1e-9} if dtype == "float64" else tolerance(dtype, 20 * ROWS)
    for a, e in zip(actual.weights, expected.weights, strict=True):
        np.testing.assert_allclose(a, e, **close)
    np.testing.assert_allclose(actual.loss, expected.loss, rtol=close["rtol"])
    np.testing.assert_allclose(actual.outputs, expected.outputs, **close)


def assert_same_bits(actual: Any, expected: Any) -> None:
    for a, e in zip(actual.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(a, e)
    assert actual.loss == expected.loss
    np.testing.assert_array_equal(actual.outputs, expected.outputs)


@pytest.mark.parametrize("stack", STACKS)
def test_stacks(stack: str, runner: HostRunner) -> None:
    """In float64 near NumPy; and every way, in any order of threads, has the same bits."""
    together = result("together", stack, dtype="float64")
    assert_close(together, result("numpy", stack, dtype="float64"))
    for way in ("launches", "graph"):
        assert_same_bits(result(way, stack, dtype="float64"), together)
    with _launch.use(HostRunner(runner.library, backwards=True)):
        assert_same_bits(result("together", stack, dtype="float64"), together)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("stack", ["three layers", "wide output"])
def test_losses(stack: str, loss: type[nn.Loss], runner: HostRunner) -> None:
    how: dict[str, Any] = {"loss": loss(), "dtype": "float64"}
    together = result("together", stack, **how)
    assert_close(together, result("numpy", stack, **how))
    for way in ("launches", "graph"):
        assert_same_bits(result(way, stack, **how), together)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers(optimizer: str, runner: HostRunner) -> None:
    how: dict[str, Any] = {"optimizer": OPTIMIZERS[optimizer], "dtype": "float64"}
    assert_close(result("graph", **how), result("numpy", **how))


@pytest.mark.parametrize("library_from", [0, 2**28], ids=["library", "tiles"])
def test_decay_of_weights_alone(
    library_from: int, runner: HostRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As scikit-learn's alpha: divided by the rows of the minibatch."""
    monkeypatch.setattr(program, "LIBRARY_FROM", library_from)
    found = []
    for backend in (CudaOnHost(), get_backend("numpy")):
        made, loss = prepare(backend, dtype="float64")
        made.plan.update = replace(
            made.plan.update, decay_weights=3.0, decay_biases=0.5, decay_per_row=True
        )
        found.append(train(made, loss, bytes_like_images(ROWS), 1 / 255))
    assert_close(found[0], found[1])


@pytest.mark.parametrize("way", WAYS)
def test_row_weights(way: str, runner: HostRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a decay per weight, and with data that stay on the host in pieces of two minibatches."""
    monkeypatch.setattr(program, "PIECE", 2 * 37 * 70)
    w, X = np.random.default_rng(2).exponential(1.0, ROWS), bytes_like_images(ROWS)
    found: list[Any] = []
    w[np.random.default_rng(3).random(ROWS) < 0.2] = 0
    for backend in (get_backend("numpy"), CudaOnHost(way), CudaOnHost(way)):
        made, loss = prepare(backend, dtype="float64")
        made.plan.update = replace(made.plan.update, decay_weights=3.0, decay_per_row=True)
        if len(found) == 2:
            monkeypatch.setattr("accelnn.program.as_features", lambda X, *_: X.view(OnHost))
        found.append(train(made, loss, X, 1 / 255, row_weights=w))
    assert program.held(made.plan)._pieces
    assert_close(found[1], found[0])
    assert_same_bits(found[2], found[1])


@pytest.mark.parametrize("way", WAYS)
def test_float32(way: str, runner: HostRunner) -> None:
    assert_close(result(way), result("numpy"), "float32")


def test_without_bias(runner: HostRunner) -> None:
    how: dict[str, Any] = {"dtype": "float64", "bias": False}
    assert_close(result("together", **how), result("numpy", **how))


def test_numbers_instead_of_bytes(runner: HostRunner) -> None:
    X = bytes_like_images(ROWS) / 255
    how: dict[str, Any] = {"X": X, "dtype": "float64"}
    assert_close(result("together", **how), result("together", dtype="float64"))
    assert_close(result("together", **how), result("numpy", **how))


def test_data_in_another_order_of_memory(runner: HostRunner) -> None:
    X = np.asfortranarray(bytes_like_images(2 * ROWS))[::2]
    y = np.random.default_rng(1).standard_normal((10, ROWS)).T
    losses = []
    for data, target in ((X, y), (np.ascontiguousarray(X), np.ascontiguousarray(y))):
        made, _ = prepare(CudaOnHost(), dtype="float64", loss=nn.MSELoss())
        made.bind(data, target, 1 / 255)
        losses.append(made.run(0, 3, [0.01] * 3))
    assert losses[0] == losses[1]
    assert not X.flags.c_contiguous


@pytest.mark.parametrize("blocks", [1, 2, 7])
def test_any_number_of_blocks_has_the_same_bits(blocks: int, runner: HostRunner) -> None:
    expected = result("together")
    runner.blocks_together = blocks
    assert_same_bits(result("together"), expected)


def test_twice_has_the_same_bits(runner: HostRunner) -> None:
    how: dict[str, Any] = {"stack": "dropout first"}
    assert_same_bits(result("auto", **how), result("auto", **how))


def test_loss_and_grad(runner: HostRunner) -> None:
    found = []
    for backend in (get_backend("numpy"), CudaOnHost("together")):
        made, loss = prepare(backend, "four links", dtype="float64")
        train(made, loss, bytes_like_images(ROWS), 1 / 255, epochs=1)
        before = made.plan.params.copy()
        value, grad = made.loss_and_grad(6)
        np.testing.assert_array_equal(made.plan.params, before)
        found.append((value, grad.copy()))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-9)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-9, atol=1e-12)


# A library's products -----------------------------------------------------------------------------


@pytest.mark.parametrize("stack", STACKS)
def test_with_a_library(stack: str, runner: HostRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "LIBRARY_FROM", 0)
    how: dict[str, Any] = {"dtype": "float64"}
    assert_close(result("auto", stack, **how), result("numpy", stack, **how))
    assert runner.captured == 1
    assert runner.replayed == 2  # once in each epoch


def test_large_products_take_the_library(runner: HostRunner) -> None:
    made, loss = prepare(CudaOnHost(), "three layers")
    train(made, loss, bytes_like_images(ROWS), 1 / 255, epochs=1)
    largest = 37 * 70 * 45
    for limit, library in ((largest, True), (largest + 1, False)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(program, "LIBRARY_FROM", limit)
            mine = program.held(made.plan)
            tasks, way = program._step(made.plan, mine, 37, "auto")
            assert any(isinstance(item, Product) for item in tasks.recording.items) is library
            assert way == ("graph" if library else "together")


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_lower_precision_is_the_librarys(precision: str, runner: HostRunner) -> None:
    seen = set()
    multiply = runner.product

    def watch(*arrays: Any, precision: str, **how: Any) -> None:
        seen.add(precision)
        multiply(*arrays, precision=precision, **how)

    runner.product = watch  # type: ignore[method-assign]
    assert_close(result("auto", precision=precision), result("numpy"), "float32")
    assert seen == {precision}
    with pytest.raises(ValueError, match=f"precision '{precision}' has no tile of its own yet"):
        result("together", precision=precision)


def test_without_cooperative_launches_there_are_graphs(runner: HostRunner) -> None:
    expected = result("together")
    runner.blocks_together = 0
    assert_same_bits(result("auto"), expected)
    assert runner.captured == 1


# What does not fit --------------------------------------------------------------------------------


@pytest.mark.parametrize("minibatches", [1, 3])
def test_data_on_the_host(
    minibatches: int, runner: HostRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "PIECE", minibatches * 37 * 70 * 8 + 1)
    X = bytes_like_images(ROWS) / 255
    how: dict[str, Any] = {"stack": "dropout first", "dtype": "float64"}
    expected = result("together", X=X, **how)
    for way in WAYS:
        made, loss = prepare(CudaOnHost(way), **how)
        made.bind(X, np.zeros(ROWS, np.int64))
        bind = made.bind

        def bind_on_host(X: Any, *rest: Any, bind: Any = bind, plan: Any = made.plan) -> None:
            bind(X, *rest)
            plan.X = X.view(OnHost)

        made.bind = bind_on_host  # type: ignore[assignment]
        found = train(made, loss, X, 1.0)
        assert_same_bits(found, expected)
        mine: Any = program.held(made.plan)
        pieces = mine._pieces
        brought = {1: 14, 3: 6}[minibatches]  # each waits for its place, and is waited for
        assert (mine.stream.waited, pieces[0].copying.waited) == (brought, brought)
        assert [piece.pinned.shape for piece in pieces] == [(minibatches * 37, 70)] * 2


def test_predictions_halve_their_piece(runner: HostRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    made, loss = prepare(CudaOnHost())
    expected = train(made, loss, bytes_like_images(ROWS), 1 / 255, epochs=1).outputs
    tried = []
    workspace = _held.Held.workspace

    def little(self: Any, size: int) -> Any:
        tried.append(size)
        if size > 60 * (70 + 45 + 33 + 10):
            raise MemoryError
        return workspace(self, size)

    monkeypatch.setattr(_held.Held, "workspace", little)
    np.testing.assert_array_equal(made.predict(bytes_like_images(ROWS)), expected)
    heights = [size // (70 + 45 + 33 + 10) for size in tried]
    assert heights == [250, 125, 63, *[32] * 7, 26]
    monkeypatch.setattr(_held.Held, "workspace", lambda *_: (_ for _ in ()).throw(MemoryError))
    with pytest.raises(MemoryError):
        made.predict(bytes_like_images(3))


def test_predictions_of_data_on_the_host(runner: HostRunner) -> None:
    made, loss = prepare(CudaOnHost())
    X = bytes_like_images(ROWS)
    expected = train(made, loss, X, 1 / 255, epochs=1).outputs
    out = np.empty_like(expected)
    made.backend.run_forward(made.plan, X.view(OnHost), out)
    np.testing.assert_array_equal(out, expected)


def test_no_recording_outlives_its_workspace(runner: HostRunner) -> None:
    """A prediction of more rows makes a larger one, and gives the memory of the last one back."""
    made, _ = prepare(CudaOnHost())
    for n in (10, 20, 200, 10):
        made.predict(bytes_like_images(n))
    mine = program.held(made.plan)
    assert [rows for rows, *_ in mine.forwards] == [200, 10]
    first = mine.workspace(1).ctypes.data
    for tasks in mine.forwards.values():
        outputs = tasks.recording.tasks["chain"]["a"][:, 0]
        assert ((first <= outputs) & (outputs < first + mine.workspace(1).nbytes)).all()


def test_predictions_of_strided_and_no_rows(runner: HostRunner) -> None:
    made, loss = prepare(CudaOnHost())
    X = bytes_like_images(ROWS)
    expected = train(made, loss, X, 1 / 255, epochs=1).outputs
    np.testing.assert_array_equal(made.predict(X[::3]), expected[::3])
    assert made.predict(X[:0]).shape == (0, 10)


# Several at once, and the end ---------------------------------------------------------------------


def test_recordings_are_bounded(runner: HostRunner) -> None:
    made, loss = prepare(CudaOnHost("launches"))
    train(made, loss, bytes_like_images(ROWS), 1 / 255, epochs=1)
    for n in range(1, 20):
        made.predict(bytes_like_images(n))
    mine = program.held(made.plan)
    assert len(mine.forwards) == _held._KEPT
    assert len(mine.steps) == 2  # the full minibatch and the last one


def test_threads_take_turns(runner: HostRunner) -> None:
    """The CPU's CUDA runs one kernel at a time, so here only the turns are tried."""
    made, loss = prepare(CudaOnHost("launches"))
    X = bytes_like_images(ROWS)
    expected = train(made, loss, X, 1 / 255, epochs=1).outputs
    with program._alone(made.plan):
        results: list[Any] = []
        thread = threading.Thread(target=lambda: results.append(made.predict(X)))
        thread.start()
        thread.join(0.2)
        assert results == []
    thread.join()
    np.testing.assert_array_equal(results[0], expected)


def test_close_gives_everything_back(runner: HostRunner) -> None:
    made, loss = prepare(CudaOnHost("graph"))
    train(made, loss, bytes_like_images(ROWS), 1 / 255, epochs=1)
    stream: Any = program.held(made.plan).stream
    before = stream.synchronized
    made.close()
    assert made.plan.views == {}
    assert runner.freed == 1
    assert stream.synchronized == before + 1


def test_a_program_that_is_dropped_gives_everything_back(runner: HostRunner) -> None:
    made, loss = prepare(CudaOnHost("graph"))
    train(made, loss, bytes_like_images(ROWS), 1 / 255, epochs=1)
    kept = weakref.ref(program.held(made.plan))
    del made
    gc.collect()
    assert kept() is None


def test_dropout_counts_on_from_range_to_range(runner: HostRunner) -> None:
    made, loss = prepare(CudaOnHost("together"), "dropout first")
    train(made, loss, bytes_like_images(ROWS), 1 / 255)
    dropouts = made.plan.table["kind"] == t.DROPOUT
    assert made.plan.table["call"][dropouts].tolist() == [14, 14]
