"""ReLU in one pass over memory, in all threads.

What this does about the machine: the work is one comparison per element, so all there is to gain is in the traffic.
NumPy's ``maximum`` is vector code too, but runs in one thread, which cannot keep the memory busy; and the gradient
takes it a pass for the comparison, one to spread the bits of the mask, and one to apply them. Here blocks of
contiguous memory, whatever the order of the axes, are compared and written by as many threads as there are. The last
block comes first: whatever computed the input wrote that last, so it is the part that the cache still holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.arrays import compiled_for, flat, order_in_memory
from minidl.kernels.compile import jit
from minidl.kernels.launch import launch
from minidl.kernels.threads import parallel

BLOCK = 1 << 14


def supports(dtype: np.dtype, size: int) -> bool:
    """float32 and float64."""
    return compiled_for(dtype)


def forward(x: np.ndarray) -> np.ndarray:
    """See ``minidl.kernels.relu.forward``."""
    y = np.empty_like(x)
    axes = order_in_memory(y)
    _forward.sized(x.size)(-(-x.size // BLOCK), flat(x, axes), flat(y, axes))
    return y


def input_grad(g: np.ndarray, y: np.ndarray) -> np.ndarray:
    """See ``minidl.kernels.relu.input_grad``."""
    dx = np.empty_like(y)
    axes = order_in_memory(dx)
    _input_grad.sized(g.size)(-(-g.size // BLOCK), flat(g, axes), flat(y, axes), flat(dx, axes))
    return dx


@parallel
def _forward(pool: Any, blocks: Any, x: Any, y: Any) -> None:
    launch(pool, blocks, _positive, (x, y))


@jit
def _from_the_end(block: Any, size: Any) -> Any:
    """Where the block lies, the last one first."""
    start = ((size - 1) // BLOCK - block) * BLOCK
    return slice(start, start + BLOCK)


@jit
def _positive(block: Any, x: Any, y: Any) -> None:
    part = _from_the_end(block, x.size)
    x, y = x[part], y[part]
    zero = x.dtype.type(0)
    for i in range(x.size):
        y[i] = zero if x[i] <= zero else x[i]


@parallel
def _input_grad(pool: Any, blocks: Any, g: Any, y: Any, dx: Any) -> None:
    launch(pool, blocks, _where_positive, (g, y, dx))


@jit
def _where_positive(block: Any, g: Any, y: Any, dx: Any) -> None:
    part = _from_the_end(block, g.size)
    g, y, dx = g[part], y[part], dx[part]
    zero = g.dtype.type(0)
    for i in range(g.size):
        dx[i] = zero if y[i] <= zero else g[i]
