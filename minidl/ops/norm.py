"""Normalisation: to zero mean and unit variance, over a batch or over the features of a sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import dtypes
from minidl.errors import DTypeError, ShapeError, must
from minidl.kernels import affine
from minidl.kernels import normalize as kernels
from minidl.ops.arguments import cast, check_dtype, check_tensor, reject, widened
from minidl.ops.arguments import shape as as_shape
from minidl.ops.reduce import _sum
from minidl.ops.shape import _reshape
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

Axes = tuple[int, ...]


def _normalize_joint(
    needs: Any,
    g: Any,
    _y: Any,
    x: Any,
    w: Any,
    _b: Any,
    axes: Axes,
    eps: float,
    center: bool,
    mean: Any,
    var: Any,
) -> Any:
    """The gradients with respect to x, w and b: see :mod:`minidl.kernels.normalize`."""
    if mean is not None:
        parameters = getattr(_b if w is None else w, "shape", None)
        return kernels.backward(needs[:3], g, x, w, parameters, axes, eps, center, mean, var)
    # Under create_graph: all of it once more, so that it can be differentiated.
    count = _count(x.shape, axes)
    away = x - _sum(x, axes, True) / count if center else x
    rstd = 1.0 / np.sqrt(_sum(away * away, axes, True) / count + eps)
    n = away * rstd
    h = g if w is None else g * w
    dx = h - n * (_sum(h * n, axes, True) / count)
    if center:
        dx = dx - _sum(h, axes, True) / count
    return dx * rstd, g * n if needs[1] else None, g if needs[2] else None


_normalize = Op("normalize", kernels.forward, joint=_normalize_joint, caches=2)


def _count(shape: Sequence[int], axes: Axes) -> float:
    """How many elements a mean over ``axes`` has; nan for none, which makes the mean nan."""
    return math.prod(shape[axis] for axis in axes) or math.nan


def normalized(x: Any, w: Any, b: Any, axes: Axes, eps: float, center: bool = True) -> tuple[Any, Any, Any]:
    """``x`` normalised over ``axes``, its mean and its variance; float16 is computed, and measured, in float32.

    Without ``center``, it is only divided by the root of the mean square.
    """
    if x.dtype == dtypes.float16:
        y, mean, var = _normalize.with_extras(widened(x), widened(w), widened(b), axes, eps, center)
        return cast(y, x.dtype), mean, var
    return _normalize.with_extras(x, w, b, axes, eps, center)


_scale_and_shift = Op(
    "batch_norm",
    affine.forward,
    lambda g, _y, _x, scale, _shift: g * scale,
    lambda g, _y, x, _scale, _shift: g * x,
    lambda g, _y, _x, _scale, _shift: g,
)


def _check_parameters(op: str, input: Any, shape: tuple[int, ...], **parameters: Any) -> None:
    """Each None, or of ``shape`` and of input's dtype."""
    check_tensor(op, "input", input)
    if input.dtype.kind != "f":
        raise DTypeError(must(op, "input", "of floats", input.dtype))
    for name, x in parameters.items():
        if x is None:
            continue
        check_tensor(op, name, x)
        if x.shape != shape:
            raise ShapeError(must(op, name, f"of shape {shape} to match input {input.shape}", x.shape))
        check_dtype(op, name, x, input)


