"""What ``gpu_check`` trains: the network of the bench on MNIST, or on images made up like it."""

import os
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from accelnn import datasets, nn, optim
from accelnn.backends import Backend
from accelnn.bench.gpu_device import Device
from accelnn.bench.networks import RATES
from accelnn.program import Program, lower

PIXELS = 784


@cache
def images(rows: int) -> tuple[str, Any, Any, Any, Any]:
    """Return (name, X uint8 (n, 784), y int64 (n,), X and y of the test): MNIST by ACCELNN_DATA."""
    if "ACCELNN_DATA" in os.environ:
        data = datasets.load_mnist()
        X, X_test = (x.reshape(len(x), -1) for x in (data.X_train, data.X_test))
        y, y_test = data.y_train, data.y_test
        return data.name, X[:rows], y[:rows], X_test[:rows], y_test[:rows]
    rng = np.random.default_rng(0)
    strokes = (rng.random((10, PIXELS)) < 0.2) * np.uint8(255)

    def drawn(n: int) -> tuple[Any, Any]:
        y = rng.integers(0, 10, n)
        seen = rng.integers(0, 256, (n, PIXELS), np.uint8) < 200
        return strokes[y] * seen, y

    return "synthetic images", *drawn(rows), *drawn(min(rows, 10_000))


def weights(widths: tuple[int, ...]) -> list[tuple[Any, Any]]:
    """Return the same initial (W (in, out), b (out,)) for every competitor, in float32."""
    rng, made = np.random.default_rng(0), []
    for fan_in, fan_out in pairwise(widths):
        k = fan_in**-0.5
        w, b = rng.uniform(-k, k, (fan_in, fan_out)), rng.uniform(-k, k, fan_out)
        made.append((w.astype(np.float32), b.astype(np.float32)))
    return made


def network(
    backend: Backend, optimizer: str, widths: tuple[int, ...]
) -> tuple[nn.Sequential, optim.Optimizer]:
    """Return a stack with ReLU between its layers and the first weights, and its optimizer."""
    layers: list[nn.Module] = []
    for w, b in weights(widths):
        linear = nn.Linear.from_storage(backend.asarray(w), backend.asarray(b), backend)
        layers += [linear, nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    rule = optim.SGD if optimizer == "sgd" else optim.Adam
    return model, rule(model.parameters(), lr=RATES[optimizer])


def program(
    device: Device, backend: Backend, optimizer: str, batch: int, precision: str = "float32"
) -> Program:
    """Return the network as a program that is bound to the images, bytes as they are."""
    model, rule = network(backend, optimizer, device.widths)
    made = lower(model, nn.CrossEntropyLoss(), rule, backend, batch, precision)
    _, X, y, _, _ = images(device.rows)
    made.bind(backend.asarray(X), backend.asarray(y), 1 / 255)
    return made
