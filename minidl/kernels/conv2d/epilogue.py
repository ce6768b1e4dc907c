"""What may follow a convolution in the same call, for kernels that do it after the sums are in memory."""

from __future__ import annotations

import numpy as np

from minidl.kernels import relu as relu_kernels


def finish(y: np.ndarray, bias: np.ndarray | None, relu: bool) -> np.ndarray:
    """Add the bias (F,) to y (N, F, OH, OW), in place, then apply ReLU."""
    if bias is not None:
        y += bias.reshape(-1, 1, 1)
    return relu_kernels.forward(y) if relu else y
