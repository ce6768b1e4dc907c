"""The tile that reads through tables, against float64, at every edge."""

from __future__ import annotations

import numpy as np
import pytest

numba = pytest.importorskip("numba")

from minidl.kernels import gather, simd  # noqa: E402

REALS = [np.float32, np.float64]
TILES = [(simd.machine().rows, simd.machine().vectors), (4, 1), (1, 2)]


def _runner(tile):
    @numba.njit(error_model="numpy")
    def run(a, pixels, steps, k, b, b_k, c, targets, n, bias, mode):
        tile(
            simd.pointer(a, 0), simd.pointer(pixels, 0), simd.pointer(steps, 0), k, simd.pointer(b, 0), b_k,
            simd.pointer(c, 0), simd.pointer(targets, 0), n, simd.pointer(bias, 0), mode,
        )  # fmt: skip

    return run


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize(("rows", "vectors"), TILES)
@pytest.mark.parametrize("broadcast", [True, False])
def test_the_tile(rows, vectors, broadcast, dtype):
    run = _runner(gather.gathered(rows, vectors, broadcast))
    width = vectors * simd.lanes(np.dtype(dtype).itemsize)
    rng = np.random.default_rng(0)
    a = rng.standard_normal(500 + width).astype(dtype)
    pixels, steps = rng.integers(0, 300, rows), rng.integers(0, 200, 9)
    targets = rng.permutation(rows) * (width + 3)
    b, bias = (rng.standard_normal(shape).astype(dtype) for shape in ((9, width), (width,)))
    old = rng.standard_normal(rows * (width + 3)).astype(dtype)
    for k in (0, 1, 9):
        for n in {1, width // 2, width - 1, width} - {0}:
            for mode in range(8):
                c = old.copy()
                run(a, pixels, steps, k, b, width, c, targets, n, bias, mode)
                at = (pixels[:, None] + steps[:k])[..., None]
                windows = a[at if broadcast else at + np.arange(n)].astype(np.float64)  # (rows, k, 1 or n)
                sums = (windows * b[:k, :n]).sum(axis=1)
                where = targets[:, None] + np.arange(n)
                want = old.astype(np.float64)
                sums += want[where] if mode & simd.ACCUMULATE else 0
                sums += bias[:n] if mode & simd.BIAS else 0
                want[where] = np.maximum(sums, 0) if mode & simd.RELU else sums
                np.testing.assert_allclose(c, want, rtol=0, atol=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (simd.machine().rows // 2, 2), (3, 4)])
def test_the_tile_of_dot_products(rows, columns, dtype):
    tile, w = gather.dotted(rows, columns), simd.lanes(np.dtype(dtype).itemsize)

    @numba.njit(error_model="numpy")
    def run(a, pixels, steps, masks, k, b, b_column, c, targets, bias, mode):
        tile(
            simd.pointer(a, 0), simd.pointer(pixels, 0), simd.pointer(steps, 0), simd.pointer(masks, 0), k,
            simd.pointer(b, 0), b_column, simd.pointer(c, 0), simd.pointer(targets, 0), simd.pointer(bias, 0), mode,
        )  # fmt: skip

    rng = np.random.default_rng(0)
    a = rng.standard_normal(500 + w).astype(dtype)
    pixels, steps, counts = rng.integers(0, 300, rows), rng.integers(0, 200, 7), rng.integers(1, w + 1, 7)
    counts[:2] = w, 1
    b, bias = rng.standard_normal((columns, 7, w)).astype(dtype), rng.standard_normal(columns).astype(dtype)
    old = rng.standard_normal((rows, columns + 3)).astype(dtype)
    read = np.arange(w) < counts[:, None]  # (k, w)
    # What no window holds must not be read into a sum, not even times 0.
    at = (pixels[:, None] + steps)[..., None] + np.arange(w)  # (rows, k, w)
    beyond = np.setdiff1d(at, at[:, read])
    a[beyond] = np.nan
    for k in (0, 1, 7):
        terms = np.where(read, a[at], 0)[:, None, :k].astype(np.float64) * b[:, :k]  # (rows, columns, k, w)
        for mode in range(8):
            c, order = old.copy(), rng.permutation(rows)
            run(a, pixels, steps, (1 << counts) - 1, k, b, 7 * w, c, order * (columns + 3), bias, mode)
            sums = terms.sum(axis=(2, 3))
            sums += old[order, :columns] if mode & simd.ACCUMULATE else 0
            sums += bias if mode & simd.BIAS else 0
            want = old.astype(np.float64)
            want[order, :columns] = np.maximum(sums, 0) if mode & simd.RELU else sums
            np.testing.assert_allclose(c, want, rtol=0, atol=100 * np.finfo(dtype).eps)


def test_a_row_that_is_named_twice_is_accumulated_once():
    rows = simd.machine().rows
    run = _runner(gather.gathered(rows, 1))
    w = simd.lanes(4)
    a, b, c = np.ones(1, np.float32), np.ones(w, np.float32), np.full(w, 5, np.float32)
    zeros = np.zeros(rows, np.int64)
    run(a, zeros, zeros, 1, b, w, c, zeros, w, b, simd.ACCUMULATE)
    np.testing.assert_array_equal(c, 6)


@pytest.mark.parametrize("dtype", REALS)
def test_runs_are_copied_cleared_moved_and_added(dtype):
    w = simd.lanes(np.dtype(dtype).itemsize)

    @numba.njit
    def run(to, source, total, n):
        gather.copy_run(simd.pointer(to, 1), simd.pointer(source, 3), n)
        gather.clear_run(simd.pointer(to, 1 + n), 2)
        gather.move(simd.pointer(to, 0), simd.pointer(source, 9))
        gather.add_up(simd.pointer(total, 0), simd.pointer(source, 0), 40, 3)

    source = np.random.default_rng(0).standard_normal(120).astype(dtype)
    for n in (0, 1, 17):
        to, total = np.full(30, 7, dtype), np.empty(w, dtype)
        run(to, source, total, n)
        np.testing.assert_array_equal(
            to, np.concatenate([source[9:10], source[3 : 3 + n], [0, 0], np.full(27 - n, 7)])
        )
        np.testing.assert_array_equal(total, source[:w] + source[40 : 40 + w] + source[80 : 80 + w])
