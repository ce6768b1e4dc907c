"""Running results along a dimension: sums, products, extremes; and differences, which undo the sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import dtypes
from minidl.errors import ShapeError, must
from minidl.ops.arguments import as_int, check_tensor, is_array, numeric, numpy_names, plain, reject, widened
from minidl.ops.arguments import dim as as_dim
from minidl.ops.comparison import ne
from minidl.ops.elementwise import _where, sub
from minidl.ops.extremes import ValuesAndIndices
from minidl.ops.gathering import gather_forward, scatter_add_to
from minidl.ops.joining import cat
from minidl.ops.permutation import _permute
from minidl.ops.reduce import _sum, _summand
from minidl.ops.reorder import _flip
from minidl.ops.shape import _clone, _getitem, _reshape, along, check_has_dims
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["cumsum", "cumprod", "cummax", "cummin", "diff"]


def _from_the_end(g: Any, d: int) -> Any:
    """For each place, the sum from there to the end of dimension ``d``."""
    return _flip(_cumsum(_flip(g, (d,)), d), (d,))


def _cumprod_vjp(g: Any, y: Any, x: Any, d: int) -> Any:
    """The derivative of ``y[i]`` with respect to ``x[k]``, for k up to i, is ``y[i]`` without its factor ``x[k]``."""
    if np.all(plain(x)):
        return _from_the_end(g * y, d) / x
    n = x.shape[d]
    order = list(range(x.ndim))
    order[d], order[-1] = order[-1], d  # the exchange of two dimensions undoes itself
    g, x = _permute(g, tuple(order)), _permute(x, tuple(order))
    own: Any = np.eye(n, dtype=bool)
    up_to: Any = np.tri(n, dtype=bool).T
    without_k = _cumprod(_where(own, 1.0, _reshape(x, (*x.shape[:-1], 1, n))), x.ndim)  # (..., k, i)
    gradient = _sum(_reshape(g, (*g.shape[:-1], 1, n)) * _where(up_to, without_k, 0.0), (g.ndim,), False)
    return _permute(gradient, tuple(order))


_cumsum: Op = Op(
    "cumsum",
    lambda x, d: np.add.accumulate(widened(x), d, widened(x).dtype).astype(x.dtype, copy=False),
    lambda g, _y, _x, d: _from_the_end(g, d),
)
# Where there are zeros, its derivative takes the square of the dimension's size in memory.
_cumprod: Op = Op("cumprod", lambda x, d: np.multiply.accumulate(x, d, x.dtype), _cumprod_vjp)


def _running_extreme(name: str, ufunc: np.ufunc) -> Op:
    """The extreme so far, with the index of the last element that equals it, which alone gets the gradient."""

    def forward(x: np.ndarray, d: int) -> tuple[np.ndarray, np.ndarray]:
        extreme = ufunc.accumulate(x, d)
        own = np.arange(x.shape[d]).reshape(-1, *(1,) * (x.ndim - 1 - d))
        index = np.maximum.accumulate(np.where((x == extreme) | (x != x), own, 0), d)
        return gather_forward(x, d, index), index

    return Op(name, forward, lambda g, _y, _x, d, index: scatter_add_to(g, d, index, _x.shape))


_cummax, _cummin = _running_extreme("cummax", np.maximum), _running_extreme("cummin", np.minimum)


def _as_vector(x: Any) -> Any:
    """A tensor of no dimensions as a vector of one element."""
    return x if x.ndim else _reshape(x, (1,))


@numpy_names
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The sum of all elements up to, and with, each one along ``dim``. Integers and bools are summed as int64.

    Raises:
        DimensionError: ``dim`` is out of range.
        DTypeError: ``dtype`` is bool.

    >>> import minidl
    >>> minidl.cumsum(minidl.tensor([1, 2, 3, 4]), 0)
    tensor([ 1,  3,  6, 10])
    """
    x = numeric("cumsum", _summand("cumsum", input, dtype), "dtype")
    return _reshape(_cumsum(_as_vector(x), as_dim("cumsum", dim, x.ndim)), x.shape)


@numpy_names
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The product of all elements up to, and with, each one along ``dim``. Integers are multiplied as int64.

    Raises:
        DimensionError: ``dim`` is out of range.
        DTypeError: ``dtype`` is bool.

    >>> import minidl
    >>> minidl.cumprod(minidl.tensor([1, 2, 3, 4]), 0)
    tensor([ 1,  2,  6, 24])
    """
    x = numeric("cumprod", _summand("cumprod", input, dtype), "dtype")
    d = as_dim("cumprod", dim, x.ndim)
    return _cumprod(x, d) if x.ndim else _clone(x)


def _running(op: Op, input: Any, dim: Any) -> ValuesAndIndices:
    check_tensor(op.name, "input", input)
    d = as_dim(op.name, dim, input.ndim)
    return ValuesAndIndices(*[_reshape(y, input.shape) for y in op.with_extras(_as_vector(input), d)])


@numpy_names
def cummax(input: Tensor, dim: int) -> ValuesAndIndices:
    """The largest element up to each one along ``dim``, and where it is: a named tuple ``(values, indices)``.

    Where several tie the index is that of the last so far. Once there is a nan, all that follows is nan.

    Raises:
        DimensionError: ``dim`` is out of range.

    >>> import minidl
    >>> minidl.cummax(minidl.tensor([1.0, 3.0, 2.0, 3.0]), 0).indices
    tensor([0, 1, 1, 3])
    """
    return _running(_cummax, input, dim)


@numpy_names
def cummin(input: Tensor, dim: int) -> ValuesAndIndices:
    """The smallest element up to each one along ``dim``, and where it is, as :func:`cummax` says it.

    Raises:
        DimensionError: ``dim`` is out of range.

    >>> import minidl
    >>> minidl.cummin(minidl.tensor([3.0, 1.0, 2.0]), 0).values
    tensor([3., 1., 1.])
    """
    return _running(_cummin, input, dim)


@numpy_names
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Each element less the one before it along ``dim``, ``n`` times over: the n-th forward difference.

    Args:
        input: of at least one dimension. For bools, whether neighbours differ.
        n: how many times; the dimension becomes shorter by as much, until nothing is left.
        dim: the dimension.
        prepend: put before ``input`` first; of its shape but for ``dim``.
        append: put behind ``input`` first; of its shape but for ``dim``.

    Raises:
        ShapeError: ``input`` has no dimensions, or what is put before or behind does not fit.
        ArgumentError: ``n`` is negative.

    >>> import minidl
    >>> minidl.diff(minidl.tensor([1, 4, 9, 16]), n=2)
    tensor([2, 2])
    """
    check_has_dims("diff", input)
    d, order = as_dim("diff", dim, input.ndim), as_int("diff", "n", n)
    if order < 0:
        reject("diff", "n", "not negative", n)
    for name, x in (("prepend", prepend), ("append", append)):
        if x is not None and (not is_array(x) or x.ndim != input.ndim):
            raise ShapeError(
                must("diff", name, f"a tensor of {input.ndim} dimensions", getattr(x, "shape", x))
            )
    if order == 0:
        return _clone(input)  # without prepend and append, as PyTorch's
    parts = [x for x in (prepend, input, append) if x is not None]
    y: Any = cat(parts, d) if len(parts) > 1 else input
    for _ in range(min(order, y.shape[d])):
        later, earlier = _getitem(y, along(d, slice(1, None))), _getitem(y, along(d, slice(-1)))
        y = ne(later, earlier) if y.dtype == dtypes.bool_ else sub(later, earlier)
    return y
