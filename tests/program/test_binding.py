"""The data of a program: what ``bind`` and ``start_epoch`` refuse, short orders, and ``close``."""

import re
from typing import Any

import numpy as np
import pytest

from accelnn import nn, optim, train
from accelnn.backends import Backend, get_backend
from accelnn.engines import EagerEngine
from accelnn.history import Callback
from accelnn.program import Program, lower
from tests.device import DeviceArray, DeviceBackend
from tests.stacks import data, stack


def lowered(backend: Backend, loss: nn.Loss | None = None, batch: int = 4) -> Program:
    model = stack("tanh", backend, "float64")
    rule = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return lower(model, loss or nn.CrossEntropyLoss(), rule, backend, batch)


def bound(backend: Backend, n: int = 30) -> Program:
    program = lowered(backend)
    X, y = data(nn.CrossEntropyLoss(), n, "float64")
    program.bind(backend.asarray(X), backend.asarray(y))
    return program


X, Y = np.zeros((6, 7)), np.arange(6) % 3
BAD: dict[str, tuple[Any, Any, type[Exception], str]] = {
    "narrow": (X[:, :5], Y, ValueError, r"X must have a row of 7 .*\(n, 7\), got shape \(6, 5\)"),
    "1-D": (X[0], Y, ValueError, r"X must have a row of 7 features .* got shape \(7,\)"),
    "images": (X[:, None], Y, ValueError, r"X must have a row of 7 .* got shape \(6, 1, 7\)"),
    "no rows": (X[:0], Y[:0], ValueError, r"X has no rows \(shape \(0, 7\)\)"),
    "text": (np.full((6, 7), "a"), Y, TypeError, "X must hold real numbers, got dtype <U1"),
    "few labels": (X, Y[:5], ValueError, r"y must have a row for each of the 6 of X.*\(5,\)"),
    "one too many": (X, Y + 1, ValueError, r"y must hold classes 0 \.\.\. 2.*got 1 \.\.\. 3"),
    "negative": (X, Y - 1, ValueError, r"y must hold classes 0 \.\.\. 2.*got -1 \.\.\. 1"),
    "floats": (X, Y * 1.0, TypeError, "y must hold integer classes .* got dtype float64"),
    "columns": (X, Y[:, None], ValueError, r"y must hold one class per row .* got \(6, 1\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_leave_a_program_as_it_was(case: str) -> None:
    bad_x, bad_y, error, said = BAD[case]
    program = bound(get_backend("numpy"))
    plan = program.plan
    before = plan.X, plan.y, plan.order, plan.row_losses, plan.input_scale
    with pytest.raises(error, match=said):
        program.bind(bad_x, bad_y, input_scale=0.5)
    after = plan.X, plan.y, plan.order, plan.row_losses, plan.input_scale
    assert all(a is b for a, b in zip(after, before, strict=True))
    assert np.isfinite(program.run(0, 1, [0.1]))


def test_values_have_a_column_per_output() -> None:
    program = lowered(get_backend("numpy"), nn.MSELoss())
    with pytest.raises(ValueError, match=r"y must have shape \(6, 3\).* got \(6, 2\)"):
        program.bind(X, np.zeros((6, 2)))
    program.bind(X, np.zeros((6, 3), np.float32))
    assert program.plan.y.dtype == np.float64


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ([0, 30], "order must hold rows 0 ... 29 of X, got 0 ... 30"),
        ([3, -1], "order must hold rows 0 ... 29 of X, got -1 ... 3"),
        ([], "one or more row numbers, shape (m,) of integers, got shape (0,) of float64"),
        ([[0, 1]], "one or more row numbers, shape (m,) of integers, got shape (1, 2) of int64"),
        ([0.0, 1.0], "of integers, got shape (2,) of float64"),
        ([True, False], "of integers, got shape (2,) of bool"),
    ],
)
def test_bad_orders(order: Any, said: str) -> None:
    program = bound(get_backend("numpy"))
    before = program.plan.order
    with pytest.raises(ValueError, match=re.escape(said)):
        program.start_epoch(order)
    assert program.plan.order is before


def test_what_needs_data_says_so() -> None:
    program = lowered(get_backend("numpy"))
    for attempt in (
        lambda: program.start_epoch([0]),
        lambda: program.run(0, 1, [0.1]),
        lambda: program.n_batches,
        program.loss_and_grad,
    ):
        with pytest.raises(RuntimeError, match=r"no data yet; call bind\(X, y\) first"):
            attempt()


def test_an_order_may_leave_rows_out(backend: Backend) -> None:
    """Losses of an earlier, longer epoch are not counted."""
    program, few = bound(backend), lowered(backend)
    program.run(0, 8, [0.0] * 8)
    program.plan.states[...] = 0
    X, y = data(nn.CrossEntropyLoss(), 30, "float64")
    order = np.array([29, 3, 3, 17, 8, 0], np.int32)
    program.start_epoch(order)
    few.bind(backend.asarray(X[order]), backend.asarray(y[order]))
    assert program.n_batches == few.n_batches == 2
    for first, last in ((0, 2), (1, 2)):
        rates = [0.1] * (last - first)
        assert program.run(first, last, rates) == pytest.approx(few.run(first, last, rates))
    np.testing.assert_array_equal(
        backend.to_numpy(program.plan.params), backend.to_numpy(few.plan.params)
    )


