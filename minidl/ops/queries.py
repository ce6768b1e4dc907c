"""Questions about any object or tensor, as functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from minidl.ops.arguments import check_tensor

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["is_tensor", "is_floating_point", "is_complex", "is_signed", "numel"]


def is_tensor(obj: Any) -> bool:
    """Whether ``obj`` is a Tensor.

    >>> import minidl
    >>> minidl.is_tensor(minidl.ones(2)), minidl.is_tensor([1.0])
    (True, False)
    """
    return hasattr(obj, "__minidl_op__")


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are floats.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.is_floating_point(minidl.ones(2)), minidl.is_floating_point(minidl.tensor([1]))
    (True, False)
    """
    check_tensor("is_floating_point", "input", input)
    return input.dtype.kind == "f"


def is_complex(input: Tensor) -> bool:
    """False: minidl has no complex dtypes.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.is_complex(minidl.ones(2))
    False
    """
    check_tensor("is_complex", "input", input)
    return False


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.is_signed(minidl.tensor([1])), minidl.is_signed(minidl.tensor([1], dtype=minidl.uint8))
    (True, False)
    """
    check_tensor("is_signed", "input", input)
    return input.dtype.kind in "if"


def numel(input: Tensor) -> int:
    """How many elements there are.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.numel(minidl.zeros(2, 3))
    6
    """
    check_tensor("numel", "input", input)
    return math.prod(input.shape)
