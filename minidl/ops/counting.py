"""What values there are, and how often. Nothing here has a known gradient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import dtypes
from minidl.errors import DTypeError, ShapeError, must
from minidl.ops.arguments import as_int, cast, check_tensor, no_gradient, plain, reject
from minidl.ops.arguments import dim as as_dim
from minidl.ops.shape import check_has_dims
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["unique", "bincount"]


def _unique_forward(x: np.ndarray, d: int | None) -> tuple[np.ndarray, ...]:
    values, inverse, counts = np.unique(x, return_inverse=True, return_counts=True, axis=d, equal_nan=False)
    return values, inverse.reshape(x.shape if d is None else (-1,)), counts


_unique = Op("unique", _unique_forward, no_gradient("unique"))


def unique(
    input: Tensor,
    sorted: bool = True,  # noqa: ARG001 - PyTorch's argument: here they are sorted in any case
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements of a tensor, or with ``dim`` its different slices along it, in order.

    Args:
        input: of any shape. Each nan differs from every other.
        sorted: without meaning here: the result is sorted always.
        return_inverse: return too where in the result each element of ``input`` is.
        return_counts: return too how often each occurs.
        dim: compare slices along this dimension in place of elements.

    Returns:
        The values alone, or a tuple ``(values, inverse, counts)`` of what is asked for.

    Raises:
        ShapeError: with ``dim``, another dimension is empty.
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.unique(minidl.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    check_tensor("unique", "input", input)
    if dim is not None:
        check_has_dims("unique", input)
    d = None if dim is None else as_dim("unique", dim, input.ndim)
    if d is not None and 0 in (*input.shape[:d], *input.shape[d + 1 :]):
        raise ShapeError(
            must("unique", "input", f"of no size 0 but in dimension {d}", f"shape {input.shape}")
        )
    values, inverse, counts = _unique.with_extras(input, d)
    results = (values, *([inverse] if return_inverse else []), *([counts] if return_counts else []))
    return results if len(results) > 1 else values


_bincount = Op(
    "bincount",
    lambda x, weights, minlength: np.bincount(x, weights, minlength),
    None,
    no_gradient("bincount"),
)


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of the numbers 0, 1, 2 ... up to the largest occurs; with weights, the sum of its weights.

    Args:
        input: a vector of integers, not negative.
        weights: of ``input``'s shape. The result is in float32 if they are, else in float64.
        minlength: the least number of counts.

    Returns:
        ``max(input) + 1`` counts (int64), or ``minlength`` if that is more.

    Raises:
        DTypeError: ``input`` is not of integers.
        ShapeError: it is not a vector, or ``weights`` are of another shape.
        ArgumentError: a number is negative.

    >>> import minidl
    >>> minidl.bincount(minidl.tensor([0, 2, 2]))
    tensor([1, 0, 2])
    """
    check_tensor("bincount", "input", input)
    if input.dtype.kind not in "iu":
        raise DTypeError(must("bincount", "input", "of integers", input.dtype))
    if input.ndim != 1:
        raise ShapeError(must("bincount", "input", "a vector", f"shape {input.shape}"))
    least = as_int("bincount", "minlength", minlength)
    if least < 0:
        reject("bincount", "minlength", "not negative", minlength)
    if math.prod(input.shape) and plain(input).min() < 0:
        reject("bincount", "input", "without negative numbers", int(plain(input).min()))
    if weights is None:
        return _bincount(input, None, least)
    check_tensor("bincount", "weights", weights)
    if weights.shape != input.shape:
        raise ShapeError(must("bincount", "weights", f"of input's shape {input.shape}", weights.shape))
    dtype = dtypes.float32 if weights.dtype == dtypes.float32 else dtypes.float64
    return cast(_bincount(input, weights, least), dtype)