def test_an_order_may_be_longer_than_x(backend: Backend) -> None:
    program, many = bound(backend, 5), lowered(backend)
    X, y = data(nn.CrossEntropyLoss(), 5, "float64")
    order = np.arange(50) % 5
    program.start_epoch(order)
    many.bind(backend.asarray(X[order]), backend.asarray(y[order]))
    assert program.run(0, 13, [0.1] * 13) == pytest.approx(many.run(0, 13, [0.1] * 13))
    assert len(program.plan.row_losses) == 50


# Closing ------------------------------------------------------------------------------------------


def test_close_releases_all_but_the_parameters(backend: Backend) -> None:
    program = bound(backend)
    program.run(0, 8, [0.1] * 8)
    linear = program.layers[0]
    assert isinstance(linear, nn.Linear)
    learned, plan = linear.weight.numpy().copy(), program.plan
    assert plan.views
    program.close()
    program.close()
    assert not plan.views
    gone = (plan.X, plan.y, plan.order, plan.row_losses, plan.work, plan.deltas, plan.grads)
    assert (*gone, plan.states) == (None,) * 8
    np.testing.assert_array_equal(linear.weight.numpy(), learned)
    np.testing.assert_array_equal(linear(np.eye(7)).numpy().shape, (7, 6))


def test_a_closed_program_says_so() -> None:
    with bound(get_backend("numpy")) as program:
        program.run(0, 1, [0.1])
    for attempt in (
        lambda: program.bind(X, Y),
        lambda: program.start_epoch([0]),
        lambda: program.n_batches,
        lambda: program.run(0, 1, [0.1]),
        program.loss_and_grad,
        lambda: program.predict(X),
        lambda: program.outputs(X),
    ):
        with pytest.raises(RuntimeError, match="this program is closed; lower the stack again"):
            attempt()


def noting(close: Any, closed: list[Any]) -> Any:
    """Return a ``close`` that notes what it closed."""

    def noted(self: Any) -> None:
        closed.append(self)
        close(self)

    return noted


class Fails(Callback):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def on_progress(self, epoch: int, rows_done: int) -> None:
        raise self.error


@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), ZeroDivisionError()], ids=str)
@pytest.mark.filterwarnings("ignore:training the eager way")
@pytest.mark.parametrize("eager", [False, True])
def test_train_closes_what_it_made(
    eager: bool, error: BaseException | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[Any] = []
    for kind in (Program, EagerEngine):
        monkeypatch.setattr(kind, "close", noting(kind.close, closed))

    class Other(nn.Tanh):
        """Not one that programs know."""

    model = nn.Sequential(nn.Linear(7, 4), Other() if eager else nn.Tanh(), nn.Linear(4, 3))
    callbacks = [Fails(error)] if error is not None else []
    rule = optim.Adam(model.parameters())
    try:
        train(model, nn.CrossEntropyLoss(), rule, X, Y, callbacks=callbacks, backend="numpy")
        assert error is None
    except (KeyboardInterrupt, ZeroDivisionError) as raised:
        assert raised is error  # noqa: PT017 - pytest.raises does not take "none"
    (engine,) = closed
    assert type(engine) is (EagerEngine if eager else Program)
    history = train(model, nn.CrossEntropyLoss(), rule, X, Y, backend="numpy")  # it goes on
    assert np.isfinite(history["loss"]).all()
    assert rule.t > 0


def test_the_device_is_current_while_a_program_works(device: DeviceBackend) -> None:
    """Arrays are made and kernels run inside ``scope``, of train and of a program alike."""

    class Scope:
        def __enter__(self) -> None:
            device.depth += 1

        def __exit__(self, *_: object) -> None:
            device.depth -= 1

    seen: list[int] = []

    def around(run: Any) -> Any:
        def noted(*arguments: Any, **named: Any) -> Any:
            seen.append(device.depth)
            return run(*arguments, **named)

        return noted

    model = stack("tanh", device, "float64")
    device.scope = Scope  # type: ignore[method-assign]
    for name in ("zeros", "empty", "run_steps", "run_forward", "release", "asarray"):
        setattr(device, name, around(getattr(device, name)))
    rule = optim.SGD(model.parameters(), lr=0.1)
    with lower(model, nn.CrossEntropyLoss(), rule, device, 4) as program:
        program.bind(X, Y)
        program.start_epoch([1, 2])
        program.run(0, 1, [0.1])
        program.loss_and_grad()
        assert type(program.predict(DeviceArray(X))) is DeviceArray
    assert seen
    assert min(seen) >= 1
    train(model, nn.CrossEntropyLoss(), rule, X, Y, X_val=X, y_val=Y, backend=device)
    assert min(seen) >= 1
    assert device.depth == 0
