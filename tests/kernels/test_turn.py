"""Stacks of matrices, transposed; and images that are flattened, with the gradient on its way back."""

import numpy as np
import pytest

from minidl.grad_mode import no_grad
from minidl.kernels.threads import get_num_threads, set_num_threads
from minidl.kernels.turn import turned
from minidl.ops.shape import _in_order
from minidl.tensor import from_numpy


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "shape",
    [(0, 3, 4), (2, 0, 4), (1, 1, 1), (3, 16, 16), (2, 17, 33), (5, 49, 64), (1, 200, 7), (2, 131, 48)],
)
def test_every_matrix_is_transposed(shape, dtype):
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    x.flags.writeable = False
    threads = get_num_threads()
    for count in {1, threads}:
        set_num_threads(count)
        y = turned(x)
        assert y.flags.c_contiguous
        np.testing.assert_array_equal(y, x.transpose(0, 2, 1))
    set_num_threads(threads)
    np.testing.assert_array_equal(turned(x[:, ::-1]), x[:, ::-1].transpose(0, 2, 1))


def test_other_dtypes_are_refused():
    with pytest.raises(TypeError, match="turned: x must be of float32 or float64, got int64"):
        turned(np.zeros((2, 3, 4), np.int64))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("shape", [(64, 20, 7, 9), (3, 64, 30, 31), (20, 1, 30, 31), (40, 600, 1, 1)])
def test_large_images_are_flattened_from_channels_last_memory(shape, dtype):
    a = (100 * np.random.default_rng(0).standard_normal(shape)).astype(dtype)
    last = np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    for x in (from_numpy(last), from_numpy(a)):
        for y in (x.flatten(1), x.reshape(shape[0], -1), x.view(shape[0], int(np.prod(shape[1:])))):
            np.testing.assert_array_equal(y.numpy(), a.reshape(shape[0], -1))
        np.testing.assert_array_equal(x.flatten(2).numpy(), a.reshape(*shape[:2], -1))
        np.testing.assert_array_equal(x.reshape(2 * shape[0] // 2, -1).numpy(), a.reshape(shape[0], -1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_gradient_of_flattened_images_lies_as_they_do(dtype):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((33, 7, 9, 20)).astype(dtype).transpose(0, 3, 1, 2)
    x = from_numpy(a).requires_grad_()
    g = rng.standard_normal((33, 20 * 7 * 9)).astype(dtype)
    y = x.flatten(1)
    with no_grad():
        before = y.clone()
    y.backward(from_numpy(g))
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), g.reshape(a.shape))
    back = _in_order(g.reshape(a.shape), a.strides)
    np.testing.assert_array_equal(back, g.reshape(a.shape))
    assert back.transpose(0, 2, 3, 1).flags.c_contiguous
    # The flat rows are a copy: what is written to the images later is not seen in them.
    with no_grad():
        x.zero_()
    np.testing.assert_array_equal(y.detach().numpy(), before.numpy())
