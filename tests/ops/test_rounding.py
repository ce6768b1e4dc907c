"""Rounding, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, check_parity, normal, strided, torch

import minidl
from minidl.errors import DTypeError
from minidl.ops import rounding as ops
from minidl.tensor import from_numpy

NAMES = ("floor", "ceil", "trunc", "fix", "round", "frac")
SPECIAL = np.array([0.0, -0.0, 0.5, 1.5, 2.5, -0.5, -1.5, 2.4999, 1e20, np.inf, -np.inf, np.nan])


@pytest.mark.parametrize(
    "x", [3 * normal(3, 4), np.array(1.5), np.zeros((0, 2)), strided(3 * normal(2, 3)), SPECIAL]
)
@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients(name: str, x: np.ndarray) -> None:
    check_parity(getattr(ops, name), getattr(torch, name), x, second=False)


@pytest.mark.parametrize("decimals", [0, 1, 3, -1, -2])
def test_decimals(decimals: int) -> None:
    x = np.concatenate([300 * normal(20), [0.25, 0.35, 15.0, 25.0, 250.0, np.inf, np.nan]])
    check_parity(
        lambda x: ops.round(x, decimals=decimals),
        lambda x: torch.round(x, decimals=decimals),
        x,
        second=False,
    )


@pytest.mark.parametrize("name", NAMES[:-1])
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float32"])
def test_dtypes(name: str, dtype: str) -> None:
    x = np.array([0, 1, 200], dtype)
    got, expected = getattr(ops, name)(from_numpy(x)), getattr(torch, name)(torch.tensor(x)).numpy()
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got.array, expected)
    assert not np.may_share_memory(got.array, x)


def test_methods_and_in_place_forms() -> None:
    for name in NAMES:
        x = np.array([-1.5, 2.75])
        expected = getattr(torch, name)(torch.tensor(x)).numpy()
        np.testing.assert_array_equal(getattr(from_numpy(x), name)().array, expected)
        y = from_numpy(x.copy())
        assert getattr(y, name + "_")() is y
        np.testing.assert_array_equal(y.array, expected)
    np.testing.assert_array_equal(from_numpy(np.array([1.26])).round_(decimals=1).array, [1.3])


ERRORS: list[tuple[str, Any]] = [
    ("floor: input must be of numbers, not bools, got bool", lambda m: m.floor(m.tensor([True]))),
    ("frac: input must be of floats, got int64", lambda m: m.frac(m.tensor([1]))),
    (
        "round: input must be of floats where decimals are given, got int64",
        lambda m: m.round(m.tensor([15]), decimals=-1),
    ),
    ("round: decimals must be an int, got 1.5", lambda m: m.round(m.tensor([1.5]), decimals=1.5)),
    ("ceil: input must be a Tensor, got float", lambda m: m.ceil(1.5)),
]


@pytest.mark.parametrize(("message", "call"), ERRORS)
def test_errors(message: str, call: Any) -> None:
    both_raise(DTypeError, message, lambda: call(minidl), lambda: call(torch))


def test_decimals_only_by_name() -> None:
    with pytest.raises(TypeError):
        ops.round(minidl.ones(2), 1)  # type: ignore[misc]
