"""The loss and its gradient as their formulas say, one NumPy pass over memory per operation."""

from __future__ import annotations

import numpy as np


def supports(dtype: np.dtype) -> bool:
    """Every floating dtype."""
    return True


def forward(
    x: np.ndarray, t: np.ndarray, scale: float, want_gradient: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """See ``minidl.kernels.bce_with_logits.forward``."""
    z = np.exp(-np.abs(x))
    losses = np.maximum(x, 0) - x * t + np.log1p(z)
    loss = np.asarray(scale * losses.sum(dtype=np.float64), x.dtype)
    if not want_gradient:
        return loss, None
    # 1/(1+exp(-x)), written for either sign so that exp cannot overflow.
    sigmoid = np.where(x >= 0, 1, z) / (1 + z)
    return loss, np.asarray((sigmoid - t) * x.dtype.type(scale))
