"""Pooling, against PyTorch; the kernels behind it have tests of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, channels_last, check_parity, normal, strided, torch

from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.ops.pool import avg_pool2d, max_pool2d
from minidl.tensor import from_numpy

F = torch.nn.functional

COMMON: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 6, 8), {"kernel_size": 2}),
    ((2, 3, 7, 9), {"kernel_size": (3, 2), "stride": (2, 3)}),
    ((2, 3, 7, 9), {"kernel_size": 3, "stride": 1, "padding": 1}),
    ((2, 3, 7, 8), {"kernel_size": 3, "stride": 2, "padding": (1, 0), "ceil_mode": True}),
    ((3, 6, 6), {"kernel_size": 2}),
    ((0, 3, 6, 6), {"kernel_size": 2}),
    ((1, 1, 1, 1), {"kernel_size": 1}),
]
MAX = [*COMMON, ((2, 2, 9, 8), {"kernel_size": 3, "stride": 2, "dilation": 2, "padding": 1})]
AVG = [
    *COMMON,
    (
        (2, 2, 7, 8),
        {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False, "ceil_mode": True},
    ),
    ((2, 2, 7, 8), {"kernel_size": 3, "padding": 1, "divisor_override": -5}),
]


@pytest.mark.parametrize(("shape", "options"), MAX)
def test_max_pool2d(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    calls = (lambda x: max_pool2d(x, **options)), (lambda x: F.max_pool2d(x, **options))
    for x in (normal(*shape), channels_last(normal(*shape)), strided(normal(*shape))):
        check_parity(*calls, x)


@pytest.mark.parametrize(("shape", "options"), AVG)
def test_avg_pool2d(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    calls = (lambda x: avg_pool2d(x, **options)), (lambda x: F.avg_pool2d(x, **options))
    for x in (normal(*shape), channels_last(normal(*shape)), strided(normal(*shape))):
        check_parity(*calls, x)


@pytest.mark.parametrize("shape", [(2, 3, 7, 9), (3, 7, 9)])
def test_indices(shape: tuple[int, ...]) -> None:
    x = normal(*shape)
    tensor = from_numpy(x).requires_grad_()
    y, indices = max_pool2d(tensor, 3, 2, 1, return_indices=True)
    expected, where = F.max_pool2d(torch.tensor(x), 3, 2, 1, return_indices=True)
    np.testing.assert_array_equal(y.array, expected.numpy())
    np.testing.assert_array_equal(indices.array, where.numpy())
    assert indices.dtype == np.int64
    assert not indices.requires_grad


def test_a_pooling_with_indices_can_be_differentiated_twice() -> None:
    check_parity(
        lambda x: max_pool2d(x, 2, return_indices=True)[0],
        lambda x: F.max_pool2d(x, 2, return_indices=True)[0],
        normal(2, 3, 6, 6),
    )


def test_among_equal_values_the_first_gets_the_gradient() -> None:
    check_parity(lambda x: max_pool2d(x, 3, 1), lambda x: F.max_pool2d(x, 3, 1), np.zeros((1, 1, 5, 5)))


def test_a_nan_is_passed_on() -> None:
    x = normal(1, 1, 4, 4)
    x[0, 0, 1, 1] = np.nan
    check_parity(lambda x: max_pool2d(x, 2), lambda x: F.max_pool2d(x, 2), x, second=False)


@pytest.mark.parametrize("pool", [max_pool2d, avg_pool2d])
def test_the_result_is_channels_last_in_memory(pool: Any) -> None:
    y = pool(from_numpy(normal(2, 3, 6, 6)), 2).array
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous


ERRORS: list[tuple[tuple[int, ...], dict[str, Any], Any, str]] = [
    ((3, 4), {"kernel_size": 2}, ShapeError,
     "input must be (N, C, H, W) or (C, H, W), and not empty but for N, got (3, 4)"),
    ((2, 0, 4, 4), {"kernel_size": 2}, ShapeError, "input must be (N, C, H, W)"),
    ((2, 3, 4, 4), {"kernel_size": 5}, ArgumentError,
     "kernel_size must be not larger than the padded input (4, 4), got (5, 5)"),
    ((2, 3, 4, 4), {"kernel_size": 0}, ArgumentError, "kernel_size must be at least 1, got 0"),
    ((2, 3, 4, 4), {"kernel_size": 2, "stride": 0}, ArgumentError, "stride must be at least 1, got 0"),
    ((2, 3, 4, 4), {"kernel_size": 2, "padding": 2}, ArgumentError,
     "padding must be at most half of the kernel (2, 2), got (2, 2)"),
    ((2, 3, 4, 4), {"kernel_size": 2, "padding": -1}, ArgumentError, "padding must be at least 0, got -1"),
    ((2, 3, 4, 4), {"kernel_size": (2, 2, 2)}, ArgumentError, "kernel_size must be one int or two"),
]  # fmt: skip


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize(("shape", "options", "kind", "message"), ERRORS)
def test_errors(name: str, shape: Any, options: dict[str, Any], kind: type[Exception], message: str) -> None:
    ours = {"max_pool2d": max_pool2d, "avg_pool2d": avg_pool2d}[name]
    both_raise(
        kind,
        f"{name}: {message}",
        lambda: ours(from_numpy(np.ones(shape)), **options),
        lambda: getattr(F, name)(torch.ones(shape), **options),
    )


def test_errors_of_one_pooling_alone() -> None:
    x = from_numpy(np.ones((1, 1, 4, 4)))
    with pytest.raises(ArgumentError, match=r"avg_pool2d: divisor_override must be None or not 0, got 0"):
        avg_pool2d(x, 2, divisor_override=0)
    with pytest.raises(ArgumentError, match=r"max_pool2d: dilation must be at least 1, got 0"):
        max_pool2d(x, 2, dilation=0)
    with pytest.raises(DTypeError, match=r"max_pool2d: input must be of numbers, not bools, got bool"):
        max_pool2d(from_numpy(np.ones((1, 1, 4, 4), np.bool_)), 2)
    with pytest.raises(DTypeError, match=r"avg_pool2d: input must be of floats, got int32"):
        avg_pool2d(from_numpy(np.ones((1, 1, 4, 4), np.int32)), 2)
