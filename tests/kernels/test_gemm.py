"""The matrix product: every shape, layout and cut against NumPy, and nothing touched around it."""

import ctypes
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from accelnn.kernels import load
from accelnn.kernels.on_numba._jit import from_python, in_python
from accelnn.kernels.on_numba.gemm import KC_BYTES, SCRATCH, WORDS, takes_dots
from accelnn.kernels.on_numba.matmul import _WORDS, _addresses, matmul_loop
from accelnn.kernels.on_numba.microkernel import TILES, Tiles, choose_tiles

DTYPES = [np.float32, np.float64]
LAYOUTS = ["CC", "FC", "CF", "FF"]
MR, KC, LANES = TILES.mr, KC_BYTES // 4, TILES.vector_bytes // 4
SHAPES = [
    (1, 1, 1),
    (5, 7, 3),
    (7, 5, 10),
    (MR, 8, 16),
    (9, 33, 17),
    (13, 100, 49),
    (1, 300, 40),
    (300, 40, 1),
    (10, 3, 301),
    (2, 9, LANES),
    (TILES.mr_one + 1, 20, LANES - 1),
    (TILES.mr_two + 1, 20, 2 * LANES - 1),
    (65, KC, 130),
    (66, KC + 1, 31),
    (301, 2 * KC + 3, 129),
    (700, 40, 35),
    (3, 2, 1601),
    (20, 600, 1024),  # rows of B 4096 bytes apart, or 8192: packed
    (200, 130, 1030),  # and rows of the stored transpose of A
]
GUARD = 2000


def guarded(shape: tuple[int, int], dtype: Any, layout: str) -> Any:
    """An array with NaN around it: a value read from outside would be seen in a product."""
    n = shape[0] * shape[1]
    memory = np.full(n + 2 * GUARD, np.nan, dtype)
    x = memory[GUARD : GUARD + n].reshape(shape, order=layout)  # type: ignore[call-overload]
    x[:] = np.random.default_rng(n).standard_normal(shape)
    return x


