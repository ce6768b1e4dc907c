"""Convolution as a matrix product whose left operand is made panel by panel, straight from the image.

    windows (pixels, taps*channels) @ filters (taps*channels, F) = y (pixels, F)

im2col writes the whole matrix of windows to memory and reads it again. Here 14 windows are copied together just before
they are multiplied, a few hundred steps of the sum at a time, into a buffer that never leaves the first two levels of
cache; the zeros around the image come in while copying. The product's machinery is that of ``matmul``. For the weights'
gradient the windows' transposed matrix is made in the same way, with 14 steps by a few hundred pixels.

Copying costs one load and one store, and the search for the pixel, for each element that is then multiplied with all
filters: little with hundreds of filters, as much as the product with 32. The direct kernel, which does not copy, is
faster throughout; this one takes filters of any size.
"""

from __future__ import annotations

import functools
from typing import Any

import numba
import numpy as np
from numba import types

from minidl.kernels.arrays import compiled_for, plain
from minidl.kernels.compile import jit
from minidl.kernels.conv2d.direct import nhwc, plain_filters
from minidl.kernels.conv2d.geometry import Walk, forward_walk, gradient_walks
from minidl.kernels.launch import launch
from minidl.kernels.panels import ROWS, VECTORS, pack_columns, rows
from minidl.kernels.simd import (
    ACCUMULATE,
    BIAS,
    RELU,
    ahead,
    columns,
    flush_denormals,
    lanes,
    pointer,
    restore_mode,
    scratch,
)
from minidl.kernels.threads import WORTH_MULTIPLICATIONS, Parallel, parallel
from minidl.kernels.windows import Pair, Shape4, to_nchw

STEPS = 256  # of a sum, in one panel
TILES = 8  # of pixels, in one task

_windows_room = scratch(STEPS * ROWS)
_panel_room = scratch(STEPS * columns(4))


