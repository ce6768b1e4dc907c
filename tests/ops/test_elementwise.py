"""Arithmetic and functions element by element, against PyTorch: values, gradients, second derivatives, errors."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes
from parity import both_raise, channels_last, check_parity, normal, strided, torch

import minidl
from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.testing import gradcheck

LAYOUTS: list[Callable[[np.ndarray], np.ndarray]] = [
    lambda x: x,
    strided,
    lambda x: x[::-1].copy()[::-1] if x.ndim else x,
]
layouts = st.sampled_from(LAYOUTS)


def both(name: str, **options: Any) -> tuple[Any, Any]:
    """The function of that name in both libraries."""
    return tuple(
        lambda *args, lib=lib, **more: getattr(lib, name)(*args, **options, **more) for lib in (minidl, torch)
    )


# --- One argument ---------------------------------------------------------------------------------------------

UNARY = ["neg", "abs", "sign", "exp", "tanh", "sigmoid", "relu", "square", "sqrt", "log"]
POSITIVE = {"sqrt", "log"}


def argument(name: str, x: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(x) + 0.1 if name in POSITIVE else x)


@pytest.mark.parametrize("name", UNARY)
@given(shape=array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3), layout=layouts)
def test_functions_of_one_argument(name: str, shape: tuple[int, ...], layout: Any) -> None:
    check_parity(*both(name), layout(argument(name, normal(*shape))))


@pytest.mark.parametrize("name", UNARY)
def test_images_stay_channels_last(name: str) -> None:
    x = minidl.from_numpy(channels_last(argument(name, normal(2, 3, 4, 5)))).requires_grad_()
    y = getattr(minidl, name)(x)
    assert y.array.strides == x.array.strides
    check_parity(*both(name), channels_last(argument(name, normal(2, 3, 4, 5))))


EXTREMES = np.array(
    [
        0.0,
        -0.0,
        1.0,
        -1.0,
        np.nan,
        np.inf,
        -np.inf,
        5e-324,
        -5e-324,
        1e-310,
        1e308,
        -1e308,
        88.8,
        -88.8,
        709.9,
        -745.2,
        1e4,
        -1e4,
    ]
)


@pytest.mark.parametrize("name", UNARY)
def test_extreme_values(name: str) -> None:
    check_parity(*both(name), EXTREMES, float32=False, second=False)


@pytest.mark.parametrize("name", UNARY)
def test_extreme_values_in_float32(name: str) -> None:
    with np.errstate(all="ignore"):
        extremes = np.concatenate(
            [EXTREMES.astype(np.float32), np.float32([1e-45, -1e-45, 1e-40, 3e38, 103.9, -103.9])]
        )
    check_parity(*both(name), extremes, float32=False, second=False, tol=1e-6)


@pytest.mark.parametrize("name", ["relu", "abs", "sign"])
def test_the_gradient_at_a_kink(name: str) -> None:
    check_parity(*both(name), np.array([0.0, -0.0, 1.0, -1.0]))


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_narrow_floats_stay_narrow(name: str, dtype: str) -> None:
    x = minidl.from_numpy(argument(name, normal(3)).astype(dtype)).requires_grad_()
    y = getattr(minidl, name)(x)
    y.sum().backward()
    assert (y.dtype, x.grad.dtype) == (np.dtype(dtype), np.dtype(dtype))
    number = getattr(minidl, name)(x[0])
    assert (number.dtype, number.shape) == (np.dtype(dtype), ())


@pytest.mark.parametrize("name", ["neg", "abs", "sign", "relu", "square"])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64"])
def test_integers(name: str, dtype: str) -> None:
    values = np.array([0, 1, 2, 127, 100] if dtype == "uint8" else [0, 1, -2, 127, -128]).astype(dtype)
    ours, theirs = (
        f(wrap(values)) for f, wrap in zip(both(name), (minidl.from_numpy, torch.tensor), strict=True)
    )
    assert (ours.dtype, ours.tolist()) == (theirs.numpy().dtype, theirs.tolist())


def test_what_bools_do_not_have() -> None:
    for name in ("neg", "abs", "relu"):
        x = [True, False]
        both_raise(DTypeError, f"{name}: input must be of numbers, not bools", *calls(name, x))


def calls(name: str, *data: Any, **options: Any) -> tuple[Any, Any]:
    """A call of the function on tensors of ``data`` (lists), in both libraries."""

    def call(library: Any) -> Any:
        args = [library.tensor(d) if isinstance(d, list) else d for d in data]
        return getattr(library, name)(*args, **options)

    return lambda: call(minidl), lambda: call(torch)


@pytest.mark.parametrize("name", UNARY)
def test_what_is_no_tensor(name: str) -> None:
    both_raise(DTypeError, f"{name}: input must be a Tensor, got float", *calls(name, 1.5))


def test_zero_where_the_gradient_ahead_is_infinite() -> None:
    """0 * inf is nan: a masked gradient must be 0 all the same."""
    x = np.array([-1.0, 0.0, 4.0])
    chains: list[tuple[Any, Any]] = [
        (lambda x: x.relu().sqrt(), lambda x: x.relu().sqrt()),
        (lambda x: x.clamp(min=0.0).sqrt(), lambda x: x.clamp(min=0.0).sqrt()),
        (lambda x: minidl.where(x > 0, x, 0.0).log(), lambda x: torch.where(x > 0, x, 0.0).log()),
        (lambda x: minidl.maximum(x, x * 0).sqrt(), lambda x: torch.maximum(x, x * 0).sqrt()),
    ]
    for ours, theirs in chains:
        check_parity(ours, theirs, x, second=False, float32=False)


def test_sigmoid_and_tanh_are_accurate_at_both_ends() -> None:
    """Against mpmath-free definitions in float64 of float32 results: relative error of a few units."""
    x = np.linspace(-80, 80, 3001).astype(np.float32)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(
        minidl.sigmoid(minidl.from_numpy(x)).array, 1 / (1 + np.exp(-exact)), rtol=1e-6
    )
    np.testing.assert_allclose(minidl.tanh(minidl.from_numpy(x)).array, np.tanh(exact), rtol=1e-6)


# --- Two arguments --------------------------------------------------------------------------------------------

BINARY = {
    "add": {}, "sub": {}, "mul": {}, "div": {}, "maximum": {}, "minimum": {}, "remainder": {}, "fmod": {},
}  # fmt: skip
pairs = mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=3).map(
    lambda s: s.input_shapes
)


def away_from_zero(x: np.ndarray) -> np.ndarray:
    return np.asarray(x + np.copysign(0.3, x))


@pytest.mark.parametrize("name", BINARY)
@given(shapes=pairs, first=layouts, second=layouts)
def test_functions_of_two_arguments(name: str, shapes: Any, first: Any, second: Any) -> None:
    a, b = normal(*shapes[0], seed=1), away_from_zero(normal(*shapes[1], seed=2))
    check_parity(*both(name), first(a), second(b))


@pytest.mark.parametrize("name", ["add", "sub"])
@pytest.mark.parametrize("alpha", [2, -0.5, 0])
def test_alpha(name: str, alpha: Any) -> None:
    check_parity(*both(name, alpha=alpha), normal(2, 3), normal(3, seed=1))
    check_parity(*(lambda x, f=f: f(x, 2.5) for f in both(name, alpha=alpha)), normal(2, 3))


def test_alpha_of_integers() -> None:
    ours, theirs = calls("add", [1, 2], [3, 4], alpha=3)
    assert ours().tolist() == theirs().tolist() == [10, 14]
    both_raise(
        ArgumentError, "add: alpha must be an int for integers, got 1.5", *calls("add", [1], [2], alpha=1.5)
    )
    both_raise(DTypeError, "sub: alpha must be a number, got str", *calls("sub", [1.0], [2.0], alpha="a"))


@pytest.mark.parametrize("mode", ["trunc", "floor"])
def test_rounding_mode(mode: str) -> None:
    check_parity(*both("div", rounding_mode=mode), normal(2, 5) * 10, away_from_zero(normal(5, seed=1)))
    values = [7, -7, 7, -7, 0], [2, 2, -2, -2, 3]
    ours, theirs = calls("div", *map(list, values), rounding_mode=mode)
    assert ours().tolist() == theirs().tolist()
    assert ours().dtype == minidl.int64
    message = "div: rounding_mode must be None or 'trunc' or 'floor', got 'up'"
    both_raise(ArgumentError, message, *calls("div", [1.0], [2.0], rounding_mode="up"))


def test_trunc_division_of_large_integers_is_exact() -> None:
    a, b = [2**62 + 1, -(2**62) - 1, 2**53 + 1], [1, 1, 1]
    ours, theirs = calls("div", a, b, rounding_mode="trunc")
    assert ours().tolist() == theirs().tolist() == a


SIGNS = ["+", "-", "*", "/", "%", "**"]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("number", [2.5, 2, 3, -1, 1, 0.5, True])
@pytest.mark.parametrize("side", ["left", "right"])
def test_numbers_on_either_side(sign: str, number: Any, side: str) -> None:
    if sign == "-" and number is True:
        return  # refused: see below

    def calculate(x: Any) -> Any:
        return eval(f"x {sign} n" if side == "right" else f"n {sign} x", {"x": x, "n": number})

    if sign == "**" and side == "left" and (number == -1 or number is True):
        return  # nan: see the powers; for True PyTorch ends in an internal error
    if sign == "%" and side == "left":  # PyTorch has no derivative
        gradcheck(calculate, minidl.tensor([0.37, 0.83], dtype=minidl.float64, requires_grad=True))
        return
    check_parity(calculate, calculate, np.abs(normal(2, 3)) + 0.3)
    check_parity(calculate, calculate, np.asarray(0.7))


@pytest.mark.parametrize("sign", [*SIGNS, "//"])
@pytest.mark.parametrize("number", [2, 3, 7.5])
@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8", "bool"])
def test_numbers_beside_integers(sign: str, number: Any, dtype: str) -> None:
    if (sign, dtype) == ("-", "bool"):
        return  # refused: see the errors
    values = np.array([1, 2, 5]).astype(dtype)
    for text in (f"x {sign} n", f"n {sign} x"):
        ours, theirs = (
            eval(text, {"x": wrap(values), "n": number}) for wrap in (minidl.from_numpy, torch.tensor)
        )
        assert ours.dtype == theirs.numpy().dtype, text
        np.testing.assert_allclose(ours.array, theirs.numpy(), rtol=1e-6, err_msg=text)


def test_extreme_values_of_two_arguments() -> None:
    values = np.array([0.0, -0.0, 1.0, -2.5, np.nan, np.inf, -np.inf, 1e308, 5e-324])
    a, b = (np.array(v) for v in zip(*itertools.product(values, values), strict=True))
    for name in ("add", "sub", "mul", "div", "maximum", "minimum"):
        check_parity(*both(name), a, b, float32=False, second=False)
    normal_numbers = (a != 5e-324) & (b != 5e-324)  # to PyTorch 1 % 5e-324 is nan
    check_parity(*both("fmod"), a[normal_numbers], b[normal_numbers], float32=False, second=False)


def test_remainder_of_extreme_values() -> None:
    """Where b is infinite NumPy follows Python, and PyTorch does not: 5 % -inf is -inf, or nan."""
    values = np.array([0.0, 1.0, -2.5, np.nan, 3.25])
    a, b = (np.array(v) for v in zip(*itertools.product(values, values), strict=True))
    check_parity(*both("remainder"), a, b, float32=False, second=False)


def test_ties_share_the_gradient() -> None:
    a, b = np.array([1.0, 2.0, 3.0, np.nan]), np.array([1.0, 3.0, 3.0, 1.0])
    for name in ("maximum", "minimum"):
        check_parity(*both(name), a, b, float32=False)


def test_a_tensor_with_itself() -> None:
    for function in (lambda x: x * x, lambda x: x / x, lambda x: x - x, lambda x: x**x, lambda x: x + x.t()):
        check_parity(function, function, np.abs(normal(3, 3)) + 0.5)


def test_float32_beside_float64_numbers_of_numpy() -> None:
    """A NumPy number has a dtype, but counts as a Python number beside tensors."""
    x = minidl.ones(2)
    for y in (x * np.float64(2.0), np.float64(2.0) * x, x + np.int64(1), x ** np.float64(2)):
        assert isinstance(y, minidl.Tensor)
    assert (x * np.float64(2.0)).dtype == minidl.float32


ERRORS: list[tuple[str, tuple[Any, ...], type[Exception], str]] = [
    (
        "add",
        ([1.0, 2.0], [1.0, 2.0, 3.0]),
        ShapeError,
        "add: the operands' shapes must be broadcastable, got (2,) and (3,)",
    ),
    (
        "maximum",
        ([1.0, 2.0], [1.0, 2.0, 3.0]),
        ShapeError,
        "maximum: the operands' shapes must be broadcastable",
    ),
    ("pow", ([1.0, 2.0], [1.0, 2.0, 3.0]), ShapeError, "pow: the operands' shapes must be broadcastable"),
    ("add", ([1.0], "a"), DTypeError, "add: every operand must be a Tensor or a number, got str"),
    ("mul", ([1.0], None), DTypeError, "mul: every operand must be a Tensor or a number, got NoneType"),
    ("sub", ([True], [False]), DTypeError, "sub: every operand must be of numbers, not bools"),
    ("sub", ([1.0], True), DTypeError, "sub: every operand must be of numbers, not bools"),
    ("sub", ([True], 1), DTypeError, "sub: every operand must be of numbers, not bools"),
    ("maximum", ([1.0], 2.0), DTypeError, "maximum: other must be a Tensor, got float"),
    ("minimum", (2.0, [1.0]), DTypeError, "minimum: input must be a Tensor, got float"),
    ("floor_divide", ([1], [0]), ArgumentError, "floor_divide: other must be without zeros"),
    ("remainder", ([1], 0), ArgumentError, "remainder: other must be without zeros"),
    ("fmod", ([1], 0), ArgumentError, "fmod: other must be without zeros"),
    ("pow", ([2], -1), ArgumentError, "pow: exponent must be not negative for integers, got -1"),
    ("pow", ([True], [True]), DTypeError, "pow: an operand must be of numbers, not bools"),
    ("where", ([1.0], [1.0], [2.0]), DTypeError, "where: condition must be of bools, got float32"),
    (
        "where",
        ([True, False], [1.0, 2.0, 3.0], 0.0),
        ShapeError,
        "where: the operands' shapes must be broadcastable",
    ),
    ("where", (True, [1.0], [2.0]), DTypeError, "where: condition must be a Tensor, got bool"),
    ("clamp", ([1.0],), ArgumentError, "clamp: min or max must be given, got None"),
    ("clamp", ([1.0, 2.0], [1.0, 2.0, 3.0]), ShapeError, "clamp: the operands' shapes must be broadcastable"),
]


@pytest.mark.parametrize(("name", "args", "kind", "message"), ERRORS)
def test_errors(name: str, args: Any, kind: type[Exception], message: str) -> None:
    both_raise(kind, message, *calls(name, *args))


# --- Powers ---------------------------------------------------------------------------------------------------

BASES = np.array([0.0, -0.0, 1.0, 2.0, 0.5, -1.0, -2.0, np.inf, -np.inf, np.nan])
EXPONENTS = [0.0, 1.0, 2.0, 3.0, -1.0, -2.0, 0.5, -0.5, 1.5, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_powers_of_extreme_bases_to_a_number(exponent: float) -> None:
    bases = (
        BASES if abs(exponent) != 0.5 else np.delete(BASES, [1, 8])
    )  # PyTorch takes sqrt: nan at -inf, -0 at -0
    check_parity(lambda x: x**exponent, lambda x: x**exponent, bases, float32=False, second=False)


@pytest.mark.parametrize("base", [0.0, 1.0, 2.0, 0.5, -1.0, -2.0, np.inf, np.nan])
def test_a_number_to_extreme_powers(base: float) -> None:
    check_parity(lambda x: base**x, lambda x: base**x, np.array(EXPONENTS), float32=False, second=False)


def test_extreme_bases_to_extreme_powers() -> None:
    a, b = (np.array(v) for v in zip(*itertools.product(BASES, EXPONENTS), strict=True))
    check_parity(*both("pow"), a, b, float32=False, second=False)


@given(shapes=pairs)
def test_powers(shapes: Any) -> None:
    check_parity(*both("pow"), np.abs(normal(*shapes[0], seed=1)) + 0.2, normal(*shapes[1], seed=2))


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, -2, 0.5, 2.0, 3.0, -1.5, 0.0])
def test_second_derivatives_of_powers_of_negative_and_zero_bases(exponent: float) -> None:
    if exponent == int(exponent):
        x = np.array([-2.0, -0.5, 1.5, 0.0] if exponent >= 2 or exponent == 0 else [-2.0, -0.5, 1.5])
        check_parity(lambda x: x**exponent, lambda x: x**exponent, x)
    check_parity(lambda x: x**exponent, lambda x: x**exponent, np.array([0.5, 1.5]))


@pytest.mark.parametrize(
    "data", [([2, 3], [4, 0]), ([-2, 3], 3), (2, [1, 5]), ([0, 0], [0, 2]), ([True, False], 3)]
)
def test_powers_of_integers(data: Any) -> None:
    ours, theirs = calls("pow", *data)
    assert ours().tolist() == theirs().tolist()
    assert ours().dtype == theirs().numpy().dtype


def test_integers_to_negative_powers_in_a_tensor() -> None:
    """As PyTorch, minidl refuses a negative number, but rounds 1/a towards 0 for a negative element of a tensor."""
    bases, exponents = [2, -1, -1, 1, 0, -3, 5], [-1, -1, -2, -7, -1, -3, 3]
    got = minidl.tensor(bases) ** minidl.tensor(exponents)
    assert (
        got.tolist() == (torch.tensor(bases) ** torch.tensor(exponents)).tolist() == [0, -1, 1, 1, 0, 0, 125]
    )
    with pytest.raises(ArgumentError, match="pow: exponent must be not negative for integers, got -1"):
        minidl.tensor([1, 2]) ** -1


# --- Clamp and where ------------------------------------------------------------------------------------------

LIMITS: list[dict[str, Any]] = [
    {"min": -0.5}, {"max": 0.5}, {"min": -0.5, "max": 0.5}, {"min": 0.5, "max": -0.5}, {"min": 0, "max": 1},
    {"min": 0.0}, {"min": float("inf")}, {"max": float("nan")}, {"min": float("-inf"), "max": float("inf")},
]  # fmt: skip


@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_clamp_between_numbers(limits: dict[str, Any]) -> None:
    x = np.array([[-1.0, -0.5, 0.0, 0.25], [0.5, 0.75, 1.0, 2.0]])
    check_parity(*both("clamp", **limits), x)
    check_parity(*both("clamp", **limits), np.array([np.nan, np.inf, -np.inf]), float32=False, second=False)


def test_clamp_between_tensors() -> None:
    x, low, high = normal(4, 5), normal(5, seed=1) - 0.3, normal(4, 1, seed=2) + 0.3  # low > high in places
    check_parity(*both("clamp"), x, low, high)
    check_parity(*(lambda x, a, f=f: f(x, min=a) for f in both("clamp")), x, low)
    check_parity(*(lambda x, b, f=f: f(x, max=b) for f in both("clamp")), x, high)
    ties = np.array([0.0, 1.0, 2.0])
    check_parity(*both("clamp"), ties, ties.copy(), ties.copy())
    check_parity(*both("clamp"), ties, np.array([1.0, 1.0, 1.0]), np.array([1.0, 1.0, 1.0]))


@pytest.mark.parametrize(
    "limits", [{"min": 2}, {"max": 4}, {"min": 2, "max": 4}, {"min": 4, "max": 2}, {"min": 2.5}], ids=str
)
def test_clamp_of_integers(limits: dict[str, Any]) -> None:
    ours, theirs = calls("clamp", [1, 2, 3, 4, 5], **limits)
    assert (ours().tolist(), ours().dtype) == (theirs().tolist(), theirs().numpy().dtype)


def test_clamp_of_integers_between_tensors() -> None:
    for library in (minidl, torch):
        x, low = library.tensor([1, 5, 9]), library.tensor([4, 4, 4])
        assert library.clamp(x, low).tolist() == [4, 5, 9]
        assert library.clamp(x, max=low).tolist() == [1, 4, 4]


@given(
    shapes=mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=3).map(
        lambda s: s.input_shapes
    )
)
def test_where(shapes: Any) -> None:
    condition = normal(*shapes[0], seed=3) > 0
    check_parity(*both("where"), condition, normal(*shapes[1], seed=1), normal(*shapes[2], seed=2))


def test_where_with_numbers_nan_and_a_condition_alone() -> None:
    x = np.array([1.0, np.nan, -3.0, np.inf])
    for function in (lambda lib, x: lib.where(x > 0, x, 0.0), lambda lib, x: lib.where(x > 0, 2, x)):
        check_parity(
            *(lambda x, lib=lib, f=function: f(lib, x) for lib in (minidl, torch)),
            x,
            float32=False,
            second=False,
        )
    for data in ([[True, False], [True, True]], [[1.0, 0.0]], [False]):
        ours, theirs = (f() for f in calls("where", data))
        assert [x.tolist() for x in ours] == [x.tolist() for x in theirs]
    for args in (([True, False], 1.0, 2.0), ([True, False], 1, 2), ([True, False], 1, 2.5)):
        ours, theirs = (f() for f in calls("where", *args))
        assert (ours.tolist(), ours.dtype) == (theirs.tolist(), theirs.numpy().dtype)


def test_where_lets_no_nan_through_from_the_other_side() -> None:
    check_parity(
        lambda x: minidl.where(x > 0, x.log(), x * 0.0),
        lambda x: torch.where(x > 0, x.log(), x * 0.0),
        np.array([2.0, 0.5]),
    )
    x = minidl.tensor([1.0, 2.0], requires_grad=True)
    minidl.where(minidl.tensor([True, False]), x, np.nan).backward(minidl.tensor([1.0, np.nan]))
    assert x.grad.tolist() == [1.0, 0.0]


# --- Names ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("subtract", "sub"),
        ("multiply", "mul"),
        ("divide", "div"),
        ("true_divide", "div"),
        ("negative", "neg"),
        ("clip", "clamp"),
    ],
)
def test_aliases(alias: str, name: str) -> None:
    assert getattr(minidl, alias) is getattr(minidl, name)
    assert hasattr(torch, alias)
    assert hasattr(minidl.Tensor, alias)
