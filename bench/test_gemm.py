"""What do the products of a training step cost: our own GEMM on one thread and on all, and BLAS?

BLAS runs with the threads its environment gives it, our own with ``NUMBA_NUM_THREADS``.
"""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from accelnn.kernels.on_numba import matmul
from accelnn.kernels.on_numba._jit import from_python
from accelnn.kernels.on_numba.gemm import SCRATCH, gemm_address
from accelnn.kernels.on_numba.threads import run_parts, threads_for

#: Rows, the two widths of a layer, and which product of backpropagation.
PRODUCTS = [
    (rows, n_in, n_out, which)
    for rows in (32, 128, 512)
    for n_in, n_out in ((784, 512), (512, 512), (512, 10))
    for which in ("forward", "weights", "input")
    if (n_in, which) != (784, "input")  # nobody asks for the gradient of the data
]


def operands(rows: int, n_in: int, n_out: int, which: str) -> tuple[Any, bool, Any, bool]:
    rng = np.random.default_rng(0)
    x, w = rng.random((rows, n_in), np.float32), rng.random((n_in, n_out), np.float32)
    dy = rng.random((rows, n_out), np.float32)
    choices = {
        "forward": (x, False, w, False),
        "weights": (x, True, dy, False),
        "input": (dy, False, w, True),
    }
    return choices[which]


@pytest.mark.parametrize("how", ["ours, 1 thread", "ours", "BLAS"])
@pytest.mark.parametrize(("rows", "n_in", "n_out", "which"), PRODUCTS)
def test_gemm(benchmark: Any, rows: int, n_in: int, n_out: int, which: str, how: str) -> None:
    benchmark.group = f"{which} {rows} x {n_in} x {n_out}"
    a, ta, b, tb = operands(rows, n_in, n_out, which)
    exact = (a.T if ta else a) @ (b.T if tb else b)
    out = np.empty_like(exact)
    flops = 2 * rows * n_in * n_out
    parts = 1 if how == "ours, 1 thread" else threads_for(flops)
    gemm, scratch = gemm_address(a.dtype), np.empty((parts, SCRATCH), a.dtype)

    def call() -> None:
        if how == "BLAS":
            np.matmul(a.T if ta else a, b.T if tb else b, out=out)
        else:
            loop = from_python(matmul.matmul_loop)
            run_parts(loop, parts, gemm, a, ta, b, tb, out, scratch)

    call()
    np.testing.assert_allclose(out, exact, rtol=1e-4)
    benchmark(call)
    benchmark.extra_info["GFLOP"] = flops / 1e9
