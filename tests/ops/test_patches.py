"""Unfold, fold and pixel shuffle, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, channels_last, check_parity, normal, strided, torch

from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.nn import functional as F
from minidl.tensor import from_numpy

T = torch.nn.functional
GEOMETRIES: list[tuple[Any, ...]] = [(3,), ((3, 2), 2, 1, (2, 1)), (2, (1, 3), (0, 1), 3), (1,), ((6, 7),)]


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_unfold_and_fold(geometry: tuple[Any, ...]) -> None:
    for x in (
        normal(2, 3, 6, 7),
        channels_last(normal(2, 3, 6, 7)),
        strided(normal(3, 6, 7)),
        normal(0, 3, 6, 7),
    ):
        check_parity(lambda x: F.unfold(x, *geometry), lambda x: T.unfold(x, *geometry), x)
        patches = T.unfold(torch.tensor(x), *geometry).numpy()
        columns = normal(*patches.shape)
        for y in (columns, strided(columns)):
            check_parity(lambda y: F.fold(y, (6, 7), *geometry), lambda y: T.fold(y, (6, 7), *geometry), y)


def test_of_bools() -> None:
    x = normal(1, 2, 4, 4) > 0
    check_parity(lambda x: F.unfold(x, 2, stride=2), lambda x: T.unfold(x, 2, stride=2), x)


@pytest.mark.parametrize(("shape", "r"), [((2, 8, 3, 4), 2), ((9, 2, 1), 3), ((1, 2, 4, 3, 2), 2),
                                          ((2, 3, 4, 5), 1)])  # fmt: skip
def test_pixel_shuffle(shape: tuple[int, ...], r: int) -> None:
    for x in (normal(*shape), strided(normal(*shape))):
        check_parity(lambda x: F.pixel_shuffle(x, r), lambda x: T.pixel_shuffle(x, r), x)
        y = T.pixel_shuffle(torch.tensor(x), r).numpy()
        check_parity(lambda x: F.pixel_unshuffle(x, r), lambda x: T.pixel_unshuffle(x, r), y)


def test_wrong_arguments() -> None:
    x, y = normal(2, 4, 8, 9), normal(2, 27, 42)
    cases: list[tuple[Any, str, Any]] = [
        (ShapeError, "unfold: kernel_size must be not larger than the padded input (8, 9), got (10, 10)",
         lambda f, x, y: f.unfold(x, 10)),
        (ArgumentError, "unfold: kernel_size must be at least 1, got 0", lambda f, x, y: f.unfold(x, 0)),
        (ArgumentError, "unfold: stride must be at least 1", lambda f, x, y: f.unfold(x, 3, stride=0)),
        (ArgumentError, "unfold: padding must be at least 0", lambda f, x, y: f.unfold(x, 3, padding=-1)),
        (ArgumentError, "unfold: kernel_size must be one int or two", lambda f, x, y: f.unfold(x, (3, 3, 3))),
        (ShapeError, "unfold: input must be (N, C, H, W) or (C, H, W), and not empty but for N, got (8, 9)",
         lambda f, x, y: f.unfold(x[0, 0], 3)),
        (ShapeError, "got (2, 0, 8, 9)", lambda f, x, y: f.unfold(x[:, :0], 3)),
        (ShapeError, "fold: input must be of 6 x 6 windows for an image of (8, 8), got 42",
         lambda f, x, y: f.fold(y, 8, 3)),
        (ShapeError, "fold: input must be (N, C*9, L) for kernels (3, 3), got (2, 26, 42)",
         lambda f, x, y: f.fold(y[:, :26], (8, 9), 3)),
        (ShapeError, "fold: input must be of 0 x 0 windows", lambda f, x, y: f.fold(y, 2, 3)),
        (ShapeError, "fold: input must be (N, C*KH*KW, L) or (C*KH*KW, L), and not empty but for N, got (42,)",
         lambda f, x, y: f.fold(y[0, 0], (8, 9), 3)),
        (ShapeError, "pixel_shuffle: input must be of channels that 9 divides, got (2, 4, 8, 9)",
         lambda f, x, y: f.pixel_shuffle(x, 3)),
        (ArgumentError, "pixel_shuffle: upscale_factor must be positive, got 0", lambda f, x, y: f.pixel_shuffle(x, 0)),
        (ShapeError, "pixel_shuffle: input must be (..., C, H, W), got (8, 9)",
         lambda f, x, y: f.pixel_shuffle(x[0, 0], 2)),
        (DTypeError, "pixel_shuffle: upscale_factor must be an int, got 2.0",
         lambda f, x, y: f.pixel_shuffle(x, 2.0)),
        (ShapeError, "pixel_unshuffle: input must be of height and width that 2 divides, got (2, 4, 8, 9)",
         lambda f, x, y: f.pixel_unshuffle(x, 2)),
    ]  # fmt: skip
    for kind, message, call in cases:
        both_raise(
            kind, message,
            lambda call=call: call(F, from_numpy(x), from_numpy(y)),
            lambda call=call: call(T, torch.tensor(x), torch.tensor(y)),
        )  # fmt: skip
    integers = np.arange(16).reshape(1, 1, 4, 4)
    both_raise(
        DTypeError, "unfold: input must be of floats or bools, got int64",
        lambda: F.unfold(from_numpy(integers), 2), lambda: T.unfold(torch.tensor(integers), 2),
    )  # fmt: skip
