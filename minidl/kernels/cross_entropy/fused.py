"""Loss and gradient in one pass over memory: a row's exponentials serve both, and stay in the cache meanwhile.

Each block of rows, of a fixed size, sums its losses in double precision, and the blocks' sums are added in their order.
See :mod:`minidl.kernels.softmax.fused` for what a row costs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.arrays import compiled_for, plain
from minidl.kernels.compile import jit
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
    x: np.ndarray, t: np.ndarray, c: np.ndarray, divisor: float, want_gradient: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """See ``minidl.kernels.cross_entropy.forward``."""
    if x.size == 0:
        return reference.forward(x, t, c, divisor, want_gradient)
    rows, gradient = as_rows(x, 1), like(x, 1) if want_gradient else None
    blocks = blocks_of(rows)
    losses = np.empty(blocks)
    # Without a gradient each block has but one row to write its exponentials to.
    out = np.empty((1, rows.shape[1]), x.dtype) if gradient is None else as_rows(gradient, 1)
    samples = plain(t).reshape(-1), plain(c).reshape(-1), float(divisor)
    _forward.sized(4 * x.size)(blocks, rows, *samples, want_gradient, out, losses)
    return np.asarray(np.sum(losses) / divisor, x.dtype), gradient


@parallel
def _forward(
    pool: Any, blocks: Any, x: Any, t: Any, c: Any, divisor: Any, want: Any, out: Any, losses: Any
) -> None:
    launch(pool, blocks, _block, (x, t, c, divisor, want, out, losses))


@jit
def _block(block: Any, x: Any, t: Any, c: Any, divisor: Any, want: Any, out: Any, losses: Any) -> None:
    real = x.dtype.type
    lanes, scratch = np.empty(LANES, x.dtype), np.empty(x.shape[1], x.dtype)
    first, stop = rows_of_block(block, x)
    loss = 0.0
    for r in range(first, stop):
        source, target = x[r], out[r] if want else scratch
        highest = maximum(source, lanes)
        exponentials(source, highest, target)
        total, at_class = sum_of(target), source[t[r]] - highest
        share = real(0)
        if c[r] != 0:
            loss += c[r] * (np.log(total) - at_class)
            share = real(c[r] / divisor)
        if want:
            factor = share / total
            for k in range(target.size):
                target[k] *= factor
            target[t[r]] -= share
    losses[block] = loss
