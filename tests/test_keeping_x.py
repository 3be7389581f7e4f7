"""What becomes of X on its way into a network: kept as bytes, scaled once, or left on the host."""

from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import nn, optim
from accelnn.backends.numpy_backend import NumpyBackend
from accelnn.checking import as_features
from accelnn.engines import EagerEngine
from accelnn.program import Program, lower
from tests.device import DeviceArray, DeviceBackend
from tests.stacks import stack
from tests.tolerances import tolerance

RNG = np.random.default_rng(3)
PIXELS = RNG.integers(0, 256, (30, 7), dtype=np.uint8)
LABELS = RNG.integers(0, 3, 30)
SCALE = 1 / 255


class Tanh(nn.Tanh):
    """The same arithmetic under a name that programs do not know."""


def trained(backend: Any, X: Any, eager: bool = False, **how: Any) -> tuple[Any, Any]:
    """Return the parameters after two epochs, and the history with validation on X_val."""
    model = stack("tanh", accelnn.get_backend("numpy"), "float32")
    if eager:
        model = nn.Sequential(*(Tanh() if isinstance(each, nn.Tanh) else each for each in model))
    rule = optim.Adam(model.parameters(), lr=0.02)
    arguments = {"epochs": 2, "batch_size": 8, "seed": 0, "backend": backend, **how}
    arguments.setdefault("X_val", X)
    arguments["y_val"] = LABELS[: len(arguments["X_val"])]
    history = accelnn.train(model, nn.CrossEntropyLoss(), rule, X, LABELS, **arguments)
    return np.concatenate([p.numpy().ravel() for p in model.parameters()]), history


def assert_same(one: tuple[Any, Any], other: tuple[Any, Any]) -> None:
    np.testing.assert_allclose(one[0], other[0], **tolerance("float32", 30 * 7))
    for what in ("loss", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(one[1][what], other[1][what], rtol=1e-5)


@pytest.mark.filterwarnings("ignore:training the eager way")
@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("name", ["numpy", "numba", "device"])
def test_pixels_with_a_scale_train_as_numbers_do(
    name: str, eager: bool, device: DeviceBackend
) -> None:
    backend = device if name == "device" else name
    expected = trained("numpy", PIXELS.astype("float32") * np.float32(SCALE))
    before = PIXELS.copy()
    found = trained(backend, PIXELS, eager, input_scale=SCALE)
    np.testing.assert_array_equal(PIXELS, before)
    assert found[1].engine == ("eager" if eager else "program")
    assert_same(found, expected)
    numbers = trained(backend, PIXELS.astype("float64"), eager, input_scale=SCALE)
    assert_same(numbers, expected)


@pytest.mark.parametrize("val", ["uint8", "float32"])
@pytest.mark.parametrize("given", ["uint8", "float32"])
def test_only_bytes_are_left_for_the_backend_to_multiply(
    given: str, val: str, device: DeviceBackend
) -> None:
    X, X_val = PIXELS.astype(given), PIXELS.astype(val)
    expected = trained("numpy", X, X_val=X_val, input_scale=SCALE)
    assert_same(trained(device, X, X_val=X_val, input_scale=SCALE), expected)
    assert (DeviceArray, given) in device.seen
    assert {kind for kind, _ in device.seen} == {DeviceArray}


def test_bytes_on_the_device_are_not_copied(device: DeviceBackend) -> None:
    X = device.asarray(PIXELS)
    program = bound(device, X, input_scale=SCALE)
    assert np.shares_memory(program.plan.X.held, X.held)
    assert (program.plan.X.dtype, program.plan.input_scale) == (np.uint8, SCALE)
    assert len(program.plan.deltas) == 3


def test_a_backend_that_reads_no_bytes_gets_numbers() -> None:
    program = bound(accelnn.get_backend("numpy"), PIXELS, input_scale=SCALE)
    assert program.plan.X.dtype == np.float32
    np.testing.assert_allclose(program.plan.X, PIXELS / np.float32(255), rtol=1e-6)


def test_nothing_is_copied_where_nothing_is_to_be_done() -> None:
    numpy = accelnn.get_backend("numpy")
    X = PIXELS.astype("float32")
    X.flags.writeable = False
    assert as_features(X, "float32", numpy) is X
    assert as_features(X, "float32", numpy, 0.5).tolist() == (X * np.float32(0.5)).tolist()
    assert as_features(X, "float64", numpy, 0.5).dtype == np.float64
    assert as_features(PIXELS, "float32", numpy, 1.0, keep_bytes=True) is PIXELS
    assert X.max() == PIXELS.max()


def bound(backend: Any, X: Any, **how: Any) -> Program:
    model = stack("tanh", backend, "float32")
    rule = optim.SGD(model.parameters(), lr=0.1)
    program = lower(model, nn.CrossEntropyLoss(), rule, backend, 8)
    program.bind(X, LABELS, **how)
    return program


@pytest.mark.parametrize("scale", [0, np.nan, np.inf, -np.inf, "1", None, True, 1j])
def test_a_scale_is_a_finite_number(scale: Any) -> None:
    said = "input_scale must be a finite number other than 0, got"
    with pytest.raises(ValueError, match=said):
        trained("numpy", PIXELS, input_scale=scale)
    with pytest.raises(ValueError, match=said):
        bound(accelnn.get_backend("numpy"), PIXELS, input_scale=scale)
    with pytest.raises(ValueError, match=said):
        eager(accelnn.get_backend("numpy")).bind(PIXELS, LABELS, input_scale=scale)


def eager(backend: Any) -> EagerEngine:
    model = stack("tanh", backend, "float32")
    rule = optim.SGD(model.parameters(), lr=0.1)
    return EagerEngine(model, nn.CrossEntropyLoss(), rule, backend, 8)


def test_a_scale_that_overflows_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"X holds \d+ values that are NaN or infinite in float32"):
        trained("numpy", PIXELS, input_scale=1e37)


