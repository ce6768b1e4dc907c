"""Dropout: each element becomes 0 with probability p, the others are multiplied by 1 / (1 - p).

    y[i] = x[i] * (hash(key, i) >= p * 2^32) / (1 - p)

The noise is not drawn but computed: element i, counted in the order of indices whatever the memory's, is dropped if a
hash of i with the call's ``key`` is small. So nothing needs to be kept for the gradient, which is dropout of g with the
same key; and neither the threads nor the layout have a say. The hash mixes 32 bits twice, each time with half of the
key, by the function that Wellons found to have the least bias among those of two multiplications ("Prospecting for hash
functions", 2018). A mask repeats after 2^32 elements.

x may have any shape and memory order, which the result takes over where it is C's or channels-last. Any floating
dtype; compiled for float32 and float64.
"""

from __future__ import annotations

import numpy as np

from minidl.kernels.arrays import compiled_for
from minidl.kernels.registry import Operation, register

# What both implementations compute: h = (i ^ low half of the key); mixed; h ^= the high half; mixed.
FIRST, SECOND = 0x21F0AAAD, 0x735A2D97


def policy(dtype: np.dtype) -> str:
    """The compiled kernel; NumPy takes some fifteen passes over memory for the hash."""
    return "fused" if compiled_for(dtype) else "reference"


operation = Operation("dropout", ("forward",), policy)
register("dropout", "reference", module="minidl.kernels.dropout.reference")
register("dropout", "fused", module="minidl.kernels.dropout.fused")


def forward(x: np.ndarray, key: int, p: float) -> np.ndarray:
    """x with dropped elements; ``key`` has 64 bits, p is in [0, 1]."""
    return operation.select(x.dtype).forward(x, key, p)


def kept(p: float) -> tuple[int, float]:
    """The smallest hash of an element that is kept, and what those are multiplied by."""
    return (min(round(p * 2**32), 2**32 - 1), 1.0 / (1.0 - p)) if p < 1 else (0, 0.0)
