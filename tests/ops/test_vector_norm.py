"""Norms of vectors and matrices, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, check_parity, normal, strided, torch

import minidl
from minidl.errors import ArgumentError, DimensionError, DTypeError, MinidlError, ShapeError
from minidl.ops import vector_norm as ops
from minidl.ops.decomposition import _svd
from minidl.tensor import Tensor, from_numpy
from minidl.testing import gradcheck, gradgradcheck

ORDERS = (2, 1, 0, 3, 0.5, 1.5, 2.5, -1, -2, np.inf, -np.inf)
MATRIX_ORDERS = ("fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf)


@pytest.mark.parametrize("ord", ORDERS)
@pytest.mark.parametrize("dim", [None, 0, -1, (0, 1)])
@pytest.mark.parametrize("keepdim", [False, True])
def test_vector_norm(ord: float, dim: Any, keepdim: bool) -> None:
    for x in (normal(3, 4), strided(normal(3, 4))):
        check_parity(
            lambda x: ops.vector_norm(x, ord, dim, keepdim),
            lambda x: torch.linalg.vector_norm(x, ord, dim, keepdim),
            x,
        )


@pytest.mark.parametrize("ord", ORDERS)
def test_vector_norm_of_zeros_ties_and_what_is_not_finite(ord: float) -> None:
    x = np.array(
        [[0.0, 0.0, 0.0], [0.0, 3.0, -3.0], [1.0, -1.0, 1.0], [np.inf, 1.0, 2.0], [np.nan, 1.0, 2.0]]
    )
    check_parity(
        lambda x: ops.vector_norm(x, ord, 1), lambda x: torch.linalg.vector_norm(x, ord, 1), x, second=False
    )


@pytest.mark.parametrize("ord", [2, 1, 0, 3])
def test_vector_norm_of_a_number_and_of_nothing(ord: float) -> None:
    for x in (np.array(-2.0), np.zeros(0), np.zeros((2, 0))):
        check_parity(lambda x: ops.vector_norm(x, ord), lambda x: torch.linalg.vector_norm(x, ord), x)
    check_parity(
        lambda x: ops.vector_norm(x, ord, 0), lambda x: torch.linalg.vector_norm(x, ord, 0), np.zeros((0, 2))
    )


@pytest.mark.parametrize("ord", MATRIX_ORDERS)
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize(
    ("shape", "dim"), [((3, 4), (-2, -1)), ((2, 4, 3), (1, 2)), ((3, 2, 4), (2, 0)), ((3, 3), (0, 1))]
)
def test_matrix_norm(shape: tuple[int, ...], dim: Any, keepdim: bool, ord: Any) -> None:
    for x in (normal(*shape), strided(normal(*shape))):
        check_parity(
            lambda x: ops.matrix_norm(x, ord, dim, keepdim),
            lambda x: torch.linalg.matrix_norm(x, ord, dim, keepdim),
            x,
            tol=1e-8,
        )


@pytest.mark.parametrize("ord", ["fro", "nuc", 2, 1, np.inf])
@pytest.mark.parametrize("shape", [(0, 2), (2, 0), (0, 3, 2)])
def test_matrix_norm_of_nothing(shape: tuple[int, ...], ord: Any) -> None:
    x = normal(*shape)
    got, expected = ops.matrix_norm(from_numpy(x), ord), torch.linalg.matrix_norm(torch.tensor(x), ord)
    np.testing.assert_array_equal(got.array, expected.numpy(), strict=True)


CALLS: list[tuple[tuple[int, ...], tuple[Any, ...]]] = [
    ((3, 4), ()),
    ((3, 4), (None, 1)),
    ((3, 4), (None, (0, 1), True)),
    ((2, 3, 4), (None, None, True)),
    ((2, 3, 4), (None, (0, 2))),
    ((4,), (1,)),
    ((3, 4), ("nuc",)),
    ((3, 4), (1,)),
    ((2, 3, 4), (2, (1, 2))),
    ((2, 3, 4), (3, 1, True)),
    ((2, 3, 4), (1, (2,))),
]


@pytest.mark.parametrize(("shape", "args"), CALLS)
def test_linalg_norm(shape: tuple[int, ...], args: tuple[Any, ...]) -> None:
    check_parity(
        lambda x: minidl.linalg.norm(x, *args),
        lambda x: torch.linalg.norm(x, *args),
        normal(*shape),
        tol=1e-8,
    )


NORMS: list[tuple[tuple[int, ...], tuple[Any, ...]]] = [
    ((3, 4), ()),
    ((3, 4), (None,)),
    ((3, 4), (1,)),
    ((3, 4), (2, 1, True)),
    ((3, 4), ("fro", 0)),
    ((3, 4), ("fro", (0, 1))),
    ((3, 4), ("nuc",)),
    ((2, 3, 4), ("nuc", (1, 2), True)),
    ((2, 3, 4), (np.inf, (0, 2))),
    ((), ()),
]


@pytest.mark.parametrize(("shape", "args"), NORMS)
def test_norm(shape: tuple[int, ...], args: tuple[Any, ...]) -> None:
    check_parity(lambda x: ops.norm(x, *args), lambda x: torch.norm(x, *args), normal(*shape), tol=1e-8)
    check_parity(lambda x: x.norm(*args), lambda x: x.norm(*args), normal(*shape), tol=1e-8)


def test_dtype_is_converted_to_first() -> None:
    x = np.array([3.0, 4.0], np.float32)
    for name in ("norm", "vector_norm"):
        got = getattr(minidl.linalg, name)(from_numpy(x), dtype=minidl.float64)
        assert (got.dtype, got.item()) == (np.float64, 5.0)
    assert minidl.norm(from_numpy(x), dtype=minidl.float64).dtype == np.float64
    assert minidl.linalg.matrix_norm(minidl.ones(2, 2), dtype=minidl.float64).dtype == np.float64


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2)])
def test_the_decomposition_is_differentiable(shape: tuple[int, ...]) -> None:
    """The product of its parts, of which each alone is determined but for signs."""

    def powers(x: Tensor) -> Tensor:
        u, s, vh = _svd(x)
        return (u * s.unsqueeze(-2) * s.unsqueeze(-2)) @ vh

    x = Tensor(normal(*shape), requires_grad=True)
    u, s, vh = _svd(x)
    np.testing.assert_allclose(((u * s.unsqueeze(-2)) @ vh).detach().array, x.detach().array, atol=1e-12)
    assert gradcheck(powers, [x])
    assert gradgradcheck(powers, [x])


ERRORS: list[tuple[type[MinidlError], str, Any]] = [
    (
        DTypeError,
        "linalg.vector_norm: input must be of floats, got int64",
        lambda m: m.linalg.vector_norm(m.tensor([1])),
    ),
    (
        DTypeError,
        "linalg.vector_norm: ord must be a number, got 'fro'",
        lambda m: m.linalg.vector_norm(m.ones(2), "fro"),
    ),
    (
        DimensionError,
        "linalg.vector_norm: dim must be in [-1, 0]",
        lambda m: m.linalg.vector_norm(m.ones(2), dim=1),
    ),
    (
        DimensionError,
        "linalg.vector_norm: input must be of at least one element",
        lambda m: m.linalg.vector_norm(m.ones(0), float("inf")),
    ),
    (
        DTypeError,
        "linalg.vector_norm: dtype must be floating, got int64",
        lambda m: m.linalg.vector_norm(m.ones(1), dtype=m.int64),
    ),
    (
        ShapeError,
        "linalg.matrix_norm: input must be of at least 2 dimensions",
        lambda m: m.linalg.matrix_norm(m.ones(2)),
    ),
    (
        ArgumentError,
        "linalg.matrix_norm: ord must be 'fro', 'nuc', 1,",
        lambda m: m.linalg.matrix_norm(m.ones(2, 2), 3),
    ),
    (
        ArgumentError,
        "linalg.matrix_norm: ord must be 'fro', 'nuc', 1,",
        lambda m: m.linalg.matrix_norm(m.ones(2, 2), "max"),
    ),
    (
        DimensionError,
        "linalg.matrix_norm: dim must be two dimensions",
        lambda m: m.linalg.matrix_norm(m.ones(2, 2), dim=(0,)),
    ),
    (
        DimensionError,
        "linalg.matrix_norm: dim must be without",
        lambda m: m.linalg.matrix_norm(m.ones(2, 2), dim=(0, 0)),
    ),
    (
        DimensionError,
        "linalg.matrix_norm: input must be of at least one",
        lambda m: m.linalg.matrix_norm(m.ones(0, 2), -2),
    ),
    (
        ShapeError,
        "linalg.norm: A must be a vector or a matrix where ord is given",
        lambda m: m.linalg.norm(m.ones(1, 1, 1), 2),
    ),
    (
        DimensionError,
        "linalg.norm: dim must be one dimension or two",
        lambda m: m.linalg.norm(m.ones(1, 1, 1), 2, (0, 1, 2)),
    ),
    (DTypeError, "norm: input must be of floats, got int64", lambda m: m.norm(m.tensor([1]))),
    (
        ArgumentError,
        "norm: p must be a number, 'fro' or 'nuc', got 'max'",
        lambda m: m.norm(m.ones(2), "max"),
    ),
    (ShapeError, "norm: input must be a matrix for p 'nuc' without dim", lambda m: m.norm(m.ones(2), "nuc")),
]


@pytest.mark.parametrize(("kind", "message", "call"), ERRORS)
def test_errors(kind: type[MinidlError], message: str, call: Any) -> None:
    both_raise(kind, message, lambda: call(minidl), lambda: call(torch))
