"""Adam as its formulas say, one NumPy operation per line, in the order of PyTorch's single-tensor code."""

from __future__ import annotations

import math

import numpy as np


def supports(dtype: np.dtype, plain: bool) -> bool:
    """Everything."""
    return True


def step(
    out: np.ndarray,
    g: np.ndarray,
    state_m: np.ndarray,
    state_v: np.ndarray,
    state_vmax: np.ndarray | None,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
    decoupled: bool,
) -> None:
    """See ``minidl.kernels.adam.step``."""
    if maximize:
        g = -g
    if weight_decay and decoupled:
        out *= 1 - lr * weight_decay
    elif weight_decay:
        g = g + weight_decay * out
    state_m += (1 - beta1) * (g - state_m)
    state_v *= beta2
    state_v += (1 - beta2) * (g * g)
    if state_vmax is not None:
        np.maximum(state_vmax, state_v, out=state_vmax)
    largest = state_v if state_vmax is None else state_vmax
    denominator = np.sqrt(largest) / math.sqrt(1 - beta2**step) + eps
    out -= lr / (1 - beta1**step) * (state_m / denominator)
