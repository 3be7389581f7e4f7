"""Exp and what follows from it, in plain arithmetic that the compiler turns into vector code.

A loop that calls ``exp`` of the C library runs element by element. This one is as in Cody & Waite,
*Software Manual for the Elementary Functions* (1980), chapter 6: with k the integer next to x/ln 2,
and r = x - k ln 2,

    eˣ = 2ᵏ eʳ,    |r| <= ½ ln 2,

where eʳ is a few terms of its power series, and 2ᵏ is k added to the exponent's bits. Nothing
branches, and no operation may be reordered or fused but within a series, where one way only leads
from term to term. So an element has the same bits wherever it stands in a loop, in the vector part
or in what remains behind it.

In units in the last place, in either type, they are off by less than this, as measured in
``tests/kernels/test_elementary.py``:

======= === ===========
exp     0.8 any x
expm1   1   x <= 0
log1p   2.5 0 <= x <= 1
tanh    3   any x
sigmoid 3   any x
======= === ===========

``normal`` is measured in ``tests/kernels/test_normal.py``.

Results below the smallest normal number, 1.2e-38 or 2.2e-308, are zero, as they are in a program
(``flush_subnormals``).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from accelnn.kernels import normal as n
from accelnn.kernels.on_numba._jit import exactly
from accelnn.kernels.on_numba.pointers import intrinsic

# Pairs are for float32 and float64.

#: ln 2 in two parts, as in the Cephes library (S. L. Moshier 1989): the first has so few bits that
#: its product with any k is exact.
_HIGH = 0.693359375, 0.693145751953125
_LOW = -2.12194440054690583e-4, 1.42860682030941723212e-6
#: Numbers as large as this have no bits behind the point, so adding it rounds, and leaves the
#: integer in the lowest bits. The half on top keeps the sum of a negative one in the same binade.
_ROUNDING = 1.5 * 2.0**23, 1.5 * 2.0**52
#: The last x with a result that is a number, and the first with one that is normal.
_LAST, _FIRST = (88.72283, 709.782712893384), (-87.33654, -708.3964185322641)


@intrinsic
def _of(typing: Any, x: Any, pair: Any) -> Any:
    """Return the number of a pair that is for the type of x, in that type."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = arguments[0].type
        narrow, wide = (builder.extract_value(arguments[1], i) for i in range(2))
        return builder.fptrunc(narrow, kind) if x.bitwidth == 32 else wide

    return x(x, pair), emit


@intrinsic
def _times_power(typing: Any, x: Any, rounded: Any) -> Any:
    """Return ``2ᵏ x``, given ``k + _ROUNDING``: k is added to the exponent of x."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = ir.IntType(x.bitwidth)
        number, k = (builder.bitcast(argument, bits) for argument in arguments)
        moved = builder.shl(k, bits(np.finfo(str(x)).nmant))
        return builder.bitcast(builder.add(number, moved), arguments[0].type)

    return x(x, x), emit


def _series(coefficient: Callable[[int], float], terms: tuple[int, int]) -> Any:
    """Return ``Σ coefficient(i) xⁱ`` for compiled code, of as many terms as x's type needs."""
    return _polynomial([[coefficient(i) for i in range(count)] for count in terms])


