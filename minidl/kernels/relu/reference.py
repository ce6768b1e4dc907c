"""ReLU as it is defined."""

from __future__ import annotations

import numpy as np


def supports(dtype: np.dtype, size: int) -> bool:
    """Everything."""
    return True


def forward(x: np.ndarray) -> np.ndarray:
    """See ``minidl.kernels.relu.forward``."""
    return np.maximum(x, 0)


def input_grad(g: np.ndarray, y: np.ndarray) -> np.ndarray:
    """See ``minidl.kernels.relu.input_grad``."""
    return np.where(y <= 0, 0, g)
