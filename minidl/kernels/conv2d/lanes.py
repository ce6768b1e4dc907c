"""The walks of depthwise convolution, compiled: over the pixels of a result, and for the weights' gradient."""

from __future__ import annotations

import functools
from typing import Any

import numba
import numpy as np
from numba import types

from minidl.kernels.compile import jit
from minidl.kernels.conv2d.patches import FEW, ROWS, TAIL, VECTORS, block_of, patch_under, tail_room
from minidl.kernels.conv2d.plans import PATCH, PIXELS_OF_GRADIENTS, Geometry
from minidl.kernels.conv2d.weights import combine_task, pack_gradients
from minidl.kernels.gather import clear_run, lanewise, move
from minidl.kernels.launch import launch
from minidl.kernels.simd import (
    ACCUMULATE,
    ahead,
    columns,
    flush_denormals,
    lanes,
    pointer,
    restore_mode,
    scratch,
)
from minidl.kernels.threads import Parallel, parallel

_tile = lanewise(ROWS, VECTORS)
_narrow = lanewise(ROWS, 1)
_few = lanewise(FEW, VECTORS)
_few_narrow = lanewise(FEW, 1)
_patch_room = scratch(PATCH + columns(4))  # the last pixel's vectors may reach beyond it
_panel_room = scratch(PIXELS_OF_GRADIENTS * columns(4))


@jit
def _multiply(
    a: Any,
    pixels: Any,
    count: Any,
    steps: Any,
    k: Any,
    b: Any,
    b_k: Any,
    c: Any,
    targets: Any,
    n: Any,
    bias: Any,
    mode: Any,
    w: Any,
) -> None:
    """The lanewise tile for any number of rows; see ``patches.multiply``."""
    tail, tail_targets = tail_room(pixels), tail_room(targets)
    for i in range(0, count, ROWS):
        p, t, rest = ahead(pixels, i), ahead(targets, i), min(ROWS, count - i)
        if rest < ROWS:
            for r in range(TAIL):
                tail[r], tail_targets[r] = p[min(r, rest - 1)], t[min(r, rest - 1)]
            p, t = tail, tail_targets
        if rest > TAIL - 2 * FEW + 1 or rest == ROWS:
            if n > w:
                _tile(a, p, steps, k, b, b_k, c, t, n, bias, mode)
            else:
                _narrow(a, p, steps, k, b, b_k, c, t, n, bias, mode)
        else:
            for r in range(0, rest, FEW):
                if n > w:
                    _few(a, ahead(p, r), steps, k, b, b_k, c, ahead(t, r), n, bias, mode)
                else:
                    _few_narrow(a, ahead(p, r), steps, k, b, b_k, c, ahead(t, r), n, bias, mode)


