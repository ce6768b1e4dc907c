"""The compiled parts of Winograd's convolution. Each is launched for many tasks; which tile size and which transform
it is for is said by ``form`` (see ``transforms.sandwich``), so all sizes and all three functions share them.

    gather    pixels of overlapping tiles -> a matrix (tiles, channels) for every position of a tile
    spread    filters -> a matrix (C, F) for every position, packed
    products  for every position, the product of two matrices
    scatter   a matrix (tiles, F) for every position -> pixels
    collect   a matrix (C, F) for every position -> filters

What this does about the machine:

- Transforms work on a vector of channels at a time: a square of vectors comes from memory where channels are
  contiguous, and its 144 sums (for 6x6) are made in registers. The addresses of a tile's pixels are found once for all
  channels; the address of a pixel outside the image is that of zeros, so there is one path for all tiles.
- A task transforms tiles to rows of matrices as the products read them: nothing is copied together again.
- Products are tiles of registers (:mod:`minidl.kernels.simd`) at 95% of the processor's peak.
"""

from __future__ import annotations

import functools
from typing import Any

import numba
import numpy as np
from numba import types

from minidl.kernels.compile import jit
from minidl.kernels.conv2d.transforms import address, addresses, sandwich
from minidl.kernels.launch import launch
from minidl.kernels.simd import (
    ACCUMULATE,
    ahead,
    flush_denormals,
    lanes,
    machine,
    pointer,
    restore_mode,
    scratch,
    tile,
)
from minidl.kernels.threads import Parallel, parallel

ROWS, VECTORS = machine().rows, machine().vectors
FEWER = ROWS // 2 + 1  # the rows of a second tile, for what is left over
TILES_PER_TASK = 8
PANELS_PER_TASK = 4
STEPS = 64  # of the inner dimension are summed at a time

_tile = tile(ROWS, VECTORS)
_smaller = tile(FEWER, VECTORS)
_nine_vectors = scratch(9 * lanes(4))


# --- What runs in the pool ----------------------------------------------------------------------------------------


@jit
def _gather_task(
    task: Any,
    form: Any,
    x: Any,
    zeros: Any,
    images: Any,
    pad: Any,
    grid: Any,
    first: Any,
    count: Any,
    v: Any,
    v_step: Any,
    v_row: Any,
    w: Any,
) -> None:
    begin, end = task * TILES_PER_TASK, min(count, (task + 1) * TILES_PER_TASK)
    state = flush_denormals()
    gather_tiles(form, x, zeros, images, pad, grid, first, begin, end, pointer(v, 0), v_step, v_row, w)
    restore_mode(state)


@jit
def gather_tiles(
    form: Any,
    x: Any,
    zeros: Any,
    images: Any,
    pad: Any,
    grid: Any,
    first: Any,
    begin: Any,
    end: Any,
    v: Any,
    v_step: Any,
    v_row: Any,
    w: Any,
) -> None:
    """Transform the pixels of some tiles of an image: one vector of channels at a time, into k x k matrices.

    They are the tiles from ``first + begin`` to ``first + end``, and rows from ``begin`` to ``end`` of the matrices.
    """
    (h, width, c), (down, across, step) = images, grid
    k = len(form[1])
    table = addresses(form, form[1])
    pixels, nothing = pointer(x, 0), address(pointer(zeros, 0))
    for t in range(begin, end):
        n, place = (first + t) // (down * across), (first + t) % (down * across)
        top, left = place // across * step - pad[0], place % across * step - pad[1]
        for r in range(k):
            inside, line = 0 <= top + r < h, (n * h + top + r) * width
            for s in range(k):
                found = inside and 0 <= left + s < width
                table[r * k + s] = address(ahead(pixels, (line + left + s) * c)) if found else nothing
        for channel in range(0, c, w):
            to = ahead(v, t * v_row + channel)
            sandwich(form, table, 0, to, v_step, channel, c - channel, to, 0)


def gather(
    pool: Any,
    tasks: Any,
    form: Any,
    x: Any,
    zeros: Any,
    images: Any,
    pad: Any,
    grid: Any,
    first: Any,
    count: Any,
    v: Any,
    v_step: Any,
    v_row: Any,
    w: Any,
) -> None:
    launch(
        pool,
        tasks,
        _gather_task,
        (form, x, zeros, images, pad, grid, first, count, v, v_step, v_row, w),
    )


