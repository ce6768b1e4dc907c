"""Reductions: many elements to one, along some dimensions or all.

A reduction broadcast back is its derivative's shape: the gradient of a sum is the gradient of the result, seen once
for each element, without a copy (a stride of 0). ``dim`` is None for all dimensions, an int, or several.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import dtypes
from minidl.errors import DTypeError, must
from minidl.kernels import reduce as reduction
from minidl.ops.arguments import cast, check_bool, check_tensor, dims, floating, is_floats, numpy_names
from minidl.ops.arguments import dim as as_dim
from minidl.ops.elementwise import _where
from minidl.ops.permutation import _permute
from minidl.ops.shape import _reshape
from minidl.tape import Op, broadcast_to

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["sum", "mean", "prod", "logsumexp"]  # fmt: skip

Dims = tuple[int, ...] | None  # of an Op: None is all
DimArgument = int | Sequence[int] | None


def _all_or(op: str, dim: Any, x: Any, keepdim: Any) -> Dims:
    """The argument ``dim`` for an Op; nothing to do in the usual case."""
    if keepdim is not False:
        check_bool(op, "keepdim", keepdim)
    return None if dim is None else dims(op, dim, x.ndim)


def _kept(y: Any, reduced: Dims, keepdim: bool) -> Any:
    """The result ``y`` of a reduction with its dimensions put back, as 1s, so that it broadcasts to the argument."""
    if keepdim or reduced is None:
        return y
    shape = list(y.shape)
    for d in sorted(reduced):
        shape.insert(d, 1)
    return _reshape(y, tuple(shape))


def _count(shape: tuple[int, ...], reduced: Dims) -> int:
    """How many elements become one."""
    return math.prod(shape if reduced is None else [shape[d] for d in reduced])


_total: Any = np.add.reduce  # np.sum without its overhead


def total(x: np.ndarray, reduced: Dims, keepdim: bool) -> np.ndarray:
    """The sum, in x's dtype; of many floats by the kernel, in all threads."""
    group = None if x.size < reduction.SMALL else reduction.grouped(x, reduced)
    if group is None:
        return _total(x, reduced, x.dtype, None, keepdim)
    y = reduction.reduce_sum(group)
    return y if keepdim else dropped(y, reduced)


def sum_of_squares(x: np.ndarray) -> float:
    """``sum(x²)``: in one pass where that neither overflows nor vanishes, else in double precision."""
    group = reduction.grouped(x, None)
    if group is not None:
        squares = float(reduction.reduce_sum(group, reduction.DEVIATION, np.zeros((), x.dtype)).item())
        if 1e-20 < squares < math.inf:
            return squares
    return float(np.sum(np.square(x, dtype=np.float64)))


def dropped(y: np.ndarray, reduced: Dims) -> np.ndarray:
    """``y`` without its axes of size 1 that stand for those that were reduced."""
    return y.reshape(() if reduced is None else [n for axis, n in enumerate(y.shape) if axis not in reduced])


def divided(total: Any, n: float) -> Any:
    """``total / n``. NumPy divides small arrays by an array twice as fast as by a number."""
    return total / n if total.ndim == 0 else np.divide(total, np.asarray(n, total.dtype))


# --- Sum, mean, product -----------------------------------------------------------------------------------------


def _sum_forward(x: np.ndarray, reduced: Dims, keepdim: bool) -> np.ndarray:
    if x.size < reduction.SMALL and x.dtype.char in "fd":
        return _total(x, reduced, None, None, keepdim)
    if x.dtype.char == "e":  # float16, whose sums would soon stand still
        return np.asarray(_total(x, axis=reduced, dtype=np.float32, keepdims=keepdim)).astype(x.dtype)
    return total(x, reduced, keepdim)


_sum = Op(
    "sum",
    _sum_forward,
    lambda g, _y, _x, reduced, keepdim: broadcast_to(_kept(g, reduced, keepdim), _x.shape),
)


def _mean_vjp(g: Any, _y: Any, _x: Any, reduced: Dims, keepdim: bool) -> Any:
    return broadcast_to(_kept(g / (_count(_x.shape, reduced) or 1), reduced, keepdim), _x.shape)


def _mean_forward(x: np.ndarray, reduced: Dims, keepdim: bool) -> np.ndarray:
    if x.dtype.char == "e":
        return np.asarray(_mean_forward(x.astype(np.float32), reduced, keepdim)).astype(x.dtype)
    return divided(total(x, reduced, keepdim), _count(x.shape, reduced))


_mean = Op("mean", _mean_forward, _mean_vjp)


def _summand(op: str, input: Any, dtype: Any) -> Any:
    """``input`` in the dtype of its sum: ``dtype`` if given; integers and bools become int64."""
    if dtype is None and is_floats(input):
        return input
    check_tensor(op, "input", input)
    if dtype is not None:
        return cast(input, dtypes.as_dtype(op, dtype))
    return input if input.dtype.kind == "f" else cast(input, dtypes.int64)


