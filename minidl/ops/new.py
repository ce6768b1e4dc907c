"""New tensors in the dtype of one that there is: ``x.new_zeros(2, 3)``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import dtypes
from minidl.errors import ShapeError, must, warn
from minidl.ops.arguments import check_device, check_tensor, converted, is_array, sizes_by_name
from minidl.ops.arguments import shape as as_shape
from minidl.ops.from_data import as_array
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

_new = Op("new", lambda _x, array: array)


def _made(input: Any, array: np.ndarray, requires_grad: bool) -> Any:
    made = _new(input, array)
    return made.requires_grad_() if requires_grad else made


def _like(op: str, input: Any, dtype: Any, device: Any) -> np.dtype:
    check_tensor(op, "input", input)
    check_device(op, device)
    return input.dtype if dtype is None else dtypes.as_dtype(op, dtype)


def _size(op: str, size: tuple[Any, ...]) -> tuple[int, ...]:
    shape = as_shape(op, size)
    if any(n < 0 for n in shape):
        raise ShapeError(must(op, "size", "without negative numbers", shape))
    return shape


@sizes_by_name("size")
def new_zeros(
    input: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of zeros of shape ``size``, in ``input``'s dtype unless another is given.

    >>> import minidl
    >>> minidl.tensor([1, 2]).new_zeros(2, 2)
    tensor([[0, 0],
            [0, 0]])
    """
    array = np.zeros(_size("new_zeros", size), _like("new_zeros", input, dtype, device))
    return _made(input, array, requires_grad)


@sizes_by_name("size")
def new_ones(
    input: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of ones of shape ``size``, in ``input``'s dtype unless another is given."""
    array = np.ones(_size("new_ones", size), _like("new_ones", input, dtype, device))
    return _made(input, array, requires_grad)


@sizes_by_name("size")
def new_empty(
    input: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of shape ``size`` and ``input``'s dtype, whose elements are whatever was in memory."""
    array = np.empty(_size("new_empty", size), _like("new_empty", input, dtype, device))
    return _made(input, array, requires_grad)


def new_full(
    input: Tensor,
    size: Any,
    fill_value: float,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of shape ``size`` filled with ``fill_value``, in ``input``'s dtype unless another is given.

    Raises:
        ArgumentError: the dtype is of integers, and does not hold the value.
    """
    found = _like("new_full", input, dtype, device)
    value = fill_value.item() if is_array(fill_value) else fill_value  # type: ignore[attr-defined]
    array = np.full(_size("new_full", (size,)), converted("new_full", value, found), found)
    return _made(input, array, requires_grad)


def new_tensor(
    input: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor with a copy of ``data`` (see :func:`minidl.tensor`), in ``input``'s dtype unless another is given.

    Warns, as PyTorch's, if ``data`` is a tensor: ``data.clone().detach()`` says it better.
    """
    found = _like("new_tensor", input, dtype, device)
    if hasattr(data, "__minidl_op__"):
        warn("new_tensor: to copy a tensor, write data.clone().detach() instead")
    return _made(input, as_array("new_tensor", data, found), requires_grad)
