"""The walk over the pixels of a result: of y, reading x; or of one phase of dx, reading g."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import types

from minidl.kernels.compile import jit
from minidl.kernels.conv2d.geometry import Walk
from minidl.kernels.conv2d.patches import VECTORS, block_of, multiply, pack_panel, patch_under
from minidl.kernels.conv2d.plans import PATCH, PIXELS, Geometry, Plan, plan, shared, split_of
from minidl.kernels.launch import launch
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

_patch_room = scratch(PATCH)


@jit
def _pack_task(task: Any, filters: Any, packed: Any, block: Any, w: Any) -> None:
    """One panel of filters (group, tap row, tap column, channel, column)."""
    _groups, high, wide, depth, across = filters.shape
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
    block = block_of(task // split, source.shape[0], geometry)
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
            patch = patch_under(room, source, block, channel, (g1 - g0 - 1) * depth + deep, geometry)
            how = (0 if k0 == 0 else ACCUMULATE) | (mode if k0 + deep == depth else 0)
            for unit in range((g1 - g0) * (p_last - p_first)):
                g, p = g0 + unit // (p_last - p_first), p_first + unit % (p_last - p_first)
                column = g * across + p * width
                multiply(
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


class _Compiled:
    """The kernel for one dtype, compiled when it is first used; images may have any layout."""

    def __init__(self, dtype: np.dtype) -> None:
        real, size = numba.from_dtype(dtype), types.int64
        filters, image, flat = (types.Array(real, d, "A") for d in (5, 4, 1))
        packed, offsets, table = (
            types.Array(real, 1, "C"),
            types.Array(size, 1, "C"),
            types.Array(size, 2, "C"),
        )
        pool, geometry = types.UniTuple(size, 2), types.UniTuple(size, len(Geometry._fields))
        self.w, self.width = lanes(dtype.itemsize), columns(dtype.itemsize)
        self.no_bias = np.empty(0, dtype)
        self.run: Parallel = parallel(
            _result,
            signature=types.void(
                *(pool, size, filters, packed, size, image, image, flat, size),
                *(offsets, table, table, geometry, size, size),
            ),
        )


@functools.cache
def _compiled(dtype: np.dtype) -> _Compiled:
    return _Compiled(dtype)


class Packed(NamedTuple):
    """Filters (group, tap row, tap column, channel, column), and their panels once they are packed.

    Attributes:
        filters: in any layout.
        shape: that of w.
        panels: the panels, or None.
        block: how many channels are summed in one go: the panels are in that order.
    """

    filters: np.ndarray
    shape: tuple[int, ...] = ()
    panels: np.ndarray | None = None
    block: int = 0


def prepared(walk: Walk, packed: Packed) -> Packed:
    """The same with panels, for images that are dense in memory."""
    dtype = packed.filters.dtype
    compiled, how, of_group, room, _ = _job(walk, dtype, True)
    panels = np.empty(room, dtype)
    nothing = np.empty((0, 1, 1, 1), dtype)
    count = walk.groups * of_group
    compiled.run(
        *(count, packed.filters, panels, 0, nothing, nothing, compiled.no_bias, 0),
        *(how.steps, how.pixels, how.targets, how.numbers, 1, compiled.w),
    )
    return packed._replace(panels=panels, block=how.geometry.depth_block)


class _Job(NamedTuple):
    """What does not depend on the number of images, nor on what is in them.

    Attributes:
        compiled, how: the kernel and the plan.
        panels: of a group.
        room: elements of all groups' panels.
        steps: of a sum.
    """

    compiled: _Compiled
    how: Plan
    panels: int
    room: int
    steps: int


@functools.lru_cache(maxsize=4096)
def _job(walk: Walk, dtype: np.dtype, dense: bool) -> _Job:
    compiled, how = _compiled(dtype), plan(walk, dtype.itemsize, dense, PIXELS)
    panels, steps = -(-walk.columns // compiled.width), how.geometry.taps * how.geometry.depth
    return _Job(compiled, how, panels, walk.groups * panels * steps * compiled.width, steps)


def compute(
    walk: Walk,
    source: np.ndarray,
    packed: Packed,
    out: np.ndarray,
    bias: np.ndarray | None = None,
    relu: bool = False,
) -> None:
    """out = the walk over source, plus the bias, then ReLU.

    Args:
        walk: the convolution.
        source: (N, H, W, C), in any layout, in memory that compiled code reads.
        packed: the filters.
        out: (N, grid, columns of all groups), in the layout that the walk's target names.
        bias: one element per column of all groups.
        relu: whether negative values become 0.
    """
    compiled, how, panels, size, steps = _job(walk, source.dtype, source.flags.c_contiguous)
    ready = packed.panels is not None and packed.block == how.geometry.depth_block
    room = packed.panels if ready else np.empty(size, source.dtype)
    numbers, blocks = shared(source.shape[0], how)
    split = split_of(blocks, walk.groups, panels)
    compiled.run.sized(out.size * steps, WORTH_MULTIPLICATIONS)(
        *(0 if ready else walk.groups * panels, packed.filters, room, blocks * split, source, out),
        *(compiled.no_bias if bias is None else bias, BIAS * (bias is not None) | RELU * relu),
        *(how.steps, how.pixels, how.targets, numbers, split, compiled.w),
    )
