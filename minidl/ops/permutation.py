"""Dimensions in another order. All of it gives views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minidl.errors import ShapeError, must
from minidl.ops.arguments import check_tensor, sizes_by_name
from minidl.ops.arguments import dim as as_dim
from minidl.ops.arguments import dims as as_dims
from minidl.ops.arguments import shape as as_shape
from minidl.ops.shape import _inverse
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["permute", "transpose", "t", "movedim", "swapaxes", "swapdims", "moveaxis"]


_permute: Op = Op(
    "permute",
    lambda x, order: x.transpose(order),
    lambda g, _y, _x, order: _permute(g, _inverse(order)),
    view=True,
)


_transpose: Op = Op(
    "transpose", lambda x, a, b: x.swapaxes(a, b), lambda g, _y, _x, a, b: _transpose(g, a, b), view=True
)


@sizes_by_name("dims")
def permute(input: Tensor, *dims: Any) -> Tensor:
    """The dimensions in another order: dimension ``i`` of the result is dimension ``dims[i]`` of ``input``. A view.

    Raises:
        ShapeError: ``dims`` does not name each dimension once.

    >>> import minidl
    >>> minidl.permute(minidl.zeros(2, 3, 5), (2, 0, 1)).shape
    (5, 2, 3)
    """
    check_tensor("permute", "input", input)
    order = as_shape("permute", dims, "dims")
    try:
        return _permute.unary(input, order)
    except ValueError:  # the dimensions are looked at only where NumPy has refused them
        if len(order) != input.ndim:
            raise ShapeError(must("permute", "dims", f"all {input.ndim} dimensions", order)) from None
        as_dims("permute", order, input.ndim, "dims")
        raise


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged. A view.

    Raises:
        DimensionError: a dimension is out of range.

    >>> import minidl
    >>> minidl.transpose(minidl.tensor([[1, 2], [3, 4]]), 0, 1)
    tensor([[1, 3],
            [2, 4]])
    """
    check_tensor("transpose", "input", input)
    if dim0.__class__ is int is dim1.__class__:
        try:
            return _transpose.unary(input, dim0, dim1)
        except ValueError:  # the dimensions are looked at only where NumPy has refused them
            pass
    a, b = (as_dim("transpose", d, input.ndim, name) for d, name in ((dim0, "dim0"), (dim1, "dim1")))
    return _transpose(input, a, b) if input.ndim else _permute(input, ())


swapdims = transpose


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """:func:`transpose`.

    Raises:
        DimensionError: a dimension is out of range.

    >>> import minidl
    >>> minidl.swapaxes(minidl.zeros(2, 3, 5), 0, 2).shape
    (5, 3, 2)
    """
    return transpose(input, axis0, axis1)


def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; a vector or a number stays what it is. A view.

    Raises:
        ShapeError: ``input`` has more than 2 dimensions.

    >>> import minidl
    >>> minidl.t(minidl.tensor([[1, 2], [3, 4]]))
    tensor([[1, 3],
            [2, 4]])
    """
    check_tensor("t", "input", input)
    if input.ndim > 2:
        raise ShapeError(must("t", "input", "of at most 2 dimensions", f"shape {input.shape}"))
    return _permute(input, tuple(range(input.ndim))[::-1])


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """The dimensions ``source`` moved to the places ``destination``; the others keep their order. A view.

    Raises:
        DimensionError: a dimension is out of range.
        ShapeError: ``source`` and ``destination`` are not as many.

    >>> import minidl
    >>> minidl.movedim(minidl.zeros(2, 3, 5), 0, -1).shape
    (3, 5, 2)
    """
    check_tensor("movedim", "input", input)
    origins = as_dims("movedim", source, input.ndim, "source")
    places = as_dims("movedim", destination, input.ndim, "destination")
    if len(origins) != len(places):
        raise ShapeError(
            must("movedim", "destination", f"{len(origins)} dimensions, as source is", len(places))
        )
    order = [d for d in range(input.ndim) if d not in origins]
    for place, origin in sorted(zip(places, origins, strict=True)):
        order.insert(place, origin)
    return _permute(input, tuple(order))


moveaxis = movedim
