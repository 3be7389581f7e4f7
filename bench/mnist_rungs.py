"""Training steps of the MNIST network with a rung of the ladder as their product.

All but the product is the same: NumPy's kernels, called step by step. So the steps differ by what
the products take, and by nothing else.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from accelnn.backends import Backend, get_backend
from accelnn.backends.base import Kernel
from accelnn.bench.contestants import distance
from accelnn.bench.networks import RATES, PlainLoop, program, weights
from accelnn.bench.rungs import RUNGS, Rung
from accelnn.bench.thread_counts import on_threads

#: How a kernel multiplies: (a, ta, b, tb, out) -> None.
Product: TypeAlias = Callable[[Any, bool, Any, bool, Any], None]
OPTIMIZER = "sgd"
#: How far from the plain loop's weights, as a share of the way from the start. Rounding alone makes
#: some 1e-6, but a unit at the edge of its ReLU may be on with one order of the sums and off with
#: another, which is a whole row's share of its gradient. A wrong product is of the order of 1.
TOLERANCE = 0.02


class Steps(NamedTuple):
    """What a training left.

    Attributes
    ----------
    seconds, products : list of float
        Of each step, and of the products in it.
    distance : float
        Of the weights from the plain loop's, as a share of their way from the start.
    """

    seconds: list[float]
    products: list[float]
    distance: float


#: What takes the first step for a rung that is slow.
QUICK = "NumPy's product, 1 thread"


class Stopwatch:
    """Puts a product in the place of a backend's own, and adds up the seconds it takes."""

    def __init__(self, product: Product) -> None:
        self.product, self.seconds = product, 0.0

    def around(self, name: str, kernel: Kernel) -> Kernel:
        """Return the kernel, or what stands for it: for ``Backend.intercept``."""
        return self.matmul if name == "matmul" else kernel

    def matmul(self, a: Any, b: Any, *, ta: bool = False, tb: bool = False, out: Any) -> Any:
        """Multiply."""
        start = time.perf_counter()
        self.product(a, ta, b, tb, out)
        self.seconds += time.perf_counter() - start
        return out


def of_rung(rung: Rung) -> tuple[Backend, Product]:
    """Return whose step it is, and a rung as its product."""
    if rung.name in RUNGS:
        return get_backend("numpy"), lambda *operands: rung.prepare(*operands)()
    held = get_backend(rung.backend or "numpy")

    def on_device(a: Any, ta: bool, b: Any, tb: bool, out: Any) -> None:
        held.matmul(a, b, ta=ta, tb=tb, out=out)
        held.synchronize()

    return held, on_device


def train(
    rung: Rung, X: Any, y: Any, widths: tuple[int, ...], batch: int, slow: bool = False
) -> Steps:
    """Train on all rows, a step at a time, and compare with the plain loop.

    The first step touches all memory for the first time; it is NumPy's where the rung is slow.
    """
    backend, product = of_rung(rung)
    watch = Stopwatch(of_rung(RUNGS[QUICK])[1] if slow else product)
    seconds, products = [], []
    how: dict[str, Any] = {"widths": widths, "batch": batch}
    stepped = backend.intercept(watch.around)
    with on_threads(rung.threads), program(stepped, OPTIMIZER, X, y, **how) as made:
        for i in range(made.n_batches):
            watch.seconds, start = 0.0, time.perf_counter()
            made.run(i, i + 1, [RATES[OPTIMIZER]])
            made.backend.synchronize()
            seconds.append(time.perf_counter() - start)
            products.append(watch.seconds)
            watch.product = product
        learned = backend.to_numpy(made.plan.params)
    far = apart(learned, X, y, widths, batch)
    assert far < TOLERANCE, f"{rung.name} is {far:.1e} of the way from the plain loop's weights"
    return Steps(seconds, products, far)


def apart(learned: Any, X: Any, y: Any, widths: tuple[int, ...], batch: int) -> float:
    """Return how far flat parameters are from the plain loop's after an epoch in order."""
    loop = PlainLoop(OPTIMIZER, X, y, widths=widths, batch=batch)
    loop.run(np.arange(len(X)))
    start = [p for pair in weights(X.shape[1], X.dtype, widths) for p in pair]
    expected, before = (in_order_of_a_plan(p) for p in (loop.parameters, start))
    return distance([learned], [expected], [before])


def in_order_of_a_plan(parameters: list[Any]) -> Any:
    """Return w, b, w, b, ... as one flat array in which the weights come first."""
    return np.concatenate([p.ravel() for p in (*parameters[::2], *parameters[1::2])])
