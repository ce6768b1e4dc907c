"""Products of vectors and matrices, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, check_parity, normal, strided, torch

from minidl.errors import DTypeError, ShapeError
from minidl.ops import linalg
from minidl.tensor import Tensor, from_numpy

SHAPES = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3, 4)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((5, 1, 2, 3), (6, 3, 4)),
    ((2, 3), (5, 3, 4)),
    ((1, 2, 3), (5, 3, 1)),
    ((0, 3), (3, 4)),
    ((2, 0), (0, 4)),
    ((0, 2, 3), (3, 4)),
    ((0,), (0,)),
    ((1, 1), (1, 1)),
]


@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_matmul(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    check_parity(linalg.matmul, torch.matmul, normal(*a), normal(*b))
    check_parity(linalg.matmul, torch.matmul, strided(normal(*a)), strided(normal(*b)), second=False)


@pytest.mark.parametrize(
    ("ours", "theirs", "a", "b"),
    [
        (linalg.mm, torch.mm, (2, 3), (3, 4)),
        (linalg.bmm, torch.bmm, (5, 2, 3), (5, 3, 4)),
        (linalg.bmm, torch.bmm, (0, 2, 3), (0, 3, 4)),
        (linalg.mv, torch.mv, (2, 3), (3,)),
        (linalg.dot, torch.dot, (4,), (4,)),
        (linalg.outer, torch.outer, (4,), (3,)),
        (linalg.outer, torch.outer, (4,), (0,)),
    ],
)
def test_other_products(ours: Any, theirs: Any, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    check_parity(ours, theirs, normal(*a), normal(*b))


def test_products_of_integers_stay_integers() -> None:
    a, b = np.arange(6).reshape(2, 3), np.arange(12).reshape(3, 4)
    check_parity(linalg.matmul, torch.matmul, a, b)
    assert linalg.dot(from_numpy(a[0]), from_numpy(a[1])).item() == 14


def test_outer_promotes() -> None:
    y = linalg.outer(from_numpy(np.arange(3)), from_numpy(np.ones(2, np.float32)))
    assert y.dtype == np.float32


def test_the_gradient_of_a_transposed_operand_is_c_contiguous() -> None:
    w = from_numpy(normal(4, 3)).requires_grad_()
    linalg.linear(from_numpy(normal(5, 3)), w).backward(from_numpy(normal(5, 4)))
    assert w.grad.array.flags.c_contiguous


LINEAR = [
    ((5, 3), (4, 3), (4,)),
    ((5, 3), (4, 3), None),
    ((3,), (4, 3), (4,)),
    ((2, 5, 3), (4, 3), (4,)),
    ((0, 3), (4, 3), (4,)),
    ((5, 3), (0, 3), (0,)),
    ((5, 0), (4, 0), (4,)),
    ((5, 3), (3,), None),
    ((3,), (3,), None),
]


@pytest.mark.parametrize(("x", "w", "b"), LINEAR)
def test_linear(x: tuple[int, ...], w: tuple[int, ...], b: tuple[int, ...] | None) -> None:
    arrays = [normal(*shape) for shape in (x, w, b) if shape is not None]
    check_parity(linalg.linear, torch.nn.functional.linear, *arrays)
    check_parity(linalg.linear, torch.nn.functional.linear, *map(strided, arrays), second=False)


def test_linear_with_a_weight_vector_takes_a_bias_of_no_dimensions() -> None:
    y = linalg.linear(from_numpy(np.ones((2, 3))), from_numpy(np.ones(3)), from_numpy(np.array(0.5)))
    np.testing.assert_array_equal(y.array, [3.5, 3.5])


def test_a_frozen_linear_does_not_keep_its_input() -> None:
    x, w = from_numpy(normal(5, 3)), from_numpy(normal(4, 3))
    y = linalg.linear(Tensor(x, requires_grad=True), w)
    assert not any(isinstance(kept, np.ndarray) and kept.shape == (5, 3) for kept in y.node.saved)


def _t(*shape: int, dtype: Any = np.float32) -> Tensor:
    return from_numpy(np.ones(shape, dtype))


ERRORS = [
    ("matmul", ShapeError, [(2, 3), (4, 5)],
     "matmul: other must be of shape (..., 3, P) to match input's shape (2, 3), got (4, 5)"),
    ("matmul", ShapeError, [(2,), (3,)], "got (3,)"),
    ("matmul", ShapeError, [(2, 3), (4,)],
     "matmul: other must be of shape (3,) to match input's shape (2, 3), got (4,)"),
    ("matmul", ShapeError, [(2,), (3, 4)],
     "matmul: other must be of shape (..., 2, P) to match input's shape (2,), got (3, 4)"),
    ("matmul", ShapeError, [(), (3, 4)], "matmul: input must be of at least one dimension"),
    ("matmul", ShapeError, [(3,), ()], "matmul: other must be of at least one dimension"),
    ("matmul", ShapeError, [(2, 3, 3), (4, 3, 3)],
     "matmul: the operands' shapes must be broadcastable, got (2,) and (4,)"),
    ("mm", ShapeError, [(2, 3), (3,)], "mm: mat2 must be of 2 dimensions, got shape (3,)"),
    ("mm", ShapeError, [(2, 3), (2, 3)], "mm: mat2 must be of shape (..., 3, P)"),
    ("bmm", ShapeError, [(2, 3, 4), (3, 4, 5)],
     "bmm: mat2 must be a stack of 2 matrices, got shape (3, 4, 5)"),
    ("bmm", ShapeError, [(2, 3), (3, 4)], "bmm: input must be of 3 dimensions, got shape (2, 3)"),
    ("mv", ShapeError, [(2, 3), (2,)],
     "mv: vec must be of shape (3,) to match input's shape (2, 3), got (2,)"),
    ("mv", ShapeError, [(2, 3), (3, 1)], "mv: vec must be of 1 dimension, got shape (3, 1)"),
    ("dot", ShapeError, [(2,), (3,)], "dot: tensor must be of input's shape (2,), got (3,)"),
    ("dot", ShapeError, [(2, 2), (2, 2)], "dot: input must be of 1 dimension, got shape (2, 2)"),
    ("outer", ShapeError, [(2, 2), (2,)], "outer: input must be of 1 dimension, got shape (2, 2)"),
    ("linear", ShapeError, [(2, 5), (4, 3)],
     "linear: input must be (..., 3) to match weight (4, 3), got (2, 5)"),
    ("linear", ShapeError, [(), (4, 3)], "linear: input must be (..., 3)"),
    ("linear", ShapeError, [(2, 3), (4, 3), (3,)],
     "linear: bias must be (4,) to match weight (4, 3), got (3,)"),
    ("linear", ShapeError, [(2, 3), (4, 3, 3)], "linear: weight must be (out, in) or (in,), got (4, 3, 3)"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind", "shapes", "message"), ERRORS)
def test_shape_errors(name: str, kind: type[Exception], shapes: list[tuple[int, ...]], message: str) -> None:
    theirs = getattr(torch, name, None) or getattr(torch.nn.functional, name)
    tensors = [torch.ones(shape) for shape in shapes]
    both_raise(
        kind, message, lambda: getattr(linalg, name)(*[_t(*s) for s in shapes]), lambda: theirs(*tensors)
    )


@pytest.mark.parametrize("name", ["matmul", "mm", "linear"])
def test_dtypes_are_not_promoted(name: str) -> None:
    theirs = getattr(torch, name, None) or torch.nn.functional.linear
    both_raise(
        DTypeError,
        "must be of input's dtype float32, got float64",
        lambda: getattr(linalg, name)(_t(3, 3), _t(3, 3, dtype=np.float64)),
        lambda: theirs(torch.ones(3, 3), torch.ones(3, 3).double()),
    )


def test_bools_have_no_products() -> None:
    a = np.ones((2, 2), bool)
    both_raise(
        DTypeError,
        "matmul: input must be of numbers, not bools, got bool",
        lambda: linalg.matmul(from_numpy(a), from_numpy(a)),
        lambda: torch.from_numpy(a) @ torch.from_numpy(a),
    )


def test_operands_must_be_tensors() -> None:
    with pytest.raises(DTypeError, match=r"matmul: other must be a Tensor, got list"):
        linalg.matmul(_t(2, 2), [[1.0, 2.0]])
