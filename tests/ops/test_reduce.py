"""Reductions, against PyTorch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import both_raise, channels_last, check_parity, normal, strided, torch

import minidl
from minidl.errors import DimensionError, DTypeError, ShapeError
from minidl.ops import extremes, reduce, statistics
from minidl.tensor import Tensor, from_numpy

Dim = int | tuple[int, ...] | None

CASES: list[tuple[tuple[int, ...], Dim]] = [
    ((3, 4), None),
    ((3, 4), 0),
    ((3, 4), -1),
    ((2, 3, 4), 1),
    ((2, 3, 4), (0, -1)),
    ((2, 3, 4), (2, 0)),
    ((2, 3, 4), (0, 1, 2)),
    ((5,), 0),
    ((), None),
    ((), 0),
    ((), -1),
    ((0, 3), 1),
]
EMPTY: list[tuple[tuple[int, ...], Dim]] = [((0,), None), ((0, 3), 0), ((2, 0, 3), (0, 1)), ((2, 0), -1)]
no_freedom = pytest.mark.filterwarnings("ignore:.*degrees of freedom")  # PyTorch's warning

SMOOTH = {
    "sum": (reduce.sum, torch.sum),
    "mean": (reduce.mean, torch.mean),
    "var": (statistics.var, torch.var),
    "std": (statistics.std, torch.std),
}
EXTREME = {"amax": (extremes.amax, torch.amax), "amin": (extremes.amin, torch.amin)}


def layouts(x: np.ndarray) -> list[np.ndarray]:
    """The array in C order, and not contiguous."""
    return [x, strided(x)] if x.ndim else [x]


def check_value(ours: Any, theirs: Any, x: np.ndarray, tol: float = 1e-6) -> None:
    """The results of a function on a constant have the same values, shape and dtype."""
    got, expected = ours(from_numpy(np.asarray(x))).array, theirs(torch.tensor(x)).numpy()
    np.testing.assert_allclose(got, expected, rtol=tol)
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype)


@no_freedom
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize(("shape", "dim"), CASES + EMPTY)
@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_reductions(name: str, shape: tuple[int, ...], dim: Dim, keepdim: bool) -> None:
    ours, theirs = SMOOTH[name]
    one = name in ("var", "std") and np.size(np.zeros(shape).sum(dim)) == np.prod(
        shape
    )  # 0 / 0 in the derivatives
    for x in layouts(normal(*shape)):
        check_parity(
            lambda x: ours(x, dim, keepdim=keepdim),
            lambda x: theirs(x, dim=dim, keepdim=keepdim),
            x,
            second=not one and (x.size > 0 or name in ("sum", "mean")),
        )


@pytest.mark.parametrize("name", [*SMOOTH, "amax", "amin"])
def test_no_dimensions_are_all_dimensions(name: str) -> None:
    x = normal(2, 3)
    check_value(lambda x: getattr(minidl, name)(x, ()), lambda x: getattr(torch, name)(x, dim=()), x)


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize(("shape", "dim"), [case for case in CASES if case[1] is not None])
@pytest.mark.parametrize("name", EXTREME)
def test_amax_and_amin(name: str, shape: tuple[int, ...], dim: Any, keepdim: bool) -> None:
    ours, theirs = EXTREME[name]
    x = np.round(normal(*shape))  # with ties
    check_parity(lambda x: ours(x, dim, keepdim), lambda x: theirs(x, dim, keepdim), x)


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize(
    ("shape", "dim"), [case for case in CASES + EMPTY if case[1] not in (None, ())]
)  # fmt: skip
def test_logsumexp(shape: tuple[int, ...], dim: Any, keepdim: bool) -> None:
    for x in layouts(normal(*shape)):
        check_parity(
            lambda x: reduce.logsumexp(x, dim, keepdim), lambda x: torch.logsumexp(x, dim, keepdim), x
        )


def test_logsumexp_of_extreme_values() -> None:
    inf, nan = math.inf, math.nan
    rows = [
        [1e4, -1e4, 1e4],
        [-1e4, -1e4, -1e4],
        [inf, 1, 2],
        [-inf, 1, 2],
        [-inf] * 3,
        [inf, inf, 1],
        [nan, 1, 2],
    ]
    check_parity(
        lambda x: reduce.logsumexp(x, 1), lambda x: torch.logsumexp(x, 1), np.array(rows), second=False
    )


def test_logsumexp_of_integers_is_of_the_default_dtype() -> None:
    check_value(lambda x: reduce.logsumexp(x, 0), lambda x: torch.logsumexp(x, 0), np.arange(3))


def test_reductions_of_nan_and_infinity() -> None:
    rows = np.array([[1.0, math.inf, 2.0], [math.nan, 1.0, 2.0], [-math.inf, math.inf, 0.0]])
    for ours, theirs in (*SMOOTH.values(), *EXTREME.values()):
        check_parity(lambda x, f=ours: f(x, 1), lambda x, f=theirs: f(x, dim=1), rows, second=False)
    for theirs in (torch.max, torch.min):
        ours = getattr(minidl, theirs.__name__)
        for row in rows:
            check_parity(ours, theirs, row, second=False)
        check_parity(lambda x, f=ours: f(x, 1)[0], lambda x, f=theirs: f(x, 1)[0], rows, second=False)


@no_freedom
@pytest.mark.parametrize("name", ["var", "std"])
@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {"correction": 0}),
        ((1,), {"correction": 0.5}),
        ((0,), {"correction": 2}),
        ((False,), {}),
        ((True,), {}),
        ((1, False), {}),
        ((1, False, True), {}),
        (((0, 1),), {"unbiased": False, "keepdim": True}),
        ((), {"unbiased": False}),
    ],
)
def test_forms_of_var_and_std(name: str, args: Any, kwargs: Any) -> None:
    ours, theirs = SMOOTH[name]
    check_parity(lambda x: ours(x, *args, **kwargs), lambda x: theirs(x, *args, **kwargs), normal(3, 4))


@no_freedom
def test_var_without_degrees_of_freedom() -> None:
    for n, correction in ((1, 1), (1, 2), (2, 3), (2, 2)):
        got = statistics.var(from_numpy(normal(n)), correction=correction)
        np.testing.assert_equal(
            got.numpy(), torch.var(torch.tensor(normal(n)), correction=correction).numpy()
        )


def test_std_has_gradient_0_where_all_elements_are_equal() -> None:
    check_parity(lambda x: statistics.std(x, 1), lambda x: torch.std(x, 1), np.ones((2, 3)), second=False)


@pytest.mark.parametrize("zeros", [(), (1,), (1, 3), (0, 1, 2), (0, 1, 2, 3)])
def test_prod_and_its_derivatives_with_zeros(zeros: tuple[int, ...]) -> None:
    x = normal(4)
    x[list(zeros)] = 0.0
    check_parity(reduce.prod, torch.prod, x)
    check_parity(reduce.prod, torch.prod, np.stack([x, normal(4, seed=1)]))


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize(
    ("shape", "dim"),
    [((3, 4), 0), ((3, 4), -1), ((2, 3, 4), 1), ((), 0), ((0, 3), 0), ((0, 3), 1), ((1,), 0)],
)
def test_prod_along_a_dimension(shape: tuple[int, ...], dim: int, keepdim: bool) -> None:
    for x in layouts(normal(*shape)):
        check_parity(lambda x: reduce.prod(x, dim, keepdim), lambda x: torch.prod(x, dim, keepdim), x)


def test_prod_of_all() -> None:
    for shape in ((), (0,), (2, 3), (2, 0)):
        check_parity(reduce.prod, torch.prod, normal(*shape))
    assert reduce.prod(from_numpy(normal(2, 3)), keepdim=True).shape == (1, 1)


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize(
    ("shape", "dim"),
    [((3, 4), 0), ((3, 4), -1), ((2, 3, 4), 1), ((), 0), ((), -1), ((0, 3), 1), ((1,), 0)],
)
@pytest.mark.parametrize("keepdim", [False, True])
def test_max_and_min_along_a_dimension(name: str, shape: tuple[int, ...], dim: int, keepdim: bool) -> None:
    ours, theirs = getattr(minidl, name), getattr(torch, name)
    x = np.asarray(np.round(normal(*shape)))
    for values in layouts(x):
        check_parity(lambda x: ours(x, dim, keepdim).values, lambda x: theirs(x, dim, keepdim).values, values)
        check_parity(
            lambda x: ours(x, dim, keepdim).indices, lambda x: theirs(x, dim, keepdim).indices, x > 0
        )
    indices = ours(from_numpy(x), dim, keepdim).indices
    np.testing.assert_array_equal(indices.numpy(), theirs(torch.tensor(x), dim, keepdim).indices.numpy())
    assert indices.dtype == np.int64
    assert not indices.requires_grad


@pytest.mark.parametrize("name", ["max", "min"])
def test_max_and_min_of_all_and_of_two(name: str) -> None:
    ours, theirs = getattr(minidl, name), getattr(torch, name)
    for shape in ((), (1,), (3, 4)):
        check_parity(ours, theirs, np.round(normal(*shape)))
    check_parity(ours, theirs, normal(3, 1), normal(4))
    check_parity(lambda a, b: ours(a, other=b), lambda a, b: theirs(a, other=b), normal(3, 1), normal(4))


def test_a_named_tuple_comes_of_max_along_a_dimension() -> None:
    values, indices = found = extremes.max(from_numpy(np.array([[1.0, 3.0, 3.0]])), 1)
    assert found.values is values
    assert found.indices is indices
    assert (values.tolist(), indices.tolist()) == ([3.0], [1])


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize(
    ("shape", "dim"),
    [((3, 4), None), ((3, 4), 0), ((3, 4), -1), ((), None), ((), 0), ((), -1), ((0, 3), 1), ((1,), 0)],
)
def test_argmax_and_argmin(name: str, shape: tuple[int, ...], dim: int | None, keepdim: bool) -> None:
    x = np.asarray(np.round(normal(*shape) / 2))
    if x.size > 3:
        x.flat[2] = math.nan
    ours, theirs = getattr(minidl, name), getattr(torch, name)
    check_value(lambda x: ours(x, dim, keepdim), lambda x: theirs(x, dim, keepdim), x)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "int64", "float32"])
@pytest.mark.parametrize("name", ["sum", "prod", "all", "any", "max", "min", "amax", "amin"])
def test_dtypes_of_results(name: str, dtype: str) -> None:
    x = np.array([[3, 0, 2], [1, 1, 100]]).astype(dtype)
    ours, theirs = getattr(minidl, name), getattr(torch, name)
    check_value(ours, theirs, x)
    if name not in ("max", "min"):
        check_value(lambda x: ours(x, 1), lambda x: theirs(x, 1), x)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32", "int8", "bool"])
@pytest.mark.parametrize("name", ["sum", "prod"])
def test_the_dtype_argument(name: str, dtype: str) -> None:
    ours, theirs = getattr(minidl, name), getattr(torch, name)
    x = np.array([[1.5, -2.7], [0.9, 3.2]], np.float32)
    for a in (x, x > 1, x.astype(np.int64)):
        check_value(
            lambda x: ours(x, dtype=np.dtype(dtype)), lambda x: theirs(x, dtype=getattr(torch, dtype)), a
        )


def test_gradients_pass_through_the_dtype_argument() -> None:
    x = Tensor(np.array([1.0, 2.0], np.float32), requires_grad=True)
    reduce.sum(x, dtype=np.float64).backward()
    assert x.grad.dtype == np.float32
    y = reduce.mean(from_numpy(np.array([1, 2])), dtype=np.float64)
    assert (y.dtype, y.item()) == (np.float64, 1.5)


@pytest.mark.parametrize("name", ["all", "any"])
@pytest.mark.parametrize(
    ("shape", "dim"),
    [((3, 4), None), ((3, 4), 0), ((2, 3, 4), (0, -1)), ((), None), ((0,), None), ((0, 3), 0)],
)
def test_all_and_any(name: str, shape: tuple[int, ...], dim: Any) -> None:
    ours, theirs = getattr(minidl, name), getattr(torch, name)
    for x in (normal(*shape) > 0, np.round(normal(*shape)), np.full(shape, math.nan)):
        check_value(lambda x: ours(x, dim, True), lambda x: theirs(x, dim=dim, keepdim=True), x)


def test_gradients_of_sum_and_mean_are_not_copied() -> None:
    x = Tensor(channels_last(normal(2, 3, 4, 5)), requires_grad=True) * 1.0
    seen: list[Tensor] = []
    x.register_hook(lambda g: seen.append(g))
    reduce.mean(x).backward(retain_graph=True)
    reduce.sum(x, (2, 3)).backward(from_numpy(normal(2, 3)))
    assert [g.array.strides[2:] for g in seen] == [(0, 0), (0, 0)]


@given(st.data())
def test_any_shape_and_dimensions(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 4), max_size=4)))
    axes = range(-len(shape), len(shape)) if shape else [0]
    dim = tuple(
        data.draw(st.lists(st.sampled_from(axes), unique_by=lambda d: d % (len(shape) or 1), min_size=1))
    )
    keepdim = data.draw(st.booleans())
    x = normal(*shape)
    for ours, theirs in (SMOOTH["sum"], SMOOTH["mean"], EXTREME["amax"], (reduce.logsumexp, torch.logsumexp)):
        check_parity(
            lambda x, f=ours: f(x, dim, keepdim),
            lambda x, f=theirs: f(x, dim, keepdim),
            x,
            second=False,
            float32=False,
        )


# --- Errors -----------------------------------------------------------------------------------------------------

ZERO, ROWS = np.zeros(0), np.zeros((0, 3))


@pytest.mark.parametrize(
    ("name", "array", "args", "kind", "message"),
    [
        ("sum", normal(2, 3), (2,), DimensionError, "sum: dim must be in [-2, 1] for 2 dimensions, got 2"),
        ("sum", normal(2, 3), ((0, -2),), ShapeError, "sum: dim must be without repetition, got (0, -2)"),
        ("mean", normal(2, 3), (1.0,), DTypeError, "mean: dim must be an int, got 1.0"),
        ("mean", np.arange(3), (), DTypeError, "mean: input must be of floats (or dtype a floating"),
        ("mean", np.ones(3, bool), (), DTypeError, "got bool"),
        ("var", np.arange(3), (), DTypeError, "var: input must be of floats, got int64"),
        ("std", np.arange(3), (), DTypeError, "std: input must be of floats, got int64"),
        ("prod", normal(2, 3), ((0, 1),), DTypeError, "prod: dim must be an int, got tuple"),
        ("max", ZERO, (), ShapeError, "max: input must be of at least one element, got shape (0,)"),
        ("min", ROWS, (0,), DimensionError, "min: input must be of at least one element along dimension 0"),
        ("max", normal(2), ((0,),), DTypeError, "max: dim must be an int, got tuple"),
        ("max", normal(2, 3), (-3,), DimensionError, "max: dim must be in [-2, 1] for 2 dimensions, got -3"),
        ("amax", ZERO, (), ShapeError, "amax: input must be of at least one element, got shape (0,)"),
        ("amin", ROWS, ((0, 1),), DimensionError, "along dimension 0, 1, got shape (0, 3)"),
        ("argmax", ZERO, (), DimensionError, "argmax: input must be of at least one element"),
        (
            "argmin",
            ROWS,
            (0,),
            DimensionError,
            "argmin: input must be of at least one element along dimension 0",
        ),
        ("argmax", np.ones(2, bool), (), DTypeError, "argmax: input must be of numbers, not bools, got bool"),
        ("argmax", normal(2, 3), ((0, 1),), DTypeError, "argmax: dim must be an int, got tuple"),
        ("logsumexp", normal(2), (1,), DimensionError, "logsumexp: dim must be in [-1, 0]"),
        ("all", normal(2), (1,), DimensionError, "all: dim must be in [-1, 0]"),
    ],
)
def test_errors(name: str, array: np.ndarray, args: Any, kind: type[Exception], message: str) -> None:
    both_raise(
        kind,
        message,
        lambda: getattr(minidl, name)(from_numpy(array), *args),
        lambda: getattr(torch, name)(torch.tensor(array), *args),
    )


@pytest.mark.parametrize("name", ["sum", "mean", "var", "prod", "max", "amax", "argmax", "all"])
def test_only_tensors_are_reduced(name: str) -> None:
    both_raise(
        DTypeError,
        f"{name}: input must be a Tensor, got int",
        lambda: getattr(minidl, name)(3),
        lambda: getattr(torch, name)(3),
    )


def test_unbiased_and_correction_exclude_each_other() -> None:
    x = normal(3)
    both_raise(
        DTypeError,
        "var: correction must be left out where unbiased is given, got 0",
        lambda: statistics.var(from_numpy(x), unbiased=True, correction=0),
        lambda: torch.var(torch.tensor(x), unbiased=True, correction=0),
    )
