"""Other views of the same elements.

Three Ops do most of the work: a reshape, a permutation of dimensions (in :mod:`minidl.ops.permutation`), and a basic
index (ints, slices, None), each a view where memory allows. The many public names are ways to say which.

Images lie channels-last in memory (see the design's Layout). A reshape of one has to copy, and so it loses that order;
its derivative restores it, lest all that comes before in backward mixes two orders, which is slow.
"""

from __future__ import annotations

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
    "clone", "reshape", "ravel", "flatten", "unflatten", "squeeze", "unsqueeze", "broadcast_to", "select", "narrow",
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


# Images of so many elements are worth a kernel when their channels move.
LARGE = 1 << 14


def _is_large_image(x: np.ndarray) -> bool:
    """Whether x is (N, C, H, W) of many floats that compiled code knows."""
    return x.ndim == 4 and x.size >= LARGE and x.dtype.char in "fd"


def _in_order_forward(x: np.ndarray, strides: tuple[int, ...]) -> np.ndarray:
    order = _order(strides)
    if order == (0, 2, 3, 1) and _is_large_image(x) and x.flags.c_contiguous:
        from minidl.kernels.turn import turned  # which needs Numba

        n, c, h, w = x.shape
        return turned(x.reshape(n, c, h * w)).reshape(n, h, w, c).transpose(0, 3, 1, 2)
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
    """A copy, in the same memory order, through which gradients flow.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> x = minidl.zeros(2)
    >>> y = x.clone().add_(1)
    >>> x, y
    (tensor([0., 0.]), tensor([1., 1.]))
    """
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


