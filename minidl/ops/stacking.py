"""Tensors put together by rows, columns and depth; and the grid that vectors span."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from minidl.errors import DTypeError, ShapeError, must
from minidl.ops.arguments import one_of
from minidl.ops.joining import Tensors, cat, check_list
from minidl.ops.shape import _reshape
from minidl.tape import broadcast_to

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["hstack", "vstack", "row_stack", "dstack", "column_stack", "meshgrid"]


def _shaped(op: str, tensors: Any, shape: Callable[[tuple[int, ...]], tuple[int, ...]]) -> list[Any]:
    """The tensors of a list, each reshaped to ``shape(its shape)``."""
    check_list(op, tensors)
    return [_reshape(x, shape(x.shape)) for x in tensors]


def hstack(tensors: Tensors) -> Tensor:
    """Side by side: along the second dimension, or for vectors and numbers along the only one.

    Raises:
        ArgumentError: there is no tensor.
        ShapeError: the sizes differ but in that dimension.

    >>> import minidl
    >>> minidl.hstack([minidl.tensor([[1], [2]]), minidl.tensor([[3], [4]])])
    tensor([[1, 3],
            [2, 4]])
    """
    xs = _shaped("hstack", tensors, lambda shape: shape or (1,))
    return cat(xs, 0 if xs[0].ndim == 1 else 1)


def vstack(tensors: Tensors) -> Tensor:
    """One below the other: along the first dimension, vectors and numbers being rows.

    Raises:
        ArgumentError: there is no tensor.
        ShapeError: the sizes differ but in that dimension.

    >>> import minidl
    >>> minidl.vstack([minidl.tensor([1, 2]), minidl.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    return cat(_shaped("vstack", tensors, lambda shape: shape if len(shape) > 1 else (1, *(shape or (1,)))))


row_stack = vstack


def dstack(tensors: Tensors) -> Tensor:
    """One behind the other: along the third dimension, matrices being (M, N, 1) and vectors (1, N, 1).

    Raises:
        ArgumentError: there is no tensor.
        ShapeError: the sizes differ but in that dimension.

    >>> import minidl
    >>> minidl.dstack([minidl.tensor([1, 2]), minidl.tensor([3, 4])])
    tensor([[[1, 3],
             [2, 4]]])
    """
    return cat(
        _shaped(
            "dstack", tensors, lambda s: s if len(s) > 2 else (*(s if len(s) == 2 else (1, *(s or (1,)))), 1)
        ),
        2,
    )


def column_stack(tensors: Tensors) -> Tensor:
    """Side by side: along the second dimension, vectors and numbers being columns.

    Raises:
        ArgumentError: there is no tensor.
        ShapeError: the sizes differ but in that dimension.

    >>> import minidl
    >>> minidl.column_stack([minidl.tensor([1, 2]), minidl.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    return cat(
        _shaped("column_stack", tensors, lambda shape: shape if len(shape) > 1 else (*(shape or (1,)), 1)), 1
    )


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """The coordinates of the points of a grid: of each vector a view, repeated along the dimensions of the others.

    Args:
        tensors: K vectors (or numbers) of one dtype.
        indexing: "ij": dimension i of the results belongs to vector i. "xy": the first two are exchanged, as
            pictures have it, which is NumPy's default.

    Raises:
        ShapeError: one of them has more than one dimension.
        DTypeError: the dtypes differ.
        ArgumentError: ``indexing`` is neither "ij" nor "xy".

    >>> import minidl
    >>> minidl.meshgrid(minidl.tensor([1, 2]), minidl.tensor([3, 4]))[0]
    tensor([[1, 1],
            [2, 2]])
    """
    one_of("meshgrid", "indexing", indexing, ("ij", "xy"))
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    xs = _shaped("meshgrid", tensors, lambda shape: shape or (1,))
    for x in xs:
        if x.ndim != 1:
            raise ShapeError(must("meshgrid", "every tensor", "a vector or a number", f"shape {x.shape}"))
        if x.dtype != xs[0].dtype:
            raise DTypeError(
                must("meshgrid", "every tensor", f"of the first one's dtype {xs[0].dtype}", x.dtype)
            )
    places = list(range(len(xs)))
    if indexing == "xy" and len(xs) > 1:
        places[:2] = 1, 0
    sizes = [0] * len(xs)
    for place, x in zip(places, xs, strict=True):
        sizes[place] = x.shape[0]
    return tuple(
        [
            broadcast_to(_reshape(x, (x.shape[0],) + (1,) * (len(xs) - 1 - place)), tuple(sizes))
            for place, x in zip(places, xs, strict=True)
        ]
    )
