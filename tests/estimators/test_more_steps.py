"""Steps of the solvers, one by one: decay, L1, clipping, RMSprop and AdamW, by hand."""

from typing import Any

import numpy as np
import pytest

from accelnn import MLPClassifier, MLPRegressor, Tensor, nn
from tests.estimators.by_hand import (
    assert_close_weights,
    assert_equal_weights,
    gradient,
    layers,
    moved,
    one_step,
    random_weights,
    weights,
)
from tests.estimators.conftest import data

# Few epochs, for speed.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

EXACT: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-12}
START = random_weights(7, 4, 3)
X, Y = data("regression 3")
N = len(X)


def step(backend: str, **arguments: Any) -> Any:
    """Return a regressor with tanh after one step on all rows."""
    return one_step(MLPRegressor, START, X, Y, activation="tanh", backend=backend, **arguments)


def slopes(start: Any = START) -> list[Any]:
    """Return the gradient of the loss by hand."""
    return gradient(start, X, ["tanh"], (layers(start, X, ["tanh"])[1][-1] - Y) / N)


def loss() -> float:
    """Return the loss of the start by hand."""
    return float(((layers(START, X, ["tanh"])[1][-1] - Y) ** 2).mean() / 2)


def assert_moved(model: Any, expected: list[Any]) -> None:
    for found, by in zip(moved(model, START), expected, strict=True):
        np.testing.assert_allclose(found, by, **EXACT)


def test_a_plain_step_is_the_gradient(backend: str) -> None:
    model = step(backend)
    assert_moved(model, slopes())
    assert model.loss_ == pytest.approx(loss(), rel=1e-12)


# Penalties --------------------------------------------------------------------------------------


def test_alpha(backend: str) -> None:
    model = step(backend, alpha=3.0)
    w = START[0]
    decay = [3.0 / N * a for a in w] + [0, 0]
    assert_moved(model, [g + d for g, d in zip(slopes(), decay, strict=True)])
    penalty = 3.0 / 2 * sum((a**2).sum() for a in w) / N
    assert model.loss_ == pytest.approx(loss() + penalty, rel=1e-12)


def test_l1(backend: str) -> None:
    """Reported is the mean of the penalties before and after the epoch."""
    model = step(backend, l1=3.0, learning_rate_init=0.5)
    w = START[0]
    signs = [3.0 / N * np.sign(a) for a in w] + [0, 0]
    assert_moved(model, [0.5 * (g + s) for g, s in zip(slopes(), signs, strict=True)])
    ends = [sum(abs(a).sum() for a in coefs) for coefs in (w, model.coefs_)]
    assert model.loss_ == pytest.approx(loss() + 3.0 * np.mean(ends) / N, rel=1e-12)


def test_penalties_of_weighted_rows(backend: str) -> None:
    """They are divided by the weight of the minibatch, as ``alpha`` is in scikit-learn."""
    rows = np.random.default_rng(3).random(N)
    heavy = step(backend, l1=3.0, alpha=2.0, fit={"sample_weight": rows})
    plain = step(backend, fit={"sample_weight": rows})
    w = START[0]
    penalty = [(3.0 * np.sign(a) + 2.0 * a) / rows.sum() for a in w] + [0, 0]
    assert_moved(heavy, [a + b for a, b in zip(moved(plain, START), penalty, strict=True)])
    ends = [sum(abs(a).sum() for a in coefs) for coefs in (w, heavy.coefs_)]
    squares = sum((a**2).sum() for a in w)
    expected = plain.loss_ + (3.0 * np.mean(ends) + squares) / rows.sum()
    assert heavy.loss_ == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "rmsprop"])
def test_decay_beside_the_gradient(solver: str, backend: str) -> None:
    """Weights and biases alike shrink by the rate times the decay."""
    made: dict[str, Any] = {"solver": solver, "learning_rate_init": 0.1}
    without = step(backend, weight_decay=0.0, **made)
    decayed = step(backend, weight_decay=0.3, **made)
    expected = [
        by + 0.1 * 0.3 * start
        for by, start in zip(moved(without, START), [*START[0], *START[1]], strict=True)
    ]
    assert_moved(decayed, expected)
    assert decayed.loss_ == pytest.approx(loss(), rel=1e-12)  # no part of the loss


def test_decay_with_momentum(backend: str) -> None:
    """It enters no velocity: two steps by hand."""
    model = step(
        backend,
        weight_decay=0.3,
        momentum=0.9,
        nesterovs_momentum=False,
        max_iter=2,
        learning_rate_init=0.1,
    )
    p, v = [*START[0], *START[1]], [0.0] * 4
    for _ in range(2):
        g = slopes((p[:2], p[2:]))
        v = [0.9 * a - 0.1 * b for a, b in zip(v, g, strict=True)]
        p = [(1 - 0.1 * 0.3) * a + b for a, b in zip(p, v, strict=True)]
    for found, expected in zip(weights(model), p, strict=True):
        np.testing.assert_allclose(found, expected, **EXACT)


