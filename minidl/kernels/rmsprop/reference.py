"""RMSprop as its formulas say, one NumPy operation per line, in the order of PyTorch's single-tensor code."""

from __future__ import annotations

import numpy as np


def supports(dtype: np.dtype, plain: bool) -> bool:
    """Everything."""
    return True


def step(
    out: np.ndarray,
    g: np.ndarray,
    state_square: np.ndarray,
    state_momentum: np.ndarray | None,
    state_mean: np.ndarray | None,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    maximize: bool,
    eps_inside: bool,
) -> None:
    """See ``minidl.kernels.rmsprop.step``."""
    if maximize:
        g = -g
    if weight_decay:
        g = g + weight_decay * out
    state_square *= alpha
    state_square += (1 - alpha) * (g * g)
    variance = state_square
    if state_mean is not None:
        state_mean += (1 - alpha) * (g - state_mean)
        variance = state_square - state_mean * state_mean
    denominator = np.sqrt(variance + eps) if eps_inside else np.sqrt(variance) + eps
    if state_momentum is None:
        out -= lr * (g / denominator)
    else:
        state_momentum *= momentum
        state_momentum += g / denominator
        out -= lr * state_momentum
