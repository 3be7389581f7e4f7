"""Programs drawn at random, each on NumPy and on the CPU's CUDA, whose results must agree.

What nobody would think of combining: depth, widths, activations anywhere, orders that repeat or
leave out rows, minibatches of any height, data in bytes or numbers, a library or not, any grid.
"""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accelnn import nn, optim
from accelnn.backends import Backend, get_backend
from accelnn.kernels.on_cupy import _launch, program
from tests.cuda.host_shim import HostRunner
from tests.cuda.networks import GELU_TANH, linear, targets
from tests.kernel_losses import Perceptron, Poisson, lowered
from tests.program.conftest import CudaOnHost

ACTIVATIONS = [
    *[nn.ReLU, nn.Tanh, nn.Sigmoid, nn.ELU, nn.LeakyReLU, nn.Softmax, nn.LogSoftmax],
    *[nn.LogSigmoid, nn.Hardtanh, nn.ReLU6, nn.GELU, GELU_TANH, nn.SiLU, nn.Step],
]
BETWEEN = [*ACTIVATIONS, nn.Identity, nn.Dropout]
WIDTHS = [1, 2, 5, 10, 16, 17, 31, 32, 33, 50]
LOSSES = [nn.CrossEntropyLoss, nn.MSELoss, nn.BCEWithLogitsLoss, Poisson, Perceptron]
OPTIMIZERS: list[Callable[[Any], optim.Optimizer]] = [
    lambda p: optim.SGD(p, lr=0.01, weight_decay=0.1),
    lambda p: optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True),
    lambda p: optim.Adam(p, lr=0.003),
    lambda p: optim.AdamW(p, lr=0.003, weight_decay=0.1),
]


class Drawn:
    """A network, data and an order that depend on nothing but a seed."""

    def __init__(self, seed: int) -> None:
        self.seed, draw, rng = seed, random.Random(seed), np.random.default_rng(seed)
        self.parts: list[Any] = draw.choices(BETWEEN, k=draw.choice([0, 0, 1]))

        def product() -> Any:
            return draw.choice(WIDTHS), draw.choice([0, 0, 0, 1, 2, 3])

        for _ in range(draw.randint(0, 3)):
            self.parts += [product(), *draw.choices(BETWEEN, k=draw.randint(0, 3))]
        self.parts += [product(), *draw.choices(ACTIVATIONS, k=draw.choice([0, 0, 1]))]
        self.bias = draw.random() < 0.8
        self.n_in, rows = draw.choice([1, 2, 7, 31, 32, 33, 65]), draw.choice([1, 3, 17, 40, 90])
        self.batch = max(min(rows, draw.choice([1, 2, 15, 16, 17, 33, 40])), rows // 10)
        self.X = rng.standard_normal((rows, self.n_in))
        self.scale = 1.0
        if draw.random() < 0.5:
            self.X, self.scale = rng.integers(0, 256, self.X.shape).astype(np.uint8), 1 / 255
        self.order = rng.integers(0, rows, draw.choice([rows, max(1, rows // 2), 2 * rows]))
        self.loss, self.optimizer = draw.choice(LOSSES)(), draw.choice(OPTIMIZERS)
        self.way = draw.choice(["launches", "graph", "together", "auto"])
        self.library_from, self.unrolled = draw.choice([0, 2**28]), draw.choice([1, 2, 3])
        self.blocks, self.backwards = draw.choice([1, 2, 3, 7]), draw.random() < 0.5
        self.cut = draw.random()

    def model(self, backend: Backend) -> tuple[nn.Module, int]:
        """Return the network in float64, and its outputs."""
        rng, width = np.random.default_rng(self.seed), self.n_in
        layers: list[nn.Module] = []
        for n, part in enumerate(self.parts):
            if isinstance(part, tuple):
                wide = part[0] * max(part[1], 1)
                w = rng.normal(0, 0.5 / np.sqrt(width), (width, wide))
                b = rng.normal(0, 0.1, wide) if self.bias else None
                layers.append(linear(w, b, backend, part[1]))
                width = part[0]
            else:
                layers.append(part(0.3, seed=n) if part is nn.Dropout else part())
        return nn.Sequential(*layers), width

    def train(self, backend: Backend) -> list[Any]:
        """Return what an epoch in two ranges leads to: weights, losses, a gradient, outputs."""
        model, n_out = self.model(backend)
        rule = self.optimizer(model.parameters())
        made = lowered(model, self.loss, rule, backend, self.batch)
        made.bind(self.X, targets(self.loss, len(self.X), n_out, "float64"), self.scale)
        made.start_epoch(self.order)
        n = made.n_batches
        cut = int(self.cut * (n + 1))
        losses = [made.run(0, cut, [rule.lr] * cut), made.run(cut, n, [rule.lr / 2] * (n - cut))]
        loss, gradient = made.loss_and_grad(n - 1)
        weights = [p.numpy().copy() for p in model.parameters()]
        return [*weights, losses, loss, np.array(gradient), made.predict(self.X)]


@pytest.mark.parametrize("seed", range(60))
def test_as_on_numpy(seed: int, runner: HostRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn(seed)
    monkeypatch.setattr(program, "LIBRARY_FROM", drawn.library_from)
    monkeypatch.setattr(program, "UNROLLED", drawn.unrolled)
    found = HostRunner(runner.library, drawn.backwards)
    found.blocks_together = drawn.blocks
    with _launch.use(found):
        actual = drawn.train(CudaOnHost(drawn.way))
    for a, e in zip(actual, drawn.train(get_backend("numpy")), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-8, atol=1e-9)
