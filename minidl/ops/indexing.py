"""Elements by their places: reading with an index or a mask, and the sums over places that are their derivatives.

``x[index]`` is done in two steps. First everything that gives a view: ints, slices, None, Ellipsis. Then, on that view,
index arrays and masks, with the dimensions that they index moved to the front, so that one Op (``x[i, j, ...]``) does.
This is PyTorch's order of things; in NumPy an int beside an index array counts as an index array.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import tape
from minidl.errors import ArgumentError, DimensionError, DTypeError, ShapeError, must
from minidl.kernels import take_rows
from minidl.ops.arguments import as_int, check_broadcast, check_tensor, converted, is_array, plain
from minidl.ops.choice import where
from minidl.ops.permutation import _permute
from minidl.ops.shape import _getitem, _reshape
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = [
    "nonzero", "masked_fill", "masked_select",
]  # fmt: skip

Shape = tuple[int, ...]
Indices = Sequence[Any]  # arrays of integers or bools, which index the first dimensions

# --- Index arrays on the first dimensions -----------------------------------------------------------------------


def indexed_dims(indices: Indices) -> int:
    """How many dimensions the arrays index: a mask of bools as many as it has, integers one."""
    return sum([i.ndim if i.dtype.kind == "b" else 1 for i in indices])


def _sum_at(g: np.ndarray, shape: Shape, indices: Indices) -> np.ndarray:
    """Zeros with the elements of ``g`` added where ``indices`` took them from; some perhaps from the same place."""
    y = np.zeros(shape, g.dtype)
    if g.size == 0:
        return y
    if all(i.dtype.kind == "b" for i in indices):
        y[tuple(indices)] = g
        return y
    places: list[Any] = []
    for i in indices:
        places += i.nonzero() if i.dtype.kind == "b" else [i]
    leading = shape[: len(places)]
    rows = np.ravel_multi_index(places, leading, mode="wrap").ravel()
    width = math.prod(shape[len(places) :])
    if np.bincount(rows).max() == 1:  # no place twice
        y.reshape(-1, width)[rows] = g.reshape(-1, width)
    else:  # add.at is fast for single elements only
        elements = rows[:, None] * width + np.arange(width)
        np.add.at(y.reshape(-1), elements.ravel(), g.ravel())
    return y


def _put_forward(x: np.ndarray, value: Any, *indices: Any) -> np.ndarray:
    y = np.copy(x, order="K")
    y[indices] = value
    return y


# From this many elements on the kernel is worth its choice.
LARGE = 1 << 14


def _take_forward(x: np.ndarray, *indices: Any) -> np.ndarray:
    """Elements, or rows: those of a large batch are copied by all threads."""
    rows = indices[0]
    plain_rows = len(indices) == 1 and rows.ndim == 1 and rows.dtype == np.int64 and x.flags.c_contiguous
    if plain_rows and len(x) and len(rows) * (x.size // len(x)) >= LARGE:
        return take_rows.forward(x, rows)
    return x[indices]


_take = Op(
    "getitem",
    _take_forward,
    lambda g, _y, _x, *indices: _index_add(g, _x.shape, *indices),
)
_index_add: Op = Op(
    "getitem_backward",
    lambda g, shape, *indices: _sum_at(g, shape, indices),
    lambda h, _y, _g, _shape, *indices: _take(h, *indices),
)
# ``x`` with ``value`` at the places that are indexed.
index_put: Op = Op(
    "setitem",
    _put_forward,
    lambda g, _y, _x, _value, *indices: index_put(g, 0.0, *indices),
    lambda g, _y, _x, _value, *indices: _take(g, *indices),
)


def _check_int(op: str, index: int, d: int, shape: Shape) -> None:
    n = shape[d]
    if not -n <= index < n:
        raise DimensionError(
            must(op, "index", f"in [{-n}, {n - 1}] at dimension {d} of shape {shape}", index)
        )


def indices_shape(op: str, shape: Shape, indices: Indices) -> Shape:
    """The shape that the index arrays have together, on a tensor of ``shape``; checks that they are in range."""
    shapes: list[Shape] = []
    d = 0
    for i in map(plain, indices):
        if i.dtype.kind == "i" and i.size:
            _check_int(op, int(i.min()), d, shape)
            _check_int(op, int(i.max()), d, shape)
        shapes.append((int(np.count_nonzero(i)),) if i.dtype.kind == "b" else i.shape)
        d += indexed_dims([i])
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        got = " and ".join(map(str, shapes))
        raise DimensionError(must(op, "index", "of arrays that broadcast against each other", got)) from None


# --- What an index says -----------------------------------------------------------------------------------------


def _slice(op: str, item: slice) -> slice:
    bounds = [
        None if b is None else as_int(op, "a slice's bound", b) for b in (item.start, item.stop, item.step)
    ]
    if bounds[2] is not None and bounds[2] < 1:
        raise ArgumentError(must(op, "a slice's step", "positive", bounds[2]))
    return slice(*bounds)


def _item(op: str, item: Any) -> Any:
    """One entry of an index: an int, a slice, None, Ellipsis, or an array (or tensor) of integers or bools."""
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        return _slice(op, item)
    if isinstance(item, Integral) and not isinstance(item, bool):
        return int(item)
    if isinstance(item, (bool, list, tuple, range, np.bool_)):
        item = np.asarray(item)
        item = item if item.size else item.astype(np.int64)
    if not is_array(item) or item.dtype.kind not in "bi":
        got = f"a tensor of {item.dtype}" if is_array(item) else type(item).__name__
        expected = "made of ints, slices, None, Ellipsis, and tensors of signed integers or bools"
        raise DimensionError(must(op, "index", expected, got))
    return int(item) if item.ndim == 0 and item.dtype.kind == "i" else item


def _parse(op: str, shape: Shape, index: Any) -> tuple[list[Any], list[int], list[Any]]:
    """An index in two steps: one that gives a view, and arrays for some of that view's dimensions.

    Returns ``(basic, dims, arrays)``: ``dims`` are the dimensions of the view that the arrays index, a mask several.
    """
    items = [_item(op, item) for item in (index if type(index) is tuple else (index,))]
    used = indexed_dims([item for item in items if is_array(item)])
    used += len([item for item in items if isinstance(item, (int, slice))])
    ellipses = [k for k, item in enumerate(items) if item is Ellipsis]
    if used > len(shape) or len(ellipses) > 1:
        expected = f"of at most {len(shape)} entries, and one Ellipsis, for shape {shape}"
        raise DimensionError(must(op, "index", expected, f"{used} and {len(ellipses)}"))
    for k in ellipses:
        items[k : k + 1] = [slice(None)] * (len(shape) - used)
    basic: list[Any] = []
    dims: list[int] = []
    arrays: list[Any] = []
    d = place = 0  # the dimension of the tensor, and that of the view
    for item in items:
        if is_array(item):
            n = indexed_dims([item])
            if item.dtype.kind == "b" and item.shape != shape[d : d + n]:
                expected = f"of shape {shape[d : d + n]} from dimension {d} on"
                raise DimensionError(must(op, "mask", expected, item.shape))
            new = n or 1  # True and False index a new dimension
            basic += [slice(None)] * n or [None]
            arrays.append(item if item.ndim else _reshape(item, (1,)))
            dims += range(place, place + new)
            d, place = d + n, place + new
            continue
        if isinstance(item, int):
            _check_int(op, item, d, shape)
        basic.append(item)
        d += item is not None
        place += not isinstance(item, int)
    return basic, dims, arrays


def locate(op: str, input: Any, index: Any) -> tuple[Any, list[Any], int]:
    """Where ``index`` points: a view of ``input``, arrays that index the view's first dimensions, and a place.

    The place is where among the other dimensions those of the index arrays stand in ``input[index]``: where they
    were if the arrays index adjacent dimensions, else in front.
    """
    if type(index) is int and input.ndim and -input.shape[0] <= index < input.shape[0]:  # the usual case
        return _getitem(input, (index, Ellipsis)), [], 0
    basic, dims, arrays = _parse(op, input.shape, index)
    if not arrays or any(item != slice(None) for item in basic):
        input = _getitem(input, (*basic, Ellipsis))
    if not arrays or dims == list(range(len(dims))):
        return input, arrays, 0
    rest = [d for d in range(input.ndim) if d not in dims]
    adjacent = dims[-1] - dims[0] == len(dims) - 1
    return _permute(input, (*dims, *rest)), arrays, dims[0] if adjacent else 0


def getitem(input: Tensor, index: Any) -> Tensor:
    """``input[index]``, with PyTorch's meaning: ints, slices, None and Ellipsis give a view, all else a copy.

    - An int takes one slice and drops the dimension; a slice (of positive step) takes some; None adds a dimension.
    - Integer tensors (or lists) broadcast against each other; their dimensions stand where the indexed ones were if
      those are adjacent, else in front.
    - A tensor of bools stands for the indices where it is true; its shape is that of the dimensions it indexes.

    Raises:
        DimensionError: an index is out of range, of the wrong kind or shape, or there are too many.
        ArgumentError: a slice's step is not positive.
    """
    if index.__class__ is int:
        try:
            return _getitem.unary(input, (index, Ellipsis))
        except IndexError:  # the index is looked at only where NumPy has refused it
            pass
    view, arrays, place = locate("getitem", input, index)
    if not arrays:
        return view
    try:
        y = _take(view, *arrays)
    except IndexError:  # the indices are looked at only where NumPy has refused them
        indices_shape("getitem", view.shape, arrays)
        raise
    if place == 0:
        return y
    new = y.ndim - (view.ndim - indexed_dims(arrays))  # the first dimensions are the arrays'
    return _permute(y, (*range(new, new + place), *range(new), *range(new + place, y.ndim)))


# --- Masks ------------------------------------------------------------------------------------------------------

_nonzero = Op("nonzero", np.argwhere)


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The places of the elements that are not zero, in C order.

    A tensor (n, dimensions) of int64; with ``as_tuple`` a vector for each dimension, as ``input[...]`` takes them.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.nonzero(minidl.tensor([[0, 1], [2, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    check_tensor("nonzero", "input", input)
    if not as_tuple:
        return _nonzero(input)
    places = _nonzero(_reshape(input, (1,)) if input.ndim == 0 else input)
    return tuple([_getitem(places, (slice(None), d, Ellipsis)) for d in range(places.shape[1])])


def _check_mask(op: str, mask: Any) -> None:
    check_tensor(op, "mask", mask)
    if mask.dtype.kind != "b":
        raise DTypeError(must(op, "mask", "of bools", mask.dtype))


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """``input`` with ``value``, a number or a tensor of no dimensions, where ``mask`` is true; with broadcasting.

    Raises:
        DTypeError: ``mask`` is not of bools.
        ArgumentError: ``value`` does not fit into the dtype.
        ShapeError: the shapes do not broadcast, or ``value`` is not one number.

    >>> import minidl
    >>> minidl.masked_fill(minidl.tensor([1.0, 2.0]), minidl.tensor([False, True]), -1.0)
    tensor([ 1., -1.])
    """
    check_tensor("masked_fill", "input", input)
    _check_mask("masked_fill", mask)
    value = converted("masked_fill", value, input.dtype)
    if value.ndim:
        raise ShapeError(must("masked_fill", "value", "of no dimensions", f"shape {value.shape}"))
    check_broadcast("masked_fill", input.shape, mask.shape)
    return where(mask, value, input)


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where ``mask`` is true, as a vector; both are broadcast.

    Raises:
        DTypeError: ``mask`` is not of bools.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.masked_select(minidl.tensor([1, 2, 3]), minidl.tensor([True, False, True]))
    tensor([1, 3])
    """
    check_tensor("masked_select", "input", input)
    _check_mask("masked_select", mask)
    common = check_broadcast("masked_select", input.shape, mask.shape)
    return _take(tape.broadcast_to(input, common), tape.broadcast_to(mask, common))
