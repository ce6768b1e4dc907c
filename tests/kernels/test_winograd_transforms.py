"""The matrices of Winograd's convolution, and their instructions, against the definition in float64."""

from __future__ import annotations

import numpy as np
import pytest

numba = pytest.importorskip("numba")

from minidl.kernels import simd  # noqa: E402
from minidl.kernels.conv2d.transforms import FORMS, POINTS, matrices, sandwich  # noqa: E402


@pytest.mark.parametrize(("m", "r"), [(2, 3), (3, 2), (4, 3), (3, 4)])
def test_the_matrices_make_a_correlation(m, r):
    rng = np.random.default_rng(0)
    pixels, filters, results = matrices(m, r, POINTS[max(m, r) if max(m, r) == 4 else 2])
    d, w = rng.standard_normal((m + r - 1, m + r - 1)), rng.standard_normal((r, r))
    y = results @ ((filters @ w @ filters.T) * (pixels @ d @ pixels.T)) @ results.T
    expected = [[np.sum(d[i : i + r, j : j + r] * w) for j in range(m)] for i in range(m)]
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-13)


@numba.njit(error_model="numpy")
def _between_vectors(form, d, out, w):
    sandwich(form, simd.pointer(d, 0), w, simd.pointer(out, 0), w, 0, w, simd.pointer(d, 0), 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", list(FORMS))
def test_the_instructions_multiply_from_both_sides(form, dtype):
    m, k = form
    w, matrix = simd.lanes(np.dtype(dtype).itemsize), np.array(FORMS[form])
    d, out = np.random.default_rng(0).standard_normal((k, k, w)).astype(dtype), np.empty((m, m, w), dtype)
    _between_vectors(((0,) * m, (0,) * k), d.reshape(-1), out.reshape(-1), w)
    expected = np.einsum("ir,rsl,js->ijl", matrix, d.astype(np.float64), matrix)
    np.testing.assert_allclose(out, expected, rtol=0, atol=8 * np.finfo(dtype).eps * np.abs(expected).max())


def test_the_forms_are_told_apart_by_their_shapes():
    assert len(FORMS) == 5 * len(POINTS)
