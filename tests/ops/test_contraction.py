"""Einstein sums and tensordot, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import both_raise, check_parity, normal, strided, torch

import minidl
from minidl.errors import ArgumentError, DimensionError, DTypeError, MinidlError, ShapeError
from minidl.ops import contraction as ops
from minidl.tensor import from_numpy

EQUATIONS: list[tuple[str, list[tuple[int, ...]]]] = [
    ("ij,jk->ik", [(2, 3), (3, 4)]),
    ("ij,jk", [(2, 3), (3, 4)]),
    ("ij,kj->", [(2, 3), (4, 3)]),
    ("i,i", [(3,), (3,)]),
    ("i,j->ij", [(3,), (2,)]),
    ("ij->ji", [(2, 3)]),
    ("ij->j", [(2, 3)]),
    ("ij->", [(2, 3)]),
    ("ii", [(3, 3)]),
    ("ii->i", [(3, 3)]),
    ("iij->ji", [(2, 2, 3)]),
    ("iii->i", [(2, 2, 2)]),
    ("iijj->ij", [(2, 2, 3, 3)]),
    ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]),
    ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]),
    ("...ij,...jk->...ik", [(5, 2, 3), (3, 4)]),
    ("...ij,...jk", [(2, 1, 2, 3), (4, 3, 4)]),
    ("...i->...", [(2, 3, 4)]),
    ("i...->i", [(2, 3, 4)]),
    ("...", [(2, 3)]),
    ("...,...", [(2, 3), (3,)]),
    ("...->", [(2, 3)]),
    ("i...j,j->i...", [(2, 5, 3), (3,)]),
    ("ba", [(2, 3)]),
    ("Ba,aB", [(2, 3), (3, 2)]),
    ("aB", [(2, 3)]),
    ("ij, jk , kl -> il", [(2, 3), (3, 4), (4, 5)]),
    ("ij,ij,ij->i", [(2, 3), (2, 3), (2, 3)]),
    ("i,i,i->i", [(3,), (3,), (3,)]),
    ("i,j,k->kji", [(2,), (3,), (4,)]),
    ("ij,jk->ik", [(2, 1), (3, 4)]),
    ("ij,ij->ij", [(2, 1), (1, 3)]),
    ("ij,ij->i", [(2, 1), (1, 3)]),
    ("ij,ij,ij->", [(2, 1), (1, 3), (2, 3)]),
    ("bij,bjk->bik", [(1, 2, 3), (5, 3, 4)]),
    ("->", [()]),
    (",i->i", [(), (3,)]),
    ("ij,jk->ik", [(2, 0), (0, 4)]),
    ("ij,jk->ik", [(0, 3), (3, 4)]),
]


@pytest.mark.parametrize(("equation", "shapes"), EQUATIONS)
def test_einsum(equation: str, shapes: list[tuple[int, ...]]) -> None:
    xs = [normal(*shape, seed=i) for i, shape in enumerate(shapes)]
    check_parity(lambda *xs: ops.einsum(equation, *xs), lambda *xs: torch.einsum(equation, *xs), *xs)
    xs = [strided(x) for x in xs]
    check_parity(lambda *xs: ops.einsum(equation, xs), lambda *xs: torch.einsum(equation, xs), *xs)


def test_einsum_with_numbers_for_letters() -> None:
    for tail in ([], [[2, 0]], [[Ellipsis, 2, 0]]):
        check_parity(
            lambda a, b: ops.einsum(a, [0, 1], b, [1, 2], *tail),  # noqa: B023
            lambda a, b: torch.einsum(a, [0, 1], b, [1, 2], *tail),  # noqa: B023
            normal(2, 3),
            normal(3, 4, seed=1),
        )
    check_parity(
        lambda a, b: ops.einsum(a, [..., 30, 1], b, [1, 51]),
        lambda a, b: torch.einsum(a, [..., 30, 1], b, [1, 51]),
        normal(5, 2, 3),
        normal(3, 4, seed=1),
    )


@given(st.data())
def test_einsum_is_numpys(data: st.DataObject) -> None:
    sizes = {"a": 1, "b": 2, "c": 3, "d": 2}
    letters = st.lists(st.sampled_from("abcd"), max_size=3)
    parts = ["".join(data.draw(letters)) for _ in range(data.draw(st.integers(1, 3)))]
    used = sorted(set("".join(parts)))
    output = data.draw(st.permutations(used)) if used else []
    equation = ",".join(parts) + "->" + "".join(output[: data.draw(st.integers(0, len(output)))])
    xs = [normal(*[sizes[c] for c in part], seed=i) for i, part in enumerate(parts)]
    got = ops.einsum(equation, *[from_numpy(np.asarray(x)) for x in xs]).array
    np.testing.assert_allclose(got, np.einsum(equation, *xs), rtol=1e-12, atol=1e-12)


def test_einsum_of_integers() -> None:
    a, b = np.array([[1, 2], [3, 4]]), np.array([[5, 6], [7, 8]])
    got = ops.einsum("ij,jk", from_numpy(a), from_numpy(b)).array
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got, a @ b)


DOTS: list[tuple[tuple[int, ...], tuple[int, ...], Any]] = [
    ((2, 3, 4), (3, 4, 5), 2),
    ((2, 3), (3, 4), 1),
    ((2, 3), (4,), 0),
    ((2, 3, 4), (4, 5, 2), ([0, 2], [2, 0])),
    ((2, 3, 4), (5, 3), ([1], [1])),
    ((2, 3, 4), (5, 3), ([-2], [-1])),
    ((2, 3), (2, 3), ([], [])),
    ((), (), 0),
    ((2, 0), (0, 3), 1),
    ((2, 1), (3, 4), 1),
]


@pytest.mark.parametrize(("a", "b", "dims"), DOTS)
def test_tensordot(a: tuple[int, ...], b: tuple[int, ...], dims: Any) -> None:
    xs = normal(*a), strided(normal(*b, seed=1))
    check_parity(lambda a, b: ops.tensordot(a, b, dims), lambda a, b: torch.tensordot(a, b, dims), *xs)


def test_tensordot_with_dims_as_a_tensor() -> None:
    dims = np.array([[0, 2], [2, 0]])
    check_parity(ops.tensordot, torch.tensordot, normal(2, 3, 4), normal(4, 5, 2), dims)
    assert ops.tensordot(minidl.ones(2, 3), minidl.ones(3), minidl.tensor(1)).shape == (2,)


def einsum(*args: Any) -> Any:
    """A call with shapes in place of tensors."""
    return lambda m: m.einsum(*[m.ones(*a) if isinstance(a, tuple) else a for a in args])


ERRORS: list[tuple[type[MinidlError], str, Any]] = [
    (ArgumentError, "einsum: operands must be at least one, got none", einsum("ij")),
    (ArgumentError, "einsum: operands must be at least one, got none", lambda m: m.einsum("i", [])),
    (
        ArgumentError,
        "tensordot: dims must be an int or two lists, got ([0],)",
        lambda m: m.tensordot(m.ones(2), m.ones(2), ([0],)),
    ),
    (ArgumentError, "einsum: operands must be 2, as in the equation, got 1", einsum("ij,jk", (2, 2))),
    (ShapeError, "einsum: the operand of 'ij' must be of 2 dimensions, got 3", einsum("ij->i", (2, 2, 2))),
    (ShapeError, "einsum: the operand of 'ijk' must be of 3 dimensions, got 2", einsum("ijk", (2, 2))),
    (
        ShapeError,
        "einsum: the dimensions 'j' must be of one size (3), or 1, got 4",
        einsum("ij,jk", (2, 3), (4, 2)),
    ),
    (ShapeError, "einsum: the dimensions of '...' must be of one size (2)", einsum("...,...", (2,), (3,))),
    (
        ShapeError,
        "einsum: the dimensions 'i' of an operand must be of one size, got 1 and 2",
        einsum("ii", (1, 2)),
    ),
    (
        ArgumentError,
        "einsum: each letter of the result must be one of the operands', and once, got 'k'",
        einsum("ij->k", (2, 2)),
    ),
    (
        ArgumentError,
        "einsum: each letter of the result must be one of the operands', and once, got 'i'",
        einsum("ij->ii", (2, 2)),
    ),
    (ArgumentError, "einsum: equation must be of letters, commas", einsum("i1", (2, 2))),
    (ArgumentError, "einsum: equation must be of letters, commas", einsum("i......", (2, 2))),
    (ArgumentError, "einsum: equation must be of letters, commas", einsum("ij->i->j", (2, 2))),
    (
        DTypeError,
        "einsum: the first argument must be an equation or a Tensor, got int",
        lambda m: m.einsum(1, m.ones(2)),
    ),
    (
        DTypeError,
        "einsum: every operand must be a Tensor, got float",
        lambda m: m.einsum("i,j", m.ones(2), 1.0),
    ),
    (ArgumentError, "einsum: a sublist must be of numbers in [0, 51], got [52]", einsum((2,), [52])),
    (ArgumentError, "einsum: a sublist must be a list of ints, got int", lambda m: m.einsum(m.ones(2), 0)),
    (
        ShapeError,
        "tensordot: dims must be pairs of dimensions of equal size",
        lambda m: m.tensordot(m.ones(2, 3), m.ones(2, 4), 1),
    ),
    (
        ArgumentError,
        "tensordot: dims must be in [0, 1], got 2",
        lambda m: m.tensordot(m.ones(2, 2), m.ones(2), 2),
    ),
    (
        ArgumentError,
        "tensordot: dims must be in [0, 1], got -1",
        lambda m: m.tensordot(m.ones(2, 2), m.ones(2), -1),
    ),
    (
        ShapeError,
        "tensordot: dims must be pairs",
        lambda m: m.tensordot(m.ones(2, 2), m.ones(2), ([0, 1], [0])),
    ),
    (
        DimensionError,
        "tensordot: dims must be in [-1, 0]",
        lambda m: m.tensordot(m.ones(2), m.ones(2), ([1], [0])),
    ),
    (
        DTypeError,
        "tensordot: b must be of input's dtype float32",
        lambda m: m.tensordot(m.ones(2), m.tensor([1, 2]), 1),
    ),
]


@pytest.mark.parametrize(("kind", "message", "call"), ERRORS)
def test_errors(kind: type[MinidlError], message: str, call: Any) -> None:
    both_raise(kind, message, lambda: call(minidl), lambda: call(torch))


def test_dtypes_are_not_promoted() -> None:
    with pytest.raises(DTypeError, match="einsum: operand 1 must be of input's dtype float32, got int64"):
        ops.einsum("i,i", minidl.ones(2), minidl.tensor([1, 2]))
