"""Operations element by element against PyTorch, over dtypes, shapes, memory layouts and extreme values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from both import EXTREME, check, normal, sample

inf, nan = math.inf, math.nan
DTYPES = ["float64", "float32", "float16", "int64", "int32", "uint8", "bool"]


def nonzero(a: np.ndarray) -> np.ndarray:
    return np.where(a == 0, np.ones_like(a), a)


UNARY = ["abs", "exp", "log", "sqrt", "tanh", "sigmoid", "relu", "neg", "square", "sign", "logical_not", "isnan",
         "isinf", "isfinite", "negative", "clone"]  # fmt: skip
UNDEFINED = {("abs", "bool"), ("neg", "bool"), ("negative", "bool"), ("relu", "bool")}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str, dtype: str) -> None:
    if (name, dtype) in UNDEFINED:
        return
    for shape in ((), (0,), (1,), (3, 4), (2, 0, 3), (2, 1, 3, 1, 2)):
        x = sample(dtype, *shape)
        check(f"T.{name}(x), x.{name}()", x=np.abs(x) if name in ("log", "sqrt") else x)


@pytest.mark.parametrize("name", UNARY)
def test_unary_of_extreme_values_and_layouts(name: str) -> None:
    for dtype in ("float64", "float32"):
        with np.errstate(over="ignore"):
            check(f"T.{name}(x)", x=EXTREME.astype(dtype), second=False)
    x = np.abs(normal(4, 6)) if name in ("log", "sqrt") else normal(4, 6)
    check(f"T.{name}(x.T), T.{name}(x[::2, 1::2]), T.{name}(x.flip(0)), T.{name}(input=x)", x=x)


BINARY = ["add", "sub", "mul", "div", "pow", "floor_divide", "remainder", "fmod", "maximum", "minimum", "eq", "ne",
          "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"]  # fmt: skip
NO_GRADIENT = {"floor_divide"}  # in PyTorch
OF_NUMBERS = {"sub", "floor_divide", "remainder", "fmod", "pow"}  # not of bools alone


@pytest.mark.parametrize(("a", "b"), list(itertools.product(DTYPES, DTYPES)))
def test_binary_dtypes(a: str, b: str) -> None:
    for name, shape in itertools.product(BINARY, ((4,), ())):
        if (name in OF_NUMBERS and a == b == "bool") or (name == "sub" and "bool" in (a, b)):
            continue
        x, y = sample(a, 3, 4), nonzero(sample(b, *shape, seed=3))
        if name == "pow":
            x, y = np.abs(x) if a != "bool" else x, np.abs(y) if b != "bool" else y
            if "bool" in (a, b):  # PyTorch cannot go backward there
                continue
        half = "float16" in (a, b) or name in NO_GRADIENT
        calls = f"T.{name}(x.detach(), y.detach())" if half else f"T.{name}(x, y)"
        check(calls, x=x, y=y, tol=1e-5 if "float32" in (a, b) else 1e-9, second=a == b)


@pytest.mark.parametrize("sign", ["+", "-", "*", "/", "**", "%", "==", "!=", "<", "<=", ">", ">="])
def test_operators(sign: str) -> None:
    for s, t in [((3, 1), (1, 4)), ((0, 3), (1, 3)), ((), (2,)), ((2, 1, 3), (4, 1)), ((), ()), ((0,), (1,))]:
        x = np.abs(normal(*s)) + 0.1
        check(f"x {sign} y", x=x, y=normal(*t, seed=1))
    for dtype, number in itertools.product(DTYPES, (2, 2.5, True, 3)):
        if (dtype == "bool" and number is True) or (sign == "-" and (dtype == "bool" or number is True)):
            continue
        x = nonzero(sample(dtype, 3, 4))
        x = np.abs(x) if sign == "**" and dtype != "bool" else x
        check(f"x.detach() {sign} {number}", x=x)
        if (sign, number) != ("**", True):
            check(f"{number} {sign} x.detach()", x=x)
    if sign != "%":  # PyTorch's remainder is inexact for large quotients
        x, y = np.repeat(EXTREME, EXTREME.size), np.tile(EXTREME, EXTREME.size)
        check(f"x {sign} y", x=x, y=y, second=False)


ARITHMETIC = """
T.add(x, y, alpha=2)
T.sub(x, 2, alpha=0.5)
x.clone().add_(y, alpha=-1)
T.add(x.long(), 2, alpha=3)
T.div(x, y, rounding_mode='floor')
T.div(x, y, rounding_mode='trunc')
T.div(x.long(), 2, rounding_mode='trunc')
x.long() / 0
x.long().clone().copy_(x)
x / 0
x ** -1
x.long() ** 2
0 ** x.abs().detach()
T.pow(2.5, x.long())
x ** y[0, 0]
x.pow(exponent=2)
1 - x
2 / x
+x
~(x > 0)
x.bool() + 1
x.bool() * 2.5
x.half() + y.float()
x.long() + T.tensor(2.5)
x.to(T.uint8) + (-1)
x.to(T.int8) * 200
300 - x.to(T.uint8)
x == None
x != 'a'
x == [1, 2]
x.square(), T.square(x > 0)
T.maximum(x, y), T.minimum(x[0], y)
T.maximum(x, x), T.minimum(x[0, 0], y[0, 0])
T.clamp(x, -0.5, 0.5)
x.clamp(min=y)
x.clamp(y, y + 1)
x.clip(max=0.1)
x.clamp(0.5, -0.5)
x.long().clamp(0, 1)
x.long().clamp(min=0.5)
(x > 0).clamp(max=0)
x.clamp(min=y[0], max=y[1])
T.where(x > 0, x, y)
T.where(x > 0, x, 0)
T.where(x > 0, 1, 0)
T.where(x > 0)
T.where(x[0, 0] > -9)
x.where(x > 0, y)
T.where(x[0] > 0, x.long(), 2.5)
T.where(x > 0, x.log(), 0.0)
x.isclose(y), x.allclose(x + 1e-9)
T.isclose(x, y, rtol=10, atol=1, equal_nan=True)
T.equal(x, y[0])
"""


@pytest.mark.parametrize("expression", ARITHMETIC.strip().splitlines())
def test_forms_of_arithmetic(expression: str) -> None:
    check(expression, x=normal(2, 3), y=normal(2, 3, seed=4), second="**" not in expression)


def test_gradients_at_nan_and_at_ties() -> None:
    x, y = np.array([1.0, 2.0, nan, inf, 0.0]), np.array([1.0, 3.0, 1.0, inf, -0.0])
    check(
        "T.maximum(x, y), T.minimum(x, y), x.relu(), x.abs(), x.sign(), x.clamp(y, y + 1)",
        x=x,
        y=y,
        second=False,
    )


@pytest.mark.parametrize(
    "name",
    ["add_", "sub_", "mul_", "div_", "pow_", "remainder_", "fmod_", "subtract_", "multiply_", "divide_",
     "true_divide_", "eq_", "ne_", "lt_", "le_", "gt_", "ge_"],
)  # fmt: skip
def test_in_place_with_a_number(name: str) -> None:
    check(f"y = x.clone(); y.{name}(2); y" if name[:2] not in ("eq", "ne", "lt", "le", "gt", "ge") else
          f"y = x.detach().clone(); y.{name}(2); y", x=normal(3, 4))  # fmt: skip


@pytest.mark.parametrize(
    "call",
    ["abs_()", "neg_()", "negative_()", "exp_()", "square_()", "tanh_()", "sigmoid_()", "relu_()", "sign_()",
     "clip_(0, 1)", "clamp_(min=0.1)", "fill_(3)", "fill_(T.tensor(2))", "zero_()", "copy_(x[0])", "copy_(2)",
     "masked_fill_(x > 0, 1.5)"],
)  # fmt: skip
def test_in_place(call: str) -> None:
    check(f"y = x.clone(); y.{call}; y", x=normal(3, 4), second=False)
    check(f"y = x.clone(); y.{call}; y", x=normal(2, 0, 3), second=False) if call != "copy_(x[0])" else None


@pytest.mark.parametrize(
    "call",
    ["bitwise_and_(6)", "bitwise_or_(1)", "bitwise_xor_(3)", "bitwise_not_()",
     "logical_and_(x > 0)", "logical_or_(x > 1)", "logical_xor_(x > 1)", "logical_not_()"],
)  # fmt: skip
def test_logic_in_place(call: str) -> None:
    check(f"y = x.clone(); y.{call}; y", x=sample("int64", 3, 4))
    check("x & y, x | y, x ^ y, ~x, x.bitwise_and(1)", x=sample("int64", 3), y=sample("uint8", 3))
