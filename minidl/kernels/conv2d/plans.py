"""Where everything lies: a convolution's geometry, computed once per shape, as tables that compiled code reads.

A walk (:mod:`minidl.kernels.conv2d.geometry`) goes over its grid of pixels in blocks; each block reads a *patch* of the
source image. A patch is copied into a buffer of its own, with zeros around the image: it then lies in the second level
of cache, at distances that do not collide there. Where no zeros are needed and the image's distances do no harm, it is
read in place. Neither choice, nor the size of blocks, changes the order in which an element of a result is summed.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from minidl.kernels import simd
from minidl.kernels.conv2d.geometry import Walk
from minidl.kernels.windows import Pair

# Elements of a patch's buffer, on the stack of the thread: 256 KB of float32, a quarter of a core's second level.
PATCH = 1 << 16
# Pixels of a block at most: for results, and where the block's gradients must fit into the first level of cache.
PIXELS, PIXELS_OF_GRADIENTS = 1024, 256
# As many tasks as a few threads share evenly.
TASKS = 8
# Rows of an image that lie a multiple of this apart (bytes) fall into few sets of the first level of cache.
COLLISION = 2048


class Geometry(NamedTuple):
    """The numbers of a plan, in the order in which compiled code unpacks them."""

    samples: int  # of a block
    rows: int  # of a block
    across: int  # pixels of a block's row
    grid_rows: int
    grid_columns: int
    stride_rows: int
    stride_columns: int
    top: int  # the source's row of pixel 0's first tap
    left: int
    reach_rows: int  # rows from a pixel's first tap to its last
    reach_columns: int
    sample_pitch: int  # distances in the patch, in elements
    pitch: int
    pixel: int
    taps: int
    depth: int  # channels of a group
    depth_block: int  # channels summed in one go: all of a group's, unless the patch would not fit
    groups: int
    group_block: int  # groups whose channels lie in one patch
    columns: int  # of a group
    in_place: int


class Plan(NamedTuple):
    """``pixels`` and ``targets`` have two rows: for whole blocks, and for the last one in a row of blocks."""

    geometry: Geometry
    numbers: tuple[int, ...]  # the same as a plain tuple
    steps: np.ndarray  # (taps * depth,): offsets in the patch, blocks of channels one after another
    pixels: np.ndarray  # (2, pixels of a block): offsets in the patch
    targets: np.ndarray  # the same in the grid


@functools.lru_cache(maxsize=4096)
def plan(walk: Walk, itemsize: int, dense: bool, limit: int) -> Plan:
    """How to walk.

    Args:
        walk: the convolution.
        itemsize: bytes of an element.
        dense: whether the source is contiguous as (N, H, W, C).
        limit: pixels of a block at most.
    """
    height, width, channels = walk.source
    depth = channels // walk.groups
    collides = walk.stride[1] * channels * itemsize % COLLISION == 0
    in_place = dense and walk.inside and not collides and not walk.lanewise
    if in_place:
        pixel, depth_block, group_block = channels, depth, walk.groups
        samples, rows, across = _block(walk, 0, limit)
    else:
        if walk.lanewise:
            depth_block, group_block = depth, _lanes(walk, depth, itemsize)
            pixel = depth * group_block
        else:
            depth_block, group_block = _channels(walk)
            pixel = _pixel(walk, depth_block * group_block, itemsize)
        samples, rows, across = _block(walk, pixel, limit)
    reach = (walk.taps[0].span + 1, walk.taps[1].span + 1)
    patch_rows = (rows - 1) * walk.stride[0] + reach[0]
    pitch = (width if in_place else (across - 1) * walk.stride[1] + reach[1]) * pixel
    geometry = Geometry(
        *(samples, rows, across),
        *walk.grid,
        *walk.stride,
        *(walk.taps[0].first, walk.taps[1].first),
        *reach,
        *((height if in_place else patch_rows) * pitch, pitch, pixel),
        walk.taps[0].number * walk.taps[1].number,
        *(depth, depth_block, walk.groups, group_block),
        walk.columns,
        int(in_place),
    )
    return Plan(geometry, tuple(geometry), _steps(walk, geometry), *_pixel_tables(walk, geometry))


def _patch_size(walk: Walk, rows: int, across: int) -> int:
    """Pixels of the source under a block."""
    return math.prod(
        (n - 1) * s + t.span + 1 for n, s, t in zip((rows, across), walk.stride, walk.taps, strict=True)
    )


def fits(walk: Walk) -> bool:
    """Whether the patch of a few pixels, with a single channel, fits into the buffer."""
    few = min(walk.grid[1], simd.machine().rows)
    channels = simd.columns(4) * (walk.source[2] // walk.groups) if walk.lanewise else 17
    return _patch_size(walk, 1, few) * channels <= PATCH


def _channels(walk: Walk) -> Pair:
    """Channels of a group, and groups, whose patch fits: all, or else whole groups, or else part of a group."""
    depth = walk.source[2] // walk.groups
    room = max(1, PATCH // _patch_size(walk, 1, min(walk.grid[1], simd.machine().rows)) - 16)
    if depth > room:
        return math.ceil(depth / math.ceil(depth / room)), 1
    together = min(walk.groups, room // depth)
    return depth, math.ceil(walk.groups / math.ceil(walk.groups / together))


def _lanes(walk: Walk, depth: int, itemsize: int) -> int:
    """How many lanes a patch holds, in whole panels; or all of them if they are few, and then pixels lie side by side
    as they do in the image.
    """
    width = simd.columns(itemsize)
    if walk.groups < width:
        return walk.groups
    area = _patch_size(walk, 1, min(walk.grid[1], simd.machine().rows)) * depth
    return min(-(-walk.groups // width), max(1, PATCH // (area * width))) * width


def _pixel(walk: Walk, channels: int, itemsize: int) -> int:
    """The distance between two pixels of a patch: where it would collide in the cache, one line more."""
    line = 64 // itemsize
    return channels + line if walk.stride[1] * channels * itemsize % (COLLISION // 2) == 0 else channels


def _block(walk: Walk, pixel: int, limit: int) -> tuple[int, int, int]:
    """Samples, rows and columns of a block whose patch fits into the buffer (if pixel is not 0)."""
    rows, columns = walk.grid
    tile = simd.machine().rows

    def fitting(rows: int, across: int) -> bool:
        return rows * across <= limit and _patch_size(walk, rows, across) * pixel <= PATCH

    across = columns
    if not fitting(1, across):
        across = tile
        while fitting(1, across + tile):
            across += tile
        return 1, 1, min(across, columns)
    high = 1
    while high < rows and fitting(high + 1, across):
        high += 1
    if high < rows:
        return 1, math.ceil(rows / math.ceil(rows / high)), across
    room = min(limit // (rows * across), PATCH // max(1, _patch_size(walk, rows, across) * pixel))
    return max(1, room), rows, across


def _steps(walk: Walk, geometry: Geometry) -> np.ndarray:
    """Offsets in the patch of (block of channels, tap row, tap column, channel)."""
    rows = walk.taps[0].step * geometry.pitch * np.arange(walk.taps[0].number)
    columns = walk.taps[1].step * geometry.pixel * np.arange(walk.taps[1].number)
    taps = (rows[:, None] + columns).reshape(-1, 1)
    # Lane by lane, the channels that one lane sums are as far apart as a patch has lanes.
    apart = geometry.pixel // geometry.depth if walk.lanewise else 1
    blocks = [
        (taps + apart * np.arange(min(geometry.depth_block, geometry.depth - first))).ravel()
        for first in range(0, geometry.depth, geometry.depth_block)
    ]
    return np.concatenate(blocks).astype(np.int64)


def _pixel_tables(walk: Walk, geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Offsets of a block's pixels (sample, row, column): in the patch, and in the grid."""
    stride = (geometry.sample_pitch, walk.stride[0] * geometry.pitch, walk.stride[1] * geometry.pixel)
    shape = (geometry.samples, geometry.rows, geometry.across)
    last = walk.grid[1] - (math.ceil(walk.grid[1] / geometry.across) - 1) * geometry.across
    tables = np.zeros((2, 2, math.prod(shape)), np.int64)
    for table, distances in zip(tables, (stride, walk.target), strict=True):
        for entries, across in zip(table, (shape[2], last), strict=True):
            n, i, j = np.ogrid[: shape[0], : shape[1], :across]
            entries[: shape[0] * shape[1] * across] = (
                n * distances[0] + i * distances[1] + j * distances[2]
            ).ravel()
    return tables[0], tables[1]


def blocks_of(n: int, geometry: Geometry) -> int:
    """How many blocks the grids of n samples have."""
    samples, rows, across = geometry[:3]
    return -(-n // samples) * -(-geometry.grid_rows // rows) * -(-geometry.grid_columns // across)


def shared(n: int, how: Plan) -> tuple[tuple[int, ...], int]:
    """The plan's numbers with the samples of a block so chosen that a few threads share n samples evenly; the blocks.

    This is for results, whose elements do not depend on the blocks. Sums over pixels keep the plan's.
    """
    geometry = how.geometry
    blocks = blocks_of(n, geometry)
    if geometry.samples == 1 or n <= 1:
        return how.numbers, blocks
    of_sample = blocks_of(1, geometry)
    wanted = -(-blocks // TASKS) * TASKS // of_sample
    samples = min(geometry.samples, -(-n // min(n, max(1, wanted))))
    return (samples, *how.numbers[1:]), -(-n // samples) * of_sample


def split_of(blocks: int, groups: int, panels: int) -> int:
    """Into how many parts the groups, or the panels of the only group, are split, so that there are enough tasks."""
    return 1 if blocks >= TASKS else min(groups if groups > 1 else panels, -(-TASKS // max(1, blocks)))
