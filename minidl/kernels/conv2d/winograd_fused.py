"""Winograd's convolution for few channels: all of its steps for some tiles in one task.

With some 16 to 64 channels, a product of 14 tiles takes little longer than their transforms, and launching the steps
one by one, with all tiles' matrices written and read in between, takes longer than either. Here a task transforms 14
tiles, multiplies them at every position and transforms the products back; what lies between is a buffer on the stack
that stays in the second level of cache, with the filters. For the weights' gradient a task goes through the tiles of
one partial sum, and the partial sums are then added in their order.

Results have the bits of the steps one by one (:mod:`minidl.kernels.conv2d.winograd`): a tile's sums are the same.

What that bought: milliseconds of one core for F(4x4, 3x3), the steps one by one and in one task, where the direct
kernel needs 1.06 for either of the first two:

                                      forward      weight gradient
    16 -> 32 @ 14, batch 64      0.80 -> 0.64        0.75 -> 0.73
    32 -> 64 @ 7, batch 64       0.58 -> 0.49        0.71 -> 0.67
    16 -> 96 @ 56, batch 8         3.7 -> 3.1          4.3 -> 3.6
    32 -> 64 @ 112, batch 8       17.7 -> 13.5        22.2 -> 17.4
    64 -> 64 @ 224, batch 4         68 -> 53            80 -> 62
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import types

from minidl.kernels.compile import jit
from minidl.kernels.conv2d.tiles import (
    FEWER,
    ROWS,
    STEPS,
    VECTORS,
    form_of,
    gather_tiles,
    scatter_tiles,
    spread_strip,
    up,
)
from minidl.kernels.conv2d.transforms import sandwich
from minidl.kernels.gather import add_up
from minidl.kernels.launch import launch
from minidl.kernels.simd import (
    ACCUMULATE,
    ahead,
    flush_denormals,
    lanes,
    pointer,
    restore_mode,
    scratch,
    tile,
)
from minidl.kernels.threads import WORTH_MULTIPLICATIONS, Parallel, parallel
from minidl.kernels.windows import Pair

# Elements of a task's matrices, on the stack: 336 KB of float32. Tiles that are transformed at a time, at most.
ROOM, TILES = 84 << 10, 4 * ROWS
# Partial sums of the weights' gradient.
PARTIALS = 8

_tile = tile(ROWS, VECTORS)
_narrow = tile(ROWS, 1)
_smaller = tile(FEWER, VECTORS)
_small_narrow = tile(FEWER, 1)
_room = scratch(ROOM)
_square_of_vectors = scratch(36 * lanes(4))
_nine_vectors = scratch(9 * lanes(4))


class Matrices(NamedTuple):
    """How a task's matrices lie: rows and positions are an odd number of vectors apart, as for all others.

    Attributes:
        tiles: rows of each.
        left: distances of positions and of rows, of the tiles of x.
        right: the same of the other one, and where it begins.
    """

    tiles: int
    left: tuple[int, int]
    right: tuple[int, int, int]


@functools.lru_cache(maxsize=1024)
def matrices(positions: int, left: int, right: int, itemsize: int, most: int) -> Matrices | None:
    """Matrices of so many channels that fit into the buffer, of at most ``most`` tiles; None if not even few do."""
    v = lanes(itemsize)
    rows = [(up(n, VECTORS * v) // v | 1) * v for n in (left, right)]
    for tiles in range(most, 0, -ROWS):
        steps = [(tiles * row // v | 1) * v for row in rows]
        if positions * sum(steps) + VECTORS * v <= ROOM:
            return Matrices(tiles, (steps[0], rows[0]), (steps[1], rows[1], positions * steps[0]))
    return None


@jit
def _correlate_task(
    task: Any,
    forms: Any,
    x: Any,
    zeros: Any,
    images: Any,
    pad: Any,
    grid: Any,
    total: Any,
    left: Any,
    right: Any,
    u: Any,
    u_step: Any,
    y: Any,
    results: Any,
    bias: Any,
    mode: Any,
    w: Any,
) -> None:
    """ROWS tiles from pixels to results."""
    positions, c, width = len(forms[0][1]) ** 2, images[2], VECTORS * w
    first = task * ROWS
    count = min(ROWS, total - first)
    v = _room(pointer(x, 0))
    m = ahead(v, right[2])
    state = flush_denormals()
    gather_tiles(forms[0], x, zeros, images, pad, grid, first, 0, count, v, left[0], left[1], w)
    for p in range(positions):
        for j in range(-(-results[2] // width)):
            panel = pointer(u, p * u_step + j * c * width)
            target = ahead(m, p * right[0] + j * width)
            for start in range(0, c, STEPS):
                a, b = ahead(v, p * left[0] + start), ahead(panel, start * width)
                k, how = min(STEPS, c - start), ACCUMULATE if start else 0
                if results[2] - j * width > w:
                    _tile(a, left[1], 1, b, width, k, target, right[1], width, target, how)
                else:
                    _narrow(a, left[1], 1, b, width, k, target, right[1], w, target, how)
    scatter_tiles(forms[1], m, right[0], right[1], first, 0, count, y, results, grid, bias, mode, w)
    restore_mode(state)


def correlate(
    pool: Any,
    strips: Any,
    filters: Any,
    tasks: Any,
    forms: Any,
    x: Any,
    zeros: Any,
    images: Any,
    pad: Any,
    grid: Any,
    total: Any,
    left: Any,
    right: Any,
    u: Any,
    u_step: Any,
    y: Any,
    results: Any,
    bias: Any,
    mode: Any,
    w: Any,
) -> None:
    """Transform ``strips`` vectors of filters; then the correlation, ROWS tiles a task."""
    launch(pool, strips, spread_strip, (forms[2], filters, u, u_step, w))
    launch(
        pool,
        tasks,
        _correlate_task,
        (forms, x, zeros, images, pad, grid, total, left, right, u, u_step, y, results, bias, mode, w),
    )


@jit
def _product(
    a: Any, a_k: Any, rows: Any, b: Any, b_k: Any, n: Any, k: Any, c: Any, c_row: Any, mode: Any, w: Any
) -> None:
    """The columns of one panel, n that are needed: rows in tiles of two sizes, so that few are computed in vain."""
    large, rest = rows // ROWS, rows % ROWS
    small = 1 if rest else 0
    if 0 < rest <= 2 * FEWER - ROWS and large:
        large, small = large - 1, 2
    elif rest > FEWER:
        large, small = large + 1, 0
    for i in range(large + small):
        row = min(i, large) * ROWS + max(i - large, 0) * FEWER
        left, target = ahead(a, row), ahead(c, row * c_row)
        if i < large and n > w:
            _tile(left, 1, a_k, b, b_k, k, target, c_row, VECTORS * w, c, mode)
        elif i < large:
            _narrow(left, 1, a_k, b, b_k, k, target, c_row, w, c, mode)
        elif n > w:
            _smaller(left, 1, a_k, b, b_k, k, target, c_row, VECTORS * w, c, mode)
        else:
            _small_narrow(left, 1, a_k, b, b_k, k, target, c_row, w, c, mode)


@jit
def _gradient_task(
    task: Any,
    forms: Any,
    x: Any,
    g: Any,
    zeros: Any,
    images: Any,
    slopes: Any,
    pad: Any,
    grid: Any,
    total: Any,
    left: Any,
    right: Any,
    block: Any,
    sums: Any,
    at: Any,
    w: Any,
) -> None:
    """One partial sum: for every position, the products of its tiles of x and of g."""
    positions, c, width = len(forms[0][0]) ** 2, images[2], VECTORS * w
    blocks, partials = -(-total // block), sums.shape[0]
    v = _room(pointer(x, 0))
    d = ahead(v, right[2])
    begin, end = task * blocks // partials, (task + 1) * blocks // partials
    state = flush_denormals()
    for number in range(begin, end):
        first = number * block
        count = min(block, total - first)
        gather_tiles(forms[0], x, zeros, images, pad, grid, first, 0, count, v, left[0], left[1], w)
        gather_tiles(forms[1], g, zeros, slopes, (0, 0), grid, first, 0, count, d, right[0], right[1], w)
        for p in range(positions):
            target = pointer(sums, task * sums.shape[1] + p * at[0])
            for j in range(0, slopes[2], width):
                _product(
                    ahead(v, p * left[0]), left[1], c, ahead(d, p * right[0] + j), right[1], slopes[2] - j,
                    count, ahead(target, j), at[1], ACCUMULATE if number > begin else 0, w,
                )  # fmt: skip
    restore_mode(state)


@jit
def _collect_task(channel: Any, form: Any, sums: Any, at: Any, dw: Any, w: Any) -> None:
    """Add the partial sums of one input channel, and transform them to the gradients of its taps."""
    f, c = dw.shape[0], dw.shape[1]
    target = pointer(dw, channel * 9)
    room, nine = _square_of_vectors(target), _nine_vectors(target)
    for first in range(0, f, w):
        for p in range(len(form[1]) ** 2):
            source = pointer(sums, p * at[0] + channel * at[1] + first)
            add_up(ahead(room, p * w), source, sums.shape[1], sums.shape[0])
        sandwich(form, room, w, nine, w, 0, w, nine, 0)
        for lane in range(min(w, f - first)):
            for i in range(9):
                target[(first + lane) * c * 9 + i] = nine[i * w + lane]


def gradient(
    pool: Any,
    forms: Any,
    x: Any,
    g: Any,
    zeros: Any,
    images: Any,
    slopes: Any,
    pad: Any,
    grid: Any,
    total: Any,
    left: Any,
    right: Any,
    block: Any,
    sums: Any,
    at: Any,
    dw: Any,
    w: Any,
) -> None:
    """The partial sums of the weights' gradient; then their sum, transformed."""
    launch(
        pool,
        sums.shape[0],
        _gradient_task,
        (forms, x, g, zeros, images, slopes, pad, grid, total, left, right, block, sums, at, w),
    )
    launch(pool, dw.shape[1], _collect_task, (forms[2], sums, at, dw, w))


