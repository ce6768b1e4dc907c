"""Sorting, selecting by rank, quantiles and searching, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import both_raise, check_parity, normal, strided, torch

import minidl
from minidl.errors import ArgumentError, DimensionError, DTypeError, MinidlError, ShapeError
from minidl.ops import ordering as ops
from minidl.tensor import Tensor, from_numpy

SHAPES_AND_DIMS = [((5,), 0), ((2, 3), 0), ((2, 3), -1), ((2, 3, 4), 1), ((), 0), ((), -1)]
EMPTY = [((0,), 0), ((2, 0), 1), ((0, 2), 1)]
TIES = np.array([2.0, 1.0, 2.0, 1.0, 3.0, 1.0])
NANS = np.array([1.0, np.nan, 3.0, -np.inf, np.nan, np.inf])


def same(got: Any, expected: Any) -> None:
    """Equal values and indices, in dtype and shape too."""
    for a, b in zip(got, expected, strict=True):
        assert (a.array.dtype, a.shape) == (b.numpy().dtype, tuple(b.shape))
        np.testing.assert_array_equal(a.array, b.numpy())


@pytest.mark.parametrize(("shape", "dim"), [*SHAPES_AND_DIMS, *EMPTY])
@pytest.mark.parametrize("descending", [False, True])
def test_sort(shape: tuple[int, ...], dim: int, descending: bool) -> None:
    for x in (normal(*shape), strided(normal(*shape))):
        check_parity(
            lambda x: ops.sort(x, dim, descending)[0], lambda x: torch.sort(x, dim, descending)[0], x
        )
        same(ops.sort(from_numpy(x), dim, descending), torch.sort(torch.tensor(x), dim, descending))
        got = ops.argsort(from_numpy(x), dim, descending).array
        np.testing.assert_array_equal(got, torch.argsort(torch.tensor(x), dim, descending).numpy())


@pytest.mark.parametrize("x", [TIES, NANS, np.array([True, False, True]), np.array([3, 1, 2, 1], np.uint8)])
@pytest.mark.parametrize("descending", [False, True])
def test_sort_with_ties_nans_and_other_dtypes(x: np.ndarray, descending: bool) -> None:
    same(
        ops.sort(from_numpy(x), descending=descending, stable=True),
        torch.sort(torch.tensor(x), descending=descending, stable=True),
    )


@given(st.lists(st.floats(allow_nan=False), max_size=20))
def test_sorted_is_pythons_sorted(numbers: list[float]) -> None:
    assert ops.sort(Tensor(np.array(numbers, float))).values.tolist() == sorted(numbers)


@pytest.mark.parametrize(("shape", "dim"), SHAPES_AND_DIMS)
@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("largest", [True, False])
def test_topk(shape: tuple[int, ...], dim: int, k: int, largest: bool) -> None:
    k = min(k, (shape or (1,))[dim])
    x = normal(*shape)
    check_parity(lambda x: ops.topk(x, k, dim, largest)[0], lambda x: torch.topk(x, k, dim, largest)[0], x)
    same(ops.topk(from_numpy(x), k, dim, largest), torch.topk(torch.tensor(x), k, dim, largest))


def test_topk_of_nothing_and_of_nans() -> None:
    assert [y.shape for y in ops.topk(minidl.ones(2, 3), 0)] == [(2, 0), (2, 0)]
    assert ops.topk(minidl.tensor(2.0), 0)[0].shape == ()  # as in PyTorch
    same(ops.topk(from_numpy(NANS), 4), torch.topk(torch.tensor(NANS), 4))
    same(ops.topk(from_numpy(NANS), 4, largest=False), torch.topk(torch.tensor(NANS), 4, largest=False))


@pytest.mark.parametrize(("shape", "dim"), SHAPES_AND_DIMS)
@pytest.mark.parametrize("keepdim", [False, True])
def test_kthvalue_and_median(shape: tuple[int, ...], dim: int, keepdim: bool) -> None:
    x = normal(*shape)
    k = min(2, (shape or (1,))[dim])
    for y in (x, strided(x)):
        check_parity(
            lambda x: ops.kthvalue(x, k, dim, keepdim)[0], lambda x: torch.kthvalue(x, k, dim, keepdim)[0], y
        )
        check_parity(lambda x: ops.median(x, dim, keepdim)[0], lambda x: torch.median(x, dim, keepdim)[0], y)
    same(ops.kthvalue(from_numpy(x), k, dim, keepdim), torch.kthvalue(torch.tensor(x), k, dim, keepdim))
    same(ops.median(from_numpy(x), dim, keepdim), torch.median(torch.tensor(x), dim, keepdim))
    check_parity(ops.median, torch.median, x, second=False)


def test_kthvalue_of_nans_and_over_no_rows() -> None:
    for k in range(1, 5):  # from 5 on it is one of two nans
        same(ops.kthvalue(from_numpy(NANS), k), torch.kthvalue(torch.tensor(NANS), k))
    same(ops.kthvalue(minidl.zeros(0, 3), 2, 1), torch.kthvalue(torch.zeros(0, 3), 2, 1))


@pytest.mark.parametrize("x", [TIES, NANS, np.array([[1.0, 2.0], [2.0, 2.0]]), np.zeros(0), np.zeros((0, 3))])
def test_median_shares_its_gradient_among_ties(x: np.ndarray) -> None:
    check_parity(ops.median, torch.median, x, second=False)


def test_median_of_nans_and_integers() -> None:
    x = np.stack([NANS, NANS[::-1], np.arange(6.0)])
    same(ops.median(from_numpy(x), 1), torch.median(torch.tensor(x), 1))
    assert ops.median(minidl.tensor([3, 1, 2, 9])).item() == 2
    same(ops.median(minidl.zeros(0, 3), 1), torch.median(torch.zeros(0, 3), 1))


# --- Quantiles --------------------------------------------------------------------------------------------------

INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")
FRACTIONS: list[Any] = [
    0.5,
    0.0,
    1,
    0.3,
    np.array(0.7),
    np.array([0.0, 0.1, 0.5, 0.99, 1.0]),
    np.array([0.25]),
]


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("q", FRACTIONS)
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [None, 0, -1])
def test_quantile(q: Any, dim: int | None, keepdim: bool, interpolation: str) -> None:
    args = (dim, keepdim)
    x = normal(4, 5)
    if isinstance(q, np.ndarray):
        check_parity(
            lambda x, q: ops.quantile(x, q, *args, interpolation=interpolation),
            lambda x, q: torch.quantile(x, q, *args, interpolation=interpolation),
            x,
            q,
            float32=False,
        )
    else:
        check_parity(
            lambda x: ops.quantile(x, q, *args, interpolation=interpolation),
            lambda x: torch.quantile(x, q, *args, interpolation=interpolation),
            strided(x),
        )


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_quantile_of_nans(interpolation: str) -> None:
    x = np.stack([NANS, TIES, np.array([1.0, 2.0, np.inf, 3.0, 4.0, 5.0])])
    for q in (0.0, 0.5, 0.75, 1.0):
        check_parity(
            lambda x: ops.quantile(x, q, 1, interpolation=interpolation),  # noqa: B023
            lambda x: torch.quantile(x, q, 1, interpolation=interpolation),  # noqa: B023
            x,
            second=False,
        )


def test_quantile_of_a_number_and_at_no_fractions() -> None:
    check_parity(lambda x: ops.quantile(x, 0.5, 0), lambda x: torch.quantile(x, 0.5, 0), np.array(2.0))
    check_parity(
        lambda x: ops.quantile(x, 0.5, 0, True), lambda x: torch.quantile(x, 0.5, 0, True), np.array(2.0)
    )
    assert ops.quantile(minidl.ones(3), minidl.zeros(0)).shape == (0,)


# --- Searching --------------------------------------------------------------------------------------------------

SEQUENCE = np.array([1.0, 2.0, 2.0, 4.0])
VALUES = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])


@pytest.mark.parametrize(
    "kwargs", [{}, {"right": True}, {"side": "left"}, {"side": "right"}, {"out_int32": True}]
)
def test_searchsorted(kwargs: dict[str, Any]) -> None:
    cases = [
        (SEQUENCE, VALUES),
        (SEQUENCE, np.array(2.0)),
        (SEQUENCE, np.array([np.nan, np.inf, -np.inf])),
        (np.zeros(0), VALUES),
        (np.sort(normal(2, 5)), VALUES),
        (np.sort(normal(2, 2, 4)), normal(2, 2, 3)),
        (np.array([1, 3]), np.array([2.5, 3.0])),
        (SEQUENCE, np.zeros((0, 2))),
    ]
    for sequence, values in cases:
        got = ops.searchsorted(from_numpy(sequence), from_numpy(values), **kwargs)
        same([got], [torch.searchsorted(torch.tensor(sequence), torch.tensor(values), **kwargs)])


def test_searchsorted_of_a_number_and_with_a_sorter() -> None:
    assert ops.searchsorted(from_numpy(SEQUENCE), 2, right=True).item() == 3
    shuffled, order = np.array([[3.0, 1.0, 2.0], [0.0, 9.0, 5.0]]), np.array([[1, 2, 0], [0, 2, 1]])
    got = ops.searchsorted(from_numpy(shuffled), from_numpy(VALUES), sorter=from_numpy(order))
    same(
        [got], [torch.searchsorted(torch.tensor(shuffled), torch.tensor(VALUES), sorter=torch.tensor(order))]
    )


def test_methods() -> None:
    x, t = from_numpy(TIES), torch.tensor(TIES)
    same(x.sort(axis=0), t.sort(axis=0))
    same([x.argsort(stable=True)], [t.argsort(stable=True)])
    same(x.topk(1), t.topk(1))
    same([x.kthvalue(4)[0], x.median(), x.quantile(0.25)], [t.kthvalue(4)[0], t.median(), t.quantile(0.25)])


ERRORS: list[tuple[type[MinidlError], str, Any]] = [
    (DimensionError, "sort: dim must be in [-1, 0] for 1 dimensions, got 1", lambda m: m.sort(m.ones(2), 1)),
    (DTypeError, "sort: input must be a Tensor", lambda m: m.sort([1.0])),
    (DimensionError, "argsort: dim must be in [-1, 0]", lambda m: m.argsort(m.ones(2), 1)),
    (ArgumentError, "topk: k must be in [0, 2], got 3", lambda m: m.topk(m.ones(2), 3)),
    (ArgumentError, "topk: k must be in [0, 2], got -1", lambda m: m.topk(m.ones(2), -1)),
    (DTypeError, "topk: input must be of numbers, not bools", lambda m: m.topk(m.tensor([True]), 1)),
    (ArgumentError, "kthvalue: k must be in [1, 2], got 0", lambda m: m.kthvalue(m.ones(2), 0)),
    (ArgumentError, "kthvalue: k must be in [1, 2], got 3", lambda m: m.kthvalue(m.ones(2), 3)),
    (DTypeError, "kthvalue: input must be of numbers, not bools", lambda m: m.kthvalue(m.tensor([True]), 1)),
    (DTypeError, "median: input must be of numbers, not bools", lambda m: m.median(m.tensor([True]))),
    (
        DimensionError,
        "median: input must be of at least one element along dimension 0",
        lambda m: m.median(m.ones(0), 0),
    ),
    (
        ArgumentError,
        "median: dim must be given where keepdim is true, got None",
        lambda m: m.median(m.ones(2), keepdim=True),
    ),
    (
        DTypeError,
        "quantile: input must be of float32 or float64, got int64",
        lambda m: m.quantile(m.tensor([1]), 0.5),
    ),
    (ArgumentError, "quantile: q must be in [0, 1], got 1.5", lambda m: m.quantile(m.ones(2), 1.5)),
    (DimensionError, "quantile: input must be of at least one element", lambda m: m.quantile(m.ones(0), 0.5)),
    (DTypeError, "quantile: q must be", lambda m: m.quantile(m.ones(2), m.ones(1, dtype=m.float64))),
    (ShapeError, "quantile: q must be", lambda m: m.quantile(m.ones(2), m.ones(1, 1))),
    (DTypeError, "quantile: q must be", lambda m: m.quantile(m.ones(2), [0.5])),
    (
        ArgumentError,
        "quantile: interpolation must be 'linear' or 'lower' or 'higher' or 'midpoint' or 'nearest', got 'cubic'",
        lambda m: m.quantile(m.ones(2), 0.5, interpolation="cubic"),
    ),
    (
        ShapeError,
        "searchsorted: sorted_sequence must be a vector for a number, got shape (2, 2)",
        lambda m: m.searchsorted(m.ones(2, 2), 1.0),
    ),
    (
        ShapeError,
        "searchsorted: sorted_sequence must be a vector, or of input's shape (3, 1) but for the last dimension",
        lambda m: m.searchsorted(m.ones(2, 2), m.ones(3, 1)),
    ),
    (ShapeError, "searchsorted: sorted_sequence", lambda m: m.searchsorted(m.tensor(1.0), m.tensor(1.0))),
    (
        ArgumentError,
        "searchsorted: side must be",
        lambda m: m.searchsorted(m.ones(2), m.ones(1), side="middle"),
    ),
    (
        ArgumentError,
        "searchsorted: side must be 'right' or left out where right is true, got 'left'",
        lambda m: m.searchsorted(m.ones(2), m.ones(1), side="left", right=True),
    ),
    (
        ShapeError,
        "searchsorted: sorter must be of sorted_sequence's shape (2,), got (1,)",
        lambda m: m.searchsorted(m.ones(2), m.ones(1), sorter=m.tensor([0])),
    ),
    (
        DimensionError,
        "searchsorted: sorter must be in [0, 1], got 2",
        lambda m: m.searchsorted(m.ones(2), m.ones(1), sorter=m.tensor([0, 2])),
    ),
]


@pytest.mark.parametrize(("kind", "message", "call"), ERRORS)
def test_errors(kind: type[MinidlError], message: str, call: Any) -> None:
    both_raise(kind, message, lambda: call(minidl), lambda: call(torch))


def test_the_median_of_no_integers() -> None:
    with pytest.raises(DimensionError, match="median: input must be of at least one element"):
        ops.median(minidl.zeros(0, dtype=minidl.int64))
