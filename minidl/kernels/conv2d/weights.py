"""The walk for the weights' gradient: sums over the pixels of a grid, in fixed blocks."""

from __future__ import annotations

import functools
import math
from typing import Any

import numba
import numpy as np
from numba import types

from minidl.kernels.compile import jit
from minidl.kernels.conv2d.geometry import Walk
from minidl.kernels.conv2d.patches import VECTORS, block_of, multiply, patch_under
from minidl.kernels.conv2d.plans import PATCH, PIXELS_OF_GRADIENTS, Geometry, blocks_of, plan, split_of
from minidl.kernels.gather import add_up, clear_run, copy_run
from minidl.kernels.launch import launch
from minidl.kernels.simd import (
    ACCUMULATE,
    ahead,
    columns,
    copy,
    flush_denormals,
    lanes,
    pointer,
    restore_mode,
    scratch,
    transpose,
)
from minidl.kernels.threads import WORTH_MULTIPLICATIONS, Parallel, parallel

# What the partial sums may take, in elements; and how many of them there are at most.
PARTIAL_SUMS, PARTIALS = 1 << 18, 16

_patch_room = scratch(PATCH)
_square_room = scratch(lanes(4) ** 2)
_copy_row = copy(VECTORS)
_panel_room = scratch(PIXELS_OF_GRADIENTS * columns(4))


@jit
def pack_gradients(g: Any, at: Any, targets: Any, count: Any, n: Any, panel: Any, w: Any) -> None:
    """n channels of g at ``count`` pixels, as a panel."""
    width = VECTORS * w
    for p in range(count):
        source, to = pointer(g, at + targets[p]), ahead(panel, p * width)
        if n == width:
            _copy_row(to, source)
        else:
            copy_run(to, source, n)
            clear_run(ahead(to, n), width - n)


