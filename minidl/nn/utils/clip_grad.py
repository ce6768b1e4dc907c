"""Gradient clipping: keep one bad batch from throwing the parameters far away."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from minidl.dtypes import get_default_dtype
from minidl.errors import ArgumentError, GradError, must
from minidl.ops.arguments import as_float, check_tensor
from minidl.ops.reduce import sum_of_squares
from minidl.tensor import Tensor


def _gradients(op: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for parameter in parameters:
        check_tensor(op, "every parameter", parameter)
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def _norm(array: np.ndarray, p: float) -> float:
    """The p-norm of all elements; powers are computed in double precision, squares of many floats in their own."""
    if p == 2:
        return math.sqrt(sum_of_squares(array))
    sizes = np.abs(array, dtype=np.float64)
    if p == math.inf:
        return float(sizes.max(initial=0.0))
    if p == 0:
        return float(np.count_nonzero(sizes))
    return float(np.sum(sizes**p)) ** (1.0 / p)


@np.errstate(all="ignore")
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,  # noqa: ARG001 - a choice among PyTorch's implementations
) -> Tensor:
    """Scale the gradients of all ``parameters`` by one factor, so that their common norm is at most ``max_norm``.

    The factor is ``max_norm / (norm + 1e-6)``, if that is below 1 (Pascanu et al., "On the difficulty of training
    recurrent neural networks", 2013). The norm is that of all gradients strung together into one vector.

    Args:
        norm_type: the order of the norm, from 0; ``inf`` is the largest size.
        error_if_nonfinite: raise if the norm is nan or infinite, instead of making all gradients nan or 0.

    Returns:
        The norm before the scaling.

    Raises:
        GradError: see ``error_if_nonfinite``; the gradients are then unchanged.
    """
    max_norm = as_float("clip_grad_norm_", "max_norm", max_norm)
    norm_type = as_float("clip_grad_norm_", "norm_type", norm_type)
    if not norm_type >= 0:
        raise ArgumentError(must("clip_grad_norm_", "norm_type", "at least 0", norm_type))
    gradients = _gradients("clip_grad_norm_", parameters)
    total = _norm(np.array([_norm(g.array, norm_type) for g in gradients]), norm_type)
    if error_if_nonfinite and not math.isfinite(total):
        raise GradError(f"clip_grad_norm_: the norm of order {norm_type} of the gradients is {total}")
    factor = max_norm / (total + 1e-6)
    if not factor >= 1.0:  # also for nan
        for g in gradients:
            g.array *= factor
            g.mark_written("clip_grad_norm_")
    return Tensor(np.array(total, gradients[0].dtype if gradients else get_default_dtype()))


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor],
    clip_value: float,
    foreach: bool | None = None,  # noqa: ARG001 - a choice among PyTorch's implementations
) -> None:
    """Clip every element of the gradients of ``parameters`` to [-clip_value, clip_value]."""
    limit = as_float("clip_grad_value_", "clip_value", clip_value)
    for g in _gradients("clip_grad_value_", parameters):
        np.clip(g.array, -limit, limit, out=g.array)
        g.mark_written("clip_grad_value_")
