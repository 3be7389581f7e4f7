"""What a program promises beside the right weights: views, ranges, gradients, clear refusals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accelnn import nn, optim
from accelnn.autograd import Parameter, Tensor
from accelnn.backends import Backend, get_backend
from accelnn.errors import NotLowerable
from accelnn.program import Program, lower
from tests.stacks import data, stack


def made(backend: Backend, hidden: str = "tanh", loss: Any = None, batch: int = 8) -> Program:
    model = stack(hidden, backend, "float64")
    loss = loss or nn.CrossEntropyLoss()
    program = lower(model, loss, optim.SGD(model.parameters(), lr=0.1), backend, batch)
    X, y = data(loss, 30, "float64")
    program.bind(backend.asarray(X), backend.asarray(y))
    return program


def test_parameters_are_views_of_the_buffer(backend: Backend) -> None:
    program = made(backend)
    linear = program.layers[0]
    assert isinstance(linear, nn.Linear)
    before = linear.weight.numpy().copy()
    program.run(0, 2, [0.1, 0.1])
    assert np.abs(linear.weight.numpy() - before).min() > 0
    program.plan.params[0] = 42.0
    assert linear.weight.numpy()[0, 0] == 42.0
    assert not program.stale


def test_state_dict_writes_through(backend: Backend) -> None:
    model = stack("relu", backend, "float64")
    program = lower(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), backend, 4)
    state = {name: np.full_like(value, 0.25) for name, value in model.state_dict().items()}
    model.load_state_dict(state)
    assert backend.to_numpy(program.plan.params).tolist() == [0.25] * program.plan.params.size


@pytest.mark.parametrize("what", ["parameter", "data", "tie"])
def test_replaced_parameter_makes_it_stale(backend: Backend, what: str) -> None:
    program = made(backend)
    linear = program.layers[0]
    assert isinstance(linear, nn.Linear)
    if what == "parameter":
        linear.weight = Parameter(linear.weight.numpy(), backend=backend)
    elif what == "tie":  # a parameter that lies in the buffer, too, but elsewhere
        other = program.layers[-1]
        assert isinstance(other, nn.Linear)
        linear.weight = other.weight
    else:
        linear.weight.array = backend.asarray(linear.weight.numpy().copy())
    assert program.stale


def test_ranges_add_up(backend: Backend) -> None:
    whole, parts = made(backend), made(backend)
    total = whole.run(0, 4, [0.1] * 4)
    pieces = [parts.run(0, 1, [0.1]), parts.run(1, 3, [0.1] * 2), parts.run(3, 4, [0.1])]
    assert total == pytest.approx(sum(pieces), rel=1e-12)
    np.testing.assert_array_equal(
        backend.to_numpy(whole.plan.params), backend.to_numpy(parts.plan.params)
    )


def test_loss_is_that_of_the_loss_module(backend: Backend) -> None:
    model, loss = stack("elu", backend, "float64"), nn.MSELoss()
    X, y = data(loss, 30, "float64")
    expected = loss(model(Tensor(X, backend=backend)), Tensor(y, backend=backend)).item()
    program = lower(model, loss, optim.SGD(model.parameters(), lr=0.1), backend, 30)
    program.bind(backend.asarray(X), backend.asarray(y))
    assert program.run(0, 1, [0.0]) / 30 == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.MSELoss(), nn.MSELoss("sum")], ids=str)
def test_loss_and_grad(backend: Backend, loss: nn.Loss) -> None:
    model = stack("tanh", backend, "float64")
    X, y = data(loss, 10, "float64")
    value = loss(model(Tensor(X, backend=backend)), Tensor(y, backend=backend))
    value.backward()
    expected = [p.grad.numpy() for p in model.parameters() if p.grad is not None]
    program = lower(model, loss, optim.SGD(model.parameters(), lr=0.1), backend, 10)
    program.bind(backend.asarray(X), backend.asarray(y))
    before = backend.to_numpy(program.plan.params).copy()
    found, flat = program.loss_and_grad()
    assert found == pytest.approx(value.item(), rel=1e-12)
    w = backend.to_numpy(flat)[: 7 * 6].reshape(7, 6)
    b = backend.to_numpy(flat)[program.plan.n_weights :][:6]
    np.testing.assert_allclose(w.T, expected[0], rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(b, expected[1], rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(backend.to_numpy(program.plan.params), before)


def test_predict_is_forward_without_dropout(backend: Backend) -> None:
    program = made(backend, "dropout")
    X = backend.asarray(data(nn.MSELoss(), 21, "float64")[0])  # three minibatches, the last of 5
    model = nn.Sequential(*program.layers).eval()
    expected = model(Tensor(X, backend=backend)).numpy()
    np.testing.assert_allclose(backend.to_numpy(program.predict(X)), expected, rtol=1e-12)


def test_dropout_counts_its_calls(backend: Backend) -> None:
    program = made(backend, "dropout")
    program.run(0, 3, [0.1] * 3)
    assert [layer.call for layer in program.layers if isinstance(layer, nn.Dropout)] == [3, 3]


def test_optimizer_states_go_both_ways(backend: Backend) -> None:
    """Ten steps in one way equal five eager ones, then five of a program, then five eager ones."""

    def run(ways: list[str]) -> list[Any]:
        model = stack("tanh", backend, "float64")
        rule = optim.Adam(model.parameters(), lr=0.05)
        loss = nn.CrossEntropyLoss()
        X, y = data(loss, 16, "float64")
        for way in ways:
            if way == "program":
                program = lower(model, loss, rule, backend, 16)
                program.bind(backend.asarray(X), backend.asarray(y))
                for _ in range(5):
                    program.run(0, 1, [0.05])
                continue
            for _ in range(5):
                rule.zero_grad()
                loss(model(Tensor(X, backend=backend)), Tensor(y, backend=backend)).backward()
                rule.step()
        assert rule.t == 15
        return [p.numpy().copy() for p in model.parameters()]

    mixed, eager = run(["eager", "program", "eager"]), run(["eager"] * 3)
    for a, b in zip(mixed, eager, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("first", "last", "rates"), [(0, 5, [0.1] * 5), (2, 1, []), (0, 2, [0.1])])
def test_bad_ranges(first: int, last: int, rates: list[float]) -> None:
    program = made(get_backend("numpy"))
    with pytest.raises(ValueError, match="0 <= first <= last <= 4 and one learning rate per step"):
        program.run(first, last, rates)


class Swish(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * nn.functional.sigmoid(x)


def tied() -> nn.Sequential:
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    b.weight = a.weight
    return nn.Sequential(a, nn.ReLU(), b)


def frozen() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(3, 3))
    next(model.parameters()).requires_grad = False
    return model


@pytest.mark.parametrize(
    ("make", "loss", "message"),
    [
        (lambda: nn.Sequential(nn.Linear(3, 3), Swish()), nn.MSELoss(), "Swish is not a layer"),
        (tied, nn.MSELoss(), "a parameter is shared"),
        (frozen, nn.MSELoss(), "frozen"),
        (lambda: nn.Sequential(nn.Linear(3, 3)), nn.MSELoss("none"), "reduction='none'"),
        (lambda: nn.Sequential(nn.Linear(3, 3)), lambda y, t: y, "the loss .* is not one"),
        (lambda: nn.Sequential(nn.Linear(3, 3), nn.LeakyReLU(-0.1)), nn.MSELoss(), "LeakyReLU"),
        (lambda: nn.Sequential(nn.Linear(3, 3), nn.ELU(-1.0)), nn.MSELoss(), "ELU"),
        (lambda: nn.Sequential(nn.Linear(3, 3), nn.Softmax(0)), nn.MSELoss(), r"Softmax\(dim=0"),
        (lambda: nn.Sequential(nn.Linear(3, 3), nn.LogSoftmax(0)), nn.MSELoss(), "along the rows"),
        (lambda: nn.Sequential(nn.Linear(3, 4), nn.Linear(3, 3)), nn.MSELoss(), "followed by"),
        (
            lambda: nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3, dtype="float64")),
            nn.MSELoss(),
            "more than one dtype",
        ),
    ],
)
def test_refusals_name_the_part(make: Callable[[], nn.Sequential], loss: Any, message: str) -> None:
    model = make()
    rule = optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(NotLowerable, match=message):
        lower(model, loss, rule, get_backend("numpy"), 4)


def test_refuses_an_optimizer_of_other_parameters() -> None:
    model = nn.Sequential(nn.Linear(3, 3))
    other = optim.SGD(nn.Linear(3, 3).parameters())
    with pytest.raises(NotLowerable, match="other parameters"):
        lower(model, nn.MSELoss(), other, get_backend("numpy"), 4)
