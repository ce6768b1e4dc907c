"""The loss and its gradient as their formulas say."""

from __future__ import annotations

import numpy as np


def supports(dtype: np.dtype, in_rows: bool) -> bool:
    """Everything."""
    return True


def forward(
    x: np.ndarray, t: np.ndarray, c: np.ndarray, divisor: float, smoothing: float, want_gradient: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """See ``minidl.kernels.cross_entropy.forward``."""
    z = x - np.max(x, axis=1, keepdims=True)
    expected = (1.0 - smoothing) * np.take_along_axis(z, t, axis=1)
    if smoothing > 0:
        expected += smoothing * np.mean(z, axis=1, keepdims=True)
    np.exp(z, out=z)
    total = np.sum(z, axis=1, keepdims=True)
    losses = np.multiply(c, np.log(total) - expected, where=c != 0, out=np.zeros_like(c))
    if not want_gradient:
        return losses, None
    share = np.divide(c, divisor, where=c != 0, out=np.zeros_like(c))
    z *= share / total
    z -= share * x.dtype.type(smoothing / x.shape[1])
    at_class = np.take_along_axis(z, t, axis=1) - share * x.dtype.type(1.0 - smoothing)
    np.put_along_axis(z, t, at_class, axis=1)
    return losses, z
