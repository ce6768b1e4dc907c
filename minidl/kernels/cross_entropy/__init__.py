"""Softmax cross-entropy with true classes, of which a share s may be spread over all C classes; and its gradient.

    losses = c * (log(sum of exp(x)) - (1 - s) * x[t] - s * mean(x))
    dL/dx = c / divisor * (softmax(x) - (1 - s) * [class is t] - s / C)        L = sum of losses / divisor

x is (N, C, ...); t, classes as intp, and c, the weight of each sample, are (N, 1, ...). A sample of weight 0 has
the loss 0, whatever its x. The gradient lies in memory as x does. The caller has checked the classes.
"""

from __future__ import annotations

import numpy as np

from minidl.kernels.arrays import compiled_for
from minidl.kernels.registry import Operation, register
from minidl.kernels.softmax import in_rows


def policy(dtype: np.dtype, in_rows: bool) -> str:
    """The compiled kernel where the classes are neighbours in memory."""
    return "fused" if in_rows and compiled_for(dtype) else "reference"


operation = Operation("cross_entropy", ("forward",), policy)
register("cross_entropy", "reference", module="minidl.kernels.cross_entropy.reference")
register("cross_entropy", "fused", module="minidl.kernels.cross_entropy.fused")


def forward(
    x: np.ndarray, t: np.ndarray, c: np.ndarray, divisor: float, smoothing: float, want_gradient: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """The losses (N, 1, ...), not divided; and the gradient of L, or None where none is wanted."""
    kernel = operation.select(x.dtype, in_rows(x, (1,)))
    return kernel.forward(x, t, c, divisor, smoothing, want_gradient)
