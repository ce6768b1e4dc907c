"""Questions about any object or tensor, as functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from minidl.ops.arguments import check_tensor

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["is_tensor", "is_floating_point", "is_complex", "is_signed", "numel"]


def is_tensor(obj: Any) -> bool:
    """Whether ``obj`` is a Tensor."""
    return hasattr(obj, "__minidl_op__")


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are floats."""
    check_tensor("is_floating_point", "input", input)
    return input.dtype.kind == "f"


def is_complex(input: Tensor) -> bool:
    """False: minidl has no complex dtypes."""
    check_tensor("is_complex", "input", input)
    return False


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    check_tensor("is_signed", "input", input)
    return input.dtype.kind in "if"


def numel(input: Tensor) -> int:
    """How many elements there are."""
    check_tensor("numel", "input", input)
    return math.prod(input.shape)
