"""The loops in another order, and over blocks: what can be had without leaving the language of loops.

What this does about the machine: the innermost loop runs along a row of b and a row of c, which are contiguous, so the
compiler turns it into vectors, and every line of the cache that is loaded is used whole. A block of b, 64 rows of 256
columns, fits into the second level of cache (64 KB) and is used for all rows of a before the next one comes.

What remains: each multiply-add still loads an element of c and stores it again. The tile of ``packed`` keeps c in
registers instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.arrays import compiled_for
from minidl.kernels.compile import jit
from minidl.kernels.matmul.loops import each_product

STEPS, COLUMNS = 64, 256  # of a block of b


def supports(dtype: np.dtype) -> bool:
    """float32 and float64."""
    return compiled_for(dtype)


def forward(a: np.ndarray, b: Any, bias: np.ndarray | None = None, relu: bool = False) -> np.ndarray:
    """See ``minidl.kernels.matmul.forward``."""
    return each_product(_product, a, b, bias, relu)


@jit
def _add_row(row: Any, factor: Any, total: Any) -> None:
    for j in range(total.size):
        total[j] += factor * row[j]


@jit
def _product(a: Any, b: Any, c: Any) -> None:
    for first in range(0, c.shape[1], COLUMNS):
        last = min(first + COLUMNS, c.shape[1])
        for start in range(0, a.shape[1], STEPS):
            for i in range(c.shape[0]):
                for k in range(start, min(start + STEPS, a.shape[1])):
                    _add_row(b[k, first:last], a[i, k], c[i, first:last])