def test_the_decay_of_adamw(backend: str) -> None:
    """It is 0.01 where nothing else is said, and 0 for Adam."""
    made: dict[str, Any] = {"learning_rate_init": 0.1, "max_iter": 5}
    a = step(backend, solver="adamw", **made)
    assert_equal_weights(a, step(backend, solver="adamw", weight_decay=0.01, **made))
    assert_equal_weights(a, step(backend, solver="adam", weight_decay=0.01, **made))
    plain = step(backend, solver="adam", **made)
    assert_equal_weights(plain, step(backend, solver="adamw", weight_decay=0.0, **made))
    assert abs(plain.coefs_[0] - a.coefs_[0]).max() > 1e-3


# Clipping ---------------------------------------------------------------------------------------


def length(parts: list[Any]) -> float:
    return float(np.sqrt(sum((a**2).sum() for a in parts)))


def test_a_long_gradient_is_scaled(backend: str) -> None:
    whole = length(slopes())
    assert whole > 1
    model = step(backend, max_grad_norm=0.5)
    assert length(moved(model, START)) == pytest.approx(0.5, rel=1e-12)
    assert_moved(model, [g * 0.5 / whole for g in slopes()])


def test_a_short_gradient_is_left_alone(backend: str) -> None:
    made: dict[str, Any] = {"max_iter": 3, "learning_rate_init": 0.01}
    assert_equal_weights(step(backend, max_grad_norm=1e6, **made), step(backend, **made))


def test_penalties_are_not_clipped(backend: str) -> None:
    model = step(backend, max_grad_norm=0.5, alpha=30.0, l1=20.0)
    clipped = [g * 0.5 / length(slopes()) for g in slopes()]
    penalty = [(30.0 * w + 20.0 * np.sign(w)) / N for w in START[0]] + [0, 0]
    assert_moved(model, [a + b for a, b in zip(clipped, penalty, strict=True)])


# Solvers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_rmsprop(steps: int, backend: str) -> None:
    made: dict[str, Any] = {"beta_2": 0.8, "epsilon": 1e-3, "learning_rate_init": 0.05}
    model = step(backend, solver="rmsprop", max_iter=steps, **made)
    p, v = [*START[0], *START[1]], [0.0] * 4
    for _ in range(steps):
        g = slopes((p[:2], p[2:]))
        v = [0.8 * a + 0.2 * b**2 for a, b in zip(v, g, strict=True)]
        p = [a - 0.05 * b / (np.sqrt(c) + 1e-3) for a, b, c in zip(p, g, v, strict=True)]
    for found, expected in zip(weights(model), p, strict=True):
        np.testing.assert_allclose(found, expected, **EXACT)


def test_partial_fit_keeps_the_state_of_rmsprop(backend: str) -> None:
    made: dict[str, Any] = {"solver": "rmsprop", "learning_rate_init": 0.05}
    whole = step(backend, max_iter=3, **made)
    parts = step(backend, max_iter=1, **made)
    parts.partial_fit(X, Y).partial_fit(X, Y)
    assert_close_weights(parts, whole, rtol=1e-13, atol=1e-14)


# Both engines -----------------------------------------------------------------------------------


def half_squares(prediction: Tensor, target: Tensor) -> Tensor:
    """Return what a regressor's "squared_error" steps on."""
    d = prediction - target
    return (d * d).sum(axis=1) * 0.5


WAYS: dict[str, dict[str, Any]] = {
    "sgd": {"solver": "sgd", "momentum": 0.5, "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd"},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling"},
    "adam": {"alpha": 1.0},
    "adamw": {"solver": "adamw", "weight_decay": 0.1},
    "rmsprop": {"solver": "rmsprop"},
    "l1": {"l1": 0.5, "alpha": 0.5},
    "l1 with sgd": {"solver": "sgd", "l1": 0.5},
    "clipped": {"max_grad_norm": 0.1},
    "decay with sgd": {"solver": "sgd", "weight_decay": 0.1},
    "a schedule": {"learning_rate": lambda epoch, max_iter: 1 - epoch / max_iter},
    "lbfgs": {"solver": "lbfgs", "alpha": 1.0},
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression 1"])
def test_both_engines_take_the_same_steps(
    task: str, way: str, weighted: bool, backend: str
) -> None:
    """Twenty steps, four epochs of minibatches of 32 rows; or iterations of L-BFGS."""
    X, y = data(task)
    kind: Any = MLPRegressor if task == "regression 1" else MLPClassifier
    known, written = {
        "binary": ("log_loss", nn.BCEWithLogitsLoss()),
        "multiclass": ("log_loss", nn.CrossEntropyLoss()),
        "regression 1": ("squared_error", half_squares),
    }[task]
    rows = np.random.default_rng(0).random(len(X)) if weighted else None
    by_program, by_tape = (
        kind(
            hidden_layer_sizes=(6, 5),
            activation="tanh",
            loss=loss,
            max_iter=4,
            batch_size=32,
            learning_rate_init=0.02,
            random_state=1,
            backend=backend,
            **WAYS[way],
        ).fit(X, y, sample_weight=rows)
        for loss in (known, written)
    )
    assert (by_program.engine_, by_tape.engine_) == ("program", "eager")
    assert_close_weights(by_tape, by_program)
    assert by_tape.n_iter_ == by_program.n_iter_
    assert by_tape.loss_ == pytest.approx(by_program.loss_, rel=1e-9)
