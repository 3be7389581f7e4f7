"""The CUDA kernels, run on the CPU, against the reference kernels.

The matrix product is cuBLAS's own and is left to ``test_gpu.py``.
"""

import ctypes
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from accelnn import kernels
from accelnn.kernels.on_cupy import _launch
from accelnn.kernels.reference.dropout import philox
from tests.cuda.host_shim import HostRunner
from tests.kernels.cases import CALLS, build, tuple_of
from tests.tolerances import assert_close

REFERENCE, ON_CUPY = kernels.load("reference"), kernels.load("on_cupy")
OURS = [(name, variant) for name, variant in CALLS if name != "matmul"]
IDS = [f"{name}({variant})" if variant else name for name, variant in OURS]
SHAPES = [(0, 3), (1, 1), (5, 7), (3, 1000), (130, 33)]

#: Kernels whose threads work together, so that barriers matter.
TOGETHER = [
    "sum_rows",
    "softmax",
    "softmax_backward",
    "log_softmax",
    "log_softmax_backward",
    "squared_error",
    "binary_cross_entropy",
    "cross_entropy",
    "cross_entropy_backward",
    "poisson",
    "perceptron",
]

each_call = pytest.mark.parametrize(("name", "variant"), OURS, ids=IDS)
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture(autouse=True)
def on_host(library: ctypes.CDLL) -> Iterator[None]:
    with _launch.use(HostRunner(library)):
        yield


def assert_all_close(actual: Any, expected: Any, length: int) -> None:
    for a, e in zip(tuple_of(actual), tuple_of(expected), strict=True):
        assert_close(a, e, length)