def _track(running: Any, statistic: Any, factor: float, momentum: float) -> None:
    """``running = (1 - momentum) * running + momentum * factor * statistic``, in place."""
    running.array *= 1.0 - momentum
    running.array += (momentum * factor) * statistic.array.reshape(-1)
    running.mark_written("batch_norm")


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel: ``(x - mean) / sqrt(var + eps) * weight + bias`` (Ioffe & Szegedy, 2015).

    Args:
        input: (N, C, ...). The result lies in memory in the same order.
        running_mean: (C,), the mean to use when not ``training``. When training, the mean of the batch is used, and
            enters this one in place: ``(1 - momentum) * running + momentum * batch``.
        running_var: (C,), likewise; the batch's variance enters it as estimated for the population (divided by
            the number of values less 1), though it normalises as it is (divided by the number of values).
        weight: (C,), or None for ones.
        bias: (C,), or None for zeros.
        training: normalise with the statistics of the batch.
        momentum: how much of the batch's statistics the running ones take. (Keras's momentum is 1 minus this one.)
        eps: added to the variance.

    Raises:
        ShapeError: shapes do not fit, or there is but one value per channel in training.
        ArgumentError: only one of the running statistics is given, or none when not ``training``.

    >>> import minidl
    >>> minidl.nn.functional.batch_norm(minidl.tensor([[1.0], [3.0]]), None, None, training=True, eps=1e-12)
    tensor([[-1.],
            [ 1.]])
    """
    check_tensor("batch_norm", "input", input)
    if input.ndim < 2:
        raise ShapeError(must("batch_norm", "input", "(N, C, ...)", input.shape))
    channels = input.shape[1:2]
    statistics = {"running_mean": running_mean, "running_var": running_var}
    _check_parameters("batch_norm", input, channels, weight=weight, bias=bias, **statistics)
    if (running_mean is None) != (running_var is None):
        reject("batch_norm", "running_mean and running_var", "both given or both None", "one")
    along = (1, *channels, *(1,) * (input.ndim - 2))
    w, b = (None if x is None else _reshape(x, along) for x in (weight, bias))
    if training:
        axes = (0, *range(2, input.ndim))
        count = _count(input.shape, axes)
        if count == 1:
            raise ShapeError(
                must("batch_norm", "input", "of more than 1 value per channel in training", input.shape)
            )
        if not eps > 0:
            reject("batch_norm", "eps", "positive in training", eps)
        y, mean, var = normalized(input, w, b, axes, eps)
        if running_mean is not None and count > 0:
            _track(running_mean, mean, 1.0, momentum)
            _track(running_var, var, count / (count - 1), momentum)
        return y
    if running_mean is None or running_var is None:
        reject("batch_norm", "running_mean and running_var", "given when not training", None)
    mean, scale = _reshape(running_mean, along), 1.0 / np.sqrt(_reshape(running_var, along) + eps)
    scale = scale if w is None else scale * w
    return _scale_and_shift(input, scale, -mean * scale if b is None else b - mean * scale)


def as_sizes(op: str, normalized_shape: Any) -> tuple[int, ...]:
    """The sizes of the dimensions to normalise over, which PyTorch's functions do not take as an int."""
    if not isinstance(normalized_shape, (tuple, list)):
        raise DTypeError(must(op, "normalized_shape", "a tuple of ints", type(normalized_shape).__name__))
    return as_shape(op, (normalized_shape,), "normalized_shape")


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise over the last dimensions: ``(x - mean) / sqrt(var + eps) * weight + bias`` (Ba et al., 2016).

    Args:
        input: (..., *normalized_shape).
        normalized_shape: the sizes of the dimensions to normalise over, a tuple or list.
        weight: normalized_shape, or None for ones.
        bias: normalized_shape, or None for zeros.
        eps: added to the variance.

    Raises:
        ShapeError: shapes do not fit.
        DTypeError: ``input`` is not of floats, or a parameter of another dtype.

    >>> import minidl
    >>> minidl.nn.functional.layer_norm(minidl.tensor([[1.0, 3.0], [10.0, 30.0]]), (2,), eps=0.0)
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """
    sizes = as_sizes("layer_norm", normalized_shape)
    _check_parameters("layer_norm", input, sizes, weight=weight, bias=bias)
    if not sizes or input.shape[-len(sizes) :] != sizes:
        raise ShapeError(must("layer_norm", "input", f"(..., {', '.join(map(str, sizes))})", input.shape))
    return normalized(input, weight, bias, tuple(range(input.ndim - len(sizes), input.ndim)), eps)[0]
