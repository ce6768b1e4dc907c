"""SGD in one pass over blocks that the pool shares: every array is read and written once, which is all that bounds it.

On two cores a step of 4 M parameters takes 0.25 ms without and 0.6 with momentum, a third and two fifths of one core's
time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.arrays import compiled_for
from minidl.kernels.arrays import plain as plain_array
from minidl.kernels.compile import jit
from minidl.kernels.launch import launch
from minidl.kernels.threads import parallel

BLOCK = 1 << 14  # elements


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
        _step.sized(p.size)(-(-p.size // BLOCK), p, g, lr, decay, sign)
    else:
        buffer, share = state_momentum.reshape(-1), 1.0 - dampening
        _momentum_step.sized(p.size)(
            -(-p.size // BLOCK), p, g, buffer, bool(first), lr, float(momentum), share, nesterov, decay, sign
        )


@jit
def _step_task(i: Any, p: Any, g: Any, lr: Any, decay: Any, sign: Any) -> None:
    a, b = i * BLOCK, (i + 1) * BLOCK
    _block(p[a:b], g[a:b], lr, decay, sign)


@parallel
def _step(pool: Any, blocks: Any, p: Any, g: Any, lr: Any, decay: Any, sign: Any) -> None:
    launch(pool, blocks, _step_task, (p, g, lr, decay, sign))


@jit
def _block(p: Any, g: Any, lr: Any, decay: Any, sign: Any) -> None:
    real = p.dtype.type
    lr, decay, sign = real(lr), real(decay), real(sign)
    for i in range(p.size):
        p[i] -= lr * (sign * g[i] + decay * p[i])


@jit
def _momentum_step_task(
    i: Any,
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
    a, b = i * BLOCK, (i + 1) * BLOCK
    _momentum_block(p[a:b], g[a:b], buffer[a:b], first, lr, momentum, share, nesterov, decay, sign)


@parallel
def _momentum_step(
    pool: Any,
    blocks: Any,
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
    launch(
        pool, blocks, _momentum_step_task, (p, g, buffer, first, lr, momentum, share, nesterov, decay, sign)
    )


@jit
def _momentum_block(
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
