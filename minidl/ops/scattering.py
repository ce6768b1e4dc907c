"""Writing to places: scattering, adding at indices, and repeating elements. The counterparts of gathering."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ArgumentError, DTypeError, ShapeError, must
from minidl.ops.arguments import as_int, check_tensor, converted, is_array, no_gradient, one_of, plain, reject
from minidl.ops.arguments import dim as as_dim
from minidl.ops.elementwise import add, mul
from minidl.ops.gathering import _check_index, _gather, _grid, scatter_add_to
from minidl.ops.indexing import getitem
from minidl.ops.shape import _getitem, _reshape
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["scatter", "scatter_add", "index_add", "repeat_interleave"]


def _scatter_forward(x: np.ndarray, d: int, index: np.ndarray, src: np.ndarray) -> np.ndarray:
    y = np.copy(x, order="K")
    y[_grid(index, d)] = src
    return y


# ``x`` with ``src``, of index's shape or of no dimensions, at the index.
_scatter: Op = Op(
    "scatter",
    _scatter_forward,
    lambda g, _y, _x, d, index, _src: _scatter(g, d, index, 0.0),
    None,
    None,
    lambda g, _y, _x, d, index, _src: _gather(g, d, index),
)


def _scatter_multiply_forward(x: np.ndarray, d: int, index: np.ndarray, src: np.ndarray) -> np.ndarray:
    y = np.copy(x, order="K")
    np.multiply.at(y, _grid(index, d), src)
    return y


_unknown = no_gradient("scatter with reduce='multiply'")
_scatter_multiply = Op("scatter", _scatter_multiply_forward, _unknown, None, None, _unknown)


def _part(op: str, input: Any, dim: Any, index: Any, src: Any) -> tuple[Any, int, Any, Any]:
    """The arguments of a scatter, checked: vectors for tensors of no dimensions, and the part of ``src`` that is used.

    ``index`` may be smaller than ``src`` in every dimension, and than ``input`` in all but ``dim``.
    """
    check_tensor(op, "input", input)
    d = as_dim(op, dim, input.ndim)
    input, index, src = (_reshape(x, (1,)) if is_array(x) and x.ndim == 0 else x for x in (input, index, src))
    _check_index(op, "index", index, input.shape[d])
    if math.prod(index.shape) == 0:
        return input, d, index, src
    others = zip(index.shape, input.shape, strict=False)
    if index.ndim != input.ndim or any(i > n for k, (i, n) in enumerate(others) if k != d):
        expected = f"no larger than input's {input.shape} but for dimension {d}"
        raise ShapeError(must(op, "index", expected, index.shape))
    if is_array(src):
        if src.dtype != input.dtype:
            raise DTypeError(must(op, "src", f"of input's dtype {input.dtype}", src.dtype))
        if src.ndim != index.ndim or any(i > n for i, n in zip(index.shape, src.shape, strict=True)):
            raise ShapeError(must(op, "src", f"at least of index's shape {index.shape}", src.shape))
        if src.shape != index.shape:
            src = _getitem(src, (*[slice(n) for n in index.shape], Ellipsis))
    return input, d, index, src


def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: Any = None
) -> Tensor:
    """``input`` with the elements of ``src`` written at ``index`` along ``dim``, and at their own places elsewhere.

    For three dimensions and ``dim=1``: ``y[i, index[i, j, k], k] = src[i, j, k]``. Where one place is written several
    times the last counts, and the gradients for ``src`` are right only if no place is.

    Args:
        input: of any shape.
        dim: the dimension that is indexed.
        index: integers, not negative, of as many dimensions; not larger than ``src``, nor, but along ``dim``, than
            ``input``.
        src: a tensor of ``input``'s dtype, or a number (``value`` is another name for it).
        reduce: "add" to or "multiply" with what is there, in place of writing over it. Only "add" of a tensor has
            gradients (that is :func:`scatter_add`).

    Raises:
        DimensionError: an index is out of range.
        DTypeError: ``index`` is not of integers, or ``src`` of another dtype.
        ShapeError: the shapes do not fit.

    >>> import minidl
    >>> minidl.scatter(minidl.zeros(2, 3), 1, minidl.tensor([[2], [0]]), 1.0)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    one_of("scatter", "reduce", reduce, (None, "add", "multiply"))
    if (src is None) == (value is None):
        raise DTypeError(
            must("scatter", "src or value", "given, and not both", "both" if src is not None else "none")
        )
    x, d, index, src = _part("scatter", input, dim, index, value if src is None else src)
    if not is_array(src):
        src = converted("scatter", src, x.dtype)
    if math.prod(index.shape) == 0:
        return _reshape(x, input.shape)
    if reduce == "add":
        src = src if src.ndim else np.broadcast_to(plain(src), index.shape)
        return _reshape(add(x, scatter_add_to(src, d, index, x.shape)), input.shape)
    return _reshape((_scatter_multiply if reduce else _scatter)(x, d, index, src), input.shape)


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """``input`` with the elements of ``src`` added at ``index`` along ``dim``; to one place several may be added.

    For three dimensions and ``dim=1``: ``y[i, index[i, j, k], k] += src[i, j, k]``. The arguments are those of
    :func:`scatter`.

    Raises:
        DimensionError: an index is out of range.
        DTypeError: ``index`` is not of integers, or ``src`` of another dtype.
        ShapeError: the shapes do not fit.

    >>> import minidl
    >>> minidl.scatter_add(minidl.zeros(3), 0, minidl.tensor([0, 2, 2]), minidl.tensor([1.0, 2.0, 3.0]))
    tensor([1., 0., 5.])
    """
    check_tensor("scatter_add", "src", src)
    x, d, index, src = _part("scatter_add", input, dim, index, src)
    if math.prod(index.shape) == 0:
        return _reshape(x, input.shape)
    return _reshape(add(x, scatter_add_to(src, d, index, x.shape)), input.shape)


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """``input`` with ``alpha`` times the slices of ``source`` added to its slices ``index`` along ``dim``.

    Args:
        input: of any shape.
        dim: the dimension that is indexed.
        index: a vector of integers, not negative; one may come several times.
        source: of ``input``'s dtype, and of its shape but for ``dim``, where there is one slice for each index.
        alpha: what ``source`` is multiplied by.

    Raises:
        DimensionError: an index is out of range.
        DTypeError: ``index`` is not of integers, or ``source`` of another dtype.
        ShapeError: the shapes do not fit.

    >>> import minidl
    >>> minidl.index_add(minidl.zeros(3), 0, minidl.tensor([0, 2, 2]), minidl.ones(3))
    tensor([1., 0., 2.])
    """
    check_tensor("index_add", "input", input)
    check_tensor("index_add", "source", source)
    d = as_dim("index_add", dim, input.ndim)
    x, places, parts = (_reshape(a, (1,)) if a.ndim == 0 else a for a in (input, index, source))
    _check_index("index_add", "index", places, x.shape[d])
    if places.ndim != 1:
        raise ShapeError(must("index_add", "index", "a vector", f"shape {places.shape}"))
    if parts.dtype != x.dtype:
        raise DTypeError(must("index_add", "source", f"of input's dtype {x.dtype}", parts.dtype))
    shape = (*x.shape[:d], *places.shape, *x.shape[d + 1 :])
    if parts.shape != shape:
        raise ShapeError(must("index_add", "source", f"of shape {shape}", parts.shape))
    if isinstance(alpha, float) and x.dtype.kind != "f":
        raise DTypeError(must("index_add", "alpha", "an int for tensors of integers", alpha))
    index_everywhere = np.broadcast_to(plain(places).reshape(-1, *(1,) * (x.ndim - 1 - d)), shape)
    parts = parts if alpha == 1 else mul(parts, alpha)
    return _reshape(add(x, scatter_add_to(parts, d, index_everywhere, x.shape)), input.shape)


