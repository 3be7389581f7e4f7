"""A rule that does its steps itself, and the penalty that a run reports."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from accelnn import nn, optim
from accelnn.autograd import Tensor
from accelnn.backends import Backend, get_backend, stepper
from accelnn.backends.plan import Plan, Update
from accelnn.kernels import table as t
from accelnn.program import Program, lower
from tests.stacks import data, stack

ROWS, BATCH = 30, 8
LIMIT = 0.75


@dataclass
class Momentum:
    """scikit-learn's kind of step: a rate in the velocity, and a decay of the weights per row."""

    alpha: float = 2.0
    t: int = 0

    def update(self) -> Update:
        return Update(t.MOMENTUM, beta1=0.5, decay_weights=self.alpha, decay_per_row=True)

    def scalars(self, t: int, lr: float) -> tuple[float, float, float]:
        return lr / t, 1.0, 0.0


@dataclass
class Clipped(Momentum):
    """The same with gradients of norm ``limit`` at most; notes its norms, shares and counts."""

    limit: float = LIMIT
    norms: list[float] = field(default_factory=list)
    seen: list[tuple[float, int]] = field(default_factory=list)

    def step_plan(self, plan: Plan, backend: Backend, share: float, lr: float) -> None:
        norm = float(np.linalg.norm(backend.to_numpy(plan.grads)))
        self.norms.append(norm)
        self.seen.append((share, self.t))
        if norm > self.limit:
            plan.grads *= self.limit / norm
        stepper.update(backend, plan, [*self.scalars(self.t, lr), share])


def made(backend: Backend, rule: Any) -> tuple[Program, nn.Sequential]:
    model = stack("tanh", backend, "float64")
    program = lower(model, nn.CrossEntropyLoss(), rule, backend, BATCH)
    program.bind(*data(nn.CrossEntropyLoss(), ROWS, "float64"))
    return program, model


def params(program: Program) -> Any:
    return program.backend.to_numpy(program.plan.params).copy()


def test_clipped_steps_are_those_of_the_formula(backend: Backend) -> None:
    """Against the eager way, with norm, decay and momentum written out."""
    rule = Clipped()
    program, _ = made(backend, rule)
    program.run(0, 0, [])
    program.run(0, 1, [0.3])
    program.run(1, 4, [0.3, 0.3, 0.2])
    model = stack("tanh", get_backend("numpy"), "float64")
    X, y = data(nn.CrossEntropyLoss(), ROWS, "float64")
    parameters = list(model.parameters())
    velocities, norms = [np.zeros(p.shape) for p in parameters], []
    for step, lr in enumerate([0.3, 0.3, 0.3, 0.2]):
        here = slice(step * BATCH, (step + 1) * BATCH)
        for p in parameters:
            p.grad = None
        nn.CrossEntropyLoss()(model(Tensor(X[here])), Tensor(y[here])).backward()
        grads = [p.grad.numpy() for p in parameters if p.grad is not None]
        norms.append(np.sqrt(sum(np.square(g).sum() for g in grads)))
        for p, g, v in zip(parameters, grads, velocities, strict=True):
            decay = rule.alpha / len(X[here]) if p.numpy().ndim == 2 else 0.0
            g = g * min(1.0, LIMIT / norms[-1]) + decay * p.numpy()
            v *= 0.5
            v += lr / (step + 1) * g
            p.array -= v
    np.testing.assert_allclose(rule.norms, norms, rtol=1e-9)
    assert rule.seen == [(1 / 8, 1), (1 / 8, 2), (1 / 8, 3), (1 / 6, 4)]
    assert max(norms) > LIMIT > min(norms)  # some are clipped and some are not
    flat = [p.numpy().T.ravel() for p in (*parameters[::2], *parameters[1::2])]
    np.testing.assert_allclose(params(program), np.concatenate(flat), rtol=1e-9, atol=1e-9)


