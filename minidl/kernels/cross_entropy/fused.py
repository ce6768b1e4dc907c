"""Loss and gradient in one pass over memory: a row's exponentials serve both, and stay in the cache meanwhile.

See :mod:`minidl.kernels.softmax.fused` for what a row costs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.arrays import compiled_for, plain
from minidl.kernels.compile import REASSOCIATE, jit
from minidl.kernels.cross_entropy import reference
from minidl.kernels.launch import launch
from minidl.kernels.softmax.fused import (
    LANES,
    as_rows,
    blocks_of,
    exponentials,
    like,
    maximum,
    rows_of_block,
    sum_of,
)
from minidl.kernels.threads import parallel


def supports(dtype: np.dtype, in_rows: bool) -> bool:
    """float32 and float64."""
    return compiled_for(dtype)


def forward(
    x: np.ndarray, t: np.ndarray, c: np.ndarray, divisor: float, smoothing: float, want_gradient: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """See ``minidl.kernels.cross_entropy.forward``."""
    if x.size == 0:
        return reference.forward(x, t, c, divisor, smoothing, want_gradient)
    rows, gradient = as_rows(x, 1), like(x, 1) if want_gradient else None
    # Without a gradient there is but one row to write exponentials to.
    out = np.empty((1, rows.shape[1]), x.dtype) if gradient is None else as_rows(gradient, 1)
    losses = np.empty(c.shape, x.dtype)
    samples = plain(t).reshape(-1), plain(c).reshape(-1), float(divisor), float(smoothing)
    _forward.sized(4 * x.size)(blocks_of(rows), rows, *samples, want_gradient, out, losses.reshape(-1))
    return losses, gradient


@parallel
def _forward(
    pool: Any,
    blocks: Any,
    x: Any,
    t: Any,
    c: Any,
    divisor: Any,
    smoothing: Any,
    want: Any,
    out: Any,
    losses: Any,
) -> None:
    launch(pool, blocks, _block, (x, t, c, divisor, smoothing, want, out, losses))


@jit
def _block(
    block: Any, x: Any, t: Any, c: Any, divisor: Any, smoothing: Any, want: Any, out: Any, losses: Any
) -> None:
    real = x.dtype.type
    lanes, row = np.empty(LANES, x.dtype), np.empty(x.shape[1], x.dtype)
    first, stop = rows_of_block(block, x)
    of_class, of_all = 1.0 - smoothing, smoothing / x.shape[1]
    for r in range(first, stop):
        source, target = x[r], out[r] if want else row
        highest = maximum(source, lanes)
        exponentials(source, highest, target)
        total, share = sum_of(target), real(0)
        losses[r] = 0
        if c[r] != 0:
            expected = of_class * (source[t[r]] - highest)
            if smoothing > 0:
                expected += of_all * _sum_away(source, highest)
            losses[r] = real(c[r] * (np.log(total) - expected))
            share = real(c[r] / divisor)
        if want:
            factor, less = share / total, share * real(of_all)
            for k in range(target.size):
                target[k] = target[k] * factor - less
            target[t[r]] -= share * real(of_class)


@jit(fastmath=REASSOCIATE)
def _sum_away(row: Any, highest: Any) -> Any:
    """The sum of ``row - highest``, in double precision."""
    total = 0.0
    for k in range(row.size):
        total += row[k] - highest
    return total
