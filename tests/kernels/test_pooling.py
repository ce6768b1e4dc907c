"""Pooling against PyTorch's: windows, indices, divisors, NaN; each implementation in turn."""

import itertools

import numpy as np
import pytest

from minidl.kernels import available, avg_pool2d, max_pool2d, use
from minidl.kernels.windows import output_size

# kernel, stride, padding
WINDOWS = [
    ((2, 2), (2, 2), (0, 0)),
    ((3, 3), (2, 2), (1, 1)),
    ((3, 2), (1, 3), (1, 0)),
    ((2, 3), (3, 4), (1, 1)),
]
SHAPES = [(2, 3, 8, 9), (1, 5, 7, 7), (3, 1, 5, 10)]


def _images(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("name", available("max_pool2d"))
@pytest.mark.parametrize("dilation", [(1, 1), (2, 1)])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("shape", SHAPES)
def test_max_pooling_equals_pytorchs(name, shape, window, ceil_mode, dilation):
    torch = pytest.importorskip("torch")
    x = np.round(_images(shape) * 2)  # with equal values, whose first is taken
    tx = torch.from_numpy(x).requires_grad_()
    expected, places = torch.nn.functional.max_pool2d(
        tx, *window, dilation, ceil_mode=ceil_mode, return_indices=True
    )
    g = _images(expected.shape, 1)
    expected.backward(torch.from_numpy(g))
    with use(max_pool2d=name):
        y, indices = max_pool2d.forward(x, *window, dilation, ceil_mode, True)
        dx = max_pool2d.input_grad(g, indices, x.shape, *window, dilation)
        scattered = max_pool2d.scatter(g, indices, x.shape)
        alone, none = max_pool2d.forward(x, *window, dilation, ceil_mode, False)
    np.testing.assert_array_equal(y, expected.detach().numpy())
    np.testing.assert_array_equal(indices, places.numpy())
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(scattered, tx.grad.numpy(), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(alone, y)
    assert none is None


@pytest.mark.parametrize("name", available("max_pool2d"))
@pytest.mark.parametrize("channels", [1, 19])
def test_max_pooling_passes_nan_and_infinities_on_as_pytorch_does(name, channels):
    torch = pytest.importorskip("torch")
    x = _images((2, channels, 9, 9)).astype(np.float32)
    for value, seed in ((np.nan, 1), (np.inf, 2), (-np.inf, 3)):
        x[np.random.default_rng(seed).random(x.shape) < 0.2] = value
    expected, places = torch.nn.functional.max_pool2d(torch.from_numpy(x), 3, 2, 1, return_indices=True)
    with use(max_pool2d=name):
        y, indices = max_pool2d.forward(x, (3, 3), (2, 2), (1, 1), (1, 1), False, True)
    np.testing.assert_array_equal(y, expected.numpy())
    np.testing.assert_array_equal(indices, places.numpy())


@pytest.mark.parametrize("name", available("max_pool2d"))
def test_a_window_of_minus_infinities_gives_its_first_pixel(name):
    with use(max_pool2d=name):
        y, indices = max_pool2d.forward(
            np.full((1, 1, 4, 4), -np.inf), (2, 2), (2, 2), (0, 0), (1, 1), False, True
        )
    assert (y == -np.inf).all()
    assert indices.ravel().tolist() == [0, 2, 8, 10]


@pytest.mark.parametrize("name", available("max_pool2d"))
def test_a_window_without_a_pixel_has_no_index_and_takes_no_gradient(name):
    x = np.ones((1, 1, 2, 2))
    with use(max_pool2d=name):
        y, indices = max_pool2d.forward(x, (2, 2), (1, 1), (1, 1), (3, 1), False, True)
        assert (y == -np.inf).all()
        assert (indices == -1).all()
        assert not max_pool2d.input_grad(
            np.ones(y.shape), indices, x.shape, (2, 2), (1, 1), (1, 1), (3, 1)
        ).any()
        assert not max_pool2d.gather(x, indices).any()


@pytest.mark.parametrize("name", available("max_pool2d"))
def test_gather_and_scatter_are_transposes(name):
    x, v = _images((2, 3, 8, 7)), _images((2, 3, 8, 7), 1)
    with use(max_pool2d=name):
        y, indices = max_pool2d.forward(x, (3, 3), (2, 1), (1, 1), (1, 1), False, True)
        g = _images(y.shape, 2)
        np.testing.assert_array_equal(max_pool2d.gather(x, indices), y)
        scattered = np.vdot(max_pool2d.scatter(g, indices, x.shape), v)
        assert np.vdot(g, max_pool2d.gather(v, indices)) == pytest.approx(scattered, rel=1e-12)


@pytest.mark.parametrize("name", available("avg_pool2d"))
@pytest.mark.parametrize(("count_include_pad", "divisor"), [(True, None), (False, None), (True, 3)])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("shape", SHAPES)
def test_average_pooling_equals_pytorchs(name, shape, window, ceil_mode, count_include_pad, divisor):
    torch = pytest.importorskip("torch")
    x = _images(shape)
    tx = torch.from_numpy(x).requires_grad_()
    expected = torch.nn.functional.avg_pool2d(tx, *window, ceil_mode, count_include_pad, divisor)
    g = _images(expected.shape, 1)
    expected.backward(torch.from_numpy(g))
    rest = (*window, ceil_mode, count_include_pad, divisor)
    with use(avg_pool2d=name):
        y = avg_pool2d.forward(x, *rest)
        dx = avg_pool2d.input_grad(g, x.shape, *rest)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=0, atol=1e-12)


def test_float16_is_left_to_the_reference():
    x = np.arange(16, dtype=np.float16).reshape(1, 1, 4, 4)
    y, indices = max_pool2d.forward(x, (2, 2), (2, 2), (0, 0), (1, 1), False, True)
    assert y.dtype == np.float16
    assert y.ravel().tolist() == indices.ravel().tolist() == [5, 7, 13, 15]
    assert avg_pool2d.forward(x, (2, 2), (2, 2), (0, 0), False, True, None).ravel().tolist() == [
        2.5,
        4.5,
        10.5,
        12.5,
    ]


def test_output_size_counts_the_windows_that_fit():
    for size, kernel, stride, padding, dilation in itertools.product(
        (5, 8), (1, 2, 3), (1, 2, 3), (0, 1), (1, 2)
    ):
        starts = range(-padding, size + padding, stride)
        reach = dilation * (kernel - 1)
        fitting = [s for s in starts if s + reach < size + padding]
        assert output_size(size, kernel, stride, padding, dilation) == len(fitting)
