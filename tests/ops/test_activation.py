"""Softmax, its logarithm, logsigmoid and dropout, against PyTorch and their definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, channels_last, check_parity, normal, strided, torch

from minidl.errors import ArgumentError, DimensionError, DTypeError, ShapeError
from minidl.nn.functional import softmin
from minidl.ops.activation import log_softmax, logsigmoid, softmax
from minidl.ops.dropout import dropout, dropout2d
from minidl.random import default_generator, manual_seed
from minidl.tensor import from_numpy

F = torch.nn.functional
SOFTMAXES = [(softmax, torch.softmax), (log_softmax, torch.log_softmax)]


@pytest.mark.parametrize(("ours", "theirs"), SOFTMAXES)
@pytest.mark.parametrize(
    ("shape", "dim"),
    [((4, 5), 1), ((4, 5), 0), ((2, 3, 4, 5), -3), ((5,), -1), ((), 0), ((), -1), ((0, 3), 1), ((3, 0), 1)],
)
def test_softmax(ours: Any, theirs: Any, shape: tuple[int, ...], dim: int) -> None:
    x = np.asarray(normal(*shape))
    check_parity(lambda x: ours(x, dim), lambda x: theirs(x, dim), x)
    check_parity(lambda x: ours(x, dim), lambda x: theirs(x, dim), strided(x))
    if x.ndim == 4:
        check_parity(lambda x: ours(x, dim), lambda x: theirs(x, dim), channels_last(x))


EXTREME = np.array([[1e4, -1e4, 0.0], [1e4, 1e4, -1e4], [-np.inf, 0.0, 1.0], [-1e4, -1e4, -1e4]])


@pytest.mark.parametrize(("ours", "theirs"), SOFTMAXES)
def test_softmax_of_extreme_values(ours: Any, theirs: Any) -> None:
    check_parity(lambda x: ours(x, 1), lambda x: theirs(x, 1), EXTREME)
    gone = np.full((2, 3), -np.inf)
    assert np.isnan(ours(from_numpy(gone), 1).array).all()
    assert torch.isnan(theirs(torch.tensor(gone), 1)).all()


@pytest.mark.parametrize(("ours", "theirs"), SOFTMAXES)
def test_dtype_converts_the_input_first(ours: Any, theirs: Any) -> None:
    x = np.arange(3)
    y = ours(from_numpy(x), 0, dtype=np.float64)
    np.testing.assert_allclose(y.array, theirs(torch.tensor(x), 0, dtype=torch.float64).numpy(), rtol=1e-12)
    both_raise(
        DTypeError,
        "softmax: input must be of floats",
        lambda: ours(from_numpy(x), 0),
        lambda: theirs(torch.tensor(x), 0),
    )


@pytest.mark.parametrize(("ours", "theirs"), SOFTMAXES)
def test_a_dimension_out_of_range(ours: Any, theirs: Any) -> None:
    message = "softmax: dim must be in [-2, 1] for 2 dimensions, got 2"
    calls = (lambda: ours(from_numpy(EXTREME), 2)), (lambda: theirs(torch.tensor(EXTREME), 2))
    both_raise(DimensionError, message, *calls)


def test_softmin() -> None:
    x = normal(4, 5)
    check_parity(lambda x: softmin(x, 1), lambda x: F.softmin(x, 1), x)
    integers = np.arange(6).reshape(2, 3)
    check_parity(
        lambda x: softmin(x, 0, dtype=np.float64), lambda x: F.softmin(x, 0, dtype=torch.float64), integers
    )
    with pytest.warns(UserWarning, match="Implicit dimension choice"):
        expected = F.softmin(torch.tensor(x))
    with pytest.warns(UserWarning, match="softmin: dim is left out") as caught:
        np.testing.assert_allclose(softmin(from_numpy(x)).array, expected.numpy(), rtol=1e-12)
    assert caught[0].filename == __file__


def test_logsigmoid() -> None:
    check_parity(logsigmoid, F.logsigmoid, normal(4, 5))
    check_parity(logsigmoid, F.logsigmoid, np.array([-1e4, -100.0, 0.0, 100.0, 1e4]))


# --- Dropout --------------------------------------------------------------------------------------------------


def test_dropout_zeroes_the_asked_share_and_scales_the_rest() -> None:
    y = dropout(from_numpy(np.ones(100_000, np.float32)), 0.3).array
    kept = y != 0
    assert abs(kept.mean() - 0.7) < 0.01
    np.testing.assert_allclose(y[kept], 1 / 0.7, rtol=1e-6)
    assert y.dtype == np.float32


def test_dropout_uses_the_same_mask_forward_and_backward_and_twice() -> None:
    x = from_numpy(normal(50)).requires_grad_()
    y = dropout(x, 0.5)
    mask = y.array / x.array
    assert set(mask.round(12)) == {0.0, 2.0}
    (2.0 * y * y).backward(from_numpy(np.ones(50)))
    np.testing.assert_allclose(x.grad.array, 4 * mask**2 * x.array, rtol=1e-12)


def test_the_mask_does_not_depend_on_the_memory_order() -> None:
    x = normal(2, 3, 4, 5)
    manual_seed(1)
    a = dropout(from_numpy(x), 0.5)
    manual_seed(1)
    b = dropout(from_numpy(channels_last(x)), 0.5)
    np.testing.assert_array_equal(a.array, b.array)
    assert b.array.strides == channels_last(x).strides


def test_dropout_without_training_or_probability_draws_nothing() -> None:
    x, before = from_numpy(normal(5)), default_generator.get_state()
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0) is x
    assert str(default_generator.get_state()) == str(before)


def test_dropout_of_everything() -> None:
    x = np.array([np.nan, 1.0, np.inf])
    np.testing.assert_array_equal(dropout(from_numpy(x), 1.0).array, F.dropout(torch.tensor(x), 1.0).numpy())


def test_dropout_in_place() -> None:
    x = from_numpy(np.ones(50))
    y = dropout(x, 0.5, inplace=True)
    assert y is x
    assert set(x.array) == {0.0, 2.0}


@pytest.mark.parametrize("p", [1.5, -0.1, float("nan")])
def test_dropout_takes_a_probability(p: float) -> None:
    message = f"dropout: p must be a probability, from 0 to 1, got {p}"
    calls = (lambda: dropout(from_numpy(np.ones(3)), p)), (lambda: F.dropout(torch.ones(3), p))
    both_raise(ArgumentError, message, *calls)


def test_dropout_takes_floats() -> None:
    x = np.arange(3)
    calls = (lambda: dropout(from_numpy(x))), (lambda: F.dropout(torch.tensor(x)))
    both_raise(DTypeError, "dropout: input must be of floats, got int64", *calls)
    assert dropout(from_numpy(x), training=False).dtype == np.int64


def test_dropout2d_drops_whole_channels() -> None:
    x = from_numpy(np.ones((200, 50, 2, 3), np.float32)).requires_grad_()
    y = dropout2d(x, 0.3)
    channels = y.array.reshape(200, 50, 6)
    assert (channels == channels[..., :1]).all()
    kept = channels[..., 0] != 0
    assert abs(kept.mean() - 0.7) < 0.02
    np.testing.assert_allclose(channels[kept], 1 / 0.7, rtol=1e-6)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.array, y.array)


def test_dropout2d_otherwise_is_dropout() -> None:
    x = from_numpy(np.ones((2, 3, 4, 5)))
    assert dropout2d(x, 0.5, training=False) is x
    assert dropout2d(x, 0.0) is x
    assert not dropout2d(x, 1.0).array.any()
    assert dropout2d(x, 0.5, inplace=True) is x
    assert set(x.array.ravel()) <= {0.0, 2.0}
    both_raise(
        ArgumentError,
        "dropout2d: p must be a probability, from 0 to 1, got 2",
        lambda: dropout2d(x, 2),
        lambda: F.dropout2d(torch.ones(1, 2, 3, 4), 2),
    )


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 5, 2)])
def test_dropout2d_warns_of_what_is_no_image(shape: tuple[int, ...]) -> None:
    with pytest.warns(UserWarning, match="dropout2d"):
        F.dropout2d(torch.ones(shape))
    with pytest.warns(UserWarning, match=r"dropout2d: input should be \(N, C, H, W\)"):
        y = dropout2d(from_numpy(np.ones(shape))).array.reshape(2, 3, -1)
    assert (y == y[..., :1]).all()


def test_dropout2d_needs_channels() -> None:
    with pytest.warns(UserWarning, match="dropout2d"):
        both_raise(
            ShapeError,
            "dropout2d: input must be (N, C, H, W), got (3,)",
            lambda: dropout2d(from_numpy(np.ones(3))),
            lambda: F.dropout2d(torch.ones(3)),
        )
