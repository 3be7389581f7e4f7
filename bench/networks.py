"""The network of all suites, its data, and the plain NumPy loop it is held against."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from accelnn import nn, optim
from accelnn.backends import Backend, get_backend
from accelnn.datasets import Dataset, load_default
from accelnn.program import Program, lower

WIDTHS = (784, 512, 512, 10)
BATCH = 128
RATES = {"sgd": 0.1, "adam": 0.001}


def load(rows: int | None = None) -> tuple[Dataset, Any, Any]:
    """Return (data set, X float32 (n, features), y int64 (n,)): MNIST where it can be had.

    X and y are the first ``rows`` rows, all for None.
    """
    data = load_default()
    few = replace(data, X_train=data.X_train[:rows], X_test=data.X_test[:0])
    return data, few.features()[0], data.y_train[:rows]


def weights(
    n_in: int, dtype: Any = np.float32, widths: tuple[int, ...] = WIDTHS
) -> list[tuple[Any, Any]]:
    """Return the same initial (W (in, out), b (out,)) for every competitor.

    The data say how many inputs there are, whatever the first of the widths.
    """
    rng = np.random.default_rng(0)
    made = []
    for fan_in, fan_out in pairwise((n_in, *widths[1:])):
        k = fan_in**-0.5
        w, b = rng.uniform(-k, k, (fan_in, fan_out)), rng.uniform(-k, k, fan_out)
        made.append((w.astype(dtype), b.astype(dtype)))
    return made


def network(
    backend: Backend,
    optimizer: str,
    n_in: int,
    dtype: Any = np.float32,
    widths: tuple[int, ...] = WIDTHS,
    rate: float | None = None,
) -> tuple[nn.Sequential, optim.Optimizer]:
    """Return a stack with ReLU between its layers and the first weights, and its optimizer."""
    layers: list[nn.Module] = []
    for w, b in weights(n_in, dtype, widths):
        linear = nn.Linear.from_storage(backend.asarray(w), backend.asarray(b), backend)
        layers += [linear, nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    rule = optim.SGD if optimizer == "sgd" else optim.Adam
    return model, rule(model.parameters(), lr=RATES[optimizer] if rate is None else rate)


def program(
    backend: str | Backend,
    optimizer: str,
    X: Any,
    y: Any,
    *,
    widths: tuple[int, ...] = WIDTHS,
    batch: int = BATCH,
) -> Program:
    """Return accelnn's program over the network, bound to the data."""
    held = get_backend(backend)
    model, rule = network(held, optimizer, X.shape[1], X.dtype, widths)
    made = lower(model, nn.CrossEntropyLoss(), rule, held, batch)
    made.bind(held.asarray(X), held.asarray(y))
    return made


class PlainLoop:
    """What a careful user writes by hand: NumPy, in-place where it is natural, no framework.

    ``loss`` is the mean loss of the last epoch, which accelnn's programs report too.
    """

    def __init__(
        self,
        optimizer: str,
        X: Any,
        y: Any,
        *,
        widths: tuple[int, ...] = WIDTHS,
        batch: int = BATCH,
    ) -> None:
        self.X, self.y, self.optimizer, self.batch = X, y, optimizer, batch
        self.parameters = [p for pair in weights(X.shape[1], X.dtype, widths) for p in pair]
        self.first = [np.zeros_like(p) for p in self.parameters]
        self.second = [np.zeros_like(p) for p in self.parameters]
        self.t, self.loss = 0, 0.0

    def run(self, order: Any) -> None:
        """Train on the rows in ``order``, a minibatch at a time."""
        total = 0.0
        for start in range(0, len(order), self.batch):
            chosen = order[start : start + self.batch]
            total += self.step(self.X[chosen], self.y[chosen])
        self.loss = total / len(order)

    def step(self, x: Any, t: Any) -> float:
        """Forward, backward, update; returns the sum of the rows' losses."""
        layers = list(zip(self.parameters[::2], self.parameters[1::2], strict=True))
        inputs = [x]
        for w, b in layers[:-1]:
            h = inputs[-1] @ w
            h += b
            np.maximum(h, 0, out=h)
            inputs.append(h)
        w, b = layers[-1]
        z = inputs[-1] @ w
        z += b
        z -= z.max(axis=1, keepdims=True)
        target = z[np.arange(len(t)), t]
        np.exp(z, out=z)
        total = z.sum(axis=1, keepdims=True)
        loss = np.log(total).sum() - target.sum()
        z /= total
        z[np.arange(len(t)), t] -= 1
        z /= np.float32(len(t))
        delta, grads = z, []
        for i in range(len(layers) - 1, -1, -1):
            grads += [delta.sum(0), inputs[i].T @ delta]  # of the bias and of the weights
            if i:
                delta = delta @ layers[i][0].T
                delta *= inputs[i] > 0
        grads.reverse()
        self.t += 1
        if self.optimizer == "sgd":
            for p, g in zip(self.parameters, grads, strict=True):
                g *= RATES["sgd"]
                p -= g
        else:
            self.adam(grads)
        return float(loss)

    def adam(self, grads: list[Any]) -> None:
        """Adam as the paper's algorithm 1 has it."""
        c1, c2 = 1 - 0.9**self.t, 1 - 0.999**self.t
        for p, g, m, v in zip(self.parameters, grads, self.first, self.second, strict=True):
            m *= 0.9
            m += 0.1 * g
            v *= 0.999
            v += 0.001 * g * g
            p -= RATES["adam"] * (m / c1) / (np.sqrt(v / c2) + 1e-8)
