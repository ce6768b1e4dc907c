"""Losses of classes: how little probability a prediction gives to the true one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import DimensionError, DTypeError, GradError, ShapeError, must, warn
from minidl.kernels import cross_entropy as kernels
from minidl.ops.activation import _log_softmax, _softmax
from minidl.ops.arguments import as_float, check_tensor, floats, promote, reject, wants_gradient
from minidl.ops.reduce import _sum
from minidl.ops.reduction import chosen, reduced
from minidl.ops.shape import _reshape
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

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
    x: np.ndarray,
    target: np.ndarray,
    weight: Any,
    ignore_index: int,
    reduction: str,
    smoothing: float,
    want_gradient: bool,
) -> tuple[Any, ...]:
    """The loss; t and c / divisor, of which its gradient can be made again; and the gradient, if it is wanted."""
    t, c, divisor = _class_weights("cross_entropy", x, target, weight, ignore_index, reduction)
    losses, gradient = kernels.forward(x, t, c, divisor, smoothing, want_gradient)
    np.divide(c, divisor, out=c, where=c != 0)
    loss = losses if reduction == "none" else np.sum(losses, dtype=np.float64) / divisor
    return np.asarray(loss, x.dtype), t, c, gradient


def _cross_entropy_vjp(
    g: Any,
    _y: Any,
    x: Any,
    _target: Any,
    _weight: Any,
    _ignore: Any,
    _reduction: Any,
    smoothing: float,
    _want: Any,
    t: Any,
    c: Any,
    gradient: Any,
) -> Any:
    """With reduction "none" g is (N, 1, ...), like c; else it has no dimensions."""
    if gradient is None:
        of_all = smoothing / x.shape[1]
        gradient = c * (_softmax(x, (1,)) - of_all) - _place(c * (1.0 - smoothing), t, x.shape)
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


def _check_classes(op: str, input: Any, target: Any, weight: Any) -> None:
    """Checks what targets of either kind share."""
    floats(op, input)
    check_tensor(op, "target", target)
    if input.ndim == 0:
        raise ShapeError(must(op, "input", "(N, C), (C,) or (N, C, d1, ...)", input.shape))
    if weight is not None:
        floats(op, weight, "weight")
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
    if getattr(weight, "requires_grad", False):
        raise GradError(f"{op}: there is no gradient for weight beside classes; detach() it")
    if weight is not None and weight.dtype != input.dtype:
        raise DTypeError(must(op, "weight", f"of input's dtype {input.dtype}", weight.dtype))
    if input.ndim > 1:
        return input, target, losses
    return _reshape(input, (1, *input.shape)), _reshape(target, (1,)), losses


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The negative log likelihood of classes, ``-weight[target] * input[target]``, from log-probabilities.

    Arguments as for :func:`cross_entropy`, which is this after :func:`log_softmax`.

    Raises:
        DimensionError: a target is not among the classes.
        ShapeError, DTypeError: shapes or dtypes do not fit.

    >>> import minidl
    >>> minidl.nn.functional.nll_loss(minidl.tensor([[-1.0, -2.0]]), minidl.tensor([1]))
    tensor(2.)
    """
    reduction = chosen("nll_loss", reduction, size_average, reduce)
    _check_classes("nll_loss", input, target, weight)
    x, t, shape = _with_classes("nll_loss", input, target, weight)
    y = _nll(x, t, weight, ignore_index, reduction)
    return _reshape(y, shape) if reduction == "none" else y


def _warn_of_probabilities(input: Any) -> None:
    """Warn if a sample of ``input``'s rows are distributions. Logits nearly always fail at the first number or row."""
    x = input.array if hasattr(input, "array") else input
    if x.size < 2 or not 0.0 <= x.item(0) <= 1.0:
        return
    rows = x.reshape(1, -1) if x.ndim == 1 else x[(slice(None), slice(None), *(0,) * (x.ndim - 2))]  # (N, C)
    near = 1e-2 if x.dtype == np.float16 else 1e-4
    if rows.shape[1] == 1 or not abs(np.add.reduce(rows[0]) - 1.0) < near:
        return
    rows = rows[:: -(-len(rows) // 16)]  # at most 16 of them, from the whole batch
    if (rows >= 0).all() and (np.abs(np.sum(rows, axis=1) - 1.0) < near).all():
        warn(
            "cross_entropy: input looks like probabilities (no number is negative, and each row sums to 1), but it "
            "must be logits, of which cross_entropy takes the softmax itself: leave out the one before"
        )


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The cross-entropy of the softmax of ``input`` with the true classes: ``-log(softmax(input)[target])``.

    Args:
        input: logits (N, C), or (C,), or (N, C, d1, ...), for C classes.
        target: classes (N,), (), or (N, d1, ...), int64 or uint8; or probabilities, floats of input's shape, for
            ``-sum over classes of target * log(softmax(input))``.
        weight: (C,), a factor for each class.
        size_average, reduce: deprecated, see ``reduction``.
        ignore_index: samples of this class count for nothing (not with probabilities).
        reduction: "mean", "sum" or "none"; the mean of class targets is weighted by the samples' weights.
        label_smoothing: how much of the probability is shared equally among all classes (Szegedy et al., 2016).

    Raises:
        DimensionError: a target is not among the classes.
        ShapeError, DTypeError: shapes or dtypes do not fit.

    Warns if ``input`` looks like probabilities: a softmax before it makes training slow, and no error shows it.

    >>> import minidl
    >>> minidl.nn.functional.cross_entropy(minidl.zeros(1, 4), minidl.tensor([2])).exp()  # all four equally likely
    tensor(4.)
    """
    reduction = chosen("cross_entropy", reduction, size_average, reduce)
    _check_classes("cross_entropy", input, target, weight)
    _warn_of_probabilities(input)
    if not 0.0 <= as_float("cross_entropy", "label_smoothing", label_smoothing) <= 1.0:
        reject("cross_entropy", "label_smoothing", "from 0 to 1", label_smoothing)
    if target.shape == input.shape:
        return _soft_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    x, t, shape = _with_classes("cross_entropy", input, target, weight)
    if label_smoothing > 0 and weight is not None:
        q, nothing = _smoothed.with_extras(x, t, weight, ignore_index, reduction, label_smoothing)
        y = _sum(-q * _log_softmax(x, (1,)), (1,) if reduction == "none" else None, False) + nothing
        if reduction == "none":
            return _reshape(y, shape)
    else:
        y = _cross_entropy(x, t, weight, ignore_index, reduction, float(label_smoothing), wants_gradient(x))
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
    return reduced(_sum(-q * _log_softmax(x, (axis,)), (axis,), False), reduction)
