"""Tensors put together, and taken apart.

``cat`` and ``split`` are each other's derivative, and so are ``stack`` and ``unbind``.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.dtypes import result_type
from minidl.errors import ArgumentError, DTypeError, ShapeError, must
from minidl.ops.arguments import as_int, cast, is_array, numpy_names
from minidl.ops.arguments import dim as as_dim
from minidl.ops.arguments import shape as as_shape
from minidl.ops.shape import _zeros, along, check_has_dims
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["cat", "stack", "split", "chunk", "unbind", "concat", "concatenate"]

Tensors = Sequence["Tensor"]


def _split_forward(x: np.ndarray, d: int, sizes: tuple[int, ...]) -> tuple[tuple[np.ndarray, ...]]:
    ends = itertools.accumulate(sizes)
    return (tuple([x[along(d, slice(end - n, end))] for n, end in zip(sizes, ends, strict=True)]),)


def _split_vjp(g: Any, _y: Any, _x: Any, d: int, sizes: tuple[int, ...]) -> Any:
    def zeros(n: int) -> np.ndarray:
        return _zeros((*_x.shape[:d], n, *_x.shape[d + 1 :]), _x.dtype, _x.strides)

    return _cat(d, *[zeros(n) if part is None else part for part, n in zip(g, sizes, strict=True)])


def _cat_joint(needs: list[bool], g: Any, _y: Any, d: int, *_xs: Any) -> tuple[Any, ...]:
    parts = _split(g, d, tuple([x.shape[d] for x in _xs]))
    return (None, *[part if need else None for part, need in zip(parts, needs[1:], strict=True)])


def _unbind_vjp(g: Any, _y: Any, _x: Any, d: int) -> Any:
    shape = (*_x.shape[:d], *_x.shape[d + 1 :])
    return _stack(d, *[np.zeros(shape, _x.dtype) if part is None else part for part in g])


def _stack_joint(needs: list[bool], g: Any, _y: Any, d: int, *_xs: Any) -> tuple[Any, ...]:
    return (None, *[part if need else None for part, need in zip(_unbind(g, d), needs[1:], strict=True)])


def _stack_forward(d: int, *xs: Any) -> np.ndarray:
    new = (*(slice(None),) * d, None) if d else None
    return np.concatenate([x[new] for x in xs], d)  # np.stack is slower, for its checks


_cat = Op("cat", lambda d, *xs: np.concatenate(xs, d), joint=_cat_joint)
_split = Op("split", _split_forward, _split_vjp, view=True, multi=True)
_stack = Op("stack", _stack_forward, joint=_stack_joint)
_unbind = Op(
    "unbind",
    lambda x, d: (tuple([x[along(d, i)] for i in range(x.shape[d])]),),
    _unbind_vjp,
    view=True,
    multi=True,
)


def check_list(op: str, tensors: Any) -> None:
    """Raise unless ``tensors`` is a list or tuple of at least one tensor."""
    if not isinstance(tensors, (tuple, list)):
        raise DTypeError(must(op, "tensors", "a list or tuple of tensors", type(tensors).__name__))
    if not tensors:
        raise ArgumentError(must(op, "tensors", "at least one tensor", "none"))
    for x in tensors:
        if not is_array(x):
            raise DTypeError(must(op, "tensors", "Tensors", type(x).__name__))


def _promoted(op: str, tensors: Any) -> list[Any]:
    """The tensors of a list, in the dtype of their combination."""
    check_list(op, tensors)
    dtype = result_type(*tensors)
    return [cast(x, dtype) for x in tensors]


def _joined(op: Op, new: int, tensors: Any, dim: Any) -> Any:
    """``op`` on tensors of one dtype, the usual case; ``new`` is how many dimensions it adds. For others None."""
    if tensors.__class__ is not list and tensors.__class__ is not tuple:
        return None
    dtype = None
    for x in tensors:
        if not hasattr(x, "__minidl_op__") or (dtype is not None and x.array.dtype is not dtype):
            return None
        dtype = x.array.dtype
    if dtype is None:
        return None
    d = 0 if dim.__class__ is int and dim == 0 else as_dim(op.name, dim, tensors[0].ndim + new)
    return tensors[0].__minidl_list__(op, d, tensors)


@numpy_names
def cat(tensors: Tensors, dim: int = 0) -> Tensor:
    """The tensors one after the other along an existing dimension; in the others their sizes are equal.

    Dtypes are promoted. As in PyTorch, tensors of shape (0,) are left out, whatever the dimensions of the others.

    Raises:
        ArgumentError: there is no tensor.
        DTypeError: one of them is no tensor.
        ShapeError: sizes differ but in ``dim``.

    >>> import minidl
    >>> minidl.cat([minidl.tensor([[1, 2]]), minidl.tensor([[3], [4]]).T], dim=1)
    tensor([[1, 2, 3, 4]])
    """
    try:
        y = _joined(_cat, 0, tensors, dim)
        if y is not None:
            return y
    except ValueError:  # the shapes are looked at only where NumPy has refused them
        pass
    xs = _promoted("cat", tensors)
    try:
        return _cat(as_dim("cat", dim, xs[0].ndim), *xs)
    except ValueError:  # the shapes are looked at only where NumPy has refused them
        pass
    xs = [x for x in xs if x.shape != (0,)] or xs[:1]
    for x in xs:
        check_has_dims("cat", x)
    d = as_dim("cat", dim, xs[0].ndim)
    first = xs[0].shape
    for x in xs:
        if x.ndim != len(first) or x.shape[:d] != first[:d] or x.shape[d + 1 :] != first[d + 1 :]:
            raise ShapeError(must("cat", "every tensor", f"of shape {first} but for dimension {d}", x.shape))
    return _cat(d, *xs)


concat = concatenate = cat


@numpy_names
def stack(tensors: Tensors, dim: int = 0) -> Tensor:
    """The tensors, all of one shape, one after the other along a new dimension ``dim``.

    Raises:
        ArgumentError: there is no tensor.
        DTypeError: one of them is no tensor.
        ShapeError: the shapes differ.

    >>> import minidl
    >>> minidl.stack([minidl.tensor([1, 2]), minidl.tensor([3, 4])], dim=1)
    tensor([[1, 3],
            [2, 4]])
    """
    try:
        y = _joined(_stack, 1, tensors, dim)
        if y is not None:
            return y
    except ValueError:
        pass
    xs = _promoted("stack", tensors)
    try:
        return _stack(as_dim("stack", dim, xs[0].ndim + 1), *xs)
    except ValueError:  # the shapes are looked at only where NumPy has refused them
        pass
    for x in xs:
        if x.shape != xs[0].shape:
            raise ShapeError(must("stack", "every tensor", f"of shape {xs[0].shape}, as the first", x.shape))
    return _stack(as_dim("stack", dim, xs[0].ndim + 1), *xs)


def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Parts along ``dim``, as views: each of the given size (the last may be smaller), or of the listed sizes.

    Raises:
        ShapeError: the sizes are negative, or do not sum to the dimension's.
        DimensionError: ``dim`` is out of range.

    >>> import minidl
    >>> minidl.split(minidl.arange(5), 2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    >>> minidl.split(minidl.arange(5), [1, 4])
    (tensor([0]), tensor([1, 2, 3, 4]))
    """
    check_has_dims("split", tensor)
    d = as_dim("split", dim, tensor.ndim)
    n = tensor.shape[d]
    if isinstance(split_size_or_sections, (tuple, list)):
        sizes = as_shape("split", (split_size_or_sections,), "split_size_or_sections")
        if sum(sizes) != n or min(sizes, default=0) < 0:
            raise ShapeError(must("split", "split_size_or_sections", f"sizes that sum to {n}", list(sizes)))
        return _split(tensor, d, sizes) if sizes else ()
    size = as_int("split", "split_size_or_sections", split_size_or_sections)
    if size < 0 or (size == 0 and n):
        raise ShapeError(must("split", "split_size_or_sections", "positive", size))
    sizes = tuple([min(size, n - start) for start in range(0, n, size)]) if n else (0,)
    return _split(tensor, d, sizes)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """``chunks`` parts of equal size along ``dim``, as views; rounding up may leave the last smaller, or fewer.

    Raises:
        ShapeError: ``chunks`` is not positive.
        DimensionError: ``dim`` is out of range.

    >>> import minidl
    >>> minidl.chunk(minidl.arange(5), 2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    check_has_dims("chunk", input)
    d, count = as_dim("chunk", dim, input.ndim), as_int("chunk", "chunks", chunks)
    if count < 1:
        raise ShapeError(must("chunk", "chunks", "positive", count))
    n = input.shape[d]
    return split(input, -(-n // count) if n else [0] * count, d)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All slices along ``dim``, which vanishes: ``(input[0], input[1], ...)`` for dimension 0. Views.

    Raises:
        DimensionError: ``dim`` is out of range.

    >>> import minidl
    >>> minidl.unbind(minidl.tensor([[1, 2], [3, 4]]), dim=1)
    (tensor([1, 3]), tensor([2, 4]))
    """
    check_has_dims("unbind", input)
    d = as_dim("unbind", dim, input.ndim)
    return _unbind(input, d) if input.shape[d] else ()
