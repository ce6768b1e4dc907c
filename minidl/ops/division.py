"""Division, and its quotients and remainders in whole numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.kernels.elementwise import LARGE, formula
from minidl.ops.arguments import (
    check_tensor,
    floating,
    is_array,
    is_floats,
    is_operand,
    no_bools,
    no_gradient,
    one_of,
    promote_pair,
    reject,
)
from minidl.ops.elementwise import Number, _flat, broadcasting, quotient, ufunc_op
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["div", "divide", "true_divide", "floor_divide", "remainder", "fmod"]

_div_vjp = formula("div_vjp", lambda g, y, b: -g * y / b)
_div = ufunc_op(
    "div", np.divide, lambda g, _y, _a, b: quotient(g, b), lambda g, y, _a, b: _div_vjp(g, y, b), large=LARGE
)


def _trunc_divide_forward(a: Any, b: Any) -> Any:
    quotient = np.floor_divide(a, b)
    if quotient.dtype.kind == "f":
        return np.trunc(np.divide(a, b))
    return quotient + ((quotient < 0) & (quotient * b != a))  # exact, as floats would not be


# Constant between its jumps, so flat; of floor_divide itself PyTorch says that it has no derivative.
_floor_quotient = Op("div", np.floor_divide, _flat, _flat)
_trunc_quotient = Op("div", _trunc_divide_forward, _flat, _flat)
_floor_divide = Op("floor_divide", np.floor_divide, no_gradient("floor_divide"), no_gradient("floor_divide"))
_remainder = Op(
    "remainder", np.remainder, lambda g, _y, _a, _b: g, lambda g, _y, a, b: -g * _floor_quotient(a, b)
)
_fmod = Op("fmod", np.fmod, lambda g, _y, _a, _b: g, lambda g, _y, a, b: -g * _trunc_quotient(a, b))


def _check_whole(op: str, a: Any, b: Any) -> None:
    """Bools have no remainder, and integers cannot be divided by zero; floats give inf or nan."""
    no_bools(op, a, b)
    floats = any(isinstance(x, float) or (is_array(x) and x.dtype.kind == "f") for x in (a, b))
    if not floats and is_operand(b) and not np.all(b.array if hasattr(b, "array") else b):
        reject(op, "other", "without zeros where both are integers", 0)


def div(input: Tensor, other: Tensor | Number, *, rounding_mode: str | None = None) -> Tensor:
    """``input / other``, with broadcasting: floats, also for integers.

    Args:
        input, other: tensors that broadcast, or one of them a number.
        rounding_mode: "floor" rounds the quotient down, "trunc" towards 0, in the dtype of the operands; its gradient
            is then 0 everywhere.

    Raises:
        DTypeError: an operand is neither a tensor nor a number, or a rounded quotient is of bools only.
        ArgumentError: the rounding mode does not exist, or integers are rounded and ``other`` has a zero.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.div(minidl.tensor([-7, 7]), 2), minidl.div(minidl.tensor([-7, 7]), 2, rounding_mode="trunc")
    (tensor([-3.5,  3.5]), tensor([-3,  3]))
    """
    if rounding_mode is None:
        return broadcasting(_div, input, other) if is_floats(input) else _true_quotient(input, other)
    one_of("div", "rounding_mode", rounding_mode, (None, "trunc", "floor"))
    _check_whole("div", input, other)
    return broadcasting(_floor_quotient if rounding_mode == "floor" else _trunc_quotient, input, other)


def _true_quotient(input: Any, other: Any) -> Any:
    """The quotient of numbers of any kinds; the default dtype takes the place of integers and bools."""
    a, b = promote_pair("div", input, other)
    if (a if is_array(a) else b).dtype.kind != "f":
        a, b = [floating("div", x) if is_array(x) else float(x) for x in (a, b)]
    return broadcasting(_div, a, b)


def floor_divide(input: Tensor, other: Tensor | Number) -> Tensor:
    """The largest integer not above ``input / other``, in their common dtype: Python's ``//``.

    It has no derivative; ``div(input, other, rounding_mode="floor")`` is the same with one of 0.

    Raises:
        DTypeError: the operands are only bools.
        ArgumentError: both are integers, and ``other`` has a zero.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.tensor([-7, 7]) // 2
    tensor([-4,  3])
    """
    _check_whole("floor_divide", input, other)
    return broadcasting(_floor_divide, input, other)


def remainder(input: Tensor, other: Tensor | Number) -> Tensor:
    """``input - other * floor(input / other)``: Python's ``%``, with the sign of ``other``.

    Raises:
        DTypeError: the operands are only bools.
        ArgumentError: both are integers, and ``other`` has a zero.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.remainder(minidl.tensor([-7, 7]), 3)
    tensor([2, 1])
    """
    _check_whole("remainder", input, other)
    return broadcasting(_remainder, input, other)


def fmod(input: Tensor, other: Tensor | Number) -> Tensor:
    """``input - other * trunc(input / other)``: C's ``fmod``, with the sign of ``input``.

    Raises:
        DTypeError: ``input`` is no tensor, or the operands are only bools.
        ArgumentError: both are integers, and ``other`` has a zero.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.fmod(minidl.tensor([-7, 7]), 3)
    tensor([-1,  1])
    """
    check_tensor("fmod", "input", input)
    _check_whole("fmod", input, other)
    return broadcasting(_fmod, input, other)


divide = true_divide = div