def supports(
    function: str,
    dtype: np.dtype,
    x_shape: Shape4,
    w_shape: Shape4,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> bool:
    """float32 and float64."""
    return compiled_for(dtype)


@jit
def _window(
    source: Any, pixel: Any, step: Any, count: Any, group: Any, numbers: Any, to: Any, distance: Any
) -> None:
    """``count`` elements of one pixel's window, from that step on, ``distance`` apart; a step is (tap, channel)."""
    (
        grid_rows,
        grid_columns,
        stride_rows,
        stride_columns,
        top,
        left,
        apart_rows,
        apart_columns,
        wide,
        depth,
    ) = numbers
    n, i, j = pixel // (grid_rows * grid_columns), pixel // grid_columns % grid_rows, pixel % grid_columns
    tap, c = step // depth, step % depth
    a, b = tap // wide, tap % wide
    done = 0
    while done < count:
        y, x = i * stride_rows + top + a * apart_rows, j * stride_columns + left + b * apart_columns
        run = min(depth - c, count - done)
        if y >= 0 and y < source.shape[1] and x >= 0 and x < source.shape[2]:
            at = n * source.strides[0] + y * source.strides[1] + x * source.strides[2]
            p = pointer(source, (at + (group * depth + c) * source.strides[3]) // source.itemsize)
            by_channel = source.strides[3] // source.itemsize
            for k in range(run):
                to[(done + k) * distance] = p[k * by_channel]
        else:
            for k in range(run):
                to[(done + k) * distance] = 0
        done, c, b = done + run, 0, b + 1
        if b == wide:
            a, b = a + 1, 0


@jit
def _result_task(
    task: Any, source: Any, filters: Any, out: Any, bias: Any, mode: Any, numbers: Any, w: Any
) -> None:
    """A few tiles of pixels, all filters. filters is (group, step, column), out (pixels, group, column)."""
    groups, depth, across = filters.shape
    size, width = out.itemsize, VECTORS * w
    unit = out.strides[2] // size  # 1, but no literal, for which `rows` would be compiled once more
    windows, panel = _windows_room(pointer(out, 0)), _panel_room(pointer(out, 0))
    state = flush_denormals()
    for g in range(groups):
        for first in range(task * TILES * ROWS, min((task + 1) * TILES * ROWS, out.shape[0]), ROWS):
            count = min(ROWS, out.shape[0] - first)
            for start in range(0, depth, STEPS):
                steps = min(STEPS, depth - start)
                how = (0 if start == 0 else ACCUMULATE) | (mode if start + steps == depth else 0)
                for r in range(count):
                    _window(source, first + r, start, steps, g, numbers, ahead(windows, r), unit * ROWS)
                for column in range(0, across, width):
                    n = min(width, across - column)
                    at = g * filters.strides[0] + start * filters.strides[1] + column * filters.strides[2]
                    by_step, by_column = filters.strides[1] // size, filters.strides[2] // size
                    pack_columns(pointer(filters, at // size), by_step, by_column, steps, n, panel, w)
                    rows(
                        windows, unit, unit * ROWS, count, panel, width, steps,
                        pointer(out, (first * groups + g) * across + column), groups * across,
                        n, pointer(bias, g * across + column), how, w,
                    )  # fmt: skip
    restore_mode(state)


def _result(
    pool: Any, tasks: Any, source: Any, filters: Any, out: Any, bias: Any, mode: Any, numbers: Any, w: Any
) -> None:
    launch(pool, tasks, _result_task, (source, filters, out, bias, mode, numbers, w))


@jit
def _weights_task(task: Any, x: Any, g: Any, dw: Any, numbers: Any, w: Any) -> None:
    """ROWS steps of one group, summed over all pixels in their order. g is (pixels, group, column), dw (group, step,
    column).
    """
    groups, depth, across = dw.shape
    width, tiles = VECTORS * w, -(-depth // ROWS)
    unit = dw.strides[2] // dw.itemsize  # 1, but no literal
    group, first = task // tiles, task % tiles * ROWS
    count = min(ROWS, depth - first)
    windows, panel = _windows_room(pointer(dw, 0)), _panel_room(pointer(dw, 0))
    state = flush_denormals()
    for start in range(0, g.shape[0], STEPS):
        pixels = min(STEPS, g.shape[0] - start)
        for p in range(pixels):
            _window(x, start + p, first, count, group, numbers, ahead(windows, p * ROWS), unit)
        for column in range(0, across, width):
            n = min(width, across - column)
            source = pointer(g, (start * groups + group) * across + column)
            pack_columns(source, groups * across, unit, pixels, n, panel, w)
            rows(
                windows, unit, unit * ROWS, count, panel, width, pixels,
                pointer(dw, (group * depth + first) * across + column), across,
                n, pointer(dw, 0), 0 if start == 0 else ACCUMULATE, w,
            )  # fmt: skip
    restore_mode(state)


def _weights(pool: Any, tasks: Any, x: Any, g: Any, dw: Any, numbers: Any, w: Any) -> None:
    launch(pool, tasks, _weights_task, (x, g, dw, numbers, w))


class _Compiled:
    """The kernels for one dtype, compiled when they are first used; images may have any layout."""

    def __init__(self, dtype: np.dtype) -> None:
        real, size = numba.from_dtype(dtype), types.int64
        image, filters, flat = (types.Array(real, d, "A") for d in (4, 3, 1))
        dense, pool, numbers = types.Array(real, 3, "C"), types.UniTuple(size, 2), types.UniTuple(size, 10)
        self.w, self.no_bias = lanes(dtype.itemsize), np.empty(0, dtype)
        self.result: Parallel = parallel(
            _result, signature=types.void(pool, size, image, filters, dense, flat, size, numbers, size)
        )
        self.weights: Parallel = parallel(
            _weights, signature=types.void(pool, size, image, dense, dense, numbers, size)
        )


@functools.cache
def _compiled(dtype: np.dtype) -> _Compiled:
    return _Compiled(dtype)


def _numbers(walk: Walk) -> tuple[int, ...]:
    """What compiled code reads of a walk."""
    down, across = walk.taps
    depth = walk.source[2] // walk.groups
    starts = (down.first, across.first, down.step, across.step)
    return (*walk.grid, *walk.stride, *starts, max(1, across.number), depth)


def _compute(
    walk: Walk, source: np.ndarray, filters: np.ndarray, bias: np.ndarray | None, relu: bool
) -> np.ndarray:
    """The walk over source with filters (group, tap row, tap column, channel, column): (N, grid, columns)."""
    compiled, n = _compiled(source.dtype), source.shape[0]
    pixels = n * walk.grid[0] * walk.grid[1]
    flat = filters.reshape(walk.groups, -1, walk.columns)
    if not flat.shape[1]:  # a phase of the stride that no tap reaches
        return np.zeros((n, *walk.grid, walk.groups * walk.columns), source.dtype)
    out = np.empty((pixels, walk.groups, walk.columns), source.dtype)
    compiled.result.sized(out.size * flat.shape[1], WORTH_MULTIPLICATIONS)(
        *(-(-pixels // (TILES * ROWS)), source, flat, out),
        *(compiled.no_bias if bias is None else plain(bias), BIAS * (bias is not None) | RELU * relu),
        *(_numbers(walk), compiled.w),
    )
    return out.reshape(n, *walk.grid, walk.groups * walk.columns)


def forward(
    x: np.ndarray,
    w: np.ndarray,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    bias: np.ndarray | None = None,
    relu: bool = False,
) -> np.ndarray:
    """y = windows @ filters, plus the bias, then ReLU."""
    walk = forward_walk((1, *x.shape[1:]), w.shape, stride, padding, dilation, groups)
    f, c, kh, kw = w.shape
    filters = plain_filters(w).reshape(groups, f // groups, c, kh, kw).transpose(0, 3, 4, 2, 1)
    return to_nchw(_compute(walk, nhwc(x), filters, bias, relu))


def input_grad(
    g: np.ndarray, w: np.ndarray, x_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """dx, a product for every phase of the stride."""
    source, (n, c, height, width), (f, _, kh, kw) = nhwc(g), x_shape, w.shape
    dx = np.empty((n, height, width, c), source.dtype)
    filters = plain_filters(w).reshape(groups, f // groups, c // groups, kh, kw).transpose(0, 3, 4, 1, 2)
    geometry = (stride, padding, dilation, groups)
    for walk, (i, j), (down, across) in gradient_walks((1, *x_shape[1:]), w.shape, *geometry):
        part = _compute(walk, source, filters[:, down, across], None, False)
        dx[:, i :: stride[0], j :: stride[1]] = part
    return to_nchw(dx)


def weight_grad(
    x: np.ndarray, g: np.ndarray, w_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """dw = windows.T @ g."""
    f, c, kh, kw = w_shape
    if x.shape[0] == 0:
        return np.zeros(w_shape, x.dtype)
    walk = forward_walk((1, *x.shape[1:]), w_shape, stride, padding, dilation, groups)
    source, gradients = nhwc(x), np.ascontiguousarray(nhwc(g)).reshape(-1, groups, f // groups)
    compiled = _compiled(source.dtype)
    sums = np.empty((groups, kh * kw * c, f // groups), source.dtype)
    compiled.weights.sized(gradients.size * kh * kw * c, WORTH_MULTIPLICATIONS)(
        *(groups * -(-sums.shape[1] // ROWS), source, gradients, sums, _numbers(walk), compiled.w)
    )
    dw = sums.reshape(groups, kh, kw, c, f // groups).transpose(0, 4, 3, 1, 2)
    return np.ascontiguousarray(dw).reshape(w_shape)
