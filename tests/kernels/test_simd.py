"""Vector instructions: the tile against float64, at every edge; copies; the floating-point mode."""

from __future__ import annotations

import numpy as np
import pytest

numba = pytest.importorskip("numba")

from minidl.kernels import simd  # noqa: E402
from minidl.kernels.launch import launch  # noqa: E402
from minidl.kernels.threads import parallel, set_num_threads  # noqa: E402

REALS = [np.float32, np.float64]
TILES = [(simd.machine().rows, simd.machine().vectors), (4, 1), (1, 2)]


def _random(*shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def _tile(rows, vectors):
    tile = simd.tile(rows, vectors)

    @numba.njit(error_model="numpy")
    def run(a, a_row, a_k, b, b_k, k, c, c_row, n, bias, mode):
        tile(
            simd.pointer(a, 0), a_row, a_k, simd.pointer(b, 0), b_k, k,
            simd.pointer(c, 0), c_row, n, simd.pointer(bias, 0), mode,
        )  # fmt: skip

    return run


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize(("rows", "vectors"), TILES)
def test_the_tile(rows, vectors, dtype):
    run, width = _tile(rows, vectors), vectors * simd.lanes(np.dtype(dtype).itemsize)
    a, b, bias, old = (
        _random(*shape, dtype=dtype, seed=i)
        for i, shape in enumerate([(rows, 9), (9, width), (width,), (rows, width + 3)])
    )
    for k in (0, 1, 9):
        for n in {1, width // 2, width - 1, width} - {0}:
            for mode in range(8):
                for order in "CF":
                    x = np.array(a, order=order)
                    c = old.copy()
                    run(
                        x, x.strides[0] // x.itemsize, x.strides[1] // x.itemsize, b, width, k,
                        c, c.shape[1], n, bias, mode,
                    )  # fmt: skip
                    want = old.astype(np.float64)
                    sums = a[:, :k].astype(np.float64) @ b[:k, :n]
                    sums += want[:, :n] if mode & simd.ACCUMULATE else 0
                    sums += bias[:n] if mode & simd.BIAS else 0
                    want[:, :n] = np.maximum(sums, 0) if mode & simd.RELU else sums
                    np.testing.assert_allclose(c, want, rtol=0, atol=20 * np.finfo(dtype).eps)


def test_relu_of_the_tile_keeps_nan():
    run = _tile(1, 1)
    b = np.zeros(simd.lanes(4), np.float32)
    b[0], b[1] = np.nan, -np.inf
    c = np.full_like(b, 7)
    run(np.ones(1, np.float32), 1, 1, b, b.size, 1, c, b.size, b.size, b, simd.RELU)
    assert np.isnan(c[0])
    np.testing.assert_array_equal(c[1:], 0)


@pytest.mark.parametrize("dtype", REALS)
def test_transpose_and_copy(dtype):
    w = simd.lanes(np.dtype(dtype).itemsize)
    copy = simd.copy(2)

    @numba.njit
    def turn(target, row, source, source_row):
        simd.transpose(simd.pointer(target, 0), row, simd.pointer(source, 0), source_row)

    @numba.njit
    def move(target, source):
        copy(simd.pointer(target, 0), simd.pointer(source, 0))

    source, target = _random(w, w + 3, dtype=dtype), np.zeros((w, w + 5), dtype)
    turn(target, w + 5, source, w + 3)
    np.testing.assert_array_equal(target[:, :w], source[:, :w].T)
    np.testing.assert_array_equal(target[:, w:], 0)
    line, out = _random(2 * w, dtype=dtype), np.zeros(2 * w + 1, dtype)
    move(out, line)
    np.testing.assert_array_equal(out, [*line, 0])


def test_scratch_is_aligned_room():
    room = simd.scratch(100)

    @numba.njit
    def run(example):
        p = room(simd.pointer(example, 0))
        for i in range(100):
            p[i] = i
        total = 0.0
        for i in range(100):
            total += p[i]
        return total

    assert run(np.zeros(1, np.float32)) == 4950


@pytest.mark.skipif(not simd._is_x86(), reason="only x86's mode is changed")
def test_denormals_are_flushed_and_the_mode_is_restored():
    @numba.njit
    def times(x, y, out):
        for i in range(x.size):
            out[i] = x[i] * y[i]

    @numba.njit
    def run(x, y, out):
        state = simd.flush_denormals()
        times(x, y, out)
        simd.restore_mode(state)

    x, y, out = np.full(3, 1e-40, np.float32), np.full(3, 0.5, np.float32), np.ones(3, np.float32)
    run(x, y, out)
    np.testing.assert_array_equal(out, 0)
    np.testing.assert_array_equal(x * y, np.float32(1e-40) * np.float32(0.5))  # NumPy's own, afterwards
    times(x, y, out)
    assert (out > 0).all()


@pytest.mark.parametrize(
    ("triple", "features", "name", "bits"),
    [
        ("x86_64-unknown-linux-gnu", "+avx,+avx2,+fma,+avx512f", "AVX-512", 512),
        ("x86_64-unknown-linux-gnu", "+avx,+avx2,+fma,-avx512f", "AVX2", 256),
        ("x86_64-unknown-linux-gnu", "+avx,+avx2,-fma", "generic", 128),
        ("aarch64-apple-darwin", "+neon", "NEON", 128),
        ("riscv64-unknown-linux-gnu", "", "generic", 128),
    ],
)
def test_machines(triple, features, name, bits):
    found = simd.machine_of(triple, features)
    assert (found.name, found.bits) == (name, bits)
    registers = {"AVX-512": 32, "AVX2": 16, "NEON": 32, "generic": 16}[name]
    assert found.rows * found.vectors + found.vectors + 1 <= registers


@numba.njit
def _mark(i, marks, value):
    marks[i] += value


def test_launch_runs_every_task_once():
    @parallel
    def run(pool, tasks, marks, value):
        launch(pool, tasks, _mark, (marks, value))

    for form in (run, run.serial):
        for tasks in (0, 1, 2, 7, 1000):
            marks = np.zeros(1000)
            form(tasks, marks, 2.5)
            np.testing.assert_array_equal(marks, np.where(np.arange(1000) < tasks, 2.5, 0))
    before = numba.get_num_threads()
    set_num_threads(1)
    try:
        marks = np.zeros(1000)
        run(1000, marks, 1.0)
        assert (marks == 1).all()
    finally:
        set_num_threads(before)
