"""Several elementwise steps in one: interpolation, products and quotients added, and replacement of nan and inf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import DTypeError, must
from minidl.ops.arguments import check_broadcast, check_tensor, is_array, numeric, promote
from minidl.ops.choice import clamp
from minidl.ops.elementwise import _mask
from minidl.ops.shape import _clone
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["lerp", "addcmul", "addcdiv", "nan_to_num", "clamp_min", "clamp_max"]


def _lerp_forward(start: np.ndarray, end: np.ndarray, weight: Any) -> np.ndarray:
    """From the nearer end, so that weights 0 and 1 give the ends exactly."""
    way = end - start
    return np.where(np.less(np.abs(weight), 0.5), start + weight * way, end - way * (1 - weight))


_lerp = Op(
    "lerp",
    _lerp_forward,
    lambda g, _y, _a, _b, w: g * (1.0 - w),
    lambda g, _y, _a, _b, w: g * w,
    lambda g, _y, a, b, _w: g * (b - a),
)


def lerp(input: Tensor, end: Tensor, weight: Tensor | float) -> Tensor:
    """``input + weight * (end - input)``: linear interpolation (and extrapolation), with broadcasting.

    Raises:
        DTypeError: the tensors are not of one floating dtype.

    >>> import minidl
    >>> minidl.lerp(minidl.tensor([0.0, 10.0]), minidl.tensor([1.0, 20.0]), 0.25)
    tensor([ 0.25, 12.5 ])
    """
    check_tensor("lerp", "input", input)
    check_tensor("lerp", "end", end)
    for name, x in (("input", input), ("end", end), ("weight", weight)):
        if is_array(x) and (x.dtype != input.dtype or x.dtype.kind != "f"):  # type: ignore[union-attr]
            raise DTypeError(must("lerp", name, "of floats, all of one dtype", x.dtype))  # type: ignore[union-attr]
    if not is_array(weight):
        (_, weight) = promote("lerp", input, weight)
    shapes = [getattr(x, "shape", ()) for x in (input, end, weight)]
    if shapes[0] != shapes[1] or shapes[2] not in (shapes[0], ()):
        check_broadcast("lerp", *shapes)
    return _lerp(input, end, weight)


_addcmul = Op(
    "addcmul",
    lambda x, a, b, value: x + value * a * b,
    lambda g, _y, _x, _a, _b, _value: g,
    lambda g, _y, _x, _a, b, value: g * (value * b),
    lambda g, _y, _x, a, _b, value: g * (value * a),
)
_addcdiv = Op(
    "addcdiv",
    lambda x, a, b, value: x + value * a / b,
    lambda g, _y, _x, _a, _b, _value: g,
    lambda g, _y, _x, _a, b, value: g * value / b,
    lambda g, _y, _x, a, b, value: -g * value * a / (b * b),
)


def _combined(op: Op, input: Any, tensor1: Any, tensor2: Any, value: Any) -> Any:
    for name, x in (("input", input), ("tensor1", tensor1), ("tensor2", tensor2)):
        check_tensor(op.name, name, x)
    if not input.shape == tensor1.shape == tensor2.shape:
        check_broadcast(op.name, input.shape, tensor1.shape, tensor2.shape)
    input, tensor1, tensor2 = promote(op.name, input, tensor1, tensor2)
    numeric(op.name, input)
    if isinstance(value, float) and input.dtype.kind != "f":
        raise DTypeError(must(op.name, "value", "an int for tensors of integers", value))
    return op(input, tensor1, tensor2, value)


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """``input + value * tensor1 * tensor2``, with broadcasting.

    Raises:
        DTypeError: an argument is no tensor, or ``value`` a float for integers.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.addcmul(minidl.tensor([1.0]), minidl.tensor([2.0]), minidl.tensor([3.0]), value=10)
    tensor([61.])
    """
    return _combined(_addcmul, input, tensor1, tensor2, value)


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """``input + value * tensor1 / tensor2``, with broadcasting; ``tensor1`` or ``tensor2`` is of floats.

    Raises:
        DTypeError: an argument is no tensor, or integers are divided by integers.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.addcdiv(minidl.tensor([1.0]), minidl.tensor([6.0]), minidl.tensor([3.0]), value=10)
    tensor([21.])
    """
    check_tensor("addcdiv", "tensor1", tensor1)
    check_tensor("addcdiv", "tensor2", tensor2)
    if "f" not in (tensor1.dtype.kind, tensor2.dtype.kind):
        raise DTypeError(must("addcdiv", "tensor1 or tensor2", "of floats", tensor1.dtype))
    return _combined(_addcdiv, input, tensor1, tensor2, value)


def _nan_to_num_forward(x: np.ndarray, nan: float, high: float, low: float) -> np.ndarray:
    y = np.copy(x, order="K")
    for value, found in ((nan, np.isnan(x)), (high, x == np.inf), (low, x == -np.inf)):
        np.copyto(y, value, where=found)
    return y


_nan_to_num = Op(
    "nan_to_num",
    _nan_to_num_forward,
    lambda g, _y, x, _nan, _high, _low: _mask(g, np.isfinite(x)),
)


def nan_to_num(
    input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """``input`` with finite numbers in place of nan and infinities, through which no gradient passes.

    Args:
        input: floats; integers and bools are returned as they are.
        nan: what replaces nan; 0 by default.
        posinf: what replaces inf; the largest number of the dtype by default.
        neginf: what replaces -inf; the lowest number of the dtype by default.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.nan_to_num(minidl.tensor([float("nan"), float("inf"), 2.0]), posinf=9.0)
    tensor([0., 9., 2.])
    """
    check_tensor("nan_to_num", "input", input)
    if input.dtype.kind != "f":
        return _clone(input)
    limits = np.finfo(input.dtype)
    return _nan_to_num(
        input,
        0.0 if nan is None else nan,
        limits.max if posinf is None else posinf,
        limits.min if neginf is None else neginf,
    )


def clamp_min(input: Tensor, min: Tensor | float) -> Tensor:
    """``maximum(input, min)``: :func:`minidl.clamp` from below only.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.clamp_min(minidl.tensor([-1.0, 2.0]), 0.0)
    tensor([0., 2.])
    """
    return clamp(input, min, None)


def clamp_max(input: Tensor, max: Tensor | float) -> Tensor:
    """``minimum(input, max)``: :func:`minidl.clamp` from above only.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.clamp_max(minidl.tensor([-1.0, 2.0]), 0.0)
    tensor([-1.,  0.])
    """
    return clamp(input, None, max)
