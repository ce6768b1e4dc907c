"""The second pass of normalisation by channels, with a mean of 0: one load, two operations and one store."""

from __future__ import annotations

import numpy as np

from minidl.kernels.arrays import compiled_for
from minidl.kernels.normalize.channels import as_rows, scaled


def supports(dtype: np.dtype, order: str, size: int) -> bool:
    """float32 and float64."""
    return compiled_for(dtype)


def forward(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """See ``minidl.kernels.affine.forward``."""
    if x.size == 0:
        return x * scale
    return scaled(x, as_rows(x, True), np.zeros_like(scale), scale, shift)
