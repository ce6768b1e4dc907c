"""Questions about any object or tensor, as functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from minidl.ops.arguments import check_tensor

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["is_tensor", "is_floating_point", "numel"]


def is_tensor(obj: Any) -> bool:
    """Whether ``obj`` is a Tensor."""
    return hasattr(obj, "__minidl_op__")


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are floats."""
    check_tensor("is_floating_point", "input", input)
    return input.dtype.kind == "f"


def numel(input: Tensor) -> int:
    """How many elements there are."""
    check_tensor("numel", "input", input)
    return math.prod(input.shape)
