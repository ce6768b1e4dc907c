"""Normalisation of each sample by itself, in groups of its channels, or by its root mean square.

Normalisation over a batch, and over all features of a sample, is in :mod:`minidl.ops.norm`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import dtypes
from minidl.errors import DTypeError, ShapeError, must
from minidl.ops.arguments import as_int, check_tensor, floats, reject
from minidl.ops.norm import _check_parameters, _track, as_sizes, batch_norm, normalized
from minidl.ops.reduce import _mean
from minidl.ops.shape import _reshape

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["group_norm", "instance_norm", "rms_norm"]


def _check_spread(op: str, input: Any, count: int, of: str) -> None:
    """The statistics are of more than one value (or of none, for there is nothing to normalise then)."""
    if count == 1:
        raise ShapeError(must(op, "input", f"of more than 1 value per {of}", input.shape))


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each sample's channels in groups: ``(x - mean) / sqrt(var + eps) * weight + bias`` (Wu & He, 2018).

    Args:
        input: (N, C, ...).
        num_groups: into how many groups of equal size the C channels are divided, in their order.
        weight: (C,), or None for ones.
        bias: (C,), or None for zeros.
        eps: added to the variance.

    Raises:
        ShapeError: shapes do not fit, or there is but one value to normalise in a batch of one.
        ArgumentError: the groups do not divide the channels.

    >>> import minidl
    >>> minidl.nn.functional.group_norm(minidl.tensor([[1.0, 3.0, 10.0, 30.0]]), 2, eps=0.0)
    tensor([[-1.,  1., -1.,  1.]])
    """
    check_tensor("group_norm", "input", input)
    if input.ndim < 2:
        raise ShapeError(must("group_norm", "input", "(N, C, ...)", input.shape))
    n, channels, *size = input.shape
    groups = as_int("group_norm", "num_groups", num_groups)
    if groups < 1 or channels % groups:
        reject("group_norm", "num_groups", f"positive and a divisor of the {channels} channels", groups)
    _check_parameters("group_norm", input, (channels,), weight=weight, bias=bias)
    _check_spread("group_norm", input, n * channels // groups * math.prod(size), "group")
    x = _reshape(input, (n, groups, channels // groups, *size))
    along = (1, groups, channels // groups, *(1,) * len(size))
    w, b = (None if p is None else _reshape(p, along) for p in (weight, bias))
    return _reshape(normalized(x, w, b, tuple(range(2, x.ndim)), eps)[0], input.shape)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of each sample by itself (Ulyanov et al., 2016).

    Args:
        input: (N, C, d1, ...).
        running_mean: (C,). The mean of the samples' means enters it in place, as in :func:`minidl.ops.norm.batch_norm`.
        running_var: (C,), likewise for the variances, as estimated for the population.
        weight: (C,), or None for ones.
        bias: (C,), or None for zeros.
        use_input_stats: normalise with the sample's own statistics; else with the running ones.
        momentum: how much of the input's statistics the running ones take.
        eps: added to the variance.

    Raises:
        ShapeError: shapes do not fit, or a channel of a sample has but one value.
        ArgumentError: only one of the running statistics is given, or none where they are to be used.

    >>> import minidl
    >>> minidl.nn.functional.instance_norm(minidl.tensor([[[1.0, 3.0], [10.0, 30.0]]]), eps=0.0)
    tensor([[[-1.,  1.],
             [-1.,  1.]]])
    """
    op = "instance_norm"
    floats(op, input)
    axes = tuple(range(2, input.ndim))
    count = math.prod(input.shape[2:])
    if use_input_stats:
        _check_spread(op, input, count, "channel of a sample")
    statistics = {"running_mean": running_mean, "running_var": running_var}
    if (running_mean is None) != (running_var is None):
        reject(op, "running_mean and running_var", "both given or both None", "one")
    if not use_input_stats and running_mean is None:
        reject(op, "running_mean and running_var", "given where use_input_stats is False", None)
    _check_parameters(op, input, input.shape[1:2], weight=weight, bias=bias, **statistics)
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    along = (1, input.shape[1], *(1,) * len(axes))
    w, b = (None if p is None else _reshape(p, along) for p in (weight, bias))
    y, mean, var = normalized(input, w, b, axes, eps)
    if running_mean is not None and input.shape[0] and count:
        _track(running_mean, _mean(mean, (0,), False), 1.0, momentum)
        _track(running_var, _mean(var, (0,), False), count / (count - 1), momentum)
    return y


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Divide by the root mean square over the last dimensions (Zhang & Sennrich, 2019).

        x / sqrt(mean(x^2) + eps) * weight

    Args:
        input: (..., *normalized_shape).
        normalized_shape: the sizes of the dimensions to normalise over, a tuple or list.
        weight: normalized_shape, or None for ones.
        eps: added to the mean square; by default the dtype's machine epsilon (float16 is computed in float32).

    Raises:
        ShapeError: shapes do not fit, or ``normalized_shape`` is empty.
        DTypeError: ``input`` is not of floats, or ``weight`` of another dtype.

    >>> import minidl
    >>> minidl.nn.functional.rms_norm(minidl.tensor([1.0, 7.0]), (2,), eps=0.0)  # the root of (1 + 49) / 2 is 5
    tensor([0.2, 1.4])
    """
    check_tensor("rms_norm", "input", input)
    sizes = as_sizes("rms_norm", normalized_shape)
    if not sizes:
        raise ShapeError(must("rms_norm", "normalized_shape", "of at least one dimension", sizes))
    if input.dtype.kind != "f":
        raise DTypeError(must("rms_norm", "input", "of floats", input.dtype))
    _check_parameters("rms_norm", input, sizes, weight=weight)
    if input.shape[-len(sizes) :] != sizes:
        raise ShapeError(must("rms_norm", "input", f"(..., {', '.join(map(str, sizes))})", input.shape))
    if eps is None:
        eps = float(np.finfo(np.promote_types(input.dtype, dtypes.float32)).eps)
    return normalized(input, weight, None, tuple(range(input.ndim - len(sizes), input.ndim)), eps, False)[0]
