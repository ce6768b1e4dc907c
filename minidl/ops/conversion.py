"""Conversions between dtypes, under all of PyTorch's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minidl import dtypes
from minidl.errors import DTypeError, must
from minidl.ops.arguments import cast, check_device, check_tensor, is_array, is_device, no_cuda
from minidl.ops.shape import clone

if TYPE_CHECKING:
    from minidl.tensor import Tensor


def to(
    input: Tensor,
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    non_blocking: Any = False,  # noqa: ARG001 - PyTorch's argument, without meaning here
    copy: Any = False,
) -> Tensor:
    """``to(dtype)``, ``to(device)``, ``to(device, dtype)`` or ``to(other)``: converted, or itself if nothing changes.

    Bools that follow are PyTorch's ``non_blocking``, which has no meaning here, and ``copy``: a new tensor in any case.
    Gradients flow back through a conversion between floating dtypes. The only device is ``"cpu"``.
    """
    flags = [arg for arg in args if arg is True or arg is False]
    copy = copy or True in flags[1:]
    for arg in args[: len(args) - len(flags)]:
        if is_array(arg):
            dtype = arg.dtype
        elif is_device(arg):
            device = arg
        else:
            dtype = arg
    check_tensor("to", "input", input)
    check_device("to", device)
    result = input if dtype is None else cast(input, dtypes.as_dtype("to", dtype))
    return clone(result) if copy and result is input else result


def type(input: Tensor, dtype: Any = None) -> Any:
    """The name of the dtype; with ``dtype``, ``input`` converted to it."""
    return input.dtype.name if dtype is None else to(input, dtype)


def type_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` in ``other``'s dtype."""
    if not is_array(other):
        raise DTypeError(must("type_as", "other", "a Tensor", other.__class__.__name__))
    return to(input, other.dtype)


def float(input: Tensor) -> Tensor:
    """``input`` in float32."""
    return to(input, dtypes.float32)


def double(input: Tensor) -> Tensor:
    """``input`` in float64."""
    return to(input, dtypes.float64)


def half(input: Tensor) -> Tensor:
    """``input`` in float16."""
    return to(input, dtypes.float16)


def byte(input: Tensor) -> Tensor:
    """``input`` in uint8, rounded towards zero."""
    return to(input, dtypes.uint8)


def char(input: Tensor) -> Tensor:
    """``input`` in int8, rounded towards zero."""
    return to(input, dtypes.int8)


def short(input: Tensor) -> Tensor:
    """``input`` in int16, rounded towards zero."""
    return to(input, dtypes.int16)


def int(input: Tensor) -> Tensor:
    """``input`` in int32, rounded towards zero."""
    return to(input, dtypes.int32)


def long(input: Tensor) -> Tensor:
    """``input`` in int64, rounded towards zero."""
    return to(input, dtypes.int64)


def bool(input: Tensor) -> Tensor:
    """Whether each element differs from zero."""
    return to(input, dtypes.bool_)


def cpu(input: Tensor) -> Tensor:
    """``input`` itself: there is no other device."""
    return input


def cuda(input: Tensor, device: Any = None, non_blocking: Any = False) -> Tensor:  # noqa: ARG001 - PyTorch's arguments
    """An error, as in PyTorch without CUDA."""
    no_cuda("cuda")
