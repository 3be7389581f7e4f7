"""Programs on a real GPU: near NumPy whatever the way, and the same bits in all of them.

A few cases of each test run on the CPU as well, through the kernels as g++ compiles them, so that
what fails on a GPU is not the test.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from accelnn import nn, optim
from accelnn.backends import Backend, get_backend
from accelnn.backends.cupy_backend import CupyBackend
from accelnn.backends.cupy_probe import probe
from accelnn.kernels.on_cupy import _launch, program
from accelnn.program import Program, lower
from tests.cuda.host_shim import HostRunner
from tests.cuda.networks import JUMPING, STACKS, Result, bytes_like_images, prepare, train
from tests.kernel_losses import Perceptron, Poisson
from tests.program.conftest import CudaOnHost
from tests.tolerances import tolerance

ROWS = 250  # minibatches of 37 and one of 28; trained in ranges of two, and of four and one
WAYS = ["launches", "graph", "together"]

#: Way -> a backend that runs programs so.
Device = Callable[..., Backend]


def on_gpu(way: str = "auto") -> Backend:
    backend = CupyBackend()
    backend.way = way
    return backend


@pytest.fixture
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    """What makes backends: of the GPU, or of the CPU for a rehearsal."""
    monkeypatch.setattr(program, "UNROLLED", 3)  # so that a range has a graph and a step left over
    if request.param == "host":
        with _launch.use(HostRunner(request.getfixturevalue("library"))):
            yield CudaOnHost
        return
    found = probe()
    if not found.usable:
        pytest.skip(f"no GPU: {found.reason}")
    yield on_gpu


def each(cases: Sequence[Any], *rehearsed: Any) -> pytest.MarkDecorator:
    """Parametrise a test with ``device`` and ``case``: all on the GPU, some on the CPU."""
    assert set(rehearsed) <= set(cases)
    on_host = [pytest.param("host", c, id=f"host-{c}") for c in rehearsed]
    there = [pytest.param("gpu", c, id=f"gpu-{c}", marks=pytest.mark.gpu) for c in cases]
    return pytest.mark.parametrize(("device", "case"), [*on_host, *there], indirect=["device"])


def result(backend: Backend, stack: str, X: Any = None, **how: Any) -> Result:
    """Train two epochs."""
    made, loss = prepare(backend, stack, **how)
    with made:
        if X is None:
            return train(made, loss, bytes_like_images(ROWS), 1 / 255)
        return train(made, loss, X, 1.0)


def momentum(parameters: Any) -> optim.Optimizer:
    """An update that is linear in the gradient, so that rounding grows no faster than a sum's."""
    return optim.SGD(parameters, lr=0.05, momentum=0.9)


def assert_close(actual: Result, expected: Result, dtype: str, length: int = 20 * ROWS) -> None:
    close = {"rtol": 1e-9, "atol": 1e-9} if dtype == "float64" else tolerance(dtype, length)
    for a, e in zip(actual.weights, expected.weights, strict=True):
        np.testing.assert_allclose(a, e, **close)
    np.testing.assert_allclose(actual.loss, expected.loss, rtol=close["rtol"])
    np.testing.assert_allclose(actual.outputs, expected.outputs, **close)


def assert_same_bits(actual: Result, expected: Result) -> None:
    for a, e in zip(actual.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(a, e)
    assert actual.loss == expected.loss
    np.testing.assert_array_equal(actual.outputs, expected.outputs)


# Small networks, whose sizes fit no tile ----------------------------------------------------------


@each(list(STACKS), "one layer")
def test_stacks(case: str, device: Device) -> None:
    """In float64 within rounding of NumPy; every way, and every time, with the same bits."""
    how: dict[str, Any] = {"dtype": "float64"}
    expected = result(get_backend("numpy"), case, **how)
    first = result(device("launches"), case, **how)
    assert_close(first, expected, "float64")
    for way in ("graph", "together", "together", "auto"):
        assert_same_bits(result(device(way), case, **how), first)


@each(list(STACKS), "one layer")
def test_stacks_in_float32(case: str, device: Device) -> None:
    how: dict[str, Any] = {"optimizer": momentum}
    expected = result(get_backend("numpy"), case, **how)
    first = result(device("launches"), case, **how)
    if case not in JUMPING:
        assert_close(first, expected, "float32")
    for way in ("graph", "graph", "together"):
        assert_same_bits(result(device(way), case, **how), first)


@each(list(STACKS), "two linears")
def test_stacks_with_a_library(case: str, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "LIBRARY_FROM", 0)
    how: dict[str, Any] = {"dtype": "float64"}
    expected = result(get_backend("numpy"), case, **how)
    for way in ("launches", "graph"):
        assert_close(result(device(way), case, **how), expected, "float64")
    first, again = (result(device("auto"), case, **how) for _ in range(2))
    assert_same_bits(again, first)


OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "sgd, decay": lambda p: optim.SGD(p, lr=0.05, weight_decay=0.1),
    "nesterov": lambda p: optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True),
    "adamw": lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
}


