"""ReLU: what is below 0 becomes 0; and the gradient, which passes where the result is not 0.

    y = max(x, 0)        dL/dx = g where y is not <= 0, else 0

A NaN stays NaN, and takes its gradient. x, y and g have one shape, which may be any, and any memory order; a result
has that of x, or of y. Any real dtype; compiled for float32 and float64.
"""

from __future__ import annotations

import numpy as np

from minidl.kernels.arrays import compiled_for
from minidl.kernels.registry import Operation, is_forced, register

# Below this many elements NumPy has finished before a compiled kernel has been chosen and called.
SMALL = 1 << 12


def policy(dtype: np.dtype, size: int) -> str:
    """One pass in all threads for what is large; NumPy for what is small. The results are the same."""
    return "fused" if size >= SMALL and compiled_for(dtype) else "reference"


operation = Operation("relu", ("forward", "input_grad"), policy)
register("relu", "reference", module="minidl.kernels.relu.reference")
register("relu", "fused", module="minidl.kernels.relu.fused")


def forward(x: np.ndarray) -> np.ndarray:
    """max(x, 0)."""
    if x.size < SMALL and not is_forced("relu"):
        return np.maximum(x, np.zeros((), x.dtype))  # twice as fast as with 0, on small arrays
    return operation.select(x.dtype, x.size).forward(x)


def input_grad(g: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The gradient with respect to x, from g = dL/dy and the result y."""
    return operation.select(g.dtype, g.size).input_grad(g, y)
