"""``accelnn.train``: history, callbacks, validation, the two engines, interruption."""

import warnings
from typing import Any

import numpy as np
import pytest

import accelnn
from accelnn import nn, optim, training
from accelnn.autograd import Tensor
from accelnn.history import Callback, Epoch, History
from tests.stacks import data, stack


def job(backend: str = "numpy", dtype: str = "float64") -> Any:
    model = stack("tanh", accelnn.get_backend(backend), dtype)
    X, y = data(nn.CrossEntropyLoss(), 50, dtype)
    return model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.5), X, y


def test_history() -> None:
    history = accelnn.train(*job(), epochs=20, batch_size=16, seed=0, backend="numpy")
    assert [e.epoch for e in history.epochs] == list(range(1, 21))
    assert history["loss"][-1] < history["loss"][0]
    assert history["val_loss"] == [None] * 20
    assert all(s > 0 for s in history["seconds"])
    assert (history.engine, history.backend, history.interrupted) == ("program", "numpy", False)


def test_loss_is_the_mean_over_the_rows() -> None:
    model, loss, rule, X, y = job()
    rule.lr = 0.0
    expected = loss(model(Tensor(X)), Tensor(y)).item()
    history = accelnn.train(model, loss, rule, X, y, batch_size=16, seed=0)
    assert history["loss"] == [pytest.approx(expected, rel=1e-12)]


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_validation(backend: str) -> None:
    model, loss, rule, X, y = job(backend)
    history = accelnn.train(model, loss, rule, X, y, X_val=X, y_val=y, backend=backend, seed=0)
    out = model.eval()(Tensor(X, backend=backend))
    assert history["val_loss"] == [pytest.approx(loss(out, y).item(), rel=1e-12)]
    assert history["val_accuracy"] == [float((out.numpy().argmax(axis=1) == y).mean())]


def test_same_seed_same_orders_on_both_backends() -> None:
    ends = []
    for backend in ("numpy", "numba", "numpy"):
        model, *rest = job(backend)
        accelnn.train(model, *rest, epochs=3, batch_size=8, seed=3, backend=backend)
        ends.append(np.concatenate([p.numpy().ravel() for p in model.parameters()]))
    np.testing.assert_array_equal(ends[0], ends[2])
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-9, atol=1e-12)


def test_shuffle_changes_the_order() -> None:
    losses = []
    for seed in (0, 1):
        history = accelnn.train(*job(), epochs=2, batch_size=8, seed=seed)
        losses.append(history["loss"])
    assert losses[0] != losses[1]
    again = [accelnn.train(*job(), batch_size=8, seed=s, shuffle=False)["loss"] for s in (0, 1)]
    assert again[0] == again[1]


class Spy(Callback):
    def __init__(self, stop_after: int = 99) -> None:
        self.calls: list[Any] = []
        self.stop_after = stop_after

    def on_train_begin(self, history: History, n_rows: int, epochs: int) -> None:
        self.calls.append(("begin", history.engine, n_rows, epochs))

    def on_progress(self, epoch: int, rows_done: int) -> None:
        self.calls.append(("progress", epoch, rows_done))

    def on_epoch_end(self, epoch: Epoch) -> bool:
        self.calls.append(("end", epoch.epoch))
        return epoch.epoch >= self.stop_after


def test_callbacks_and_stopping() -> None:
    spy, other = Spy(stop_after=2), Spy()
    history = accelnn.train(*job(), epochs=5, batch_size=25, callbacks=[spy, other])
    assert spy.calls[0] == ("begin", "program", 50, 5)
    assert [c for c in spy.calls if c[0] == "end"] == [("end", 1), ("end", 2)]
    assert [c[2] for c in spy.calls if c[0] == "progress" and c[1] == 1][-1] == 50
    assert other.calls == spy.calls  # every callback hears of the epoch, whoever stops
    assert (len(history.epochs), history.interrupted) == (2, True)


def test_ctrl_c_leaves_a_usable_model() -> None:
    model, loss, rule, X, y = job()

    class CtrlC(Callback):
        def on_progress(self, epoch: int, rows_done: int) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        accelnn.train(model, loss, rule, X, y, batch_size=5, callbacks=[CtrlC()])
    assert np.isfinite(model(X).numpy()).all()
    accelnn.train(model, loss, rule, X, y, batch_size=5)


