"""Two NumPy passes, of which the second works in place."""

from __future__ import annotations

import numpy as np


def supports(dtype: np.dtype, order: str, size: int) -> bool:
    """Everything."""
    return True


def forward(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """See ``minidl.kernels.affine.forward``."""
    y = x * scale
    y += shift
    return y
