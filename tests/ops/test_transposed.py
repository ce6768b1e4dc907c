"""Transposed convolution, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, channels_last, check_parity, normal, strided, torch

from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.nn import functional as F
from minidl.tensor import from_numpy

T = torch.nn.functional
GEOMETRIES: list[dict[str, Any]] = [
    {},
    {"stride": 2, "padding": 1, "output_padding": 1},
    {"stride": (3, 2), "padding": (0, 1), "output_padding": (2, 0)},
    {"dilation": (2, 3), "output_padding": (1, 2), "padding": 1},
    {"groups": 2, "stride": 2},
    {"groups": 4, "dilation": 2, "padding": 2},
]


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_images(geometry: dict[str, Any]) -> None:
    groups = geometry.get("groups", 1)
    w, b = normal(4, 6 // groups if groups < 4 else 1, 3, 2, seed=1), normal(6 if groups < 4 else 4, seed=2)
    for x in (normal(2, 4, 5, 4), channels_last(normal(2, 4, 5, 4)), normal(4, 5, 4), normal(0, 4, 5, 4)):
        check_parity(
            lambda x, w, b: F.conv_transpose2d(x, w, b, **geometry),
            lambda x, w, b: T.conv_transpose2d(x, w, b, **geometry),
            x, w, b,
        )  # fmt: skip
    check_parity(
        lambda x, w: F.conv_transpose2d(x, w, **geometry), lambda x, w: T.conv_transpose2d(x, w, **geometry),
        strided(normal(2, 4, 5, 4)), strided(w),
    )  # fmt: skip


@pytest.mark.parametrize(
    "geometry",
    [
        {},
        {"stride": (2,), "padding": 1, "output_padding": 1},
        {"dilation": 2, "padding": (1,)},
        {"groups": 2},
    ],
)
def test_sequences(geometry: dict[str, Any]) -> None:
    w, b = normal(4, 6 // geometry.get("groups", 1), 3, seed=1), normal(6, seed=2)
    for x in (normal(2, 4, 7), strided(normal(2, 4, 7)), normal(4, 7)):
        check_parity(
            lambda x, w, b: F.conv_transpose1d(x, w, b, **geometry),
            lambda x, w, b: T.conv_transpose1d(x, w, b, **geometry),
            x, w, b,
        )  # fmt: skip


def test_it_is_the_transpose_of_the_convolution() -> None:
    """<conv(x), y> = <x, conv_transpose(y)>, with one weight."""
    x, y, w = (from_numpy(a) for a in (normal(1, 3, 7, 7), normal(1, 4, 3, 3), normal(4, 3, 3, 3)))
    there = (F.conv2d(x, w, stride=2) * y).sum()
    back = (x * F.conv_transpose2d(y, w, stride=2)).sum()
    np.testing.assert_allclose(there.array, back.array, rtol=1e-12)


def test_wrong_arguments() -> None:
    x, w = normal(2, 3, 8, 9), normal(3, 4, 3, 3)
    cases: list[tuple[Any, str, Any]] = [
        (ArgumentError, "conv_transpose2d: output_padding must be less than stride (1, 1) or dilation (1, 1), "
         "got (1, 1)", lambda f, x, w: f.conv_transpose2d(x, w, output_padding=1)),
        (ArgumentError, "got (2, 2)", lambda f, x, w: f.conv_transpose2d(x, w, stride=2, output_padding=2)),
        (ShapeError, "conv_transpose2d: weight must be (3, out/groups, kH, kW) to match input channels 3, and not "
         "empty, got (2, 4, 3, 3)", lambda f, x, w: f.conv_transpose2d(x, w[:2])),
        (ShapeError, "got (3, 4, 3)", lambda f, x, w: f.conv_transpose2d(x, w[..., 0])),
        (ShapeError, "conv_transpose2d: bias must be (4,), one for each output channel, got (3,)",
         lambda f, x, w: f.conv_transpose2d(x, w, w[0, 0, 0])),
        (ArgumentError, "conv_transpose2d: groups must be at least 1 and a divisor of the 3 input channels, got 2",
         lambda f, x, w: f.conv_transpose2d(x, w, groups=2)),
        (ArgumentError, "conv_transpose2d: padding must be such that something remains of the output, which would be "
         "(-2, -1), got (6, 6)", lambda f, x, w: f.conv_transpose2d(x, w, padding=6)),
        (ArgumentError, "conv_transpose2d: stride must be at least 1",
         lambda f, x, w: f.conv_transpose2d(x, w, None, 0)),
        (ArgumentError, "padding must be at least 0", lambda f, x, w: f.conv_transpose2d(x, w, padding=-1)),
        (ShapeError, "conv_transpose2d: input must be of 4 dimensions, or 3 without a batch, and not empty but for "
         "that, got (8, 9)", lambda f, x, w: f.conv_transpose2d(x[0, 0], w)),
        (ShapeError, "got (2, 3, 0, 9)", lambda f, x, w: f.conv_transpose2d(x[:, :, :0], w)),
        (DTypeError, "conv_transpose2d: weight must be a Tensor, got NoneType",
         lambda f, x, w: f.conv_transpose2d(x, None)),
        (ShapeError, "conv_transpose1d: input must be of 3 dimensions, or 2 without a batch, and not empty but for "
         "that, got (2, 3, 8, 9)", lambda f, x, w: f.conv_transpose1d(x, w[0])),
        (ShapeError, "conv_transpose1d: weight must be (3, out/groups, k)",
         lambda f, x, w: f.conv_transpose1d(x[..., 0], w[:2, ..., 0])),
        (ArgumentError, "conv_transpose1d: stride must be one int, got (2, 2)",
         lambda f, x, w: f.conv_transpose1d(x[..., 0], w[..., 0], stride=(2, 2))),
    ]  # fmt: skip
    for kind, message, call in cases:
        both_raise(
            kind, message,
            lambda call=call: call(F, from_numpy(x), from_numpy(w)),
            lambda call=call: call(T, torch.tensor(x), torch.tensor(w)),
        )  # fmt: skip
    both_raise(
        DTypeError, "conv_transpose2d: weight must be of input's dtype float64, got float32",
        lambda: F.conv_transpose2d(from_numpy(x), from_numpy(w.astype(np.float32))),
        lambda: T.conv_transpose2d(torch.tensor(x), torch.tensor(w, dtype=torch.float32)),
    )  # fmt: skip
