"""Mean and spread together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minidl.ops.arguments import numpy_names
from minidl.ops.reduce import DimArgument, mean, std, var

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["var_mean", "std_mean"]


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
    """The standard deviation and the mean along ``dim``, with the arguments of :func:`minidl.std`."""
    spread = std(input, dim, unbiased, keepdim, correction=correction)
    return spread, mean(input, None if isinstance(dim, bool) else dim, keepdim)