@jit
def _scatter_task(
    task: Any,
    form: Any,
    m: Any,
    m_step: Any,
    m_row: Any,
    first: Any,
    count: Any,
    y: Any,
    images: Any,
    grid: Any,
    bias: Any,
    mode: Any,
    w: Any,
) -> None:
    begin, end = task * TILES_PER_TASK, min(count, (task + 1) * TILES_PER_TASK)
    state = flush_denormals()
    scatter_tiles(form, pointer(m, 0), m_step, m_row, first, begin, end, y, images, grid, bias, mode, w)
    restore_mode(state)


@jit
def scatter_tiles(
    form: Any,
    m: Any,
    m_step: Any,
    m_row: Any,
    first: Any,
    begin: Any,
    end: Any,
    y: Any,
    images: Any,
    grid: Any,
    bias: Any,
    mode: Any,
    w: Any,
) -> None:
    """Transform the products of some tiles to the pixels of an image, as many of them as the image has."""
    (h, width, f), (down, across, step) = images, grid
    k = len(form[0])
    table = addresses(form, form[0])
    pixels, shift = pointer(y, 0), pointer(bias, 0)
    for t in range(begin, end):
        n, place = (first + t) // (down * across), (first + t) % (down * across)
        top, left = place // across * step, place % across * step
        products = ahead(m, t * m_row)
        nowhere = address(products)  # a place that has been read already
        for r in range(k):
            line = (n * h + top + r) * width
            for s in range(k):
                found = top + r < h and left + s < width
                table[r * k + s] = address(ahead(pixels, (line + left + s) * f)) if found else nowhere
        for channel in range(0, f, w):
            source = ahead(products, channel)
            sandwich(form, source, m_step, table, 0, channel, f - channel, shift, mode)


def scatter(
    pool: Any,
    tasks: Any,
    form: Any,
    m: Any,
    m_step: Any,
    m_row: Any,
    first: Any,
    count: Any,
    y: Any,
    images: Any,
    grid: Any,
    bias: Any,
    mode: Any,
    w: Any,
) -> None:
    launch(
        pool,
        tasks,
        _scatter_task,
        (form, m, m_step, m_row, first, count, y, images, grid, bias, mode, w),
    )


