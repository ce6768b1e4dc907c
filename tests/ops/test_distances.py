"""Normalized vectors, their angles and distances, and losses of these, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, check_parity, normal, strided, torch

from minidl.errors import ArgumentError, DimensionError, DTypeError, ShapeError
from minidl.nn import functional as F
from minidl.tensor import from_numpy

T = torch.nn.functional
REDUCTIONS = ["none", "mean", "sum"]


def _check(name: str, *arrays: np.ndarray, second: bool = True, **options: Any) -> None:
    check_parity(
        lambda *a: getattr(F, name)(*a, **options),
        lambda *a: getattr(T, name)(*a, **options),
        *arrays,
        second=second,
    )


@pytest.mark.parametrize("p", [2.0, 1.0, 3.0, 1.5, float("inf"), 0.5])
def test_normalize(p: float) -> None:
    for x in (normal(4, 3), strided(normal(4, 3)), normal(2, 3, 4)):
        _check("normalize", x, p=p)
        _check("normalize", x, p=p, dim=-1)
        _check("normalize", x, p=p, dim=(0, 1))
    _check("normalize", np.array(-3.0), p=p, dim=0)
    _check("normalize", normal(0, 3), p=p)
    _check("normalize", normal(4, 3), p=p, eps=2.0)


def test_vectors_of_no_length() -> None:
    zeros = np.zeros((2, 3))
    _check("normalize", zeros, second=False)
    _check("cosine_similarity", zeros, normal(2, 3), second=False)
    _check("pairwise_distance", zeros, zeros, eps=0.0, second=False)


def test_normalize_into_a_tensor() -> None:
    x, out = from_numpy(normal(4, 3)), from_numpy(np.zeros((4, 3)))
    assert F.normalize(x, out=out) is out
    np.testing.assert_array_equal(out.array, F.normalize(x).array)
    with pytest.raises(ArgumentError, match="normalize: out must be None where a gradient is required"):
        F.normalize(x.requires_grad_(), out=out)
    with pytest.raises(
        ShapeError, match=r"normalize: out must be of the result's shape \(4, 3\), got \(3,\)"
    ):
        F.normalize(x, out=out[0])


@pytest.mark.parametrize("dim", [1, 0, -1, -2])
def test_cosine_similarity(dim: int) -> None:
    x, y = normal(4, 3), normal(4, 3, seed=1)
    _check("cosine_similarity", x, y, dim=dim)
    _check("cosine_similarity", strided(x), y[:1].copy(), dim=dim)
    _check("cosine_similarity", x, y[0].copy(), dim=dim, eps=2.0)
    _check("cosine_similarity", x, y[:, :1].copy(), dim=dim)


def test_cosine_similarity_of_other_shapes_and_dtypes() -> None:
    _check("cosine_similarity", np.array(1.5), np.array(-2.0), dim=0)
    _check("cosine_similarity", normal(0, 3), normal(0, 3))
    _check("cosine_similarity", normal(4, 3), np.arange(12).reshape(4, 3))


@pytest.mark.parametrize("p", [2.0, 1.0, float("inf")])
def test_pairwise_distance(p: float) -> None:
    _check("pairwise_distance", normal(4, 3), normal(4, 3, seed=1), p=p)
    _check("pairwise_distance", normal(3), normal(4, 3, seed=1), p=p, eps=0.1, keepdim=True)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    "options", [{}, {"swap": True}, {"p": 1, "margin": 0.3}, {"p": 3.0, "eps": 0.1, "swap": True}]
)
def test_triplet_margin(reduction: str, options: dict[str, Any]) -> None:
    arrays = normal(6, 4), normal(6, 4, seed=1), normal(6, 4, seed=2)
    _check("triplet_margin_loss", *arrays, reduction=reduction, **options)
    _check("triplet_margin_loss", *(a[0].copy() for a in arrays), reduction=reduction, **options)
    _check("triplet_margin_loss", arrays[0], arrays[1], arrays[2][:1].copy(), reduction=reduction, **options)
    # On the margin, where the loss has a kink.
    _check("triplet_margin_loss", arrays[0], arrays[1], arrays[1], reduction=reduction, **options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("margin", [0, 0.3, -0.5])
def test_cosine_embedding(reduction: str, margin: float) -> None:
    x, y, target = normal(4, 3), normal(4, 3, seed=1), np.array([1, -1, -1, 1])
    _check("cosine_embedding_loss", x, y, target, margin=margin, reduction=reduction)
    _check("cosine_embedding_loss", x, y[:1].copy(), 2 * target, margin=margin, reduction=reduction)
    _check(
        "cosine_embedding_loss", x[0].copy(), y[0].copy(), np.array(-1), margin=margin, reduction=reduction
    )
    integers = np.arange(12).reshape(4, 3)
    _check(
        "cosine_embedding_loss", integers, integers[::-1].copy(), target, margin=margin, reduction=reduction
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("margin", [0, 0.3])
def test_margin_ranking(reduction: str, margin: float) -> None:
    x, y, target = normal(4, 3), normal(4, 3, seed=1), np.sign(normal(4, 3, seed=2))
    _check("margin_ranking_loss", x, y, target, margin=margin, reduction=reduction)
    _check("margin_ranking_loss", x[:1].copy(), y, target, margin=margin, reduction=reduction)
    _check("margin_ranking_loss", x, x, target, margin=0, reduction=reduction)
    _check(
        "margin_ranking_loss", np.array(1.0), np.array(2.0), np.array(1), margin=margin, reduction=reduction
    )


def test_wrong_arguments() -> None:
    x, t = normal(4, 3), np.array([1, -1, 1, -1])
    cases: list[tuple[Any, str, Any]] = [
        (DTypeError, "normalize: input must be of floats, got int64", lambda f, x, t: f.normalize(t, dim=0)),
        (DimensionError, "normalize: dim must be in [-1, 0] for 1 dimensions, got 1",
         lambda f, x, t: f.normalize(x[0])),
        (ShapeError, "normalize: input must be not empty along dim for an infinite p, got (4, 0)",
         lambda f, x, t: f.normalize(x[:, :0], float("inf"))),
        (DTypeError, "cosine_similarity: x1 or x2 must be of floats, got int64",
         lambda f, x, t: f.cosine_similarity(t, t, 0)),
        (ShapeError, "cosine_similarity: the operands' shapes must be broadcastable",
         lambda f, x, t: f.cosine_similarity(x, x[:, :2])),
        (DimensionError, "cosine_similarity: dim must be in [-2, 1]", lambda f, x, t: f.cosine_similarity(x, x, 2)),
        (ShapeError, "pairwise_distance: the operands' shapes must be broadcastable",
         lambda f, x, t: f.pairwise_distance(x, x[:, :2])),
        (ArgumentError, "triplet_margin_loss: margin must be positive, got 0",
         lambda f, x, t: f.triplet_margin_loss(x, x, x, 0)),
        (ShapeError, "triplet_margin_loss: positive must be of 2 dimensions as anchor is, got shape (3,)",
         lambda f, x, t: f.triplet_margin_loss(x, x[0], x)),
        (ArgumentError, "triplet_margin_loss: reduction must be",
         lambda f, x, t: f.triplet_margin_loss(x, x, x, reduction="all")),
        (ShapeError, "cosine_embedding_loss: target must be (N,) for inputs (N, K), or () for (K,), got (4, 1) for "
         "inputs (4, 3) and (4, 3)", lambda f, x, t: f.cosine_embedding_loss(x, x, t[:, None])),
        (ShapeError, "got () for inputs (4, 3) and (4, 3)", lambda f, x, t: f.cosine_embedding_loss(x, x, t[0])),
        (ShapeError, "shapes must be broadcastable, got (4,) and (3,)",
         lambda f, x, t: f.cosine_embedding_loss(x, x, t[:3])),
        (ShapeError, "margin_ranking_loss: target must be of 2 dimensions as input1 is, got shape (4,)",
         lambda f, x, t: f.margin_ranking_loss(x, x, t)),
        (ShapeError, "margin_ranking_loss: the operands' shapes must be broadcastable",
         lambda f, x, t: f.margin_ranking_loss(x, x, x[:2])),
    ]  # fmt: skip
    for kind, message, call in cases:
        both_raise(
            kind, message,
            lambda call=call: call(F, from_numpy(x), from_numpy(t)),
            lambda call=call: call(T, torch.tensor(x), torch.tensor(t)),
        )  # fmt: skip
