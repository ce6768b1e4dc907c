"""Random draws: their distribution, their generators, and wrong calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, torch

import minidl
from minidl.errors import ArgumentError, DTypeError, MinidlError, ShapeError
from minidl.ops import sampling as ops
from minidl.random import Generator
from minidl.tensor import from_numpy


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def test_bernoulli_draws_with_the_given_probabilities() -> None:
    p = np.array([0.0, 0.25, 0.9, 1.0])
    draws = ops.bernoulli(from_numpy(np.tile(p, (20_000, 1))), generator=seeded())
    assert draws.dtype == np.float64
    assert set(np.unique(draws.array)) == {0.0, 1.0}
    np.testing.assert_allclose(draws.array.mean(0), p, atol=0.02)  # 5 standard deviations
    same = ops.bernoulli(minidl.zeros(20_000, 4), from_numpy(p), generator=seeded())
    np.testing.assert_array_equal(same.array, draws.array)
    half = minidl.zeros(10_000, dtype=minidl.int64).bernoulli_(generator=seeded())
    assert half.dtype == np.int64
    assert half.array.mean() == pytest.approx(0.5, abs=0.03)


def test_bernoulli_has_a_gradient_of_zero() -> None:
    x = minidl.full((3,), 0.5, requires_grad=True)
    (ops.bernoulli(x) + x).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


def test_multinomial_with_replacement() -> None:
    weights = np.array([[1.0, 0.0, 3.0], [2.0, 2.0, 0.0]])
    drawn = ops.multinomial(from_numpy(weights), 20_000, True, generator=seeded())
    assert (drawn.shape, drawn.dtype) == ((2, 20_000), np.int64)
    for row, expected in zip(drawn.array, weights / 4, strict=True):
        np.testing.assert_allclose(np.bincount(row, minlength=3) / 20_000, expected, atol=0.02)


def test_multinomial_without_replacement() -> None:
    """Two of three: the second is drawn in proportion to the weights of those that are left."""
    p = np.array([0.5, 0.3, 0.2])
    drawn = ops.multinomial(from_numpy(np.tile(p, (20_000, 1))), 2, generator=seeded()).array
    assert (drawn[:, 0] != drawn[:, 1]).all()
    for i in range(3):
        for j in {0, 1, 2} - {i}:
            expected = p[i] * p[j] / (1 - p[i])
            assert np.mean((drawn[:, 0] == i) & (drawn[:, 1] == j)) == pytest.approx(expected, abs=0.02)


def test_multinomial_never_draws_what_has_no_weight() -> None:
    weights = minidl.tensor([0.0, 1.0, 0.0, 1e-30, 0.0])
    assert set(ops.multinomial(weights, 2).tolist()) == {1, 3}
    assert set(ops.multinomial(weights, 1000, True).tolist()) <= {1, 3}
    assert ops.multinomial(minidl.ones(0, 3), 2).shape == (0, 2)


def test_the_same_seed_draws_the_same() -> None:
    x = minidl.full((50,), 0.5)
    for draw in (
        lambda g: ops.bernoulli(x, generator=g),
        lambda g: ops.multinomial(x, 9, generator=g),
        lambda g: minidl.normal(x, 1.0, generator=g),
    ):
        assert draw(seeded()).tolist() == draw(seeded()).tolist() != draw(seeded(1)).tolist()
        minidl.manual_seed(3)
        first = draw(None).tolist()
        minidl.manual_seed(3)
        assert draw(None).tolist() == first


def test_normal() -> None:
    mean, std = minidl.tensor([[0.0], [10.0]]).expand(2, 20_000), minidl.tensor([[1.0], [0.1]])
    drawn = minidl.normal(mean, std, generator=seeded())
    assert (drawn.shape, drawn.dtype) == ((2, 20_000), np.float32)
    np.testing.assert_allclose(drawn.array.mean(1), [0.0, 10.0], atol=0.04)
    np.testing.assert_allclose(drawn.array.std(1), [1.0, 0.1], rtol=0.04)
    assert minidl.normal(minidl.zeros(2, dtype=minidl.float64)).dtype == np.float64
    assert minidl.normal(5.0, minidl.zeros(2)).tolist() == [5.0, 5.0]
    leaf = minidl.normal(0.0, 1.0, (2, 3), dtype="float64", requires_grad=True)
    assert (leaf.shape, leaf.dtype, leaf.requires_grad) == ((2, 3), np.float64, True)


ERRORS: list[tuple[type[MinidlError], str, Any]] = [
    (ArgumentError, "bernoulli: input must be in [0, 1], got [1.5]", lambda m: m.bernoulli(m.tensor([1.5]))),
    (ArgumentError, "bernoulli: p must be in [0, 1], got -0.5", lambda m: m.bernoulli(m.ones(2), -0.5)),
    (DTypeError, "bernoulli: input must be of floats, got int64", lambda m: m.bernoulli(m.tensor([1]))),
    (
        DTypeError,
        "multinomial: input must be of floats, got int64",
        lambda m: m.multinomial(m.tensor([1]), 1),
    ),
    (
        ShapeError,
        "multinomial: input must be a vector or a matrix",
        lambda m: m.multinomial(m.ones(1, 1, 1), 1),
    ),
    (
        ArgumentError,
        "multinomial: num_samples must be positive, got 0",
        lambda m: m.multinomial(m.ones(2), 0),
    ),
    (
        ArgumentError,
        "multinomial: input must be at least 3 weights above 0",
        lambda m: m.multinomial(m.ones(2), 3),
    ),
    (
        ArgumentError,
        "multinomial: input must be finite and not",
        lambda m: m.multinomial(m.tensor([1.0, -1.0]), 1),
    ),
    (
        ArgumentError,
        "multinomial: input must be finite and not",
        lambda m: m.multinomial(m.tensor([1.0, float("nan")]), 1),
    ),
    (
        ArgumentError,
        "multinomial: input must be at least one weight above 0",
        lambda m: m.multinomial(m.zeros(2), 1, True),
    ),
    (ArgumentError, "normal: std must be not negative, got -1.0", lambda m: m.normal(m.zeros(2), -1.0)),
    (
        DTypeError,
        "normal: size must be given if, and only if, mean and std are numbers",
        lambda m: m.normal(0.0, 1.0),
    ),
    (DTypeError, "normal: size must be given if", lambda m: m.normal(m.zeros(2), 1.0, (2,))),
    (
        ShapeError,
        "normal: the operands' shapes must be broadcastable",
        lambda m: m.normal(m.zeros(2), m.ones(3)),
    ),
]


@pytest.mark.parametrize(("kind", "message", "call"), ERRORS)
def test_errors(kind: type[MinidlError], message: str, call: Any) -> None:
    both_raise(kind, message, lambda: call(minidl), lambda: call(torch))


def test_more_errors() -> None:
    with pytest.raises(ShapeError, match=r"bernoulli: p must be broadcastable to \(2,\), got \(3, 2\)"):
        ops.bernoulli(minidl.zeros(2), minidl.zeros(3, 2))
    with pytest.raises(DTypeError, match="normal: mean and std must be of floats, got int64"):
        minidl.normal(minidl.tensor([1]), 1.0)
    with pytest.raises(
        ArgumentError, match="multinomial: input must be at least 2 weights above 0 in each row, got 1"
    ):
        ops.multinomial(minidl.tensor([1.0, 0.0]), 2)
