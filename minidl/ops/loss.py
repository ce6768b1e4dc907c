"""Losses: how far predictions are from targets.

``reduction`` is the same everywhere: "mean" (of all losses), "sum", or "none" for the losses themselves. The losses
that training uses most are one Op each, which computes the gradient beside the loss, while the data is in the cache,
and keeps it for the backward.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import DimensionError, DTypeError, ShapeError, must
from minidl.grad_mode import is_grad_enabled
from minidl.kernels import bce_with_logits
from minidl.ops import reduce
from minidl.ops.activation import _log_softmax, _logsigmoid, _softmax
from minidl.ops.arguments import check_broadcast, check_tensor, one_of, promote, reject
from minidl.ops.elementwise import _abs, _clamp, _sigmoid, _square
from minidl.ops.reduce import _sum
from minidl.ops.shape import _reshape
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor


def _reduce(losses: Any, reduction: str) -> Any:
    if reduction == "none":
        return losses
    return reduce.mean(losses) if reduction == "mean" else reduce.sum(losses)


def _scale(shape: tuple[int, ...], reduction: str) -> float:
    """What the sum of the losses is multiplied by; nan for the mean of none."""
    return 1.0 / (math.prod(shape) or math.nan) if reduction == "mean" else 1.0


def _check_reduction(op: str, reduction: str) -> None:
    one_of(op, "reduction", reduction, ("mean", "sum", "none"))


def _check_floats(op: str, argument: str, x: Any) -> None:
    check_tensor(op, argument, x)
    if x.dtype.kind != "f":
        raise DTypeError(must(op, argument, "of floats", x.dtype))


def _wants_gradient(x: Any) -> bool:
    return is_grad_enabled() and getattr(x, "requires_grad", False)


# --- Numbers ------------------------------------------------------------------------------------------------------

_squared_error = Op(
    "mse_loss",
    lambda x, t, scale: np.sum(np.square(x - t)) * scale,
    lambda g, _y, x, t, scale: (g * (2.0 * scale)) * (x - t),
    lambda g, _y, x, t, scale: (g * (2.0 * scale)) * (t - x),
)


def _numbers(op: str, input: Any, target: Any, reduction: str) -> tuple[Any, Any, tuple[int, ...]]:
    """Both in their common dtype, and the shape of the losses."""
    _check_reduction(op, reduction)
    check_tensor(op, "input", input)
    check_tensor(op, "target", target)
    if input.shape != target.shape:
        warnings.warn(
            f"{op}: target has shape {target.shape} and input {input.shape}: they are broadcast, likely by mistake",
            stacklevel=3,
        )
    shape = check_broadcast(op, input.shape, target.shape)
    return (*promote(op, input, target), shape)


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The squared error, ``(input - target)**2``."""
    x, t, shape = _numbers("mse_loss", input, target, reduction)
    if x.dtype.kind != "f":
        raise DTypeError(must("mse_loss", "input or target", "of floats", x.dtype))
    if reduction == "none":
        return _square(x - t)
    return _squared_error(x, t, _scale(shape, reduction))


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The absolute error, ``|input - target|``; its gradient at 0 is 0."""
    x, t, _ = _numbers("l1_loss", input, target, reduction)
    return _reduce(_abs(x - t), reduction)


# --- Classes ------------------------------------------------------------------------------------------------------

# x (N, C, ...) and t (N, 1, ...): the numbers at each sample's class t, and numbers put there. Linear, and each
# other's derivative.
_pick = Op("pick", lambda x, t: np.take_along_axis(x, t, 1), lambda g, _y, _x, t: _place(g, t, _x.shape))


def _placed(v: np.ndarray, t: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    y = np.zeros(shape, v.dtype)
    np.put_along_axis(y, t, v, axis=1)
    return y


_place: Op = Op("place", _placed, lambda g, _y, _v, t, _shape: _pick(g, t))


def _class_weights(
    op: str, x: np.ndarray, target: np.ndarray, weight: Any, ignore_index: int, reduction: str
) -> tuple[np.ndarray, np.ndarray, Any]:
    """The class of each sample; the weight of its class, 0 if it is ignored (both (N, 1, ...)); and the divisor."""
    classes = x.shape[1]
    t = np.expand_dims(target, 1).astype(np.intp, copy=False)
    ignored = t == ignore_index
    wrong = ~ignored & ((t < 0) | (t >= classes))
    if wrong.any():
        raise DimensionError(must(op, "target", f"in [0, {classes - 1}] for {classes} classes", t[wrong][0]))
    t = np.where(ignored, 0, t)
    c = np.ones(t.shape, x.dtype) if weight is None else weight[t]
    c[ignored] = 0
    return t, c, np.sum(c) if reduction == "mean" else 1.0


def _times(c: np.ndarray, values: np.ndarray) -> np.ndarray:
    """``c * values``, but 0 where c is 0, whatever the value: what is ignored may be infinite."""
    return np.multiply(c, values, where=c != 0, out=np.zeros_like(values))


def _nll_forward(
    x: np.ndarray, target: np.ndarray, weight: Any, ignore_index: int, reduction: str
) -> tuple[Any, ...]:
    t, c, divisor = _class_weights("nll_loss", x, target, weight, ignore_index, reduction)
    losses = _times(c, -np.take_along_axis(x, t, axis=1))
    np.divide(c, divisor, out=c, where=c != 0)
    return losses if reduction == "none" else np.sum(losses) / divisor, t, c


# With reduction "none" g is (N, 1, ...), like c; else it has no dimensions.
_nll = Op(
    "nll_loss",
    _nll_forward,
    lambda g, _y, _x, _target, _weight, _ignore, _reduction, t, c: _place(-g * c, t, _x.shape),
)


def _cross_entropy_forward(
    x: np.ndarray, target: np.ndarray, weight: Any, ignore_index: int, reduction: str, want_gradient: bool
) -> tuple[Any, ...]:
    """The loss, ``c * (log(sum of exp(x)) - x[t])`` summed; t; c; and the gradient, ``c * (softmax(x) - [t])``."""
    t, c, divisor = _class_weights("cross_entropy", x, target, weight, ignore_index, reduction)
    z = x - np.max(x, axis=1, keepdims=True)
    at_target = np.take_along_axis(z, t, axis=1)
    np.exp(z, out=z)
    total = np.sum(z, axis=1, keepdims=True)
    loss = np.sum(_times(c, np.log(total) - at_target)) / divisor
    np.divide(c, divisor, out=c, where=c != 0)
    if not want_gradient:
        return loss, t, c, None
    z *= c / total
    np.put_along_axis(z, t, np.take_along_axis(z, t, axis=1) - c, axis=1)
    return loss, t, c, z


def _cross_entropy_vjp(g, _y, x, _target, _weight, _ignore, _reduction, _want, t, c, gradient):
    if gradient is None:
        gradient = c * _softmax(x, (1,)) - _place(c, t, x.shape)
    return g * gradient


_cross_entropy = Op("cross_entropy", _cross_entropy_forward, _cross_entropy_vjp, caches=1)


def _smoothed_forward(
    x: np.ndarray, target: np.ndarray, weight: Any, ignore_index: int, reduction: str, smoothing: float
) -> tuple[np.ndarray, Any]:
    """The classes as weighted probabilities: ``1 - smoothing``, and ``smoothing`` shared among all classes.

    And what is to be added to the loss: 0, or nan for the mean of no samples.
    """
    t, c, divisor = _class_weights("cross_entropy", x, target, weight, ignore_index, reduction)
    q = np.full(x.shape, smoothing / x.shape[1], x.dtype)
    q *= np.expand_dims(target != ignore_index, 1)
    if weight is not None:
        q *= weight.reshape(-1, *(1,) * (x.ndim - 2))
    np.put_along_axis(q, t, np.take_along_axis(q, t, axis=1) + (1.0 - smoothing) * c, axis=1)
    return np.divide(q, divisor, out=q, where=q != 0), np.asarray(0.0 / divisor, x.dtype)


_smoothed = Op("label_smoothing", _smoothed_forward)


def _check_classes(op: str, input: Any, target: Any, weight: Any, reduction: str) -> None:
    """Checks what targets of either kind share."""
    _check_reduction(op, reduction)
    _check_floats(op, "input", input)
    check_tensor(op, "target", target)
    if input.ndim == 0:
        raise ShapeError(must(op, "input", "(N, C), (C,) or (N, C, d1, ...)", input.shape))
    if weight is not None:
        _check_floats(op, "weight", weight)
        if weight.shape != input.shape[:2][-1:]:
            raise ShapeError(must(op, "weight", f"{input.shape[:2][-1:]}, one for each class", weight.shape))


def _with_classes(op: str, input: Any, target: Any, weight: Any) -> tuple[Any, Any, tuple[int, ...]]:
    """``input`` as (N, C, ...), ``target`` as (N, ...), and the shape of the losses."""
    if target.dtype not in (np.int64, np.uint8):
        expected = "classes (int64 or uint8)"
        expected += " or probabilities (floats of input's shape)" if op == "cross_entropy" else ""
        raise DTypeError(must(op, "target", expected, f"{target.dtype} of shape {target.shape}"))
    losses = (*input.shape[:1], *input.shape[2:]) if input.ndim > 1 else ()
    if target.shape != losses and not (input.ndim == 1 and target.shape == (1,)):
        raise ShapeError(must(op, "target", f"{losses} to match input {input.shape}", target.shape))
    if weight is not None and weight.dtype != input.dtype:
        raise DTypeError(must(op, "weight", f"of input's dtype {input.dtype}", weight.dtype))
    if input.ndim > 1:
        return input, target, losses
    return _reshape(input, (1, *input.shape)), _reshape(target, (1,)), losses


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """The negative log likelihood of classes, ``-weight[target] * input[target]``, from log-probabilities.

    Arguments as for :func:`cross_entropy`, which is this after :func:`log_softmax`.
    """
    _check_classes("nll_loss", input, target, weight, reduction)
    x, t, shape = _with_classes("nll_loss", input, target, weight)
    y = _nll(x, t, weight, ignore_index, reduction)
    return _reshape(y, shape) if reduction == "none" else y


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The cross-entropy of the softmax of ``input`` with the true classes: ``-log(softmax(input)[target])``.

    Args:
        input: logits (N, C), or (C,), or (N, C, d1, ...), for C classes.
        target: classes (N,), (), or (N, d1, ...), int64 or uint8; or probabilities, floats of input's shape, for
            ``-sum over classes of target * log(softmax(input))``.
        weight: (C,), a factor for each class.
        ignore_index: samples of this class count for nothing (not with probabilities).
        reduction: the "mean" of class targets is weighted by the samples' weights.
        label_smoothing: how much of the probability is shared equally among all classes (Szegedy et al., 2016).

    Raises:
        DimensionError: a target is not among the classes.
        ShapeError, DTypeError: shapes or dtypes do not fit.
    """
    _check_classes("cross_entropy", input, target, weight, reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        reject("cross_entropy", "label_smoothing", "from 0 to 1", label_smoothing)
    if target.shape == input.shape:
        return _soft_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    x, t, shape = _with_classes("cross_entropy", input, target, weight)
    if label_smoothing > 0:
        q, nothing = _smoothed.with_extras(x, t, weight, ignore_index, reduction, float(label_smoothing))
        y = _sum(-q * _log_softmax(x, (1,)), (1,) if reduction == "none" else None, False) + nothing
    elif reduction == "none":
        y = _nll(_log_softmax(x, (1,)), t, weight, ignore_index, reduction)
    else:
        y = _cross_entropy(x, t, weight, ignore_index, reduction, _wants_gradient(x))
    return _reshape(y, shape) if reduction == "none" else y


def _soft_cross_entropy(
    input: Any, target: Any, weight: Any, ignore_index: int, reduction: str, smoothing: float
) -> Any:
    """:func:`cross_entropy` with probabilities."""
    if target.dtype.kind != "f":
        raise DTypeError(must("cross_entropy", "target", "of floats, for it has input's shape", target.dtype))
    if ignore_index >= 0:
        reject("cross_entropy", "ignore_index", "left out for targets that are probabilities", ignore_index)
    x, q = promote("cross_entropy", input, target)
    axis = min(input.ndim - 1, 1)
    if smoothing > 0:
        q = q * (1.0 - smoothing) + smoothing / input.shape[axis]
    if weight is not None:
        q = q * _reshape(weight, (-1, *(1,) * (input.ndim - 2)))
    return _reduce(_sum(-q * _log_softmax(x, (axis,)), (axis,), False), reduction)


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


def _bce_with_logits_vjp(g: Any, _y: Any, x: Any, t: Any, scale: float, _want: Any, gradient: Any) -> Any:
    return g * (scale * (_sigmoid(x) - t) if gradient is None else gradient)


_bce_with_logits = Op(
    "binary_cross_entropy_with_logits",
    bce_with_logits.forward,
    _bce_with_logits_vjp,
    lambda g, _y, x, _t, scale, _want, _gradient: g * (x * -scale),
    caches=1,
)


def _check_binary(op: str, input: Any, target: Any, reduction: str, **factors: Any) -> None:
    _check_reduction(op, reduction)
    check_tensor(op, "input", input)
    check_tensor(op, "target", target)
    if target.shape != input.shape:
        raise ShapeError(must(op, "target", f"of input's shape {input.shape}", target.shape))
    _check_floats(op, "input", input)
    _check_floats(op, "target", target)
    for name, factor in factors.items():
        if factor is not None:
            _check_floats(op, name, factor)
            if check_broadcast(op, factor.shape, input.shape) != input.shape:
                raise ShapeError(must(op, name, f"broadcastable to {input.shape}", factor.shape))


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """``-weight * (target * log(input) + (1 - target) * log(1 - input))``, from probabilities.

    A logarithm below -100 counts as -100. From logits, :func:`binary_cross_entropy_with_logits` is faster.

    Args:
        input: probabilities, of any shape.
        target: from 0 to 1, of input's shape and dtype.
        weight: factors, broadcast to input's shape.

    Raises:
        ArgumentError: a value is not between 0 and 1.
        ShapeError, DTypeError: shapes or dtypes differ.
    """
    op = "binary_cross_entropy"
    _check_binary(op, input, target, reduction, weight=weight)
    if target.dtype != input.dtype:
        raise DTypeError(must(op, "target", f"of input's dtype {input.dtype}", target.dtype))
    losses = _bce(input, target)
    return _reduce(losses if weight is None else losses * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """``binary_cross_entropy(sigmoid(input), target)``, in a form in which nothing overflows.

        weight * (max(x, 0) - x * target + log(1 + e^-|x|))

    Args:
        input: logits, of any shape.
        target: of input's shape.
        weight: factors, broadcast to input's shape.
        pos_weight: factors of the ``target * log(sigmoid(input))`` part alone: above 1 for more recall.
    """
    op = "binary_cross_entropy_with_logits"
    _check_binary(op, input, target, reduction, weight=weight, pos_weight=pos_weight)
    x, t = promote(op, input, target)
    if weight is None and pos_weight is None and reduction != "none":
        return _bce_with_logits(x, t, _scale(x.shape, reduction), _wants_gradient(x))
    losses = -_logsigmoid(x)
    if pos_weight is not None:
        losses = losses * ((pos_weight - 1.0) * t + 1.0)
    losses = losses + (1.0 - t) * x
    return _reduce(losses if weight is None else losses * weight, reduction)
