"""Loss and gradient in one pass: each element is loaded once, and one exponential serves both.

What this does about the machine: written in NumPy, the formulas take a dozen passes over memory and call the
C library twice per element. Here everything between loading x and t and storing the gradient stays in
registers, and polynomials in the place of ``exp`` and ``log1p`` let the compiler work on a vector of elements
at a time. For 256x784 float32 elements that takes a tenth of the time of the reference.

Losses are summed in blocks of fixed size, the blocks in order and in double precision; the blocks go to the pool.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.arrays import compiled_for, memory_order, plain
from minidl.kernels.compile import REASSOCIATE, jit
from minidl.kernels.launch import launch
from minidl.kernels.polynomials import exp_nonpositive, log1p_unit
from minidl.kernels.threads import parallel

BLOCK = 1024
# From this many elements on, at half a nanosecond each, the pool pays for its launch.
WORTH_THREADS = 1 << 14


def supports(dtype: np.dtype) -> bool:
    """float32 and float64."""
    return compiled_for(dtype)


def forward(
    x: np.ndarray, t: np.ndarray, scale: float, want_gradient: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """See ``minidl.kernels.bce_with_logits.forward``."""
    if x.flags.c_contiguous:
        return _contiguous(plain(x), plain(t), scale, want_gradient)
    axes = memory_order(x)
    loss, gradient = _contiguous(plain(x.transpose(axes)), plain(t.transpose(axes)), scale, want_gradient)
    return loss, None if gradient is None else gradient.transpose(np.argsort(axes))


def _contiguous(
    x: np.ndarray, t: np.ndarray, scale: float, want_gradient: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    gradient = np.empty_like(x) if want_gradient else None
    # Without a gradient, the kernel gets x in its place and does not write: one signature serves both.
    out = x if gradient is None else gradient
    sums = np.empty(-(-x.size // BLOCK))
    run = _sum_and_gradient.sized(x.size, WORTH_THREADS)
    flat = x.reshape(-1), t.reshape(-1), out.reshape(-1)
    total = run(sums.size, *flat, sums, float(scale), want_gradient)
    return np.asarray(total * scale, x.dtype), gradient


@jit(fastmath=REASSOCIATE)
def _sum(losses: Any) -> Any:
    """Their sum in double precision, in any order, so that it can be a vector of sums."""
    total = 0.0
    for i in range(losses.size):
        total += losses[i]
    return total


@jit
def _block(i: Any, x: Any, t: Any, out: Any, sums: Any, scale: Any, want_gradient: Any) -> None:
    one = x.dtype.type(1)
    zero = x.dtype.type(0)
    factor = x.dtype.type(scale)
    losses = np.empty(BLOCK, x.dtype)
    # Slices, and a loop over range(size): so the compiler knows that no index is negative or out of bounds.
    start = i * BLOCK
    xs, ts, outs = x[start : start + BLOCK], t[start : start + BLOCK], out[start : start + BLOCK]
    for j in range(xs.size):
        a, target = xs[j], ts[j]
        z = exp_nonpositive(-abs(a))
        losses[j] = (a if a > zero else zero) - a * target + log1p_unit(z)
        if want_gradient:
            sigmoid = (one if a >= zero else z) / (one + z)
            sigmoid = sigmoid if a == a else a  # NaN stays NaN
            outs[j] = (sigmoid - target) * factor
    sums[i] = _sum(losses[: xs.size])


@parallel
def _sum_and_gradient(
    pool: Any, blocks: Any, x: Any, t: Any, out: Any, sums: Any, scale: Any, want_gradient: Any
) -> Any:
    launch(pool, blocks, _block, (x, t, out, sums, scale, want_gradient))
    total = 0.0
    for i in range(sums.size):
        total += sums[i]
    return total
