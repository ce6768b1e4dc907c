"""Sums in the pool: exact, and the same bits from any number of threads, alone and among others."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from minidl.kernels.reduce import (
    DEVIATION,
    EXPONENTIALS,
    LARGEST,
    SMALL,
    SMALLEST,
    TOTAL,
    grouped,
    reduce_sum,
)  # fmt: skip
from minidl.kernels.threads import get_num_threads, set_num_threads

SHAPES = [(300, 700), (5000,), (3, 20, 33, 41), (130, 1, 7, 9), (2, 1000, 3), (1, 4097), (600, 130), (128,)]
DTYPES = [np.float32, np.float64]
MEANINGS = {
    TOTAL: lambda x, m: x,
    DEVIATION: lambda x, m: (x - m) ** 2,
    EXPONENTIALS: lambda x, m: np.exp(x - m),
}


def _orders(x):
    yield x
    yield np.ascontiguousarray(x.T).T
    yield np.repeat(x, 2, axis=-1)[..., ::2]
    if x.ndim == 4:
        yield np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def _axes(ndim):
    yield None
    for count in range(1, ndim + 1):
        yield from itertools.combinations(range(ndim), count)


@pytest.mark.parametrize("kind", MEANINGS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_sums_are_exact_along_all_axes_in_any_order_of_memory(shape, dtype, kind):
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    for axes in _axes(x.ndim):
        m = x.mean(axis=axes, keepdims=True)
        exact = MEANINGS[kind](x.astype(np.longdouble), m.astype(np.longdouble)).sum(axis=axes, keepdims=True)
        sizes = np.abs(MEANINGS[kind](x.astype(float), m)).sum(axis=axes, keepdims=True)
        for arranged in _orders(x):
            group = grouped(arranged, axes)
            if group is None:
                continue
            y = reduce_sum(group, kind, None if kind == TOTAL else m)
            assert (y.shape, y.dtype) == (exact.shape, dtype)
            assert (np.abs(y - exact) <= sizes * np.finfo(dtype).eps * 16).all()  # rows are added one by one


@pytest.mark.parametrize("kind", MEANINGS)
@pytest.mark.parametrize(
    ("shape", "axes"), [((64, 3000), (1,)), ((64, 50, 60), (1,)), ((64, 7, 9, 11), (1, 2, 3))]
)
def test_a_sample_alone_and_any_number_of_threads_give_the_same_bits(shape, axes, kind):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    m = x.mean(axis=axes, keepdims=True)
    threads = get_num_threads()

    def sums(a, shift):
        return reduce_sum(grouped(a, axes), kind, None if kind == TOTAL else shift)

    expected = sums(x, m)
    try:
        for n in (1, 2):
            set_num_threads(n)
            np.testing.assert_array_equal(sums(x, m), expected)
    finally:
        set_num_threads(threads)
    for i in (0, 17, 63):
        np.testing.assert_array_equal(sums(x[i : i + 1], m[i : i + 1]), expected[i : i + 1])


def test_who_computes_does_not_depend_on_the_batch():
    for batch in (1, 3, 1000):
        assert grouped(np.zeros((batch, SMALL - 1), np.float32), (1,)) is None
        assert grouped(np.zeros((batch, SMALL), np.float32), (1,)) is not None


@pytest.mark.parametrize("dtype", [np.float16, np.int64, np.bool_, np.dtype(">f4")])
def test_other_dtypes_are_numpys(dtype):
    assert grouped(np.zeros((300, 300), dtype), (1,)) is None


def test_infinities_and_nan_come_out():
    x = np.zeros((4, 5000), np.float32)
    x[0, 7], x[1, 4998], x[2, :2] = np.nan, -np.inf, (np.inf, -np.inf)
    y = reduce_sum(grouped(x, (1,)))[:, 0]
    np.testing.assert_array_equal(y, np.array([np.nan, -np.inf, np.nan, 0], np.float32))
    down = reduce_sum(grouped(np.ascontiguousarray(x.T), (0,)))[0]
    np.testing.assert_array_equal(down, y)


def test_a_long_sum_keeps_its_digits():
    x = np.full(5_000_001, 0.1, np.float32)
    assert reduce_sum(grouped(x, None))[0] == pytest.approx(0.1 * x.size, rel=2e-7)


@pytest.mark.parametrize(("kind", "ufunc"), [(LARGEST, np.maximum), (SMALLEST, np.minimum)])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_extremes_are_numpys(shape, dtype, kind, ufunc):
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    for special in (0.5, np.nan, np.inf, -np.inf):
        x.reshape(-1)[3], x.reshape(-1)[-1] = special, special
        for axes in _axes(x.ndim):
            for arranged in _orders(x):
                group = grouped(arranged, axes)
                if group is not None:
                    np.testing.assert_array_equal(
                        reduce_sum(group, kind), ufunc.reduce(x, axis=axes, keepdims=True)
                    )
