"""Convolution from its definition, its bilinearity, and PyTorch's; each implementation in turn."""

import numpy as np
import pytest

from minidl.kernels import available, conv2d, use

NAMES = available("conv2d")
# x shape, w shape, stride, padding, dilation, groups
SHAPES = [
    ((2, 3, 9, 8), (4, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((3, 1, 11, 12), (5, 1, 5, 5), (2, 1), (2, 0), (1, 2), 1),
    ((2, 12, 7, 7), (6, 4, 2, 3), (3, 2), (1, 2), (2, 1), 3),
    ((2, 10, 6, 6), (7, 10, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((2, 6, 7, 5), (12, 1, 3, 3), (1, 1), (1, 1), (1, 1), 6),
]


def _arrays(x_shape, w_shape, *rest, seed=0):
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal(x_shape), rng.standard_normal(w_shape)
    y = conv2d.forward(x, w, *rest)
    return x, w, rng.standard_normal(y.shape), y


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_definition_in_loops(name):
    (n, _, h, width), (f, cg, kh, kw), (sh, sw), (ph, pw), (dh, dw), groups = SHAPES[2]
    with use(conv2d=name):
        x, w, _, y = _arrays(*SHAPES[2])
    _, _, oh, ow = y.shape
    expected = np.zeros_like(y)
    for out in np.ndindex(n, f, oh, ow):
        sample, filter_, i, j = out
        for channel, a, b in np.ndindex(cg, kh, kw):
            row, column = i * sh + a * dh - ph, j * sw + b * dw - pw
            if 0 <= row < h and 0 <= column < width:
                pixel = x[sample, filter_ // (f // groups) * cg + channel, row, column]
                expected[out] += pixel * w[filter_, channel, a, b]
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_gradients_are_the_transposes_of_the_bilinear_map(name, shape):
    x_shape, w_shape, *rest = shape
    with use(conv2d=name):
        x, w, g, y = _arrays(*shape)
        direct = np.vdot(g, y)
        assert np.vdot(conv2d.input_grad(g, w, x_shape, *rest), x) == pytest.approx(direct, rel=1e-9)
        assert np.vdot(conv2d.weight_grad(x, g, w_shape, *rest), w) == pytest.approx(direct, rel=1e-9)
        # In other directions than those in which g was computed.
        v, u, *_ = _arrays(*shape, seed=1)
        moved = np.vdot(g, conv2d.forward(v, w, *rest))
        assert np.vdot(conv2d.input_grad(g, w, x_shape, *rest), v) == pytest.approx(moved, rel=1e-9)
        moved = np.vdot(g, conv2d.forward(x, u, *rest))
        assert np.vdot(conv2d.weight_grad(x, g, w_shape, *rest), u) == pytest.approx(moved, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_pytorch(name, shape):
    torch = pytest.importorskip("torch")
    x_shape, w_shape, *rest = shape
    with use(conv2d=name):
        x, w, g, y = _arrays(*shape)
        dx = conv2d.input_grad(g, w, x_shape, *rest)
        dw = conv2d.weight_grad(x, g, w_shape, *rest)
    tx, tw = (torch.from_numpy(a).requires_grad_() for a in (x, w))
    ty = torch.conv2d(tx, tw, None, *rest)
    ty.backward(torch.from_numpy(g))
    for ours, theirs in ((y, ty.detach()), (dx, tx.grad), (dw, tw.grad)):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_memory_orders_of_the_results(name):
    x_shape, w_shape, *rest = SHAPES[0]
    with use(conv2d=name):
        x, w, g, y = _arrays(*SHAPES[0])
        assert y.transpose(0, 2, 3, 1).flags.c_contiguous
        assert conv2d.input_grad(g, w, x_shape, *rest).transpose(0, 2, 3, 1).flags.c_contiguous
        assert conv2d.weight_grad(x, g, w_shape, *rest).flags.c_contiguous


@pytest.mark.parametrize("channels", [1, 16])
def test_im2col_gives_a_sample_the_same_bits_in_every_batch(channels):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((70, channels, 14, 14), np.float32)
    w = rng.standard_normal((8, channels, 3, 3), np.float32)
    rest = ((1, 1), (1, 1), (1, 1), 1)
    with use(conv2d="im2col"):
        whole = conv2d.forward(x, w, *rest)
        for first, last in ((0, 1), (3, 10), (69, 70)):
            part = conv2d.forward(x[first:last], w, *rest)
            np.testing.assert_array_equal(part, whole[first:last])


def test_float32_im2col_is_as_exact_as_a_matrix_product():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 64, 14, 14), np.float32), rng.standard_normal((32, 64, 3, 3), np.float32)
    rest = ((1, 1), (1, 1), (1, 1), 1)
    with use(conv2d="reference"):
        exact = conv2d.forward(x.astype(np.float64), w.astype(np.float64), *rest)
    with use(conv2d="im2col"):
        error = np.abs(conv2d.forward(x, w, *rest) - exact).max()
    a = rng.standard_normal((196, 576), np.float32)
    b = rng.standard_normal((576, 32), np.float32)
    product = np.abs(a @ b - a.astype(np.float64) @ b.astype(np.float64)).max()
    assert error <= 2 * product


def test_depthwise_convolution_goes_to_the_sum_over_taps():
    rest = ((1, 1), (1, 1), (1, 1))
    shapes = ((8, 64, 28, 28), (64, 1, 3, 3))
    assert conv2d.policy("forward", np.dtype("float32"), *shapes, *rest, 64) == "reference"
    assert conv2d.policy("forward", np.dtype("float32"), (8, 1, 28, 28), (64, 1, 3, 3), *rest, 1) == "im2col"