@jit
def spread_strip(strip: Any, form: Any, filters: Any, u: Any, u_step: Any, w: Any) -> None:
    """Transform the filters of one vector of outputs, for every input channel, into packed panels."""
    f, c, _, _ = filters.shape
    size, width = filters.itemsize, VECTORS * w
    by_f, by_c, by_row, by_column = (
        filters.strides[0] // size,
        filters.strides[1] // size,
        filters.strides[2] // size,
        filters.strides[3] // size,
    )
    first = strip * w
    source = pointer(filters, first * by_f)
    target = pointer(u, first // width * c * width + first % width)
    room = _nine_vectors(source)
    for i in range(9 * w):
        room[i] = 0
    state = flush_denormals()
    for channel in range(c):
        for lane in range(min(w, f - first)):
            taps = ahead(source, lane * by_f + channel * by_c)
            for i in range(3):
                for j in range(3):
                    room[(i * 3 + j) * w + lane] = taps[i * by_row + j * by_column]
        sandwich(form, room, w, ahead(target, channel * width), u_step, 0, w, room, 0)
    restore_mode(state)


def spread(pool: Any, tasks: Any, form: Any, filters: Any, u: Any, u_step: Any, w: Any) -> None:
    launch(pool, tasks, spread_strip, (form, filters, u, u_step, w))


@jit
def _collect_task(channel: Any, form: Any, m: Any, m_step: Any, m_row: Any, dw: Any, w: Any) -> None:
    """Transform the products of one input channel to the gradients of its taps."""
    f, c = dw.shape[0], dw.shape[1]
    source, target = pointer(m, channel * m_row), pointer(dw, channel * 9)
    room = _nine_vectors(source)
    for first in range(0, f, w):
        sandwich(form, ahead(source, first), m_step, room, w, 0, w, room, 0)
        for lane in range(min(w, f - first)):
            for i in range(9):
                target[(first + lane) * c * 9 + i] = room[i * w + lane]


def collect(pool: Any, tasks: Any, form: Any, m: Any, m_step: Any, m_row: Any, dw: Any, w: Any) -> None:
    launch(pool, tasks, _collect_task, (form, m, m_step, m_row, dw, w))


@jit
def _products_task(
    task: Any,
    groups: Any,
    a: Any,
    a_at: Any,
    rows: Any,
    b: Any,
    b_at: Any,
    panels: Any,
    k: Any,
    c: Any,
    c_at: Any,
    mode: Any,
    w: Any,
) -> None:
    """The product of one position's matrices, for one group of panels: c = a @ b, or c += a @ b.

    k is summed in blocks of STEPS, whose sums are then added: shorter sums lose less.
    """
    (a_step, a_row, a_k), (b_step, b_panel, b_k), (c_step, c_row) = a_at, b_at, c_at
    p, width = task // groups, VECTORS * w
    j0 = task % groups * PANELS_PER_TASK
    left, top = pointer(a, p * a_step), pointer(b, p * b_step)
    # Rows in tiles of two sizes, so that few are computed in vain.
    large, rest = rows // ROWS, rows % ROWS
    small = 1 if rest else 0
    if 0 < rest <= 2 * FEWER - ROWS and large:
        large, small = large - 1, 2
    elif rest > FEWER:
        large, small = large + 1, 0
    state = flush_denormals()
    for j in range(j0, min(j0 + PANELS_PER_TASK, panels)):
        panel, target = ahead(top, j * b_panel), pointer(c, p * c_step + j * width)
        for i in range(large):
            row = i * ROWS
            for start in range(0, k, STEPS):
                _tile(
                    ahead(left, row * a_row + start * a_k), a_row, a_k, ahead(panel, start * b_k), b_k,
                    min(STEPS, k - start), ahead(target, row * c_row), c_row, width, target,
                    mode if start == 0 else ACCUMULATE,
                )  # fmt: skip
        for i in range(small):
            row = large * ROWS + i * FEWER
            for start in range(0, k, STEPS):
                _smaller(
                    ahead(left, row * a_row + start * a_k), a_row, a_k, ahead(panel, start * b_k), b_k,
                    min(STEPS, k - start), ahead(target, row * c_row), c_row, width, target,
                    mode if start == 0 else ACCUMULATE,
                )  # fmt: skip
    restore_mode(state)


def products(
    pool: Any,
    tasks: Any,
    groups: Any,
    a: Any,
    a_at: Any,
    rows: Any,
    b: Any,
    b_at: Any,
    panels: Any,
    k: Any,
    c: Any,
    c_at: Any,
    mode: Any,
    w: Any,
) -> None:
    launch(pool, tasks, _products_task, (groups, a, a_at, rows, b, b_at, panels, k, c, c_at, mode, w))


# --- Compiled per dtype and tile ----------------------------------------------------------------------------------

_SIZE = types.int64


def _sizes(n: int) -> Any:
    return types.UniTuple(_SIZE, n)


@functools.cache
def kernel(function: Any, dtype: np.dtype, *form: int) -> Parallel:
    """One of the functions above for a dtype, and for the form of its transform."""
    real = numba.from_dtype(dtype)
    flat, four = types.Array(real, 1, "C"), types.Array(real, 4, "A")
    shape = types.Tuple([_sizes(n) for n in form])
    size = _SIZE
    arguments = {
        gather: (shape, flat, flat, _sizes(3), _sizes(2), _sizes(3), size, size, flat, size, size, size),
        scatter: (shape, flat, size, size, size, size, flat, _sizes(3), _sizes(3), flat, size, size),
        spread: (shape, four, flat, size, size),
        collect: (shape, flat, size, size, types.Array(real, 4, "C"), size),
        products: (
            size, flat, _sizes(3), size, flat, _sizes(3), size, size, flat, _sizes(2), size, size
        ),
    }[function]  # fmt: skip
    return parallel(function, signature=types.void(_sizes(2), size, *arguments))


def form_of(m: int, k: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return (0,) * m, (0,) * k


def up(x: int, multiple: int) -> int:
    return -(-x // multiple) * multiple
