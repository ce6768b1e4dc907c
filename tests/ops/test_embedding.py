"""Embedding and one-hot, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, check_parity, normal, strided, torch

from minidl.autograd import grad
from minidl.errors import ArgumentError, DimensionError, DTypeError, ShapeError
from minidl.nn import functional as F
from minidl.tensor import from_numpy

T = torch.nn.functional
INDICES = [
    np.array([3, 1, 3, 0]),
    np.array([[4, 4], [2, 0]], np.int32),
    np.array(2),
    np.zeros((0, 2), np.int64),
]
OPTIONS: list[dict[str, Any]] = [{}, {"padding_idx": 3}, {"padding_idx": -1}, {"scale_grad_by_freq": True},
                                 {"padding_idx": 4, "scale_grad_by_freq": True}]  # fmt: skip


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("options", OPTIONS)
def test_embedding(index: np.ndarray, options: dict[str, Any]) -> None:
    # PyTorch has no second derivative with scale_grad_by_freq.
    second = not options.get("scale_grad_by_freq")
    for table in (normal(5, 3), strided(normal(5, 3))):
        check_parity(
            lambda i, w: F.embedding(i, w, **options), lambda i, w: T.embedding(i, w, **options), index, table,
            second=second,
        )  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS)
def test_second_derivative_is_the_adjoint(options: dict[str, Any]) -> None:
    """The gradient is linear in the cotangent v: <h, gradient(v)> and <adjoint(h), v> are equal."""
    index, w = from_numpy(np.array([3, 1, 3, 0, 4])), from_numpy(normal(5, 3)).requires_grad_()
    v = from_numpy(normal(5, 3, seed=1)).requires_grad_()
    h = normal(5, 3, seed=2)
    (first,) = grad(F.embedding(index, w, **options), w, v, create_graph=True)
    (adjoint,) = grad(first, v, from_numpy(h))
    np.testing.assert_allclose(np.sum(adjoint.array * v.array), np.sum(h * first.array), rtol=1e-12)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, float("inf")])
def test_max_norm_shortens_the_rows_in_place(p: float) -> None:
    index, table = np.array([[0, 1], [1, 3]]), normal(5, 3)
    ours, theirs = from_numpy(table.copy()), torch.tensor(table)
    y = F.embedding(from_numpy(index), ours, max_norm=0.7, norm_type=p)
    expected = T.embedding(torch.tensor(index), theirs, max_norm=0.7, norm_type=p)
    np.testing.assert_allclose(y.array, expected.numpy(), rtol=1e-9)
    np.testing.assert_allclose(ours.array, theirs.numpy(), rtol=1e-9)
    np.testing.assert_array_equal(ours.array[4], table[4])


@pytest.mark.parametrize(
    ("x", "classes"), [([0, 2, 1], -1), ([[0, 2], [1, 1]], 5), (2, -1), (np.zeros((0, 2), np.int64), 3)]
)
def test_one_hot(x: Any, classes: int) -> None:
    check_parity(lambda x: F.one_hot(x, classes), lambda x: T.one_hot(x, classes), np.asarray(x))


def test_wrong_arguments() -> None:
    table, index = normal(5, 3), np.array([0, 4])
    cases: list[tuple[Any, str, Any]] = [
        (DimensionError, "embedding: input must be in [0, 4] for 5 rows, got 5", lambda f, i, w: f.embedding(i + 1, w)),
        (DimensionError, "embedding: input must be in [0, 4] for 5 rows, got -1",
         lambda f, i, w: f.embedding(i - 1, w)),
        (DTypeError, "embedding: input must be of int64 or int32, got float64", lambda f, i, w: f.embedding(w, w)),
        (ShapeError, "embedding: weight must be (rows, K), got (5,)", lambda f, i, w: f.embedding(i, w[:, 0])),
        (DTypeError, "embedding: weight must be a Tensor, got NoneType", lambda f, i, w: f.embedding(i, None)),
        (ArgumentError, "one_hot: num_classes must be above the largest element, 4, got 3",
         lambda f, i, w: f.one_hot(i, 3)),
        (ArgumentError, "one_hot: num_classes must be above the largest element, 4, got -2",
         lambda f, i, w: f.one_hot(i, -2)),
        (ArgumentError, "one_hot: tensor must be not negative, got -1", lambda f, i, w: f.one_hot(i - 1)),
        (DTypeError, "one_hot: tensor must be of int64, got float64", lambda f, i, w: f.one_hot(w)),
        (DTypeError, "one_hot: tensor must be of numbers, not bools", lambda f, i, w: f.one_hot(i > 1)),
        (ArgumentError, "one_hot: num_classes must be positive for a tensor without elements, got -1",
         lambda f, i, w: f.one_hot(i[:0])),
    ]  # fmt: skip
    for kind, message, call in cases:
        both_raise(
            kind, message,
            lambda call=call: call(F, from_numpy(index), from_numpy(table)),
            lambda call=call: call(T, torch.tensor(index), torch.tensor(table)),
        )  # fmt: skip
    with pytest.raises(
        ArgumentError, match="embedding: sparse must be False, for minidl has no sparse gradients"
    ):
        F.embedding(from_numpy(index), from_numpy(table), sparse=True)
    with pytest.raises(DimensionError, match=r"embedding: padding_idx must be in \[-5, 4\], got 5"):
        F.embedding(from_numpy(index), from_numpy(table), 5)
