"""Networks, and data, that a CUDA program trains in the tests: sizes that fit no tile."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from accelnn import nn, optim
from accelnn.backends import Backend
from accelnn.program import Program
from tests.kernel_losses import Perceptron, Poisson, lowered

GELU_TANH = partial(nn.GELU, "tanh")

#: Name -> layers. A number is a Linear to so many outputs, two are a Maxout's outputs and pieces.
STACKS: dict[str, list[Any]] = {
    "three layers": [45, nn.ReLU, 33, nn.Tanh, 10],
    "one layer": [10],
    "one wide layer": [40],
    "wide output": [35, nn.Sigmoid, 37],
    "output of an activation": [20, nn.ReLU, 5, nn.Sigmoid],
    "softmax among the layers": [20, nn.Softmax, nn.Tanh, 12, nn.LogSoftmax],
    "four links": [20, nn.ELU, nn.LeakyReLU, nn.Dropout, nn.Tanh, nn.Sigmoid, 7],
    "activation first": [nn.Tanh, 20, nn.ReLU, 10],
    "dropout first": [nn.Dropout, 20, nn.Dropout, nn.ReLU, 10],
    "softmax first": [nn.LogSoftmax, 20, nn.ReLU, 10],
    "two linears": [33, 10],
    "more tasks than a block holds": [*[6, nn.Tanh] * 8, 5],
    "what reads z": [
        *[nn.GELU, 20, nn.GELU, nn.SiLU, 15, nn.ReLU, nn.Dropout, GELU_TANH],
        *[18, nn.SiLU, nn.Hardtanh, nn.GELU, 10],
    ],
    "output that reads z": [35, GELU_TANH, 37, nn.GELU],
    "flat parts": [33, nn.LogSigmoid, 20, nn.Hardtanh, 12, nn.ReLU6, nn.Tanh, 10],
    "steps": [20, nn.Tanh, 14, nn.Sign, 12, nn.Step, nn.SiLU, 10],
    "maxout": [(33, 2), nn.Tanh, (17, 3), 10],
    "output of maxout": [nn.LogSigmoid, (8, 3), (9, 1), nn.GELU, nn.Dropout, (5, 7), (40, 2)],
}
#: Those where float32 may take another branch than another float32: a step jumps, and so does the
#: gradient of a Maxout, where two pieces are nearly equal. That is more than rounding.
JUMPING = ("steps", "maxout", "output of maxout")
N_IN = 70


class Result(NamedTuple):
    """What training has led to."""

    weights: list[Any]
    loss: float
    outputs: Any


def network(name: str, backend: Backend, dtype: str = "float32", bias: bool = True) -> nn.Module:
    """Return a stack whose weights depend on nothing but their shapes."""
    rng, width = np.random.default_rng(3), N_IN
    layers: list[nn.Module] = []
    for part in STACKS[name]:
        if isinstance(part, int | tuple):
            width_before, (width, pieces) = width, part if isinstance(part, tuple) else (part, 0)
            wide = width * max(pieces, 1)
            w = rng.normal(0, 0.2, (width_before, wide)).astype(dtype)
            b = rng.normal(0, 0.1, wide).astype(dtype)
            layers.append(linear(w, b if bias else None, backend, pieces))
        else:
            layers.append(part(0.3, seed=len(layers)) if part is nn.Dropout else part())
    return nn.Sequential(*layers)


def linear(w: Any, b: Any, backend: Backend, pieces: int = 0) -> nn.Linear:
    """Return a Linear over copies of w (n_in, n_out) and b or None; with pieces, a Maxout."""
    n_in, n_out = w.shape
    how: dict[str, Any] = {"bias": b is not None, "dtype": str(w.dtype), "backend": backend}
    made = nn.Maxout(n_in, n_out // pieces, pieces, **how) if pieces else nn.Linear(*w.shape, **how)
    made.weight.array[...] = backend.asarray(w).T
    if made.bias is not None:
        made.bias.array[...] = backend.asarray(b)
    return made


def targets(loss: nn.Loss, n: int, n_out: int, dtype: str) -> Any:
    """Return what a loss compares with."""
    rng = np.random.default_rng(4)
    if isinstance(loss, nn.CrossEntropyLoss):
        return rng.integers(0, n_out, n)
    if isinstance(loss, Poisson):
        return rng.poisson(1, (n, n_out)).astype(dtype)
    if isinstance(loss, nn.BCEWithLogitsLoss | Perceptron):
        return rng.integers(0, 2, (n, n_out)).astype(dtype)
    return rng.standard_normal((n, n_out)).astype(dtype)


def bytes_like_images(n: int) -> Any:
    """Return X (n, N_IN) of uint8."""
    return np.random.default_rng(5).integers(0, 256, (n, N_IN)).astype(np.uint8)


def prepare(
    backend: Backend,
    stack: str = "three layers",
    *,
    loss: nn.Loss | None = None,
    optimizer: Callable[[Any], optim.Optimizer] = lambda p: optim.Adam(p, lr=0.01),
    dtype: str = "float32",
    bias: bool = True,
    batch: int = 37,
    precision: str = "float32",
) -> tuple[Program, nn.Loss]:
    """Return the program of a stack; 37 rows are a tile and a bit."""
    loss = loss or nn.CrossEntropyLoss()
    model = network(stack, backend, dtype, bias)
    rule = optimizer(model.parameters())
    return lowered(model, loss, rule, backend, batch, precision), loss


def train(
    program: Program,
    loss: nn.Loss,
    X: Any,
    input_scale: float,
    epochs: int = 2,
    row_weights: Any = None,
) -> Result:
    """Train some epochs, each in two ranges of unequal length."""
    dtype = str(program.plan.params.dtype)
    y = targets(loss, len(X), program.plan.n_out, dtype)
    program.bind(X, y, input_scale, row_weights)
    program.run(0, 0, [])
    rng, total = np.random.default_rng(6), 0.0
    for epoch in range(epochs):
        program.start_epoch(rng.permutation(len(X)))
        n, rate = program.n_batches, program.rule.lr / (1 + epoch)  # type: ignore[attr-defined]
        total += program.run(0, n // 3, [rate] * (n // 3))
        total += program.run(n // 3, n, [rate / 2] * (n - n // 3))
    to_numpy = program.backend.to_numpy
    weights = [to_numpy(p.array).copy() for layer in program.layers for p in layer.parameters()]
    return Result(weights, total, program.predict(X))
