"""Other views of the same elements, and copies with the elements moved.

Three Ops do most of the work: a reshape, a permutation of dimensions, and a basic index (ints, slices, None), each a
view where memory allows. The many public names are ways to say which.

Images lie channels-last in memory (see the design's Layout). A reshape of one has to copy, and so it loses that order;
its derivative restores it, lest all that comes before in backward mixes two orders, which is slow.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import tape
from minidl.errors import DimensionError, ShapeError, must
from minidl.ops.arguments import as_int, check_tensor, numpy_names, sizes_by_name
from minidl.ops.arguments import dim as as_dim
from minidl.ops.arguments import dims as as_dims
from minidl.ops.arguments import shape as as_shape
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = [
    "clone", "reshape", "ravel", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "t",
    "movedim", "broadcast_to", "tile", "flip", "roll", "select", "narrow",
    "swapaxes", "swapdims", "moveaxis",
]  # fmt: skip

# --- Memory order ---------------------------------------------------------------------------------------------


def _inverse(order: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes ``order``."""
    places = [0] * len(order)
    for place, d in enumerate(order):
        places[d] = place
    return tuple(places)


def _order(strides: tuple[int, ...]) -> tuple[int, ...]:
    """The dimensions from the longest stride to the shortest: permuted so, memory is C-ordered."""
    return tuple(sorted(range(len(strides)), key=lambda d: -strides[d]))


def _is_c_ordered(x: Any) -> bool:
    """Whether strides fall from the first dimension to the last; those of dimensions of size 1 say nothing."""
    strides = [s for n, s in zip(x.shape, x.strides, strict=True) if n != 1]
    return strides == sorted(strides, reverse=True)


def _in_order_forward(x: np.ndarray, strides: tuple[int, ...]) -> np.ndarray:
    order = _order(strides)
    return np.asarray(x.transpose(order), order="C").transpose(_inverse(order))


def _zeros(shape: tuple[int, ...], dtype: np.dtype, strides: tuple[int, ...]) -> np.ndarray:
    """Zeros in the memory order of an array with these strides."""
    order = _order(strides)
    return np.zeros([shape[d] for d in order], dtype).transpose(_inverse(order))


# ``x``, copied if need be, in the memory order of an array with these strides.
_in_order: Op = Op(
    "contiguous",
    _in_order_forward,
    lambda g, _y, _x, _strides: _in_order(g, _x.strides),
    view=True,
)


def clone(input: Tensor) -> Tensor:
    """A copy, in the same memory order, through which gradients flow."""
    check_tensor("clone", "input", input)
    return _clone.unary(input)


def contiguous(input: Tensor) -> Tensor:
    """The tensor in C order: itself if its memory is so ordered and without gaps, else a copy."""
    check_tensor("contiguous", "input", input)
    return _in_order(input, tuple(range(input.ndim, 0, -1)))


_clone = Op("clone", lambda x: x.copy("K"), lambda g, _y, _x: g)

# --- Reshape --------------------------------------------------------------------------------------------------


def _reshape_vjp(g: Any, _y: Any, _x: Any, _shape: Any) -> Any:
    g = _reshape(g, _x.shape)
    return g if _is_c_ordered(_x) else _in_order(g, _x.strides)


# The methods of arrays: NumPy's functions of the same names take several times as long on their way to them.
_reshape = Op("reshape", lambda x, shape: x.reshape(shape), _reshape_vjp, view=True)


