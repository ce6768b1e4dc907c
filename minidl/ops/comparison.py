"""Comparisons and logic, element by element: results are bools, and nothing here has a gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import dtypes
from minidl.errors import DTypeError, must
from minidl.kernels.elementwise import pooled
from minidl.ops.arguments import (
    as_float,
    cast,
    check_bool,
    check_broadcast,
    check_tensor,
    dims,
    numpy_names,
    promote_pair,
    reject,
)
from minidl.ops.elementwise import broadcasting
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = [
    "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "logical_not", "isnan",
    "isinf", "isfinite", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not", "all", "any", "isclose",
    "allclose", "equal", "greater", "greater_equal", "less", "less_equal", "not_equal",
]  # fmt: skip

Binary = Callable[["Tensor", Any], "Tensor"]
Unary = Callable[["Tensor"], "Tensor"]


def _binary(name: str, function: np.ufunc, formula: str, example: str, numbers: bool = True) -> Binary:
    """A comparison; ``other`` may be a number only if ``numbers`` is true. ``example``: of 0, 1, 2 with 1, 1, 0."""
    op = Op(name, function, large=pooled(function))

    def compare(input: Tensor, other: Tensor | float) -> Tensor:
        check_tensor(name, "input", input)
        if not numbers:
            check_tensor(name, "other", other)
        return broadcasting(op, input, other)

    compare.__name__ = compare.__qualname__ = name
    what = "is neither a tensor nor a number" if numbers else "is none"
    compare.__doc__ = f"""``{formula}``, element by element, with broadcasting; a tensor of bools.

    Raises:
        DTypeError: ``input`` is no tensor, or ``other`` {what}.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.{name}(minidl.tensor([0, 1, 2]), minidl.tensor([1, 1, 0]))
    tensor([{example}])
    """
    return compare


eq = _binary("eq", np.equal, "input == other", "False,  True, False")
ne = _binary("ne", np.not_equal, "input != other", " True, False,  True")
lt = _binary("lt", np.less, "input < other", " True, False, False")
le = _binary("le", np.less_equal, "input <= other", " True,  True, False")
gt = _binary("gt", np.greater, "input > other", "False, False,  True")
ge = _binary("ge", np.greater_equal, "input >= other", "False,  True,  True")
logical_and = _binary("logical_and", np.logical_and, "input and other", "False,  True, False", numbers=False)
logical_or = _binary("logical_or", np.logical_or, "input or other", " True,  True,  True", numbers=False)
logical_xor = _binary(
    "logical_xor", np.logical_xor, "bool(input) != bool(other)", " True, False,  True", numbers=False
)


def _unary(name: str, function: np.ufunc, meaning: str, example: str) -> Unary:
    """A test; ``example``: of 0, 1, inf and nan."""
    op = Op(name, function)

    def test(input: Tensor) -> Tensor:
        check_tensor(name, "input", input)
        return op(input)

    test.__name__ = test.__qualname__ = name
    test.__doc__ = f"""Whether each element is {meaning}; a tensor of bools.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.{name}(minidl.tensor([0.0, 1.0, minidl.inf, minidl.nan]))
    tensor([{example}])
    """
    return test


logical_not = _unary("logical_not", np.logical_not, "zero, or False", " True, False, False, False")
isnan = _unary("isnan", np.isnan, "nan", "False, False, False,  True")
isinf = _unary("isinf", np.isinf, "positive or negative infinity", "False, False,  True, False")
isfinite = _unary("isfinite", np.isfinite, "neither nan nor infinite", " True,  True, False, False")


def _bitwise(name: str, function: np.ufunc, sign: str, example: str) -> Binary:
    """A combination; ``example``: of True, True, False with True, False, False."""
    op = Op(name, function)

    def combine(input: Tensor, other: Tensor | int) -> Tensor:
        a, b = promote_pair(name, input, other)
        for x in (a, b):
            if isinstance(x, float) or (hasattr(x, "dtype") and x.dtype.kind == "f"):
                raise DTypeError(
                    must(name, "every operand", "of integers or bools", getattr(x, "dtype", "float"))
                )
        return broadcasting(op, a, b)

    combine.__name__ = combine.__qualname__ = name
    combine.__doc__ = f"""``input {sign} other``, bit by bit, on integers and bools.

    Raises:
        DTypeError: an operand is of floats.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.{name}(minidl.tensor([True, True, False]), minidl.tensor([True, False, False]))
    tensor([{example}])
    """
    return combine


bitwise_and = _bitwise("bitwise_and", np.bitwise_and, "&", " True, False, False")
bitwise_or = _bitwise("bitwise_or", np.bitwise_or, "|", " True,  True, False")
bitwise_xor = _bitwise("bitwise_xor", np.bitwise_xor, "^", "False,  True, False")
_bitwise_not = Op("bitwise_not", np.invert)


def bitwise_not(input: Tensor) -> Tensor:
    """``~input``, bit by bit, on integers; the opposite, on bools.

    Raises:
        DTypeError: ``input`` is of floats.

    >>> import minidl
    >>> ~minidl.tensor([True, False]), ~minidl.tensor([0, 5])
    (tensor([False,  True]), tensor([-1, -6]))
    """
    check_tensor("bitwise_not", "input", input)
    if input.dtype.kind == "f":
        raise DTypeError(must("bitwise_not", "input", "of integers or bools", input.dtype))
    return _bitwise_not(input)


# --- All or some of many ----------------------------------------------------------------------------------------

_all = Op("all", lambda x, reduced, keepdim: np.logical_and.reduce(x, axis=reduced, keepdims=keepdim))
_any = Op("any", lambda x, reduced, keepdim: np.logical_or.reduce(x, axis=reduced, keepdims=keepdim))


@numpy_names
def all(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """Whether all elements are true (not zero), along ``dim`` or of all, as bools; True of none.

    Raises:
        DimensionError: a dimension is out of range, or repeated.

    >>> import minidl
    >>> minidl.all(minidl.tensor([[True, False], [True, True]]), dim=1)
    tensor([False,  True])
    """
    return _truth(_all, input, dim, keepdim)


@numpy_names
def any(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """Whether some element is true (not zero), along ``dim`` or of all, as bools; False of none.

    Raises:
        DimensionError: a dimension is out of range, or repeated.

    >>> import minidl
    >>> minidl.any(minidl.tensor([[True, False], [False, False]]), dim=1)
    tensor([ True, False])
    """
    return _truth(_any, input, dim, keepdim)


def _truth(op: Op, input: Any, dim: Any, keepdim: bool) -> Any:
    check_tensor(op.name, "input", input)
    check_bool(op.name, "keepdim", keepdim)
    none = (
        isinstance(dim, (tuple, list)) and not dim
    )  # here, unlike in sums, no dimensions are none and not all
    y = op(input, () if none else dims(op.name, dim, input.ndim), keepdim)
    return cast(y, input.dtype) if input.dtype == dtypes.uint8 else y  # PyTorch's exception


# --- Nearly, and all, the same ----------------------------------------------------------------------------------

_isclose = Op("isclose", lambda a, b, rtol, atol, nan: np.isclose(a, b, rtol, atol, equal_nan=nan))


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Whether ``|input - other| <= atol + rtol * |other|``, element by element.

    Raises:
        DTypeError: ``input`` and ``other`` are not tensors of one dtype.
        ArgumentError: a tolerance is negative.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.isclose(minidl.tensor([1.0, 1.0]), minidl.tensor([1.000001, 1.1]))
    tensor([ True, False])
    """
    check_tensor("isclose", "input", input)
    check_tensor("isclose", "other", other)
    if input.dtype != other.dtype:
        raise DTypeError(must("isclose", "other", f"of input's dtype {input.dtype}", other.dtype))
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if as_float("isclose", name, tolerance) < 0:
            reject("isclose", name, "not negative", tolerance)
    check_broadcast("isclose", input.shape, other.shape)
    return _isclose(input, other, rtol, atol, equal_nan)


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether :func:`isclose` holds for all elements.

    Raises:
        DTypeError, ArgumentError, ShapeError: as for :func:`isclose`.

    >>> import minidl
    >>> minidl.allclose(minidl.tensor([0.1]) + 0.2, minidl.tensor([0.3]))
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan).array.all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and the same elements.

    Raises:
        DTypeError: one of them is no tensor.

    >>> import minidl
    >>> minidl.equal(minidl.tensor([1, 2]), minidl.tensor([1, 2])), minidl.equal(minidl.zeros(2), minidl.zeros(1, 2))
    (True, False)
    """
    check_tensor("equal", "input", input)
    check_tensor("equal", "other", other)
    return input.shape == other.shape and bool(np.all(input.array == other.array))


# PyTorch's second names.
greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne
