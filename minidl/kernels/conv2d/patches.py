"""What the walks over an image share, compiled: copying a patch, packing filters, tiles for a block of pixels."""

from __future__ import annotations

from typing import Any

from minidl.kernels.compile import jit
from minidl.kernels.gather import gathered
from minidl.kernels.simd import ahead, machine, scratch

ROWS, VECTORS = machine().rows, machine().vectors
# What is left over of the rows is done in smaller tiles.
FEW = max(1, ROWS // 3)
TAIL = -(-ROWS // FEW) * FEW

_tile = gathered(ROWS, VECTORS)
_narrow = gathered(ROWS, 1)
_few = gathered(FEW, VECTORS)
_few_narrow = gathered(FEW, 1)
_tail_room = scratch(TAIL)


@jit
def copy_run(to: Any, source: Any, count: Any) -> None:
    for i in range(count):
        to[i] = source[i]


@jit
def clear_run(to: Any, count: Any) -> None:
    for i in range(count):
        to[i] = 0


@jit
def fill(
    patch: Any,
    source: Any,
    strides: Any,
    size: Any,
    corner: Any,
    samples: Any,
    shape: Any,
    pitches: Any,
    count: Any,
) -> None:
    """Copy part of an image with zeros around it.

    patch[n, i, j, :count] = source[n, top + i, left + j, :count], where (top, left) = corner; i, j below ``shape``.
    ``strides`` are those of the source (sample, row, pixel, channel), ``pitches`` those of the patch (sample, row,
    pixel), all in elements; ``size`` is the source's height and width.
    """
    by_sample, by_row, by_pixel, by_channel = strides
    (height, width), (top, left), (rows, across), (sample_pitch, pitch, pixel) = size, corner, shape, pitches
    first = min(max(0, -left), across)
    last = max(first, min(across, width - left))
    for n in range(samples):
        for i in range(rows):
            line, y = ahead(patch, n * sample_pitch + i * pitch), top + i
            if y < 0 or y >= height:
                clear_run(line, across * pixel)
                continue
            clear_run(line, first * pixel)
            clear_run(ahead(line, last * pixel), (across - last) * pixel)
            to = ahead(line, first * pixel)
            pixels = ahead(source, n * by_sample + y * by_row + (left + first) * by_pixel)
            if by_channel != 1 and count > 1:
                for c in range(count):
                    for j in range(last - first):
                        to[j * pixel + c] = pixels[j * by_pixel + c * by_channel]
            elif by_pixel == pixel and count == pixel:
                copy_run(to, pixels, (last - first) * pixel)
            else:
                for j in range(last - first):
                    copy_run(ahead(to, j * pixel), ahead(pixels, j * by_pixel), count)


@jit
def rows(
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
    """``gathered`` for any number of rows, and n columns (at most those of a tile); w is the number of lanes.

    Rows that are missing in the last tile are done as further copies of the last row.
    """
    tail, tail_targets = _tail_room(pixels), _tail_room(targets)
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
def pack_panel(
    filters: Any, strides: Any, taps: Any, depth: Any, block: Any, n: Any, panel: Any, width: Any
) -> None:
    """n columns of filters (tap row, tap column, channel, column) as a panel, in the order of a plan's steps.

    ``strides`` are the filters' distances in those four dimensions; what the n columns lack to ``width`` is 0.
    """
    (high, wide), (by_row, by_tap, by_channel, by_column) = taps, strides
    for first in range(0, depth, block):
        count = min(block, depth - first)
        start = ahead(panel, first * high * wide * width)
        for c in range(count):
            for a in range(high):
                for b in range(wide):
                    step = ahead(start, ((a * wide + b) * count + c) * width)
                    source = ahead(filters, a * by_row + b * by_tap + (first + c) * by_channel)
                    for j in range(n):
                        step[j] = source[j * by_column]
                    for j in range(n, width):
                        step[j] = 0
