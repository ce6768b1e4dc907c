"""More exponentials, logarithms and roots, and the error function, against PyTorch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import both_raise, check_parity, normal, strided, torch

import minidl
from minidl.autograd import grad
from minidl.errors import DTypeError, ShapeError
from minidl.ops import special as ops
from minidl.tensor import Tensor, from_numpy

NAMES = ("exp2", "expm1", "log2", "log10", "log1p", "reciprocal", "rsqrt", "erf")
SPECIAL = np.array(
    [0.0, -0.0, 1e-300, 1e-8, 1.0, -1.0, 0.46875, 0.47, 5.9, 6.1, -30.0, 800.0, np.inf, -np.inf, np.nan]
)


@pytest.mark.parametrize("shape", [(3, 4), (), (0, 2)])
@pytest.mark.parametrize("name", NAMES)
def test_values_and_derivatives(name: str, shape: tuple[int, ...]) -> None:
    x = 0.1 + np.abs(normal(*shape))
    check_parity(getattr(ops, name), getattr(torch, name), x)
    check_parity(getattr(ops, name), getattr(torch, name), strided(x))


@pytest.mark.parametrize("name", NAMES)
def test_special_values(name: str) -> None:
    check_parity(getattr(ops, name), getattr(torch, name), SPECIAL, second=False, float32=False)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "float16", "float32"])
def test_dtypes(name: str, dtype: str) -> None:
    x = np.array([1, 1, 0], dtype)
    got, expected = getattr(ops, name)(from_numpy(x)).array, getattr(torch, name)(torch.tensor(x)).numpy()
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=2e-3 if dtype == "float16" else 1e-6)


@pytest.mark.parametrize("shapes", [((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2,)), ((0,), (1,))])
def test_logaddexp(shapes: tuple[tuple[int, ...], ...]) -> None:
    check_parity(ops.logaddexp, torch.logaddexp, *[normal(*s, seed=i) for i, s in enumerate(shapes)])


def test_logaddexp_of_far_apart_and_infinite_numbers() -> None:
    a, b = np.meshgrid(*[np.array([0.0, 1e4, -1e4, np.inf, -np.inf, np.nan])] * 2)
    check_parity(ops.logaddexp, torch.logaddexp, a, b, second=False)


@given(st.floats(-8.0, 8.0))
def test_erf_to_the_last_digits(x: float) -> None:
    assert ops.erf(Tensor(np.array(x))).item() == pytest.approx(math.erf(x), rel=1e-15, abs=0.0)


def test_erf_is_odd_and_exact_in_float32() -> None:
    x = np.linspace(-5, 5, 1001, dtype=np.float32)
    y = ops.erf(from_numpy(x)).array
    np.testing.assert_array_equal(y, -y[::-1])
    np.testing.assert_array_equal(y, np.array([math.erf(float(v)) for v in x]).astype(np.float32))


def test_exactness_near_zero() -> None:
    x = Tensor(np.array([1e-12, -1e-12]))
    np.testing.assert_allclose(ops.expm1(x).array, x.array, rtol=1e-11)
    np.testing.assert_allclose(ops.log1p(x).array, x.array, rtol=1e-11)


def test_numpys_functions_are_differentiable() -> None:
    for name in ("exp2", "expm1", "log2", "log10", "log1p", "reciprocal"):
        x = Tensor(np.array([0.3, 2.0]), requires_grad=True)
        (got,), (expected,) = (grad(getattr(m, name)(x).sum(), [x]) for m in (np, minidl))
        np.testing.assert_array_equal(got.array, expected.array)


def test_methods_and_in_place_forms() -> None:
    for name in NAMES:
        x = np.array([0.25, 0.5])
        expected = getattr(torch, name)(torch.tensor(x)).numpy()
        np.testing.assert_allclose(getattr(from_numpy(x), name)().array, expected, rtol=1e-12)
        y = from_numpy(x.copy())
        assert getattr(y, name + "_")() is y
        np.testing.assert_allclose(y.array, expected, rtol=1e-12)
    a, b = minidl.tensor([0.0]), minidl.tensor([1.0])
    assert a.logaddexp(b).item() == pytest.approx(math.log(1 + math.e))


def integers(m: Any) -> Any:
    return m.tensor([1, 2])


def test_errors() -> None:
    both_raise(
        DTypeError,
        "logaddexp: input or other must be of floats, got int64",
        lambda: ops.logaddexp(integers(minidl), integers(minidl)),
        lambda: torch.logaddexp(integers(torch), integers(torch)),
    )
    both_raise(
        ShapeError,
        "logaddexp: the operands' shapes must be broadcastable, got (2,) and (3,)",
        lambda: ops.logaddexp(minidl.ones(2), minidl.ones(3)),
        lambda: torch.logaddexp(torch.ones(2), torch.ones(3)),
    )
    both_raise(DTypeError, "erf: input must be a Tensor, got int", lambda: ops.erf(1), lambda: torch.erf(1))  # type: ignore[arg-type]
