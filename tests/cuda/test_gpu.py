"""Every kernel on a real GPU against the reference kernels."""

from typing import Any

import numpy as np
import pytest

from accelnn import kernels
from accelnn.backends.cupy_probe import probe
from tests.kernels.cases import CALLS, IDS, Case, build, tuple_of
from tests.tolerances import assert_close

pytestmark = pytest.mark.gpu

REFERENCE, ON_CUPY = kernels.load("reference"), kernels.load("on_cupy")
SHAPES = [(0, 3), (1, 1), (5, 7), (3, 1000), (130, 33), (128, 512), (3, 10_000)]

each_call = pytest.mark.parametrize(("name", "variant"), CALLS, ids=IDS)
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture(scope="module")
def cupy() -> Any:
    """CuPy, imported only when a test runs: not at collection."""
    found = probe()
    if not found.usable:
        pytest.skip(f"no GPU: {found.reason}")
    return pytest.importorskip("cupy")


def on_device(case: Case, cupy: Any) -> Case:
    return Case(tuple(cupy.asarray(a) for a in case.arrays), case.scalars, case.length, case.alias)


def assert_all_close(actual: Any, expected: Any, length: int) -> None:
    for a, e in zip(tuple_of(actual), tuple_of(expected), strict=True):
        assert_close(a, e, length)


@each_dtype
@each_shape
@each_call
def test_values(name: str, variant: str, shape: tuple[int, int], dtype: str, cupy: Any) -> None:
    case = build(name, variant, shape, dtype, np.random.default_rng(1))
    expected = case.run(REFERENCE[name])
    there = on_device(case, cupy)
    result = there.run(ON_CUPY[name])
    assert all(isinstance(r, cupy.ndarray) for r in tuple_of(result))
    assert_all_close(result, expected, case.length)
    for array, copy in zip(there.arrays, case.arrays, strict=True):
        np.testing.assert_array_equal(array.get(), copy)


@each_dtype
@each_call
def test_out(name: str, variant: str, dtype: str, cupy: Any) -> None:
    case = build(name, variant, (128, 512), dtype, np.random.default_rng(2))
    expected = tuple_of(case.run(REFERENCE[name]))
    out = tuple(cupy.full(e.shape, 99, e.dtype) for e in expected)
    result = on_device(case, cupy).run(ON_CUPY[name], out=out if len(out) > 1 else out[0])
    assert all(r is o for r, o in zip(tuple_of(result), out, strict=True))
    assert_all_close(out, expected, case.length)


@each_dtype
@each_call
def test_out_is_an_argument(name: str, variant: str, dtype: str, cupy: Any) -> None:
    case = build(name, variant, (130, 33), dtype, np.random.default_rng(3))
    expected = case.run(REFERENCE[name])
    for indices in case.alias:
        there = on_device(case, cupy)
        out = tuple(there.arrays[i] for i in indices)
        there.run(ON_CUPY[name], out=out if len(out) > 1 else out[0])
        assert_all_close(out, expected, case.length)


@each_call
def test_strided_input(name: str, variant: str, cupy: Any) -> None:
    case = build(name, variant, (5, 7), "float32", np.random.default_rng(4))
    arrays = []
    for a in case.arrays:
        strided = cupy.full([2 * d for d in a.shape], 77, a.dtype)[(slice(None, None, 2),) * a.ndim]
        strided[...] = cupy.asarray(a)
        arrays.append(strided)
    result = ON_CUPY[name](*arrays, **case.scalars)
    assert_all_close(result, case.run(REFERENCE[name]), case.length)


@each_call
def test_special_values(name: str, variant: str, cupy: Any) -> None:
    base = build(name, variant, (13, 5), "float32", np.random.default_rng(5))
    for which, array in enumerate(base.arrays):
        if name == "matmul" or array.dtype.kind != "f":
            continue
        array = array.copy()
        rows = array.reshape(array.shape[0], -1)
        for i, special in enumerate((np.nan, np.inf, -np.inf)):
            rows[1 + i, i % rows.shape[1]] = special
        case = Case(
            (*base.arrays[:which], array, *base.arrays[which + 1 :]), base.scalars, base.length, ()
        )
        with np.errstate(all="ignore"):
            expected = case.run(REFERENCE[name])
        assert_all_close(on_device(case, cupy).run(ON_CUPY[name]), expected, base.length)


@pytest.mark.parametrize("name", ["sum_rows", "softmax", "cross_entropy", "squared_error"])
def test_the_same_bits_each_time(name: str, cupy: Any) -> None:
    case = on_device(build(name, "", (1000, 257), "float32", np.random.default_rng(6)), cupy)
    first = case.run(ON_CUPY[name]).get()
    for _ in range(20):
        np.testing.assert_array_equal(case.run(ON_CUPY[name]).get(), first)


def test_float32_products_are_not_tf32(cupy: Any) -> None:
    """TF32 keeps 10 bits of each factor, so that 1 + 2⁻¹² would count as 1."""
    a = cupy.full((64, 64), 1 + 2**-12, cupy.float32)
    product = ON_CUPY["matmul"](a, cupy.eye(64, dtype=cupy.float32))
    np.testing.assert_array_equal(product.get(), a.get())
