"""The cross-entropy of the softmax with true classes, summed, and its gradient.

    loss = sum of  c * (log(sum of exp(x)) - x[t]) / divisor
    dL/dx = c / divisor * (softmax(x) - [class is t])

x is (N, C, ...); t, classes as intp, and c, the weight of each sample, are (N, 1, ...). A sample of weight 0 adds
nothing to the loss, whatever its x. The gradient lies in memory as x does. The caller has checked the classes.
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
    x: np.ndarray, t: np.ndarray, c: np.ndarray, divisor: float, want_gradient: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """The loss, an array of no dimensions, and its gradient, or None where none is wanted."""
    return operation.select(x.dtype, in_rows(x, (1,))).forward(x, t, c, divisor, want_gradient)
