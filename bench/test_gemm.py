"""How fast is each rung from three loops to our own matrix product, and what does a step cost?

The second part takes the products of a training step, by our own and by NumPy's BLAS.

BLAS runs with the threads its environment gives it, our own with ``NUMBA_NUM_THREADS``: 1 measures
one thread. ``python -m accelnn.bench.ladder`` records the ladder in interleaved rounds.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from accelnn.bench.peer_products import OURS, Product, by_numpy, by_ours, operands, training_step
from accelnn.kernels.on_numba.ladder import LADDER

SQUARE, FORWARD, TINY = (256, 256, 256), (128, 784, 512), (48, 48, 48)
RUNGS = [("python_loops", TINY)] + [
    (rung, shape)
    for shape in (SQUARE, FORWARD)
    for rung in (*LADDER, OURS, "numpy")
    if rung != "python_loops"  # it takes seconds for each product
]
PEERS = {OURS: by_ours, "numpy": by_numpy}
STEPS = [product for batch in (32, 128, 512) for product in training_step(batch)]


def measure(benchmark: Any, product: Product, how: str) -> None:
    """Compute the product once, compare it with NumPy's, then time it."""
    a, b, out = operands(product)
    left, right = a.T if product.ta else a, b.T if product.tb else b
    if how in PEERS:
        call: Callable[[], Any] = PEERS[how](a, product.ta, b, product.tb, out)
    else:
        call = partial(LADDER[how], a, b, out)
    call()
    np.testing.assert_allclose(out, left @ right, rtol=1e-4, atol=1e-4)
    benchmark.extra_info["GFLOP"] = 2 * product.n * product.k * product.m / 1e9
    benchmark(call)


@pytest.mark.parametrize(("rung", "shape"), RUNGS)
def test_rung(benchmark: Any, rung: str, shape: tuple[int, int, int]) -> None:
    product = Product("ladder", *shape)
    benchmark.group = f"ladder {product.n} x {product.k} x {product.m}"
    measure(benchmark, product, rung)


@pytest.mark.parametrize("how", PEERS)
@pytest.mark.parametrize("product", STEPS, ids=str)
def test_product_of_a_step(benchmark: Any, product: Product, how: str) -> None:
    benchmark.group = f"{product.group} {product.letters} {product.n} x {product.k} x {product.m}"
    measure(benchmark, product, how)
