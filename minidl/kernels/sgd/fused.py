"""SGD in one pass: every array is read once and written once, which is all that bounds it."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.arrays import compiled_for
from minidl.kernels.arrays import plain as plain_array
from minidl.kernels.compile import jit


def supports(dtype: np.dtype, plain: bool) -> bool:
    """float32 and float64 arrays that can be changed in place as they are."""
    return plain and compiled_for(dtype)


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
    p, g, sign = out.reshape(-1), plain_array(g).reshape(-1), -1.0 if maximize else 1.0
    lr, decay = float(lr), float(weight_decay)  # an int would be another signature
    if state_momentum is None:
        _step(p, g, lr, decay, sign)
    else:
        buffer, share = state_momentum.reshape(-1), 1.0 - dampening
        _momentum_step(p, g, buffer, bool(first), lr, float(momentum), share, nesterov, decay, sign)


@jit
def _step(p: Any, g: Any, lr: Any, decay: Any, sign: Any) -> None:
    real = p.dtype.type
    lr, decay, sign = real(lr), real(decay), real(sign)
    for i in range(p.size):
        p[i] -= lr * (sign * g[i] + decay * p[i])


@jit
def _momentum_step(
    p: Any,
    g: Any,
    buffer: Any,
    first: Any,
    lr: Any,
    momentum: Any,
    share: Any,
    nesterov: Any,
    decay: Any,
    sign: Any,
) -> None:
    real = p.dtype.type
    lr, momentum, share, decay, sign = real(lr), real(momentum), real(share), real(decay), real(sign)
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        b = d if first else momentum * buffer[i] + share * d
        buffer[i] = b
        p[i] -= lr * (d + momentum * b if nesterov else b)
