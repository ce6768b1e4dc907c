"""Circular and hyperbolic functions, against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from parity import both_raise, check_parity, normal, strided, torch

import minidl
from minidl.autograd import grad
from minidl.errors import DTypeError, ShapeError
from minidl.ops import trigonometric as ops
from minidl.tensor import Tensor, from_numpy

DOMAINS = {  # of the arguments: what normal numbers are mapped by
    "sin": np.array, "cos": np.array, "tan": np.array, "atan": np.array,
    "sinh": np.array, "cosh": np.array, "asinh": np.array,
    "asin": np.tanh, "acos": np.tanh, "atanh": np.tanh,
    "acosh": lambda x: 1.5 + np.abs(x),
}  # fmt: skip
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -3.0, 1e4, -1e4, np.inf, -np.inf, np.nan])


@pytest.mark.parametrize("shape", [(3, 4), (), (0, 2)])
@pytest.mark.parametrize("name", DOMAINS)
def test_values_and_derivatives(name: str, shape: tuple[int, ...]) -> None:
    x = np.asarray(DOMAINS[name](normal(*shape)))
    check_parity(getattr(ops, name), getattr(torch, name), x)
    check_parity(getattr(ops, name), getattr(torch, name), strided(x))


@pytest.mark.parametrize("name", DOMAINS)
def test_special_values(name: str) -> None:
    if name == "cosh":  # its gradient at 1e4 is inf times the cotangent's sign in both
        check_parity(ops.cosh, torch.cosh, SPECIAL, second=False, float32=False)
    check_parity(getattr(ops, name), getattr(torch, name), SPECIAL, second=False, float32=False)


@pytest.mark.parametrize("shapes", [((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2,)), ((0,), (1,))])
def test_atan2(shapes: tuple[tuple[int, ...], ...]) -> None:
    check_parity(ops.atan2, torch.atan2, *[normal(*shape, seed=i) for i, shape in enumerate(shapes)])


def test_atan2_in_all_directions_and_at_the_origin() -> None:
    ordinates, abscissas = np.meshgrid(*[np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan])] * 2)
    check_parity(ops.atan2, torch.atan2, ordinates, abscissas, second=False)


@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "float16", "float32"])
def test_dtypes(name: str, dtype: str) -> None:
    x = np.array([0, 1, 1], dtype)
    got, expected = getattr(ops, name)(from_numpy(x)).array, getattr(torch, name)(torch.tensor(x)).numpy()
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=2e-3 if dtype == "float16" else 1e-6)


@pytest.mark.parametrize(("a", "b"), [("int64", "int64"), ("int64", "float64"), ("bool", "float32")])
def test_atan2_promotes(a: str, b: str) -> None:
    x, y = np.array([0, 1, 1], a), np.array([1, 0, 1], b)
    got = ops.atan2(from_numpy(x), from_numpy(y)).array
    expected = torch.atan2(torch.tensor(x), torch.tensor(y)).numpy()
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_numpys_functions_are_differentiable() -> None:
    for numpy_name, name in (("sin", "sin"), ("arccos", "acos"), ("arctan2", "atan2"), ("arcsinh", "asinh")):
        xs = [Tensor(np.array([0.3, -0.5]), requires_grad=True) for _ in range(2 if name == "atan2" else 1)]
        got = grad(getattr(np, numpy_name)(*xs).sum(), xs)
        expected = grad(getattr(minidl, name)(*xs).sum(), xs)
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_array_equal(a.array, b.array)


def test_methods_and_in_place_forms() -> None:
    for name in (*DOMAINS, "arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh"):
        x = np.array([0.25, 0.5]) + (("cosh" in name and "arc" in name) or name == "acosh")
        expected = getattr(torch, name)(torch.tensor(x)).numpy()
        np.testing.assert_allclose(getattr(from_numpy(x), name)().array, expected, rtol=1e-12)
        y = from_numpy(x.copy())
        assert getattr(y, name + "_")() is y
        np.testing.assert_allclose(y.array, expected, rtol=1e-12)


def test_errors() -> None:
    both_raise(
        ShapeError,
        "atan2: the operands' shapes must be broadcastable, got (2,) and (3,)",
        lambda: ops.atan2(minidl.ones(2), minidl.ones(3)),
        lambda: torch.atan2(torch.ones(2), torch.ones(3)),
    )
    both_raise(
        DTypeError,
        "atan2: other must be a Tensor, got float",
        lambda: ops.atan2(minidl.ones(2), 1.0),  # type: ignore[arg-type]
        lambda: torch.atan2(torch.ones(2), 1.0),
    )
    both_raise(
        DTypeError,
        "sin: input must be a Tensor, got float",
        lambda: ops.sin(1.0),
        lambda: torch.sin(1.0),  # type: ignore[arg-type]
    )
