from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from accelnn.kernels.on_numba._jit import run
from accelnn.kernels.on_numba.gemm import KC, MR, SCRATCH, gemm_address, gemm_part
from accelnn.kernels.on_numba.microkernel import Tile, choose_tile

DTYPES = [np.float32, np.float64]
LAYOUTS = ["CC", "FC", "CF"]
SHAPES = [
    (1, 1, 1),
    (5, 7, 3),
    (7, 5, 10),
    (MR, 8, 16),
    (9, 33, 17),
    (13, 100, 49),
    (1, 300, 40),
    (10, 3, 301),
    (65, KC, 130),
    (66, KC + 1, 31),
    (301, 2 * KC + 3, 129),
    (700, 40, 35),
    (3, 2, 1601),
]
GUARD = 1000


def guarded(shape: tuple[int, int], dtype: Any, layout: str) -> Any:
    """An array with NaN around it: a value read from outside would be seen in a product."""
    n = shape[0] * shape[1]
    memory = np.full(n + 2 * GUARD, np.nan, dtype)
    x = memory[GUARD : GUARD + n].reshape(shape, order=layout)  # type: ignore[call-overload]
    x[:] = np.random.default_rng(n).standard_normal(shape)
    return x


def stored(x: Any) -> tuple[Any, bool]:
    """C-ordered storage, and whether it is the transpose."""
    return (x, False) if x.flags.c_contiguous else (x.T, True)


def product(a: Any, b: Any, parts: int = 1) -> Any:
    """Run all parts, and see that nothing around ``out`` and the scratch is touched."""
    n = a.shape[0] * b.shape[1]
    memory = np.full(n + 2 * GUARD, np.nan, a.dtype)
    scratch = np.full(SCRATCH + 2 * GUARD, 7, a.dtype)
    out = memory[GUARD : GUARD + n].reshape(a.shape[0], b.shape[1])
    gemm, (c, ta), (d, tb) = gemm_address(a.dtype), stored(a), stored(b)
    for part in range(parts):
        run(gemm_part, gemm, c, ta, d, tb, out, part, parts, scratch[GUARD : GUARD + SCRATCH])
        scratch[GUARD : GUARD + SCRATCH] = np.nan  # nothing is handed on from part to part
    assert np.isnan(memory[:GUARD]).all()
    assert np.isnan(memory[GUARD + n :]).all()
    assert (scratch[:GUARD] == 7).all()
    assert (scratch[GUARD + SCRATCH :] == 7).all()
    return out


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_agrees_with_numpy_in_any_number_of_parts(dtype: Any, layout: str, shape: Any) -> None:
    n, k, m = shape
    a, b = guarded((n, k), dtype, layout[0]), guarded((k, m), dtype, layout[1])
    whole = product(a, b)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    bound = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    assert (np.abs(whole - exact) <= 4 * np.sqrt(k) * np.finfo(dtype).eps * bound).all()
    for parts in (2, 3, 7):
        np.testing.assert_array_equal(product(a, b, parts), whole)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_element_does_not_depend_on_the_shape_around_it(dtype: Any) -> None:
    a, b = guarded((50, KC + 9), dtype, "C"), guarded((KC + 9, 70), dtype, "C")
    whole = product(a, b)
    for rows, columns in ((1, 70), (3, 5), (50, 1), (7, 33)):
        some = product(a[:rows], np.ascontiguousarray(b[:, :columns]))
        np.testing.assert_array_equal(some, whole[:rows, :columns])


@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 4, 0), (0, 0, 0), (5, 0, 20), (1, 0, 1)])
@pytest.mark.parametrize("parts", [1, 2])
def test_empty(shape: Any, parts: int) -> None:
    n, k, m = shape
    out = product(np.ones((n, k), np.float32), np.ones((k, m), np.float32), parts)
    np.testing.assert_array_equal(out, np.zeros((n, m)))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_stay_in_their_row_and_column(value: float, layout: str) -> None:
    a, b = guarded((20, 30), np.float32, layout[0]), guarded((30, 40), np.float32, layout[1])
    b[:] = np.abs(b)
    a[17, 3] = value
    out = product(a, b)
    np.testing.assert_array_equal(out[17], value)
    assert np.isfinite(np.delete(out, 17, axis=0)).all()
    a, b = guarded((20, 30), np.float32, layout[0]), guarded((30, 41), np.float32, layout[1])
    a[:] = np.abs(a)
    b[29, 40] = value
    out = product(a, b)
    np.testing.assert_array_equal(out[:, 40], value)
    assert np.isfinite(out[:, :40]).all()


@pytest.mark.parametrize(
    ("features", "tile"),
    [
        ("+avx512f,+avx2,+fma", Tile(12, 8, 2, 64, True)),
        ("+avx2,+fma,-avx512f", Tile(6, 4, 2, 32, True)),
        ("+avx2,-fma", Tile(4, 2, 2, 16, False)),
        ("+neon", Tile(8, 4, 3, 16, True)),
        ("", Tile(4, 2, 2, 16, False)),
    ],
)
def test_the_tile_fits_the_processor(features: str, tile: Tile) -> None:
    assert choose_tile(features) == tile
