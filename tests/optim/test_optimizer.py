"""What all optimizers promise: states, layouts, gradients left alone, and errors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accelnn import Parameter, Tensor, nn
from accelnn.backends import Backend
from accelnn.nn import functional as F
from accelnn.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from tests.tolerances import assert_close

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": lambda p, lr=0.1: SGD(p, lr=lr),
    "momentum": lambda p, lr=0.1: SGD(p, lr=lr, momentum=0.9),
    "nesterov": lambda p, lr=0.1: SGD(p, lr=lr, momentum=0.9, nesterov=True, weight_decay=0.1),
    "adam": lambda p, lr=0.1: Adam(p, lr=lr, weight_decay=0.1),
    "adamw": lambda p, lr=0.1: AdamW(p, lr=lr),
    "rmsprop": lambda p, lr=0.1: RMSprop(p, lr=lr, alpha=0.9, weight_decay=0.1),
}
every = pytest.mark.parametrize("name", OPTIMIZERS)
stateful = pytest.mark.parametrize("name", list(OPTIMIZERS)[1:])


def give(p: Parameter, gradient: Any) -> None:
    p.grad = Tensor(np.asarray(gradient, str(p.dtype)), backend=p.backend)


def path(
    name: str, p: Parameter, gradients: Any, change: Callable[[Parameter, int], None] | None = None
) -> Any:
    optimizer = OPTIMIZERS[name]([p])
    for i, g in enumerate(gradients):
        if change:
            change(p, i)
        give(p, g)
        optimizer.step()
    return p.numpy().copy()


@every
def test_a_step_leaves_the_gradient(backend: Backend, name: str, rng: Any) -> None:
    p = Parameter(rng.normal(size=(3, 4)), backend=backend)
    optimizer, g = OPTIMIZERS[name]([p]), rng.normal(size=(3, 4))
    give(p, g)
    held, before = p.grad, p.numpy().copy()
    optimizer.step()
    assert p.grad is held
    assert_close(p.grad.numpy(), g)  # type: ignore[union-attr]
    assert not np.array_equal(p.numpy(), before)


@every
def test_a_step_writes_in_place(backend: Backend, name: str) -> None:
    """Whoever holds the array, such as a program's buffer, sees the new values."""
    layer = nn.Linear(3, 2, backend=backend)
    optimizer = OPTIMIZERS[name](layer.parameters())
    w = layer.weight.array
    before = layer.weight.numpy().copy()
    layer([[1.0, 2.0, 3.0]]).sum().backward()
    optimizer.step()
    assert layer.weight.array is w
    assert not np.array_equal(layer.weight.numpy(), before)


@every
def test_parameters_without_gradient_are_left_alone(backend: Backend, name: str) -> None:
    used, unused = (Parameter([1.0, 2.0], backend=backend) for _ in range(2))
    optimizer = OPTIMIZERS[name]([unused, used])
    for _ in range(3):
        give(used, [1.0, 1.0])
        optimizer.step()
    assert unused.tolist() == [1.0, 2.0]
    assert unused.grad is None
    assert used.tolist() != [1.0, 2.0]
    assert optimizer.t == 3


@every
def test_the_array_of_the_user_is_not_written_to(backend: Backend, name: str) -> None:
    mine = np.ones(3)
    p = Parameter(mine, backend=backend)
    path(name, p, np.ones((3, 3)))
    np.testing.assert_array_equal(mine, np.ones(3))
    assert not np.array_equal(p.numpy(), mine)


@every
def test_zero_grad(backend: Backend, name: str) -> None:
    p = Parameter([1.0], backend=backend)
    optimizer = OPTIMIZERS[name]([p])
    give(p, [1.0])
    optimizer.zero_grad()
    assert p.grad is None
    optimizer.step()
    assert p.tolist() == [1.0]


@every
def test_float32_follows_float64(backend: Backend, name: str, rng: Any) -> None:
    start, gradients = rng.normal(size=(4, 3)), rng.normal(size=(8, 4, 3))
    ends = [
        path(name, Parameter(start.astype(t), backend=backend), gradients.astype(t))
        for t in ("float32", "float64")
    ]
    assert_close(ends[0], ends[1].astype("float32"), length=64)