def product(a: Any, b: Any, parts: int = 1) -> Any:
    """Compute all parts, one after the other, and see that nothing around the result is touched."""
    (n, k), m, size = a.shape, b.shape[1], a.itemsize
    memory = np.full(n * m + 2 * GUARD, np.nan, a.dtype)
    scratch = np.full(parts * SCRATCH + 2 * GUARD, 7, a.dtype)
    out = memory[GUARD : GUARD + n * m].reshape(n, m)
    gemm, job = _addresses(a.dtype)
    (a_row, a_column), (b_row, b_column) = (tuple(s // size for s in x.strides) for x in (a, b))
    words = np.zeros((1 + parts) * _WORDS, np.int64)
    known = {"a": a.ctypes.data, "a_row": a_row, "a_column": a_column, "b": b.ctypes.data}
    known |= {"b_row": b_row, "b_column": b_column, "c": out.ctypes.data, "c_row": max(m, 1)}
    known |= {"n": n, "k": k, "m": m}
    # that something is fetched meanwhile, be it beyond all memory, changes nothing
    known |= {"place": a.ctypes.data, "place_2": 1 << 46, "place_3": 0, "lines": 3}
    known["by_dots"] = in_python(takes_dots)(a_column, b_row, n, m, b_column)
    words[: 1 + len(WORDS)] = [gemm, *(known[name] for name in WORDS)]
    integer, pointer = ctypes.c_ssize_t, ctypes.c_void_p
    call = ctypes.CFUNCTYPE(None, integer, integer, integer, pointer, pointer)(job)
    for part in range(parts):
        call(part, parts, 0, words.ctypes.data, scratch[GUARD:].ctypes.data)
        scratch[GUARD:-GUARD] = np.nan  # nothing is handed on from part to part
    assert np.isnan(memory[:GUARD]).all()
    assert np.isnan(memory[GUARD + n * m :]).all()
    assert (scratch[:GUARD] == 7).all()
    assert (scratch[-GUARD:] == 7).all()
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
    for rows, columns in ((1, 70), (3, 5), (50, 2), (7, 33)):  # one column: a sum in another order
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
    ("features", "tiles"),
    [
        ("+avx512f,+avx2,+fma", Tiles(8, 4, 3, 16, 12, 64, True)),
        ("+avx2,+fma,-avx512f", Tiles(6, 4, 2, 8, 6, 32, True)),
        ("+avx2,-fma", Tiles(4, 2, 2, 8, 4, 16, False)),
        ("+neon", Tiles(8, 4, 3, 16, 12, 16, True)),
        ("", Tiles(4, 2, 2, 8, 4, 16, False)),
    ],
)
def test_the_tiles_fit_the_processor(features: str, tiles: Tiles) -> None:
    assert choose_tiles(features) == tiles


#: Another processor than this one, as Numba's settings describe it. Prints its tiles and whether
#: products of all layouts are right, and the same in two parts as in one.
OTHER = """
import numpy as np
from accelnn.kernels.on_numba.microkernel import TILES
from tests.kernels.test_gemm import DTYPES, LAYOUTS, SHAPES, guarded, product
for dtype in DTYPES:
    for shape in SHAPES:
        for layout in LAYOUTS:
            a, b = guarded(shape[:2], dtype, layout[0]), guarded(shape[1:], dtype, layout[1])
            found = product(a, b)
            np.testing.assert_allclose(found, a @ b, rtol=1e-3, atol=1e-4)
            np.testing.assert_array_equal(product(a, b, 2), found)
print(*TILES)
"""


@pytest.mark.skipif(sys.platform == "darwin" or os.name == "nt", reason="x86 Linux features")
@pytest.mark.parametrize(
    ("cpu", "features", "tiles"),
    [
        ("haswell", "+avx,+avx2,+fma", "6 4 2 8 6 32 True"),
        ("x86-64", "+sse2", "4 2 2 8 4 16 False"),
    ],
)
def test_right_on_a_lesser_processor(cpu: str, features: str, tiles: str) -> None:
    """Its tiles run here too, as this processor knows all that the lesser one does."""
    if "avx2" in features and TILES.vector_bytes < 32:
        pytest.skip("this processor has no AVX2")
    settings = {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features, "ACCELNN_NUMBA_CACHE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", OTHER],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == tiles


LAYS: dict[str, Any] = {
    "C": lambda x: x,
    "Fortran": np.asfortranarray,
    "strided": lambda x: np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3],
    "backwards": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "one byte off": lambda x: np.ndarray(x.shape, x.dtype, b"\0" + x.tobytes(), 1),
    "rows at odd places": lambda x: np.lib.stride_tricks.as_strided(
        np.frombuffer(bytearray(b"".join(r.tobytes() + b"\0" for r in x)), np.uint8)[
            : x.nbytes
        ].view(x.dtype),
        x.shape,
        (x.shape[1] * x.itemsize + 1, x.itemsize),
    ),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lay", LAYS)
def test_any_layout_in_and_nothing_compiled_for_it(lay: str, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((7, 30)).astype(dtype), rng.standard_normal((30, 21)).astype(dtype)
    matmul, exact = load("on_numba")["matmul"], a.astype(float) @ b.astype(float)
    laid_a, laid_b = LAYS[lay](a), LAYS[lay](b)
    out = np.zeros((14, 42), dtype)[::2, ::2]  # neither its rows nor its columns lie together
    for left, right in ((laid_a, b), (a, laid_b), (laid_a, laid_b)):
        np.testing.assert_allclose(matmul(left, right), exact, rtol=1e-5, atol=1e-5)
        assert matmul(left, right, out=out) is out
        np.testing.assert_allclose(out, exact, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(matmul(laid_a, laid_b.T, tb=True), exact, rtol=1e-5, atol=1e-5)
    laid_a.flags.writeable = False
    np.testing.assert_allclose(matmul(laid_a, b), exact, rtol=1e-5, atol=1e-5)
    assert len(from_python(matmul_loop).signatures) == 1
