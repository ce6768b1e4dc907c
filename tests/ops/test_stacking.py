"""Stacks by rows, columns and depth, grids, and mean with spread, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, check_parity, normal, strided, torch

import minidl
from minidl.errors import ArgumentError, DTypeError, MinidlError, ShapeError
from minidl.ops import stacking as ops
from minidl.ops import statistics
from minidl.tensor import from_numpy

NAMES = ("hstack", "vstack", "row_stack", "dstack", "column_stack")


@pytest.mark.parametrize(
    "shapes",
    [
        [(3,), (3,)],
        [(), ()],
        [(2, 3), (2, 3)],
        [(2, 3, 4), (2, 3, 4)],
        [(0,), (0,)],
        [(2, 3, 4, 1)],
        [(1, 2), (1, 2), (1, 2)],
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_stacks(name: str, shapes: list[tuple[int, ...]]) -> None:
    xs = [normal(*shape, seed=i) for i, shape in enumerate(shapes)]
    ours, theirs = getattr(ops, name), getattr(torch, name)
    check_parity(lambda *xs: ours(xs), lambda *xs: theirs(xs), *xs)
    check_parity(lambda *xs: ours(list(xs)), lambda *xs: theirs(xs), *map(strided, xs))


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("hstack", [(), (3,)]),
        ("hstack", [(2, 1), (2, 3)]),
        ("vstack", [(3,), (2, 3)]),
        ("column_stack", [(2,), (2, 3)]),
        ("dstack", [(3,), (1, 3)]),
        ("dstack", [(2, 3), (2, 3, 2)]),
    ],
)
def test_stacks_of_different_shapes(name: str, shapes: list[tuple[int, ...]]) -> None:
    xs = [normal(*shape, seed=i) for i, shape in enumerate(shapes)]
    check_parity(lambda *xs: getattr(ops, name)(xs), lambda *xs: getattr(torch, name)(xs), *xs)


def test_stacks_promote() -> None:
    got = ops.column_stack([minidl.tensor([1, 2]), minidl.tensor([0.5, 1.5])])
    expected = torch.column_stack([torch.tensor([1, 2]), torch.tensor([0.5, 1.5])]).numpy()
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got.array, expected)


@pytest.mark.parametrize("indexing", ["ij", "xy"])
@pytest.mark.parametrize("shapes", [[(2,), (3,)], [(2,), (3,), (4,)], [(2,)], [(), (3,)], [(0,), (2,)]])
def test_meshgrid(shapes: list[tuple[int, ...]], indexing: str) -> None:
    xs = [normal(*shape, seed=i) for i, shape in enumerate(shapes)]
    for k in range(len(xs)):
        check_parity(
            lambda *xs: ops.meshgrid(*xs, indexing=indexing)[k],  # noqa: B023
            lambda *xs: torch.meshgrid(*xs, indexing=indexing)[k],  # noqa: B023
            *xs,
            second=False,
        )
    assert ops.meshgrid([from_numpy(x) for x in xs], indexing=indexing)[0].ndim == len(xs)


@pytest.mark.parametrize("args", [(), (1,), ((0, -1),), (False,), (0, False), (None, True, True)])
@pytest.mark.parametrize("name", ["var_mean", "std_mean"])
def test_spread_with_mean(name: str, args: tuple[Any, ...]) -> None:
    ours, theirs = getattr(statistics, name), getattr(torch, name)
    for k in (0, 1):
        check_parity(lambda x: ours(x, *args)[k], lambda x: theirs(x, *args)[k], normal(3, 4))  # noqa: B023
        check_parity(
            lambda x: ours(x, 0, correction=2, keepdim=True)[k],  # noqa: B023
            lambda x: theirs(x, 0, correction=2, keepdim=True)[k],  # noqa: B023
            strided(normal(3, 4)),
        )


ERRORS: list[tuple[type[MinidlError], str, Any]] = [
    (ArgumentError, "hstack: tensors must be at least one tensor, got none", lambda m: m.hstack([])),
    (
        DTypeError,
        "vstack: tensors must be a list or tuple of tensors, got Tensor",
        lambda m: m.vstack(m.tensor(1.0)),
    ),
    (DTypeError, "dstack: tensors must be Tensors, got float", lambda m: m.dstack([1.0])),
    (
        ShapeError,
        "cat: every tensor must be of shape (2, 1) but for dimension 1",
        lambda m: m.column_stack([m.ones(2), m.ones(3)]),
    ),
    (ArgumentError, "meshgrid: tensors must be at least one tensor", lambda m: m.meshgrid()),
    (
        ShapeError,
        "meshgrid: every tensor must be a vector or a number, got shape (1, 1)",
        lambda m: m.meshgrid(m.ones(1, 1), indexing="ij"),
    ),
    (
        DTypeError,
        "meshgrid: every tensor must be of the first one's dtype float32, got int64",
        lambda m: m.meshgrid(m.ones(1), m.tensor([1]), indexing="ij"),
    ),
    (
        ArgumentError,
        "meshgrid: indexing must be 'ij' or 'xy', got 'yx'",
        lambda m: m.meshgrid(m.ones(1), m.ones(1), indexing="yx"),
    ),
    (DTypeError, "var: input must be of floats", lambda m: m.var_mean(m.tensor([1]))),
    (DTypeError, "std: input must be of floats", lambda m: m.std_mean(m.tensor([1]))),
]


@pytest.mark.parametrize(("kind", "message", "call"), ERRORS)
def test_errors(kind: type[MinidlError], message: str, call: Any) -> None:
    both_raise(kind, message, lambda: call(minidl), lambda: call(torch))
