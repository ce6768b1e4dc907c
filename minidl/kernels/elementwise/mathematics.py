"""What NumPy's functions stand for in a compiled formula: the same mathematics on one number, without a call.

A formula says ``np.exp(x)``. Where it is compiled, ``np`` is this module: its functions are polynomials, which the
compiler applies to a vector of numbers at once, where the C library takes one at a time. The coefficients minimise the
largest relative error (Remez's algorithm). Results are within 2 units of the last place (``tanh`` and ``erf``: 3),
infinities and NaN come out as from NumPy, and tests hold every function to that against higher precision.

They choose by the type of their argument, float32 or float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from minidl.kernels.compile import jit
from minidl.kernels.polynomials import (
    LN2_HIGH_32,
    LN2_HIGH_64,
    LN2_LOW_32,
    LN2_LOW_64,
    LOG2_E,
    f32,
    log1p_unit,
)

sqrt = np.sqrt
log1p = log1p_unit  # for 0 <= x <= 1
log = np.log  # the C library's: where it is applied to each element of a large array, use the ufunc

# Added and subtracted, they round to an integer.
ROUND_32, ROUND_64 = f32(12582912.0), 6755399441055744.0


def exp(x: Any) -> Any:
    """``e^x``: gradually 0 below, inf above."""
    return np.exp(x)


def expm1(x: Any) -> Any:
    """``e^x - 1`` for x <= 0; -1 where that is the nearest number."""
    return np.expm1(x)


def tanh(x: Any) -> Any:
    """``(1 - e^(-2|x|)) / (1 + e^(-2|x|))`` with the sign of x."""
    return np.tanh(x)


def erf(x: Any) -> Any:
    """``2 / sqrt(pi)`` times the integral of ``e^(-t²)`` from 0 to x."""
    return math.erf(x)


def rounded_erf(x: Any) -> Any:
    """``erf``, and in float32 the number nearest to it, at twice the time: computed in float64."""
    return math.erf(x)


def where(condition: Any, a: Any, b: Any) -> Any:
    """One of two numbers; both are computed, so that the compiler sees no branch."""
    return np.where(condition, a, b)


def abs(x: Any) -> Any:
    return np.abs(x)


def minimum(a: Any, b: Any) -> Any:
    """The smaller; NaN if one of them is."""
    return np.minimum(a, b)


def maximum(a: Any, b: Any) -> Any:
    """The larger; NaN if one of them is."""
    return np.maximum(a, b)


Scalar = Callable[..., Any]

INLINE = {"forceinline": True}  # a loop with a call in it is not vectorised


def _by_type(function: Scalar, in_32: Scalar, in_64: Scalar) -> None:
    """Let compiled code that calls ``function`` run one of two others."""

    @overload(function, jit_options=INLINE)
    def choose(x: Any) -> Scalar:
        return in_32 if x == types.float32 else in_64


@intrinsic
def _select(typing_context: Any, condition: Any, a: Any, b: Any) -> Any:
    """A choice without a branch, into which the compiler would move the computation of a or b."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bit = builder.icmp_unsigned("!=", args[0], args[0].type(0))
        return builder.select(bit, args[1], args[2])

    return a(types.boolean, a, a), generate


