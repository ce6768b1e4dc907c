"""Interpolation, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, channels_last, check_parity, normal, strided, torch

from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.nn import functional as F
from minidl.tensor import from_numpy

T = torch.nn.functional
SIZES: list[dict[str, Any]] = [
    {"size": 4}, {"size": (9, 13)}, {"size": (5, 6)}, {"size": (1, 20)}, {"scale_factor": 2},
    {"scale_factor": (0.5, 1.7)}, {"scale_factor": (1.3, 0.7), "recompute_scale_factor": True},
    {"scale_factor": (1.3, 1.5), "recompute_scale_factor": False},
]  # fmt: skip
METHODS: list[dict[str, Any]] = [
    {"mode": "nearest"}, {"mode": "nearest-exact"}, {"mode": "area"},
    {"mode": "bilinear"}, {"mode": "bilinear", "align_corners": True}, {"mode": "bilinear", "antialias": True},
    {"mode": "bicubic", "align_corners": False}, {"mode": "bicubic", "align_corners": True},
    {"mode": "bicubic", "antialias": True}, {"mode": "bicubic", "antialias": True, "align_corners": True},
    {"mode": "lanczos", "antialias": True},
]  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("method", METHODS)
def test_images(size: dict[str, Any], method: dict[str, Any]) -> None:
    # PyTorch has no second derivative of Lanczos.
    options = size | method
    for x in (normal(2, 3, 5, 6), channels_last(normal(1, 4, 5, 6)), strided(normal(1, 2, 5, 6))):
        check_parity(
            lambda x: F.interpolate(x, **options), lambda x: T.interpolate(x, **options), x,
            second=method["mode"] != "lanczos",
        )  # fmt: skip


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [77, 300])
def test_large_images_in_float32(mode: str, size: int) -> None:
    """Positions are rounded as PyTorch's are: 100 times closer than with exact ones."""
    x = normal(1, 1, 200, 211).astype(np.float32)
    y, expected = (
        F.interpolate(from_numpy(x), size, mode=mode),
        T.interpolate(torch.tensor(x), size, mode=mode),
    )
    np.testing.assert_allclose(y.array, expected.numpy(), rtol=1e-5, atol=3e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_the_nearest_pixels_are_the_same_for_all_sizes(dtype: Any, mode: str) -> None:
    for n in range(1, 24):
        x = np.arange(n, dtype=dtype).reshape(1, 1, n)
        for size in [{"size": m} for m in range(1, 50)] + [
            {"scale_factor": s} for s in (1 / 3, 0.7, 1.7, 2.0, 2.5)
        ]:
            if int(n * size.get("scale_factor", 1)) < 1:
                continue
            y = F.interpolate(from_numpy(x), **size, mode=mode)
            expected = T.interpolate(torch.tensor(x), **size, mode=mode)
            np.testing.assert_array_equal(y.array, expected.numpy(), err_msg=f"{n} {size}")


@pytest.mark.parametrize(
    ("shape", "mode"),
    [((2, 3, 5), "linear"), ((2, 3, 5), "nearest"), ((2, 3, 5), "area"), ((1, 2, 3, 4, 5), "trilinear"),
     ((1, 2, 3, 4, 5), "nearest"), ((1, 2, 3, 4, 5), "area"), ((0, 2, 3, 4), "bilinear"), ((0, 2, 3, 4), "nearest")],
)  # fmt: skip
def test_other_dimensions(shape: tuple[int, ...], mode: str) -> None:
    for size in (7, 2):
        check_parity(
            lambda x, size=size: F.interpolate(x, size, mode=mode),
            lambda x, size=size: T.interpolate(x, size, mode=mode),
            normal(*shape),
        )
    if mode.endswith("linear") and 0 not in shape:
        check_parity(
            lambda x: F.interpolate(x, 4, None, mode, True), lambda x: T.interpolate(x, 4, None, mode, True),
            normal(*shape),
        )  # fmt: skip


def test_nearest_takes_bytes() -> None:
    x = np.arange(12, dtype=np.uint8).reshape(1, 1, 3, 4)
    check_parity(lambda x: F.interpolate(x, 5), lambda x: T.interpolate(x, 5), x)


def test_the_same_size_is_a_copy() -> None:
    x = from_numpy(normal(1, 2, 3, 3))
    for options in ({"mode": "area"}, {"mode": "bilinear", "antialias": True}, {"mode": "nearest"}):
        y = F.interpolate(x, 3, **options)
        np.testing.assert_array_equal(y.array, x.array)
        assert not np.shares_memory(y.array, x.array)


def test_memory_order_is_kept() -> None:
    y = F.interpolate(from_numpy(channels_last(normal(1, 4, 5, 6))), 8, mode="bilinear")
    assert y.array.transpose(0, 2, 3, 1).flags.c_contiguous


def test_wrong_arguments() -> None:
    x = normal(2, 3, 8, 9)
    cases: list[tuple[Any, str, Any]] = [
        (ArgumentError, "interpolate: size and scale_factor must be given, but only one of them, got none",
         lambda f, x: f.interpolate(x)),
        (ArgumentError, "got both", lambda f, x: f.interpolate(x, 4, 2)),
        (ArgumentError, "interpolate: size must be one number, or 2 for the spatial dimensions (8, 9), got (4,)",
         lambda f, x: f.interpolate(x, (4,))),
        (ArgumentError, "interpolate: scale_factor must be one number, or 2", lambda f, x: f.interpolate(x, None, [2])),
        (ArgumentError, "interpolate: the output's size must be positive, got (0, 0)",
         lambda f, x: f.interpolate(x, 0)),
        (ArgumentError, "got (0, 0)", lambda f, x: f.interpolate(x, scale_factor=0.01)),
        (ArgumentError, "got (-8, -9)", lambda f, x: f.interpolate(x, scale_factor=-1)),
        (DTypeError, "interpolate: size must be an int, got 4.5", lambda f, x: f.interpolate(x, 4.5)),
        (ShapeError, "interpolate: input must be of 3 dimensions, none empty but the batch's, for mode 'linear', got "
         "shape (2, 3, 8, 9)", lambda f, x: f.interpolate(x, 4, mode="linear")),
        (ShapeError, "for mode 'bilinear', got shape (3, 8, 9)", lambda f, x: f.interpolate(x[0], 4, mode="bilinear")),
        (ShapeError, "of 3 or 4 or 5 dimensions", lambda f, x: f.interpolate(x[0, 0], 4)),
        (ShapeError, "got shape (2, 0, 8, 9)", lambda f, x: f.interpolate(x[:, :0], 4)),
        (ArgumentError, "interpolate: mode must be 'nearest' or ", lambda f, x: f.interpolate(x, 4, mode="cubic")),
        (ArgumentError, "interpolate: align_corners must be None for mode 'nearest', got True",
         lambda f, x: f.interpolate(x, 4, align_corners=True)),
        (ArgumentError, "interpolate: antialias must be False for mode 'nearest', got True",
         lambda f, x: f.interpolate(x, 4, antialias=True)),
        (ArgumentError, "interpolate: antialias must be True for mode 'lanczos', got False",
         lambda f, x: f.interpolate(x, 4, mode="lanczos")),
        (ArgumentError, "interpolate: align_corners must be None or False for mode 'lanczos', got True",
         lambda f, x: f.interpolate(x, 4, mode="lanczos", antialias=True, align_corners=True)),
        (ArgumentError, "interpolate: recompute_scale_factor must be None or False where size is given, got True",
         lambda f, x: f.interpolate(x, 4, recompute_scale_factor=True)),
    ]  # fmt: skip
    for kind, message, call in cases:
        both_raise(
            kind,
            message,
            lambda call=call: call(F, from_numpy(x)),
            lambda call=call: call(T, torch.tensor(x)),
        )
    integers = np.arange(12).reshape(1, 1, 3, 4)
    both_raise(
        DTypeError, "interpolate: input must be of floats (or uint8 for the nearest modes), got int64",
        lambda: F.interpolate(from_numpy(integers), 2), lambda: T.interpolate(torch.tensor(integers), 2),
    )  # fmt: skip
