"""Direct convolution: the image is read where it lies, and the sums over all taps and channels stay in registers.

What this does about the machine:

- **Registers.** 14 pixels by 32 filters are summed at a time. The tile finds the image's elements through tables
  (:mod:`minidl.kernels.gather`), so no matrix of windows is stored, and nothing is added up in memory.
- **Cache.** A block of pixels reads one patch of the image, copied once into a buffer with the zeros of the padding
  around it (:mod:`minidl.kernels.conv2d.plans`); or in place, where there is no padding. Filters are packed 32 side
  by side, in the order in which the sums run: a panel streams through while the patch stays.
- **Threads.** Blocks of pixels go to the pool; if there are few, so do blocks of filters.

Strides, dilations and groups cost nothing: they are other numbers in the tables. A gradient is the same walk: that of
the image over the pixels of x, for each phase of the stride; that of the weights with the two tables exchanged, over
fixed blocks of pixels whose sums are added in order.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numba
import numpy as np
from numba import types

from minidl.kernels.arrays import compiled_for
from minidl.kernels.compile import jit
from minidl.kernels.conv2d import patches
from minidl.kernels.conv2d.patches import ROWS, VECTORS, fill, pack_panel
from minidl.kernels.conv2d.plans import PATCH, PIXELS, PIXELS_OF_GRADIENTS, Geometry, Plan, Taps, Walk, fits, plan
from minidl.kernels.launch import launch
from minidl.kernels.simd import ACCUMULATE, ahead, columns, flush_denormals, lanes, pointer, restore_mode, scratch
from minidl.kernels.threads import Parallel, parallel
from minidl.kernels.windows import Pair, Shape4, output_sizes, to_nchw

# From this many multiplications on, the pool pays for its launch.
WORTH_THREADS = 1 << 17
# As many tasks as a small pool shares evenly.
TASKS = 8
# What the partial sums of a weight gradient may take, in elements; and how many of them there are at most.
PARTIAL_SUMS, PARTIALS = 1 << 20, 16

_patch_room = scratch(PATCH)
_panel_room = scratch(PIXELS_OF_GRADIENTS * columns(4))


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
    """float32 and float64; filters whose windows fit into a buffer (some 60 x 60 taps)."""
    walk = _forward_walk(x_shape, w_shape, stride, padding, dilation, groups)
    return compiled_for(dtype) and fits(walk)


# --- Geometry -----------------------------------------------------------------------------------------------------


def _forward_walk(
    x_shape: Shape4, w_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Walk:
    """Over the pixels of y, reading x."""
    _, c, h, w = x_shape
    f, _, kh, kw = w_shape
    oh, ow = output_sizes((h, w), (kh, kw), stride, padding, dilation)
    taps = (Taps(-padding[0], dilation[0], kh), Taps(-padding[1], dilation[1], kw))
    return Walk((h, w, c), (oh, ow), stride, taps, groups, f // groups, (oh * ow * f, ow * f, f))


def _phase(size: int, first: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[Taps, slice]:
    """The pixels first, first + stride, ... of x in one dimension: which taps reach them, and at which offsets of g.

    Tap t joins pixel y of x with pixel (y + padding - t*dilation) / stride of g, if that is whole.
    """
    reaching = [t for t in range(kernel) if (first + padding - t * dilation) % stride == 0]
    if not reaching:
        return Taps(0, 1, 0), slice(0, 0)
    offsets = [(first + padding - t * dilation) // stride for t in reaching[::-1]]
    step = offsets[1] - offsets[0] if len(offsets) > 1 else 1
    # From the last tap that reaches to the first: offsets ascend.
    stop = reaching[0] - 1
    selected = slice(reaching[-1], stop if stop >= 0 else None, -(reaching[1] - reaching[0]) if len(offsets) > 1 else -1)
    return Taps(offsets[0], step, len(offsets)), selected


@functools.lru_cache(maxsize=1024)
def _gradient_walks(
    x_shape: Shape4, w_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> list[tuple[Walk, Pair, tuple[slice, slice]]]:
    """For every phase of the stride: its walk over pixels of x, reading g; its first pixel; its taps."""
    _, c, h, w = x_shape
    f, _, kh, kw = w_shape
    oh, ow = output_sizes((h, w), (kh, kw), stride, padding, dilation)
    walks = []
    for i in range(min(stride[0], h)):
        for j in range(min(stride[1], w)):
            across, down = (
                _phase(h, i, kh, stride[0], padding[0], dilation[0]),
                _phase(w, j, kw, stride[1], padding[1], dilation[1]),
            )
            grid = (-(-(h - i) // stride[0]), -(-(w - j) // stride[1]))
            target = (h * w * c, stride[0] * w * c, stride[1] * c)
            walk = Walk((oh, ow, f), grid, (1, 1), (across[0], down[0]), groups, c // groups, target)
            walks.append((walk, (i, j), (across[1], down[1])))
    return walks


# --- The walk over pixels of a result -----------------------------------------------------------------------------


@jit
def _pack_task(task: Any, filters: Any, packed: Any, block: Any, w: Any) -> None:
    """One panel of filters (group, tap row, tap column, channel, column)."""
    groups, high, wide, depth, across = filters.shape
    size, width = filters.itemsize, VECTORS * w
    panels = -(-across // width)
    group, first = task // panels, task % panels * width
    strides = (
        filters.strides[1] // size,
        filters.strides[2] // size,
        filters.strides[3] // size,
        filters.strides[4] // size,
    )
    source = pointer(filters, group * (filters.strides[0] // size) + first * strides[3])
    target = pointer(packed, task * (high * wide * depth * width))
    pack_panel(source, strides, (high, wide), depth, block, min(width, across - first), target, width)


@jit
def _block_of(task: Any, n: Any, geometry: Any) -> Any:
    """Which block of the grid: its first sample, row and column, and how many there are of each."""
    samples, rows, across, grid_rows, grid_columns = geometry[0], geometry[1], geometry[2], geometry[3], geometry[4]
    blocks_across, blocks_down = -(-grid_columns // across), -(-grid_rows // rows)
    n0 = task // (blocks_across * blocks_down) * samples
    i0 = task // blocks_across % blocks_down * rows
    j0 = task % blocks_across * across
    return n0, i0, j0, min(samples, n - n0), min(rows, grid_rows - i0), min(across, grid_columns - j0)


@jit
def _patch(room: Any, source: Any, block: Any, channel: Any, count: Any, geometry: Any) -> Any:
    """A pointer to the patch under a block, from that channel on: copied into ``room``, or in place."""
    n0, i0, j0, samples, rows, across = block
    (stride_rows, stride_columns, top, left, reach_rows, reach_columns, sample_pitch, pitch, pixel) = geometry[5:14]
    size = source.itemsize
    strides = (
        source.strides[0] // size,
        source.strides[1] // size,
        source.strides[2] // size,
        source.strides[3] // size,
    )
    y, x = i0 * stride_rows + top, j0 * stride_columns + left
    if geometry[20]:
        return pointer(source, n0 * strides[0] + y * strides[1] + x * strides[2] + channel)
    fill(
        room,
        pointer(source, n0 * strides[0] + channel * strides[3]),
        strides,
        (source.shape[1], source.shape[2]),
        (y, x),
        samples,
        ((rows - 1) * stride_rows + reach_rows, (across - 1) * stride_columns + reach_columns),
        (sample_pitch, pitch, pixel),
        count,
    )
    return room


@jit
def _result_task(
    task: Any,
    source: Any,
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
    """One block of pixels, for the ``split``-th part of the groups, or of the panels of the only group."""
    taps, depth, depth_block, groups, group_block, across = geometry[14:20]
    size, width = source.itemsize, VECTORS * w
    block = _block_of(task // split, source.shape[0], geometry)
    n0, i0, j0, count = block[0], block[1], block[2], block[3] * block[4] * block[5]
    part, panels = task % split, -(-across // width)
    g_first, g_last, p_first, p_last = 0, groups, 0, panels
    if groups > 1:
        g_first, g_last = part * groups // split, (part + 1) * groups // split
    else:
        p_first, p_last = part * panels // split, (part + 1) * panels // split
    table = 1 if block[5] < geometry[2] else 0
    places, ends = pointer(pixels, table * pixels.shape[1]), pointer(targets, table * targets.shape[1])
    base = n0 * (out.strides[0] // size) + i0 * (out.strides[1] // size) + j0 * (out.strides[2] // size)
    room = _patch_room(pointer(out, 0))
    state = flush_denormals()
    for g0 in range(g_first, g_last, group_block):
        g1 = min(g0 + group_block, g_last)
        for k0 in range(0, depth, depth_block):
            deep = min(depth_block, depth - k0)
            channel = g0 * depth + k0
            patch = _patch(room, source, block, channel, (g1 - g0 - 1) * depth + deep, geometry)
            how = (0 if k0 == 0 else ACCUMULATE) | (mode if k0 + deep == depth else 0)
            for unit in range((g1 - g0) * (p_last - p_first)):
                g, p = g0 + unit // (p_last - p_first), p_first + unit % (p_last - p_first)
                column = g * across + p * width
                patches.rows(
                    ahead(patch, (g - g0) * depth),
                    places,
                    count,
                    pointer(steps, k0 * taps),
                    taps * deep,
                    pointer(packed, ((g * panels + p) * depth + k0) * taps * width),
                    width,
                    pointer(out, base + column),
                    ends,
                    min(width, across - p * width),
                    pointer(bias, column),
                    how,
                    w,
                )
    restore_mode(state)


def _result(
    pool: Any,
    packs: Any,
    filters: Any,
    packed: Any,
    tasks: Any,
    source: Any,
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
    """Pack ``packs`` panels of filters; then out = the walk over source."""
    launch(pool, packs, _pack_task, (filters, packed, geometry[16], w))
    launch(
        pool,
        tasks,
        _result_task,
        (source, packed, out, bias, mode, steps, pixels, targets, geometry, split, w),
    )


# --- The walk for the weights' gradient ---------------------------------------------------------------------------


@jit
def _pack_gradients(g: Any, at: Any, targets: Any, count: Any, n: Any, panel: Any, w: Any) -> None:
    """n channels of g at ``count`` pixels, as a panel."""
    width = VECTORS * w
    for p in range(count):
        source, to = pointer(g, at + targets[p]), ahead(panel, p * width)
        for j in range(n):
            to[j] = source[j]
        for j in range(n, width):
            to[j] = 0


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
        block = _block_of(number, x.shape[0], geometry)
        count = block[3] * block[4] * block[5]
        table = 1 if block[5] < geometry[2] else 0
        places, ends = pointer(pixels, table * pixels.shape[1]), pointer(targets, table * targets.shape[1])
        base = block[0] * (g.strides[0] // size) + block[1] * (g.strides[1] // size) + block[2] * (g.strides[2] // size)
        for g0 in range(g_first, g_last, group_block):
            g1 = min(g0 + group_block, g_last)
            for k0 in range(0, depth, depth_block):
                deep = min(depth_block, depth - k0)
                patch = _patch(room, x, block, g0 * depth + k0, (g1 - g0 - 1) * depth + deep, geometry)
                for unit in range((g1 - g0) * (p_last - p_first)):
                    group, p = g0 + unit // (p_last - p_first), p_first + unit % (p_last - p_first)
                    n = min(width, across - p * width)
                    _pack_gradients(g, base + group * across + p * width, ends, count, n, panel, w)
                    patches.rows(
                        ahead(patch, (group - g0) * depth),
                        pointer(steps, k0 * taps),
                        taps * deep,
                        places,
                        count,
                        panel,
                        width,
                        pointer(sums, ((partial * groups + group) * depth + k0) * taps * across + p * width),
                        pointer(rows, 0),
                        n,
                        pointer(sums, 0),
                        0 if number == start else ACCUMULATE,
                        w,
                    )
    restore_mode(state)


@jit
def _combine_task(task: Any, sums: Any, dw: Any, block: Any) -> None:
    """One filter: the partial sums (partial, group, step, filter), added in their order, as dw (F, C/groups, taps)."""
    partials, groups, count, across = sums.shape
    _, depth, taps = dw.shape
    g, j = task // across, task % across
    for first in range(0, depth, block):
        deep = min(block, depth - first)
        for t in range(taps):
            for c in range(deep):
                step = first * taps + t * deep + c
                total = sums[0, g, step, j]
                for partial in range(1, partials):
                    total += sums[partial, g, step, j]
                dw[task, first + c, t] = total


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
    launch(pool, dw.shape[0], _combine_task, (sums, dw, geometry[16]))


# --- The gate -----------------------------------------------------------------------------------------------------


class _Compiled:
    """The kernels for one dtype, compiled when they are first used; images may have any layout."""

    def __init__(self, dtype: np.dtype) -> None:
        real, size = numba.from_dtype(dtype), types.int64
        filters, image, flat = (types.Array(real, d, "A") for d in (5, 4, 1))
        packed, dw, sums = (types.Array(real, d, "C") for d in (1, 3, 4))
        offsets, table = types.Array(size, 1, "C"), types.Array(size, 2, "C")
        pool, geometry = types.UniTuple(size, 2), types.UniTuple(size, len(Geometry._fields))
        self.w, self.width = lanes(dtype.itemsize), columns(dtype.itemsize)
        self.no_bias = np.empty(0, dtype)
        tables = (offsets, table, table, geometry)
        self.result: Parallel = parallel(
            _result,
            signature=types.void(
                *(pool, size, filters, packed, size, image, image, flat, size, *tables, size, size)
            ),
        )
        self.weights: Parallel = parallel(
            _weights,
            signature=types.void(
                *(pool, size, image, image, sums, dw, offsets, offsets, table, table, geometry),
                *(size, size, size),
            ),
        )


@functools.cache
def _compiled(dtype: np.dtype) -> _Compiled:
    return _Compiled(dtype)


def _blocks(n: int, geometry: Geometry) -> int:
    """How many blocks the grids of n samples have."""
    return (
        -(-n // geometry.samples)
        * -(-geometry.grid_rows // geometry.rows)
        * -(-geometry.grid_columns // geometry.across)
    )


def _split(blocks: int, groups: int, panels: int) -> int:
    """Into how many parts the groups or panels are split, so that there are enough tasks."""
    return 1 if blocks >= TASKS else min(groups if groups > 1 else panels, -(-TASKS // max(1, blocks)))


def _nhwc(x: np.ndarray) -> np.ndarray:
    """Seen as (N, H, W, C), in memory that compiled code can read."""
    if not (x.flags.aligned and x.dtype.isnative and x.flags.writeable):
        x = np.array(x, dtype=x.dtype.newbyteorder("="))
    return x.transpose(0, 2, 3, 1)


def _walk(walk: Walk, source: np.ndarray, filters: np.ndarray, out: np.ndarray) -> None:
    """out (N, grid, channels) = the walk over source, with filters (group, tap row, tap column, channel, column)."""
    compiled = _compiled(source.dtype)
    how: Plan = plan(walk, source.itemsize, source.flags.c_contiguous, PIXELS)
    geometry = how.geometry
    n, depth = source.shape[0], geometry.taps * geometry.depth
    panels = -(-walk.columns // compiled.width)
    packed = np.empty(walk.groups * panels * depth * compiled.width, source.dtype)
    blocks = _blocks(n, geometry)
    split = _split(blocks, walk.groups, panels)
    work = n * math.prod(walk.grid) * walk.groups * walk.columns * depth
    compiled.result.sized(work, WORTH_THREADS)(
        *(walk.groups * panels, filters, packed, blocks * split, source, out, compiled.no_bias, 0),
        *(how.steps, how.pixels, how.targets, how.numbers, split, compiled.w),
    )


def _plain_filters(w: np.ndarray) -> np.ndarray:
    return w if w.flags.carray and w.dtype.isnative else np.array(w, dtype=w.dtype.newbyteorder("="), order="C")


def forward(
    x: np.ndarray, w: np.ndarray, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """y, by one walk over x."""
    walk = _forward_walk(x.shape, w.shape, stride, padding, dilation, groups)
    source = _nhwc(x)
    f, c, kh, kw = w.shape
    out = np.empty((x.shape[0], *walk.grid, f), source.dtype)
    filters = _plain_filters(w).reshape(groups, f // groups, c, kh, kw).transpose(0, 3, 4, 2, 1)
    _walk(walk, source, filters, out)
    return to_nchw(out)


def input_grad(
    g: np.ndarray, w: np.ndarray, x_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """dx, by one walk over g for every phase of the stride."""
    source = _nhwc(g)
    n, c, height, width = x_shape
    f, _, kh, kw = w.shape
    dx = np.empty((n, height, width, c), source.dtype)
    filters = _plain_filters(w).reshape(groups, f // groups, c // groups, kh, kw).transpose(0, 3, 4, 1, 2)
    geometry = (stride, padding, dilation, groups)
    for walk, (i, j), (rows, across) in _gradient_walks((1, *x_shape[1:]), w.shape, *geometry):
        _walk(walk, source, filters[:, rows, across], dx[:, i :: stride[0], j :: stride[1]])
    return to_nchw(dx)


def weight_grad(
    x: np.ndarray, g: np.ndarray, w_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """dw, by one walk over x and g, in partial sums over fixed blocks."""
    walk = _forward_walk(x.shape, w_shape, stride, padding, dilation, groups)
    source, gradients = _nhwc(x), np.ascontiguousarray(_nhwc(g))
    compiled = _compiled(source.dtype)
    how = plan(walk, source.itemsize, source.flags.c_contiguous, PIXELS_OF_GRADIENTS)
    geometry, n = how.geometry, x.shape[0]
    depth = geometry.taps * geometry.depth
    panels = -(-walk.columns // compiled.width)
    blocks = _blocks(n, geometry)
    partials = max(1, min(blocks, PARTIALS, PARTIAL_SUMS // math.prod(w_shape)))
    split = _split(partials, groups, panels)
    sums = np.empty((partials, groups, depth, walk.columns), source.dtype)
    dw = np.empty((w_shape[0], w_shape[1], w_shape[2] * w_shape[3]), source.dtype)
    if n == 0:
        return np.zeros(w_shape, source.dtype)
    work = n * math.prod(walk.grid) * groups * walk.columns * depth
    compiled.weights.sized(work, WORTH_THREADS)(
        *(partials * split, source, gradients, sums, dw, how.steps, _rows(depth, walk.columns)),
        *(how.pixels, how.targets, how.numbers, split, blocks, compiled.w),
    )
    return dw.reshape(w_shape)


@functools.lru_cache(maxsize=1024)
def _rows(count: int, distance: int) -> np.ndarray:
    """Where rows of a dense matrix begin."""
    return np.arange(count, dtype=np.int64) * distance
