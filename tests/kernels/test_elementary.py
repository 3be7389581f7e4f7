"""The elementary functions of the Numba loops: digits, special values, and the same bits anywhere.

``np.longdouble`` is what they are measured against, where it has more digits than float64.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

numba = pytest.importorskip("numba")

DTYPES = ["float32", "float64"]

#: Name -> the same in NumPy, where it is asked for, and how many units in the last place off.
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], tuple[float, float], float]] = {
    "exp": (np.exp, (-np.inf, np.inf), 0.8),
    "expm1": (np.expm1, (-np.inf, 0), 1),
    "log1p": (np.log1p, (0, 1), 2.5),
    "tanh": (np.tanh, (-np.inf, np.inf), 3),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), (-np.inf, np.inf), 3),
}


@cache
def loop_of(name: str) -> Any:
    """Return a loop ``f(x, out)`` whose own operations may be put in any order."""
    from accelnn.kernels.on_numba import elementary
    from accelnn.kernels.on_numba._jit import FASTMATH

    function = getattr(elementary, name)

    def loop(x: Any, out: Any) -> None:
        for i in range(x.size):
            out[i] = function(x[i])

    return numba.njit(error_model="numpy", fastmath=FASTMATH)(loop)


def of(name: str, x: Any) -> Any:
    out = np.full_like(x, np.nan)
    loop_of(name)(x, out)
    return out


def numbers(name: str, dtype: str) -> Any:
    """A million numbers and more: densely where results are normal, and smaller and smaller ones.

    Among them the two ends of that range, and halfway from one power of two to the next.
    """
    info, (first, last) = np.finfo(dtype), FUNCTIONS[name][1]
    low, high = (np.log(np.longdouble(end)) for end in (info.tiny, info.max))
    halfway = (np.arange(-1074, 1025) + 0.5) * np.log(2)
    small = np.geomspace(info.tiny, 1, 100_000)
    wide, near = np.linspace(low, high, 1_000_000), np.linspace(-2, 2, 500_000)
    parts = [wide, near, small, -small, halfway, np.nextafter(halfway, np.inf)]
    x = np.concatenate(parts).astype(dtype)
    ends = np.array([low, high], dtype)
    x = np.concatenate([x, *(ends + n * np.spacing(ends) for n in (-2, -1, 0, 1, 2))])
    return x[(x >= max(first, low)) & (x <= min(last, high))]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_last_digits(name: str, dtype: str) -> None:
    if dtype == "float64" and np.finfo(np.longdouble).nmant <= np.finfo(dtype).nmant:
        pytest.skip("np.longdouble has no more digits than float64 here")
    function, _, bound = FUNCTIONS[name]
    x = numbers(name, dtype)
    exact = function(x.astype(np.longdouble))
    tiny = np.finfo(dtype).tiny
    normal = abs(exact) >= tiny
    unit = np.spacing(abs(exact).astype(dtype))
    result = of(name, x)
    off = abs(result - exact)[normal] / unit[normal]
    assert len(off) > 100_000
    assert off.max() < bound
    assert (abs(result[~normal]) <= tiny).all()


INF, NAN = np.inf, np.nan
SPECIAL: dict[str, list[tuple[float, float]]] = {
    "exp": [(0, 1), (-0.0, 1), (-INF, 0), (INF, INF), (-1e30, 0), (1e30, INF), (710, INF)],
    "expm1": [(0, 0), (-0.0, -0.0), (-INF, -1), (-1e30, -1), (-40.5, -1)],
    "log1p": [(0, 0)],
    "tanh": [(0, 0), (-0.0, -0.0), (-INF, -1), (INF, 1), (-1e30, -1), (1e30, 1)],
    "sigmoid": [(0, 0.5), (-0.0, 0.5), (-INF, 0), (INF, 1), (-1e30, 0), (1e30, 1)],
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values(name: str, dtype: str) -> None:
    x, expected = np.array([*SPECIAL[name], (NAN, NAN)] * 9, dtype).T.copy()
    result = of(name, x)
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(np.signbit(result[x == 0]), np.signbit(expected[x == 0]))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_any_nan_is_nan(name: str) -> None:
    """Also one whose lowest bits, which the integer of the reduction has, are set."""
    x = (np.uint64(0x7FF8000000000000) + np.arange(5000, dtype=np.uint64)).view(np.float64)
    assert np.isnan(of(name, x)).all()
    assert np.isnan(of(name, -x)).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_at_its_ends(dtype: str) -> None:
    """It rises from 0 to the smallest normal number, and from the largest to infinity."""
    info = np.finfo(dtype)
    for end, outside in ((info.tiny, 0), (info.max, np.inf)):
        edge = np.log(end)
        assert edge.dtype == dtype
        x = edge + np.arange(-2000, 2000) * np.spacing(abs(edge))
        result = of("exp", x.astype(dtype))
        assert (np.diff(result[np.isfinite(result)]) >= 0).all()
        far = abs(x) > abs(np.log(np.longdouble(end)))
        np.testing.assert_array_equal(result[far], outside)
        assert ((result[~far] >= info.tiny) & (result[~far] <= info.max)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_bits_wherever_an_element_stands(name: str, dtype: str) -> None:
    """In a loop's vector part, in what remains, alone, and wherever the array begins."""
    x = numbers(name, dtype)
    x = np.random.default_rng(0).permutation(x)[:1003]
    whole = of(name, x)
    alone = np.concatenate([of(name, x[i : i + 1]) for i in range(x.size)])
    assert alone.tobytes() == whole.tobytes()
    for start in range(1, 34):
        stop = x.size - 3 * start
        assert of(name, x[start:stop]).tobytes() == whole[start:stop].tobytes()


def compiled(name: str, dtype: str) -> str:
    """Return LLVM's code for the loop, optimised."""
    of(name, np.zeros(1, dtype))
    llvm = loop_of(name).inspect_llvm()
    return next(str(text) for types, text in llvm.items() if str(types[0].dtype) == dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_loop_calls_no_library(name: str, dtype: str) -> None:
    called = set(re.findall(r"call .*?@([\w.]+)\(", compiled(name, dtype)))
    assert not {c for c in called if re.match(r"(llvm\.)?_*(exp|tanh|log|ldexp)", c)}, called


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_loop_is_vector_code(name: str, dtype: str) -> None:
    from accelnn.kernels.on_numba.microkernel import TILES

    if TILES.vector_bytes < 32:
        pytest.skip("of vectors of two float64 the compiler may think that they are not worth it")
    element = {"float32": "float", "float64": "double"}[dtype]
    assert re.search(rf"fadd <\d+ x {element}>", compiled(name, dtype))
