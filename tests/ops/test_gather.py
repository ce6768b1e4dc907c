"""Gathering, and selecting by masks, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, check_parity, normal, strided, torch

import minidl as ops
from minidl.errors import ArgumentError, DimensionError, DTypeError, ShapeError
from minidl.tensor import from_numpy

GRID = np.array([[0, -1], [1, 0]])
MASK2 = np.array([True, False])
MASK23 = np.array([[True, False, True], [False, False, True]])


@pytest.mark.parametrize(
    ("shape", "dim", "index_shape"),
    [
        ((3, 4), 0, (2, 4)),
        ((3, 4), 1, (3, 6)),
        ((3, 4), -1, (2, 1)),
        ((2, 3, 4), 1, (2, 5, 3)),
        ((5,), 0, (7,)),
        ((3, 4), 1, (0, 2)),
        ((3, 4), 1, (3, 0)),
    ],
)
def test_gather(shape: tuple[int, ...], dim: int, index_shape: tuple[int, ...]) -> None:
    index = np.random.default_rng(0).integers(0, shape[dim], index_shape)
    for x in (normal(*shape), strided(normal(*shape))):
        check_parity(lambda x, i: ops.gather(x, dim, i), lambda x, i: torch.gather(x, dim, i), x, index)


@pytest.mark.parametrize(
    ("shape", "index_shape", "dim"),
    [
        ((3, 4), (1, 4), 0),
        ((3, 4), (3, 2), 1),
        ((1, 4), (3, 2), -1),
        ((3, 1), (1, 2), 1),
        ((3, 4), (5,), None),
    ],
)
def test_take_along_dim(shape: tuple[int, ...], index_shape: tuple[int, ...], dim: int | None) -> None:
    n = 12 if dim is None else shape[dim]
    index = np.random.default_rng(0).integers(0, n, index_shape)
    args = () if dim is None else (dim,)
    check_parity(
        lambda x, i: ops.take_along_dim(x, i, *args),
        lambda x, i: torch.take_along_dim(x, i, *args),
        normal(*shape),
        index,
    )


@pytest.mark.parametrize(("dim", "index"), [(0, [2, 0, 2]), (1, [3]), (-1, []), (0, 1)])
def test_index_select(dim: int, index: Any) -> None:
    i = np.array(index, np.int64)
    check_parity(
        lambda x: ops.index_select(x, dim, from_numpy(i)),
        lambda x: torch.index_select(x, dim, torch.tensor(i)),
        normal(3, 4),
    )


# --- Masks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "x", [MASK23, np.array([0, 1, 1]), np.zeros((2, 0)), np.array(2.0), np.array(0.0), normal(2, 3, 4)]
)
def test_nonzero(x: np.ndarray) -> None:
    got, expected = ops.nonzero(from_numpy(x)).array, torch.nonzero(torch.tensor(x)).numpy()
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == np.int64
    parts, theirs = ops.nonzero(from_numpy(x), as_tuple=True), torch.nonzero(torch.tensor(x), as_tuple=True)
    assert len(parts) == len(theirs)
    for got, want in zip(parts, theirs, strict=True):
        np.testing.assert_array_equal(got.array, want.numpy())


@pytest.mark.parametrize(
    ("shape", "mask"), [((2, 3), MASK23), ((3,), MASK23), ((2, 3), MASK23[0]), ((2, 1), MASK23)]
)
def test_masked_fill_and_masked_select(shape: tuple[int, ...], mask: np.ndarray) -> None:
    x = normal(*shape)
    check_parity(lambda x, m: ops.masked_fill(x, m, 2.0), lambda x, m: torch.masked_fill(x, m, 2.0), x, mask)
    check_parity(ops.masked_fill, torch.masked_fill, x, mask, np.array(0.5))
    check_parity(ops.masked_select, torch.masked_select, x, mask)


def convert(value: Any, wrap: Any) -> Any:
    return wrap(value) if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool", "float32"])
@pytest.mark.parametrize("value", [0, 1.7, True, np.array(1.7)])
def test_masked_fill_keeps_the_dtype(dtype: str, value: Any) -> None:
    x = np.ones(2, dtype)
    got = ops.masked_fill(from_numpy(x), from_numpy(MASK2), convert(value, from_numpy)).array
    expected = torch.masked_fill(torch.tensor(x), torch.tensor(MASK2), convert(value, torch.tensor)).numpy()
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == dtype


# --- Errors ------------------------------------------------------------------------------------------------------


A = torch.tensor(normal(3, 4))
INDEX, FLOATS, MASK = torch.tensor(GRID % 2), torch.ones(3, 4), torch.tensor(MASK23)


@pytest.mark.parametrize(
    ("name", "args", "kind", "message"),
    [
        ("gather", (A, 2, INDEX), DimensionError, "gather: dim must be in [-2, 1]"),
        ("gather", (A, 0, FLOATS), DTypeError, "gather: index must be of signed integers, got float32"),
        ("gather", (A, 0, INDEX + 2), DimensionError, "gather: index must be in [0, 2], got 3"),
        ("gather", (A, 0, INDEX - 1), DimensionError, "gather: index must be in [0, 2], got -1"),
        (
            "gather",
            (A, 0, INDEX[0]),
            ShapeError,
            "gather: index must be no larger than input's (3, 4) but for dimension 0",
        ),
        ("gather", (A, 1, INDEX.repeat(2, 1)), ShapeError, "but for dimension 1, got (4, 2)"),
        (
            "take_along_dim",
            (A, INDEX[0], 0),
            ShapeError,
            "take_along_dim: indices must be of 2 dimensions, got shape (2,)",
        ),
        (
            "take_along_dim",
            (A, INDEX, 0),
            ShapeError,
            "take_along_dim: the operands' shapes must be broadcastable",
        ),
        ("index_select", (A, 0, INDEX), ShapeError, "index_select: index must be a vector, got shape (2, 2)"),
        (
            "index_select",
            (A, 0, INDEX[0] + 2),
            DimensionError,
            "index_select: index must be in [0, 2], got 3",
        ),
        ("index_select", (A, 2, INDEX[0]), DimensionError, "index_select: dim must be in [-2, 1]"),
        ("masked_fill", (A, FLOATS, 0.0), DTypeError, "masked_fill: mask must be of bools, got float32"),
        (
            "masked_fill",
            (A, MASK, 0.0),
            ShapeError,
            "masked_fill: the operands' shapes must be broadcastable",
        ),
        (
            "masked_fill",
            (A, A > 0, torch.ones(1)[None]),
            ShapeError,
            "masked_fill: value must be of no dimensions",
        ),
        (
            "masked_fill",
            (INDEX, INDEX > 0, float("-inf")),
            ArgumentError,
            "masked_fill: value must be in [-92233720",
        ),
        (
            "masked_fill",
            (A, A > 0, "a"),
            DTypeError,
            "masked_fill: value must be a Tensor or a number, got str",
        ),
        ("masked_select", (A, FLOATS), DTypeError, "masked_select: mask must be of bools, got float32"),
        ("masked_select", (A, MASK), ShapeError, "masked_select: the operands' shapes must be broadcastable"),
        ("nonzero", (3,), DTypeError, "nonzero: input must be a Tensor, got int"),
    ],
)
def test_errors(name: str, args: tuple[Any, ...], kind: type[Exception], message: str) -> None:
    converted = [from_numpy(a.numpy()) if isinstance(a, torch.Tensor) else a for a in args]
    both_raise(kind, message, lambda: getattr(ops, name)(*converted), lambda: getattr(torch, name)(*args))
