"""Integers as vectors: looked up in a table that is learned, or with a single 1 among zeros."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ArgumentError, DimensionError, DTypeError, ShapeError, must
from minidl.ops.arguments import as_float, as_int, check_tensor, numeric, plain, reject
from minidl.ops.indexing import _sum_at
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["embedding", "one_hot"]


def _lookup_grad_forward(
    g: np.ndarray, index: np.ndarray, rows: int, padding: int | None, by_frequency: bool
) -> np.ndarray:
    dw = _sum_at(g, (rows, g.shape[-1]), [index])
    if by_frequency:
        dw /= np.maximum(np.bincount(index.ravel(), minlength=rows), 1)[:, None].astype(dw.dtype)
    if padding is not None:
        dw[padding] = 0
    return dw


def _lookup_grad_vjp(
    h: Any, _y: Any, _g: Any, index: Any, _rows: int, padding: int | None, by_frequency: bool
) -> Any:
    return _lookup(h, index, padding, by_frequency) * _factors(h, index, padding, by_frequency)


def _factors_forward(w: np.ndarray, index: np.ndarray, padding: int | None, by_frequency: bool) -> np.ndarray:
    """What the gradient of each looked-up row is multiplied by on its way into the table."""
    factors = np.ones(index.shape, w.dtype)
    if by_frequency and index.size:
        factors /= np.bincount(index.ravel())[index]
    if padding is not None:
        factors[index == padding] = 0
    return factors[..., None]


_factors = Op("embedding_factors", _factors_forward)
# w (rows, K), index of any shape: the row of each index. The derivative sums the gradients of the same row.
_lookup: Op = Op(
    "embedding",
    lambda w, index, _padding, _by_frequency: w[index],
    lambda g, _y, _w, index, padding, by_frequency: _lookup_grad(
        g, index, _w.shape[0], padding, by_frequency
    ),
)
_lookup_grad: Op = Op("embedding_backward", _lookup_grad_forward, _lookup_grad_vjp)


def _shorten(weight: Any, index: np.ndarray, max_norm: float, norm_type: float) -> None:
    """Scale the rows of the table that are looked up, and longer than ``max_norm``, to that length, in place."""
    rows = np.unique(index)
    norms = np.linalg.norm(weight.array[rows], norm_type, axis=1)
    long = norms > max_norm
    if long.any():
        scale = (max_norm / (norms[long] + 1e-7)).astype(weight.dtype)
        weight.array[rows[long]] *= scale[:, None]
        weight.mark_written("embedding")


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of a table: ``weight[input]``.

    Args:
        input: indices of rows, int64 or int32, of any shape.
        weight: the table (rows, K).
        padding_idx: a row that gets no gradient; -1 is the last.
        max_norm: first scale the rows that are looked up to at most this norm, in ``weight`` itself.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide a row's gradient by how often it occurs in ``input``.
        sparse: must be False: minidl has no sparse gradients.

    Returns:
        (*input.shape, K).

    Raises:
        DimensionError: an index is out of range; they do not count from the end.
        ShapeError, DTypeError: ``weight`` is not a matrix, or ``input`` not of int64 or int32.

    >>> import minidl
    >>> minidl.nn.functional.embedding(minidl.tensor([2, 0]), minidl.eye(3))
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    check_tensor("embedding", "input", input)
    check_tensor("embedding", "weight", weight)
    if input.dtype not in (np.int64, np.int32):
        raise DTypeError(must("embedding", "input", "of int64 or int32", input.dtype))
    if weight.ndim != 2:
        raise ShapeError(must("embedding", "weight", "(rows, K)", weight.shape))
    rows, index = weight.shape[0], plain(input)
    if padding_idx is not None:
        padding_idx = as_int("embedding", "padding_idx", padding_idx)
        if not -rows <= padding_idx < rows:
            raise DimensionError(must("embedding", "padding_idx", f"in [{-rows}, {rows - 1}]", padding_idx))
        padding_idx %= rows
    if sparse:
        reject("embedding", "sparse", "False, for minidl has no sparse gradients", sparse)
    if index.size and not 0 <= index.min() <= index.max() < rows:
        bad = index.min() if index.min() < 0 else index.max()
        raise DimensionError(must("embedding", "input", f"in [0, {rows - 1}] for {rows} rows", bad))
    if max_norm is not None:
        _shorten(
            weight,
            index,
            as_float("embedding", "max_norm", max_norm),
            as_float("embedding", "norm_type", norm_type),
        )
    return _lookup(weight, input, padding_idx, bool(scale_grad_by_freq))


def _one_hot_forward(index: np.ndarray, classes: int) -> np.ndarray:
    return np.equal(index[..., None], np.arange(classes)).astype(np.int64)


_one_hot = Op("one_hot", _one_hot_forward)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at each element's place among ``num_classes``, 0 elsewhere: (...) becomes (..., num_classes), int64.

    Without ``num_classes`` there are as many as the largest element says.

    Raises:
        DTypeError: ``tensor`` is not of int64.
        ArgumentError: an element is negative, or not below ``num_classes``.

    >>> import minidl
    >>> minidl.nn.functional.one_hot(minidl.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    numeric("one_hot", tensor, "tensor")
    if tensor.dtype != np.int64:
        raise DTypeError(must("one_hot", "tensor", "of int64", tensor.dtype))
    classes, index = as_int("one_hot", "num_classes", num_classes), plain(tensor)
    if not index.size:
        if classes <= 0:
            reject("one_hot", "num_classes", "positive for a tensor without elements", classes)
    elif index.min() < 0:
        raise ArgumentError(must("one_hot", "tensor", "not negative", index.min()))
    elif classes == -1:
        classes = int(index.max()) + 1
    elif index.max() >= classes:
        reject("one_hot", "num_classes", f"above the largest element, {index.max()}", classes)
    return _one_hot(tensor, classes)
