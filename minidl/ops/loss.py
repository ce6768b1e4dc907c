"""Losses of numbers, and of answers that are yes or no: how far predictions are from targets.

``reduction`` is the same everywhere: "mean" (of all losses), "sum", or "none" for the losses themselves. The losses
that training uses most are one Op each, which computes the gradient beside the loss, while the data is in the cache,
and keeps it for the backward.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import DTypeError, ShapeError, must, warn
from minidl.kernels import bce_with_logits
from minidl.ops.activation import _logsigmoid
from minidl.ops.arguments import (
    check_broadcast,
    check_tensor,
    floats,
    promote,
    promote_pair,
    reject,
    wants_gradient,
)
from minidl.ops.choice import _clamp
from minidl.ops.elementwise import _abs, _sigmoid, _square, square
from minidl.ops.reduce import _total
from minidl.ops.reduction import chosen, reduced, scale
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor


# --- Numbers ------------------------------------------------------------------------------------------------------

_squared_error = Op(
    "mse_loss",
    lambda x, t, scale: _total(np.square(x - t), None) * scale,
    lambda g, _y, x, t, scale: (g * (2.0 * scale)) * (x - t),
    lambda g, _y, x, t, scale: (g * (2.0 * scale)) * (t - x),
)


def _numbers(op: str, input: Any, target: Any) -> tuple[Any, Any, tuple[int, ...]]:
    """Both in their common dtype, and the shape of the losses."""
    check_tensor(op, "input", input)
    check_tensor(op, "target", target)
    shape = input.shape
    if shape != target.shape:
        warn(
            f"{op}: target has shape {target.shape} and input {input.shape}: they are broadcast, likely by mistake"
        )
        shape = check_broadcast(op, input.shape, target.shape)
    return (*promote_pair(op, input, target), shape)


def _weighted(op: str, losses: Any, weight: Any, input: Any, reduction: str) -> Any:
    """The losses times their weights; the mean is of so many as the weights sum up to."""
    check_weight(op, weight, input)
    losses = losses * weight
    return (
        reduced(losses, "sum") / reduced(weight, "sum") if reduction == "mean" else reduced(losses, reduction)
    )


def check_weight(op: str, weight: Any, input: Any) -> None:
    """The weights of single losses are of input's shape."""
    check_tensor(op, "weight", weight)
    if weight.shape != input.shape:
        raise ShapeError(must(op, "weight", f"of input's shape {input.shape}", weight.shape))


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The squared error, ``(input - target)**2``.

    Args:
        input: of any shape, floats (here or in ``target``).
        target: of input's shape (other shapes are broadcast, with a warning).
        size_average, reduce: deprecated, see ``reduction``.
        reduction: "mean", "sum" or "none".
        weight: factors of the losses, of input's shape; the mean is then ``sum(weight * loss) / sum(weight)``.

    Raises:
        ArgumentError: the reduction does not exist.
        ShapeError: the shapes do not broadcast.
        DTypeError: neither is of floats.

    >>> import minidl
    >>> minidl.nn.functional.mse_loss(minidl.tensor([1.0, 2.0]), minidl.tensor([1.0, 4.0]))
    tensor(2.)
    """
    reduction = chosen("mse_loss", reduction, size_average, reduce)
    x, t, shape = _numbers("mse_loss", input, target)
    if weight is not None:
        return _weighted("mse_loss", square(x - t), weight, input, reduction)
    if x.dtype.kind != "f":
        raise DTypeError(must("mse_loss", "input or target", "of floats", x.dtype))
    if reduction == "none":
        return _square(x - t)
    return _squared_error(x, t, scale(shape, reduction))


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The absolute error, ``|input - target|``; its gradient at 0 is 0. Arguments as for :func:`mse_loss`.

    Raises:
        ArgumentError: the reduction does not exist.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.nn.functional.l1_loss(minidl.tensor([1.0, 2.0]), minidl.tensor([1.0, 4.0]), reduction="sum")
    tensor(2.)
    """
    reduction = chosen("l1_loss", reduction, size_average, reduce)
    x, t, _ = _numbers("l1_loss", input, target)
    losses = _abs(x - t)
    return (
        reduced(losses, reduction)
        if weight is None
        else _weighted("l1_loss", losses, weight, input, reduction)
    )


# --- Yes or no ----------------------------------------------------------------------------------------------------


