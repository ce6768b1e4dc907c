"""Unique elements and counts, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, strided, torch

import minidl
from minidl.errors import ArgumentError, DimensionError, DTypeError, GradError, MinidlError, ShapeError
from minidl.ops import counting as ops
from minidl.tensor import from_numpy


def same(got: Any, expected: Any) -> None:
    """Equal in dtype, shape and elements; one tensor or several."""
    if not isinstance(expected, tuple):
        got, expected = (got,), (expected,)
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert (a.array.dtype, a.shape) == (b.numpy().dtype, tuple(b.shape))
        np.testing.assert_array_equal(a.array, b.numpy())


ROWS = np.array([[1, 2], [0, 5], [1, 2], [0, 4]])


@pytest.mark.parametrize("flags", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("dim", [None, 0, 1, -1])
@pytest.mark.parametrize(
    "x", [ROWS, strided(ROWS).astype(float), ROWS.astype(bool), ROWS.astype("uint8"), -ROWS.astype("float32")]
)
def test_unique(x: np.ndarray, dim: int | None, flags: tuple[bool, bool]) -> None:
    same(ops.unique(from_numpy(x), True, *flags, dim), torch.unique(torch.tensor(x), True, *flags, dim))


@pytest.mark.parametrize(
    "x", [np.array(2.0), np.array([np.nan, 1.0, np.nan]), np.zeros((0, 2)), np.array([0.0, -0.0])]
)
def test_unique_of_few(x: np.ndarray) -> None:
    same(
        ops.unique(from_numpy(x), return_inverse=True, return_counts=True),
        torch.unique(torch.tensor(x), return_inverse=True, return_counts=True),
    )


def test_unique_slices_of_three_dimensions_and_of_none() -> None:
    x = np.array([[[1, 2], [1, 2], [3, 4]], [[0, 0], [0, 0], [0, 1]]])
    same(
        ops.unique(from_numpy(x), return_inverse=True, return_counts=True, dim=1),
        torch.unique(torch.tensor(x), return_inverse=True, return_counts=True, dim=1),
    )
    same(ops.unique(minidl.zeros(0, 2), dim=0), torch.unique(torch.zeros(0, 2), dim=0))


@pytest.mark.parametrize("weights", [None, "float32", "float64", "float16", "int64", "bool"])
@pytest.mark.parametrize("minlength", [0, 3, 9])
@pytest.mark.parametrize("dtype", ["int64", "uint8", "int32"])
def test_bincount(dtype: str, minlength: int, weights: str | None) -> None:
    x = np.array([5, 0, 2, 5], dtype)
    w = None if weights is None else np.array([1, 2, 3, 1]).astype(weights)
    args = (None, None) if w is None else (from_numpy(w), torch.tensor(w))
    same(ops.bincount(from_numpy(x), args[0], minlength), torch.bincount(torch.tensor(x), args[1], minlength))


def test_bincount_of_nothing() -> None:
    same(
        ops.bincount(minidl.zeros(0, dtype=minidl.int64), minlength=2),
        torch.bincount(torch.zeros(0, dtype=torch.int64), minlength=2),
    )


def test_methods() -> None:
    x = minidl.tensor([2, 0, 2])
    assert x.unique().tolist() == [0, 2]
    assert x.bincount().tolist() == [1, 0, 2]


def integers(m: Any, *numbers: int) -> Any:
    return m.tensor(numbers, dtype=m.int64)


ERRORS: list[tuple[type[MinidlError], str, Any]] = [
    (DTypeError, "unique: input must be a Tensor, got list", lambda m: m.unique([1, 2])),
    (
        DimensionError,
        "unique: dim must be in [-1, 0] for 1 dimensions, got 1",
        lambda m: m.unique(m.ones(2), dim=1),
    ),
    (
        DimensionError,
        "unique: input must be of at least one dimension",
        lambda m: m.unique(m.tensor(1.0), dim=0),
    ),
    (
        ShapeError,
        "unique: input must be of no size 0 but in dimension 1",
        lambda m: m.unique(m.ones(0, 2), dim=1),
    ),
    (DTypeError, "bincount: input must be of integers, got float32", lambda m: m.bincount(m.ones(2))),
    (DTypeError, "bincount: input must be of integers, got bool", lambda m: m.bincount(m.tensor([True]))),
    (ShapeError, "bincount: input must be a vector, got shape (1, 1)", lambda m: m.bincount(m.tensor([[1]]))),
    (
        ArgumentError,
        "bincount: input must be without negative numbers, got -2",
        lambda m: m.bincount(integers(m, 1, -2)),
    ),
    (
        ArgumentError,
        "bincount: minlength must be not negative, got -1",
        lambda m: m.bincount(integers(m, 1), minlength=-1),
    ),
    (
        ShapeError,
        "bincount: weights must be of input's shape (1,), got (2,)",
        lambda m: m.bincount(integers(m, 1), m.ones(2)),
    ),
]


@pytest.mark.parametrize(("kind", "message", "call"), ERRORS)
def test_errors(kind: type[MinidlError], message: str, call: Any) -> None:
    both_raise(kind, message, lambda: call(minidl), lambda: call(torch))


@pytest.mark.parametrize("name", ["unique", "bincount"])
def test_their_gradients_are_not_known(name: str) -> None:
    def backward(m: Any) -> None:
        x = m.ones(2, requires_grad=True)
        y = m.unique(x) if name == "unique" else m.bincount(m.tensor([0, 1]), x)
        y.sum().backward()

    both_raise(
        GradError, f"{name}: its gradient is not known", lambda: backward(minidl), lambda: backward(torch)
    )
