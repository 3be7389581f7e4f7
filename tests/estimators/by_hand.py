"""Networks in a few lines of NumPy that share no code with the library, to compare fits with."""

import math
from itertools import pairwise
from typing import Any

import numpy as np

#: √(2π).
ROOT = math.sqrt(2 * math.pi)


def _below(z: Any) -> Any:
    """The normal distribution's Φ."""
    return (1 + np.vectorize(math.erf)(z / math.sqrt(2))) / 2


#: Name -> the activation, and its slope at z.
ACTIVATIONS: dict[str, tuple[Any, Any]] = {
    "identity": (lambda z: z, np.ones_like),
    "logistic": (
        lambda z: 1 / (1 + np.exp(-z)),
        lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
    ),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: 1.0 * (z > 0)),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1, 0.01)),
    "elu": (
        lambda z: np.where(z > 0, z, np.exp(np.minimum(z, 0)) - 1),
        lambda z: np.where(z > 0, 1, np.exp(np.minimum(z, 0))),
    ),
    "gelu": (lambda z: z * _below(z), lambda z: _below(z) + z * np.exp(-z * z / 2) / ROOT),
    "silu": (
        lambda z: z / (1 + np.exp(-z)),
        lambda z: (1 + np.exp(-z) * (1 + z)) / (1 + np.exp(-z)) ** 2,
    ),
}


def weights(model: Any) -> list[Any]:
    """Return copies of the coefs, then of the intercepts."""
    return [np.array(a) for a in [*model.coefs_, *model.intercepts_]]


def assert_equal_weights(a: Any, b: Any) -> None:
    """Compare two fits bit by bit."""
    for mine, other in zip(weights(a), weights(b), strict=True):
        np.testing.assert_array_equal(mine, other)


def assert_close_weights(a: Any, b: Any, **how: Any) -> None:
    """Compare two fits, to 1e-9 where nothing else is said."""
    for mine, other in zip(weights(a), weights(b), strict=True):
        np.testing.assert_allclose(mine, other, **({"rtol": 1e-9, "atol": 1e-9} | how))


def random_weights(*units: int) -> tuple[list[Any], list[Any]]:
    """Return some coefs and intercepts, none of them 0."""
    rng = np.random.default_rng(11)
    coefs = [rng.standard_normal(shape) for shape in pairwise(units)]
    return coefs, [rng.standard_normal(n) for n in units[1:]]


def layers(
    start: tuple[list[Any], list[Any]], X: Any, names: list[str]
) -> tuple[list[Any], list[Any]]:
    """Return what each layer is given, X first, and its z; the last z are the raw outputs."""
    given, z = [X], []
    for i, (w, b) in enumerate(zip(*start, strict=True)):
        z.append(given[i] @ w + b)
        if i < len(names):
            given.append(ACTIVATIONS[names[i]][0](z[i]))
    return given, z


def gradient(start: tuple[list[Any], list[Any]], X: Any, names: list[str], slope: Any) -> list[Any]:
    """Return the gradients of coefs and intercepts; ``slope`` is that of the raw outputs."""
    given, z = layers(start, X, names)
    of_coefs: list[Any] = []
    of_intercepts: list[Any] = []
    for i in reversed(range(len(z))):
        of_coefs.insert(0, given[i].T @ slope)
        of_intercepts.insert(0, slope.sum(axis=0))
        if i:
            slope = slope @ start[0][i].T * ACTIVATIONS[names[i - 1]][1](z[i - 1])
    return of_coefs + of_intercepts


def one_step(
    kind: Any, start: tuple[list[Any], list[Any]], X: Any, y: Any, *, fit: Any = None, **given: Any
) -> Any:
    """Return an estimator after one step on all rows in their order, from ``start``.

    Where nothing else is given it is by SGD with a rate of 1 and no momentum, without a penalty,
    so that the weights have changed by the gradient.
    """
    arguments: dict[str, Any] = {
        "hidden_layer_sizes": [len(b) for b in start[1][:-1]],
        "solver": "sgd",
        "momentum": 0.0,
        "learning_rate_init": 1.0,
        "alpha": 0.0,
        "max_iter": 1,
        "shuffle": False,
        "batch_size": len(X),
        "initial_weights": start,
    }
    return kind(**(arguments | given)).fit(X, y, **(fit or {}))


def moved(model: Any, start: tuple[list[Any], list[Any]]) -> list[Any]:
    """Return how far the weights of a fit are from where it started: start - weights."""
    return [a - b for a, b in zip([*start[0], *start[1]], weights(model), strict=True)]
