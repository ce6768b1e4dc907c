"""Softmax and its logarithm along one axis, and their gradients.

    y = exp(x) / sum of exp(x)           dL/dx = y * (g - sum of g * y)
    y = x - log(sum of exp(x))           dL/dx = g - exp(y) * sum of g          with ``log``

The largest x is taken off first, so nothing overflows. ``axes`` is a tuple of one axis, or of none for an array without
dimensions. x, y and g have one shape and dtype, and any memory order; results lie in memory as x does.
"""

from __future__ import annotations

import numpy as np

from minidl.kernels.arrays import compiled_for
from minidl.kernels.registry import Operation, register

Axes = tuple[int, ...]


def policy(dtype: np.dtype, axes: Axes, in_rows: bool) -> str:
    """The compiled kernel where the axis is the last in memory; not by size, on which a sample's bits must not depend.

    At 8x8 the kernel takes no longer than the reference's six NumPy calls do.
    """
    return "fused" if in_rows and compiled_for(dtype) else "reference"


operation = Operation("softmax", ("forward", "input_grad"), policy)
register("softmax", "reference", module="minidl.kernels.softmax.reference")
register("softmax", "fused", module="minidl.kernels.softmax.fused")


def in_rows(x: np.ndarray, axes: Axes) -> bool:
    """Whether the elements along the axis are neighbours in memory."""
    if not axes:
        return False
    last = axes[0] == x.ndim - 1
    return x.flags.c_contiguous if last else np.moveaxis(x, axes[0], -1).flags.c_contiguous


def forward(x: np.ndarray, axes: Axes, log: bool) -> np.ndarray:
    """The softmax, or its logarithm."""
    return operation.select(x.dtype, axes, in_rows(x, axes)).forward(x, axes, log)


def input_grad(g: np.ndarray, y: np.ndarray, axes: Axes, log: bool) -> np.ndarray:
    """The gradient with respect to x, from g = dL/dy and the result y."""
    return operation.select(y.dtype, axes, in_rows(y, axes)).input_grad(g, y, axes, log)
