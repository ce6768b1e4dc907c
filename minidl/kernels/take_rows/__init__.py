"""Rows of an array by their numbers: how a batch is gathered from a data set.

    y[i] = x[rows[i]]        negative numbers count from the end

Shapes: x (R, ...) in C order, rows (n,) of int64, y (n, ...). Any dtype; compiled for float32 and float64.
"""

from __future__ import annotations

import numpy as np

from minidl.kernels.arrays import compiled_for
from minidl.kernels.registry import Operation, register


def policy(dtype: np.dtype, width: int) -> str:
    """Copied in all threads where rows are long: a core waits for memory at every row (256 rows of 784 float32 from
    60,000 take it 125 µs, as they take NumPy), and two wait at the same time.
    """
    return "pooled" if compiled_for(dtype) and width >= 32 else "reference"


operation = Operation("take_rows", ("forward",), policy)
register("take_rows", "reference", module="minidl.kernels.take_rows.reference")
register("take_rows", "pooled", module="minidl.kernels.take_rows.pooled")


def forward(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The rows of x, in that order.

    Raises:
        IndexError: there is no such row (NumPy's own message).
    """
    count = len(x)
    if len(rows) == 0 or rows.max() >= count or rows.min() < -count:
        return x[rows]
    width = x.size // count
    return operation.select(x.dtype, width).forward(x, rows)
