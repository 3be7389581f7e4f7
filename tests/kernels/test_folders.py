"""The fast folders against the reference: one test body over kernels, folders, dtypes, shapes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accelnn.kernels import KERNELS, load
from accelnn.kernels.on_numpy._blocks import BLOCK
from tests.kernels.cases import CALLS, IDS, Case, build, over, tuple_of
from tests.kernels.conftest import Folder
from tests.tolerances import assert_close, host

REFERENCE = load("reference")
UPDATES = KERNELS["updates"]

#: No rows, no columns, one element, no multiple of anything, and more than two blocks.
LARGE = (1031, 131)
SHAPES = [(0, 3), (3, 0), (1, 1), (5, 7), (17, 33), LARGE]
DTYPES = ["float32", "float64"]


def test_large_spans_several_blocks() -> None:
    size = LARGE[0] * LARGE[1]
    assert size > 2 * BLOCK
    assert size % BLOCK


def _fortran(x: Any, xp: Any) -> Any:
    """The transpose of a C-ordered array, which is the same as Fortran order."""
    return xp.asfortranarray(x)


def _strided(x: Any, xp: Any) -> Any:
    """Every second element of every second row of a larger array full of NaN, or of -1."""
    filler = np.nan if x.dtype.kind == "f" else -1
    wide = xp.full(tuple(2 * d for d in x.shape), filler, dtype=x.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in x.shape)]
    view[...] = x
    return view


def _reversed(x: Any, xp: Any) -> Any:
    backwards = (slice(None, None, -1),) * x.ndim
    return xp.ascontiguousarray(x[backwards])[backwards]


def _read_only(x: Any, xp: Any) -> Any:
    x = x.copy()
    x.flags.writeable = False
    return x


LAYOUTS = {"fortran": _fortran, "strided": _strided, "reversed": _reversed, "read-only": _read_only}


def _poison(expected: Any, xp: Any) -> tuple[Any, ...]:
    """Arrays to write into, full of NaN (or -1), which a kernel that reads them cannot hide."""
    return tuple(
        xp.full(e.shape, np.nan if e.dtype.kind == "f" else -1, dtype=e.dtype) for e in expected
    )


def _check(result: Any, expected: Any, length: int) -> None:
    assert isinstance(result, tuple) == isinstance(expected, tuple)
    for r, e in zip(tuple_of(result), tuple_of(expected), strict=True):
        assert_close(r, e, length)


def _same_bits(a: Any, b: Any) -> bool:
    return bool(host(a).tobytes() == host(b).tobytes())


def _check_call(folder: Folder, name: str, case: Case, arrays: list[Any]) -> None:
    """Assert what holds for every call, ``arrays`` being the case's in some layout."""
    kernel, length = folder[name], case.length
    expected = case.run(REFERENCE[name])
    before = [host(a).copy() for a in arrays]

    _check(kernel(*arrays, **case.scalars), expected, length)

    out = _poison(tuple_of(expected), folder.xp)
    result = kernel(*arrays, **case.scalars, out=out if isinstance(expected, tuple) else out[0])
    for r, o in zip(tuple_of(result), out, strict=True):
        assert r is o
    _check(result, expected, length)

    for a, b in zip(arrays, before, strict=True):
        assert _same_bits(a, b), "a kernel wrote to its input"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "variant", "shape"), over(SHAPES))
def test_equals_the_reference(
    folder: Folder, name: str, variant: str, dtype: str, shape: tuple[int, int], rng: Any
) -> None:
    case = build(name, variant, shape, dtype, rng)
    _check_call(folder, name, case, [folder.xp.asarray(a) for a in case.arrays])


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "variant"), CALLS, ids=IDS)
def test_takes_any_layout(
    folder: Folder,
    name: str,
    variant: str,
    dtype: str,
    layout: Callable[[Any, Any], Any],
    rng: Any,
) -> None:
    if layout is _read_only and folder.xp is not np:
        pytest.skip("only NumPy has read-only arrays")
    case = build(name, variant, (17, 33), dtype, rng)
    arrays = [layout(folder.xp.asarray(a), folder.xp) for a in case.arrays]
    _check_call(folder, name, case, arrays)


@pytest.mark.parametrize("shape", [(0, 3), (5, 7), LARGE], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "variant"), CALLS, ids=IDS)
def test_works_in_place(
    folder: Folder, name: str, variant: str, dtype: str, shape: tuple[int, int], rng: Any
) -> None:
    case = build(name, variant, shape, dtype, rng)
    expected = case.run(REFERENCE[name])
    for places in case.alias:
        arrays = [folder.xp.array(a) for a in case.arrays]
        out = tuple(arrays[i] for i in places)
        result = folder[name](
            *arrays, **case.scalars, out=out if isinstance(expected, tuple) else out[0]
        )
        for r, o in zip(tuple_of(result), out, strict=True):
            assert r is o
        _check(result, expected, case.length)
        for i, (a, b) in enumerate(zip(arrays, case.arrays, strict=True)):
            assert i in places or _same_bits(a, b), f"argument {i} was written to"


