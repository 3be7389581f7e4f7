"""Every rung from three loops to the matrix product computes the product."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from accelnn.kernels.on_numba.ladder import BLOCK_ROW_BYTES, BLOCK_ROWS, LADDER, TILE

DTYPES = [np.float32, np.float64]
SHAPES = [
    (0, 3, 4),
    (3, 0, 4),
    (3, 4, 0),
    (0, 0, 0),
    (1, 1, 1),
    (5, 7, 3),
    (TILE, 1, TILE),
    (TILE - 1, 5, 2 * TILE - 1),
    (2, BLOCK_ROWS, 10),
    (3, BLOCK_ROWS + 1, BLOCK_ROW_BYTES // 8 + 1),
    (33, 65, 17),
    (130, 70, 129),
]
#: What Python's own loops do in a moment.
FEW = 50_000


def operands(shape: tuple[int, int, int], dtype: Any) -> tuple[Any, Any]:
    n, k, m = shape
    rng = np.random.default_rng(n + k + m)
    return rng.standard_normal((n, k)).astype(dtype), rng.standard_normal((k, m)).astype(dtype)


def product(rung: str, a: Any, b: Any) -> Any:
    """``a @ b``, written over NaN, and see that nothing after the result is touched."""
    n, m, guard = a.shape[0], b.shape[1], 64
    memory = np.full(n * m + 2 * guard, np.nan, a.dtype)
    out = memory[guard : guard + n * m].reshape(n, m)
    LADDER[rung](a, b, out)
    assert np.isnan(memory[:guard]).all()
    assert np.isnan(memory[guard + n * m :]).all()
    return out


@pytest.mark.parametrize("rung", LADDER)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_agrees_with_numpy(dtype: Any, shape: tuple[int, int, int], rung: str) -> None:
    if rung == "python_loops" and np.prod(shape) > FEW:
        pytest.skip("too slow: Python's own loops")
    a, b = operands(shape, dtype)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    bound = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    error = np.abs(product(rung, a, b) - exact)
    assert (error <= 4 * np.sqrt(shape[1]) * np.finfo(dtype).eps * bound).all()


@pytest.mark.parametrize("rung", LADDER)
@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_stays_in_its_row_and_column(dtype: Any, rung: str) -> None:
    a, b = operands((6, 19, 9), dtype)
    a[5, 18] = np.nan
    b[:, 2] = 0  # NaN times zero is NaN
    out = product(rung, a, b)
    assert np.isnan(out[5]).all()
    assert np.isfinite(out[:5]).all()
    a, b = operands((6, 19, 9), dtype)
    b[0, 8] = np.nan
    out = product(rung, a, b)
    assert np.isnan(out[:, 8]).all()
    assert np.isfinite(out[:, :8]).all()


#: Prints a hash of the bits of several products, and how many parts the last one had.
BITS = """
import hashlib
from accelnn.kernels.on_numba import ladder
from tests.kernels.test_ladder import DTYPES, SHAPES, operands, product
used, real = [], ladder.run_job
ladder.run_job = lambda *given: used.append(real(*given))
digest = hashlib.sha256()
for dtype in DTYPES:
    for shape in SHAPES:
        digest.update(product("parallel", *operands(shape, dtype)).tobytes())
print(used[-1], digest.hexdigest())
"""


def test_any_number_of_threads_is_bitwise_the_same() -> None:
    found = []
    for threads in (1, 3):
        done = subprocess.run(
            [sys.executable, "-c", BITS],
            env={**os.environ, "NUMBA_NUM_THREADS": str(threads)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        parts, digest = done.stdout.split()
        assert int(parts) == threads
        found.append(digest)
    assert found[0] == found[1]