def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: Any = None
) -> Tensor:
    """Each element repeated, next to itself, along ``dim``; without ``dim``, those of the flattened tensor.

    Args:
        input: of any shape.
        repeats: how often: an int for all, or a vector of integers with one for each element along ``dim`` (or one).
            ``repeat_interleave(repeats)`` gives the index i ``repeats[i]`` times.
        dim: the dimension that grows.
        output_size: what it grows to, if that is known: it is only checked.

    Raises:
        ShapeError: ``repeats`` are not as many as the elements.
        ArgumentError: one of them is negative, or ``output_size`` wrong.

    >>> import minidl
    >>> minidl.repeat_interleave(minidl.tensor([7, 8, 9]), minidl.tensor([0, 1, 2]))
    tensor([8, 9, 9])
    """
    op = "repeat_interleave"
    check_tensor(op, "input", input)
    if repeats is None:
        return _repeated(op, _places(input), input, 0, output_size)
    if dim is None:
        input, dim = _reshape(input, (math.prod(input.shape),)), 0
    elif input.ndim == 0:
        input = _reshape(input, (1,))
    return _repeated(op, input, repeats, as_dim(op, dim, input.ndim), output_size)


# The indices of a vector, in its dtype.
_places = Op("repeat_interleave", lambda x: np.arange(x.size, dtype=x.dtype))


def _repeated(op: str, input: Any, repeats: Any, d: int, output_size: Any) -> Any:
    n = input.shape[d]
    if is_array(repeats):
        counts = plain(repeats)
        if counts.dtype.kind != "i":
            raise DTypeError(must(op, "repeats", "of integers", counts.dtype))
        if counts.ndim > 1 or counts.size not in (1, n):
            raise ShapeError(
                must(op, "repeats", f"a vector of {n} counts, or of one", f"shape {counts.shape}")
            )
    else:
        counts = np.asarray(as_int(op, "repeats", repeats))
    if counts.size and counts.min() < 0:
        reject(op, "repeats", "not negative", int(counts.min()))
    index = np.repeat(np.arange(n), counts if counts.size == n else int(counts.reshape(())))
    if output_size is not None and output_size != index.size:
        raise ArgumentError(must(op, "output_size", f"the sum of the repeats, {index.size}", output_size))
    return getitem(input, (*(slice(None),) * d, index))
