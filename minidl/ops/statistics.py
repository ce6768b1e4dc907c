"""How far numbers lie apart: variance and standard deviation, alone and with the mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import DTypeError, must
from minidl.kernels import reduce as reduction
from minidl.ops.arguments import cast, check_tensor, numpy_names, widened
from minidl.ops.elementwise import _where
from minidl.ops.reduce import (
    DimArgument,
    Dims,
    _all_or,
    _count,
    _kept,
    _mean,
    _total,
    divided,
    dropped,
    mean,
    total,
)
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["var", "std", "var_mean", "std_mean"]


def _var_forward(x: np.ndarray, reduced: Dims, correction: float, keepdim: bool) -> np.ndarray:
    n = _count(x.shape, reduced)
    mean = divided(total(x, reduced, True), n)
    group = None if x.size < reduction.SMALL else reduction.grouped(x, reduced)
    if group is not None:
        squares = reduction.reduce_sum(group, reduction.DEVIATION, mean)
        return divided(squares if keepdim else dropped(squares, reduced), _freedom(n, correction))
    deviation = x - mean
    return divided(_total(deviation * deviation, reduced, None, None, keepdim), _freedom(n, correction))


def _freedom(n: int, correction: float) -> float:
    """The divisor of a variance; 0, and so nan or inf, where ``correction`` takes all."""
    return n - correction if n > correction else 0


def _var_vjp(g: Any, _y: Any, x: Any, reduced: Dims, correction: float, keepdim: bool) -> Any:
    scale = (
        g * 2.0 / np.asarray(_count(x.shape, reduced) - correction, x.dtype)
    )  # an array, lest Python mind a 0
    return _kept(scale, reduced, keepdim) * (x - _mean(x, reduced, True))


def _std_vjp(g: Any, y: Any, x: Any, reduced: Dims, correction: float, keepdim: bool) -> Any:
    """Through the square root; 0 where the deviation is 0, as in PyTorch, and not 0 / 0."""
    g = _where(y == 0.0, 0.0, g / (2.0 * y))
    return _var_vjp(g, y, x, reduced, correction, keepdim)


_var = Op("var", _var_forward, _var_vjp)
_std = Op("std", lambda *args: np.sqrt(_var_forward(*args)), _std_vjp)


def _spread(op: Op, input: Any, dim: Any, unbiased: Any, keepdim: bool, correction: Any) -> Any:
    check_tensor(op.name, "input", input)
    if input.dtype.kind != "f":
        raise DTypeError(must(op.name, "input", "of floats", input.dtype))
    if isinstance(dim, bool):  # var(input, unbiased)
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise DTypeError(must(op.name, "correction", "left out where unbiased is given", correction))
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    y = op.unary(widened(input), _all_or(op.name, dim, input, keepdim), correction, keepdim)
    return cast(y, input.dtype)


@numpy_names
def var(
    input: Tensor,
    dim: DimArgument | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """The variance: the sum of ``(x - mean)²`` divided by ``n - correction``, with n elements made one.

    Args:
        input: floats.
        dim: the dimensions to reduce; None for all.
        unbiased: an older way to say ``correction``: True is 1, False is 0. ``var(input, False)`` is understood too.
        keepdim: keep the reduced dimensions, as 1s.
        correction: 1 by default, which makes the estimate from a sample unbiased (Bessel); NumPy's default is 0.

    Raises:
        DTypeError: ``input`` is not of floats, or ``unbiased`` and ``correction`` are both given.
        DimensionError: a dimension is out of range, or repeated.

    >>> import minidl
    >>> x = minidl.tensor([1.0, 3.0, 5.0])
    >>> minidl.var(x), minidl.var(x, correction=0)
    (tensor(4.), tensor(2.6667))
    """
    return _spread(_var, input, dim, unbiased, keepdim, correction)


@numpy_names
def std(
    input: Tensor,
    dim: DimArgument | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """The standard deviation: the square root of :func:`var`, with the same arguments. Its gradient at 0 is 0.

    Raises:
        DTypeError: ``input`` is not of floats, or ``unbiased`` and ``correction`` are both given.
        DimensionError: a dimension is out of range, or repeated.

    >>> import minidl
    >>> minidl.std(minidl.tensor([1.0, 3.0, 5.0]))
    tensor(2.)
    """
    return _spread(_std, input, dim, unbiased, keepdim, correction)


@numpy_names
def var_mean(
    input: Tensor,
    dim: DimArgument | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """The variance and the mean along ``dim``, with the arguments of :func:`minidl.var`.

    Raises:
        DTypeError: ``input`` is not of floats.
        DimensionError: a dimension is out of range, or repeated.

    >>> import minidl
    >>> minidl.var_mean(minidl.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    spread = var(input, dim, unbiased, keepdim, correction=correction)
    return spread, mean(input, None if isinstance(dim, bool) else dim, keepdim)


@numpy_names
def std_mean(
    input: Tensor,
    dim: DimArgument | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean along ``dim``, with the arguments of :func:`minidl.std`.

    Raises:
        DTypeError: ``input`` is not of floats.
        DimensionError: a dimension is out of range, or repeated.

    >>> import minidl
    >>> minidl.std_mean(minidl.tensor([1.0, 2.0, 3.0]), dim=0)
    (tensor(1.), tensor(2.))
    """
    spread = std(input, dim, unbiased, keepdim, correction=correction)
    return spread, mean(input, None if isinstance(dim, bool) else dim, keepdim)