class Swish(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * nn.functional.sigmoid(x)


def test_a_layer_of_ones_own_trains_eagerly_with_one_message() -> None:
    accelnn.manual_seed(0)
    model = nn.Sequential(nn.Linear(7, 8), Swish(), nn.Linear(8, 3))
    _, loss, _, X, y = job(dtype="float32")
    rule = optim.Adam(model.parameters(), lr=0.02)
    with pytest.warns(UserWarning, match="Swish is not a layer that programs know") as caught:
        history = accelnn.train(model, loss, rule, X, y, epochs=40, X_val=X, y_val=y, seed=0)
    assert len(caught) == 1
    assert (history.engine, history.explain().reason) == (
        "eager",
        "Swish is not a layer that programs know",
    )
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    assert history["val_accuracy"][-1] > 0.5


def test_a_loss_of_ones_own_trains_eagerly() -> None:
    model, _, rule, X, _ = job()
    y = np.zeros((50, 3))

    def quartic(prediction: Tensor, target: Tensor) -> Tensor:
        return ((prediction - target) ** 4).mean()

    with pytest.warns(UserWarning, match="the loss .*quartic.* is not one that programs know"):
        history = accelnn.train(model, quartic, rule, X, y, epochs=5, seed=0)
    assert history["loss"][-1] < history["loss"][0]


def test_a_function_of_ones_own_gets_integer_classes() -> None:
    model, _, rule, X, y = job()

    def mine(prediction: Tensor, target: Tensor) -> Tensor:
        return nn.functional.cross_entropy(prediction, target) * 2

    with pytest.warns(UserWarning, match="is not one that programs know"):
        history = accelnn.train(model, mine, rule, X, y, epochs=5, seed=0)
    assert history["loss"][-1] < history["loss"][0]


def test_eager_and_program_report_the_same_losses() -> None:
    class SameReLU(nn.Tanh):
        """The same arithmetic under a name that programs do not know."""

    program = accelnn.train(*job(), epochs=3, batch_size=8, seed=0)
    model, *rest = job()
    layers = [SameReLU() if isinstance(layer, nn.Tanh) else layer for layer in model]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        eager = accelnn.train(nn.Sequential(*layers), *rest, epochs=3, batch_size=8, seed=0)
    assert (program.engine, eager.engine) == ("program", "eager")
    np.testing.assert_allclose(eager["loss"], program["loss"], rtol=1e-10)


def test_images_are_flattened_and_integers_converted() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 2))
    X = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
    rule = optim.SGD(model.parameters(), lr=0.0)
    history = accelnn.train(model, nn.CrossEntropyLoss(), rule, X, [0, 1, 0, 1])
    expected = nn.CrossEntropyLoss()(model(X.reshape(4, 6).astype("float32")), [0, 1, 0, 1])
    assert history["loss"] == [pytest.approx(expected.item(), rel=1e-5)]


def test_divergence_is_an_error_with_a_remedy() -> None:
    model, _, rule, X, _ = job()
    rule.lr = 1e6
    with (
        np.errstate(all="ignore"),
        pytest.raises(FloatingPointError, match=r"epoch 1.*lower the learning rate .*1000000"),
    ):
        accelnn.train(model, nn.MSELoss(), rule, X, np.ones((50, 3)), batch_size=1)


def test_the_data_are_not_written_to() -> None:
    model, loss, rule, X, y = job("numba")
    X.flags.writeable = False
    y.flags.writeable = False
    before = X.copy()
    accelnn.train(model, loss, rule, X, y, epochs=2, backend="numba")
    np.testing.assert_array_equal(X, before)


def test_contiguous_data_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    from accelnn.program import Program

    original = Program.bind

    def bind(self: Program, X: Any, y: Any, input_scale: float) -> None:
        original(self, X, y, input_scale)
        seen.extend([self.plan.X, self.plan.y])

    monkeypatch.setattr(Program, "bind", bind)
    model, loss, rule, X, y = job()
    accelnn.train(model, loss, rule, X, y)
    assert np.shares_memory(seen[0], X)
    assert np.shares_memory(seen[1], y)


def test_explain() -> None:
    model, loss, rule, *_ = job()
    told = accelnn.explain(model, loss, rule)
    assert (told.engine, told.backend, told.reason) == ("program", "numpy", "")
    assert [kernels for _, kernels in told.layers] == [
        "matmul, add_bias, sum_rows",
        "tanh, tanh_backward",
        "matmul, add_bias, sum_rows",
        "tanh, tanh_backward",
        "matmul, add_bias, sum_rows",
        "cross_entropy, cross_entropy_backward",
        "sgd",
    ]
    assert str(told).startswith("program on numpy\n")


@pytest.mark.parametrize(("rows", "epochs", "expected"), [(50, 1, "numpy"), (60000, 5, "numba")])
def test_auto_goes_by_the_size_of_the_fit(rows: int, epochs: int, expected: str) -> None:
    from accelnn.training import choose_backend

    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))
    X = np.broadcast_to(np.float32(0), (rows, 784))
    chosen, why = choose_backend(model, X, "auto", epochs)
    assert (chosen.name, why[:19]) == (expected, "chosen for a fit of")
    named, why = choose_backend(model, X, "numpy", epochs)
    assert (named.name, why) == ("numpy", "named in the call")


@pytest.mark.parametrize("ahead", [0, 10**6])
def test_orders_are_the_seeds(ahead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn ahead or not, and no more of them than there are epochs."""
    monkeypatch.setattr(training, "SHUFFLED_AHEAD", ahead)
    rng, expected = np.random.default_rng(3), np.random.default_rng(3)
    for order in training._orders(50, 4, rng, shuffle=True):
        np.testing.assert_array_equal(order, expected.permutation(50))
    assert rng.random() == expected.random()
    for order in training._orders(50, 2, rng, shuffle=False):
        np.testing.assert_array_equal(order, np.arange(50))
