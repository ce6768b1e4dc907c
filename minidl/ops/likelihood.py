"""Losses that compare a target with a distribution: the Kullback-Leibler divergence, Gauss and Poisson likelihoods."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import DTypeError, ShapeError, must, warn
from minidl.ops.arguments import (
    as_float,
    check_broadcast,
    check_tensor,
    floating,
    floats,
    plain,
    promote,
    reject,
)
from minidl.ops.elementwise import _where
from minidl.ops.reduce import _sum
from minidl.ops.reduction import chosen, reduced
from minidl.ops.shape import _reshape
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["kl_div", "gaussian_nll_loss", "poisson_nll_loss"]

# x * log(x), 0 at 0.
_xlogx = Op(
    "xlogx",
    lambda x: np.where(x == 0.0, 0.0, x * np.log(x)),
    lambda g, _y, x: g * (np.log(x) + 1.0),
)
# max(x, low), through which the gradient passes everywhere.
_at_least = Op("clamp", np.maximum, lambda g, _y, _x, _low: g)


def _pair(op: str, input: Any, target: Any) -> tuple[Any, Any]:
    """Both in their common dtype; shapes that broadcast."""
    check_tensor(op, "input", input)
    check_tensor(op, "target", target)
    check_broadcast(op, input.shape, target.shape)
    x, t = promote(op, input, target)
    return x, t


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """The Kullback-Leibler divergence (1951), by element: ``target * (log(target) - input)``, 0 where ``target`` is.

    Args:
        input: logarithms of probabilities, of any shape.
        target: probabilities, of a shape that broadcasts with input's.
        size_average, reduce: deprecated, see ``reduction``.
        reduction: "batchmean" (the sum divided by input's first size), which is the divergence's definition; "mean" of
            all elements, "sum" or "none".
        log_target: ``target`` too is given as logarithms: ``exp(target) * (target - input)``.

    Raises:
        DTypeError: one of them is not of floats.
        ArgumentError: the reduction does not exist.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> p = minidl.tensor([[0.5, 0.5]])
    >>> minidl.nn.functional.kl_div(p.log(), p, reduction="batchmean")
    tensor(0.)
    """
    reduction = chosen("kl_div", reduction, size_average, reduce, "batchmean")
    if reduction == "mean":
        warn(
            "kl_div: reduction 'mean' divides by the number of elements, not of samples; 'batchmean' is the "
            "Kullback-Leibler divergence"
        )
    for name, tensor in (("input", input), ("target", target)):
        check_tensor("kl_div", name, tensor)
        if tensor.dtype.kind != "f":
            raise DTypeError(must("kl_div", name, "of floats", tensor.dtype))
    x, t = _pair("kl_div", input, target)
    losses = np.exp(t) * (t - x) if log_target else _xlogx(t) - t * x
    if reduction == "batchmean":
        return _sum(losses, None, False) / (input.shape[0] or math.nan) if input.ndim else losses
    return reduced(losses, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """The negative log likelihood of ``target`` under a Gaussian of mean ``input`` (Nix & Weigend, 1994).

        0.5 * (log(max(var, eps)) + (input - target)^2 / max(var, eps))

    Args:
        input: means, of any shape.
        target: of a shape that broadcasts with input's.
        var: variances, not negative: of input's shape, or the same along the last dimension (which is then 1, or
            missing); or a number. The gradient passes also where ``eps`` is larger.
        full: add the constant ``0.5 * log(2 pi)``.
        eps: the least variance.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: the shapes do not fit.
        ArgumentError: a variance is negative, or the reduction does not exist.
        DTypeError: the variances are not floats.

    >>> import minidl
    >>> zero, two = minidl.tensor([0.0]), minidl.tensor([2.0])
    >>> minidl.nn.functional.gaussian_nll_loss(zero, two, minidl.tensor([1.0]))
    tensor(2.)
    """
    op = "gaussian_nll_loss"
    chosen(op, reduction)
    x, t = _pair(op, input, target)
    if isinstance(var, (int, float)):
        var_tensor: Any = np.full(x.shape, var, x.dtype if x.dtype.kind == "f" else np.float32)
    else:
        var_tensor = floats(op, var, "var")
    if var_tensor.shape != input.shape:
        if var_tensor.shape == input.shape[:-1]:
            var_tensor = _reshape(var_tensor, (*var_tensor.shape, 1))
        elif not input.ndim or var_tensor.shape != (*input.shape[:-1], 1):
            expected = f"{input.shape}, {(*input.shape[:-1], 1)} or {input.shape[:-1]}"
            raise ShapeError(must(op, "var", expected, var_tensor.shape))
    if np.any(plain(var_tensor) < 0):
        reject(op, "var", "not negative", float(np.min(plain(var_tensor))))
    error, v = promote(op, x - t, _at_least(var_tensor, as_float(op, "eps", eps)))
    losses = 0.5 * (np.log(v) + error * error / v)
    return reduced(losses + 0.5 * math.log(2.0 * math.pi) if full else losses, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The negative log likelihood of counts under a Poisson distribution: ``exp(input) - target * input``.

    Args:
        input: logarithms of the expected counts; with ``log_input=False`` these themselves, for
            ``input - target * log(input + eps)``.
        target: counts, of a shape that broadcasts with input's.
        log_input: see ``input``.
        full: add Stirling's approximation of ``log(target!)``, ``t log(t) - t + 0.5 log(2 pi t)`` where t > 1.
        size_average, reduce: deprecated, see ``reduction``.
        eps: keeps the logarithm of 0 away.
        reduction: "mean", "sum" or "none".

    Raises:
        ArgumentError: the reduction does not exist.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.nn.functional.poisson_nll_loss(minidl.tensor([0.0]), minidl.tensor([3.0]))
    tensor(1.)
    """
    op = "poisson_nll_loss"
    reduction = chosen(op, reduction, size_average, reduce)
    x, t = _pair(op, floating(op, input), target)
    losses = np.exp(x) - t * x if log_input else x - t * np.log(x + eps)
    if full:
        many = t > 1
        n = _where(many, t, 1.0)
        losses = losses + _where(many, n * np.log(n) - n + 0.5 * np.log(2.0 * math.pi * n), 0.0)
    return reduced(losses, reduction)
