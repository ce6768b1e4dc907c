"""Adaptive pooling, and pooling over sequences, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, channels_last, check_parity, normal, strided, torch

from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.nn import functional as F
from minidl.tensor import from_numpy

T = torch.nn.functional
SIZES: list[Any] = [1, 3, 7, (1, 2), (5, None), (None, None), (12, 20), (8, 9)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", [(2, 3, 8, 9), (3, 7, 5), (0, 3, 4, 4)])
def test_images(size: Any, shape: tuple[int, ...]) -> None:
    inputs = [normal(*shape), strided(normal(*shape))]
    inputs += [channels_last(normal(*shape))] if len(shape) == 4 else []
    for x in inputs:
        check_parity(lambda x: F.adaptive_avg_pool2d(x, size), lambda x: T.adaptive_avg_pool2d(x, size), x)
        check_parity(lambda x: F.adaptive_max_pool2d(x, size), lambda x: T.adaptive_max_pool2d(x, size), x)


def test_memory_order_is_kept() -> None:
    x = from_numpy(channels_last(normal(2, 3, 8, 9)))
    for pool in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d):
        assert pool(x, (3, 4)).array.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("size", [(3, 4), 1, (9, 10)])
@pytest.mark.parametrize("shape", [(2, 3, 8, 9), (3, 7, 5)])
def test_indices(size: Any, shape: tuple[int, ...]) -> None:
    ties = np.round(normal(*shape))
    nans = np.where(normal(*shape, seed=1) > 1, np.nan, ties)
    for x in (ties, nans, np.full(shape, -np.inf)):
        y, indices = F.adaptive_max_pool2d(from_numpy(x), size, return_indices=True)
        expected, places = T.adaptive_max_pool2d(torch.tensor(x), size, return_indices=True)
        np.testing.assert_array_equal(y.array, expected.numpy())
        np.testing.assert_array_equal(indices.array, places.numpy())
        assert indices.dtype == np.int64
    check_parity(lambda x: F.adaptive_max_pool2d(x, size), lambda x: T.adaptive_max_pool2d(x, size), ties)


@pytest.mark.parametrize("size", [1, 3, (5,), 11])
@pytest.mark.parametrize("shape", [(2, 3, 8), (3, 8)])
def test_sequences(size: Any, shape: tuple[int, ...]) -> None:
    check_parity(
        lambda x: F.adaptive_avg_pool1d(x, size), lambda x: T.adaptive_avg_pool1d(x, size), normal(*shape)
    )  # fmt: skip


def test_a_size_of_zero() -> None:
    x = normal(2, 3, 8, 9)
    for name, size in (("adaptive_avg_pool2d", (0, 2)), ("adaptive_max_pool2d", 0)):
        y = getattr(F, name)(from_numpy(x).requires_grad_(), size)
        assert y.shape == tuple(getattr(T, name)(torch.tensor(x), size).shape)
    assert F.adaptive_avg_pool1d(from_numpy(x[0]), 0).shape == (3, 8, 0)


def test_infinities_stay_in_their_windows() -> None:
    x = np.array([[[1.0, np.inf, 2.0, 3.0, -np.inf]]])
    np.testing.assert_array_equal(
        F.adaptive_avg_pool1d(from_numpy(x), 3).array, T.adaptive_avg_pool1d(torch.tensor(x), 3).numpy()
    )


GEOMETRIES: list[dict[str, Any]] = [
    {"kernel_size": 3}, {"kernel_size": (3,), "stride": (2,), "padding": (1,)},
    {"kernel_size": 4, "stride": 3, "padding": 2, "ceil_mode": True}, {"kernel_size": 8},
]  # fmt: skip


def _avg_pool1d(options: dict[str, Any]) -> tuple[Any, Any]:
    return (lambda x: F.avg_pool1d(x, **options)), (lambda x: T.avg_pool1d(x, **options))


@pytest.mark.parametrize("shape", [(2, 3, 8), (3, 8), (0, 3, 8)])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_pooling_over_sequences(shape: tuple[int, ...], geometry: dict[str, Any]) -> None:
    for x in (normal(*shape), strided(normal(*shape))):
        check_parity(lambda x: F.max_pool1d(x, **geometry), lambda x: T.max_pool1d(x, **geometry), x)
        for inside in (True, False):
            check_parity(*_avg_pool1d(geometry | {"count_include_pad": inside}), x)


def test_max_pool1d_with_dilation_and_indices() -> None:
    x = normal(2, 3, 9)
    options: dict[str, Any] = {"stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True}
    check_parity(lambda x: F.max_pool1d(x, 3, **options), lambda x: T.max_pool1d(x, 3, **options), x)
    y, indices = F.max_pool1d(from_numpy(x), 3, **options, return_indices=True)
    expected, places = T.max_pool1d(torch.tensor(x), 3, **options, return_indices=True)
    np.testing.assert_array_equal(y.array, expected.numpy())
    np.testing.assert_array_equal(indices.array, places.numpy())


def test_wrong_arguments() -> None:
    x = normal(2, 3, 8, 9)
    cases: list[tuple[Any, str, Any]] = [
        (ArgumentError, "adaptive_avg_pool2d: output_size must be one int or two, got (3,)",
         lambda f, x: f.adaptive_avg_pool2d(x, (3,))),
        (ArgumentError, "adaptive_avg_pool2d: output_size must be not negative, got -1",
         lambda f, x: f.adaptive_avg_pool2d(x, -1)),
        (ArgumentError, "adaptive_max_pool2d: output_size must be not negative, got (2, -1)",
         lambda f, x: f.adaptive_max_pool2d(x, (2, -1))),
        (DTypeError, "adaptive_avg_pool2d: output_size must be an int, got 2.5",
         lambda f, x: f.adaptive_avg_pool2d(x, 2.5)),
        (ShapeError, "adaptive_avg_pool2d: input must be (N, C, H, W) or (C, H, W), the last 2 dimensions not empty, "
         "got (2, 3, 0, 9)", lambda f, x: f.adaptive_avg_pool2d(x[:, :, :0], 2)),
        (ShapeError, "adaptive_max_pool2d: input must be", lambda f, x: f.adaptive_max_pool2d(x[:, :0], 2)),
        (ShapeError, "got (8, 9)", lambda f, x: f.adaptive_avg_pool2d(x[0, 0], 2)),
        (ShapeError, "adaptive_avg_pool1d: input must be (N, C, T) or (C, T), T not 0, got (2, 3, 8, 9)",
         lambda f, x: f.adaptive_avg_pool1d(x, 2)),
        (ArgumentError, "adaptive_avg_pool1d: output_size must be not negative, got -1",
         lambda f, x: f.adaptive_avg_pool1d(x[0], -1)),
        (ArgumentError, "adaptive_avg_pool1d: output_size must be one int, got (1, 2)",
         lambda f, x: f.adaptive_avg_pool1d(x[0], (1, 2))),
        (DTypeError, "adaptive_avg_pool1d: output_size must be an int, got NoneType",
         lambda f, x: f.adaptive_avg_pool1d(x[0], None)),
        (ArgumentError, "avg_pool1d: padding must be at most half of the kernel 3, got 2",
         lambda f, x: f.avg_pool1d(x[0], 3, padding=2)),
        (ArgumentError, "max_pool1d: kernel_size must be not larger than the padded input 9, got 10",
         lambda f, x: f.max_pool1d(x[0], 10)),
        (ArgumentError, "avg_pool1d: kernel_size must be one int, got (3, 3)",
         lambda f, x: f.avg_pool1d(x[0], (3, 3))),
        (ArgumentError, "avg_pool1d: kernel_size must be at least 1", lambda f, x: f.avg_pool1d(x[0], 0)),
        (ShapeError, "max_pool1d: input must be (N, C, T) or (C, T), and not empty but for N, got (2, 3, 8, 9)",
         lambda f, x: f.max_pool1d(x, 2)),
    ]  # fmt: skip
    for kind, message, call in cases:
        both_raise(
            kind,
            message,
            lambda call=call: call(F, from_numpy(x)),
            lambda call=call: call(T, torch.tensor(x)),
        )
    integers = np.arange(24).reshape(1, 2, 3, 4)
    for name in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):
        both_raise(
            DTypeError, f"{name}: input must be of floats, got int64",
            lambda name=name: getattr(F, name)(from_numpy(integers), 2),
            lambda name=name: getattr(T, name)(torch.tensor(integers), 2),
        )  # fmt: skip
