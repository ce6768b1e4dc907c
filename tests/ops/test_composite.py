"""Interpolation, sums with products and quotients, and nan_to_num, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, check_parity, normal, strided, torch

import minidl
from minidl.errors import DTypeError, MinidlError, ShapeError
from minidl.ops import composite as ops
from minidl.tensor import from_numpy

SHAPES = [((2, 3), (2, 3), (2, 3)), ((3,), (2, 1), ()), ((), (), ()), ((0, 2), (2,), (1, 1))]


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("name", ["lerp", "addcmul", "addcdiv"])
def test_three_tensors(name: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    xs = [normal(*shape, seed=i) for i, shape in enumerate(shapes)]
    check_parity(getattr(ops, name), getattr(torch, name), *xs)
    check_parity(getattr(ops, name), getattr(torch, name), *map(strided, xs))


@pytest.mark.parametrize("weight", [0.0, 0.25, 0.5, 0.75, 1, 3.0, -2.0, np.nan, np.inf])
def test_lerp_by_a_number(weight: float) -> None:
    a, b = normal(2, 3), normal(3, seed=1)
    check_parity(lambda a, b: ops.lerp(a, b, weight), lambda a, b: torch.lerp(a, b, weight), a, b)


def test_lerp_gives_the_ends_exactly() -> None:
    a, b = minidl.tensor([1e8, -0.1]), minidl.tensor([1.0, 0.3])
    assert ops.lerp(a, b, 0.0).tolist() == a.tolist()
    assert ops.lerp(a, b, 1.0).tolist() == b.tolist()


@pytest.mark.parametrize("value", [1, 2, -0.5, 0])
@pytest.mark.parametrize("name", ["addcmul", "addcdiv"])
def test_value(name: str, value: float) -> None:
    xs = [normal(2, 3, seed=i) for i in range(3)]
    check_parity(
        lambda *xs: getattr(ops, name)(*xs, value=value),
        lambda *xs: getattr(torch, name)(*xs, value=value),
        *xs,
    )


@pytest.mark.parametrize("dtypes", [("int64",) * 3, ("int32", "float32", "int64"), ("uint8", "int8", "bool")])
def test_addcmul_promotes(dtypes: tuple[str, ...]) -> None:
    xs = [np.array([1, 0, 1], d) for d in dtypes]
    got = ops.addcmul(*[from_numpy(x) for x in xs], value=2).array
    expected = torch.addcmul(*[torch.tensor(x) for x in xs], value=2).numpy()
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


NOT_FINITE = np.array([[np.nan, np.inf], [-np.inf, 1.5]])


@pytest.mark.parametrize("args", [(), (1.0,), (None, 2.0), (0.5, 2.0, -3.0), (np.inf, np.nan)])
def test_nan_to_num(args: tuple[Any, ...]) -> None:
    for x in (NOT_FINITE, strided(NOT_FINITE), np.array(np.nan), np.zeros((0, 2))):
        check_parity(
            lambda x: ops.nan_to_num(x, *args), lambda x: torch.nan_to_num(x, *args), x, second=False
        )


@pytest.mark.parametrize("dtype", ["bool", "int64", "float16", "float32"])
def test_nan_to_num_dtypes(dtype: str) -> None:
    x = np.array([0, 1, 1], dtype)
    if dtype[0] == "f":
        x[0] = np.inf
    got = ops.nan_to_num(from_numpy(x)).array
    expected = torch.nan_to_num(torch.tensor(x)).numpy()
    assert got.dtype == expected.dtype
    assert not np.may_share_memory(got, x)
    np.testing.assert_array_equal(got, expected)


def test_methods_and_in_place_forms() -> None:
    xs = [np.array([1.5, 2.0]), np.array([3.0, -1.0]), np.array([0.5, 4.0])]
    for name in ("lerp", "addcmul", "addcdiv", "nan_to_num"):
        args = xs[1:] if name != "nan_to_num" else []
        expected = getattr(torch.tensor(xs[0]), name)(*[torch.tensor(x) for x in args]).numpy()
        ours = from_numpy(xs[0].copy())
        np.testing.assert_allclose(getattr(ours, name)(*map(from_numpy, args)).array, expected)
        assert getattr(ours, name + "_")(*map(from_numpy, args)) is ours
        np.testing.assert_allclose(ours.array, expected)


def f64(m: Any) -> Any:
    return m.ones(2, dtype=m.float64)


ERRORS: list[tuple[type[MinidlError], str, Any]] = [
    (
        DTypeError,
        "lerp: end must be of floats, all of one dtype, got float64",
        lambda m: m.lerp(m.ones(2), f64(m), 0.5),
    ),
    (
        DTypeError,
        "lerp: weight must be of floats, all of one dtype",
        lambda m: m.lerp(m.ones(2), m.ones(2), f64(m)),
    ),
    (DTypeError, "lerp: input must be of floats", lambda m: m.lerp(m.tensor([1]), m.tensor([1]), 1)),
    (DTypeError, "lerp: end must be a Tensor", lambda m: m.lerp(m.ones(2), 1.0, 0.5)),
    (
        ShapeError,
        "lerp: the operands' shapes must be broadcastable",
        lambda m: m.lerp(m.ones(2), m.ones(3), 0.5),
    ),
    (
        ShapeError,
        "addcmul: the operands' shapes must be broadcastable, got (2,) and (3,) and (2,)",
        lambda m: m.addcmul(m.ones(2), m.ones(3), m.ones(2)),
    ),
    (
        DTypeError,
        "addcmul: input must be of numbers, not bools",
        lambda m: m.addcmul(m.tensor([True]), m.tensor([True]), m.tensor([True])),
    ),
    (
        DTypeError,
        "addcdiv: tensor1 or tensor2 must be of floats, got int64",
        lambda m: m.addcdiv(m.ones(1), m.tensor([1]), m.tensor([2])),
    ),
    (DTypeError, "nan_to_num: input must be a Tensor", lambda m: m.nan_to_num(1.0)),
]


@pytest.mark.parametrize(("kind", "message", "call"), ERRORS)
def test_errors(kind: type[MinidlError], message: str, call: Any) -> None:
    both_raise(kind, message, lambda: call(minidl), lambda: call(torch))


def test_a_fraction_of_integers_is_refused() -> None:
    with pytest.raises(DTypeError, match="addcmul: value must be an int for tensors of integers"):
        ops.addcmul(minidl.tensor([1]), minidl.tensor([1]), minidl.tensor([1]), value=0.5)
