"""Triangles, diagonals, products that are added, and the cross product, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, check_parity, normal, strided, torch

import minidl
from minidl.errors import DimensionError, DTypeError, MinidlError, ShapeError
from minidl.ops import matrices as ops
from minidl.tensor import Tensor, from_numpy


@pytest.mark.parametrize("diagonal", [0, 1, -1, 9, -9])
@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2), (2, 3, 4), (0, 3), (2, 0)])
@pytest.mark.parametrize("name", ["tril", "triu"])
def test_triangles(name: str, shape: tuple[int, ...], diagonal: int) -> None:
    ours, theirs = getattr(ops, name), getattr(torch, name)
    for x in (normal(*shape), strided(normal(*shape))):
        check_parity(lambda x: ours(x, diagonal), lambda x: theirs(x, diagonal), x)


@pytest.mark.parametrize("args", [(), (1,), (-1,), (3,), (9,), (0, 1, 0), (1, -1, -2), (0, 0, 2)])
@pytest.mark.parametrize("shape", [(3, 4, 2), (2, 2, 3), (0, 2, 2)])
def test_diagonal(shape: tuple[int, ...], args: tuple[int, ...]) -> None:
    for x in (normal(*shape), strided(normal(*shape))):
        check_parity(lambda x: ops.diagonal(x, *args), lambda x: torch.diagonal(x, *args), x)


def test_diagonal_is_a_view() -> None:
    x = minidl.zeros(3, 3)
    x.diagonal()[1] = 5.0
    x.diagonal(1).add_(1.0)
    assert x.tolist() == [[0.0, 1.0, 0.0], [0.0, 5.0, 1.0], [0.0, 0.0, 0.0]]
    leaf = minidl.ones(2, 2, requires_grad=True)
    y = leaf * 3.0
    y.diagonal().mul_(2.0)
    y.sum().backward()
    assert leaf.grad.tolist() == [[6.0, 3.0], [3.0, 6.0]]


@pytest.mark.parametrize("diagonal", [0, 1, -2])
@pytest.mark.parametrize("shape", [(3,), (0,), (1,), (3, 4), (4, 3), (0, 3)])
def test_diag(shape: tuple[int, ...], diagonal: int) -> None:
    check_parity(lambda x: ops.diag(x, diagonal), lambda x: torch.diag(x, diagonal), normal(*shape))


def test_diag_copies() -> None:
    x = np.ones((2, 2))
    assert not np.may_share_memory(ops.diag(from_numpy(x)).array, x)


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (0, 2)])
def test_trace(shape: tuple[int, ...]) -> None:
    check_parity(ops.trace, torch.trace, normal(*shape))


@pytest.mark.parametrize("dtype", ["bool", "int32", "uint8", "float16"])
def test_dtypes(dtype: str) -> None:
    x = np.array([[1, 0], [1, 1]], dtype)
    for name in ("tril", "triu", "diag", "diagonal", *(() if dtype == "bool" else ("trace",))):
        got, expected = getattr(ops, name)(from_numpy(x)).array, getattr(torch, name)(torch.tensor(x)).numpy()
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)


# --- Products ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "factors", [{}, {"beta": 0.5}, {"alpha": 2}, {"beta": 0, "alpha": -1.5}, {"alpha": 0}]
)
@pytest.mark.parametrize("shape", [(2, 4), (4,), (2, 1), (), (1, 4)])
def test_addmm(shape: tuple[int, ...], factors: dict[str, float]) -> None:
    xs = normal(*shape), normal(2, 3, seed=1), strided(normal(3, 4, seed=2))
    second = factors.get("beta") != 0  # input has no gradient then, and in PyTorch one that is zero
    check_parity(
        lambda *xs: ops.addmm(*xs, **factors), lambda *xs: torch.addmm(*xs, **factors), *xs, second=second
    )


@pytest.mark.parametrize("factors", [{}, {"beta": 0.5}, {"alpha": 2}, {"beta": 0, "alpha": -1.5}])
@pytest.mark.parametrize("shape", [(5, 2, 4), (2, 4), (5, 1, 1)])
def test_baddbmm(shape: tuple[int, ...], factors: dict[str, float]) -> None:
    xs = normal(*shape), normal(5, 2, 3, seed=1), normal(5, 3, 4, seed=2)
    second = factors.get("beta") != 0
    check_parity(
        lambda *xs: ops.baddbmm(*xs, **factors), lambda *xs: torch.baddbmm(*xs, **factors), *xs, second=second
    )


def test_beta_0_hides_nan_and_nothing_is_multiplied() -> None:
    nan = minidl.full((2, 2), float("nan"))
    assert ops.addmm(nan, minidl.ones(2, 2), minidl.ones(2, 2), beta=0).tolist() == [[2.0, 2.0]] * 2
    check_parity(ops.addmm, torch.addmm, normal(2, 4), np.zeros((2, 0)), np.zeros((0, 4)))


CROSSES = [
    ((3,), (3,), None),
    ((2, 3), (2, 3), 1),
    ((3, 4), (3, 4), None),
    ((2, 3), (1, 3), -1),
    ((3, 3), (3, 3), None),
]


@pytest.mark.parametrize(("a", "b", "dim"), CROSSES)
def test_cross(a: tuple[int, ...], b: tuple[int, ...], dim: int | None) -> None:
    xs = normal(*a), strided(normal(*b, seed=1))
    its_dim = dim if dim is not None else a.index(3)  # PyTorch warns where it is left out
    check_parity(lambda *xs: ops.cross(*xs, dim), lambda *xs: torch.cross(*xs, its_dim), *xs)


def test_linalg_cross() -> None:
    xs = normal(3, 3), normal(3, 3, seed=1)
    check_parity(minidl.linalg.cross, torch.linalg.cross, *xs)
    check_parity(lambda *xs: minidl.linalg.cross(*xs, dim=0), lambda *xs: torch.linalg.cross(*xs, dim=0), *xs)


def test_methods_and_in_place_forms() -> None:
    x = Tensor(normal(3, 3))
    t = torch.tensor(normal(3, 3))
    for name in ("tril", "triu", "diag", "diagonal", "trace"):
        np.testing.assert_allclose(getattr(x, name)().array, getattr(t, name)().numpy())
    np.testing.assert_allclose(x.addmm(x, x).array, t.addmm(t, t).numpy())
    np.testing.assert_allclose(x.cross(x.T, 0).array, t.cross(t.T, 0).numpy(), atol=1e-12)
    for name in ("tril_", "triu_"):
        assert getattr(x, name)() is x
        np.testing.assert_array_equal(x.array, getattr(t, name)().numpy())
    assert x.addmm_(x.T, x.T, beta=2) is x
    np.testing.assert_allclose(x.array, t.addmm_(t.T.clone(), t.T.clone(), beta=2).numpy())


ERRORS: list[tuple[type[MinidlError], str, Any]] = [
    (ShapeError, "tril: input must be of at least 2 dimensions, got shape (2,)", lambda m: m.tril(m.ones(2))),
    (
        ShapeError,
        "triu: input must be of at least 2 dimensions, got shape ()",
        lambda m: m.triu(m.tensor(1.0)),
    ),
    (DTypeError, "tril: diagonal must be an int, got 0.5", lambda m: m.tril(m.ones(2, 2), 0.5)),
    (DimensionError, "diagonal: dim1 must be in [-1, 0]", lambda m: m.diagonal(m.ones(2), 0, 1, 0)),
    (
        DimensionError,
        "diagonal: dim2 must be another dimension than dim1 = 1, got -1",
        lambda m: m.diagonal(m.ones(2, 2), 0, 1, -1),
    ),
    (
        ShapeError,
        "diag: input must be a vector or a matrix, got shape (1, 1, 1)",
        lambda m: m.diag(m.ones(1, 1, 1)),
    ),
    (ShapeError, "diag: input must be a vector or a matrix, got shape ()", lambda m: m.diag(m.tensor(1.0))),
    (ShapeError, "trace: input must be a matrix, got shape (2,)", lambda m: m.trace(m.ones(2))),
    (DTypeError, "trace: input must be of numbers, not bools", lambda m: m.trace(m.tensor([[True]]))),
    (
        ShapeError,
        "mm: mat2 must be of shape (..., 3, P)",
        lambda m: m.addmm(m.ones(2), m.ones(2, 3), m.ones(2, 3)),
    ),
    (
        ShapeError,
        "addmm: input must be broadcastable to (2, 2), got (2, 2, 2)",
        lambda m: m.addmm(m.ones(2, 2, 2), m.ones(2, 2), m.ones(2, 2)),
    ),
    (
        ShapeError,
        "addmm: the operands' shapes must be broadcastable",
        lambda m: m.addmm(m.ones(3), m.ones(2, 2), m.ones(2, 2)),
    ),
    (ShapeError, "mm: mat2 must be of 2 dimensions", lambda m: m.addmm(m.ones(2), m.ones(2, 2), m.ones(2))),
    (
        DTypeError,
        "addmm: mat2 must be of input's dtype float32",
        lambda m: m.addmm(m.ones(2), m.ones(2, 2), m.ones(2, 2, dtype=m.float64)),
    ),
    (
        ShapeError,
        "bmm: mat2 must be a stack of 2 matrices",
        lambda m: m.baddbmm(m.ones(1), m.ones(2, 2, 2), m.ones(3, 2, 2)),
    ),
    (
        ShapeError,
        "cross: input and other must be of size 3 in dimension 0",
        lambda m: m.cross(m.ones(2), m.ones(2), 0),
    ),
    (
        ShapeError,
        "cross: other must be of input's 1 dimensions, got shape (1, 3)",
        lambda m: m.cross(m.ones(3), m.ones(1, 3), 0),
    ),
    (
        ShapeError,
        "cross: input must be of size 3 in some dimension, got shape (2,)",
        lambda m: m.cross(m.ones(2), m.ones(2)),
    ),
]


@pytest.mark.parametrize(("kind", "message", "call"), ERRORS)
def test_errors(kind: type[MinidlError], message: str, call: Any) -> None:
    both_raise(kind, message, lambda: call(minidl), lambda: call(torch))
