"""The network of all suites, its data, and the plain NumPy loop it is held against."""

from itertools import pairwise
from typing import Any

import numpy as np

from accelnn import nn, optim
from accelnn.backends import get_backend
from accelnn.datasets import Dataset, load_default
from accelnn.program import Program, lower

WIDTHS = (784, 512, 512, 10)
BATCH = 128
RATES = {"sgd": 0.1, "adam": 0.001}


def load() -> tuple[Dataset, Any, Any]:
    """Return (data set, X float32 (n, features), y int64 (n,)): MNIST where it can be had."""
    data = load_default()
    return data, data.features()[0], data.y_train


def weights(n_in: int, dtype: Any = np.float32) -> list[tuple[Any, Any]]:
    """Return the same initial (W (in, out), b (out,)) for every competitor."""
    rng = np.random.default_rng(0)
    sizes = (n_in, *WIDTHS[1:])
    made = []
    for fan_in, fan_out in pairwise(sizes):
        k = fan_in**-0.5
        w, b = rng.uniform(-k, k, (fan_in, fan_out)), rng.uniform(-k, k, fan_out)
        made.append((w.astype(dtype), b.astype(dtype)))
    return made


def program(backend: str, optimizer: str, X: Any, y: Any) -> Program:
    """Return accelnn's program over the network, bound to the data."""
    held = get_backend(backend)
    layers: list[nn.Module] = []
    for w, b in weights(X.shape[1], X.dtype):
        linear = nn.Linear.from_storage(held.asarray(w), held.asarray(b), held)
        layers += [linear, nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    rule: optim.Optimizer = (
        optim.SGD(model.parameters(), lr=RATES["sgd"])
        if optimizer == "sgd"
        else optim.Adam(model.parameters(), lr=RATES["adam"])
    )
    made = lower(model, nn.CrossEntropyLoss(), rule, held, BATCH)
    made.bind(held.asarray(X), held.asarray(y))
    return made


class PlainLoop:
    """What a careful user writes by hand: NumPy, in-place where it is natural, no framework.

    ``loss`` is the mean loss of the last epoch, which accelnn's programs report too.
    """

    def __init__(self, optimizer: str, X: Any, y: Any) -> None:
        self.X, self.y, self.optimizer = X, y, optimizer
        self.parameters = [p for pair in weights(X.shape[1], X.dtype) for p in pair]
        self.first = [np.zeros_like(p) for p in self.parameters]
        self.second = [np.zeros_like(p) for p in self.parameters]
        self.t, self.loss = 0, 0.0

    def run(self, order: Any) -> None:
        """Train on the rows in ``order``, a minibatch at a time."""
        total = 0.0
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            total += self.step(self.X[chosen], self.y[chosen])
        self.loss = total / len(order)

    def step(self, x: Any, t: Any) -> float:
        """Forward, backward, update; returns the sum of the rows' losses."""
        w1, b1, w2, b2, w3, b3 = self.parameters
        h1 = x @ w1
        h1 += b1
        np.maximum(h1, 0, out=h1)
        h2 = h1 @ w2
        h2 += b2
        np.maximum(h2, 0, out=h2)
        z = h2 @ w3
        z += b3
        z -= z.max(axis=1, keepdims=True)
        target = z[np.arange(len(t)), t]
        np.exp(z, out=z)
        total = z.sum(axis=1, keepdims=True)
        loss = np.log(total).sum() - target.sum()
        z /= total
        z[np.arange(len(t)), t] -= 1
        z /= np.float32(len(t))
        d2 = z @ w3.T
        d2 *= h2 > 0
        d1 = d2 @ w2.T
        d1 *= h1 > 0
        grads = [x.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ z, z.sum(0)]
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