@every
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (1, 5), (5, 1), (1, 1)], ids=str)
def test_layout_changes_no_value(
    backend: Backend, name: str, shape: tuple[int, int], rng: Any
) -> None:
    """Of the weight (a Linear's is a transpose) and of its gradient (backward's is, too)."""
    start, gradients = rng.normal(size=shape), rng.normal(size=(4, *shape))
    plain = path(name, Parameter(start, backend=backend), gradients)
    turned = nn.Linear(shape[1], shape[0], dtype="float64", backend=backend).weight
    turned.array[...] = backend.asarray(start)
    assert_close(path(name, turned, gradients), plain)
    turned.array[...] = backend.asarray(start)
    optimizer = OPTIMIZERS[name]([turned])
    for g in gradients:
        turned.grad = Tensor(np.asfortranarray(g), backend=backend)
        optimizer.step()
    assert_close(turned.numpy(), plain)


@every
def test_a_strided_parameter_is_written_to(backend: Backend, name: str, rng: Any) -> None:
    start, gradients = rng.normal(size=(3, 2)), rng.normal(size=(4, 3, 2))
    plain = path(name, Parameter(start, backend=backend), gradients)
    wide = backend.zeros((6, 4), "float64")
    p = Parameter(start, backend=backend)
    wide[::2, 1::2] = p.array
    p.array = wide[::2, 1::2]
    assert_close(path(name, p, gradients), plain)
    expected = np.zeros((6, 4))
    expected[::2, 1::2] = plain
    assert_close(wide, expected)


@every
def test_the_gradient_of_a_plain_sum(backend: Backend, name: str) -> None:
    p, q = (Parameter(np.ones((2, 3)), backend=backend) for _ in range(2))
    optimizer = OPTIMIZERS[name]([p])
    p.sum().backward()
    optimizer.step()
    assert_close(p.numpy(), path(name, q, np.ones((1, 2, 3))))


@stateful
def test_states_belong_to_their_parameter(backend: Backend, name: str, rng: Any) -> None:
    """Two parameters in one optimizer move as each would alone, whatever happens in between."""
    start, gradients = rng.normal(size=(2, 3)), rng.normal(size=(5, 2, 3))
    alone = [
        path(name, Parameter(s, backend=backend), gradients[:, i]) for i, s in enumerate(start)
    ]
    both = [Parameter(s, backend=backend) for s in start]
    optimizer = OPTIMIZERS[name](both)
    for step in gradients:
        optimizer.zero_grad()
        for p, g in zip(both, step, strict=True):
            give(p, g)
        optimizer.step()
    for p, expected in zip(both, alone, strict=True):
        assert_close(p.numpy(), expected)


@stateful
def test_states_survive_new_values(backend: Backend, name: str, rng: Any) -> None:
    """Loading weights changes where the next step starts, not its direction."""
    start, gradients = rng.normal(size=(3,)), np.ones((4, 3))
    optimizer_moves = []
    for written in (False, True):
        layer = nn.Linear(3, 1, bias=False, dtype="float64", backend=backend)
        layer.load_state_dict({"weight": start[None]})
        optimizer = OPTIMIZERS[name](layer.parameters())
        for i, g in enumerate(gradients):
            if written and i == 2:
                layer.load_state_dict({"weight": layer.weight.numpy().copy()})
            give(layer.weight, g[None])
            optimizer.step()
        optimizer_moves.append(layer.weight.numpy().copy())
    assert_close(optimizer_moves[1], optimizer_moves[0])


@stateful
@pytest.mark.parametrize("shape", [(3, 3), (4, 2)], ids=str)
def test_states_survive_another_layout(
    backend: Backend, name: str, shape: tuple[int, int], rng: Any
) -> None:
    start, gradients = rng.normal(size=shape), rng.normal(size=(4, *shape))

    def relay(p: Parameter, i: int) -> None:
        if i == 2:
            p.array = backend.asarray(np.ascontiguousarray(p.numpy()))

    ends = []
    for change in (None, relay):
        weight = nn.Linear(shape[1], shape[0], dtype="float64", backend=backend).weight
        weight.array[...] = backend.asarray(start)
        ends.append(path(name, weight, gradients, change))
    assert_close(ends[1], ends[0])


def test_the_rate_may_change_between_steps(backend: Backend) -> None:
    p = Parameter(np.zeros(2), backend=backend)
    optimizer = SGD([p], lr=0.5)
    for lr in (0.5, 0.25, 0.0):
        optimizer.lr = lr
        give(p, [1.0, -2.0])
        optimizer.step()
    assert_close(p.numpy(), np.array([-0.75, 1.5]))