@each(list(OPTIMIZERS), "nesterov")
def test_optimizers(case: str, device: Device) -> None:
    how: dict[str, Any] = {"optimizer": OPTIMIZERS[case], "dtype": "float64"}
    expected = result(get_backend("numpy"), "two linears", **how)
    for way in ("graph", "together"):
        assert_close(result(device(way), "two linears", **how), expected, "float64")


LOSSES: dict[str, nn.Loss] = {
    "bce": nn.BCEWithLogitsLoss(),
    "mse": nn.MSELoss(),
    "poisson": Poisson(),
    "perceptron": Perceptron(),
}


@each(list(LOSSES), "mse")
def test_losses(case: str, device: Device) -> None:
    for stack in ("two linears", "wide output"):
        how: dict[str, Any] = {"loss": LOSSES[case], "dtype": "float64"}
        expected = result(get_backend("numpy"), stack, **how)
        assert_close(result(device("together"), stack, **how), expected, "float64")


@each([1, 2, 7], 2)
def test_any_grid_has_the_same_bits(
    case: int, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = result(device("together"), "three layers")
    monkeypatch.setattr(_launch.runner(), "most_together", lambda *_: case)
    assert_same_bits(result(device("together"), "three layers"), expected)


@each(WAYS, "graph")
def test_loss_and_grad(case: str, device: Device) -> None:
    found = []
    for backend in (get_backend("numpy"), device(case)):
        made, loss = prepare(backend, "four links", dtype="float64")
        train(made, loss, bytes_like_images(ROWS), 1 / 255, epochs=1)
        before = backend.to_numpy(made.plan.params).copy()
        for batch in (0, 6):  # a full one, and the smaller one
            value, grad = made.loss_and_grad(batch)
            found.append((value, backend.to_numpy(grad).copy()))
        np.testing.assert_array_equal(backend.to_numpy(made.plan.params), before)
    for (value, grad), (expected, slope) in zip(found[2:], found[:2], strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-9)
        np.testing.assert_allclose(grad, slope, rtol=1e-9, atol=1e-12)


@each(["float32", "float64"], "float32")
def test_predict(case: str, device: Device) -> None:
    """Bytes, numbers, strides, no rows, more rows than are predicted at a time; where X is."""
    made, loss = prepare(device(), "three layers", dtype=case)
    train(made, loss, bytes_like_images(ROWS), 1 / 255, epochs=1)
    reference, _ = prepare(get_backend("numpy"), "three layers", dtype=case)
    reference.plan.params[...] = made.backend.to_numpy(made.plan.params)
    X = bytes_like_images(program.HEIGHT + 5)
    expected = reference.predict(X.astype(case) / 255)
    found = made.predict(X)
    assert (type(found), found.dtype) == (np.ndarray, case)
    np.testing.assert_allclose(found, expected, **tolerance(case, 148))
    np.testing.assert_array_equal(made.predict(X[::3]), made.predict(X[::3].copy()))
    np.testing.assert_allclose(made.predict(X.astype(case)), found, **tolerance(case, 148))
    assert made.predict(X[:0]).shape == (0, 10)
    there = made.predict(made.backend.asarray(X))
    assert type(there) is type(made.plan.params)
    np.testing.assert_array_equal(made.backend.to_numpy(there), found)


# Networks that fill many multiprocessors ----------------------------------------------------------

WIDE, NARROW = (784, 512, 512, 10), (50, 40, 10)
SIZES = {"host": (NARROW, 130, 40), "gpu": (WIDE, 1000, 300)}  # widths, rows, batch


@pytest.fixture
def sizes(request: pytest.FixtureRequest, device: Device) -> Any:
    return SIZES["host" if device is CudaOnHost else "gpu"]


def classifier(backend: Backend, widths: Any, batch: int, dtype: str, **how: Any) -> Program:
    rng = np.random.default_rng(8)
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        w = (rng.standard_normal((n_in, n_out)) * (2 / n_in) ** 0.5).astype(dtype)
        b = backend.asarray(rng.normal(0, 0.1, n_out).astype(dtype))
        layers += [nn.Linear.from_storage(w, b, backend), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    return lower(model, nn.CrossEntropyLoss(), momentum(model.parameters()), backend, batch, **how)


def epochs(made: Program, rows: int, count: int = 2) -> Result:
    """Train on bytes, each epoch in one range."""
    rng = np.random.default_rng(9)
    X = rng.integers(0, 256, (rows, made.plan.n_in)).astype(np.uint8)
    made.bind(X, rng.integers(0, made.plan.n_out, rows), 1 / 255)
    total = 0.0
    for _ in range(count):
        made.start_epoch(rng.permutation(rows))
        total += made.run(0, made.n_batches, [0.005] * made.n_batches)
    to_numpy = made.backend.to_numpy
    weights = [to_numpy(p.array).copy() for layer in made.layers for p in layer.parameters()]
    return Result(weights, total, made.predict(X))


@each(["float32", "float64"], "float64")
def test_wide_layers(case: str, device: Device, sizes: Any) -> None:
    widths, rows, batch = sizes

    def trained(backend: Backend) -> Result:
        with classifier(backend, widths, batch, case) as made:
            return epochs(made, rows)

    expected, first = trained(get_backend("numpy")), trained(device("together"))
    assert_close(first, expected, case, length=8 * widths[0])
    for way in WAYS:
        assert_same_bits(trained(device(way)), first)


@each(["float32", "float64"], "float32")
def test_wide_layers_with_a_library(
    case: str, device: Device, sizes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "LIBRARY_FROM", 0)
    widths, rows, batch = sizes

    def trained(backend: Backend) -> Result:
        with classifier(backend, widths, batch, case) as made:
            return epochs(made, rows)

    first = trained(device("graph"))
    assert_close(first, trained(get_backend("numpy")), case, length=8 * widths[0])
    assert_same_bits(trained(device("graph")), first)


@each([7], 7)
def test_wide_layers_on_few_blocks(
    case: int, device: Device, sizes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths, rows, batch = sizes
    found = []
    for _ in range(2):
        with classifier(device("together"), widths, batch, "float32") as made:
            found.append(epochs(made, rows))
        monkeypatch.setattr(_launch.runner(), "most_together", lambda *_: case)
    assert_same_bits(found[1], found[0])


#: Precision -> the largest relative error of a factor that is cut off after its last bit: TF32 has
#: 10 bits behind the point, bfloat16 has 7 and is 8 bits in all.
UNITS = {"tf32": 2.0**-10, "bf16": 2.0**-7}


@each(list(UNITS), *UNITS)
def test_lower_precision(case: str, device: Device, sizes: Any) -> None:
    """After one step, against float32: in the norm, because terms of a product may cancel.

    A gradient has gone through at most six products in a row (three forward, three backward), each
    of which cuts two factors, so its error is about 12 units at most; 16 leave room for the ReLUs
    that flip. With no tensor cores for it, the library may compute in float32 all the same.
    """
    widths, rows, batch = sizes
    steps = []
    for precision in ("float32", case):
        backend = device("graph")
        with classifier(backend, widths, batch, "float32", precision=precision) as made:
            before = backend.to_numpy(made.plan.params).copy()
            rng = np.random.default_rng(9)
            X = rng.integers(0, 256, (rows, widths[0])).astype(np.uint8)
            made.bind(X, rng.integers(0, 10, rows), 1 / 255)
            made.run(0, 1, [0.05])
            steps.append(backend.to_numpy(made.plan.params) - before)
    exact, found = (step.astype(np.float64) for step in steps)
    error = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    assert error < 16 * UNITS[case]
    if device is on_gpu and int(CupyBackend.xp.cuda.Device().compute_capability) >= 80:
        assert error > UNITS[case] / 64  # it was less than float32 indeed, whose unit is 2**-24
