"""The fused loss: exact against long doubles, stable at the extremes, the same in every memory order."""

import numpy as np
import pytest

from minidl.kernels import available, bce_with_logits, use

NAMES = available("bce_with_logits")
# The largest relative error of an element's loss, and the largest error of its gradient.
BOUNDS = {np.float32: (2e-7, 1e-7), np.float64: (4e-16, 3e-16)}
# Logits of every size, and near 0, where the loss is log(2), and its terms are smooth.
LOGITS = np.concatenate(
    [np.linspace(-40, 40, 2001), np.geomspace(1e-6, 80, 500), -np.geomspace(1e-6, 80, 500)]
)


def _exact(x, t):
    """Loss and gradient per element, in long double, from the definition."""
    x, t = x.astype(np.longdouble), t.astype(np.longdouble)
    losses = t * np.log1p(np.exp(-x)) + (1 - t) * np.log1p(np.exp(x))
    return losses, 1 / (1 + np.exp(-x)) - t


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="long double is double here")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_every_element_is_exact(name, dtype, target):
    x = LOGITS.astype(dtype)
    t = np.full_like(x, target)
    losses, gradient = _exact(x, t)
    with use(bce_with_logits=name):
        got = np.array(
            [bce_with_logits.forward(x[i : i + 1], t[i : i + 1], 1.0, True)[0] for i in range(x.size)]
        )
        got_gradient = bce_with_logits.forward(x, t, 1.0, True)[1]
    relative, absolute = BOUNDS[dtype]
    assert (np.abs(got - losses) <= relative * losses).all()
    assert np.abs(got_gradient - gradient).max() <= absolute


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", BOUNDS)
def test_a_mean_over_many_elements_keeps_its_digits(name, dtype):
    rng = np.random.default_rng(0)
    x, t = (3 * rng.standard_normal((256, 784))).astype(dtype), rng.random((256, 784)).astype(dtype)
    losses, gradient = _exact(x, t)
    with use(bce_with_logits=name):
        loss, got = bce_with_logits.forward(x, t, 1 / x.size, True)
    assert loss.dtype == got.dtype == dtype
    assert float(loss) == pytest.approx(float(losses.mean()), rel=1e-7 if dtype == np.float32 else 1e-14)
    np.testing.assert_allclose(got * x.size, gradient.astype(dtype), rtol=0, atol=2 * BOUNDS[dtype][1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", BOUNDS)
def test_huge_logits_neither_overflow_nor_lose_the_loss(name, dtype):
    x, t = np.array([1e4, -1e4, 1e4, -1e4], dtype), np.array([0, 1, 1, 0], dtype)
    with use(bce_with_logits=name):
        loss, gradient = bce_with_logits.forward(x, t, 0.5, True)
    assert float(loss) == 1e4
    np.testing.assert_array_equal(gradient, np.array([0.5, -0.5, 0, 0], dtype))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", BOUNDS)
def test_nan_comes_out_where_it_went_in(name, dtype):
    x, t = np.array([np.nan, 0, 0], dtype), np.array([1, np.nan, 1], dtype)
    with use(bce_with_logits=name):
        loss, gradient = bce_with_logits.forward(x, t, 1.0, True)
    assert np.isnan(loss)
    assert np.isnan(gradient).tolist() == [True, True, False]
    assert gradient[2] == -0.5


@pytest.mark.parametrize("name", NAMES)
def test_without_a_gradient_the_loss_is_the_same(name):
    x, t = (np.random.default_rng(s).random((40, 50), np.float32) for s in (0, 1))
    with use(bce_with_logits=name):
        loss, gradient = bce_with_logits.forward(x, t, 1.0, False)
        assert gradient is None
        assert loss == bce_with_logits.forward(x, t, 1.0, True)[0]


def test_the_gradient_of_channels_last_logits_is_channels_last():
    x = np.random.default_rng(0).standard_normal((2, 6, 5, 3)).transpose(0, 3, 1, 2)
    _, gradient = bce_with_logits.forward(x, np.ones(x.shape), 1.0, True)
    assert gradient.strides == x.strides


def test_other_dtypes_are_left_to_the_reference():
    x = np.zeros(4, np.float16)
    loss, gradient = bce_with_logits.forward(x, x, 0.25, True)
    assert (loss.dtype, gradient.dtype) == (np.float16, np.float16)
    assert float(loss) == pytest.approx(np.log(2), rel=1e-3)