def test_steps_that_clip_nothing_are_the_fused_ones(backend: Backend) -> None:
    fused, own = (made(backend, rule)[0] for rule in (Momentum(), Clipped(limit=1e9)))
    for program in (fused, own):
        program.total = [program.run(0, 3, [0.2, 0.1, 0.1]), program.run(3, 4, [0.1])]  # type: ignore[attr-defined]
    np.testing.assert_allclose(own.total, fused.total, rtol=1e-12)  # type: ignore[attr-defined]
    np.testing.assert_allclose(params(own), params(fused), rtol=1e-9, atol=1e-12)
    assert own.rule.t == fused.rule.t == 4
    assert own.plan.update == fused.plan.update != Update()


def test_an_optimizer_of_the_library_is_fused(backend: Backend) -> None:
    """Its ``step()`` is PyTorch's and not the one that a program calls."""
    model = stack("tanh", backend, "float64")
    rule = optim.SGD(model.parameters(), lr=0.1)
    program = lower(model, nn.CrossEntropyLoss(), rule, backend, BATCH)
    program.bind(*data(nn.CrossEntropyLoss(), ROWS, "float64"))
    program.run(0, 2, [0.1] * 2)
    assert rule.t == 2


# The penalty --------------------------------------------------------------------------------------


def by_hand(model: nn.Sequential) -> float:
    """|W|² of all weights."""
    weights = [layer.weight.numpy() for layer in model if isinstance(layer, nn.Linear)]
    return float(sum(np.square(w).sum() for w in weights))


@pytest.mark.parametrize("rule", [Momentum, Clipped])
@pytest.mark.parametrize("weighted", [False, True])
def test_penalty_is_that_of_the_weights_before_each_step(
    rule: type[Momentum], weighted: bool
) -> None:
    program, model = made(get_backend("numpy"), rule())
    w = np.random.default_rng(4).exponential(1.0, ROWS)
    if weighted:
        program.bind(*data(nn.CrossEntropyLoss(), ROWS, "float64"), row_weights=w)
    expected, whole = [], made(get_backend("numpy"), rule())[0]
    for step, rows in enumerate([8, 8, 8, 6]):
        share = 1 / w[8 * step : 8 * step + rows].sum() if weighted else 1 / rows
        expected.append(rows * 2.0 * share / 2 * by_hand(model))
        program.run(step, step + 1, [0.1])
        assert program.penalty == pytest.approx(expected[-1], rel=1e-12)
    if weighted:
        whole.bind(*data(nn.CrossEntropyLoss(), ROWS, "float64"), row_weights=w)
    whole.run(0, 4, [0.1] * 4)
    assert whole.penalty == pytest.approx(sum(expected), rel=1e-12)


def test_penalty_of_float32_is_a_sum_of_float64() -> None:
    """Of more weights than are squared at a time, none of them forgotten beside a large one."""
    w = np.ones((300, 200), np.float32)
    w[0, 0] = 2.0**13
    layer = nn.Linear.from_storage(w, np.ones(200, np.float32), get_backend("numpy"))
    model = nn.Sequential(layer)
    program = lower(model, nn.MSELoss(), Momentum(), get_backend("numpy"), 2)
    program.bind(np.zeros((2, 300)), np.zeros((2, 200)))
    program.run(0, 1, [0.1])
    assert program.penalty == 300 * 200 - 1 + 2.0**26


def test_no_penalty_without_decay_and_none_of_a_compiled_call(backend: Backend) -> None:
    program, _ = made(backend, Momentum(alpha=0.0))
    program.run(0, 4, [0.1] * 4)
    assert program.penalty in (0.0, None)
    assert (program.penalty is None) is (backend.name not in ("numpy", "numba"))
    own, _ = made(backend, Clipped())
    own.run(0, 1, [0.1])
    assert own.penalty is not None  # it stops after each step, on any backend
    assert own.penalty > 0
