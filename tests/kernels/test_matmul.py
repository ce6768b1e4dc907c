"""The product of matrices: against float64 and NumPy, and what its default promises about bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidl import get_num_threads, set_num_threads
from minidl.errors import KernelError
from minidl.kernels import available, matmul, use

REALS = [np.float32, np.float64]
SIZES = st.integers(0, 70)


def _random(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def _arranged(x, order):
    """The values of ``x`` with another memory order, or with gaps."""
    if order == "sliced":
        return np.repeat(x, 2, axis=-1)[..., ::2]
    if order == "reversed":
        return x[..., ::-1].copy()[..., ::-1]
    return np.array(x, order=order)


ORDERS = st.sampled_from(["C", "F", "sliced", "reversed"])


@settings(max_examples=60, deadline=None)
@given(
    m=SIZES,
    k=st.integers(0, 600),
    n=SIZES,
    a_order=ORDERS,
    b_order=ORDERS,
    double=st.booleans(),
    seed=st.integers(0, 9),
)
def test_equals_float64(m, k, n, a_order, b_order, double, seed):
    dtype = np.float64 if double else np.float32
    a, b = _random(m, k, dtype=dtype, seed=seed), _random(k, n, dtype=dtype, seed=seed + 10)
    c = matmul.forward(_arranged(a, a_order), _arranged(b, b_order))
    want = a.astype(np.float64) @ b.astype(np.float64)
    assert c.dtype == dtype
    assert c.flags.c_contiguous
    np.testing.assert_allclose(c, want, rtol=0, atol=(k + 1) * np.finfo(dtype).eps * 4)


@pytest.mark.parametrize("shape", [(512, 512, 512), (64, 4096, 64), (8, 2000, 33)])
def test_the_error_is_that_of_numpys_product(shape):
    m, k, n = shape
    a, b = _random(m, k), _random(k, n, seed=1)
    want = a.astype(np.float64) @ b.astype(np.float64)
    ours, numpys = (np.abs(c - want).max() for c in (matmul.forward(a, b), a @ b))
    assert ours <= 2 * numpys


def _bits(a, b, *rest):
    return matmul.forward(a, b, *rest).tobytes()


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize(("m", "k", "n"), [(40, 300, 100), (600, 700, 130), (1000, 257, 33), (3, 5000, 1000)])
def test_bits_do_not_depend_on_threads_or_other_rows(m, k, n, dtype):
    a, b, bias = (
        _random(m, k, dtype=dtype),
        _random(k, n, dtype=dtype, seed=1),
        _random(n, dtype=dtype, seed=2),
    )
    threads = get_num_threads()
    whole = matmul.forward(a, b, bias, True)
    try:
        set_num_threads(1)
        assert _bits(a, b, bias, True) == whole.tobytes()
    finally:
        set_num_threads(threads)
    for rows in (slice(0, 1), slice(m // 2, m // 2 + 1), slice(m // 3, m // 3 + 15), slice(m - 2, m)):
        assert _bits(a[rows], b, bias, True) == whole[rows].tobytes()
    columns = slice(n // 2, n)
    assert _bits(a, b[:, columns], bias[columns], True) == np.ascontiguousarray(whole[:, columns]).tobytes()
    assert _bits(np.asfortranarray(a), np.asfortranarray(b), bias, True) == whole.tobytes()
    assert _bits(a, matmul.prepare(b), bias, True) == whole.tobytes()
    assert _bits(a[:3], matmul.prepare(b), bias, True) == whole[:3].tobytes()


def test_bias_and_relu_have_the_bits_of_the_separate_steps():
    a, b, bias = _random(70, 300), _random(300, 50, seed=1), _random(50, seed=2)
    separate = matmul.forward(a, b) + bias
    assert matmul.forward(a, b, bias).tobytes() == separate.tobytes()
    assert matmul.forward(a, b, bias, True).tobytes() == np.maximum(separate, 0).tobytes()
    assert matmul.forward(a, b, None, True).tobytes() == np.maximum(matmul.forward(a, b), 0).tobytes()


def test_stacks_are_products_of_their_own():
    a, b = _random(3, 1, 20, 30), _random(4, 30, 40, seed=1)
    c = matmul.forward(a, b)
    for i, j in np.ndindex(3, 4):
        assert c[i, j].tobytes() == matmul.forward(a[i, 0], b[j]).tobytes()


def test_nan_and_infinity_come_through():
    a, b = np.ones((20, 40), np.float32), np.ones((40, 20), np.float32)
    a[3, 5], b[7, 2] = np.nan, np.inf
    want = np.full((20, 20), 40.0)
    want[:, 2], want[3] = np.inf, np.nan
    np.testing.assert_array_equal(matmul.forward(a, b), want)
    np.testing.assert_array_equal(matmul.forward(a, b, None, True), want)


def test_other_dtypes_go_to_numpy():
    a, b = np.arange(12).reshape(3, 4), np.arange(20).reshape(4, 5)
    np.testing.assert_array_equal(matmul.forward(a, b), a @ b)
    assert not matmul.may_prepare(b.dtype)


@pytest.mark.parametrize("name", [name for name in available("matmul") if name not in ("blas", "reference")])
def test_compiled_rungs_take_floats_only(name):
    with use(matmul=name), pytest.raises(KernelError, match=f"matmul: kernel '{name}' is forced by use"):
        matmul.forward(np.ones((2, 2), int), np.ones((2, 2), int))


def test_unaligned_and_foreign_arrays():
    raw = np.zeros(4 * 5 * 4 + 1, np.uint8)[1:].view(np.float32).reshape(4, 5)
    raw[:] = _random(4, 5)
    swapped = _random(5, 3, seed=1).astype(">f4")
    np.testing.assert_allclose(matmul.forward(raw, swapped.astype("=f4")), raw @ swapped, rtol=1e-5)