def _reshape_large(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Images that lie channels-last are turned when each becomes a row."""
    if _is_large_image(x) and len(shape) == 2 and shape[0] == len(x) and not _is_c_ordered(x):
        last = x.transpose(0, 2, 3, 1)
        if last.flags.c_contiguous:
            from minidl.kernels.turn import turned  # which needs Numba

            n, h, w, c = last.shape
            return turned(last.reshape(n, h * w, c)).reshape(shape)
    return x.reshape(shape)


# The methods of arrays: NumPy's functions of the same names take several times as long on their way to them.
_reshape = Op("reshape", lambda x, shape: x.reshape(shape), _reshape_vjp, view=True, large=_reshape_large)


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

    >>> import minidl
    >>> minidl.reshape(minidl.arange(6), (2, -1))
    tensor([[0, 1, 2],
            [3, 4, 5]])
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
    """The elements in C order, as a vector. A view where memory allows.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.ravel(minidl.tensor([[1, 2], [3, 4]]))
    tensor([1, 2, 3, 4])
    """
    return _reshaped("ravel", input, (-1,))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from ``start_dim`` to ``end_dim``, both included, made one. A number becomes a vector.

    Raises:
        DimensionError: a dimension is out of range.
        ShapeError: ``start_dim`` comes after ``end_dim``.

    >>> import minidl
    >>> minidl.flatten(minidl.zeros(2, 3, 5), start_dim=1).shape
    (2, 15)
    """
    if (
        start_dim.__class__ is int is end_dim.__class__
        and start_dim == 0
        and end_dim == -1
        and hasattr(input, "__minidl_op__")
    ):
        return input.__minidl_unary__(_reshape, ((-1,),))
    check_tensor("flatten", "input", input)
    shape = input.shape or (1,)
    start = as_dim("flatten", start_dim, len(shape), "start_dim")
    end = as_dim("flatten", end_dim, len(shape), "end_dim")
    if start > end:
        raise ShapeError(must("flatten", "start_dim", f"at most end_dim ({end})", start))
    if start == 0 and end == len(shape) - 1:
        return _reshape.unary(input, (-1,))
    return _reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Dimension ``dim`` made several, of ``sizes``, one of which may be -1.

    Raises:
        DimensionError: ``dim`` is out of range.
        ShapeError: the sizes do not multiply to the dimension's.

    >>> import minidl
    >>> minidl.unflatten(minidl.zeros(2, 6), 1, (3, -1)).shape
    (2, 3, 2)
    """
    check_tensor("unflatten", "input", input)
    if not sizes:
        raise ShapeError(must("unflatten", "sizes", "at least one size", sizes))
    d = as_dim("unflatten", dim, input.ndim)
    shape = input.shape or (1,)
    inferred = _inferred("unflatten", "sizes", as_shape("unflatten", (sizes,), "sizes"), shape[d])
    return _reshape(input, (*shape[:d], *inferred, *shape[d + 1 :]))


@numpy_names
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Without the dimensions of size 1: all, or those of them that are in ``dim``.

    Raises:
        DimensionError: a dimension is out of range.

    >>> import minidl
    >>> minidl.squeeze(minidl.zeros(1, 3, 1)).shape, minidl.squeeze(minidl.zeros(1, 3, 1), 0).shape
    ((3,), (3, 1))
    """
    check_tensor("squeeze", "input", input)
    chosen = () if isinstance(dim, (tuple, list)) and not dim else as_dims("squeeze", dim, input.ndim)
    return _reshape(input, tuple([n for d, n in enumerate(input.shape) if n != 1 or d not in chosen]))


@numpy_names
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new dimension of size 1 at ``dim``.

    Raises:
        DimensionError: ``dim`` is out of range.

    >>> import minidl
    >>> minidl.unsqueeze(minidl.zeros(2, 3), 1).shape
    (2, 1, 3)
    """
    if dim.__class__ is int and dim == 0 and hasattr(input, "__minidl_op__"):  # a batch of one
        return input.__minidl_unary__(_reshape, ((1, *input.array.shape),))
    check_tensor("unsqueeze", "input", input)
    shape = input.shape
    d = as_dim("unsqueeze", dim, len(shape) + 1)
    return _reshape.unary(input, (*shape[:d], 1, *shape[d:]))


# --- Repetition -----------------------------------------------------------------------------------------------


@sizes_by_name("size")
def expand(input: Tensor, *sizes: Any) -> Tensor:
    """Dimensions of size 1, and new ones in front, repeated to ``sizes`` without a copy; -1 leaves a size as it is."""
    return _expanded("expand", input, as_shape("expand", sizes, "sizes"))


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """:func:`expand`, with the sizes as one argument.

    Raises:
        ShapeError: the sizes do not fit.

    >>> import minidl
    >>> minidl.broadcast_to(minidl.tensor([[1], [2]]), (2, 3))
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    return _expanded("broadcast_to", input, as_shape("broadcast_to", (size,)))


def _expanded(op: str, input: Any, sizes: tuple[int, ...]) -> Any:
    check_tensor(op, "input", input)
    lead = len(sizes) - input.ndim
    old = (1,) * lead + input.shape
    new = tuple([old[i] if n == -1 and i >= lead else n for i, n in enumerate(sizes)])
    if lead < 0 or any(n < 0 or (was not in (1, n)) for was, n in zip(old, new, strict=True)):
        raise ShapeError(must(op, "size", f"a shape that {input.shape} broadcasts to", sizes))
    return tape.broadcast_to(input, new)


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
    """``input[:, ..., index]`` with the index at dimension ``dim``, which vanishes. A view.

    Raises:
        DimensionError: ``dim`` or ``index`` is out of range.

    >>> import minidl
    >>> minidl.select(minidl.tensor([[1, 2], [3, 4]]), 1, 0)
    tensor([1, 3])
    """
    check_has_dims("select", input)
    d, i = as_dim("select", dim, input.ndim), as_int("select", "index", index)
    if not -input.shape[d] <= i < input.shape[d]:
        raise DimensionError(must("select", "index", f"in [{-input.shape[d]}, {input.shape[d] - 1}]", i))
    return _getitem(input, along(d, i))


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """The elements from ``start`` to ``start + length`` of dimension ``dim``. A view.

    Raises:
        DimensionError: ``dim`` or ``start`` is out of range.
        ShapeError: the part does not lie within the dimension.

    >>> import minidl
    >>> minidl.narrow(minidl.arange(5), 0, 1, 3)
    tensor([1, 2, 3])
    """
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
