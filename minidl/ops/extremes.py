"""The largest and the smallest of many, and where they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minidl.errors import DimensionError, DTypeError, must
from minidl.kernels import reduce as reduction
from minidl.ops.arguments import cast, check_bool, check_tensor, is_array, numpy_names
from minidl.ops.arguments import dim as as_dim
from minidl.ops.choice import maximum, minimum
from minidl.ops.gathering import gather_forward, scatter_add_to
from minidl.ops.reduce import DimArgument, Dims, _all_or, _count, _kept, _sum, dropped
from minidl.ops.shape import _reshape
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["max", "min", "amax", "amin", "argmax", "argmin"]


class ValuesAndIndices(NamedTuple):
    """The values that were found, and where along the dimension."""

    values: Tensor
    indices: Tensor


# Up to this many elements an extremum is found soonest by its place, and from it on, along axes, by the kernel. The
# results are the same.
SMALL = 1 << 14


def _extremum(name: str, ufunc: Any, place: Callable[..., Any], same: Callable[[Any, Any], Any]) -> Op:
    """A maximum or minimum, whose gradient the elements that are the ``same`` as it share evenly."""

    kind = reduction.LARGEST if ufunc is np.maximum else reduction.SMALLEST

    def forward(x: np.ndarray, reduced: Dims, keepdim: bool) -> np.ndarray:
        if reduced is None and not keepdim and x.size < SMALL:
            flat = x.ravel()
            return flat[place(flat)]
        group = None if reduced is None or x.size < SMALL else reduction.grouped(x, reduced)
        if group is not None:  # over all elements NumPy is as fast
            y = reduction.reduce_sum(group, kind)
            return y if keepdim else dropped(y, reduced)
        return ufunc.reduce(x, reduced, None, None, keepdim)

    def vjp(g: Any, y: Any, x: Any, reduced: Dims, keepdim: bool) -> Any:
        found = cast(same(x, _kept(y, reduced, keepdim)), x.dtype)
        return _kept(g, reduced, keepdim) * found / _sum(found, reduced, True)

    return Op(name, forward, vjp)


def _equal(x: Any, y: Any) -> Any:
    return x == y


def _equal_or_both_nan(x: Any, y: Any) -> Any:
    return (x == y) | ((x != x) & (y != y))


_arg_max: Any = np.ndarray.argmax  # the methods, without the overhead of NumPy's functions of the same names
_arg_min: Any = np.ndarray.argmin
_amax = _extremum("amax", np.maximum, _arg_max, _equal)
_amin = _extremum("amin", np.minimum, _arg_min, _equal)
_max = _extremum("max", np.maximum, _arg_max, _equal_or_both_nan)
_min = _extremum("min", np.minimum, _arg_min, _equal_or_both_nan)


def _at_index(name: str, arg: Callable[..., Any]) -> Op:
    """A maximum or minimum along one dimension, with its index, which alone gets the gradient."""

    def forward(x: np.ndarray, d: int, keepdim: bool) -> tuple[np.ndarray, np.ndarray]:
        index = arg(x, d, keepdims=True)
        values = gather_forward(x, d, index)
        return (values, index) if keepdim else (values.squeeze(d), index.squeeze(d))

    def vjp(g: Any, _y: Any, _x: Any, d: int, keepdim: bool, index: Any) -> Any:
        return scatter_add_to(_kept(g, (d,), keepdim), d, _kept(index, (d,), keepdim), _x.shape)

    return Op(name, forward, vjp)


_max_at, _min_at = _at_index("max", _arg_max), _at_index("min", _arg_min)
_argmax = Op("argmax", lambda x, d, keepdim: x.argmax(d, keepdims=keepdim))
_argmin = Op("argmin", lambda x, d, keepdim: x.argmin(d, keepdims=keepdim))


def _check_some(op: str, x: Any, reduced: Dims) -> None:
    if _count(x.shape, reduced) == 0:
        along = "" if reduced is None else f" along dimension {', '.join(map(str, reduced))}"
        raise DimensionError(must(op, "input", f"of at least one element{along}", f"shape {x.shape}"))


def _of_some(op: Op, x: Any, reduced: Any, keepdim: bool) -> Any:
    """``op(x, reduced, keepdim)``; whether there are elements is looked at only where NumPy has refused."""
    try:
        return op.unary(x, reduced, keepdim)
    except ValueError:
        _check_some(op.name, x, (reduced,) if isinstance(reduced, int) else reduced)
        raise


def _extreme(at: Op, whole: Op, pair: Callable[..., Any], x: Any, dim: Any, keepdim: bool, other: Any) -> Any:
    """The three forms of ``max`` and ``min``."""
    if dim is None is other and keepdim is False:
        check_tensor(whole.name, "input", x)
        return _of_some(whole, x, None, False)
    if other is not None or is_array(dim):
        return pair(x, dim if other is None else other)
    check_tensor(whole.name, "input", x)
    check_bool(whole.name, "keepdim", keepdim)
    if dim is None:
        return _of_some(whole, x, None, keepdim)
    d = as_dim(whole.name, dim, x.ndim)
    if x.ndim == 0:
        return ValuesAndIndices(*[_reshape(y, ()) for y in at.with_extras(_reshape(x, (1,)), 0, True)])
    _check_some(whole.name, x, (d,))
    return ValuesAndIndices(*at.with_extras(x, d, keepdim))


@numpy_names
def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Tensor | None = None) -> Any:
    """The largest element; nan if there is one.

    - ``max(input)``: of all elements; elements that tie share the gradient evenly.
    - ``max(input, dim, keepdim)``: along one dimension, as a named tuple ``(values, indices)``, with the index of the
      first where several tie (int64); the element at the index gets the gradient.
    - ``max(input, other)``: :func:`maximum` of two tensors.

    Raises:
        DimensionError: there is no element.

    >>> import minidl
    >>> minidl.max(minidl.tensor([[1.0, 5.0], [7.0, 3.0]]), dim=1)
    ValuesAndIndices(values=tensor([5., 7.]), indices=tensor([1, 0]))
    """
    return _extreme(_max_at, _max, maximum, input, dim, keepdim, other)


@numpy_names
def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Tensor | None = None) -> Any:
    """The smallest element; nan if there is one. The forms are those of :func:`max`.

    Raises:
        DimensionError: there is no element.

    >>> import minidl
    >>> minidl.min(minidl.tensor([3.0, 1.0, 2.0]))
    tensor(1.)
    """
    return _extreme(_min_at, _min, minimum, input, dim, keepdim, other)


@numpy_names
def amax(input: Tensor, dim: DimArgument = None, keepdim: bool = False) -> Tensor:
    """The largest elements along dimensions; elements that tie share the gradient evenly.

    Raises:
        DimensionError: there is no element, or a dimension is out of range.

    >>> import minidl
    >>> minidl.amax(minidl.tensor([[1.0, 5.0], [7.0, 3.0]]), dim=(0, 1))
    tensor(7.)
    """
    return _extreme_along(_amax, input, dim, keepdim)


@numpy_names
def amin(input: Tensor, dim: DimArgument = None, keepdim: bool = False) -> Tensor:
    """The smallest elements along dimensions; elements that tie share the gradient evenly.

    Raises:
        DimensionError: there is no element, or a dimension is out of range.

    >>> import minidl
    >>> minidl.amin(minidl.tensor([[1.0, 5.0], [7.0, 3.0]]), dim=0)
    tensor([1., 3.])
    """
    return _extreme_along(_amin, input, dim, keepdim)


def _extreme_along(op: Op, input: Any, dim: Any, keepdim: bool) -> Any:
    check_tensor(op.name, "input", input)
    return _of_some(op, input, _all_or(op.name, dim, input, keepdim), keepdim)


@numpy_names
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest element is: its index (int64) along ``dim``, or in the flattened tensor.

    The first where several tie; nan counts as the largest.

    Raises:
        DimensionError: there is no element, or ``dim`` is out of range.
        DTypeError: ``input`` is of bools.

    >>> import minidl
    >>> x = minidl.tensor([[1.0, 5.0], [7.0, 3.0]])
    >>> minidl.argmax(x), minidl.argmax(x, dim=1)
    (tensor(2), tensor([1, 0]))
    """
    return _where_extreme(_argmax, input, dim, keepdim)


@numpy_names
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest element is, as :func:`argmax` says it; nan counts as the smallest.

    Raises:
        DimensionError: there is no element, or ``dim`` is out of range.
        DTypeError: ``input`` is of bools.

    >>> import minidl
    >>> minidl.argmin(minidl.tensor([3.0, 1.0, 2.0]))
    tensor(1)
    """
    return _where_extreme(_argmin, input, dim, keepdim)


def _where_extreme(op: Op, input: Any, dim: Any, keepdim: bool) -> Any:
    check_tensor(op.name, "input", input)
    if input.dtype.kind == "b":
        raise DTypeError(must(op.name, "input", "of numbers, not bools", input.dtype))
    check_bool(op.name, "keepdim", keepdim)
    ndim = input.ndim
    d = None if dim is None else as_dim(op.name, dim, ndim)
    return _of_some(op, input, d if ndim else None, keepdim)
