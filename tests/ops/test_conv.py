"""Convolution, against PyTorch; the kernels behind it have tests of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, channels_last, check_parity, normal, strided, torch

from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.ops.conv import conv1d, conv2d
from minidl.tensor import from_numpy

F = torch.nn.functional

CASES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 6, 5), (4, 3, 3, 3), {}),
    ((2, 3, 6, 5), (4, 3, 1, 1), {}),
    ((2, 3, 7, 6), (4, 3, 3, 2), {"stride": (2, 1), "padding": (1, 0)}),
    ((1, 4, 7, 8), (6, 2, 3, 3), {"groups": 2, "dilation": (1, 2), "padding": 2, "stride": 2}),
    ((2, 3, 5, 5), (6, 1, 3, 3), {"groups": 3, "padding": "same"}),
    ((2, 2, 5, 6), (3, 2, 2, 4), {"padding": "same"}),
    ((2, 2, 7, 6), (3, 2, 2, 3), {"padding": "same", "dilation": (3, 2)}),
    ((2, 2, 5, 6), (3, 2, 2, 3), {"padding": "valid", "stride": 3}),
    ((3, 6, 5), (4, 3, 3, 3), {"padding": 1}),
    ((0, 3, 6, 5), (4, 3, 3, 3), {}),
    ((1, 1, 1, 1), (1, 1, 3, 3), {"padding": 1}),
]


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # PyTorch's, for even kernels
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("x", "w", "options"), CASES)
def test_conv2d(x: tuple[int, ...], w: tuple[int, ...], options: dict[str, Any], bias: bool) -> None:
    arrays = [normal(*x), normal(*w), *([normal(w[0])] if bias else [])]
    calls = (lambda *a: conv2d(*a, **options)), (lambda *a: F.conv2d(*a, **options))
    check_parity(*calls, *arrays)
    check_parity(*calls, channels_last(arrays[0]), *arrays[1:], second=False)


def test_conv2d_takes_memory_with_gaps() -> None:
    check_parity(conv2d, F.conv2d, *map(strided, (normal(2, 3, 6, 5), normal(4, 3, 3, 3), normal(4))))


def test_the_result_is_channels_last_in_memory() -> None:
    for image in (normal(2, 3, 6, 5), channels_last(normal(2, 3, 6, 5))):
        y = conv2d(from_numpy(image), from_numpy(normal(4, 3, 3, 3)), from_numpy(normal(4))).array
        assert y.transpose(0, 2, 3, 1).flags.c_contiguous


def test_integers_can_be_convolved() -> None:
    x, w = np.arange(32).reshape(1, 2, 4, 4), np.arange(54).reshape(3, 2, 3, 3)
    check_parity(conv2d, F.conv2d, x, w, float32=False)


@pytest.mark.parametrize(
    ("x", "w", "options"),
    [
        ((2, 3, 7), (4, 3, 3), {}),
        ((2, 4, 7), (4, 2, 3), {"stride": 2, "padding": 1, "groups": 2}),
        ((3, 7), (4, 3, 3), {"dilation": (2,)}),
        ((2, 3, 7), (4, 3, 4), {"padding": "same"}),
    ],
)
def test_conv1d(x: tuple[int, ...], w: tuple[int, ...], options: dict[str, Any]) -> None:
    arrays = normal(*x), normal(*w), normal(w[0])
    check_parity(lambda *a: conv1d(*a, **options), lambda *a: F.conv1d(*a, **options), *arrays)


ERRORS: list[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...] | None, dict[str, Any], Any, str]] = [
    ((1, 3, 8, 8), (64, 4, 3, 3), None, {}, ShapeError,
     "conv2d: weight must be (out, 3, kH, kW) to match input channels 3, got (64, 4, 3, 3)"),
    ((1, 4, 8, 8), (6, 4, 3, 3), None, {"groups": 2}, ShapeError,
     "weight must be (out, 2, kH, kW) to match input channels 4 in 2 groups, got (6, 4, 3, 3)"),
    ((1, 4, 8, 8), (5, 2, 3, 3), None, {"groups": 2}, ShapeError,
     "weight must be of a number of filters that 2 groups divide, got (5, 2, 3, 3)"),
    ((1, 3, 8, 8), (0, 3, 3, 3), None, {}, ShapeError, "weight must be of a number of filters"),
    ((1, 3, 8, 8), (4, 3, 3), None, {}, ShapeError, "weight must be (out, 3, kH, kW)"),
    ((3, 8), (4, 3, 3, 3), None, {}, ShapeError,
     "input must be of 4 dimensions, or 3 without a batch, got (3, 8)"),
    ((1, 3, 8, 8), (4, 3, 3, 3), (3,), {}, ShapeError, "bias must be (4,), one for each filter, got (3,)"),
    ((1, 3, 8, 8), (4, 3, 9, 3), None, {}, ShapeError,
     "weight must be of kernels that fit into the padded input (8, 8), got (9, 3)"),
    ((1, 3, 8, 8), (4, 3, 3, 3), None, {"dilation": 5, "padding": 1}, ShapeError,
     "padded input (10, 10), got (3, 3), (11, 11) with their dilation"),
    ((1, 3, 8, 8), (4, 3, 3, 3), None, {"groups": 2}, ArgumentError,
     "groups must be at least 1 and a divisor of the 3 input channels, got 2"),
    ((1, 3, 8, 8), (4, 3, 3, 3), None, {"groups": 0}, ArgumentError, "groups must be at least 1"),
    ((1, 3, 8, 8), (4, 3, 3, 3), None, {"stride": 0}, ArgumentError, "stride must be at least 1, got 0"),
    ((1, 3, 8, 8), (4, 3, 3, 3), None, {"padding": -1}, ArgumentError, "padding must be at least 0, got -1"),
    ((1, 3, 8, 8), (4, 3, 3, 3), None, {"padding": "full"}, ArgumentError,
     "padding must be 'same' or 'valid', got 'full'"),
    ((1, 3, 8, 8), (4, 3, 3, 3), None, {"padding": "same", "stride": 2}, ArgumentError,
     "stride must be 1 for padding='same', got (2, 2)"),
    ((1, 3, 8, 8), (4, 3, 3, 3), None, {"stride": (1, 1, 1)}, ArgumentError,
     "stride must be one int or two, got (1, 1, 1)"),
    ((1, 3, 8, 8), (4, 3, 3, 3), None, {"stride": 1.5}, DTypeError, "stride must be an int, got 1.5"),
]  # fmt: skip


@pytest.mark.parametrize(("x", "w", "b", "options", "kind", "message"), ERRORS)
def test_errors(x: Any, w: Any, b: Any, options: dict[str, Any], kind: type[Exception], message: str) -> None:
    shapes = [shape for shape in (x, w, b) if shape is not None]
    both_raise(
        kind,
        message,
        lambda: conv2d(*[from_numpy(np.ones(s, np.float32)) for s in shapes], **options),
        lambda: F.conv2d(*[torch.ones(s) for s in shapes], **options),
    )


def test_conv1d_takes_one_stride() -> None:
    both_raise(
        ArgumentError,
        "conv1d: stride must be one int, got (1, 2)",
        lambda: conv1d(from_numpy(np.ones((1, 2, 5))), from_numpy(np.ones((1, 2, 3))), stride=(1, 2)),  # type: ignore[arg-type]
        lambda: F.conv1d(torch.ones(1, 2, 5), torch.ones(1, 2, 3), stride=(1, 2)),
    )


def test_dtypes_are_not_promoted() -> None:
    both_raise(
        DTypeError,
        "conv2d: weight must be of input's dtype float32, got float64",
        lambda: conv2d(from_numpy(np.ones((1, 1, 3, 3), np.float32)), from_numpy(np.ones((1, 1, 3, 3)))),
        lambda: F.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3).double()),
    )