def _polynomial(coefficients: Sequence[Sequence[float]]) -> Any:
    """Return a polynomial for compiled code, given its coefficients for either type.

    By Horner's rule, with fused multiply-add where the processor has it.
    """

    @intrinsic
    def polynomial(typing: Any, x: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kind = arguments[0].type
            shape = ir.FunctionType(kind, [kind] * 3)
            add = builder.module.declare_intrinsic("llvm.fmuladd", [kind], shape)
            last, *others = reversed(coefficients[x.bitwidth == 64])
            total = kind(last)
            for c in others:
                total = builder.call(add, [total, arguments[0], kind(c)])
            return total

        return x(x), emit

    return polynomial


#: (eʳ - 1 - r) / r² for |r| <= ½ ln 2, and (artanh s - s) / s³ as a series in s² <= 1/9; what is
#: left out is below a tenth of a unit in the last place.
_exp_tail = _series(lambda i: 1 / math.factorial(i + 2), (6, 12))
_artanh_tail = _series(lambda i: 1 / (2 * i + 3), (7, 16))
_normal_tail = _polynomial((n.SHORT, n.LONG))


@exactly
def _reduced(x: Any) -> Any:
    """Return ``k + _ROUNDING``, and two numbers whose sum is ``eʳ - 1``, the second a small one."""
    kind = type(x)
    rounded = x * kind(1 / math.log(2)) + _of(x, _ROUNDING)
    k = rounded - _of(x, _ROUNDING)
    high, low = x - k * _of(x, _HIGH), k * _of(x, _LOW)
    r = high - low
    return rounded, high, r * r * _exp_tail(r) - low


@exactly
def exp(x: Any) -> Any:
    """``eˣ``."""
    kind = type(x)
    rounded, high, rest = _reduced(x)
    near = kind(1) + high
    power = _times_power(near + ((kind(1) - near + high) + rest), rounded)
    power = power if x <= _of(x, _LAST) else x + kind(np.inf)  # a NaN stays
    return kind(0) if x < _of(x, _FIRST) else power


@exactly
def expm1(x: Any) -> Any:
    """``eˣ - 1`` for x <= 0, to the last digits for small x too: ``2ᵏ (eʳ - 1) + (2ᵏ - 1)``."""
    kind = type(x)
    x = kind(-40) if x < kind(-40) else x  # where it is -1, and 2ᵏ still a number
    rounded, high, rest = _reduced(x)
    power = _times_power(kind(1), rounded)
    return np.copysign(power * (high + rest) + (power - kind(1)), x)  # of -0 too


@exactly
def log1p(x: Any) -> Any:
    """``log(1 + x)`` for 0 <= x <= 1: ``2 artanh s``, with ``s = x / (2 + x)``."""
    kind = type(x)
    s = x / (kind(2) + x)
    square = s * s
    return kind(2) * (s + s * square * _artanh_tail(square))


@exactly
def tanh(x: Any) -> Any:
    """``tanh x = -m / (m + 2)``, where ``m = e^-2|x| - 1`` cannot overflow."""
    kind = type(x)
    m = expm1(kind(-2) * abs(x))
    return np.copysign(m / (m + kind(2)), x)


@exactly
def sigmoid(x: Any) -> Any:
    """``1 / (1 + e⁻ˣ)``; where e⁻ˣ overflows, 1/inf is the right 0."""
    kind = type(x)
    return kind(1) / (kind(1) + exp(-x))


@exactly
def log_sigmoid(x: Any) -> Any:
    """``log 1 / (1 + e⁻ˣ)``."""
    kind = type(x)
    return (kind(0) if x > kind(0) else x) - log1p(exp(-abs(x)))


@exactly
def normal(x: Any) -> Any:
    """Return Φ(x) and ``e^(-x²/2)``; see ``kernels/normal.py``, and the reference for what q is."""
    kind = type(x)
    z = abs(x)
    z = kind(n.FAR) if z > kind(n.FAR) else z
    q = (kind(16) * z + _of(x, _ROUNDING) - _of(x, _ROUNDING)) * kind(1 / 16)
    rest = (q * q - z * z) + (z - q) * (z + q)
    bell = exp(kind(-0.5) * (z * z))
    bell = bell - bell * (kind(0.5) * rest)
    tail = _normal_tail((z - kind(n.MIDDLE)) / (z + kind(n.MIDDLE)))
    tail = bell * tail / (kind(1) + z)
    return (kind(1) - tail if x > kind(0) else tail), bell


@exactly
def sigmoid_of_2u(x: Any) -> Any:
    """Return σ(2u) and 2u' of ``u = √(2/π) (x + 0.044715 x³)``, of x that do not overflow."""
    kind = type(x)
    x = kind(n.FAR) if x > kind(n.FAR) else x
    x = kind(-n.FAR) if x < kind(-n.FAR) else x
    square, scale = x * x, kind(4 * n.PEAK)
    u2 = scale * x * (kind(1) + kind(0.044715) * square)
    return sigmoid(u2), scale * (kind(1) + kind(3 * 0.044715) * square)
