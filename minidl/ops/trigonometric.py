"""Circular and hyperbolic functions, and their inverses, element by element; angles are in radians.

Integers and bools become the default dtype first. Outside of its domain an inverse function is nan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.kernels.elementwise import LARGE_COSTLY, formula, pooled
from minidl.ops.arguments import check_tensor, floating, of_floats, promote
from minidl.ops.elementwise import _where, broadcasting, times, ufunc_op
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = [
    "sin", "cos", "tan", "asin", "arcsin", "acos", "arccos", "atan", "arctan", "atan2", "arctan2",
    "sinh", "cosh", "asinh", "arcsinh", "acosh", "arccosh", "atanh", "arctanh",
]  # fmt: skip

_sine, _cosine = pooled(np.sin, LARGE_COSTLY), pooled(np.cos, LARGE_COSTLY)
_negative_times = formula("negative_times", lambda a, b: -a * b)
_sin = ufunc_op("sin", np.sin, lambda g, _y, x: times(g, _cosine(x)))
_cos = ufunc_op("cos", np.cos, lambda g, _y, x: _negative_times(g, _sine(x)))
_tan = ufunc_op("tan", np.tan, lambda g, y, _x: g * (1.0 + y * y))
_asin = ufunc_op("asin", np.arcsin, lambda g, _y, x: g / np.sqrt(1.0 - x * x))
_acos = ufunc_op("acos", np.arccos, lambda g, _y, x: -g / np.sqrt(1.0 - x * x))
_atan = ufunc_op("atan", np.arctan, lambda g, _y, x: g / (1.0 + x * x))


def _atan2_vjp(g: Any, x: Any, a: Any, b: Any) -> Any:
    """``g * x / (a² + b²)``; 0 at the origin."""
    squared = a * a + b * b
    return _where(squared == 0.0, 0.0, g * x / squared)


_atan2 = Op(
    "atan2",
    np.arctan2,
    lambda g, _y, a, b: _atan2_vjp(g, b, a, b),
    lambda g, _y, a, b: _atan2_vjp(-g, a, a, b),
)

_sinh = ufunc_op("sinh", np.sinh, lambda g, _y, x: g * np.cosh(x))
_cosh = ufunc_op("cosh", np.cosh, lambda g, _y, x: g * np.sinh(x))
_asinh = ufunc_op("asinh", np.arcsinh, lambda g, _y, x: g / np.sqrt(x * x + 1.0))
_acosh = ufunc_op("acosh", np.arccosh, lambda g, _y, x: g / np.sqrt(x * x - 1.0))
_atanh = ufunc_op("atanh", np.arctanh, lambda g, _y, x: g / (1.0 - x * x))


def sin(input: Tensor) -> Tensor:
    """The sine.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.sin(minidl.tensor([0.0, 1.0]))
    tensor([0.    , 0.8415])
    """
    return of_floats(_sin, input)


def cos(input: Tensor) -> Tensor:
    """The cosine.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.cos(minidl.tensor([0.0, minidl.pi]))
    tensor([ 1., -1.])
    """
    return of_floats(_cos, input)


def tan(input: Tensor) -> Tensor:
    """The tangent, ``sin(x) / cos(x)``.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.tan(minidl.tensor([0.0, minidl.pi / 4]))
    tensor([0., 1.])
    """
    return of_floats(_tan, input)


def asin(input: Tensor) -> Tensor:
    """The angle in [-π/2, π/2] of which ``input``, in [-1, 1], is the sine.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.asin(minidl.tensor([0.0, 1.0]))  # π/2
    tensor([0.    , 1.5708])
    """
    return of_floats(_asin, input)


def acos(input: Tensor) -> Tensor:
    """The angle in [0, π] of which ``input``, in [-1, 1], is the cosine.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.acos(minidl.tensor([1.0, -1.0]))  # π
    tensor([0.    , 3.1416])
    """
    return of_floats(_acos, input)


def atan(input: Tensor) -> Tensor:
    """The angle in [-π/2, π/2] of which ``input`` is the tangent.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.atan(minidl.tensor([0.0, 1.0]))  # π/4
    tensor([0.    , 0.7854])
    """
    return of_floats(_atan, input)


def atan2(input: Tensor, other: Tensor) -> Tensor:
    """The angle in [-π, π] of the point with ordinate ``input`` and abscissa ``other``; both are broadcast.

    Raises:
        DTypeError: one of them is no tensor.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.atan2(minidl.tensor([1.0, -1.0]), minidl.tensor([-1.0, -1.0]))  # 3/4 π and -3/4 π
    tensor([ 2.3562, -2.3562])
    """
    check_tensor("atan2", "input", input)
    check_tensor("atan2", "other", other)
    a, b = promote("atan2", input, other)
    return broadcasting(_atan2, floating("atan2", a), floating("atan2", b))


def sinh(input: Tensor) -> Tensor:
    """``(e^x - e^-x) / 2``.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.sinh(minidl.tensor([0.0, 1.0]))
    tensor([0.    , 1.1752])
    """
    return of_floats(_sinh, input)


def cosh(input: Tensor) -> Tensor:
    """``(e^x + e^-x) / 2``.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.cosh(minidl.tensor([0.0, 1.0]))
    tensor([1.    , 1.5431])
    """
    return of_floats(_cosh, input)


def asinh(input: Tensor) -> Tensor:
    """The inverse of :func:`sinh`: ``log(x + sqrt(x² + 1))``.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.asinh(minidl.sinh(minidl.tensor([2.0])))
    tensor([2.])
    """
    return of_floats(_asinh, input)


def acosh(input: Tensor) -> Tensor:
    """The inverse of :func:`cosh`, for ``input`` from 1 on: ``log(x + sqrt(x² - 1))``.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.acosh(minidl.cosh(minidl.tensor([2.0])))
    tensor([2.])
    """
    return of_floats(_acosh, input)


def atanh(input: Tensor) -> Tensor:
    """The inverse of tanh, for ``input`` in [-1, 1]: ``log((1 + x) / (1 - x)) / 2``.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.atanh(minidl.tensor([0.0, 1.0]))
    tensor([ 0., inf])
    """
    return of_floats(_atanh, input)


arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
arcsinh, arccosh, arctanh = asinh, acosh, atanh