def _form_types(forms: Any) -> Any:
    return types.Tuple(
        [types.Tuple([types.UniTuple(types.int64, len(side)) for side in form]) for form in forms]
    )


@functools.cache
def _compiled(function: Any, dtype: np.dtype, m: int) -> tuple[Parallel, Any]:
    """One of the two functions above for a dtype and a size of tiles, and the forms of its transforms."""
    real, size, n = numba.from_dtype(dtype), types.int64, m + 2
    flat, matrix, four = types.Array(real, 1, "C"), types.Array(real, 2, "C"), types.Array(real, 4, "C")
    pair, three = types.UniTuple(size, 2), types.UniTuple(size, 3)
    if function is correlate:
        forms: Any = (form_of(n, n), form_of(m, n), form_of(n, 3))
        strided = types.Array(real, 4, "A")
        arguments: tuple[Any, ...] = (
            *(size, strided, size, _form_types(forms), flat, flat, three, pair, three, size),
            *(pair, three, flat, size, flat, three, flat, size, size),
        )
    else:
        forms = (form_of(n, n), form_of(n, m), form_of(3, n))
        arguments = (
            *(_form_types(forms), flat, flat, flat, three, three, pair, three, size),
            *(pair, three, size, matrix, pair, four, size),
        )
    return parallel(function, signature=types.void(pair, *arguments)), forms


