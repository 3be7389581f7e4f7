"""How far GELU is off, in units in the last place, and that its coefficients are of the formula."""

import math
from decimal import Decimal, localcontext
from functools import cache
from typing import Any

import numpy as np
import pytest

from accelnn.kernels import normal
from tests.kernels.conftest import Folder

DTYPES = ["float32", "float64"]
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230782")


@cache
def below(z: float) -> Decimal:
    """Φ(z) to 30 digits: by ``½ + φ(z) (z + z³/3 + z⁵/(3·5) + ...)``, or a continued fraction."""
    with localcontext(prec=60):
        x = Decimal(z)
        peak = (-x * x / 2).exp() / (2 * PI).sqrt()
        if z < -8:  # φ(x) / (x + 1/(x + 2/(x + 3/(x + ...
            tail = -x
            for k in reversed(range(1, 120)):
                tail = -x + k / tail
            return peak / tail
        total, term, i = x, x, 1
        while abs(term) > Decimal(10) ** -50:
            i += 2
            term *= x * x / i
            total += term
        return Decimal("0.5") + peak * total


def test_the_yardstick_is_right() -> None:
    for z in (-20.0, -8.001, -7.999, -3.0, -0.7, 0.0, 1.3, 5.0):
        assert math.isclose(float(below(z)), math.erfc(-z / math.sqrt(2)) / 2, rel_tol=1e-13)


def numbers(dtype: str) -> Any:
    last = 12.5 if dtype == "float32" else 37.0  # further left the result is no normal number
    z = np.concatenate([np.linspace(-last, 9, 400), np.linspace(-3, 3, 300), [1e-5, -1e-30]])
    return z.astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_digits_of_gelu(cpu_folder: Folder, dtype: str) -> None:
    z = numbers(dtype)
    exact = np.array([float(Decimal(float(x)) * below(float(x))) for x in z])
    off = np.abs(cpu_folder["gelu"](z) - exact) / np.spacing(np.abs(exact).astype(dtype))
    assert off.max() < 5


@pytest.mark.parametrize("dtype", DTYPES)
def test_gelu_by_erf(cpu_folder: Folder, dtype: str) -> None:
    """As it is written, on a dense grid, where it does not cancel."""
    z = np.linspace(0, 8, 20_001).astype(dtype)[1:]
    exact = np.array([float(x) * (1 + math.erf(float(x) / math.sqrt(2))) / 2 for x in z])
    off = np.abs(cpu_folder["gelu"](z) - exact) / np.spacing(np.abs(exact).astype(dtype))
    assert off.max() < 5


@pytest.mark.parametrize("dtype", DTYPES)
def test_digits_of_its_derivative(cpu_folder: Folder, dtype: str) -> None:
    z = numbers(dtype)
    peak = 1 / math.sqrt(2 * math.pi)
    exact = [float(below(float(x))) + x * peak * math.exp(-(float(x) ** 2) / 2) for x in z]
    slope = cpu_folder["gelu_backward_z"](np.ones_like(z), z)
    assert slope.dtype == dtype
    assert np.abs(slope - exact).max() < 4 * np.finfo(dtype).eps


def test_the_two_gelus_are_alike_but_not_the_same(cpu_folder: Folder) -> None:
    z = np.linspace(-6, 6, 1001)
    apart = np.abs(cpu_folder["gelu"](z) - cpu_folder["gelu_tanh"](z)).max()
    assert 1e-4 < apart < 1e-3


@pytest.mark.parametrize(
    ("coefficients", "bound"), [(normal.SHORT, 0.1 * 2**-23), (normal.LONG, 4 * 2**-52)]
)
def test_coefficients(coefficients: tuple[float, ...], bound: float) -> None:
    for z in np.linspace(0, 36, 200).tolist():
        t = (z - normal.MIDDLE) / (z + normal.MIDDLE)
        p = sum(c * t**i for i, c in enumerate(coefficients))
        with localcontext(prec=60):
            exact = float((1 + Decimal(z)) * (Decimal(z) ** 2 / 2).exp() * below(-z))
        assert math.isclose(p, exact, rel_tol=bound)


@pytest.mark.parametrize("dtype", DTYPES)
def test_far_out(cpu_folder: Folder, dtype: str) -> None:
    z = np.array([-1e30, -50.0, 50.0, 1e30, np.inf, np.nan], dtype)
    for name in ("gelu", "gelu_tanh"):
        expected = np.array([0, 0, 50, 1e30, np.inf, np.nan], dtype)
        np.testing.assert_array_equal(cpu_folder[name](z), expected)
        slope = cpu_folder[f"{name}_backward_z"](np.ones(4, dtype), z[:4])
        np.testing.assert_array_equal(slope, np.array([0, 0, 1, 1], dtype))