def test_predictions_see_the_scale(device: DeviceBackend) -> None:
    plain = accelnn.get_backend("numpy")
    expected = bound(plain, PIXELS / np.float32(255)).predict(PIXELS / np.float32(255))
    for backend in (plain, device):
        program = bound(backend, PIXELS, input_scale=SCALE)
        for X in (PIXELS, PIXELS.astype("float32"), PIXELS.astype("int64"), PIXELS.tolist()):
            found = program.predict(X)
            assert type(found) is np.ndarray
            np.testing.assert_allclose(found, expected, **tolerance("float32", 100))
    found = program.predict(device.asarray(PIXELS))
    assert type(found) is DeviceArray
    np.testing.assert_allclose(found.held, expected, **tolerance("float32", 100))


def test_eager_predictions_see_the_scale(device: DeviceBackend) -> None:
    expected = bound(accelnn.get_backend("numpy"), PIXELS / np.float32(255)).predict(
        PIXELS / np.float32(255)
    )
    engine = eager(device)
    engine.bind(PIXELS, LABELS, input_scale=SCALE)
    for X, kind in ((PIXELS, np.ndarray), (device.asarray(PIXELS), DeviceArray)):
        found = engine.predict(X)
        assert type(found) is kind
        values = found.held if isinstance(found, DeviceArray) else found
        np.testing.assert_allclose(values, expected, **tolerance("float32", 100))


# An X too big for the device ----------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:training the eager way")
@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("given", ["uint8", "float32", "float64"])
def test_what_does_not_fit_stays_on_the_host(
    given: str, eager: bool, device: DeviceBackend
) -> None:
    X = PIXELS.astype(given)
    expected = trained("numpy", X, input_scale=SCALE)
    device.room = 100
    assert_same(trained(device, X, eager, input_scale=SCALE), expected)
    if not eager:
        dtype = "uint8" if given == "uint8" else "float32"
        assert set(device.seen) == {(np.ndarray, dtype)}


def test_bytes_fit_where_numbers_would_not(device: DeviceBackend) -> None:
    device.room = PIXELS.size
    trained(device, PIXELS, input_scale=SCALE)
    assert set(device.seen) == {(DeviceArray, "uint8")}
    device.seen.clear()
    trained(device, PIXELS.astype("float32"), input_scale=SCALE)
    assert set(device.seen) == {(np.ndarray, "float32")}


def test_a_host_x_is_bound_as_it_is(device: DeviceBackend) -> None:
    device.room = 0
    X = PIXELS.astype("float32")
    program = bound(device, X)
    assert program.plan.X is X
    assert type(program.plan.y) is type(program.plan.order) is DeviceArray
    assert type(program.predict(X)) is np.ndarray
    assert device.seen == [(np.ndarray, "float32")]


def test_a_host_x_is_checked(device: DeviceBackend) -> None:
    device.room = 0
    X = PIXELS.astype("float64")
    X[4, 2] = np.nan
    with pytest.raises(ValueError, match=r"X holds 1 values that are NaN.*the first at \(4, 2\)"):
        trained(device, X)


def test_a_library_that_holds_numpy_arrays_needs_no_room() -> None:
    """A backend on the host that says that nothing fits trains all the same."""

    class Full(NumpyBackend):
        def fits(self, n_bytes: int) -> bool:
            return False

    assert_same(trained(Full(), PIXELS), trained("numpy", PIXELS))


# Precision ----------------------------------------------------------------------------------------


def test_a_precision_reaches_the_plan(device: DeviceBackend) -> None:
    trained(device, PIXELS, input_scale=SCALE, precision="tf32")
    assert device.precisions_seen == {"tf32"}
    trained(device, PIXELS, input_scale=SCALE)
    assert device.precisions_seen == {"tf32", "float32"}


def test_a_precision_that_a_backend_does_not_offer(device: DeviceBackend) -> None:
    said = "backend 'numpy' does not offer precision 'tf32'; it offers 'float32'"
    with pytest.raises(ValueError, match=said):
        trained("numpy", PIXELS, precision="tf32")
    with pytest.raises(ValueError, match=r"'cupy' does not offer .*'bf16'.*'float32', 'tf32'"):
        trained(device, PIXELS, precision="bf16")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_low_precision_is_for_float32_programs(dtype: str, device: DeviceBackend) -> None:
    def attempt(model: nn.Module) -> None:
        rule = optim.SGD(model.parameters(), lr=0.1)
        accelnn.train(model, loss, rule, PIXELS, LABELS, backend=device, precision="tf32")

    loss = nn.CrossEntropyLoss()
    model = stack("tanh", accelnn.get_backend("numpy"), dtype)
    if dtype == "float64":
        with pytest.raises(ValueError, match="precision 'tf32' is for models of dtype float32"):
            attempt(model)
        with pytest.raises(ValueError, match="precision 'tf32' is for models of dtype float32"):
            lower(model.to(device), loss, optim.SGD(model.parameters()), device, 8, "tf32")
        return
    with pytest.raises(ValueError, match="train the eager way, because Tanh is not a layer"):
        attempt(nn.Sequential(*(Tanh() if isinstance(a, nn.Tanh) else a for a in model)))
    assert model.backend is accelnn.get_backend("numpy")
