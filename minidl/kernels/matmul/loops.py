"""The definition as three loops, compiled: where every course on fast products begins.

What it does about the machine: nothing. For each element of the result a row of a meets a column of b; the elements of
the column lie a row apart in memory, so nearly every one is in another line of the cache, of which one sixteenth is
used. And each sum is a chain: an addition waits 4 cycles for the one before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minidl.kernels.arrays import compiled_for, plain
from minidl.kernels.compile import jit
from minidl.kernels.matmul.reference import finish


def supports(dtype: np.dtype) -> bool:
    """float32 and float64."""
    return compiled_for(dtype)


def forward(a: np.ndarray, b: Any, bias: np.ndarray | None = None, relu: bool = False) -> np.ndarray:
    """See ``minidl.kernels.matmul.forward``."""
    return each_product(_product, a, b, bias, relu)


def each_product(
    product: Callable[..., None], a: np.ndarray, b: np.ndarray, bias: np.ndarray | None, relu: bool
) -> np.ndarray:
    """``product(a, b, c)`` for every product of the stack; c begins as zeros."""
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    c = np.zeros((*lead, a.shape[-2], b.shape[-1]), a.dtype)
    a, b = (np.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (a, b))
    for index in np.ndindex(lead):
        product(plain(a[index]), plain(b[index]), c[index])
    return finish(c, bias, relu)


@jit
def _product(a: Any, b: Any, c: Any) -> None:
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            total = c[i, j]
            for k in range(a.shape[1]):
                total += a[i, k] * b[k, j]
            c[i, j] = total