@intrinsic
def inline_me(typing_context: Any) -> Any:
    """Mark the function that calls this, to be put into its callers whatever its length."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.function.attributes.add("alwaysinline")
        return context.get_dummy_value()

    return types.void(), generate


@overload(where, jit_options=INLINE)
def _where(condition: Any, a: Any, b: Any) -> Scalar:
    def choose(condition: Any, a: Any, b: Any) -> Any:
        return _select(condition, a, b)

    return choose


@overload(abs, jit_options=INLINE)
def _abs(x: Any) -> Scalar:
    def size(x: Any) -> Any:
        return math.fabs(x)

    return size


@overload(minimum, jit_options=INLINE)
def _minimum(a: Any, b: Any) -> Scalar:
    def smaller(a: Any, b: Any) -> Any:
        return _select((a < b) | (a != a), a, b)

    return smaller


@overload(maximum, jit_options=INLINE)
def _maximum(a: Any, b: Any) -> Scalar:
    def larger(a: Any, b: Any) -> Any:
        return _select((a > b) | (a != a), a, b)

    return larger


# --- Exponentials -----------------------------------------------------------------------------------------------

# e^x = 2^k e^r with k an integer and |r| <= ln(2) / 2, and e^r - 1 = r + r² q(r). Two factors make 2^k, so that it may
# be too large or too small for one.


@jit(inline=True)
def _q32(r: Any) -> Any:
    q = f32(1.99141635660061192e-4)  # relative error 2.4e-10
    q = q * r + f32(1.39410109545026839e-3)
    q = q * r + f32(8.33327307335055606e-3)
    q = q * r + f32(4.16663548092734594e-2)
    q = q * r + f32(0.166666668169344975)
    return q * r + f32(0.500000004629194288)


@jit(inline=True)
def _q64(r: Any) -> Any:
    q = 2.09244878760021767e-9  # relative error 2.7e-19
    q = q * r + 2.51090659835624098e-8
    q = q * r + 2.75572426354693316e-7
    q = q * r + 2.75572441365242266e-6
    q = q * r + 2.48015873606723378e-5
    q = q * r + 1.98412698861864644e-4
    q = q * r + 1.38888888888667976e-3
    q = q * r + 8.33333333332161289e-3
    q = q * r + 4.16666666666667014e-2
    q = q * r + 0.166666666666666766
    return q * r + 0.5


@jit(inline=True)
def _power_of_two_32(k: Any) -> Any:
    return np.int32((k + np.int32(127)) << np.int32(23)).view(f32)


@jit(inline=True)
def _power_of_two_64(k: Any) -> Any:
    return np.int64((k + np.int64(1023)) << np.int64(52)).view(np.float64)


def _exp32(x: Any) -> Any:
    bounded = _select(x < f32(89), x, f32(89))
    bounded = _select(bounded > f32(-104), bounded, f32(-104))
    n = (bounded * f32(LOG2_E) + ROUND_32) - ROUND_32
    r = (bounded - n * LN2_HIGH_32) - n * LN2_LOW_32
    k = np.int32(n)
    half = np.int32(k >> np.int32(1))
    y = (f32(1) + (r + r * r * _q32(r))) * _power_of_two_32(half) * _power_of_two_32(np.int32(k - half))
    return _select(x == x, y, x)


def _exp64(x: Any) -> Any:
    bounded = _select(x < 710.0, x, 710.0)
    bounded = _select(bounded > -746.0, bounded, -746.0)
    n = (bounded * LOG2_E + ROUND_64) - ROUND_64
    r = (bounded - n * LN2_HIGH_64) - n * LN2_LOW_64
    k = np.int64(n)
    half = np.int64(k >> np.int64(1))
    y = (1.0 + (r + r * r * _q64(r))) * _power_of_two_64(half) * _power_of_two_64(k - half)
    return _select(x == x, y, x)


def _expm1_32(x: Any) -> Any:
    bounded = _select(x > f32(-30), x, f32(-30))
    n = (bounded * f32(LOG2_E) + ROUND_32) - ROUND_32
    r = (bounded - n * LN2_HIGH_32) - n * LN2_LOW_32
    scale = _power_of_two_32(np.int32(n))
    y = scale * (r + r * r * _q32(r)) + (scale - f32(1))
    return _select(x == x, y, x)


def _expm1_64(x: Any) -> Any:
    bounded = _select(x > -50.0, x, -50.0)
    n = (bounded * LOG2_E + ROUND_64) - ROUND_64
    r = (bounded - n * LN2_HIGH_64) - n * LN2_LOW_64
    scale = _power_of_two_64(np.int64(n))
    y = scale * (r + r * r * _q64(r)) + (scale - 1.0)
    return _select(x == x, y, x)


def _tanh32(x: Any) -> Any:
    z = expm1(f32(-2) * abs(x))
    y = z / (f32(-2) - z)
    return _select(x < f32(0), -y, _select(x > f32(0), y, x))


def _tanh64(x: Any) -> Any:
    z = expm1(-2.0 * abs(x))
    y = z / (-2.0 - z)
    return _select(x < 0.0, -y, _select(x > 0.0, y, x))


# --- The error function -----------------------------------------------------------------------------------------

# Near 0 a polynomial in x²; farther out the logarithm of 1 - erf(x) is one in x.
BORDER_32, ONE_32 = f32(0.92), f32(4)  # from ONE on the nearest number to erf(x) is 1


def _erf32(x: Any) -> Any:
    a = abs(x)
    a = _select(a < ONE_32, a, ONE_32)  # also for NaN
    u = a * a
    p = f32(8.38237737277e-5)  # relative error 4e-10
    p = p * u + f32(-8.14559404378e-4)
    p = p * u + f32(5.20128573201e-3)
    p = p * u + f32(-2.6859499943e-2)
    p = p * u + f32(0.112836973216)
    p = p * u + f32(-0.37612633854)
    near = x * (p * u + f32(1.12837916665))
    q = f32(-1.85345624599e-5)  # error of erf 6e-10
    q = q * a + f32(4.01858023266e-4)
    q = q * a + f32(-3.99980365276e-3)
    q = q * a + f32(2.46374139021e-2)
    q = q * a + f32(-0.107493309472)
    q = q * a + f32(-0.634093304747)
    q = q * a + f32(-1.12913307018)
    far = f32(1) - exp(q * a + f32(9.32438753377e-5))
    y = _select(a <= BORDER_32, near, _select(x < f32(0), -far, far))
    return _select(x == x, y, x)


# W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23, 1969.
# Near 0, erf(x) = x P(x²) / Q(x²); farther out, 1 - erf(x) = e^(-x²) P(x) / Q(x).
NEAR, ONE_64 = 0.46875, 6.0


def _erf64(x: Any) -> Any:
    a = abs(x)
    a = _select(a < ONE_64, a, ONE_64)
    u = a * a
    p = 3.20937758913846947e3 + u * (
        3.77485237685302021e2
        + u * (1.13864154151050156e2 + u * (3.16112374387056560 + u * 1.85777706184603153e-1))
    )
    q = 2.84423683343917062e3 + u * (
        1.28261652607737228e3 + u * (2.44024637934444173e2 + u * (2.36012909523441209e1 + u))
    )
    near = x * (p / q)
    rest = exp(-u) * _complement64(a)
    far = 1.0 - rest
    far = _select(x < 0.0, -far, far)
    y = _select(a <= NEAR, near, far)
    return _select(x == x, y, x)


@jit(inline=True)
def _complement64(x: Any) -> Any:
    p, q = 2.15311535474403846e-8, 1.0
    p, q = p * x + 5.64188496988670089e-1, q * x + 1.57449261107098347e1
    p, q = p * x + 8.88314979438837594, q * x + 1.17693950891312499e2
    p, q = p * x + 6.61191906371416295e1, q * x + 5.37181101862009858e2
    p, q = p * x + 2.98635138197400131e2, q * x + 1.62138957456669019e3
    p, q = p * x + 8.81952221241769090e2, q * x + 3.29079923573345963e3
    p, q = p * x + 1.71204761263407058e3, q * x + 4.36261909014324716e3
    p, q = p * x + 2.05107837782607147e3, q * x + 3.43936767414372164e3
    p, q = p * x + 1.23033935479799725e3, q * x + 1.23033935480374942e3
    return p / q


def _rounded_erf32(x: Any) -> Any:
    return f32(erf(np.float64(x)))


_by_type(exp, _exp32, _exp64)
_by_type(expm1, _expm1_32, _expm1_64)
_by_type(tanh, _tanh32, _tanh64)
_by_type(erf, _erf32, _erf64)
_by_type(rounded_erf, _rounded_erf32, _erf64)
