"""Choosing between elements: the larger, the smaller, what lies within bounds, what a condition says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import dtypes
from minidl.errors import DTypeError, must
from minidl.kernels.elementwise import LARGE, formula
from minidl.ops.arguments import (
    check_broadcast,
    check_tensor,
    is_array,
    is_floats,
    limits,
    numeric,
    promote,
    promote_pair,
    reject,
)
from minidl.ops.elementwise import _mask, _where, broadcasting, ufunc_op
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["maximum", "minimum", "clamp", "clip", "where"]


def _half_at_ties(g: Any, a: Any, b: Any, loses: Any) -> Any:
    """The gradient of a maximum for one argument: none where it loses, half where both are equal, else all."""
    return _where(a == b, g * 0.5, _mask(g, loses ^ True))


_maximum_vjp = formula(
    "maximum_vjp",
    lambda g, a, b: np.where(a == b, g * 0.5, np.where(a < b, 0.0, g)),
    plain=lambda g, a, b: _half_at_ties(g, a, b, a < b),
)
_minimum_vjp = formula(
    "minimum_vjp",
    lambda g, a, b: np.where(a == b, g * 0.5, np.where(a > b, 0.0, g)),
    plain=lambda g, a, b: _half_at_ties(g, a, b, a > b),
)
_maximum = ufunc_op(
    "maximum",
    np.maximum,
    lambda g, _y, a, b: _maximum_vjp(g, a, b),
    lambda g, _y, a, b: _maximum_vjp(g, b, a),
    large=LARGE,
)
_minimum = ufunc_op(
    "minimum",
    np.minimum,
    lambda g, _y, a, b: _minimum_vjp(g, a, b),
    lambda g, _y, a, b: _minimum_vjp(g, b, a),
    large=LARGE,
)


def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The larger of two elements; nan if one of them is. At a tie each gets half of the gradient.

    Raises:
        DTypeError: one of them is no tensor.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.maximum(minidl.tensor([1.0, 4.0]), minidl.tensor([2.0, 3.0]))
    tensor([2., 4.])
    """
    check_tensor("maximum", "input", input)
    check_tensor("maximum", "other", other)
    return broadcasting(_maximum, input, other)


def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of two elements; nan if one of them is. At a tie each gets half of the gradient.

    Raises:
        DTypeError: one of them is no tensor.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.minimum(minidl.tensor([1.0, 4.0]), minidl.tensor([2.0, 3.0]))
    tensor([1., 3.])
    """
    check_tensor("minimum", "input", input)
    check_tensor("minimum", "other", other)
    return broadcasting(_minimum, input, other)


_clamp_pass = formula("clamp", lambda x, low, high: np.minimum(np.maximum(x, low), high))
_clamp_vjp = formula(
    "clamp_vjp",
    lambda g, x, low, high: np.where(x >= low, np.where(x <= high, g, 0.0), 0.0),
    plain=lambda g, x, low, high: _mask(g, (x >= low) & (x <= high)),
)


def _clamp_forward(x: np.ndarray, low: Any, high: Any) -> np.ndarray:
    if x.dtype.kind == "f":  # NumPy is slower with Python's numbers
        low, high = np.asarray(low, x.dtype), np.asarray(high, x.dtype)
    return _clamp_pass(x, low, high)


_clamp = Op(
    "clamp",
    _clamp_forward,
    lambda g, _y, x, low, high: _clamp_vjp(g, x, low, high),
    lambda g, _y, x, low, high: _mask(g, (x < low) & (low < high)),
    lambda g, _y, x, low, high: _mask(g, (x > high) | (high < low)),
)


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """``minimum(maximum(input, min), max)``: numbers or tensors; one of them may be left out.

    Within the bounds, and on them, the gradient passes; outside it is 0 for ``input`` and passes to a tensor bound.

    Raises:
        ArgumentError: neither bound is given.
        DTypeError: ``input`` is no tensor, or of bools.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.clamp(minidl.tensor([-2.0, 0.5, 3.0]), -1, 1)
    tensor([-1. ,  0.5,  1. ])
    """
    if is_floats(input) and min.__class__ is float is max.__class__:
        return _clamp.unary(input, min, max)
    check_tensor("clamp", "input", input)
    if min is None and max is None:
        reject("clamp", "min or max", "given", None)
    operands = [x for x in (input, min, max) if x is not None]
    input, *bounds = promote("clamp", *operands)
    if (
        not is_array(bounds[0]) or len(bounds) > 1
    ):  # a single tensor makes it a maximum or minimum, of bools too
        numeric("clamp", input)
    low, high = (
        (-math.inf, math.inf) if input.dtype.kind == "f" else map(input.dtype.type, limits(input.dtype))
    )
    low = low if min is None else bounds.pop(0)
    high = high if max is None else bounds.pop(0)
    if input.dtype.kind != "f" and not is_array(low) and not is_array(high):
        return _clamp_integers(input, low, high)
    check_broadcast("clamp", *(getattr(x, "shape", ()) for x in operands))
    return _clamp(input, low, high)


_clamp_integers = Op("clamp", lambda x, low, high: np.clip(x, low, high))


_nonzero = Op("nonzero", lambda x: (np.nonzero(np.atleast_1d(x)),), multi=True)


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """``input`` where ``condition`` is true, else ``other``: tensors or numbers, broadcast and promoted together.

    With a condition alone, the indices where it holds: ``nonzero(condition, as_tuple=True)``.

    Raises:
        DTypeError: ``condition`` is not of bools.

    >>> import minidl
    >>> minidl.where(minidl.tensor([True, False]), minidl.tensor([1.0, 2.0]), 0.0)
    tensor([1., 0.])
    """
    check_tensor("where", "condition", condition)
    if input is None and other is None:
        return _nonzero(condition)
    if condition.dtype.kind != "b":
        raise DTypeError(must("where", "condition", "of bools", condition.dtype))
    if is_array(input) or is_array(other):
        a, b = promote_pair("where", input, other)
    else:
        a, b = promote("where", input, other)
        a = np.asarray(a, dtypes.result_type(a, b))
    try:
        return _where(condition, a, b)
    except ValueError:
        check_broadcast("where", *[getattr(x, "shape", ()) for x in (condition, a, b)])
        raise


clip = clamp