@jit
def _repeated(
    room: Any, source: Any, channels: Any, block: Any, first: Any, count: Any, geometry: Any
) -> Any:
    """A patch whose elements (depth, lane) are the source's channels[depth, first + lane]."""
    n0, i0, j0, samples, rows, across = block
    stride_rows, stride_columns, top, left, reach_rows, reach_columns = geometry[5:11]
    sample_pitch, pitch, pixel, _taps, depth = geometry[11:16]
    size = source.itemsize
    for n in range(samples):
        for i in range((rows - 1) * stride_rows + reach_rows):
            for j in range((across - 1) * stride_columns + reach_columns):
                to = ahead(room, n * sample_pitch + i * pitch + j * pixel)
                y, x = i0 * stride_rows + top + i, j0 * stride_columns + left + j
                if y < 0 or y >= source.shape[1] or x < 0 or x >= source.shape[2]:
                    clear_run(to, pixel)
                    continue
                at = (n0 + n) * source.strides[0] + y * source.strides[1] + x * source.strides[2]
                for d in range(depth):
                    for lane in range(count):
                        channel = channels[d, first + lane]
                        move(
                            ahead(to, d * (pixel // depth) + lane),
                            pointer(source, (at + channel * source.strides[3]) // size),
                        )
    return room


@jit
def _lanes_task(
    task: Any,
    source: Any,
    channels: Any,
    packed: Any,
    out: Any,
    bias: Any,
    mode: Any,
    steps: Any,
    pixels: Any,
    targets: Any,
    geometry: Any,
    split: Any,
    w: Any,
) -> None:
    """One block of pixels, for the ``split``-th part of the panels of lanes. packed is (depth and taps, lanes)."""
    taps, depth, _depth_block, total, together = geometry[14:19]
    size, width = source.itemsize, VECTORS * w
    block = block_of(task // split, source.shape[0], geometry)
    part, panels, k = task % split, -(-total // width), taps * depth
    table = 1 if block[5] < geometry[2] else 0
    places, ends = pointer(pixels, table * pixels.shape[1]), pointer(targets, table * targets.shape[1])
    base = block[0] * out.strides[0] + block[1] * out.strides[1] + block[2] * out.strides[2]
    room = _patch_room(pointer(out, 0))
    state = flush_denormals()
    last = min(total, (part + 1) * panels // split * width)
    for first in range(part * panels // split * width, last, together):
        count = min(together, last - first)
        if channels.shape[1]:
            patch = _repeated(room, source, channels, block, first, count, geometry)
        else:
            patch = patch_under(room, source, block, first, count, geometry)
        for lane in range(0, count, width):
            _multiply(
                ahead(patch, lane),
                places,
                block[3] * block[4] * block[5],
                pointer(steps, 0),
                k,
                pointer(packed, first + lane),
                packed.shape[1],
                pointer(out, base // size + first + lane),
                ends,
                min(width, count - lane),
                pointer(bias, first + lane),
                mode,
                w,
            )
    restore_mode(state)


def _lanes(
    pool: Any,
    tasks: Any,
    source: Any,
    channels: Any,
    packed: Any,
    out: Any,
    bias: Any,
    mode: Any,
    steps: Any,
    pixels: Any,
    targets: Any,
    geometry: Any,
    split: Any,
    w: Any,
) -> None:
    launch(
        pool,
        tasks,
        _lanes_task,
        (source, channels, packed, out, bias, mode, steps, pixels, targets, geometry, split, w),
    )


@jit
def _weights_task(
    task: Any,
    x: Any,
    channels: Any,
    g: Any,
    sums: Any,
    steps: Any,
    rows: Any,
    pixels: Any,
    targets: Any,
    geometry: Any,
    split: Any,
    blocks: Any,
    w: Any,
) -> None:
    """One part of the panels of lanes, over one partial sum's blocks of pixels. sums is (partial, 1, taps, lanes)."""
    taps, total, together = geometry[14], geometry[17], geometry[18]
    size, width = x.itemsize, VECTORS * w
    partials, panels = sums.shape[0], -(-total // width)
    partial, part = task // split, task % split
    room, panel = _patch_room(pointer(sums, 0)), _panel_room(pointer(sums, 0))
    state = flush_denormals()
    start = partial * blocks // partials
    last = min(total, (part + 1) * panels // split * width)
    for number in range(start, (partial + 1) * blocks // partials):
        block = block_of(number, x.shape[0], geometry)
        count = block[3] * block[4] * block[5]
        table = 1 if block[5] < geometry[2] else 0
        places, ends = pointer(pixels, table * pixels.shape[1]), pointer(targets, table * targets.shape[1])
        base = (block[0] * g.strides[0] + block[1] * g.strides[1] + block[2] * g.strides[2]) // size
        for first in range(part * panels // split * width, last, together):
            there = min(together, last - first)
            if channels.shape[1]:
                patch = _repeated(room, x, channels, block, first, there, geometry)
            else:
                patch = patch_under(room, x, block, first, there, geometry)
            for lane in range(0, there, width):
                n = min(width, there - lane)
                pack_gradients(g, base + first + lane, ends, count, n, panel, w)
                _multiply(
                    ahead(patch, lane),
                    pointer(steps, 0),
                    taps,
                    places,
                    count,
                    panel,
                    width,
                    pointer(sums, partial * taps * sums.shape[3] + first + lane),
                    pointer(rows, 0),
                    n,
                    pointer(sums, 0),
                    0 if number == start else ACCUMULATE,
                    w,
                )
    restore_mode(state)


def _weights(
    pool: Any,
    tasks: Any,
    x: Any,
    channels: Any,
    g: Any,
    sums: Any,
    dw: Any,
    steps: Any,
    rows: Any,
    pixels: Any,
    targets: Any,
    geometry: Any,
    split: Any,
    blocks: Any,
    w: Any,
) -> None:
    """Partial sums of the weights' gradient; then dw."""
    launch(
        pool,
        tasks,
        _weights_task,
        (x, channels, g, sums, steps, rows, pixels, targets, geometry, split, blocks, w),
    )
    launch(pool, -(-dw.shape[0] // w), combine_task, (sums, dw, 1, w))


class Compiled:
    """The kernels for one dtype, compiled when they are first used; images may have any layout."""

    def __init__(self, dtype: np.dtype) -> None:
        real, size = numba.from_dtype(dtype), types.int64
        image, flat = types.Array(real, 4, "A"), types.Array(real, 1, "A")
        matrix, dw, sums = (types.Array(real, d, "C") for d in (2, 3, 4))
        offsets, table = types.Array(size, 1, "C"), types.Array(size, 2, "C")
        pool, geometry = types.UniTuple(size, 2), types.UniTuple(size, len(Geometry._fields))
        self.w, self.width = lanes(dtype.itemsize), columns(dtype.itemsize)
        self.no_bias = np.empty(0, dtype)
        self.run: Parallel = parallel(
            _lanes,
            signature=types.void(
                *(pool, size, image, table, matrix, image, flat, size),
                *(offsets, table, table, geometry, size, size),
            ),
        )
        self.weights: Parallel = parallel(
            _weights,
            signature=types.void(
                *(pool, size, image, table, image, sums, dw),
                *(offsets, offsets, table, table, geometry, size, size, size),
            ),
        )


@functools.cache
def compiled_for_dtype(dtype: np.dtype) -> Compiled:
    return Compiled(dtype)
