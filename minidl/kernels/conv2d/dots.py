"""Convolution as dot products: for a few filters of many channels.

The direct kernel puts filters side by side in vectors; with two of them, 14 lanes in 16 are idle. Here the lanes of a
vector hold neighbouring terms of one sum, 16 channels of a pixel, and are added up at its end. Everything else is as in
the direct kernel: patches with zeros around the image, tables of offsets, sums over all taps in registers, phases of
the stride.

What this does about the machine:

- **Registers.** 7 pixels by 4 filters are summed at a time; a vector of the image serves 4 filters, one of a filter 7
  pixels. Filters that are left over go one by one: 8 loads for 7 multiply-adds, of which a core does one a cycle each.
- **Lanes.** Channels that fill no vector are joined with those of the next pixel: the taps of a filter's row are
  neighbours in memory, too. Loads are masked, so that no lane holds what is outside of the window.
- Adding up 16 lanes takes as long as some 8 steps of the sum: too long for windows of a few elements.

What that bought: µs of one core for images of 28x40, batch 4, direct kernel and this one, by the number of filters:

    filters                         1             2             4             8            12            20
    3x3, 4 channels           59 / 22       61 / 33       60 / 49       60 / 85      60 / 120
    3x3, 24 channels         296 / 53      295 / 83      293 / 123     293 / 223     295 / 324     565 / 527
    5x5, 64 channels       2067 / 223    2048 / 409    2037 / 612   2032 / 1202   2092 / 1810   4369 / 2981
    7x7, 3, stride 2          62 / 22       61 / 34       61 / 57       62 / 65      65 / 104
    1x1, 128                 191 / 58      197 / 78      196 / 92     201 / 149     194 / 215
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import types

from minidl.kernels.arrays import compiled_for, plain
from minidl.kernels.compile import jit
from minidl.kernels.conv2d import direct
from minidl.kernels.conv2d.direct import nhwc, plain_filters
from minidl.kernels.conv2d.geometry import Walk, forward_walk, gradient_walks, walks_of
from minidl.kernels.conv2d.patches import block_of, patch_under
from minidl.kernels.conv2d.plans import PATCH, PIXELS, Geometry, Plan, fits, plan, shared, split_of
from minidl.kernels.gather import dotted, move
from minidl.kernels.launch import launch
from minidl.kernels.simd import (
    ACCUMULATE,
    BIAS,
    RELU,
    ahead,
    flush_denormals,
    lanes,
    machine,
    pointer,
    restore_mode,
    scratch,
)
from minidl.kernels.threads import WORTH_MULTIPLICATIONS, Parallel, parallel
from minidl.kernels.windows import Pair, Shape4, to_nchw

ROWS, COLUMNS = machine().rows // 2, 2 * machine().vectors

_several = dotted(ROWS, COLUMNS)
_single = dotted(ROWS, 1)
_tail_room = scratch(ROWS)
_patch_room = scratch(PATCH)


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
    """As the direct kernel, which computes the gradient of the weights."""
    walks = walks_of(function, x_shape, w_shape, stride, padding, dilation, groups)
    return compiled_for(dtype) and all(fits(walk) for walk in walks)


def pays(
    function: str,
    dtype: np.dtype,
    x_shape: Shape4,
    w_shape: Shape4,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> bool:
    """Whether this is faster than the direct kernel, by the cycles that either takes for a pixel.

    The direct kernel takes 1.1 for every step and vector of columns; here a column takes 1.2 for every vector of the
    sum and 5 for the end, and those beyond a multiple of COLUMNS take 1.9 and 6.
    """
    if function == "weight_grad":
        return False
    w, ours, theirs = lanes(dtype.itemsize), 0.0, 0.0
    for walk in walks_of(function, x_shape, w_shape, stride, padding, dilation, groups):
        (down, across), depth, pixels = walk.taps, walk.source[2] // groups, walk.grid[0] * walk.grid[1]
        joined = groups == 1 and across.step == 1 and depth % w
        vectors = down.number * (-(-across.number * depth // w) if joined else across.number * -(-depth // w))
        several = walk.columns // COLUMNS * COLUMNS
        ours += pixels * (several * (5 + 1.2 * vectors) + (walk.columns - several) * (6 + 1.9 * vectors))
        theirs += pixels * 1.1 * down.number * across.number * depth * -(-walk.columns // w)
    return ours < theirs


@jit
def _pack_task(task: Any, filters: Any, packed: Any, block: Any, joined: Any, w: Any) -> None:
    """One column of filters (group, tap row, tap column, channel, column), in the order of the steps."""
    _groups, high, wide, depth, across = filters.shape
    size = filters.itemsize
    by_row, by_tap, by_channel = (
        filters.strides[1] // size,
        filters.strides[2] // size,
        filters.strides[3] // size,
    )
    at = task // across * (filters.strides[0] // size) + task % across * (filters.strides[4] // size)
    source = pointer(filters, at)
    to = pointer(packed, task * (packed.shape[1] * w))
    runs, taps = (high, wide) if joined else (high * wide, 1)
    for first in range(0, depth, block):
        count = min(block, depth - first)
        for run in range(runs):
            tap = ahead(source, first * by_channel)
            tap = (
                ahead(tap, run * by_row) if joined else ahead(tap, run // wide * by_row + run % wide * by_tap)
            )
            for t in range(taps):
                for c in range(count):
                    move(ahead(to, t * count + c), ahead(tap, t * by_tap + c * by_channel))
            whole = -(-taps * count // w) * w
            for e in range(taps * count, whole):
                to[e] = 0
            to = ahead(to, whole)


@jit
def _multiply(
    a: Any,
    pixels: Any,
    count: Any,
    steps: Any,
    masks: Any,
    k: Any,
    b: Any,
    b_column: Any,
    c: Any,
    targets: Any,
    n: Any,
    bias: Any,
    mode: Any,
) -> None:
    """The tile for any number of rows and of columns; rows that are missing are copies of the last one."""
    tail, tail_targets = _tail_room(pixels), _tail_room(targets)
    for i in range(0, count, ROWS):
        p, t, rest = ahead(pixels, i), ahead(targets, i), count - i
        if rest < ROWS:
            for r in range(ROWS):
                tail[r], tail_targets[r] = p[min(r, rest - 1)], t[min(r, rest - 1)]
            p, t = tail, tail_targets
        j = 0
        while j + COLUMNS <= n:
            _several(
                a, p, steps, masks, k, ahead(b, j * b_column), b_column, ahead(c, j), t, ahead(bias, j), mode
            )
            j += COLUMNS
        while j < n:
            _single(
                a, p, steps, masks, k, ahead(b, j * b_column), b_column, ahead(c, j), t, ahead(bias, j), mode
            )
            j += 1


@jit
def _dots_task(
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
    of_block: Any,
    split: Any,
) -> None:
    """One block of pixels, for the ``split``-th part of the groups, or of the columns of the only group."""
    depth, depth_block, groups, group_block, across = geometry[15:20]
    size, total, w = source.itemsize, packed.shape[1], packed.shape[2]
    block = block_of(task // split, source.shape[0], geometry)
    part = task % split
    g_first, g_last, first, last = 0, groups, 0, across
    if groups > 1:
        g_first, g_last = part * groups // split, (part + 1) * groups // split
    else:
        first, last = part * across // split, (part + 1) * across // split
    table = 1 if block[5] < geometry[2] else 0
    places, ends = pointer(pixels, table * pixels.shape[1]), pointer(targets, table * targets.shape[1])
    base = (block[0] * out.strides[0] + block[1] * out.strides[1] + block[2] * out.strides[2]) // size
    room = _patch_room(pointer(out, 0))
    state = flush_denormals()
    for g0 in range(g_first, g_last, group_block):
        g1 = min(g0 + group_block, g_last)
        for k0 in range(0, depth, depth_block):
            deep, start = min(depth_block, depth - k0), k0 // depth_block * of_block
            patch = patch_under(room, source, block, g0 * depth + k0, (g1 - g0 - 1) * depth + deep, geometry)
            how = (0 if k0 == 0 else ACCUMULATE) | (mode if k0 + deep == depth else 0)
            for g in range(g0, g1):
                column = g * across + first
                _multiply(
                    ahead(patch, (g - g0) * depth),
                    places,
                    block[3] * block[4] * block[5],
                    pointer(steps, start),
                    pointer(steps, total + start),
                    min(of_block, total - start),
                    pointer(packed, (column * total + start) * w),
                    total * w,
                    pointer(out, base + column),
                    ends,
                    last - first,
                    pointer(bias, column),
                    how,
                )
    restore_mode(state)


def _dots(
    pool: Any,
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
    form: Any,
    split: Any,
) -> None:
    """Pack the filters; then out = the walk over source. ``form``: steps of a block of channels, whether rows of taps
    are joined.
    """
    launch(pool, packed.shape[0], _pack_task, (filters, packed, geometry[16], form[1], packed.shape[2]))
    launch(
        pool,
        tasks,
        _dots_task,
        (source, packed, out, bias, mode, steps, pixels, targets, geometry, form[0], split),
    )


class _Compiled:
    """The kernel for one dtype, compiled when it is first used; images may have any layout."""

    def __init__(self, dtype: np.dtype) -> None:
        real, size = numba.from_dtype(dtype), types.int64
        filters, image, flat = (types.Array(real, d, "A") for d in (5, 4, 1))
        packed, table, pair = types.Array(real, 3, "C"), types.Array(size, 2, "C"), types.UniTuple(size, 2)
        geometry = types.UniTuple(size, len(Geometry._fields))
        self.w = lanes(dtype.itemsize)
        self.no_bias = np.empty(0, dtype)
        self.run: Parallel = parallel(
            _dots,
            signature=types.void(
                *(pair, filters, packed, size, image, image, flat, size),
                *(table, table, table, geometry, pair, size),
            ),
        )


@functools.cache
def _compiled(dtype: np.dtype) -> _Compiled:
    return _Compiled(dtype)


class _Steps(NamedTuple):
    """How to walk, in vectors.

    Attributes:
        plan: blocks, patches and pixels, as for the direct kernel.
        table: (2, steps of all blocks of channels): offsets in the patch; which lanes are there, a bit for each.
        form: steps of a whole block of channels; whether the taps of a row are joined.
    """

    plan: Plan
    table: np.ndarray
    form: Pair


@functools.lru_cache(maxsize=1024)
def _steps(walk: Walk, itemsize: int, dense: bool) -> _Steps:
    how, w = plan(walk, itemsize, dense, PIXELS), lanes(itemsize)
    geometry, (down, across) = how.geometry, walk.taps
    depth = geometry.depth
    joined = across.step == 1 and geometry.pixel == depth == geometry.depth_block and depth % w != 0
    rows = down.step * geometry.pitch * np.arange(down.number)
    offsets = (
        rows
        if joined
        else np.add.outer(rows, across.step * geometry.pixel * np.arange(across.number)).ravel()
    )
    blocks = []
    for first in range(0, depth, geometry.depth_block):
        length = min(geometry.depth_block, depth - first) * (across.number if joined else 1)
        starts = np.arange(0, length, w)
        bits = (1 << np.minimum(length - starts, w)) - 1
        blocks.append((np.add.outer(offsets, starts).ravel(), np.tile(bits, len(offsets))))
    table = np.array([np.concatenate(part) for part in zip(*blocks, strict=True)], np.int64)
    return _Steps(how, table, (blocks[0][0].size, int(joined)))


def _compute(
    walk: Walk,
    source: np.ndarray,
    filters: np.ndarray,
    out: np.ndarray,
    bias: np.ndarray | None = None,
    relu: bool = False,
) -> None:
    """out = the walk over source, with filters (group, tap row, tap column, channel, column); see ``results``."""
    compiled, (how, table, form) = (
        _compiled(source.dtype),
        _steps(walk, source.itemsize, source.flags.c_contiguous),
    )
    packed = np.empty((walk.groups * walk.columns, table.shape[1], compiled.w), source.dtype)
    numbers, blocks = shared(source.shape[0], how)
    split = split_of(blocks, walk.groups, walk.columns)
    work = out.size * how.geometry.taps * how.geometry.depth
    compiled.run.sized(work, WORTH_MULTIPLICATIONS)(
        *(filters, packed, blocks * split, source, out),
        *(compiled.no_bias if bias is None else bias, BIAS * (bias is not None) | RELU * relu),
        *(table, how.pixels, how.targets, numbers, form, split),
    )


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
    """y, by one walk over x; the bias and ReLU before a sum is stored."""
    f, c, kh, kw = w.shape
    walk = forward_walk((1, *x.shape[1:]), w.shape, stride, padding, dilation, groups)
    source = nhwc(x)
    out = np.empty((x.shape[0], *walk.grid, f), source.dtype)
    filters = plain_filters(w).reshape(groups, f // groups, c, kh, kw).transpose(0, 3, 4, 2, 1)
    _compute(walk, source, filters, out, None if bias is None else plain(bias), relu)
    return to_nchw(out)


def input_grad(
    g: np.ndarray, w: np.ndarray, x_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """dx, by one walk over g for every phase of the stride."""
    source, (n, c, height, width), (f, _, kh, kw) = nhwc(g), x_shape, w.shape
    dx = np.empty((n, height, width, c), source.dtype)
    filters = plain_filters(w).reshape(groups, f // groups, c // groups, kh, kw).transpose(0, 3, 4, 1, 2)
    geometry = (stride, padding, dilation, groups)
    for walk, (i, j), (rows, across) in gradient_walks((1, *x_shape[1:]), w.shape, *geometry):
        _compute(walk, source, filters[:, rows, across], dx[:, i :: stride[0], j :: stride[1]])
    return to_nchw(dx)


def weight_grad(
    x: np.ndarray, g: np.ndarray, w_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """dw, as the direct kernel computes it: its sums are over pixels, and columns are not the matter."""
    return direct.weight_grad(x, g, w_shape, stride, padding, dilation, groups)
