"""Writing and adding at indices, and repetition, against PyTorch."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import both_raise, check_parity, normal, strided, torch

import minidl
from minidl.errors import ArgumentError, DimensionError, DTypeError, GradError, MinidlError, ShapeError
from minidl.ops import scattering as ops
from minidl.random import stream
from minidl.tensor import from_numpy

# input's shape, dim, index's shape, src's shape
PLACES: list[tuple[tuple[int, ...], int, tuple[int, ...], tuple[int, ...]]] = [
    ((5,), 0, (3,), (3,)),
    ((5,), -1, (3,), (4,)),
    ((4, 3), 0, (2, 3), (2, 3)),
    ((4, 5), 1, (2, 3), (3, 4)),
    ((2, 4, 3), 1, (1, 3, 2), (2, 3, 2)),
    ((), 0, (), ()),
    ((3,), 0, (0,), (0,)),
    ((3, 2), 0, (2, 0), (2, 2)),
]


def index_once(shape: tuple[int, ...], size: int, dim: int) -> np.ndarray:
    """Random indices below ``size``, none of which comes twice along ``dim``."""
    if not shape:
        return np.zeros((), np.int64)
    d = dim % len(shape)
    own = np.arange(size).reshape([-1 if k == d else 1 for k in range(len(shape))])
    places = np.broadcast_to(own, (*shape[:d], size, *shape[d + 1 :]))
    return stream(1).permuted(places, axis=d)[tuple([slice(n) for n in shape])]


def used(index: Any, src: Any) -> Any:
    """The part of ``src`` that a scatter reads: PyTorch goes backward only if that is all of it."""
    return src[tuple([slice(n) for n in index.shape])]


@pytest.mark.parametrize(("shape", "dim", "index_shape", "src_shape"), PLACES)
def test_scatter(shape: Any, dim: int, index_shape: Any, src_shape: Any) -> None:
    index = index_once(index_shape, (shape or (1,))[dim], dim)
    for x, i, src in (
        (normal(*shape), index, normal(*src_shape, seed=1)),
        (strided(normal(*shape)), strided(index), strided(normal(*src_shape, seed=1))),
    ):
        check_parity(
            lambda x, i, s: ops.scatter(x, dim, i, s),
            lambda x, i, s: torch.scatter(x, dim, i, used(i, s)),
            x,
            i,
            src,
        )
        check_parity(
            lambda x, i: ops.scatter(x, dim, i, 2.5), lambda x, i: torch.scatter(x, dim, i, 2.5), x, i
        )


@pytest.mark.parametrize(("shape", "dim", "index_shape", "src_shape"), PLACES)
def test_scatter_add_with_repeated_indices(shape: Any, dim: int, index_shape: Any, src_shape: Any) -> None:
    index = np.asarray(index_once(index_shape, (shape or (1,))[dim], dim) // 2)
    xs = normal(*shape), index, normal(*src_shape, seed=1)
    check_parity(
        lambda x, i, s: ops.scatter_add(x, dim, i, s),
        lambda x, i, s: torch.scatter_add(x, dim, i, used(i, s)),
        *xs,
    )


@pytest.mark.parametrize("reduce", ["add", "multiply"])
@pytest.mark.parametrize("number", [False, True])
def test_scatter_with_a_reduction(reduce: str, number: bool) -> None:
    x, index, src = normal(4, 3), np.array([[1, 1, 0], [1, 2, 0]]), normal(2, 3, seed=1)
    got = ops.scatter(from_numpy(x), 0, from_numpy(index), 2.0 if number else from_numpy(src), reduce=reduce)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch recommends scatter_reduce
        its = 2.0 if number else torch.tensor(src)
        expected = torch.scatter(torch.tensor(x), 0, torch.tensor(index), its, reduce=reduce)
    np.testing.assert_allclose(got.array, expected.numpy(), rtol=1e-12)


def test_scatter_add_is_what_reduce_add_means() -> None:
    x, index, src = normal(4, 3), np.array([[1, 1, 0], [1, 2, 0]]), normal(2, 3, seed=1)
    check_parity(
        lambda x, i, s: ops.scatter(x, 0, i, s, reduce="add"),
        lambda x, i, s: torch.scatter_add(x, 0, i, s),
        x,
        index,
        src,
    )


def test_the_gradient_of_a_scattered_product_is_not_known() -> None:
    x = minidl.ones(3, requires_grad=True)
    with pytest.raises(GradError, match="scatter with reduce='multiply': its gradient is not known"):
        x.scatter(0, minidl.tensor([0]), 2.0, reduce="multiply").sum().backward()


@pytest.mark.parametrize("dtype", ["bool", "int64", "uint8", "float16"])
def test_other_dtypes(dtype: str) -> None:
    x, index, src = np.zeros(3, dtype), np.array([2, 0], np.int32), np.ones(2, dtype)
    for name in ("scatter", "scatter_add"):
        got = getattr(ops, name)(from_numpy(x), 0, from_numpy(index), from_numpy(src)).array
        expected = getattr(torch, name)(torch.tensor(x), 0, torch.tensor(index), torch.tensor(src)).numpy()
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)


# --- Adding slices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [1, 2, -0.5])
@pytest.mark.parametrize(("shape", "dim"), [((4,), 0), ((4, 2), 0), ((2, 4), -1), ((2, 4, 3), 1)])
def test_index_add(shape: tuple[int, ...], dim: int, alpha: float) -> None:
    index = np.array([3, 0, 3])
    source = normal(*[3 if d == dim % len(shape) else n for d, n in enumerate(shape)], seed=1)
    for x, i, s in (
        (normal(*shape), index, source),
        (strided(normal(*shape)), strided(index), strided(source)),
    ):
        check_parity(
            lambda x, i, s: ops.index_add(x, dim, i, s, alpha=alpha),
            lambda x, i, s: torch.index_add(x, dim, i, s, alpha=alpha),
            x,
            i,
            s,
        )


def test_index_add_of_a_number_and_of_nothing() -> None:
    i, zero = np.zeros((), np.int64), np.zeros((0, 2))
    check_parity(
        lambda x, s, i: ops.index_add(x, 0, i, s),
        lambda x, s, i: torch.index_add(x, 0, i, s),
        np.array(2.0),
        np.array(3.0),
        i,
    )
    empty = np.zeros(0, np.int64)
    check_parity(
        lambda x, s, i: ops.index_add(x, 0, i, s),
        lambda x, s, i: torch.index_add(x, 0, i, s),
        normal(3, 2),
        zero,
        empty,
    )


# --- Repetition -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [None, 0, 1, -1])
@pytest.mark.parametrize("repeats", [2, 0, np.array([3]), np.array(2)])
def test_repeat_interleave_by_one_number(repeats: Any, dim: int | None) -> None:
    ours, its = (
        (repeats, repeats) if isinstance(repeats, int) else (from_numpy(repeats), torch.tensor(repeats))
    )
    for x in (normal(2, 3), strided(normal(2, 3))):
        check_parity(
            lambda x: ops.repeat_interleave(x, ours, dim), lambda x: torch.repeat_interleave(x, its, dim), x
        )


@pytest.mark.parametrize(
    ("dim", "counts"), [(0, [2, 0]), (1, [1, 0, 3]), (-1, [0, 0, 0]), (None, [0, 1, 2, 3, 0, 1])]
)
def test_repeat_interleave_by_a_vector(dim: int | None, counts: list[int]) -> None:
    check_parity(
        lambda x, c: ops.repeat_interleave(x, c, dim, output_size=sum(counts)),
        lambda x, c: torch.repeat_interleave(x, c, dim, output_size=sum(counts)),
        normal(2, 3),
        np.array(counts),
    )


@given(st.lists(st.integers(0, 4), max_size=6))
def test_repeat_interleave_of_counts_alone(counts: list[int]) -> None:
    repeats = np.array(counts, np.int32)
    got = ops.repeat_interleave(from_numpy(repeats)).array
    expected = torch.repeat_interleave(torch.tensor(repeats)).numpy()
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


def test_repeat_interleave_of_a_number() -> None:
    check_parity(
        lambda x: ops.repeat_interleave(x, 3), lambda x: torch.repeat_interleave(x, 3), np.array(2.0)
    )
    assert ops.repeat_interleave(minidl.tensor(2.0), 2, 0).tolist() == [2.0, 2.0]


def test_methods_and_in_place_forms() -> None:
    x, index, src = normal(4), np.array([1, 3]), normal(2, seed=1)
    for name, args in (("scatter", (index, src)), ("scatter_add", (index, src)), ("index_add", (index, src))):
        expected = getattr(torch.tensor(x), name)(0, *map(torch.tensor, args)).numpy()
        ours = from_numpy(x.copy())
        np.testing.assert_array_equal(getattr(ours, name)(0, *map(from_numpy, args)).array, expected)
        assert getattr(ours, name + "_")(0, *map(from_numpy, args)) is ours
        np.testing.assert_array_equal(ours.array, expected)
    assert minidl.tensor([1, 2]).repeat_interleave(2).tolist() == [1, 1, 2, 2]


def at(m: Any, *numbers: int) -> Any:
    return m.tensor(numbers, dtype=m.int64)


ERRORS: list[tuple[type[MinidlError], str, Any]] = [
    (
        DimensionError,
        "scatter: index must be in [0, 1], got 2",
        lambda m: m.scatter(m.ones(2), 0, at(m, 2), m.ones(1)),
    ),
    (
        DimensionError,
        "scatter: index must be in [0, 1], got -1",
        lambda m: m.scatter(m.ones(2), 0, at(m, -1), m.ones(1)),
    ),
    (
        DimensionError,
        "scatter: dim must be in [-1, 0]",
        lambda m: m.scatter(m.ones(2), 1, at(m, 0), m.ones(1)),
    ),
    (
        DTypeError,
        "scatter: index must be of signed integers",
        lambda m: m.scatter(m.ones(2), 0, m.ones(1), m.ones(1)),
    ),
    (
        ShapeError,
        "scatter: src must be at least of index's shape (2,), got (1,)",
        lambda m: m.scatter(m.ones(2), 0, at(m, 0, 1), m.ones(1)),
    ),
    (
        ShapeError,
        "scatter: index must be no larger than input's (2, 2) but for dimension 0, got (1, 3)",
        lambda m: m.scatter(m.ones(2, 2), 0, m.zeros(1, 3, dtype=m.int64), m.ones(1, 3)),
    ),
    (
        DTypeError,
        "scatter: src must be of input's dtype float32, got float64",
        lambda m: m.scatter(m.ones(2), 0, at(m, 0), m.ones(1, dtype=m.float64)),
    ),
    (
        DTypeError,
        "scatter: src or value must be given, and not both, got none",
        lambda m: m.scatter(m.ones(2), 0, at(m, 0)),
    ),
    (
        ArgumentError,
        "scatter: reduce must be None or 'add' or 'multiply', got 'mean'",
        lambda m: m.scatter(m.ones(2), 0, at(m, 0), 1.0, reduce="mean"),
    ),
    (
        DTypeError,
        "scatter_add: src must be a Tensor, got float",
        lambda m: m.scatter_add(m.ones(2), 0, at(m, 0), 1.0),
    ),
    (
        DimensionError,
        "scatter_add: index must be in [0, 1], got 5",
        lambda m: m.scatter_add(m.ones(2), 0, at(m, 5), m.ones(1)),
    ),
    (
        DimensionError,
        "index_add: index must be in [0, 1], got 2",
        lambda m: m.index_add(m.ones(2), 0, at(m, 2), m.ones(1)),
    ),
    (
        ShapeError,
        "index_add: index must be a vector, got shape (1, 1)",
        lambda m: m.index_add(m.ones(2), 0, m.zeros(1, 1, dtype=m.int64), m.ones(1)),
    ),
    (
        DTypeError,
        "index_add: source must be of input's dtype float32, got float64",
        lambda m: m.index_add(m.ones(2), 0, at(m, 0), m.ones(1, dtype=m.float64)),
    ),
    (
        ShapeError,
        "index_add: source must be of shape (1, 3), got (1, 2)",
        lambda m: m.index_add(m.ones(2, 3), 0, at(m, 0), m.ones(1, 2)),
    ),
    (
        DTypeError,
        "repeat_interleave: repeats must be of integers",
        lambda m: m.repeat_interleave(m.ones(2), m.ones(2)),
    ),
    (
        ShapeError,
        "repeat_interleave: repeats must be a vector of 2 counts, or of one, got shape (3,)",
        lambda m: m.repeat_interleave(m.ones(2), at(m, 1, 1, 1)),
    ),
    (
        ArgumentError,
        "repeat_interleave: repeats must be not negative, got -1",
        lambda m: m.repeat_interleave(m.ones(2), -1),
    ),
    (
        ArgumentError,
        "repeat_interleave: output_size must be the sum of the repeats, 4, got 3",
        lambda m: m.repeat_interleave(m.ones(2), 2, output_size=3),
    ),
    (
        DTypeError,
        "repeat_interleave: repeats must be an int, got 1.5",
        lambda m: m.repeat_interleave(m.ones(2), 1.5),
    ),
]


@pytest.mark.parametrize(("kind", "message", "call"), ERRORS)
def test_errors(kind: type[MinidlError], message: str, call: Any) -> None:
    both_raise(kind, message, lambda: call(minidl), lambda: call(torch))


def test_a_fraction_of_integers_is_refused() -> None:
    ones = at(minidl, 1, 1)
    with pytest.raises(DTypeError, match="index_add: alpha must be an int for tensors of integers"):
        ops.index_add(ones, 0, at(minidl, 0), at(minidl, 1), alpha=0.5)
