"""What the walks over an image share, compiled: copying a patch, packing filters, tiles for a block of pixels."""

from __future__ import annotations

from typing import Any

from minidl.kernels.compile import jit
from minidl.kernels.gather import clear_run, copy_run, gathered, move
from minidl.kernels.simd import ahead, copy, lanes, machine, pointer, scratch, transpose

ROWS, VECTORS = machine().rows, machine().vectors
# What is left over of the rows is done in smaller tiles.
FEW = max(1, ROWS // 3)
TAIL = -(-ROWS // FEW) * FEW

_tile = gathered(ROWS, VECTORS)
_narrow = gathered(ROWS, 1)
_few = gathered(FEW, VECTORS)
_few_narrow = gathered(FEW, 1)
tail_room = scratch(TAIL)
_copy_row = copy(VECTORS)
_zeros_room = scratch(VECTORS * lanes(4))
_square_room = scratch(VECTORS * lanes(4) ** 2)


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
                        move(ahead(to, j * pixel + c), ahead(pixels, j * by_pixel + c * by_channel))
            elif by_pixel == pixel and count == pixel:
                copy_run(to, pixels, (last - first) * pixel)
            else:
                for j in range(last - first):
                    copy_run(ahead(to, j * pixel), ahead(pixels, j * by_pixel), count)


@jit
def multiply(
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
def pack_panel(
    filters: Any, strides: Any, taps: Any, depth: Any, block: Any, n: Any, panel: Any, width: Any
) -> None:
    """n columns of filters (tap row, tap column, channel, column) as a panel, in the order of a plan's steps.

    ``strides`` are the filters' distances in those four dimensions; what the n columns lack to ``width`` is 0.
    """
    (high, wide), (by_row, by_tap, by_channel, by_column) = taps, strides
    number = high * wide
    zeros = _zeros_room(filters)
    if n < width:
        for j in range(width):
            zeros[j] = 0
    for first in range(0, depth, block):
        count = min(block, depth - first)
        start, source = ahead(panel, first * number * width), ahead(filters, first * by_channel)
        done = 0
        if by_tap == 1 and by_row == wide and by_channel == number and n == width:
            done = _turn(source, by_column, number, count, start, width)
        for e in range(done, count * number):
            c, t = e // number, e % number
            step = ahead(start, (t * count + c) * width)
            place = ahead(source, t // wide * by_row + t % wide * by_tap + c * by_channel)
            if n < width:
                _copy_row(step, zeros)
            if by_column == 1:
                copy_run(step, place, n)
            else:
                for j in range(n):
                    move(ahead(step, j), ahead(place, j * by_column))


@jit
def _turn(source: Any, by_column: Any, number: Any, count: Any, start: Any, width: Any) -> Any:
    """Pack a whole panel of filters whose channels and taps are neighbours: squares are turned in registers.

    Returns how many of its count * number steps are done: whole squares of them.
    """
    w = width // VECTORS
    room = _square_room(source)
    c = t = e = 0
    while e + w <= count * number:
        for v in range(VECTORS):
            transpose(ahead(room, v * w), width, ahead(source, v * w * by_column + e), by_column)
        for i in range(w):
            _copy_row(ahead(start, (t * count + c) * width), ahead(room, i * width))
            t += 1
            if t == number:
                t, c = 0, c + 1
        e += w
    return e


@jit
def block_of(task: Any, n: Any, geometry: Any) -> Any:
    """Which block of the grid: its first sample, row and column, and how many there are of each."""
    samples, rows, across, grid_rows, grid_columns = (
        geometry[0],
        geometry[1],
        geometry[2],
        geometry[3],
        geometry[4],
    )
    blocks_across, blocks_down = -(-grid_columns // across), -(-grid_rows // rows)
    n0 = task // (blocks_across * blocks_down) * samples
    i0 = task // blocks_across % blocks_down * rows
    j0 = task % blocks_across * across
    return n0, i0, j0, min(samples, n - n0), min(rows, grid_rows - i0), min(across, grid_columns - j0)


@jit
def patch_under(room: Any, source: Any, block: Any, channel: Any, count: Any, geometry: Any) -> Any:
    """A pointer to the patch under a block, from that channel on: copied into ``room``, or in place."""
    n0, i0, j0, samples, rows, across = block
    (stride_rows, stride_columns, top, left, reach_rows, reach_columns, sample_pitch, pitch, pixel) = (
        geometry[5:14]
    )
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