def _bce_forward(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """``-t*log(x) - (1-t)*log(1-x)``, logarithms at least -100. A complaint shows the least and the largest value."""
    for name, a in (("input", x), ("target", t)):
        if a.size and not (np.min(a) >= 0 and np.max(a) <= 1):
            reject("binary_cross_entropy", name, "between 0 and 1", (float(np.min(a)), float(np.max(a))))
    return -(t * np.maximum(np.log(x), -100.0) + (1.0 - t) * np.maximum(np.log1p(-x), -100.0))


_bce = Op(
    "binary_cross_entropy",
    _bce_forward,
    lambda g, _y, x, t: g * ((x - t) / _clamp(x * (1.0 - x), 1e-12, math.inf)),
    lambda g, _y, x, _t: g * (np.log(1.0 - x) - np.log(x)),
)


def _bce_with_logits_joint(
    needs: Any, g: Any, _y: Any, x: Any, t: Any, scale: float, _want: Any, gradient: Any
) -> tuple[Any, Any]:
    """Where the loss itself is differentiated, g is 1, and the gradient is what the forward has left."""
    of_x = of_t = None
    if needs[0]:
        done = gradient is not None and type(g) is np.ndarray and g == 1
        of_x = gradient if done else g * (scale * (_sigmoid(x) - t) if gradient is None else gradient)
    if needs[1]:
        of_t = g * (x * -scale)
    return of_x, of_t


_bce_with_logits = Op(
    "binary_cross_entropy_with_logits", bce_with_logits.forward, joint=_bce_with_logits_joint, caches=1
)


def _check_binary(op: str, input: Any, target: Any, **factors: Any) -> None:
    check_tensor(op, "input", input)
    check_tensor(op, "target", target)
    if target.shape != input.shape:
        raise ShapeError(must(op, "target", f"of input's shape {input.shape}", target.shape))
    floats(op, input)
    floats(op, target, "target")
    for name, factor in factors.items():
        if factor is not None:
            floats(op, factor, name)
            if check_broadcast(op, factor.shape, input.shape) != input.shape:
                raise ShapeError(must(op, name, f"broadcastable to {input.shape}", factor.shape))


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``-weight * (target * log(input) + (1 - target) * log(1 - input))``, from probabilities.

    A logarithm below -100 counts as -100. From logits, :func:`binary_cross_entropy_with_logits` is faster.

    Args:
        input: probabilities, of any shape.
        target: from 0 to 1, of input's shape and dtype.
        weight: factors, broadcast to input's shape.
        size_average, reduce: deprecated, see ``reduction``.
        reduction: "mean", "sum" or "none".

    Raises:
        ArgumentError: a value is not between 0 and 1.
        ShapeError, DTypeError: shapes or dtypes differ.

    >>> import minidl
    >>> minidl.nn.functional.binary_cross_entropy(minidl.tensor([0.5]), minidl.tensor([1.0]))  # log 2
    tensor(0.6931)
    """
    op = "binary_cross_entropy"
    reduction = chosen(op, reduction, size_average, reduce)
    _check_binary(op, input, target, weight=weight)
    if target.dtype != input.dtype:
        raise DTypeError(must(op, "target", f"of input's dtype {input.dtype}", target.dtype))
    losses = _bce(input, target)
    return reduced(losses if weight is None else losses * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """``binary_cross_entropy(sigmoid(input), target)``, in a form in which nothing overflows.

        weight * (max(x, 0) - x * target + log(1 + e^-|x|))

    Args:
        input: logits, of any shape.
        target: of input's shape.
        weight: factors, broadcast to input's shape.
        size_average, reduce: deprecated, see ``reduction``.
        reduction: "mean", "sum" or "none".
        pos_weight: factors of the ``target * log(sigmoid(input))`` part alone: above 1 for more recall.

    Raises:
        ShapeError: the shapes differ.
        ArgumentError: the reduction does not exist.

    >>> import minidl
    >>> minidl.nn.functional.binary_cross_entropy_with_logits(minidl.tensor([0.0]), minidl.tensor([1.0]))  # log 2
    tensor(0.6931)
    """
    op = "binary_cross_entropy_with_logits"
    reduction = chosen(op, reduction, size_average, reduce)
    _check_binary(op, input, target, weight=weight, pos_weight=pos_weight)
    x, t = promote(op, input, target)
    if weight is None and pos_weight is None and reduction != "none":
        return _bce_with_logits(x, t, scale(x.shape, reduction), wants_gradient(x))
    losses = -_logsigmoid(x)
    if pos_weight is not None:
        losses = losses * ((pos_weight - 1.0) * t + 1.0)
    losses = losses + (1.0 - t) * x
    return reduced(losses if weight is None else losses * weight, reduction)
