"""Comparisons and logic, against PyTorch."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import mutually_broadcastable_shapes
from parity import both_raise, normal, torch

import minidl
from minidl.errors import DTypeError, ShapeError

VALUES = np.array([0.0, -0.0, 1.0, -2.5, np.nan, np.inf, -np.inf, 5e-324])
COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
LOGIC = ["logical_and", "logical_or", "logical_xor"]
BITS = {"bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^"}


def same(ours: minidl.Tensor, theirs: Any) -> None:
    assert (ours.dtype, ours.shape) == (theirs.numpy().dtype, tuple(theirs.shape))
    assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("name", [*COMPARISONS, *LOGIC])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
def test_all_pairs_of_values(name: str, dtype: str) -> None:
    values = VALUES.astype(dtype) if dtype[0] == "f" else np.array([0, 1, -2, 5]).astype(dtype)
    a, b = (np.array(v) for v in zip(*itertools.product(values, values), strict=True))
    same(
        getattr(minidl, name)(minidl.from_numpy(a), minidl.from_numpy(b)),
        getattr(torch, name)(torch.tensor(a), torch.tensor(b)),
    )


@pytest.mark.parametrize("name", [*COMPARISONS, *LOGIC])
@given(shapes=mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3))
def test_broadcasting(name: str, shapes: Any) -> None:
    a, b = (np.asarray(np.round(normal(*shape, seed=i))) for i, shape in enumerate(shapes.input_shapes))
    same(
        getattr(minidl, name)(minidl.from_numpy(a), minidl.from_numpy(b)),
        getattr(torch, name)(torch.tensor(a), torch.tensor(b)),
    )


@pytest.mark.parametrize("sign", COMPARISONS.values())
@pytest.mark.parametrize("number", [1, 1.5, True, -1, float("nan"), float("inf"), 2**40])
@pytest.mark.parametrize("dtype", ["float32", "int64", "int8", "bool"])
def test_operators_with_numbers_on_either_side(sign: str, number: Any, dtype: str) -> None:
    if (number, dtype) == (2**40, "int8"):
        return  # to PyTorch 2**40 is 0 there
    values = np.array([0, 1, 2]).astype(dtype)
    for text in (f"x {sign} n", f"n {sign} x"):
        same(*(eval(text, {"x": wrap(values), "n": number}) for wrap in (minidl.from_numpy, torch.tensor)))


@pytest.mark.parametrize("name", BITS)
@pytest.mark.parametrize(
    "dtypes", [("int64", "int64"), ("bool", "bool"), ("uint8", "int8"), ("bool", "int32")], ids=str
)
def test_bits(name: str, dtypes: tuple[str, str]) -> None:
    a, b = (np.array(v).astype(d) for v, d in zip(([0, 1, 6, 255], [3, 0, 5, 1]), dtypes, strict=True))
    ours, theirs = (minidl.from_numpy(a), minidl.from_numpy(b)), (torch.tensor(a), torch.tensor(b))
    same(getattr(minidl, name)(*ours), getattr(torch, name)(*theirs))
    same(
        eval(f"a {BITS[name]} b", dict(zip("ab", ours, strict=True))),
        eval(f"a {BITS[name]} b", dict(zip("ab", theirs, strict=True))),
    )
    same(eval(f"a {BITS[name]} True", {"a": ours[0]}), eval(f"a {BITS[name]} True", {"a": theirs[0]}))
    same(eval(f"3 {BITS[name]} b", {"b": ours[1]}), eval(f"3 {BITS[name]} b", {"b": theirs[1]}))


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool"])
def test_bitwise_not(dtype: str) -> None:
    values = np.array([0, 1, 5]).astype(dtype)
    same(minidl.bitwise_not(minidl.from_numpy(values)), torch.bitwise_not(torch.tensor(values)))
    same(~minidl.from_numpy(values), ~torch.tensor(values))


@pytest.mark.parametrize("name", ["isnan", "isinf", "isfinite", "logical_not"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", "bool"])
def test_questions(name: str, dtype: str) -> None:
    values = VALUES.astype(dtype) if dtype[0] == "f" else np.array([0, 1, 5]).astype(dtype)
    for x in (values, values[1], values[:0]):
        x = np.asarray(x)
        same(getattr(minidl, name)(minidl.from_numpy(x)), getattr(torch, name)(torch.tensor(x)))


@pytest.mark.parametrize(
    "options", [{}, {"rtol": 0.1}, {"atol": 0.5}, {"equal_nan": True}, {"rtol": 0.0, "atol": 0.0}], ids=str
)
def test_isclose_and_allclose(options: dict[str, Any]) -> None:
    values = np.concatenate([VALUES, [1.05, 1 + 1e-6, -2.9]])
    a, b = (np.array(v) for v in zip(*itertools.product(values, values), strict=True))
    ours, theirs = (minidl.from_numpy(a), minidl.from_numpy(b)), (torch.tensor(a), torch.tensor(b))
    same(minidl.isclose(*ours, **options), torch.isclose(*theirs, **options))
    assert minidl.allclose(*ours, **options) is torch.allclose(*theirs, **options)
    near = minidl.tensor([1.0, 2.0]), minidl.tensor([1.0, 2.0 + 1e-6])
    assert minidl.allclose(*near)
    assert not minidl.allclose(*near, rtol=1e-9, atol=0.0)


def test_isclose_of_integers() -> None:
    for library in (minidl, torch):
        assert library.isclose(library.tensor([1, 5]), library.tensor([1, 6])).tolist() == [True, False]


def test_equal() -> None:
    x = minidl.tensor([1.0, 2.0])
    assert minidl.equal(x, x.clone()) is True
    assert minidl.equal(x, minidl.tensor([1.0, 3.0])) is False
    assert minidl.equal(x, minidl.tensor([[1.0, 2.0]])) is False  # no broadcasting
    assert minidl.equal(minidl.tensor([np.nan]), minidl.tensor([np.nan])) is False
    assert minidl.equal(minidl.zeros(0), minidl.zeros(0)) is True


def test_results_have_no_gradient() -> None:
    x = minidl.ones(2, requires_grad=True)
    for y in (x == x, x < 1, x.isnan(), minidl.logical_not(x), minidl.isclose(x, x)):
        assert not y.requires_grad
        assert y.dtype == minidl.bool


ERRORS: list[tuple[str, tuple[Any, ...], type[Exception], str]] = [
    (
        "eq",
        ([1.0, 2.0], [1.0, 2.0, 3.0]),
        ShapeError,
        "eq: the operands' shapes must be broadcastable, got (2,) and (3,)",
    ),
    ("lt", ([1.0], "a"), DTypeError, "lt: every operand must be a Tensor or a number, got str"),
    (
        "bitwise_and",
        ([1.0], [1]),
        DTypeError,
        "bitwise_and: every operand must be of integers or bools, got float32",
    ),
    (
        "bitwise_or",
        ([1], 1.5),
        DTypeError,
        "bitwise_or: every operand must be of integers or bools, got float",
    ),
    ("bitwise_not", ([1.0],), DTypeError, "bitwise_not: input must be of integers or bools, got float32"),
    ("isclose", ([1.0], [1]), DTypeError, "isclose: other must be of input's dtype float32, got int64"),
    ("isnan", (1.0,), DTypeError, "isnan: input must be a Tensor, got float"),
    ("equal", ([1.0], 1.0), DTypeError, "equal: other must be a Tensor, got float"),
    (
        "isclose",
        ([1.0, 2.0], [1.0, 2.0, 3.0]),
        ShapeError,
        "isclose: the operands' shapes must be broadcastable",
    ),
]


@pytest.mark.parametrize(("name", "args", "kind", "message"), ERRORS)
def test_errors(name: str, args: Any, kind: type[Exception], message: str) -> None:
    def call(library: Any) -> Any:
        return getattr(library, name)(*(library.tensor(a) if isinstance(a, list) else a for a in args))

    both_raise(kind, message, lambda: call(minidl), lambda: call(torch))
