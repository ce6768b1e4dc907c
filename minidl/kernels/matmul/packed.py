"""The matrix product around a tile of registers.

What this does about the machine, from the inside out:

- **Registers.** A tile of the result, 14 x 32 with AVX-512, is summed in registers (:mod:`minidl.kernels.simd`).
- **First level of cache.** K is cut into blocks of 256 steps. 32 columns of B over one block are a *panel* of 32 KB:
  copied together once, so that the tile reads it in order, and used for all rows of A before the next one comes.
- **Second level.** In a large product the rows of A are cut into blocks whose 256 columns (some 150 KB) are copied
  together too, for the same reason: rows of A that lie a power of two apart would push each other out of the cache.
- **Threads.** Blocks of rows go to the pool, or groups of panels if there are few rows.

A transposed operand costs nothing but another order of copying. Up to 512 rows, A stays in the cache as it is, and a
panel of B is copied just before its use, or, if its rows are whole vectors and few rows use them, read where it lies:
copying everything first would cost more than the product.

On two cores (Zen 4, 224 GFLOP/s at most) 2048 x 2048 takes place at 204 GFLOP/s, as in OpenBLAS; the autoencoder's
products (256 x 784 x 32 and its gradients) at 170 to 200, where OpenBLAS has 130 to 175; 8 x 25088 x 1024, which is
bound by memory, in 0.6 of OpenBLAS's time; a matrix times one vector in 3 times its time, because the order of the
sums, which is that of all other products, leaves 4 cycles between two steps.

The order of summation is the same on every path: over the steps of a block of K one after another, in one fused
multiply-add each; then the blocks in their order. So an element of the result depends on nothing but its row of A and
its column of B: not on the threads, nor on how many other rows there are.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numba
import numpy as np
from numba import types

from minidl.kernels.arrays import compiled_for, plain, readable
from minidl.kernels.compile import jit
from minidl.kernels.launch import launch
from minidl.kernels.matmul.reference import finish
from minidl.kernels.panels import ROWS, VECTORS, pack_columns, pack_rows, rows
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
from minidl.kernels.threads import NO_POOL, get_num_threads, parallel

KC = 256  # steps of K in a block
TILES = 12
MC = TILES * ROWS  # rows of A in a block
FEW_ROWS = 4 * ROWS
CACHED_ROWS = (
    512  # up to here, A over a block of K stays in the cache while panels of B go by, copied one by one
)
FEW_PANELS = 4  # with fewer, blocks of rows are the tasks, and each copies the panels for itself
FEW_COLUMNS = 4  # up to here, the transposed product is computed
UNPACKED = 128  # columns for which copying rows of A would not pay
TASKS = 16  # into how many tasks a product is split by its columns
# From this many multiplications on, the pool pays for its launch.
WORTH_THREADS = 1 << 17

_panel_room = scratch(KC * columns(4))
_block_room = scratch(MC * KC + columns(4))


def supports(dtype: np.dtype) -> bool:
    """float32 and float64."""
    return compiled_for(dtype)


# --- Few rows: a panel at a time ----------------------------------------------------------------------------------


@jit
def _panels_task(
    task: Any, a: Any, a_next: Any, b: Any, b_next: Any, c: Any, c_next: Any, bias: Any, mode: Any,
    group: Any, down: Any, w: Any,
) -> None:  # fmt: skip
    """One of ``down`` blocks of rows, and the columns of one group of panels, of one product of the stack."""
    (m, k), n = a.shape, b.shape[1]
    size, width = a.itemsize, VECTORS * w
    a_row, a_k, b_k, b_col = (
        a.strides[0] // size,
        a.strides[1] // size,
        b.strides[0] // size,
        b.strides[1] // size,
    )
    c_row, groups, tiles = c.strides[0] // size, -(-n // (group * width)), -(-m // ROWS)
    block, rest = task % down, task // down
    i0, i1 = block * tiles // down * ROWS, min(m, (block + 1) * tiles // down * ROWS)
    i, first = rest // groups, (rest % groups) * (group * width)
    rows_a, columns_b = pointer(a, i * a_next + i0 * a_row), pointer(b, i * b_next)
    rows_c = pointer(c, i * c_next + i0 * c_row)
    panel = _panel_room(rows_a)
    state = flush_denormals()
    for j in range(first, min(first + group * width, n), width):
        count = min(width, n - j)
        in_place = b_col == 1 and count in (w, width) and i1 - i0 <= ROWS
        for start in range(0, max(k, 1), KC):
            steps = min(KC, k - start)
            how = (0 if start == 0 else ACCUMULATE) | (mode if start + steps >= k else 0)
            source, step = ahead(columns_b, start * b_k + j * b_col), b_k
            if not in_place:
                pack_columns(source, b_k, b_col, steps, count, panel, w)
                source, step = panel, width
            rows(
                ahead(rows_a, start * a_k), a_row, a_k, i1 - i0, source, step, steps,
                ahead(rows_c, j), c_row, count, pointer(bias, j), how, w,
            )  # fmt: skip
    restore_mode(state)


def _by_panels(
    pool: Any, tasks: Any, a: Any, a_next: Any, b: Any, b_next: Any, c: Any, c_next: Any, bias: Any, mode: Any,
    group: Any, down: Any, w: Any,
) -> None:  # fmt: skip
    """c = a @ b for a stack of products; the tasks are ``down`` blocks of rows and the groups of ``group`` panels.

    a, b and c are the first of each stack, ``a_next`` the distance of the next one in elements.
    """
    launch(pool, tasks, _panels_task, (a, a_next, b, b_next, c, c_next, bias, mode, group, down, w))


# --- Many rows: both operands copied together ---------------------------------------------------------------------


@jit
def _pack_task(task: Any, b: Any, packed: Any, w: Any) -> None:
    (k, n), size, width = b.shape, b.itemsize, VECTORS * w
    b_k, b_col = b.strides[0] // size, b.strides[1] // size
    panels = -(-n // width)
    start, j = (task // panels) * KC, (task % panels) * width
    steps = min(KC, k - start)
    pack_columns(
        pointer(b, start * b_k + j * b_col),
        b_k,
        b_col,
        steps,
        min(width, n - j),
        pointer(packed, start * panels * width + j * steps),
        w,
    )


def _pack(pool: Any, tasks: Any, b: Any, packed: Any, w: Any) -> None:
    """All panels of b (K, N): block of K by block, panel by panel."""
    launch(pool, tasks, _pack_task, (b, packed, w))


@jit
def _block_task(
    task: Any, tasks: Any, a: Any, packed: Any, c: Any, bias: Any, mode: Any, nc: Any, w: Any
) -> None:
    """One block of rows and nc columns of c. The blocks of rows differ by one tile at most."""
    (m, k), n = a.shape, c.shape[1]
    size, width = a.itemsize, VECTORS * w
    a_row, a_k, c_row = a.strides[0] // size, a.strides[1] // size, c.strides[0] // size
    across, tiles = -(-n // nc), -(-m // ROWS)
    down = tasks // across
    block, j0 = task // across, (task % across) * nc
    i0, i1 = block * tiles // down * ROWS, min(m, (block + 1) * tiles // down * ROWS)
    padded = -(-n // width) * width
    j1 = min(j0 + nc, n)
    packs = j1 - j0 > UNPACKED
    panels = _block_room(pointer(a, 0))
    unit = packed.strides[0] // size  # 1, but no literal, for which `rows` would be compiled once more
    state = flush_denormals()
    for start in range(0, max(k, 1), KC):
        steps = min(KC, k - start)
        how = (0 if start == 0 else ACCUMULATE) | (mode if start + steps >= k else 0)
        source = pointer(a, i0 * a_row + start * a_k)
        if packs:
            pack_rows(source, a_row, a_k, i1 - i0, steps, panels, w)
        for j in range(j0, j1, width):
            panel = pointer(packed, start * padded + j * steps)
            for i in range(0, i1 - i0, ROWS):
                part, row, step = ahead(panels, i * steps), unit, unit * ROWS
                if not packs:
                    part, row, step = ahead(source, i * a_row), a_row, a_k
                rows(
                    part, row, step, min(ROWS, i1 - i0 - i), panel, width, steps,
                    pointer(c, (i0 + i) * c_row + j), c_row, min(width, n - j), pointer(bias, j), how, w,
                )  # fmt: skip
    restore_mode(state)


def _by_blocks(
    pool: Any, tasks: Any, a: Any, packed: Any, c: Any, bias: Any, mode: Any, nc: Any, w: Any
) -> None:
    """c = a @ b with b packed; the tasks are blocks of rows and nc columns."""
    launch(pool, tasks, _block_task, (tasks, a, packed, c, bias, mode, nc, w))


# --- The gate -----------------------------------------------------------------------------------------------------


class _Compiled:
    """The kernels for one dtype, which take arrays of any layout; each is compiled when it is first used."""

    def __init__(self, dtype: np.dtype) -> None:
        real, size = numba.from_dtype(dtype), types.int64
        matrix, flat = types.Array(real, 2, "A"), types.Array(real, 1, "C")
        start = (types.UniTuple(size, 2), size)
        self.w, self.width = lanes(dtype.itemsize), columns(dtype.itemsize)
        self.no_bias = np.zeros(1, dtype)
        stack = (matrix, size, matrix, size, matrix, size)
        self.by_panels = parallel(
            _by_panels, signature=types.void(*start, *stack, flat, size, size, size, size)
        )
        self.pack = parallel(_pack, signature=types.void(*start, matrix, flat, size))
        self.by_blocks = parallel(
            _by_blocks, signature=types.void(*start, matrix, flat, matrix, flat, size, size, size)
        )


@functools.cache
def compiled(dtype: np.dtype) -> _Compiled:
    return _Compiled(dtype)


class Packed:
    """A matrix B (K, N), copied into panels once for many products: see :func:`prepare`."""

    ndim = 2

    def __init__(self, panels: np.ndarray, shape: tuple[int, int]) -> None:
        self.panels, self.shape, self.dtype = panels, shape, panels.dtype


def prepare(b: np.ndarray) -> Packed:
    """``b`` (K, N) in the form in which ``forward`` would copy it; to be given in place of it."""
    kernel = compiled(b.dtype)
    k, n = b.shape
    panels = -(-n // kernel.width)
    packed = np.empty(k * panels * kernel.width, b.dtype)
    kernel.pack.sized(b.size)(-(-k // KC) * panels, readable(b), packed, kernel.w)
    return Packed(packed, (k, n))


def forward(a: np.ndarray, b: Any, bias: np.ndarray | None = None, relu: bool = False) -> np.ndarray:
    """See ``minidl.kernels.matmul.forward``."""
    if a.ndim != 2 or b.ndim != 2:
        return _stack(a, b, bias, relu)
    kernel = compiled(a.dtype)
    (m, k), n = a.shape, b.shape[1]
    c = np.empty((m, n), a.dtype)
    shift, mode = (kernel.no_bias, 0) if bias is None else (plain(bias), BIAS)
    if relu:
        mode |= RELU
    if m <= FEW_ROWS and 0 < m * k * n < WORTH_THREADS and b.__class__ is np.ndarray:
        group = -(-n // kernel.width)  # one task: the shortest way, as small products are bound by it
        try:
            kernel.by_panels.entry(NO_POOL, 1, a, 0, b, 0, c, 0, shift, mode, group, 1, kernel.w)
            return c
        except TypeError:  # as below
            pass
    if n <= FEW_COLUMNS and m > FEW_ROWS and type(b) is not Packed:
        # Most lanes of a tile would be idle; the transposed product has the same sums, and rows in place of columns.
        return finish(np.ascontiguousarray(forward(b.T, a.T).T), bias, relu)
    if type(b) is Packed or (m > CACHED_ROWS and n >= FEW_PANELS * kernel.width):
        if n == 0:
            return c
        b = b if type(b) is Packed else prepare(b)
        _run_blocks(kernel, readable(a), b.panels, c, shift, mode)
        return c
    panels = -(-n // kernel.width)
    run, group, down = kernel.by_panels, max(1, panels // TASKS), 1
    if m * k * n < WORTH_THREADS:
        run, group = run.serial, max(1, panels)
    elif panels < FEW_PANELS and m > ROWS:
        group, down = panels, min(-(-m // ROWS), 2 * get_num_threads())
    tasks = -(-panels // group) * down
    try:
        run(tasks, a, 0, b, 0, c, 0, shift, mode, group, down, kernel.w)
    except TypeError:  # read-only or unaligned: asking beforehand would take as long as a small product
        run(tasks, readable(a), 0, readable(b), 0, c, 0, shift, mode, group, down, kernel.w)
    return c


def _run_blocks(
    kernel: _Compiled, a: np.ndarray, panels: np.ndarray, c: np.ndarray, bias: np.ndarray, mode: int
) -> None:
    (m, k), n = a.shape, c.shape[1]
    tiles = -(-m // ROWS)
    threads = get_num_threads()
    down = -(-tiles // TILES)
    down = min(tiles, -(-down // threads) * threads)
    across = 1 if down >= threads else min(threads, -(-n // kernel.width))
    nc = -(-n // (across * kernel.width)) * kernel.width
    run = kernel.by_blocks.sized(m * k * n, WORTH_THREADS)
    run(down * -(-n // nc), a, panels, c, bias, mode, nc, kernel.w)


def _stack(a: np.ndarray, b: Any, bias: np.ndarray | None, relu: bool) -> np.ndarray:
    """Products of stacks of matrices, whose leading dimensions are broadcast."""
    kernel = compiled(a.dtype)
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    m, k, n = a.shape[-2], a.shape[-1], b.shape[-1]
    c = np.empty((*lead, m, n), a.dtype)
    if c.size == 0:
        return c
    flat_a, flat_b, flat_c = _flat(a, lead), _flat(b, lead), c.reshape(-1, m, n)
    mode = (0 if bias is None else BIAS) | (RELU if relu else 0)
    shift = kernel.no_bias if bias is None else plain(bias)
    panels, count = -(-n // kernel.width), len(flat_c)
    group = panels if count >= TASKS else max(1, panels // TASKS)
    operands = [v for x in (flat_a, flat_b, flat_c) for v in (x[0], x.strides[0] // x.itemsize)]
    run = kernel.by_panels.sized(count * m * k * n, WORTH_THREADS)
    run(count * -(-panels // group), *operands, shift, mode, group, 1, kernel.w)
    return c


def _flat(x: np.ndarray, lead: tuple[int, ...]) -> np.ndarray:
    """``x`` with one leading dimension in place of those of ``lead``, to which it is broadcast."""
    if x.size == math.prod(x.shape[-2:]):  # one matrix for all
        matrix = x.reshape(x.shape[-2:])
        return readable(np.broadcast_to(matrix, (math.prod(lead), *matrix.shape)))
    return readable(np.broadcast_to(x, (*lead, *x.shape[-2:])).reshape(-1, *x.shape[-2:]))
