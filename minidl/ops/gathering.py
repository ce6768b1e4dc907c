"""Elements gathered: those at given places along one dimension, and the sums over places that are their derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import tape
from minidl.errors import DimensionError, DTypeError, ShapeError, must
from minidl.ops.arguments import check_broadcast, check_tensor, plain, reject
from minidl.ops.arguments import dim as as_dim
from minidl.ops.choice import where
from minidl.ops.indexing import Shape, _sum_at, getitem
from minidl.ops.shape import _reshape
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["gather", "take_along_dim", "index_select"]


def _grid(index: np.ndarray, d: int) -> tuple[np.ndarray, ...]:
    """Index arrays for all dimensions: ``index`` for dimension ``d``, and each element's own place for the others."""
    own = np.indices(index.shape, sparse=True)
    return (*own[:d], index, *own[d + 1 :])


def gather_forward(x: np.ndarray, d: int, index: np.ndarray) -> np.ndarray:
    return x[_grid(index, d)]


def _scatter_add_forward(g: np.ndarray, d: int, index: np.ndarray, shape: Shape) -> np.ndarray:
    return _sum_at(g, shape, _grid(index, d))


_gather = Op(
    "gather", gather_forward, lambda g, _y, _x, d, index: scatter_add_to(g, d, index, _x.shape)
)  # fmt: skip
# Zeros of a shape with ``g`` added at the index.
scatter_add_to: Op = Op(
    "gather_backward", _scatter_add_forward, lambda h, _y, _g, d, index, _shape: _gather(h, d, index)
)  # fmt: skip


def _check_index(op: str, argument: str, index: Any, size: int) -> None:
    """An integer tensor with elements from 0 to ``size - 1``: these operations do not count from the end."""
    check_tensor(op, argument, index)
    if index.dtype.kind != "i":
        raise DTypeError(must(op, argument, "of signed integers", index.dtype))
    elements = plain(index)
    if elements.size and not (elements.min() >= 0 and elements.max() < size):
        bad = elements.min() if elements.min() < 0 else elements.max()
        raise DimensionError(must(op, argument, f"in [0, {size - 1}]", bad))


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """The elements of ``input`` at ``index`` along ``dim``, and at their own places in the other dimensions.

    For three dimensions and ``dim=1``: ``y[i, j, k] = input[i, index[i, j, k], k]``.

    Args:
        input: of any shape.
        dim: the dimension that is indexed.
        index: integers, not negative, of as many dimensions; in the others it must not be larger than ``input``.
        sparse_grad: False, for minidl has no sparse gradients.

    Raises:
        DimensionError: an index is out of range.
        DTypeError: ``index`` is not of integers.
        ShapeError: the dimensions do not fit.

    >>> import minidl
    >>> minidl.gather(minidl.tensor([[1, 2], [3, 4]]), 1, minidl.tensor([[0], [1]]))
    tensor([[1],
            [4]])
    """
    if sparse_grad:
        reject("gather", "sparse_grad", "False, for minidl has no sparse gradients", sparse_grad)
    check_tensor("gather", "input", input)
    check_tensor("gather", "index", index)
    d = as_dim("gather", dim, input.ndim)
    if input.ndim == 0 or index.ndim == 0:  # as vectors of one element
        x, i = (_reshape(t, t.shape or (1,)) for t in (input, index))
        return _reshape(gather(x, d, i), index.shape)
    _check_index("gather", "index", index, input.shape[d])
    others = zip(index.shape, input.shape, strict=False)
    if index.ndim != input.ndim or any(i > n for k, (i, n) in enumerate(others) if k != d):
        expected = f"no larger than input's {input.shape} but for dimension {d}"
        raise ShapeError(must("gather", "index", expected, index.shape))
    return _gather(input, d, index)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """:func:`gather` with the other dimensions broadcast, and with indices below 0 counted from the end.

    Args:
        input: of any shape.
        indices: integers; of as many dimensions as ``input``, of which all but ``dim`` broadcast against its.
        dim: the dimension that is indexed; without one both are flattened, and indices may not be negative.

    Raises:
        DTypeError: ``indices`` is not of integers.
        DimensionError: an index is out of range.
        ShapeError: the dimensions do not fit.

    >>> import minidl
    >>> minidl.take_along_dim(minidl.tensor([[1, 2, 3], [4, 5, 6]]), minidl.tensor([[-1]]), 1)
    tensor([[3],
            [6]])
    """
    check_tensor("take_along_dim", "input", input)
    check_tensor("take_along_dim", "indices", indices)
    if dim is None:
        return gather(_reshape(input, (-1,)), 0, _reshape(indices, (-1,)))
    if input.ndim != indices.ndim:
        raise ShapeError(
            must("take_along_dim", "indices", f"of {input.ndim} dimensions", f"shape {indices.shape}")
        )
    d = as_dim("take_along_dim", dim, input.ndim)
    shapes = [(*x.shape[:d], 1, *x.shape[d + 1 :]) for x in (input, indices)]
    common = check_broadcast("take_along_dim", *shapes)
    if indices.dtype.kind == "i":
        indices = where(indices < 0, indices + input.shape[d], indices)
    input, indices = [
        tape.broadcast_to(x, (*common[:d], x.shape[d], *common[d + 1 :])) for x in (input, indices)
    ]
    return gather(input, d, indices)


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices of ``input`` at the places ``index``, a vector of integers, along ``dim``. A copy.

    Raises:
        DimensionError: an index is out of range.
        DTypeError: ``index`` is not of integers.

    >>> import minidl
    >>> minidl.index_select(minidl.tensor([[1, 2], [3, 4]]), 1, minidl.tensor([1, 1, 0]))
    tensor([[2, 2, 1],
            [4, 4, 3]])
    """
    check_tensor("index_select", "input", input)
    d = as_dim("index_select", dim, input.ndim)
    if input.ndim == 0:
        return _reshape(index_select(_reshape(input, (1,)), 0, index), ())
    _check_index("index_select", "index", index, input.shape[d])
    if index.ndim > 1:
        raise DimensionError(must("index_select", "index", "a vector", f"shape {index.shape}"))
    return getitem(input, (*(slice(None),) * d, _reshape(index, (-1,))))
