"""More exponentials, logarithms and roots, and the error function, element by element.

Integers and bools become the default dtype first.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import DTypeError, must
from minidl.kernels.elementwise import formula
from minidl.ops.arguments import check_tensor, of_floats, promote
from minidl.ops.elementwise import broadcasting, ufunc_op
from minidl.ops.powers import POWERS
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["exp2", "expm1", "log2", "log10", "log1p", "logaddexp", "reciprocal", "rsqrt", "erf"]

_exp2 = ufunc_op("exp2", np.exp2, lambda g, y, _x: g * (y * math.log(2.0)))
_expm1 = ufunc_op("expm1", np.expm1, lambda g, y, _x: g * (y + 1.0))
_log2 = ufunc_op("log2", np.log2, lambda g, _y, x: g / (x * math.log(2.0)))
_log10 = ufunc_op("log10", np.log10, lambda g, _y, x: g / (x * math.log(10.0)))
_log1p = ufunc_op("log1p", np.log1p, lambda g, _y, x: g / (x + 1.0))


_logaddexp = Op(
    "logaddexp",
    np.logaddexp,
    lambda g, _y, a, b: g / (1.0 + np.exp(b - a)),
    lambda g, _y, a, b: g / (1.0 + np.exp(a - b)),
)
_reciprocal_vjp = formula("reciprocal_vjp", lambda g, y: -g * (y * y))
_rsqrt_vjp = formula("rsqrt_vjp", lambda g, y: -0.5 * g * (y * y * y))
_reciprocal = ufunc_op("reciprocal", np.reciprocal, lambda g, y, _x: _reciprocal_vjp(g, y))
_rsqrt = Op("rsqrt", POWERS[-0.5], lambda g, y, _x: _rsqrt_vjp(g, y))


def exp2(input: Tensor) -> Tensor:
    """``2 ** input``.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.exp2(minidl.tensor([3.0, -1.0]))
    tensor([8. , 0.5])
    """
    return of_floats(_exp2, input)


def expm1(input: Tensor) -> Tensor:
    """``e^x - 1``, exact to the last digits near 0 too, where 1 - 1 would leave none.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.expm1(minidl.tensor(1e-10)).item() > 0, (minidl.exp(minidl.tensor(1e-10)) - 1).item() > 0
    (True, False)
    """
    return of_floats(_expm1, input)


def log2(input: Tensor) -> Tensor:
    """The logarithm to the base 2: -inf at 0, nan below.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.log2(minidl.tensor([8.0, 0.5]))
    tensor([ 3., -1.])
    """
    return of_floats(_log2, input)


def log10(input: Tensor) -> Tensor:
    """The logarithm to the base 10: -inf at 0, nan below.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.log10(minidl.tensor([1000.0, 0.1]))
    tensor([ 3., -1.])
    """
    return of_floats(_log10, input)


def log1p(input: Tensor) -> Tensor:
    """``log(1 + x)``, exact to the last digits near 0 too; the inverse of :func:`expm1`.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.log1p(minidl.tensor([0.0, 1e-10])).tolist()[1] > 0
    True
    """
    return of_floats(_log1p, input)


def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """``log(e^input + e^other)``, without overflow; the sum of two probabilities that are given as logarithms.

    Raises:
        DTypeError: neither is of floats, or one is no tensor.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.logaddexp(minidl.tensor([1000.0]), minidl.tensor([1000.0]))  # 1000 + log 2
    tensor([1000.6932])
    """
    check_tensor("logaddexp", "input", input)
    check_tensor("logaddexp", "other", other)
    a, b = promote("logaddexp", input, other)
    if a.dtype.kind != "f":
        raise DTypeError(must("logaddexp", "input or other", "of floats", a.dtype))
    return broadcasting(_logaddexp, a, b)


def reciprocal(input: Tensor) -> Tensor:
    """``1 / x``; infinite at 0.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.reciprocal(minidl.tensor([4.0, 0.0]))
    tensor([0.25,  inf])
    """
    return of_floats(_reciprocal, input)


def rsqrt(input: Tensor) -> Tensor:
    """``1 / sqrt(x)``: infinite at 0, nan below.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.rsqrt(minidl.tensor([4.0, 0.25]))
    tensor([0.5, 2. ])
    """
    return of_floats(_rsqrt, input)


# --- The error function ---------------------------------------------------------------------------------------

# Cody's coefficients, from the highest power down. Near 0, erf(x) = x P(x²) / Q(x²).
_NEAR_P = (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2,
           3.20937758913846947e3)  # fmt: skip
_NEAR_Q = (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3)
# Farther out, 1 - erf(x) = e^(-x²) P(x) / Q(x).
_FAR_P = (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1,
          2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
          1.23033935479799725e3)  # fmt: skip
_FAR_Q = (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
          3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3)  # fmt: skip
_NEAR = 0.46875
_ONE = 6.0  # from here on the nearest float64 to erf(x) is 1


def _polynomial(coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    """Horner's rule."""
    y = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        y *= x
        y += c
    return y


def _erf_plain(x: np.ndarray) -> np.ndarray:
    distance = np.minimum(np.abs(x, dtype=np.float64), _ONE)
    squared = np.square(np.minimum(distance, _NEAR))
    near = x * (_polynomial(_NEAR_P, squared) / _polynomial(_NEAR_Q, squared))
    rest = np.exp(-distance * distance) * (_polynomial(_FAR_P, distance) / _polynomial(_FAR_Q, distance))
    return np.where(distance <= _NEAR, near, np.copysign(1.0 - rest, x)).astype(x.dtype)


_SLOPE = 2.0 / math.sqrt(math.pi)  # of erf at 0
_erf_vjp = formula("erf_vjp", lambda g, x: g * (_SLOPE * np.exp(-x * x)))
_erf_forward = formula(
    "erf",
    lambda x: np.rounded_erf(x),  # type: ignore[attr-defined]
    plain=_erf_plain,
    within=lambda x: np.erf(x),  # type: ignore[attr-defined]
)
_erf = Op("erf", _erf_forward, lambda g, _y, x: _erf_vjp(g, x))


def erf(input: Tensor) -> Tensor:
    """The error function: ``2 / sqrt(π)`` times the integral of ``e^(-t²)`` from 0 to ``input``.

    A normally distributed number lies within x standard deviations of its mean with probability ``erf(x / sqrt(2))``.

    Computed by rational approximations in float64, to about 1e-16 (W. J. Cody, "Rational Chebyshev approximations for
    the error function", Mathematics of Computation 23, 1969).

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.erf(minidl.tensor([1.0, 2.0, 3.0]) / 2**0.5)
    tensor([0.6827, 0.9545, 0.9973])
    """
    return of_floats(_erf, input)
