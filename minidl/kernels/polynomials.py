"""exp and log1p as polynomials, so that loops which call them compile to vector instructions.

A call to the C library's ``exp`` handles one number at a time; a polynomial is multiplications and additions,
which the compiler applies to 4, 8 or 16 numbers at once. The coefficients minimise the largest relative error
over the interval (Remez's algorithm); it is given with each, and lies below what rounding costs.

These functions are for use inside compiled kernels, and choose by the type of their argument, float32 or
float64. With Numba's compiler switched off (NUMBA_DISABLE_JIT=1, to step through a kernel), they are NumPy's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

f32 = np.float32

# ln 2 in two parts: the first has few enough digits that its product with an exponent is exact.
LOG2_E = 1.4426950408889634
LN2_HIGH_32, LN2_LOW_32 = f32(0.693359375), f32(-2.12194440e-4)
LN2_HIGH_64, LN2_LOW_64 = 6.93147180369123816490e-01, 1.90821492927058770002e-10
# Where exp(x) falls below the smallest normal number.
EXP_UNDERFLOW_32, EXP_UNDERFLOW_64 = f32(-87.336), -708.39


def exp_nonpositive(x: Any) -> Any:
    """exp(x) for x <= 0. Compiled, it is 0 where it would be denormal, and for NaN (the caller puts that back)."""
    return np.exp(x)


def log1p_unit(z: Any) -> Any:
    """log(1 + z) for z in [0, 1], with full relative accuracy near 0."""
    return np.log1p(z)


@overload(exp_nonpositive)
def _exp_nonpositive(x: Any) -> Callable[[Any], Any]:
    return _exp32 if x == types.float32 else _exp64


@overload(log1p_unit)
def _log1p_unit(z: Any) -> Callable[[Any], Any]:
    return _log1p32 if z == types.float32 else _log1p64


# exp(x) = 2**k * exp(r) with k an integer and |r| <= ln(2)/2. An integer shifted into the exponent's bits is
# 2**k.


def _exp32(x: Any) -> Any:
    in_range = x >= EXP_UNDERFLOW_32  # false for NaN
    x = x if in_range else f32(0)
    k = np.int32(x * f32(LOG2_E) - f32(0.5))
    r = (x - f32(k) * LN2_HIGH_32) - f32(k) * LN2_LOW_32
    p = f32(1.38368461368956512e-3)  # relative error 1.9e-9
    p = p * r + f32(8.37481577815563143e-3)
    p = p * r + f32(4.16682255660927647e-2)
    p = p * r + f32(0.166664201702696494)
    p = p * r + f32(0.499999920798404)
    p = p * r + f32(1.00000003632309436)
    p = p * r + f32(1.0000000005541648)
    two_to_k = np.int32((k + np.int32(127)) << np.int32(23)).view(f32)
    return p * two_to_k if in_range else f32(0)


def _exp64(x: Any) -> Any:
    in_range = x >= EXP_UNDERFLOW_64
    x = x if in_range else 0.0
    k = np.int32(x * LOG2_E - 0.5)
    r = (x - k * LN2_HIGH_64) - k * LN2_LOW_64
    p = 2.49943148162369541e-8  # relative error 3e-18
    p = p * r + 2.76322932297056291e-7
    p = p * r + 2.75576224993118454e-6
    p = p * r + 2.48014865215809225e-5
    p = p * r + 1.98412694327152973e-4
    p = p * r + 1.38888889512238251e-3
    p = p * r + 8.33333333355925346e-3
    p = p * r + 4.1666666666492768e-2
    p = p * r + 0.166666666666661687
    p = p * r + 0.500000000000001769
    p = p * r + 1.0
    p = p * r + 1.0
    two_to_k = np.int64((np.int64(k) + np.int64(1023)) << np.int64(52)).view(np.float64)
    return p * two_to_k if in_range else 0.0


# The leading term is added last and unrounded, so the sum is as exact as its last addition.


def _log1p32(z: Any) -> Any:
    # log(1 + z) = z + z*z * q(z)
    q = f32(-3.318474014661365e-3)  # relative error 5e-9
    q = q * z + f32(2.02045892730969369e-2)
    q = q * z + f32(-5.76644475456544603e-2)
    q = q * z + f32(0.106805552876618701)
    q = q * z + f32(-0.153553957836897181)
    q = q * z + f32(0.196954002014156489)
    q = q * z + f32(-0.249585873186390237)
    q = q * z + f32(0.333305113056838604)
    q = q * z + f32(-0.499999327628781621)
    return z + z * z * q


def _log1p64(z: Any) -> Any:
    # With s = z / (2 + z), log(1 + z) = 2 * atanh(s) = z - s * (z - a polynomial in s*s): a division, but
    # fewer terms
    s = z / (2.0 + z)
    u = s * s
    p = 0.170185780516948776  # relative error 1.3e-18
    p = p * u + 0.0834009981938704841
    p = p * u + 0.121060866899222885
    p = p * u + 0.133009735248520771
    p = p * u + 0.153865599281779019
    p = p * u + 0.181817439246665672
    p = p * u + 0.222222239697390433
    p = p * u + 0.285714285478537461
    p = p * u + 0.40000000000157244
    p = p * u + 0.666666666666663038
    return z - s * (z - p * u)