@each_dtype
@each_shape
@each_call
def test_values(name: str, variant: str, shape: tuple[int, int], dtype: str) -> None:
    case = build(name, variant, shape, dtype, np.random.default_rng(1))
    before = [a.copy() for a in case.arrays]
    result = case.run(ON_CUPY[name])
    assert_all_close(result, case.run(REFERENCE[name]), case.length)
    for array, copy in zip(case.arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@each_dtype
@each_call
def test_out(name: str, variant: str, dtype: str) -> None:
    case = build(name, variant, (5, 7), dtype, np.random.default_rng(2))
    expected = tuple_of(case.run(REFERENCE[name]))
    out = tuple(np.full_like(e, 99, order="C") for e in expected)
    result = case.run(ON_CUPY[name], out=out if len(out) > 1 else out[0])
    assert all(r is o for r, o in zip(tuple_of(result), out, strict=True))
    assert_all_close(out, expected, case.length)


@each_dtype
@each_shape
@each_call
def test_out_is_an_argument(name: str, variant: str, shape: tuple[int, int], dtype: str) -> None:
    case = build(name, variant, shape, dtype, np.random.default_rng(3))
    expected = case.run(REFERENCE[name])
    for indices in case.alias:
        again = build(name, variant, shape, dtype, np.random.default_rng(3))
        out = tuple(again.arrays[i] for i in indices)
        again.run(ON_CUPY[name], out=out if len(out) > 1 else out[0])
        assert_all_close(out, expected, case.length)


@each_call
def test_strided_input(name: str, variant: str) -> None:
    case = build(name, variant, (5, 7), "float32", np.random.default_rng(4))
    arrays = []
    for a in case.arrays:
        wide = np.full([2 * d for d in a.shape], 77, a.dtype)
        strided = wide[tuple(slice(None, None, 2) for _ in a.shape)]
        strided[...] = a
        arrays.append(strided)
    result = ON_CUPY[name](*arrays, **case.scalars)
    assert_all_close(result, case.run(REFERENCE[name]), case.length)


@each_dtype
@each_call
def test_nan_and_infinity(name: str, variant: str, dtype: str) -> None:
    """A special value in each array in turn, in rows of their own; the first row has none."""
    base = build(name, variant, (13, 5), dtype, np.random.default_rng(5))
    for which, array in enumerate(base.arrays):
        if array.dtype.kind != "f":
            continue
        array = array.copy()
        rows = array.reshape(array.shape[0], -1)
        for i, special in enumerate((np.nan, np.inf, -np.inf)):
            rows[1 + i, i % rows.shape[1]] = special
        arrays = [*base.arrays[:which], array, *base.arrays[which + 1 :]]
        with np.errstate(all="ignore"):
            expected = REFERENCE[name](*arrays, **base.scalars)
        assert_all_close(ON_CUPY[name](*arrays, **base.scalars), expected, base.length)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_rows_of_one_special_value(name: str, value: float) -> None:
    z = np.full((2, 40), value)
    with np.errstate(all="ignore"):
        expected = REFERENCE[name](z)
    assert_close(ON_CUPY[name](z), expected)


@pytest.mark.parametrize("m", [1, 2, 31, 32, 33, 127, 1000, 10_000])
@pytest.mark.parametrize("name", TOGETHER)
def test_rows_of_any_length(name: str, m: int) -> None:
    shape = (m, 3) if name == "sum_rows" else (3, m)
    case = build(name, "", shape, "float32", np.random.default_rng(6))
    assert_all_close(case.run(ON_CUPY[name]), case.run(REFERENCE[name]), case.length)


@pytest.mark.parametrize("shape", [(9, 5), (67, 300)], ids=str)
@pytest.mark.parametrize("name", TOGETHER)
def test_the_order_of_threads_does_not_matter(
    name: str, shape: tuple[int, int], library: ctypes.CDLL
) -> None:
    """A missing barrier makes it matter."""
    case = build(name, "", shape, "float32", np.random.default_rng(7))
    forwards = case.run(ON_CUPY[name])
    with _launch.use(HostRunner(library, backwards=True)):
        np.testing.assert_array_equal(case.run(ON_CUPY[name]), forwards)


@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_take_rows_of_data_and_labels(dtype: str) -> None:
    x = np.random.default_rng(8).integers(0, 255, (6, 4, 3)).astype(dtype)
    index = np.array([5, 0, 0, 3])
    assert_close(ON_CUPY["take_rows"](x, index), x[index])


def test_rows_without_columns() -> None:
    """A sum over nothing is 0; there is nothing to write for the others."""
    empty = np.empty((3, 0), np.float32)
    np.testing.assert_array_equal(ON_CUPY["squared_error"](empty, empty), np.zeros(3))
    for name in ("softmax", "log_softmax", "relu"):
        assert ON_CUPY[name](empty).shape == (3, 0)


def test_small_results_keep_their_digits() -> None:
    """Relative precision where ``exp(z) - 1`` and ``log(1 + e⁻ᶻ)`` would have lost everything."""
    z = np.array([[-1e-12, -1e-8]])
    np.testing.assert_allclose(ON_CUPY["elu"](z, alpha=1.0), np.expm1(z), rtol=1e-14)
    far = np.array([[-40.0], [40.0]])
    loss = ON_CUPY["binary_cross_entropy"](far, (far > 0).astype(float))
    np.testing.assert_allclose(loss, np.exp([-40.0, -40.0]), rtol=1e-14)


@pytest.mark.parametrize(
    ("pieces", "largest"),
    [
        ([1, 3, 3], 1),
        ([2, 2, 2], 0),
        ([-0.0, 0.0, -1], 0),
        ([1, np.nan, 5], 1),
        ([np.nan, 9, np.nan], 0),
        ([-np.inf, -np.inf, -np.inf], 0),
        ([np.inf, 7, np.inf], 0),
    ],
    ids=str,
)
def test_the_first_of_equal_pieces(pieces: list[float], largest: int) -> None:
    """And NaN counts as the largest; the gradient goes where the number came from."""
    z, da = np.array([[*pieces, 4, 5, 6.0]]), np.array([[2.0, 3.0]])
    expected = np.array([[0.0, 0, 0, 0, 0, 3]])
    expected[0, largest] = 2
    np.testing.assert_array_equal(ON_CUPY["maxout"](z, pieces=3), [[pieces[largest], 6]])
    np.testing.assert_array_equal(ON_CUPY["maxout_backward_z"](da, z, pieces=3), expected)


def test_tails_do_not_cancel() -> None:
    """Far left, GELU's Φ(z) is a tail: 1 + erf or 1 + tanh would round it away."""
    z = np.array([[-8.0, -12.0]])
    tails = np.array([[math.erfc(-x / math.sqrt(2)) / 2 for x in z[0]]])
    np.testing.assert_allclose(ON_CUPY["gelu"](z), z * tails, rtol=1e-13)
    u = math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)
    np.testing.assert_allclose(ON_CUPY["gelu_tanh"](z), z / (1 + np.exp(-2 * u)), rtol=1e-12)
    np.testing.assert_allclose(ON_CUPY["log_sigmoid"](-z), -np.log1p(np.exp(z)), rtol=1e-14)
    da = np.ones_like(z)
    a = ON_CUPY["log_sigmoid"](-z)
    np.testing.assert_allclose(
        ON_CUPY["log_sigmoid_backward"](da, a), 1 / (1 + np.exp(-z)), rtol=1e-14
    )


def test_dropout_at_the_threshold() -> None:
    """An element whose word is exactly ⌊p · 2³²⌋ stays."""
    zero = np.zeros(1, np.int64)
    words = [int(w[0]) for w in philox((zero, zero, zero, zero), (7, 0))]
    for i, word in enumerate(words):
        kept = ON_CUPY["dropout"](np.ones(4), p=word / 2**32, seed=7, call=0)
        np.testing.assert_array_equal(kept != 0, [w >= word for w in words])
        assert kept[i] != 0
