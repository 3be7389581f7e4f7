"""JAX in ``gpu_epochs``: the full minibatches of an epoch in one ``lax.scan``, under ``jit``."""

import os
from importlib import import_module
from typing import Any

import numpy as np

from accelnn.bench.contestants import JaxScan
from accelnn.bench.gpu_data import images, weights
from accelnn.bench.gpu_device import Device
from accelnn.bench.gpu_epochs import Kept


class Scan(JaxScan):
    """As on the CPU, but for the device, the batch and the precision."""

    def __init__(self, device: Device, optimizer: str, batch: int, precision: str) -> None:
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        jax = self.jax = import_module("jax")
        self.np, self.batch = import_module("jax.numpy"), batch
        self.precision = {"float32": "highest", "tf32": "tensorfloat32"}[precision]
        _, X, y, _, _ = images(device.rows)
        self.X = self.np.asarray(X.astype(np.float32) / 255)
        self.y = self.np.asarray(y.astype(np.int32))
        parameters = [self.np.asarray(p) for pair in weights(device.widths) for p in pair]
        copies = 2 if optimizer == "adam" else 0
        moments = [[self.np.zeros_like(p) for p in parameters] for _ in range(copies)]
        self.state = (parameters, moments, self.np.zeros((), np.float32))
        update = self._adam if optimizer == "adam" else self._sgd

        def step(state: Any, rows: Any, X: Any, y: Any) -> Any:
            parameters, moments, t = state
            loss, grads = jax.value_and_grad(self._mean_loss)(parameters, X[rows], y[rows])
            return (*update(parameters, moments, grads, t + 1), t + 1), loss * len(rows)

        def steps(state: Any, order: Any, X: Any, y: Any) -> Any:
            n, short = divmod(len(order), batch)
            batches = order[: n * batch].reshape(n, batch)
            state, sums = jax.lax.scan(lambda s, rows: step(s, rows, X, y), state, batches)
            total = sums.sum()
            if short:  # in the same call, so that an epoch is one
                state, last = step(state, order[n * batch :], X, y)
                total += last
            return state, total

        # The old state is given away, so that the new one is written over it.
        self.steps = jax.jit(steps, donate_argnums=0)

    def train(self, order: Any) -> float:  # type: ignore[override]
        """Return the mean loss of an epoch."""
        with self.jax.default_matmul_precision(self.precision):
            rows = self.np.asarray(order, np.int32)
            self.state, total = self.steps(self.state, rows, self.X, self.y)
        return float(total) / len(order)

    def wait(self) -> None:
        """Wait for the device."""
        self.jax.block_until_ready(self.state)


def make(device: Device, variant: str, *given: Any) -> Scan:
    """Return the contestant."""
    return Scan(device, *given)


epoch = Kept(make).epoch
