"""Batch, instance and group normalisation of channels-last images: two passes over memory forward, two backward.

What this does about the machine: all of it is traffic, for there are five operations to each number that is loaded.
The first pass sums x and its square, both of x less the set's first pixel, so that a large mean cancels nothing;
the second normalises. Backward, the first pass sums g and g * (x - mean), and the second combines g and x with three
coefficients per channel. Everything else concerns single channels and costs nothing: the statistics of a group, too,
are put together from those of its channels.

A row of a pass is a pixel, whose channels are neighbours: vectors of channels are summed side by side, in double
precision, four pixels at a time, so that the sums are fetched and stored once for four. Where pixels have few channels,
several are taken for one with as many times the channels.

A block of work is a fixed number of rows; the blocks' sums are added in their order. The two passes run in opposite
directions, so that the second begins with what the cache still holds of the first. (Forward the first one begins at
the end, where what computed x has just been; backward at the beginning, because ReLU's gradient ends there.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.arrays import compiled_for, empty_channels_last, plain
from minidl.kernels.compile import jit
from minidl.kernels.launch import launch
from minidl.kernels.normalize import Axes, Gradients, Shape, has_channels, has_groups, order_of, reference
from minidl.kernels.threads import parallel

BLOCK = 1 << 14  # elements
WIDE = 256  # elements of a row that keep the vector unit busy


def supports(
    dtype: np.dtype, shape: Shape, axes: Axes, parameters: Shape | None, center: bool, order: str
) -> bool:
    """Statistics of channels, or of groups of channels that lie last; float32 and float64."""
    has = has_groups if order == "groups-last" else has_channels
    return compiled_for(dtype) and center and has(shape, axes, parameters)


def forward(
    x: np.ndarray, w: np.ndarray | None, b: np.ndarray | None, axes: Axes, eps: float, center: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """See ``minidl.kernels.normalize.forward``."""
    if x.size == 0:
        return reference.forward(x, w, b, axes, eps, center)
    grouped, shape = order_of(x) == "groups-last", x.shape
    kept = tuple(1 if axis in axes else n for axis, n in enumerate(shape))
    x = _as_channels(x, grouped)
    rows = as_rows(x, axes[0] == 0)
    first = rows[:, 0, : x.shape[1]].astype(np.float64)
    first = np.where(np.isfinite(first), first, 0.0)
    sums, squares = _folded(_moments, rows, x.shape[1], (_wide(first, rows),))
    count = x.size // first.size
    away = sums / count  # from the first pixel
    var = np.maximum(squares / count - away * away, 0.0)
    mean = first + away
    if grouped:
        of_channels = mean.reshape(*shape[:3])
        mean = of_channels.mean(2)
        var = (var.reshape(of_channels.shape) + (of_channels - mean[..., None]) ** 2).mean(2)
    mean, var = mean.astype(x.dtype), var.astype(x.dtype)
    scale = np.repeat(1.0 / np.sqrt(var + eps), x.shape[1] // mean.shape[1], 1)
    scale = (scale if w is None else scale * w.reshape(1, -1)).astype(x.dtype)
    shift = None if b is None else b.reshape(1, -1)
    y = scaled(x, rows, np.repeat(mean, x.shape[1] // mean.shape[1], 1), scale, shift)
    return y.reshape(shape), mean.reshape(kept), var.reshape(kept)


def _as_channels(x: np.ndarray, grouped: bool) -> np.ndarray:
    """(N, C, ...), from (N, groups, channels of a group, ...) if ``grouped``."""
    return x.reshape(len(x), -1, *x.shape[3:]) if grouped else x


def scaled(
    x: np.ndarray, rows: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray | None
) -> np.ndarray:
    """``(x - mean) * scale + shift``."""
    y = empty_channels_last(x.shape, x.dtype)
    shift = np.zeros((1, scale.shape[1]), x.dtype) if shift is None else shift
    _normalize.sized(x.size)(
        _blocks(rows),
        rows,
        _wide(mean, rows),
        _wide(scale, rows),
        _wide(shift, rows),
        np.moveaxis(y, 1, -1).reshape(rows.shape),
    )
    return y


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
    grouped, shape = order_of(x) == "groups-last", x.shape
    x, g = _as_channels(x, grouped), _as_channels(g, grouped)
    rows, gradients, channels = as_rows(x, axes[0] == 0), as_rows(g, axes[0] == 0), x.shape[1]
    mean, var = (a.reshape(len(rows), -1) for a in (mean, var))
    together = channels // mean.shape[1]  # channels that share their statistics
    mean = np.repeat(mean, together, 1)
    g_sums, gx_sums = _folded(_products, rows, channels, (gradients, _wide(mean, rows)))
    rstd = np.repeat(1.0 / np.sqrt(var.astype(np.float64) + eps), together, 1)
    dx = dw = db = None
    if needs[0]:
        dx = empty_channels_last(x.shape, x.dtype)
        weights = np.ones((1, channels)) if w is None else w.reshape(1, channels)
        count = x.size // g_sums.size * together
        of_x = -(rstd**3) * _of_groups(gx_sums * weights, together) / count
        constant = -rstd * _of_groups(g_sums * weights, together) / count
        _combine.sized(3 * x.size)(
            _blocks(rows),
            gradients,
            rows,
            _wide(mean, rows),
            *(_wide(a.astype(x.dtype), rows) for a in (rstd * weights, of_x, constant)),
            np.moveaxis(dx, 1, -1).reshape(rows.shape),
        )
        dx = dx.reshape(shape)
    if needs[1]:
        dw = (rstd * gx_sums).sum(0).reshape(parameters).astype(x.dtype)
    if needs[2]:
        db = g_sums.sum(0).reshape(parameters).astype(x.dtype)
    return dx, dw, db


def _of_groups(sums: np.ndarray, together: int) -> np.ndarray:
    """For each channel of each set, the sum over its group."""
    if together == 1:
        return sums
    return np.repeat(sums.reshape(len(sums), -1, together).sum(2), together, 1)


def as_rows(x: np.ndarray, one_set: bool) -> np.ndarray:
    """x as (sets, rows, elements). Each sample is a set with statistics of its own, or all are one.

    A row is a pixel, or some pixels one after another.
    """
    image = plain(np.moveaxis(x, 1, -1))
    channels, sets = x.shape[1], 1 if one_set else x.shape[0]
    pixels = x.size // (sets * channels)
    together = next(k for k in range(max(1, min(WIDE // channels, pixels)), 0, -1) if pixels % k == 0)
    return image.reshape(sets, pixels // together, together * channels)


def _wide(a: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Numbers of channels, repeated for every pixel of a row and for every set."""
    a = a.reshape(-1, a.shape[1])
    return plain(np.tile(a, (len(rows) // len(a), rows.shape[2] // a.shape[1])))


def _rows_per_block(elements: int) -> int:
    return max(4, BLOCK // elements)


def _blocks(rows: np.ndarray) -> int:
    """The number of blocks in all sets."""
    return len(rows) * -(-rows.shape[1] // _rows_per_block(rows.shape[2]))


def _folded(kernel: Any, rows: np.ndarray, channels: int, args: tuple[np.ndarray, ...]) -> Any:
    """Two sums for each channel of each set, (sets, channels), from those that the kernel makes for each block."""
    blocks = _blocks(rows)
    partial = np.empty((blocks, 2, rows.shape[2]))
    kernel.sized(rows.size)(blocks, rows, *args, partial)
    sums = partial.reshape(len(rows), -1, 2, rows.shape[2] // channels, channels).sum((1, 3))
    return sums[:, 0], sums[:, 1]


@jit
def _per_set(rows: Any) -> Any:
    """The rows of a block, and the blocks of a set."""
    size = max(4, BLOCK // rows.shape[2])
    return size, (rows.shape[1] + size - 1) // size


@jit
def _place(block: Any, rows: Any) -> Any:
    """The set that a block belongs to, and its first row and the one after its last."""
    size, blocks = _per_set(rows)
    first = block % blocks * size
    return block // blocks, first, min(first + size, rows.shape[1])


@jit
def _from_the_end(block: Any, rows: Any) -> Any:
    """The block that has as many behind it as this one has before it."""
    return rows.shape[0] * _per_set(rows)[1] - 1 - block


@parallel
def _moments(pool: Any, blocks: Any, x: Any, shift: Any, partial: Any) -> None:
    launch(pool, blocks, _moments_of_block, (x, shift, partial))


@jit
def _moments_of_block(block: Any, x: Any, shift: Any, partial: Any) -> None:
    block = _from_the_end(block, x)
    group, first, stop = _place(block, x)
    rows, middle, sums, squares = x[group, first:stop], shift[group], partial[block, 0], partial[block, 1]
    sums[:] = 0
    squares[:] = 0
    whole = rows.shape[0] // 4 * 4
    for r in range(0, whole, 4):
        a, b, c, d = rows[r], rows[r + 1], rows[r + 2], rows[r + 3]
        for k in range(middle.size):
            p, q, u, v = a[k] - middle[k], b[k] - middle[k], c[k] - middle[k], d[k] - middle[k]
            sums[k] += (p + q) + (u + v)
            squares[k] += (p * p + q * q) + (u * u + v * v)
    for r in range(whole, rows.shape[0]):
        a = rows[r]
        for k in range(middle.size):
            p = a[k] - middle[k]
            sums[k] += p
            squares[k] += p * p


@parallel
def _normalize(pool: Any, blocks: Any, x: Any, mean: Any, scale: Any, shift: Any, y: Any) -> None:
    launch(pool, blocks, _normalize_block, (x, mean, scale, shift, y))


@jit(fastmath=frozenset())  # no fused multiply-add, so that the bits are NumPy's
def _normalize_block(block: Any, x: Any, mean: Any, scale: Any, shift: Any, y: Any) -> None:
    group, first, stop = _place(block, x)
    m, s, t = mean[group], scale[group], shift[group]
    for r in range(first, stop):
        source, target = x[group, r], y[group, r]
        for k in range(target.size):
            target[k] = (source[k] - m[k]) * s[k] + t[k]


@parallel
def _products(pool: Any, blocks: Any, x: Any, g: Any, mean: Any, partial: Any) -> None:
    launch(pool, blocks, _products_of_block, (x, g, mean, partial))


@jit
def _products_of_block(block: Any, x: Any, g: Any, mean: Any, partial: Any) -> None:
    group, first, stop = _place(block, x)
    m, sums, products = mean[group], partial[block, 0], partial[block, 1]
    sums[:] = 0
    products[:] = 0
    whole = first + (stop - first) // 4 * 4
    for r in range(first, whole, 4):
        xa, xb, xc, xd = x[group, r], x[group, r + 1], x[group, r + 2], x[group, r + 3]
        ga, gb, gc, gd = g[group, r], g[group, r + 1], g[group, r + 2], g[group, r + 3]
        for k in range(m.size):
            p, q, u, v = np.float64(ga[k]), np.float64(gb[k]), np.float64(gc[k]), np.float64(gd[k])
            sums[k] += (p + q) + (u + v)
            products[k] += (p * (xa[k] - m[k]) + q * (xb[k] - m[k])) + (
                u * (xc[k] - m[k]) + v * (xd[k] - m[k])
            )
    for r in range(whole, stop):
        xa, ga = x[group, r], g[group, r]
        for k in range(m.size):
            p = np.float64(ga[k])
            sums[k] += p
            products[k] += p * (xa[k] - m[k])


@parallel
def _combine(
    pool: Any, blocks: Any, g: Any, x: Any, mean: Any, of_g: Any, of_x: Any, constant: Any, dx: Any
) -> None:
    launch(pool, blocks, _combine_block, (g, x, mean, of_g, of_x, constant, dx))


@jit
def _combine_block(
    block: Any, g: Any, x: Any, mean: Any, of_g: Any, of_x: Any, constant: Any, dx: Any
) -> None:
    group, first, stop = _place(_from_the_end(block, x), x)
    m, a, b, c = mean[group], of_g[group], of_x[group], constant[group]
    for r in range(first, stop):
        gradient, source, target = g[group, r], x[group, r], dx[group, r]
        for k in range(target.size):
            target[k] = a[k] * gradient[k] + (b[k] * (source[k] - m[k]) + c[k])
