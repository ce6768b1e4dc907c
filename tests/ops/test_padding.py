"""Padding, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, channels_last, check_parity, normal, strided, torch

from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.nn import functional as F
from minidl.tensor import from_numpy

T = torch.nn.functional
CONSTANT = [(1, 2), (1, 2, 3, 0), (0, 0), (), (-1, 2, 1, -3), (1, 1, 0, 2, 3, 0, 1, 1), (-2, -3), (-5, 6)]
CONTINUED = [
    ((2, 3, 5), (2, 1)),
    ((3, 5), (4, 4)),
    ((2, 3, 4, 5), (3, 4, 2, 1)),
    ((3, 4, 5), (0, 2, 3, 0)),
    ((1, 2, 3, 4, 5), (1, 2, 2, 1, 2, 0)),
    ((2, 3, 4, 5), (-2, 3, 1, -1)),
    ((2, 3, 5), (-2, 2)),
    ((2, 3, 5), (3, -2)),
    ((2, 3, 5), (-2, -2)),
    ((0, 3, 4, 5), (1, 2, 1, 1)),
    ((2, 3, 4, 5), (0, 0, 0, 0)),
]


@pytest.mark.parametrize("widths", CONSTANT)
def test_constant(widths: tuple[int, ...]) -> None:
    for x in (normal(2, 3, 4, 5), channels_last(normal(2, 3, 4, 5)), strided(normal(2, 3, 4, 5))):
        check_parity(lambda x: F.pad(x, widths), lambda x: T.pad(x, widths), x)
        check_parity(lambda x: F.pad(x, widths, "constant", -1.5), lambda x: T.pad(x, widths, value=-1.5), x)


def test_constant_of_integers_and_bools() -> None:
    for x in (np.arange(6).reshape(2, 3), np.ones(3, bool)):
        check_parity(lambda x: F.pad(x, (1, 2)), lambda x: T.pad(x, (1, 2)), x)
        check_parity(lambda x: F.pad(x, (1, 2), value=2.7), lambda x: T.pad(x, (1, 2), value=2.7), x)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize(("shape", "widths"), CONTINUED)
def test_continued(mode: str, shape: tuple[int, ...], widths: tuple[int, ...]) -> None:
    if mode == "replicate":
        widths = tuple(2 * w if w > 0 else w for w in widths)  # may be wider than the tensor
    for x in (normal(*shape), strided(normal(*shape))):
        check_parity(lambda x: F.pad(x, widths, mode), lambda x: T.pad(x, widths, mode), x)
    if len(shape) == 4:
        x = channels_last(normal(*shape))
        check_parity(lambda x: F.pad(x, widths, mode), lambda x: T.pad(x, widths, mode), x)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_widths_that_crop_all_of_the_inside(mode: str) -> None:
    if mode == "circular":  # PyTorch's result is uninitialised memory
        return
    for widths in ((-5, 4), (-6, 4), (3, -5), (-4, 3)):
        x = normal(2, 3, 5)
        check_parity(lambda x, w=widths: F.pad(x, w, mode), lambda x, w=widths: T.pad(x, w, mode), x)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_continued_integers(mode: str) -> None:
    x = np.arange(6).reshape(1, 2, 3)
    check_parity(lambda x: F.pad(x, (1, 2), mode), lambda x: T.pad(x, (1, 2), mode), x)
    assert F.pad(from_numpy(normal(1, 2, 3)), (1, 1), mode, 0).shape == (1, 2, 5)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_no_padding_is_a_copy(mode: str) -> None:
    x = from_numpy(normal(1, 2, 3))
    y = F.pad(x, (0, 0), mode)
    np.testing.assert_array_equal(y.array, x.array)
    assert not np.shares_memory(y.array, x.array)


def test_padding_keeps_channels_last() -> None:
    x = from_numpy(channels_last(normal(2, 3, 4, 5)))
    for mode in ("constant", "reflect", "replicate", "circular"):
        assert F.pad(x, (1, 1, 1, 1), mode).array.transpose(0, 2, 3, 1).flags.c_contiguous


def test_wrong_arguments() -> None:
    image = normal(2, 3, 4, 5)
    cases: list[tuple[Any, str, Any]] = [
        (ShapeError, "pad: pad must be an even number of widths, at most 8 for 4 dimensions, got [1]",
         lambda f, x: f.pad(x, (1,))),
        (ShapeError, "got [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]", lambda f, x: f.pad(x, (1,) * 10)),
        (ShapeError, "pad: pad must be at least -5 in all in a dimension of 5, got (-3, -3)",
         lambda f, x: f.pad(x, (-3, -3))),
        (ShapeError, "pad: pad must be for all dimensions but the first one or two (at most 3) in mode 'reflect', "
         "got [1, 1] for 4 dimensions", lambda f, x: f.pad(x, (1, 1), "reflect")),
        (ShapeError, "pad: pad must be at most 4 for dimension 3 of 5, got (5, 1)",
         lambda f, x: f.pad(x, (5, 1, 1, 1), "reflect")),
        (ShapeError, "pad: pad must be at most 5 for dimension 3 of 5, got (6, 1)",
         lambda f, x: f.pad(x, (6, 1, 1, 1), "circular")),
        (ShapeError, "pad: pad must be such that some of dimension 3 of 5 is left, got (-7, 1)",
         lambda f, x: f.pad(x, (-7, 1, 0, 0), "replicate")),
        (ArgumentError, "pad: value must be left out in mode 'reflect', got 1.0",
         lambda f, x: f.pad(x, (1, 1, 1, 1), "reflect", 1.0)),
        (ArgumentError, "pad: mode must be 'constant' or 'reflect' or 'replicate' or 'circular', got 'same'",
         lambda f, x: f.pad(x, (1, 1), "same")),
        (ShapeError, "pad: input must be of no empty dimension but that of the batch, got (2, 3, 0, 5)",
         lambda f, x: f.pad(x[:, :, :0], (1, 1, 1, 1), "replicate")),
        (DTypeError, "pad: pad must be an int, got 1.5", lambda f, x: f.pad(x, (1.5, 1))),
        (DTypeError, "pad: pad must be a tuple or list of ints, got str", lambda f, x: f.pad(x, "11")),
        (DTypeError, "pad: input must be a Tensor, got int", lambda f, x: f.pad(3, (1, 1))),
    ]  # fmt: skip
    for kind, message, call in cases:
        both_raise(
            kind,
            message,
            lambda call=call: call(F, from_numpy(image)),
            lambda call=call: call(T, torch.tensor(image)),
        )