def _inferred(op: str, argument: str, sizes: tuple[int, ...], count: int) -> tuple[int, ...]:
    """``sizes`` for ``count`` elements, with the one -1 in it replaced."""
    known = math.prod([n for n in sizes if n != -1])
    unknowns = sizes.count(-1)
    fits = unknowns == 1 and known and count % known == 0 if unknowns else known == count
    if not fits or (sizes and min(sizes) < -1):
        expected = f"sizes for {count} elements, with at most one -1, which they determine"
        raise ShapeError(must(op, argument, expected, sizes))
    return tuple([count // known if n == -1 else n for n in sizes]) if unknowns else sizes


@sizes_by_name("shape")
def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements, in C order, in another shape: ``reshape(x, 2, 3)`` or ``reshape(x, (2, 3))``.

    One size may be -1, and is then what the number of elements leaves. A view where memory allows, else a copy.

    Raises:
        ShapeError: the sizes do not multiply to the number of elements.
    """
    return _reshaped("reshape", input, shape)


@sizes_by_name("size")
def view(input: Tensor, *shape: Any) -> Tensor:
    """:func:`reshape`. Unlike PyTorch's, it copies where it must: images lie channels-last in memory."""
    return _reshaped("view", input, shape)


def _reshaped(op: str, input: Any, sizes: tuple[Any, ...]) -> Any:
    check_tensor(op, "input", input)
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    for n in sizes:
        if n.__class__ is not int or n < 0:
            break
    else:
        try:
            return _reshape.unary(input, sizes)
        except ValueError:  # their product is looked at only where NumPy has refused them
            pass
    return _reshape(input, _inferred(op, "shape", as_shape(op, sizes, "shape"), math.prod(input.shape)))


def ravel(input: Tensor) -> Tensor:
    """The elements in C order, as a vector. A view where memory allows."""
    return _reshaped("ravel", input, (-1,))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from ``start_dim`` to ``end_dim``, both included, made one. A number becomes a vector."""
    check_tensor("flatten", "input", input)
    shape = input.shape or (1,)
    start = as_dim("flatten", start_dim, len(shape), "start_dim")
    end = as_dim("flatten", end_dim, len(shape), "end_dim")
    if start > end:
        raise ShapeError(must("flatten", "start_dim", f"at most end_dim ({end})", start))
    return _reshape.unary(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Dimension ``dim`` made several, of ``sizes``, one of which may be -1."""
    check_tensor("unflatten", "input", input)
    if not sizes:
        raise ShapeError(must("unflatten", "sizes", "at least one size", sizes))
    d = as_dim("unflatten", dim, input.ndim)
    shape = input.shape or (1,)
    inferred = _inferred("unflatten", "sizes", as_shape("unflatten", (sizes,), "sizes"), shape[d])
    return _reshape(input, (*shape[:d], *inferred, *shape[d + 1 :]))


@numpy_names
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Without the dimensions of size 1: all, or those of them that are in ``dim``."""
    check_tensor("squeeze", "input", input)
    chosen = () if isinstance(dim, (tuple, list)) and not dim else as_dims("squeeze", dim, input.ndim)
    return _reshape(input, tuple([n for d, n in enumerate(input.shape) if n != 1 or d not in chosen]))


@numpy_names
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new dimension of size 1 at ``dim``."""
    check_tensor("unsqueeze", "input", input)
    shape = input.shape
    d = as_dim("unsqueeze", dim, len(shape) + 1)
    return _reshape.unary(input, (*shape[:d], 1, *shape[d:]))


# --- Permutation ----------------------------------------------------------------------------------------------

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
    """Two dimensions exchanged. A view."""
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
    """:func:`transpose`."""
    return transpose(input, axis0, axis1)


def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; a vector or a number stays what it is. A view."""
    check_tensor("t", "input", input)
    if input.ndim > 2:
        raise ShapeError(must("t", "input", "of at most 2 dimensions", f"shape {input.shape}"))
    return _permute(input, tuple(range(input.ndim))[::-1])


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """The dimensions ``source`` moved to the places ``destination``; the others keep their order. A view."""
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


# --- Repetition -----------------------------------------------------------------------------------------------


@sizes_by_name("size")
def expand(input: Tensor, *sizes: Any) -> Tensor:
    """Dimensions of size 1, and new ones in front, repeated to ``sizes`` without a copy; -1 leaves a size as it is."""
    return _expanded("expand", input, as_shape("expand", sizes, "sizes"))


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """:func:`expand`, with the sizes as one argument."""
    return _expanded("broadcast_to", input, as_shape("broadcast_to", (size,)))


def _expanded(op: str, input: Any, sizes: tuple[int, ...]) -> Any:
    check_tensor(op, "input", input)
    lead = len(sizes) - input.ndim
    old = (1,) * lead + input.shape
    new = tuple([old[i] if n == -1 and i >= lead else n for i, n in enumerate(sizes)])
    if lead < 0 or any(n < 0 or (was not in (1, n)) for was, n in zip(old, new, strict=True)):
        raise ShapeError(must(op, "size", f"a shape that {input.shape} broadcasts to", sizes))
    return tape.broadcast_to(input, new)


def _repeat_vjp(g: Any, _y: Any, _x: Any, counts: tuple[int, ...]) -> Any:
    old = (1,) * (len(counts) - _x.ndim) + _x.shape
    apart = itertools.chain(*zip(counts, old, strict=True))  # (counts[0], old[0], counts[1], old[1], ...)
    once = itertools.chain(*[(1, n) for n in old])
    return _reshape(tape.sum_to(_reshape(g, tuple(apart)), tuple(once)), _x.shape)


_repeat = Op("repeat", np.tile, _repeat_vjp)


@sizes_by_name("repeats")
def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """The tensor copied ``repeats[i]`` times along dimension ``i`` (NumPy's ``tile``), new dimensions in front."""
    counts = as_shape("repeat", repeats, "repeats")
    check_tensor("repeat", "input", input)
    if len(counts) < input.ndim or min(counts, default=0) < 0:
        raise ShapeError(must("repeat", "repeats", f"at least {input.ndim} counts, none negative", counts))
    return _repeat(input, counts)


@sizes_by_name("dims")
def tile(input: Tensor, *dims: Any) -> Tensor:
    """:func:`repeat`, for which fewer counts than dimensions will do: they are for the last dimensions."""
    check_tensor("tile", "input", input)
    counts = as_shape("tile", dims, "dims")
    return repeat(input, (1,) * (input.ndim - len(counts)) + counts)


# --- Reordered elements ---------------------------------------------------------------------------------------

_flip: Op = Op(
    "flip",
    lambda x, order: np.copy(np.flip(x, order), order="K"),
    lambda g, _y, _x, order: _flip(g, order),
)
_roll: Op = Op(
    "roll", np.roll, lambda g, _y, _x, shifts, order: _roll(g, tuple([-s for s in shifts]), order)
)  # fmt: skip


@sizes_by_name("dims")
def flip(input: Tensor, *dims: Any) -> Tensor:
    """A copy with the elements in reverse order along each of ``dims``."""
    check_tensor("flip", "input", input)
    chosen = as_shape("flip", dims, "dims")
    return _flip(input, as_dims("flip", chosen, input.ndim, "dims") if chosen else ())


def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """A copy with the elements moved by ``shifts`` along ``dims``, those that leave coming back at the other end.

    Without ``dims`` the elements move as in the flattened tensor.
    """
    check_tensor("roll", "input", input)
    moves = as_shape("roll", shifts if isinstance(shifts, (tuple, list)) else (shifts,), "shifts")
    if dims is None:
        if len(moves) != 1:
            raise ShapeError(must("roll", "dims", f"as many as shifts, {len(moves)}", None))
        return _reshape(_roll(_reshape(input, (-1,)), moves, (0,)), input.shape)
    along = tuple(
        [as_dim("roll", d, input.ndim) for d in (dims if isinstance(dims, (tuple, list)) else (dims,))]
    )
    if len(along) != len(moves) or not input.ndim:
        raise DimensionError(
            must("roll", "dims", f"as many as shifts, {len(moves)}, of the tensor's own", dims)
        )
    return _roll(input, moves, along)


# --- Parts ----------------------------------------------------------------------------------------------------


def _place_forward(g: np.ndarray, shape: Any, strides: Any, index: Any) -> np.ndarray:
    y = _zeros(shape, g.dtype, strides)
    y[index] = g
    return y


# The part of ``x`` that a basic index selects, and zeros with ``g`` in that place. An index ends in an Ellipsis, so
# that NumPy gives a view for a single element too.
_getitem: Op = Op(
    "getitem",
    lambda x, index: x[index],
    lambda g, _y, _x, index: _place(g, _x.shape, _x.strides, index),
    view=True,
)
_place: Op = Op(
    "getitem_backward", _place_forward, lambda h, _y, _g, _shape, _strides, index: _getitem(h, index)
)


def along(d: int, index: Any) -> tuple[Any, ...]:
    """The basic index that applies ``index`` to dimension ``d``."""
    return (*(slice(None),) * d, index, Ellipsis)


def check_has_dims(op: str, input: Any) -> None:
    check_tensor(op, "input", input)
    if input.ndim == 0:
        raise DimensionError(must(op, "input", "of at least one dimension", "none"))


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """``input[:, ..., index]`` with the index at dimension ``dim``, which vanishes. A view."""
    check_has_dims("select", input)
    d, i = as_dim("select", dim, input.ndim), as_int("select", "index", index)
    if not -input.shape[d] <= i < input.shape[d]:
        raise DimensionError(must("select", "index", f"in [{-input.shape[d]}, {input.shape[d] - 1}]", i))
    return _getitem(input, along(d, i))


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """The elements from ``start`` to ``start + length`` of dimension ``dim``. A view."""
    check_has_dims("narrow", input)
    d = as_dim("narrow", dim, input.ndim)
    n, first, count = input.shape[d], as_int("narrow", "start", start), as_int("narrow", "length", length)
    if not -n <= first <= n:
        raise DimensionError(must("narrow", "start", f"in [{-n}, {n}]", first))
    first += n * (first < 0)
    if not 0 <= count <= n - first:
        raise ShapeError(
            must("narrow", "length", f"in [0, {n - first}] from {first} on in a dimension of {n}", count)
        )
    return _getitem(input, along(d, slice(first, first + count)))
