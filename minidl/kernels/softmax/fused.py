"""Softmax in one pass over memory: a row stays in the first level of cache from its maximum to its result.

What this does about the machine: written in NumPy, the formulas take five passes over memory. Here a row is loaded
once, and a polynomial in the place of ``exp`` works on a vector of elements at a time. A maximum is no sum that a
compiler may reorder (NaN!), so it is taken side by side in 64 lanes, of which the largest is the row's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.arrays import compiled_for, plain
from minidl.kernels.compile import REASSOCIATE, jit
from minidl.kernels.launch import launch
from minidl.kernels.polynomials import exp_nonpositive
from minidl.kernels.softmax import Axes, reference
from minidl.kernels.threads import NO_POOL, WORTH_A_LAUNCH, parallel

BLOCK = 1 << 13  # elements
LANES = 64


def supports(dtype: np.dtype, axes: Axes, in_rows: bool) -> bool:
    """float32 and float64, along an axis."""
    return compiled_for(dtype) and len(axes) == 1


def forward(x: np.ndarray, axes: Axes, log: bool) -> np.ndarray:
    """See ``minidl.kernels.softmax.forward``."""
    if x.size == 0:
        return reference.forward(x, axes, log)
    if axes[0] == 1 and x.ndim == 2:
        rows = plain(x)
        target = y = np.empty(x.shape, x.dtype)
    else:
        y = like(x, axes[0])
        rows, target = as_rows(x, axes[0]), as_rows(y, axes[0])
    if x.size <= BLOCK and 4 * x.size < WORTH_A_LAUNCH:  # one block, for the calling thread
        _forward.entry(NO_POOL, 1, rows, target, log)
    else:
        _forward.sized(4 * x.size)(blocks_of(rows), rows, target, log)
    return y


def input_grad(g: np.ndarray, y: np.ndarray, axes: Axes, log: bool) -> np.ndarray:
    """See ``minidl.kernels.softmax.input_grad``."""
    if y.size == 0:
        return reference.input_grad(g, y, axes, log)
    dx = like(y, axes[0])
    rows = as_rows(y, axes[0])
    _input_grad.sized(4 * y.size)(blocks_of(rows), as_rows(g, axes[0]), rows, as_rows(dx, axes[0]), log)
    return dx


def like(x: np.ndarray, axis: int) -> np.ndarray:
    """An array of x's shape whose memory is in the order of its axes, but for ``axis``, which is last in memory."""
    if axis == x.ndim - 1:
        return np.empty(x.shape, x.dtype)
    order = np.moveaxis(np.empty((2,) * x.ndim, np.int8), -1, axis)
    return np.empty_like(order, x.dtype, shape=x.shape)


def as_rows(x: np.ndarray, axis: int) -> np.ndarray:
    """x as a matrix, with a row for each softmax."""
    rows = plain(x if axis == x.ndim - 1 else np.moveaxis(x, axis, -1))
    return rows if x.ndim == 2 else rows.reshape(-1, x.shape[axis])


def blocks_of(rows: np.ndarray) -> int:
    """How many blocks of a fixed number of rows there are."""
    return -(-len(rows) // max(1, BLOCK // rows.shape[1]))


@jit
def rows_of_block(block: Any, rows: Any) -> Any:
    """The block's first row, and the one after its last."""
    size = max(1, BLOCK // rows.shape[1])
    return block * size, min((block + 1) * size, rows.shape[0])


@parallel
def _forward(pool: Any, blocks: Any, x: Any, y: Any, log: Any) -> None:
    launch(pool, blocks, _forward_block, (x, y, log))


@jit
def _forward_block(block: Any, x: Any, y: Any, log: Any) -> None:
    lanes = np.empty(LANES, x.dtype)
    first, stop = rows_of_block(block, x)
    for r in range(first, stop):
        source, target = x[r], y[r]
        highest = maximum(source, lanes)
        exponentials(source, highest, target)
        total = sum_of(target)
        if log:
            logarithm = x.dtype.type(np.log(total))
            for k in range(target.size):
                target[k] = (source[k] - highest) - logarithm
        else:
            share = x.dtype.type(1) / total  # a division takes as long as the exponential
            for k in range(target.size):
                target[k] *= share


@jit
def larger(old: Any, new: Any) -> Any:
    """The larger of two; the old one where the new one is NaN."""
    return new if new > old else old


@jit
def maximum(row: Any, lanes: Any) -> Any:
    """The largest element that is not NaN; -inf if there is none."""
    lanes[:] = -np.inf
    fours = row.size // (4 * LANES) * 4 * LANES
    for start in range(0, fours, 4 * LANES):
        part = row[start : start + 4 * LANES]
        a, b, c, d = part[:LANES], part[LANES : 2 * LANES], part[2 * LANES : 3 * LANES], part[3 * LANES :]
        for k in range(LANES):
            lanes[k] = larger(larger(larger(larger(lanes[k], a[k]), b[k]), c[k]), d[k])
    for start in range(fours, row.size, LANES):
        part = row[start : start + LANES]
        for k in range(part.size):
            lanes[k] = larger(lanes[k], part[k])
    highest = lanes[0]
    for k in range(1, LANES):
        highest = max(highest, lanes[k])
    return highest


@jit
def exponentials(row: Any, highest: Any, target: Any) -> None:
    """``exp(row - highest)``."""
    for k in range(target.size):
        z = row[k] - highest
        e = exp_nonpositive(z)
        target[k] = e if z == z else z  # NaN stays NaN


@jit(fastmath=REASSOCIATE)
def sum_of(row: Any) -> Any:
    """The sum of a row, in the lanes of a vector."""
    total = row.dtype.type(0)
    for k in range(row.size):
        total += row[k]
    return total


@jit(fastmath=REASSOCIATE)
def _product(a: Any, b: Any) -> Any:
    total = a.dtype.type(0)
    for k in range(a.size):
        total += a[k] * b[k]
    return total


@parallel
def _input_grad(pool: Any, blocks: Any, g: Any, y: Any, dx: Any, log: Any) -> None:
    launch(pool, blocks, _input_grad_block, (g, y, dx, log))


@jit
def _input_grad_block(block: Any, g: Any, y: Any, dx: Any, log: Any) -> None:
    zero = y.dtype.type(0)
    first, stop = rows_of_block(block, y)
    for r in range(first, stop):
        gradient, result, target = g[r], y[r], dx[r]
        if log:
            total = sum_of(gradient)
            exponentials(result, zero, target)
            for k in range(target.size):
                target[k] = gradient[k] - target[k] * total
        else:
            total = _product(gradient, result)
            for k in range(target.size):
                target[k] = result[k] * (gradient[k] - total)
