"""Results do not depend on the number of threads, nor on the batch that a sample is in: to the last bit."""

import numpy as np
import pytest

from minidl.kernels import affine, avg_pool2d, cross_entropy, max_pool2d, normalize, relu, softmax, use
from minidl.kernels.threads import get_num_threads, set_num_threads

WINDOWS = ((2, 2), (2, 2), (0, 0))
OVERLAPPING = ((3, 3), (2, 2), (1, 1))


def _random(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def _images(seed, n=6, c=20, h=56, w=58):
    return _random(seed, n, h, w, c).transpose(0, 3, 1, 2)


def _max_pool(x, g, windows):
    y, indices = max_pool2d.forward(x, *windows, (1, 1), False, True)
    alone, _ = max_pool2d.forward(x, *windows, (1, 1), False, False)
    h, w = y.shape[2:]
    return y, alone, indices, max_pool2d.input_grad(g[:, :, :h, :w], indices, x.shape, *windows, (1, 1))


def _avg_pool(x, g, windows):
    y = avg_pool2d.forward(x, *windows, False, True, None)
    h, w = y.shape[2:]
    return y, avg_pool2d.input_grad(g[:, :, :h, :w], x.shape, *windows, False, True, None)


def _norm(x, g, axes, parameters, center=True):
    w, b = (None if parameters is None else _random(seed, *parameters) for seed in (8, 9))
    y, mean, var = normalize.forward(x, w, b, axes, 1e-5, center)
    needs = (True, w is not None, w is not None)
    of = normalize.backward(needs, g, x, w, parameters, axes, 1e-5, center, mean, var)
    return y, mean, var, *of


def _cross_entropy(x, g):
    t = np.arange(len(x)).reshape(-1, 1) % x.shape[1]
    return cross_entropy.forward(x, t, np.abs(g[:, :1]), 3.0, 0.1, True)


# A function of an input and a gradient, and the two. Every sample's results are its own, except where noted.
OF_SAMPLES = {
    "relu": (lambda x, g: (relu.forward(x), relu.input_grad(g, x)), _images),
    "max_pool2d 2x2": (lambda x, g: _max_pool(x, g, WINDOWS), _images),
    "max_pool2d 3x3": (lambda x, g: _max_pool(x, g, OVERLAPPING), _images),
    "avg_pool2d 2x2": (lambda x, g: _avg_pool(x, g, WINDOWS), _images),
    "avg_pool2d 3x3": (lambda x, g: _avg_pool(x, g, OVERLAPPING), _images),
    "affine": (
        lambda x, _g: (affine.forward(x, _random(1, 1, 20, 1, 1), _random(2, 1, 20, 1, 1)),),
        _images,
    ),
    "instance norm": (lambda x, g: _norm(x, g, (2, 3), None), _images),
    "layer norm": (lambda x, g: _norm(x, g, (1,), None), lambda seed: _random(seed, 300, 700)),
    "rms norm": (lambda x, g: _norm(x, g, (1,), None, False), lambda seed: _random(seed, 300, 700)),
    "softmax": (
        lambda x, g: (softmax.forward(x, (1,), False), softmax.input_grad(g, x, (1,), False)),
        lambda seed: _random(seed, 300, 700),
    ),
    "log_softmax": (
        lambda x, g: (softmax.forward(x, (1,), True), softmax.input_grad(g, -np.abs(x), (1,), True)),
        lambda seed: _random(seed, 300, 700),
    ),
}
OF_BATCHES = {
    "batch norm": (lambda x, g: _norm(x, g, (0, 2, 3), (1, 20, 1, 1)), _images),
    "layer norm's parameters": (lambda x, g: _norm(x, g, (1,), (700,)), lambda seed: _random(seed, 300, 700)),
    "cross_entropy": (_cross_entropy, lambda seed: _random(seed, 300, 700)),
}


@pytest.fixture(autouse=True)
def _threads():
    before = get_num_threads()
    yield
    set_num_threads(before)


@pytest.mark.parametrize("name", [*OF_SAMPLES, *OF_BATCHES])
def test_one_thread_and_all_give_the_same(name):
    compute, make = {**OF_SAMPLES, **OF_BATCHES}[name]
    x, g = make(0), make(1)
    together = compute(x, g)
    set_num_threads(1)
    for several, one in zip(together, compute(x, g), strict=True):
        np.testing.assert_array_equal(several, one)


@pytest.mark.parametrize("name", OF_SAMPLES)
def test_a_sample_alone_and_in_a_batch_give_the_same(name):
    compute, make = OF_SAMPLES[name]
    x, g = make(0), make(1)
    for batch, alone in zip(compute(x, g), compute(x[3:4], g[3:4]), strict=True):
        if batch is not None:
            np.testing.assert_array_equal(batch[3:4], alone)


def test_a_small_batch_is_scaled_to_the_same_bits_as_a_large_one():
    """The one computes in NumPy, the other in a kernel."""
    x = _images(0)
    scale, shift = _random(1, 1, 20, 1, 1), _random(2, 1, 20, 1, 1)
    for name in ("reference", "fused"):
        with use(affine=name):
            np.testing.assert_array_equal(affine.forward(x, scale, shift), x * scale + shift)
