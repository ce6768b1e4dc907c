"""Running sums, products and extremes, and differences, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import both_raise, check_parity, normal, strided, torch

import minidl
from minidl.errors import ArgumentError, DimensionError, DTypeError, MinidlError, ShapeError
from minidl.ops import scan as ops
from minidl.tensor import Tensor, from_numpy

SHAPES_AND_DIMS = [
    ((4,), 0),
    ((2, 3), 0),
    ((2, 3), -1),
    ((2, 3, 4), 1),
    ((), 0),
    ((), -1),
    ((0,), 0),
    ((2, 0), 1),
    ((0, 2), 1),
]
SCANS = ("cumsum", "cumprod")
EXTREMES = ("cummax", "cummin")


@pytest.mark.parametrize(("shape", "dim"), SHAPES_AND_DIMS)
@pytest.mark.parametrize("name", SCANS)
def test_sums_and_products(name: str, shape: tuple[int, ...], dim: int) -> None:
    ours, theirs = getattr(ops, name), getattr(torch, name)
    check_parity(lambda x: ours(x, dim), lambda x: theirs(x, dim), normal(*shape))
    check_parity(lambda x: ours(x, dim), lambda x: theirs(x, dim), strided(normal(*shape)))


@pytest.mark.parametrize("zeros", [[0], [2], [4], [1, 3], [1, 2, 3], [0, 1, 2, 3, 4]])
def test_products_with_zeros(zeros: list[int]) -> None:
    x = normal(3, 5)
    x[1, zeros] = 0.0
    check_parity(lambda x: ops.cumprod(x, 1), lambda x: torch.cumprod(x, 1), x)
    check_parity(lambda x: ops.cumprod(x, 0), lambda x: torch.cumprod(x, 0), x.T)


@pytest.mark.parametrize("name", SCANS)
def test_not_finite(name: str) -> None:
    x = np.array([1.0, np.inf, 2.0, -np.inf, 3.0, np.nan, 1.0])
    ours, theirs = getattr(ops, name), getattr(torch, name)
    check_parity(lambda x: ours(x, 0), lambda x: theirs(x, 0), x, second=False)


@pytest.mark.parametrize("name", SCANS)
@pytest.mark.parametrize("asked", [None, "float64", "int32"])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float32"])
def test_dtypes(name: str, dtype: str, asked: str | None) -> None:
    x = np.array([1, 0, 1], dtype)
    its = None if asked is None else getattr(torch, asked)
    got = getattr(ops, name)(from_numpy(x), 0, dtype=asked).array
    expected = getattr(torch, name)(torch.tensor(x), 0, dtype=its).numpy()
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


@given(st.lists(st.integers(-9, 9), max_size=8))
def test_diff_undoes_cumsum(numbers: list[int]) -> None:
    sums = ops.cumsum(Tensor(np.array([0, *numbers])), 0)
    assert ops.diff(sums).tolist() == numbers


# --- Extremes ---------------------------------------------------------------------------------------------------

ROWS = [
    np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]),
    np.array([1.0, 2.0, 2.0, 2.0, 1.0]),
    np.array([1.0, np.nan, 3.0, np.nan, 2.0, np.inf]),
    np.array([np.inf, -np.inf, 0.0]),
]


@pytest.mark.parametrize("name", EXTREMES)
def test_extremes_and_their_places(name: str) -> None:
    for x in (
        *ROWS,
        np.array([], float),
        np.array(2.0),
        np.array([True, False, True]),
        np.array([2, 2, 1], np.uint8),
    ):
        got, expected = getattr(ops, name)(from_numpy(x), 0), getattr(torch, name)(torch.tensor(x), 0)
        for a, b in zip(got, expected, strict=True):
            assert a.array.dtype == b.numpy().dtype
            np.testing.assert_array_equal(a.array, b.numpy())


@pytest.mark.parametrize(("shape", "dim"), SHAPES_AND_DIMS)
@pytest.mark.parametrize("name", EXTREMES)
def test_extremes(name: str, shape: tuple[int, ...], dim: int) -> None:
    ours, theirs = getattr(ops, name), getattr(torch, name)
    for x in (normal(*shape), strided(normal(*shape))):
        check_parity(lambda x: ours(x, dim).values, lambda x: theirs(x, dim).values, x, second=False)


# --- Differences ------------------------------------------------------------------------------------------------

DIFFERENCES: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((5,), {}),
    ((3, 4), {"dim": 0}),
    ((3, 4), {"n": 2}),
    ((3, 4), {"n": 0}),
    ((3, 4), {"n": 9, "dim": 0}),
    ((0, 3), {"dim": 0}),
    ((1,), {}),
]


@pytest.mark.parametrize(("shape", "kwargs"), DIFFERENCES)
def test_diff(shape: tuple[int, ...], kwargs: dict[str, Any]) -> None:
    check_parity(lambda x: ops.diff(x, **kwargs), lambda x: torch.diff(x, **kwargs), normal(*shape))


@pytest.mark.parametrize("n", [1, 2])
def test_diff_with_ends(n: int) -> None:
    xs = normal(2, 3), normal(2, 1, seed=1), normal(2, 2, seed=2)
    check_parity(
        lambda x, p, a: ops.diff(x, n, prepend=p, append=a),
        lambda x, p, a: torch.diff(x, n, prepend=p, append=a),
        *xs,
    )
    check_parity(lambda x, p: ops.diff(x, n, -1, p), lambda x, p: torch.diff(x, n, -1, p), *xs[:2])
    check_parity(lambda x, a: ops.diff(x, n, append=a), lambda x, a: torch.diff(x, n, append=a), *xs[::2])


@pytest.mark.parametrize("dtype", ["bool", "int64", "uint8"])
def test_diff_of_other_dtypes(dtype: str) -> None:
    x = np.array([1, 0, 1, 1], dtype)
    got, expected = ops.diff(from_numpy(x), 2).array, torch.diff(torch.tensor(x), 2).numpy()
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


def test_methods_in_place_forms_and_numpys_names() -> None:
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    t = torch.tensor(x)
    for name in SCANS:
        np.testing.assert_array_equal(
            getattr(from_numpy(x), name)(axis=1).array, getattr(t, name)(axis=1).numpy()
        )
        y = from_numpy(x.copy())
        assert getattr(y, name + "_")(0) is y
        np.testing.assert_array_equal(y.array, getattr(t, name)(0).numpy())
    for name in EXTREMES:
        np.testing.assert_array_equal(
            getattr(from_numpy(x), name)(1)[0].array, getattr(t, name)(1)[0].numpy()
        )
    np.testing.assert_array_equal(from_numpy(x).diff(dim=0).array, t.diff(dim=0).numpy())


ERRORS: list[tuple[type[MinidlError], str, Any]] = [
    (
        DimensionError,
        "cumsum: dim must be in [-1, 0] for 1 dimensions, got 1",
        lambda m: m.cumsum(m.ones(2), 1),
    ),
    (
        DimensionError,
        "cumprod: dim must be in [-2, 1] for 2 dimensions, got -3",
        lambda m: m.cumprod(m.ones(2, 2), -3),
    ),
    (DimensionError, "cummax: dim must be in [-1, 0]", lambda m: m.cummax(m.ones(2), 1)),
    (DTypeError, "cummin: input must be a Tensor, got float", lambda m: m.cummin(1.0, 0)),
    (DTypeError, "cumsum: dim must be an int, got 0.5", lambda m: m.cumsum(m.ones(2), 0.5)),
    (DimensionError, "diff: input must be of at least one dimension", lambda m: m.diff(m.tensor(1.0))),
    (ArgumentError, "diff: n must be not negative, got -1", lambda m: m.diff(m.ones(2), n=-1)),
    (
        ShapeError,
        "diff: prepend must be a tensor of 2 dimensions, got (1,)",
        lambda m: m.diff(m.ones(2, 2), prepend=m.ones(1)),
    ),
    (
        ShapeError,
        "cat: every tensor must be of shape (2, 2)",
        lambda m: m.diff(m.ones(2, 2), append=m.ones(3, 1)),
    ),
]


@pytest.mark.parametrize(("kind", "message", "call"), ERRORS)
def test_errors(kind: type[MinidlError], message: str, call: Any) -> None:
    both_raise(kind, message, lambda: call(minidl), lambda: call(torch))