def _spoiled(x: Any) -> Any:
    """A copy of ``x`` with NaN, inf and -inf in rows of their own, the other rows as they were."""
    x = x.copy()
    for row, value in enumerate((np.nan, np.inf, -np.inf)):
        x.reshape(len(x), -1)[2 * row + 1, ::3] = value
    return x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "variant"), CALLS, ids=IDS)
def test_nan_and_infinity(folder: Folder, name: str, variant: str, dtype: str, rng: Any) -> None:
    case = build(name, variant, (17, 33), dtype, rng)
    for i, a in enumerate(case.arrays):
        if a.dtype.kind != "f":
            continue
        arrays = [_spoiled(x) if j == i else x for j, x in enumerate(case.arrays)]
        with np.errstate(all="ignore"):
            expected = REFERENCE[name](*arrays, **case.scalars)
            result = folder[name](*(folder.xp.asarray(x) for x in arrays), **case.scalars)
        if i == 0 and name in UPDATES:
            # A parameter that is not finite stays so; its state may follow it or not, because
            # decay · p is left out on some folders where decay is 0.
            new = host(tuple_of(result)[0])
            assert not np.isfinite(new[~np.isfinite(arrays[0])]).any()
            keep = np.isfinite(arrays[0]).all(axis=1)
            result = tuple(r[keep] for r in tuple_of(result))
            expected = tuple(e[keep] for e in tuple_of(expected))
        _check(result, expected, case.length)


EXTREME = [-1e30, -1e4, -800.0, -104.0, -88.8, -40.0, -17.5, 0.0, 17.5, 40.0, 88.8, 104.0, 800.0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "call",
    [
        ("sigmoid", {}),
        ("tanh", {}),
        ("relu", {}),
        ("leaky_relu", {"slope": 0.01}),
        ("elu", {"alpha": 1.0}),
        ("softmax", {}),
        ("log_softmax", {}),
        ("log_sigmoid", {}),
        ("hardtanh", {"low": -1.0, "high": 1.0}),
        ("gelu", {}),
        ("gelu_tanh", {}),
        ("silu", {}),
        ("step", {"low": -1.0, "at_zero": 1.0}),
    ],
    ids=lambda call: call[0],
)
def test_large_numbers_neither_warn_nor_overflow(
    folder: Folder, call: tuple[str, dict[str, Any]], dtype: str
) -> None:
    name, scalars = call
    z = np.array([EXTREME, EXTREME[::-1], [1e30] * len(EXTREME)], dtype)
    expected = REFERENCE[name](z, **scalars)
    assert np.isfinite(expected).all()
    _check(folder[name](folder.xp.asarray(z), **scalars), expected, z.shape[1])
    for backward in (f"{name}_backward", f"{name}_backward_z"):
        if backward in REFERENCE:
            x = z if backward.endswith("_z") else expected
            slope = REFERENCE[backward](np.ones_like(x), x, **scalars)
            ones, on_device = folder.xp.ones(x.shape, dtype), folder.xp.asarray(x)
            _check(folder[backward](ones, on_device, **scalars), slope, z.shape[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_losses_of_large_logits(folder: Folder, dtype: str) -> None:
    """Confident and right: the loss is tiny, but not lost to the logit it is a difference of."""
    xp = folder.xp
    z = np.array(EXTREME[2:-1], dtype)[:, None]
    t = (z > 0).astype(dtype)
    for targets in (t, 1 - t):
        expected = REFERENCE["binary_cross_entropy"](z, targets)
        assert np.isfinite(expected).all()
        actual = host(folder["binary_cross_entropy"](xp.asarray(z), xp.asarray(targets)))
        big = expected > 1e-30  # below, float32 has not the digits
        assert_close(np.log(actual[big]), np.log(expected[big]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_means_too_large_for_the_dtype(folder: Folder, dtype: str) -> None:
    """The Poisson loss and its gradient overflow as e^z does, and no earlier."""
    xp, largest = folder.xp, {"float32": 88.0, "float64": 709.0}[dtype]
    z, t = xp.asarray(np.array([[largest], [largest + 1], [-1e4]], dtype)), xp.ones((3, 1), dtype)
    with np.errstate(over="ignore"):
        loss = host(folder["poisson"](z, t))
        slope = host(folder["poisson_backward"](xp.ones(3, dtype), z, t))[:, 0]
    mean = np.exp(largest)
    expected = {"poisson": [mean, np.inf, 9999], "backward": [mean, np.inf, -1]}
    assert_close(loss, np.array(expected["poisson"], dtype))
    assert_close(slope, np.array(expected["backward"], dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "cross_entropy"])
def test_a_shift_of_a_row_costs_no_digits(folder: Folder, name: str, dtype: str) -> None:
    z = np.array([[0.0, 1.0, -2.0, 3.0, 0.5, -0.25, 2.0, 1.5, 0.0, -1.0]], dtype)
    more = (np.array([4]),) if name == "cross_entropy" else ()
    plain = REFERENCE[name](z, *more)
    for shift in (2.0**12, -(2.0**12), 2.0**20):
        arrays = [folder.xp.asarray(x) for x in (z + z.dtype.type(shift), *more)]
        _check(folder[name](*arrays), plain, z.shape[1])
