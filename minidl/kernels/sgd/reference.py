"""SGD as its formulas say, one NumPy operation per line, in the order of PyTorch's single-tensor code."""

from __future__ import annotations

import numpy as np


def supports(dtype: np.dtype, plain: bool) -> bool:
    """Everything."""
    return True


def step(
    out: np.ndarray,
    g: np.ndarray,
    state_momentum: np.ndarray | None,
    first: bool,
    lr: float,
    momentum: float,
    dampening: float,
    nesterov: bool,
    weight_decay: float,
    maximize: bool,
) -> None:
    """See ``minidl.kernels.sgd.step``."""
    if maximize:
        g = -g
    if weight_decay:
        g = g + weight_decay * out
    if state_momentum is not None:
        state_momentum[...] = g if first else momentum * state_momentum + (1 - dampening) * g
        g = g + momentum * state_momentum if nesterov else state_momentum
    out -= lr * g