def convolve(
    x: np.ndarray,
    filters: np.ndarray,
    packed: np.ndarray | None,
    y: np.ndarray,
    m: int,
    padding: Pair,
    bias: np.ndarray | None,
    mode: int,
) -> bool:
    """y (N, OH, OW, F) of images x (N, H, W, C), both C-contiguous; False if there are too many channels.

    ``filters`` are (F, C, 3, 3), in any layout, and ``packed`` what ``spread`` has made of them, if they are ready.
    """
    (f, c), n, v = filters.shape[:2], m + 2, lanes(x.itemsize)
    how = matrices(n * n, c, f, x.itemsize, ROWS)
    if how is None:
        return False
    wide = VECTORS * v
    step = up(f, wide) * c + wide
    strips = 0 if packed is not None else up(f, wide) // v
    u = np.empty(n * n * step, x.dtype) if packed is None else packed
    grid = (-(-y.shape[1] // m), -(-y.shape[2] // m), m)
    total = x.shape[0] * grid[0] * grid[1]
    run, forms = _compiled(correlate, x.dtype, m)
    run.sized(total * n * n * c * f, WORTH_MULTIPLICATIONS)(
        *(
            strips,
            filters,
            -(-total // ROWS),
            forms,
            x.reshape(-1),
            np.zeros(c, x.dtype),
            x.shape[1:],
            padding,
        ),
        *(grid, total, how.left, how.right, u, step, y.reshape(-1), y.shape[1:]),
        *(u[:0] if bias is None else bias, mode, v),
    )
    return True


def weight_gradient(x: np.ndarray, g: np.ndarray, dw: np.ndarray, m: int, padding: Pair) -> bool:
    """dw (F, C, 3, 3) of images x and g (N, H, W, channels), all C-contiguous; False if there are too many channels."""
    (f, c), v = dw.shape[:2], lanes(x.itemsize)
    how = matrices((m + 2) ** 2, c, f, x.itemsize, TILES)
    if how is None:
        return False
    row = (up(f, VECTORS * v) // v | 1) * v
    at = (((c + ROWS) * row // v | 1) * v, row)
    grid = (-(-g.shape[1] // m), -(-g.shape[2] // m), m)
    total = x.shape[0] * grid[0] * grid[1]
    run, forms = _compiled(gradient, x.dtype, m)
    sums = np.empty((min(PARTIALS, -(-total // how.tiles)), (m + 2) ** 2 * at[0]), x.dtype)
    run.sized(total * (m + 2) ** 2 * c * f, WORTH_MULTIPLICATIONS)(
        *(
            forms,
            x.reshape(-1),
            g.reshape(-1),
            np.zeros(max(c, f), x.dtype),
            x.shape[1:],
            g.shape[1:],
            padding,
            grid,
        ),
        *(total, how.left, how.right, how.tiles, sums, at, dw, v),
    )
    return True
