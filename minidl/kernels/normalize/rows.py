"""Layer and root-mean-square normalisation: one pass over memory forward, one backward.

What this does about the machine: a row stays in the first level of cache while its sums are taken, in double precision,
and it is normalised: each number comes from memory once. The gradients of w and b, sums over all rows, are
gathered on the way: each block of rows, of a fixed size, has sums of its own, which are added in the blocks' order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.kernels.arrays import compiled_for, plain
from minidl.kernels.compile import REASSOCIATE, jit
from minidl.kernels.launch import launch
from minidl.kernels.normalize import Axes, Gradients, Shape, has_rows, reference
from minidl.kernels.threads import parallel

FORWARD_BLOCK, BACKWARD_BLOCK = 1 << 14, 1 << 16  # elements


def supports(
    dtype: np.dtype, shape: Shape, axes: Axes, parameters: Shape | None, center: bool, order: str
) -> bool:
    """Statistics of whole rows, float32 and float64."""
    return compiled_for(dtype) and has_rows(shape, axes, parameters)


def forward(
    x: np.ndarray, w: np.ndarray | None, b: np.ndarray | None, axes: Axes, eps: float, center: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """See ``minidl.kernels.normalize.forward``."""
    if x.size == 0:
        return reference.forward(x, w, b, axes, eps, center)
    rows = _rows(x, axes)
    y, (mean, var) = np.empty(x.shape, x.dtype), (np.empty(len(rows), x.dtype) for _ in range(2))
    scale = np.ones(rows.shape[1], x.dtype) if w is None else plain(w).reshape(-1)
    shift = np.zeros(rows.shape[1], x.dtype) if b is None else plain(b).reshape(-1)
    arrays = rows, scale, shift, float(eps), center, y.reshape(rows.shape), mean, var
    _forward.sized(2 * x.size)(_blocks(rows, FORWARD_BLOCK), *arrays)
    kept = x.shape[: axes[0]] + (1,) * len(axes)
    return y, mean.reshape(kept), var.reshape(kept)


def backward(
    needs: tuple[bool, bool, bool],
    g: np.ndarray,
    x: np.ndarray,
    w: np.ndarray | None,
    parameters: Shape | None,
    axes: Axes,
    eps: float,
    center: bool,
    mean: np.ndarray,
    var: np.ndarray,
) -> Gradients:
    """See ``minidl.kernels.normalize.backward``."""
    if x.size == 0:
        return reference.backward(needs, g, x, w, parameters, axes, eps, center, mean, var)
    rows, dx = _rows(x, axes), np.empty(x.shape, x.dtype)
    blocks = _blocks(rows, BACKWARD_BLOCK)
    of_parameters = needs[1] or needs[2]
    sums = np.empty((blocks, 2, rows.shape[1]) if of_parameters else (1, 2, 1))
    scale = np.ones(rows.shape[1], x.dtype) if w is None else plain(w).reshape(-1)
    of_rows = plain(mean).reshape(-1), plain(var).reshape(-1)
    arrays = _rows(g, axes), rows, scale, *of_rows, float(eps), center, of_parameters
    _backward.sized(3 * x.size)(blocks, *arrays, dx.reshape(rows.shape), sums)
    dw, db = (
        sums[:, i].sum(0).astype(x.dtype).reshape(parameters) if needs[1 + i] else None for i in range(2)
    )
    return dx if needs[0] else None, dw, db


def _rows(x: np.ndarray, axes: Axes) -> np.ndarray:
    return plain(x).reshape(-1, math.prod(x.shape[axes[0] :]))


def _blocks(rows: np.ndarray, elements: int) -> int:
    return -(-len(rows) // max(1, elements // rows.shape[1]))


@parallel
def _forward(
    pool: Any,
    blocks: Any,
    x: Any,
    scale: Any,
    shift: Any,
    eps: Any,
    center: Any,
    y: Any,
    mean: Any,
    var: Any,
) -> None:
    launch(pool, blocks, _forward_block, (x, scale, shift, eps, center, y, mean, var))


@jit
def _forward_block(
    block: Any, x: Any, scale: Any, shift: Any, eps: Any, center: Any, y: Any, mean: Any, var: Any
) -> None:
    size = max(1, FORWARD_BLOCK // x.shape[1])
    for r in range(block * size, min((block + 1) * size, x.shape[0])):
        source, target = x[r], y[r]
        m = x.dtype.type(_sum(source) / source.size if center else 0.0)
        v = x.dtype.type(_sum_of_squares(source, m) / source.size)
        mean[r], var[r] = m, v
        rstd = x.dtype.type(1 / np.sqrt(v + eps))
        for k in range(target.size):
            target[k] = (source[k] - m) * rstd * scale[k] + shift[k]


@jit(fastmath=REASSOCIATE)
def _sum(row: Any) -> Any:
    total = 0.0
    for k in range(row.size):
        total += row[k]
    return total


@jit(fastmath=REASSOCIATE)
def _sum_of_squares(row: Any, mean: Any) -> Any:
    total = 0.0
    for k in range(row.size):
        away = np.float64(row[k]) - mean
        total += away * away
    return total


@parallel
def _backward(
    pool: Any,
    blocks: Any,
    g: Any,
    x: Any,
    scale: Any,
    mean: Any,
    var: Any,
    eps: Any,
    center: Any,
    of_parameters: Any,
    dx: Any,
    sums: Any,
) -> None:
    arguments = (g, x, scale, mean, var, eps, center, of_parameters, dx, sums)
    launch(pool, blocks, _backward_block, arguments)


@jit
def _backward_block(
    block: Any,
    g: Any,
    x: Any,
    scale: Any,
    mean: Any,
    var: Any,
    eps: Any,
    center: Any,
    of_parameters: Any,
    dx: Any,
    sums: Any,
) -> None:
    size, real = max(1, BACKWARD_BLOCK // x.shape[1]), x.dtype.type
    if of_parameters:
        sums[block] = 0
    for r in range(block * size, min((block + 1) * size, x.shape[0])):
        gradient, source, target = g[r], x[r], dx[r]
        rstd, m = real(1 / np.sqrt(var[r] + eps)), mean[r]
        h_sum, hn_sum = _sums_of_h(gradient, source, scale, m, rstd)
        if of_parameters:
            _add_to_parameters(gradient, source, m, rstd, sums[block, 0], sums[block, 1])
        of_n = real(hn_sum / source.size)
        constant = real(h_sum / source.size if center else 0.0)
        for k in range(target.size):
            n = (source[k] - m) * rstd
            target[k] = (gradient[k] * scale[k] - (constant + n * of_n)) * rstd


@jit(fastmath=REASSOCIATE)
def _sums_of_h(g: Any, x: Any, scale: Any, mean: Any, rstd: Any) -> Any:
    """The sums of h and of h * n."""
    h_sum = hn_sum = 0.0
    for k in range(g.size):
        h, n = g[k] * scale[k], (x[k] - mean) * rstd
        h_sum += h
        hn_sum += h * n
    return h_sum, hn_sum


@jit
def _add_to_parameters(g: Any, x: Any, mean: Any, rstd: Any, dw: Any, db: Any) -> None:
    for k in range(g.size):
        dw[k] += g[k] * ((x[k] - mean) * rstd)
        db[k] += g[k]
