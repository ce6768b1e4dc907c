"""Order: sorting, the largest, the middle, and where in a sorted sequence a value belongs.

nan counts as larger than every number. A value that was picked hands its gradient to the element that it came from.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import dtypes
from minidl.errors import DTypeError, ShapeError, must
from minidl.ops.arguments import (
    as_int,
    cast,
    check_tensor,
    is_array,
    is_operand,
    numeric,
    numpy_names,
    one_of,
    plain,
    reject,
)
from minidl.ops.arguments import dim as as_dim
from minidl.ops.comparison import _any
from minidl.ops.composite import _lerp
from minidl.ops.elementwise import _where
from minidl.ops.extremes import ValuesAndIndices, _check_some, _equal_or_both_nan
from minidl.ops.gathering import _check_index, _gather, gather_forward, scatter_add_to
from minidl.ops.permutation import _permute
from minidl.ops.reduce import _sum
from minidl.ops.rounding import _ceil, _floor, _rint
from minidl.ops.shape import _reshape, along
from minidl.tape import Op, broadcast_to

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["sort", "argsort", "topk", "kthvalue", "median", "quantile", "searchsorted"]


def _order(x: np.ndarray, d: int, descending: bool) -> np.ndarray:
    """The indices that sort ``x`` along ``d``; elements that tie stay in their order, in both directions."""
    if not descending:
        return np.argsort(x, d, kind="stable")
    return np.flip(x.shape[d] - 1 - np.argsort(np.flip(x, d), d, kind="stable"), d)


def _sort_forward(
    x: np.ndarray, d: int, descending: bool, first: int, stop: int
) -> tuple[np.ndarray, np.ndarray]:
    """The elements of ranks ``first`` to ``stop`` (not included), and their indices."""
    index = _order(x, d, descending)[along(d, slice(first, stop))]
    return gather_forward(x, d, index), index


def _sort_vjp(g: Any, _y: Any, _x: Any, d: int, _descending: Any, _first: Any, _stop: Any, index: Any) -> Any:
    return scatter_add_to(g, d, index, _x.shape)


_sort = Op("sort", _sort_forward, _sort_vjp)
_argsort = Op("argsort", _order)


def _ranked(op: str, input: Any, dim: Any, descending: bool, first: int, stop: int) -> tuple[Any, Any]:
    """Values and indices of some ranks; a tensor of no dimensions is sorted as a vector, and has none after."""
    x = input if input.ndim else _reshape(input, (1,))
    found = _sort.with_extras(x, as_dim(op, dim, input.ndim), bool(descending), first, stop)
    return found if input.ndim else tuple([_reshape(y, ()) for y in found])


@numpy_names
def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> ValuesAndIndices:  # noqa: ARG001
    """The elements in order along ``dim``, and where each was: a named tuple ``(values, indices)``.

    Elements that tie keep their order (``stable``) in any case.

    Raises:
        DimensionError: ``dim`` is out of range.

    >>> import minidl
    >>> minidl.sort(minidl.tensor([3.0, 1.0, 2.0])).indices
    tensor([1, 2, 0])
    """
    check_tensor("sort", "input", input)
    d = as_dim("sort", dim, input.ndim)
    return ValuesAndIndices(*_ranked("sort", input, d, descending, 0, (input.shape or (1,))[d]))


@numpy_names
def argsort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:  # noqa: ARG001
    """The indices that :func:`sort` returns.

    Raises:
        DimensionError: ``dim`` is out of range.

    >>> import minidl
    >>> minidl.argsort(minidl.tensor([3.0, 1.0, 2.0]), descending=True)
    tensor([0, 2, 1])
    """
    check_tensor("argsort", "input", input)
    d = as_dim("argsort", dim, input.ndim)
    if input.ndim == 0:
        return _reshape(_argsort(_reshape(input, (1,)), d, bool(descending)), ())
    return _argsort(input, d, bool(descending))


@numpy_names
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> ValuesAndIndices:  # noqa: ARG001
    """The ``k`` largest elements along ``dim`` (or, unless ``largest``, smallest), and where they are.

    They come in order, the largest (smallest) first, whether or not ``sorted`` asks for it; where several tie, those
    that come first.

    Raises:
        ArgumentError: ``k`` is not within [0, the dimension's size].

    >>> import minidl
    >>> minidl.topk(minidl.tensor([3.0, 1.0, 2.0]), 2).values
    tensor([3., 2.])
    """
    numeric("topk", input)
    d, count = as_dim("topk", dim, input.ndim), as_int("topk", "k", k)
    n = (input.shape or (1,))[d]
    if not 0 <= count <= n:
        reject("topk", "k", f"in [0, {n}]", k)
    return ValuesAndIndices(*_ranked("topk", input, d, largest, 0, count if input.ndim else 1))


@numpy_names
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> ValuesAndIndices:
    """The ``k``-th smallest element along ``dim``, counted from 1, and where it is.

    Raises:
        ArgumentError: ``k`` is not within [1, the dimension's size].

    >>> import minidl
    >>> minidl.kthvalue(minidl.tensor([3.0, 1.0, 2.0]), 2).values
    tensor(2.)
    """
    numeric("kthvalue", input)
    d, rank = as_dim("kthvalue", dim, input.ndim), as_int("kthvalue", "k", k)
    n = (input.shape or (1,))[d]
    if not 1 <= rank <= n:
        reject("kthvalue", "k", f"in [1, {n}]", k)
    return _at_rank(*_ranked("kthvalue", input, d, False, rank - 1, rank), d, keepdim)


def _at_rank(values: Any, indices: Any, d: int, keepdim: bool) -> ValuesAndIndices:
    if keepdim or not values.ndim:
        return ValuesAndIndices(values, indices)
    shape = (*values.shape[:d], *values.shape[d + 1 :])
    return ValuesAndIndices(_reshape(values, shape), _reshape(indices, shape))


# --- The middle -------------------------------------------------------------------------------------------------


def _middle_forward(x: np.ndarray, d: int) -> tuple[np.ndarray, np.ndarray]:
    """The lower of the two middle elements along ``d``; the first nan if there is one."""
    rank = (x.shape[d] - 1) // 2
    index = _order(x, d, False)[along(d, slice(rank, rank + 1))]
    if x.dtype.kind == "f":
        nan = np.isnan(x)
        index = np.where(nan.any(d, keepdims=True), nan.argmax(d, keepdims=True), index)
    return gather_forward(x, d, index), index


_middle = Op("median", _middle_forward, lambda g, _y, _x, d, index: scatter_add_to(g, d, index, _x.shape))


def _median_vjp(g: Any, y: Any, x: Any) -> Any:
    found = cast(_equal_or_both_nan(x, y), x.dtype)
    return g * found / _sum(found, None, False)


_median = Op("median", lambda x: _middle_forward(x, 0)[0].reshape(()), _median_vjp)  # of a vector


@numpy_names
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element, and of two in the middle the lower; nan if there is one.

    - ``median(input)``: of all elements (nan of none); those that tie with it share the gradient evenly.
    - ``median(input, dim, keepdim)``: along one dimension, as a named tuple ``(values, indices)``.

    For an even number of elements NumPy's is the mean of two; here that is ``quantile(input, 0.5)``.

    Raises:
        DimensionError: there is no element.
        DTypeError: ``input`` is of bools.

    >>> import minidl
    >>> minidl.median(minidl.tensor([3.0, 1.0, 2.0, 9.0]))
    tensor(2.)
    """
    numeric("median", input)
    if dim is None:
        if keepdim:
            reject("median", "dim", "given where keepdim is true", None)
        if math.prod(input.shape) == 0 and input.dtype.kind == "f":
            return _sum(input, None, False) / 0.0
        _check_some("median", input, None)
        return _median(_reshape(input, (-1,)))
    d = as_dim("median", dim, input.ndim)
    x = input if input.ndim else _reshape(input, (1,))
    _check_some("median", x, (d,))
    values, indices = _middle.with_extras(x, d)
    if not input.ndim:
        return ValuesAndIndices(_reshape(values, ()), _reshape(indices, ()))
    return _at_rank(values, indices, d, keepdim)


# --- Quantiles --------------------------------------------------------------------------------------------------


def _fraction(input: Any, q: Any) -> Any:
    """``q`` as a tensor or array of ``input``'s dtype, checked."""
    if not is_operand(q):
        raise DTypeError(must("quantile", "q", "a number or a Tensor", type(q).__name__))
    if not is_array(q):
        q = np.asarray(q, input.dtype)
    if q.dtype != input.dtype:
        raise DTypeError(must("quantile", "q", f"of input's dtype {input.dtype}", q.dtype))
    if q.ndim > 1:
        raise ShapeError(must("quantile", "q", "a number or a vector", f"shape {q.shape}"))
    values = plain(q)
    if not np.all((values >= 0) & (values <= 1)):
        reject("quantile", "q", "in [0, 1]", values.tolist())
    return q


def _interpolated(x: Any, rank: Any, interpolation: str) -> Any:
    """The values at ``rank``, which may lie between two places, in ``x``, sorted along the last dimension."""
    below, above = _floor(rank), _ceil(rank)
    if interpolation == "lower":
        above = below
    elif interpolation == "higher":
        below = above
    elif interpolation == "nearest":
        below = above = _rint(rank)
    low, high = (_gather(x, x.ndim - 1, cast(place, dtypes.int64)) for place in (below, above))
    if below is above:
        return low
    return _lerp(low, high, 0.5 if interpolation == "midpoint" else rank - below)


@numpy_names
def quantile(
    input: Tensor,
    q: float | Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The value below which the fraction ``q`` of the elements lies: the one at rank ``q * (n - 1)`` when sorted.

    Args:
        input: floats. A nan makes the result nan.
        q: in [0, 1]; a number, or a tensor of ``input``'s dtype, a number or a vector. A vector's dimension comes
            first in the result.
        dim: the dimension that is reduced; None for all.
        keepdim: keep it, as 1.
        interpolation: which value is meant where the rank lies between two elements: "linear" between them, the
            "lower", the "higher", their "midpoint", or the "nearest" (of two equally near the one of even rank).

    Raises:
        DTypeError: ``input`` is neither of float32 nor of float64, or ``q`` of another dtype.
        ArgumentError: ``q`` is not in [0, 1].

    >>> import minidl
    >>> minidl.quantile(minidl.tensor([1.0, 2.0, 3.0, 4.0]), 0.5)
    tensor(2.5)
    """
    check_tensor("quantile", "input", input)
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise DTypeError(must("quantile", "input", "of float32 or float64", input.dtype))
    one_of("quantile", "interpolation", interpolation, ("linear", "lower", "higher", "midpoint", "nearest"))
    fraction = _fraction(input, q)
    kept: tuple[int, ...] = (1,) * input.ndim
    if dim is None:
        x = _reshape(input, (math.prod(input.shape),))
    else:
        d = as_dim("quantile", dim, input.ndim)
        x = (
            _permute(input, (*[i for i in range(input.ndim) if i != d], d))
            if input.ndim
            else _reshape(input, (1,))
        )
        kept = (*input.shape[:d], 1, *input.shape[d + 1 :]) if input.ndim else ()
    n = x.shape[-1]
    _check_some("quantile", x, (x.ndim - 1,))
    rank = _reshape(fraction, (math.prod(fraction.shape),)) * float(n - 1)
    rank = broadcast_to(rank, (*x.shape[:-1], *rank.shape))
    rank = _where(
        _any(x != x, (x.ndim - 1,), True), float(n - 1), rank
    )  # where the sorted elements end in a nan
    y = _interpolated(_sort(x, x.ndim - 1, False, 0, n), rank, interpolation)
    y = _permute(y, (y.ndim - 1, *range(y.ndim - 1)))
    return _reshape(y, (*fraction.shape, *(kept if keepdim else x.shape[:-1])))


# --- Where a value belongs --------------------------------------------------------------------------------------


def _searchsorted_forward(
    sequence: np.ndarray, values: np.ndarray, side: Any, sorter: Any, dtype: Any
) -> Any:
    if sorter is not None:
        sequence = gather_forward(sequence, sequence.ndim - 1, sorter)
    if sequence.ndim == 1:
        return np.searchsorted(sequence, values, side).astype(dtype)
    found = np.empty(values.shape, dtype)
    for row in np.ndindex(sequence.shape[:-1]):
        found[row] = np.searchsorted(sequence[row], values[row], side)
    return found


_searchsorted = Op("searchsorted", _searchsorted_forward)


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """The places in a sorted sequence before which values can be inserted so that it stays sorted.

    Args:
        sorted_sequence: in order along its last dimension: a vector, or many (..., n), one for each row of ``input``.
        input: the values; any shape, or a number, for a vector, else (..., m).
        out_int32: give the places in int32, not int64.
        right: the last such place, behind equal elements, not the first.
        side: "left" or "right": another way to say ``right``.
        sorter: indices that sort ``sorted_sequence``, if it is not sorted itself.

    Raises:
        ShapeError: the shapes do not fit.
        ArgumentError: ``side`` contradicts ``right``.
        DTypeError: the sequence is of bools.

    >>> import minidl
    >>> minidl.searchsorted(minidl.tensor([1, 3, 5]), minidl.tensor([0, 3, 6]))
    tensor([0, 1, 3])
    """
    op = "searchsorted"
    numeric(op, sorted_sequence, "sorted_sequence")
    one_of(op, "side", side, (None, "left", "right"))
    if side == "left" and right:
        reject(op, "side", "'right' or left out where right is true", side)
    if not is_array(input):
        if sorted_sequence.ndim != 1:
            raise ShapeError(
                must(op, "sorted_sequence", "a vector for a number", f"shape {sorted_sequence.shape}")
            )
        input = np.asarray(input)
    if sorted_sequence.ndim == 0 or (
        sorted_sequence.ndim > 1 and sorted_sequence.shape[:-1] != input.shape[:-1]
    ):
        expected = f"a vector, or of input's shape {input.shape} but for the last dimension"
        raise ShapeError(must(op, "sorted_sequence", expected, sorted_sequence.shape))
    if sorter is not None:
        _check_index(op, "sorter", sorter, sorted_sequence.shape[-1])
        if sorter.shape != sorted_sequence.shape:
            raise ShapeError(
                must(op, "sorter", f"of sorted_sequence's shape {sorted_sequence.shape}", sorter.shape)
            )
    side = "right" if right or side == "right" else "left"
    return _searchsorted(sorted_sequence, input, side, sorter, dtypes.int32 if out_int32 else dtypes.int64)