@numpy_names
def sum(input: Tensor, dim: DimArgument = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum of the elements, along ``dim`` or of all; 0 of none.

    Args:
        input: of any shape. Integers and bools are summed as int64.
        dim: the dimensions to sum over; they vanish, or with ``keepdim`` become 1.
        keepdim: whether the result keeps as many dimensions as ``input`` has.
        dtype: convert ``input`` to it first.

    Raises:
        DimensionError: a dimension is out of range, or repeated.
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.sum(minidl.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
    tensor([4., 6.])
    """
    if dim is None is dtype and keepdim is False and is_floats(input):  # the usual case
        return input.__minidl_unary__(_sum, (None, False))
    x = _summand("sum", input, dtype)
    return _sum.unary(x, _all_or("sum", dim, x, keepdim), keepdim)


@numpy_names
def mean(input: Tensor, dim: DimArgument = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum divided by the number of elements; nan of none. Integers are an error, unless ``dtype`` is floating.

    Raises:
        DTypeError: ``input`` is not of floats.
        DimensionError: a dimension is out of range, or repeated.

    >>> import minidl
    >>> minidl.mean(minidl.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1, keepdim=True)
    tensor([[1.5],
            [3.5]])
    """
    check_tensor("mean", "input", input)
    x = input if dtype is None else cast(input, dtypes.as_dtype("mean", dtype))
    if x.dtype.kind != "f":
        raise DTypeError(must("mean", "input", "of floats (or dtype a floating dtype)", x.dtype))
    return _mean.unary(x, _all_or("mean", dim, x, keepdim), keepdim)


def _others_forward(x: np.ndarray) -> np.ndarray:
    """For each element, the product of the others along the last dimension: those before it times those after."""
    before, after = np.ones_like(x), np.ones_like(x)
    np.cumprod(x[..., :-1], -1, out=before[..., 1:])
    np.cumprod(x[..., :0:-1], -1, out=after[..., -2::-1])
    return before * after


def _others_vjp(h: Any, _y: Any, x: Any) -> Any:
    """The derivative of the product without i with respect to element k is the product without i and k."""
    n = x.shape[-1]
    diagonal: Any = np.eye(n, dtype=bool)
    without_i = _where(
        diagonal, 1.0, _reshape(x, (*x.shape[:-1], 1, n))
    )  # (..., n, n): row i has 1 for element i
    without_i_and_k = _where(diagonal, 0.0, _others(without_i))
    return _sum(_reshape(h, (*h.shape, 1)) * without_i_and_k, (h.ndim - 1,), False)


# Over the last dimension. The quotient y / x would be shorter than the products of the others, and wrong at zeros.
_others = Op("prod_backward", _others_forward, _others_vjp)
_prod = Op(
    "prod",
    lambda x: np.multiply.reduce(x, axis=-1, dtype=x.dtype),
    lambda g, _y, x: _reshape(g, (*g.shape, 1)) * _others(x),
)


@numpy_names
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The product of the elements, along one dimension or of all; 1 of none. Integers are multiplied as int64.

    Raises:
        DimensionError: ``dim`` is out of range.
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.prod(minidl.tensor([2, 3, 4]))
    tensor(24)
    """
    x = _summand("prod", input, dtype)
    check_bool("prod", "keepdim", keepdim)
    d = 0 if dim is None else as_dim("prod", dim, x.ndim)
    if dim is None or x.ndim == 0:
        kept = (1,) * x.ndim
        y = _prod(_reshape(x, (math.prod(x.shape),)))
    else:
        kept = (*x.shape[:d], 1, *x.shape[d + 1 :])
        y = _prod(_permute(x, (*[i for i in range(x.ndim) if i != d], d)))
    return _reshape(y, kept) if keepdim else y


# --- Sum of exponentials ----------------------------------------------------------------------------------------


def _logsumexp_forward(x: np.ndarray, reduced: tuple[int, ...], keepdim: bool) -> np.ndarray:
    highest = np.max(x, reduced, keepdims=True, initial=-np.inf)
    highest = np.where(np.isfinite(highest), highest, 0)  # inf - inf would be nan
    group = reduction.grouped(x, reduced)
    if group is None:
        sums = _total(np.exp(x - highest), axis=reduced, keepdims=True)
    else:
        sums = reduction.reduce_sum(group, reduction.EXPONENTIALS, highest)
    y = np.log(sums) + highest
    return y if keepdim else y.squeeze(reduced)


def _logsumexp_vjp(g: Any, y: Any, x: Any, reduced: Dims, keepdim: bool) -> Any:
    return _kept(g, reduced, keepdim) * np.exp(x - _kept(y, reduced, keepdim))  # the softmax of x


_logsumexp = Op("logsumexp", _logsumexp_forward, _logsumexp_vjp)


@numpy_names
def logsumexp(input: Tensor, dim: int | Sequence[int], keepdim: bool = False) -> Tensor:
    """``log(sum(exp(input)))`` along ``dim``, without overflow (the largest is set apart); -inf of none.

    Raises:
        DimensionError: a dimension is out of range, or repeated.
        DTypeError: ``dim`` is missing.

    >>> import minidl
    >>> minidl.logsumexp(minidl.tensor([1000.0, 1000.0]), dim=0)  # 1000 + log 2
    tensor(1000.6932)
    """
    x = floating("logsumexp", input)
    check_bool("logsumexp", "keepdim", keepdim)
    if dim is None:
        raise DTypeError(must("logsumexp", "dim", "an int, or several", None))
    return _logsumexp(x, dims("logsumexp", dim, x.ndim), keepdim)