def test_torchs_momentum_applies_the_new_rate_to_the_whole_velocity(backend: Backend) -> None:
    p = Parameter(np.zeros(1), backend=backend)
    optimizer = SGD([p], lr=1.0, momentum=0.5)
    give(p, [1.0])
    optimizer.step()
    optimizer.lr = 0.1
    optimizer.step()  # v = 1.5
    assert_close(p.numpy(), np.array([-1.15]))


def test_a_parameter_that_joins_later(backend: Backend) -> None:
    """A schedule by layers: frozen at first, then trained."""
    p, late = (Parameter(np.zeros(1), backend=backend) for _ in range(2))
    optimizer = SGD([p, late], lr=1.0, momentum=0.5)
    give(p, [1.0])
    optimizer.step()
    give(late, [1.0])
    optimizer.step()
    assert late.tolist() == [-1.0]
    assert p.tolist() == [-2.5]


@every
def test_training_reaches_the_minimum(backend: Backend, name: str) -> None:
    p = Parameter(np.array([3.0, -2.0]), backend=backend)
    optimizer = OPTIMIZERS[name]([p], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        F.mse_loss(p, np.zeros(2), "sum").backward()
        optimizer.step()
    assert np.abs(p.numpy()).max() < 0.1


# Errors -------------------------------------------------------------------------------------------

WEIGHTS = [Parameter([1.0])]


@pytest.mark.parametrize("make", [SGD, Adam, AdamW])
@pytest.mark.parametrize("lr", [-0.1, float("nan"), float("inf"), "0.1", None])
def test_bad_rates(make: Any, lr: Any) -> None:
    with pytest.raises(ValueError, match="lr must be a number of at least 0, got"):
        make(WEIGHTS, lr=lr)


@pytest.mark.parametrize(
    ("make", "how", "message"),
    [
        (SGD, {"momentum": -1}, "momentum must be a number of at least 0, got -1"),
        (SGD, {"weight_decay": -1}, "weight_decay must be a number of at least 0, got -1"),
        (SGD, {"nesterov": True}, "nesterov=True needs momentum > 0"),
        (Adam, {"betas": (1.0, 0.9)}, r"betas\[0\] must be .* at least 0 and below 1, got 1.0"),
        (Adam, {"betas": (0.9, -0.1)}, r"betas\[1\] must be .* at least 0 and below 1, got -0.1"),
        (Adam, {"betas": 0.9}, "betas must be two numbers, got 0.9"),
        (Adam, {"betas": (0.9,)}, r"betas must be two numbers, got \(0.9,\)"),
        (Adam, {"eps": -1e-8}, "eps must be a number of at least 0"),
        (AdamW, {"weight_decay": "a lot"}, "weight_decay must be .* got 'a lot'"),
    ],
    ids=str,
)
def test_bad_arguments(make: Any, how: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(WEIGHTS, **how)


@pytest.mark.parametrize("make", [SGD, Adam, AdamW])
def test_bad_parameters(make: Any) -> None:
    with pytest.raises(TypeError, match=r"expected an iterable of parameters, such as model\.par"):
        make(WEIGHTS[0])
    with pytest.raises(TypeError, match=r"expected an iterable of parameters"):
        make(Tensor([1.0, 2.0], True))
    with pytest.raises(TypeError, match=r"got a Linear; pass model\.parameters\(\)"):
        make(nn.Sequential(nn.Linear(1, 1)))
    with pytest.raises(ValueError, match=r"no parameters; pass model\.parameters\(\)"):
        make(nn.ReLU().parameters())


def test_numpy_numbers_and_repr() -> None:
    assert repr(SGD(WEIGHTS, lr=np.float64(0.5))) == (
        "SGD(lr=0.5, momentum=0.0, nesterov=False, weight_decay=0.0)"
    )
    assert Adam(WEIGHTS, lr=np.float32(0.25)).lr == 0.25  # type: ignore[arg-type]
    assert repr(AdamW(WEIGHTS)) == (
        "AdamW(lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01)"
    )


@pytest.mark.parametrize("set_to_none", [True, False])
def test_zero_grad_forgets_or_fills_with_zeros(backend: Backend, set_to_none: bool) -> None:
    p, untouched = (Parameter(np.ones(2), backend=backend) for _ in range(2))
    give(p, [3.0, 4.0])
    held = p.grad
    SGD([p, untouched], lr=0.1).zero_grad(set_to_none)
    assert untouched.grad is None
    if set_to_none:
        assert p.grad is None
    else:
        assert p.grad is held
        assert held is not None
        assert held.tolist() == [0, 0]
