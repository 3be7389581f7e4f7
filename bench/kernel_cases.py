"""What each kernel is given: arrays as in a training step, or larger than the caches."""

from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from accelnn.bench.settings import Settings
from accelnn.kernels import KERNELS, NAMES, load

#: All that compute something, but for the product, which has suites of its own.
ALL = tuple(name for name in NAMES if name not in ("matmul", "identity", "identity_backward"))
#: What training the MNIST network calls, and a few that its readers ask for.
COMMON = (
    "take_rows",
    "add_bias",
    "sum_rows",
    "relu",
    "relu_backward",
    "sigmoid",
    "tanh",
    "softmax",
    "dropout",
    "cross_entropy",
    "cross_entropy_backward",
    "sgd",
    "adam",
)
#: Those measured on large arrays too, where all they do is wait for the memory, or nearly.
STREAMING = (
    "add_bias",
    "sum_rows",
    "relu",
    "relu_backward",
    "sigmoid",
    "softmax",
    "sgd",
    "adam",
)
#: Scalars that a kernel takes.
SCALARS: dict[str, dict[str, Any]] = {
    "leaky_relu": {"slope": 0.01},
    "elu": {"alpha": 1.0},
    "hardtanh": {"low": -1.0, "high": 1.0},
    "step": {"low": -1.0, "at_zero": 1.0},
    "maxout": {"pieces": 2},
    "dropout": {"p": 0.5, "seed": 1, "call": 2},
    "sgd": {"lr": 1e-3, "decay": 0.0},
    "momentum": {"mu": 0.9, "a": 1.0, "b": 1e-3, "nesterov": False, "decay": 0.0},
    "adam": {
        "beta1": 0.9, "beta2": 0.999, "step": 1e-3, "eps": 1e-8, "decay": 0.0, "shrink": 1.0,
    },
}  # fmt: skip


class Sizes(NamedTuple):
    """How much a kernel works on.

    Attributes
    ----------
    rows, inputs, width, outputs : int
        Of a minibatch: columns of the data, of a hidden layer and of the output.
    parameters : int
    """

    rows: int
    inputs: int
    width: int
    outputs: int
    parameters: int


#: 128 MiB an array. A processor may have a third-level cache of that size; two arrays exceed it.
LARGE = Sizes(4096, 8192, 8192, 8192, 4096 * 8192)
TINY = Sizes(9, 21, 17, 10, 1001)


def of_a_step(settings: Settings) -> Sizes:
    """Return the sizes of a training step."""
    if settings.scale == "smoke":
        return TINY
    widths = settings.network
    width = max(widths[1:-1], default=widths[-1])
    parameters = sum((a + 1) * b for a, b in pairwise(widths))
    return Sizes(settings.batch, widths[0], width, widths[-1], parameters)


class Problem(NamedTuple):
    """What a kernel is given, and what the reference makes of it."""

    arrays: list[Any]
    scalars: dict[str, Any]
    expected: tuple[Any, ...]
    cost: Any

    @property
    def elements(self) -> int:
        """Elements of the largest array."""
        return max(int(a.size) for a in (*self.arrays, *self.expected))


@lru_cache(maxsize=1)  # the same for all backends, and large
def problem(kernel: str, sizes: Sizes) -> Problem:
    """Return what a kernel is given, in float32; nobody may write to it."""
    arrays, scalars = arguments(kernel, sizes)
    reference: Any = load("reference")[kernel]
    result = reference(*arrays, **scalars)
    expected = result if isinstance(result, tuple) else (result,)
    return Problem(arrays, scalars, expected, reference.cost(*arrays, **scalars))


def arguments(kernel: str, sizes: Sizes) -> tuple[list[Any], dict[str, Any]]:
    """Return the arrays and the scalars that a kernel is called with."""
    rng, rows = np.random.default_rng(0), sizes.rows

    def normal(*shape: int) -> Any:
        return rng.standard_normal(shape, np.float32)

    forward = kernel.removesuffix("_z").removesuffix("_backward")
    scalars = SCALARS.get(forward, {})
    if kernel == "take_rows":
        return [normal(2 * rows, sizes.inputs), rng.permutation(2 * rows)[:rows]], {}
    if kernel == "add_bias":
        return [normal(rows, sizes.width), normal(sizes.width)], {}
    if kernel in KERNELS["updates"]:
        states = {"sgd": 0, "momentum": 1, "adam": 2}[kernel]
        p, g = normal(sizes.parameters), normal(sizes.parameters)
        return [p, g, *[np.abs(g), np.square(g)][:states]], scalars
    if forward in KERNELS["losses"]:
        given = [normal(rows, sizes.outputs), targets(forward, rows, sizes.outputs, rng)]
        weights = [np.full(rows, 1 / rows, np.float32)]
        return (weights if kernel != forward else []) + given, {}
    z = normal(rows, sizes.width * scalars.get("pieces", 1))
    if kernel == forward:
        return [z], scalars
    read = z if kernel.endswith("_z") else load("reference")[forward](z, **scalars)
    return [normal(rows, sizes.width), read], scalars


def targets(loss: str, rows: int, outputs: int, rng: Any) -> Any:
    """Return classes for the cross-entropy, numbers in 0 ... 1 for the others."""
    if loss == "cross_entropy":
        return rng.integers(0, outputs, rows)
    return rng.random((rows, outputs), np.float32)
