"""Losses of numbers that are quadratic for small errors and linear for large ones, which outliers then do not rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import DTypeError, must
from minidl.ops.arguments import as_float, reject
from minidl.ops.choice import _clamp
from minidl.ops.loss import _numbers, check_weight, l1_loss
from minidl.ops.reduction import chosen, reduced
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["smooth_l1_loss", "huber_loss"]


def _huber_forward(d: np.ndarray, delta: float) -> np.ndarray:
    size = np.abs(d)
    return np.where(size < delta, 0.5 * d * d, delta * (size - 0.5 * delta))


_huber = Op("huber_loss", _huber_forward, lambda g, _y, d, delta: g * _clamp(d, -delta, delta))


def _difference(op: str, input: Any, target: Any) -> Any:
    x, t, _ = _numbers(op, input, target)
    if x.dtype.kind != "f":
        raise DTypeError(must(op, "input or target", "of floats", x.dtype))
    return x - t


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """``0.5 * d^2 / beta`` where ``|d| < beta``, else ``|d| - 0.5 * beta``; d = input - target (Girshick, 2015).

    That is :func:`huber_loss` divided by ``beta``; with ``beta=0`` it is :func:`minidl.ops.loss.l1_loss`.

    Raises:
        ArgumentError: ``beta`` is negative, or the reduction does not exist.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.nn.functional.smooth_l1_loss(minidl.tensor([0.5, 3.0]), minidl.zeros(2), reduction="none")
    tensor([0.125, 2.5  ])
    """
    reduction = chosen("smooth_l1_loss", reduction, size_average, reduce)
    beta = as_float("smooth_l1_loss", "beta", beta)
    if beta < 0:
        reject("smooth_l1_loss", "beta", "not negative", beta)
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    losses = _huber(_difference("smooth_l1_loss", input, target), beta) / beta
    return reduced(losses, reduction)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """``0.5 * d^2`` where ``|d| < delta``, else ``delta * (|d| - 0.5 * delta)``; d = input - target (Huber, 1964).

    Args:
        input: of any shape.
        target: of input's shape (other shapes are broadcast, with a warning).
        reduction: "mean" (of all elements, weighted or not), "sum" or "none".
        delta: where the loss becomes linear; positive.
        weight: factors of the losses, of input's shape.

    Raises:
        ArgumentError: ``delta`` is not positive, or the reduction does not exist.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.nn.functional.huber_loss(minidl.tensor([1.0, 3.0]), minidl.zeros(2), reduction="none", delta=2.0)
    tensor([0.5, 4. ])
    """
    chosen("huber_loss", reduction)
    delta = as_float("huber_loss", "delta", delta)
    if not delta > 0:
        reject("huber_loss", "delta", "positive", delta)
    losses = _huber(_difference("huber_loss", input, target), delta)
    if weight is not None:
        check_weight("huber_loss", weight, input)
        losses = losses * weight
    return reduced(losses, reduction)
