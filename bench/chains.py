"""Chains of kernels, each computed twice: fused, and one after the other through the memory.

A chain is a function of a backend, sizes and whether to fuse. It makes everything ready and returns
a call, which computes the chain and returns what came out. Both ways start from the same numbers,
so that their first calls must return the same.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from accelnn import nn, optim
from accelnn.backends import Backend
from accelnn.bench.kernel_cases import SCALARS, Sizes
from accelnn.bench.stacks import relu_stack
from accelnn.program import lower

Call = Callable[[], tuple[Any, ...]]
#: Of training: so small that the network stays what it is, however often it is called.
RATE = 1e-6


def has_programs(backend: Backend) -> bool:
    """Whether the backend runs programs its own way, and not kernel by kernel."""
    return type(backend).run_steps is not Backend.run_steps


def way(backend: Backend, fused: bool) -> Backend:
    """Return the backend, or one with the same kernels whose programs run kernel by kernel."""
    return backend if fused else backend.intercept(lambda name, kernel: kernel)


def layer(backend: Backend, sizes: Sizes, fused: bool) -> Call:
    """``max(0, x W + b)``: product, bias and ReLU strip by strip, or each over the whole array.

    Both ways copy their input into the program's workspace and the output out of it.
    """
    on = way(backend, fused)
    model = nn.Sequential(*relu_stack((sizes.inputs, sizes.width), on), nn.ReLU())
    rule = optim.SGD(model.parameters(), lr=RATE)
    made = lower(model, nn.MSELoss(), rule, on, sizes.rows)
    x = backend.asarray(normal(sizes.rows, sizes.inputs))
    return lambda: (made.outputs(x),)


def derivative(backend: Backend, sizes: Sizes, fused: bool) -> Call:
    """``da · σ(z) (1 - σ(z))`` from z, in one pass or with σ(z) written out and read again."""
    da, z = (backend.asarray(x) for x in normal(2, sizes.rows, sizes.width))
    a, dz = (backend.empty(z.shape, z.dtype) for _ in range(2))

    def one_after_the_other() -> tuple[Any, ...]:
        backend.sigmoid(z, out=a)
        return (backend.sigmoid_backward(da, a, out=dz),)

    return (lambda: (backend.sigmoid_backward_z(da, z, out=dz),)) if fused else one_after_the_other


def adam(backend: Backend, sizes: Sizes, fused: bool) -> Call:
    """Adam's step in one pass, or as the paper's algorithm reads, expression by expression."""
    how = SCALARS["adam"]
    given = [*normal(2, sizes.parameters), np.ones(sizes.parameters, np.float32)]
    g, p, v = (backend.copy(backend.asarray(x)) for x in given)
    m, sqrt = backend.copy(p), backend.xp.sqrt

    def one_after_the_other() -> tuple[Any, ...]:
        nonlocal p, m, v
        m *= how["beta1"]
        m += (1 - how["beta1"]) * g
        v *= how["beta2"]
        v += (1 - how["beta2"]) * g * g
        p -= how["step"] * m / (sqrt(v) + how["eps"])
        return p, m, v

    return (
        (lambda: backend.adam(p, g, m, v, **how, out=(p, m, v))) if fused else one_after_the_other
    )


def cross_entropy(backend: Backend, sizes: Sizes, fused: bool) -> Call:
    """Loss and gradient from the logits, or logarithms of softmax, the targets' ones, and back."""
    rows, outputs = sizes.rows, sizes.outputs
    z = backend.asarray(normal(rows, outputs))
    t = backend.asarray(np.random.default_rng(1).integers(0, outputs, rows))
    dl = backend.asarray(np.full(rows, 1 / rows, np.float32))
    every = backend.asarray(np.arange(rows))
    loss = backend.empty((rows,), z.dtype)
    log, da, dz = (backend.empty(z.shape, z.dtype) for _ in range(3))

    def together() -> tuple[Any, ...]:
        backend.cross_entropy(z, t, out=loss)
        return loss, backend.cross_entropy_backward(dl, z, t, out=dz)

    def one_after_the_other() -> tuple[Any, ...]:
        backend.log_softmax(z, out=log)
        loss[...] = -log[every, t]
        da[...] = 0
        da[every, t] = -dl
        return loss, backend.log_softmax_backward(da, log, out=dz)

    return together if fused else one_after_the_other


def training_step(backend: Backend, sizes: Sizes, fused: bool) -> Call:
    """Train on one minibatch with Adam: one call for all of it, or kernel by kernel."""
    on = way(backend, fused)
    model = relu_stack((sizes.inputs, sizes.width, sizes.width, sizes.outputs), on)
    rule = optim.Adam(model.parameters(), lr=RATE)
    made = lower(model, nn.CrossEntropyLoss(), rule, on, sizes.rows)
    labels = np.random.default_rng(1).integers(0, sizes.outputs, sizes.rows)
    made.bind(on.asarray(normal(sizes.rows, sizes.inputs)), on.asarray(labels))

    def call() -> tuple[Any, ...]:
        loss = made.run(0, 1, [RATE])
        return np.float64(loss), made.plan.states  # these hold the gradient and its square

    return call


@lru_cache(maxsize=1)  # large, and the same for both ways
def normal(*shape: int) -> Any:
    """Return normal numbers in float32, always the same; nobody may write to them."""
    return np.random.default_rng(0).standard_normal(shape, np.float32)


#: Chains of kernels, on every backend.
OF_KERNELS = {
    "derivative of the sigmoid": derivative,
    "Adam": adam,
    "softmax and cross-entropy, and back": cross_entropy,
}
#: Chains of programs, where the backend runs these its own way.
OF_PROGRAMS = {
    "product, bias and ReLU": layer,
    "a training step": training_step,
}
CHAINS: dict[str, Callable[[Backend, Sizes, bool], Call]] = {**OF_PROGRAMS, **OF_KERNELS}