@jit
def _weights_task(
    task: Any,
    x: Any,
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
    """One part of the panels of gradients, over one partial sum's blocks of pixels, in their order."""
    taps, depth, depth_block, groups, group_block, across = geometry[14:20]
    size, width = x.itemsize, VECTORS * w
    panels = -(-across // width)
    partials = sums.shape[0]
    partial, part = task // split, task % split
    g_first, g_last, p_first, p_last = 0, groups, 0, panels
    if groups > 1:
        g_first, g_last = part * groups // split, (part + 1) * groups // split
    else:
        p_first, p_last = part * panels // split, (part + 1) * panels // split
    room = _patch_room(pointer(sums, 0))
    panel = _panel_room(pointer(sums, 0))
    state = flush_denormals()
    start = partial * blocks // partials
    for number in range(start, (partial + 1) * blocks // partials):
        block = block_of(number, x.shape[0], geometry)
        count = block[3] * block[4] * block[5]
        table = 1 if block[5] < geometry[2] else 0
        places, ends = pointer(pixels, table * pixels.shape[1]), pointer(targets, table * targets.shape[1])
        base = (
            block[0] * (g.strides[0] // size)
            + block[1] * (g.strides[1] // size)
            + block[2] * (g.strides[2] // size)
        )
        for g0 in range(g_first, g_last, group_block):
            g1 = min(g0 + group_block, g_last)
            for k0 in range(0, depth, depth_block):
                deep = min(depth_block, depth - k0)
                patch = patch_under(room, x, block, g0 * depth + k0, (g1 - g0 - 1) * depth + deep, geometry)
                for unit in range((g1 - g0) * (p_last - p_first)):
                    group, p = g0 + unit // (p_last - p_first), p_first + unit % (p_last - p_first)
                    n = min(width, across - p * width)
                    pack_gradients(g, base + group * across + p * width, ends, count, n, panel, w)
                    multiply(
                        ahead(patch, (group - g0) * depth),
                        pointer(steps, k0 * taps),
                        taps * deep,
                        places,
                        count,
                        panel,
                        width,
                        pointer(
                            sums, ((partial * groups + group) * depth + k0) * taps * sums.shape[3] + p * width
                        ),
                        pointer(rows, 0),
                        n,
                        pointer(sums, 0),
                        0 if number == start else ACCUMULATE,
                        w,
                    )
    restore_mode(state)


@jit
def combine_task(task: Any, sums: Any, dw: Any, block: Any, w: Any) -> None:
    """w filters of one group: the partial sums (partial, group, step, filter), added in their order, as dw.

    dw is (F, C/groups, taps). Squares of w steps by w filters are turned in registers.
    """
    partials, groups, steps, padded = sums.shape
    filters, depth, taps = dw.shape
    across = filters // groups
    squares = -(-across // w)
    g, first = task // squares, task % squares * w
    square = _square_room(pointer(sums, 0))
    turned = _square_room(pointer(sums, 0))
    for e0 in range(0, steps, w):
        count = min(w, steps - e0)
        for i in range(count):
            c, t = (e0 + i) // taps, (e0 + i) % taps
            start = c // block * block
            step = start * taps + t * min(block, depth - start) + c - start
            add_up(
                ahead(square, i * w),
                pointer(sums, (g * steps + step) * padded + first),
                groups * steps * padded,
                partials,
            )
        transpose(turned, w, square, w)
        for j in range(min(w, across - first)):
            copy_run(pointer(dw, (g * across + first + j) * steps + e0), ahead(turned, j * w), count)


def _weights(
    pool: Any,
    tasks: Any,
    x: Any,
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
        (x, g, sums, steps, rows, pixels, targets, geometry, split, blocks, w),
    )
    launch(pool, sums.shape[1] * -(-geometry[19] // w), combine_task, (sums, dw, geometry[16], w))


class _Compiled:
    """The kernel for one dtype, compiled when it is first used; images may have any layout."""

    def __init__(self, dtype: np.dtype) -> None:
        real, size = numba.from_dtype(dtype), types.int64
        image, dw, sums = types.Array(real, 4, "A"), types.Array(real, 3, "C"), types.Array(real, 4, "C")
        offsets, table = types.Array(size, 1, "C"), types.Array(size, 2, "C")
        pool, geometry = types.UniTuple(size, 2), types.UniTuple(size, len(Geometry._fields))
        self.w, self.width = lanes(dtype.itemsize), columns(dtype.itemsize)
        self.run: Parallel = parallel(
            _weights,
            signature=types.void(
                *(pool, size, image, image, sums, dw, offsets, offsets, table, table, geometry),
                *(size, size, size),
            ),
        )


@functools.cache
def _compiled(dtype: np.dtype) -> _Compiled:
    return _Compiled(dtype)


@functools.lru_cache(maxsize=1024)
def row_table(count: int, distance: int) -> np.ndarray:
    """Where the rows of a dense matrix begin."""
    return np.arange(count, dtype=np.int64) * distance


def partials_of(blocks: int, size: int) -> int:
    """How many partial sums of ``size`` elements there are: they must be written and read again."""
    return max(1, min(blocks, PARTIALS, PARTIAL_SUMS // size))


def compute(walk: Walk, source: np.ndarray, g: np.ndarray, dw: np.ndarray) -> None:
    """dw (F, C/groups, taps) = the sum over the grid of g's elements times the source's at each tap.

    Args:
        walk: the convolution.
        source: (N, H, W, C), in any layout, in memory that compiled code reads.
        g: (N, grid, F), C-contiguous.
        dw: the result.
    """
    compiled, n = _compiled(source.dtype), source.shape[0]
    how = plan(walk, source.itemsize, source.flags.c_contiguous, PIXELS_OF_GRADIENTS)
    depth, panels = how.geometry.taps * how.geometry.depth, -(-walk.columns // compiled.width)
    blocks = blocks_of(n, how.geometry)
    partials = partials_of(blocks, dw.size)
    split = split_of(partials, walk.groups, panels)
    padded = -(-walk.columns // compiled.w) * compiled.w
    sums = np.empty((partials, walk.groups, depth, padded), source.dtype)
    work = n * math.prod(walk.grid) * walk.groups * walk.columns * depth
    compiled.run.sized(work, WORTH_MULTIPLICATIONS)(
        *(partials * split, source, g, sums, dw, how.steps, row_table(depth, padded)),
        *(how.pixels, how.targets, how.numbers, split, blocks, compiled.w),
    )
