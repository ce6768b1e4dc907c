"""A scale and a shift for each channel, ``y = x * scale + shift``: what batch normalisation is once it is trained.

x and y are (N, C, ...), scale and shift (1, C, 1, ...), all of one dtype. The result lies in memory as x does.
"""

from __future__ import annotations

import numpy as np

from minidl.kernels.arrays import compiled_for
from minidl.kernels.normalize import order_of
from minidl.kernels.registry import Operation, register

# Below this many elements NumPy is done sooner.
SMALL = 1 << 13


def policy(dtype: np.dtype, order: str, size: int) -> str:
    """One pass in all threads for what is channels-last and not small; the bits are the same."""
    large = size >= SMALL and order in ("channels-last", "both")
    return "fused" if large and compiled_for(dtype) else "reference"


operation = Operation("affine", ("forward",), policy)
register("affine", "reference", module="minidl.kernels.affine.reference")
register("affine", "fused", module="minidl.kernels.affine.fused")


def forward(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """y."""
    return operation.select(x.dtype, order_of(x), x.size).forward(x, scale, shift)
