"""Random numbers in place: distributions by their moments and quantiles, and wrong calls where PyTorch has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from both import check_error

import minidl
from minidl.random import Generator

N = 200_000

# The call, then the probabilities below the given numbers, by the distributions' definitions.
QUANTILES = [
    (lambda x: x.exponential_(), {np.log(2): 0.5, np.log(10): 0.9}),
    (lambda x: x.exponential_(lambd=0.5), {2 * np.log(2): 0.5, 2 * np.log(10): 0.9}),
    (lambda x: x.log_normal_(), {np.e: 0.5, np.exp(1 + 2): 0.8413447}),
    (lambda x: x.log_normal_(mean=0, std=0.5), {1.0: 0.5, np.exp(0.5): 0.8413447}),
    (lambda x: x.cauchy_(), {0.0: 0.5, 1.0: 0.75}),
    (lambda x: x.cauchy_(median=2, sigma=3), {2.0: 0.5, 5.0: 0.75}),
    (lambda x: x.geometric_(0.25), {1.5: 0.25, 2.5: 1 - 0.75**2}),
    (lambda x: x.random_(10), {0.5: 0.1, 4.5: 0.5, 9.5: 1.0}),
    (lambda x: x.random_(-4, 4), {-3.5: 0.125, -0.5: 0.5, 3.5: 1.0}),
    (lambda x: x.random_(), {2.0**23: 0.5, 2.0**24 + 1: 1.0}),
]


@pytest.mark.parametrize(("draw", "expected"), QUANTILES)
def test_distributions(draw: Any, expected: dict[float, float]) -> None:
    x = minidl.zeros(N)
    assert draw(x) is x
    for number, probability in expected.items():
        found = float((x.array < number).mean())
        assert abs(found - probability) <= 5 * np.sqrt(probability * (1 - probability) / N), number


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64", "bool"])
def test_random_fills_the_range_of_the_dtype(dtype: str) -> None:
    x = minidl.zeros(4000, dtype=dtype).random_()
    high = 1 if dtype == "bool" else np.iinfo(dtype).max
    assert x.array.min() >= 0
    assert float(x.array.max()) > 0.99 * high
    assert float(minidl.zeros(4000, dtype=dtype).random_(1, None).array.min()) >= 1


def test_the_same_generator_gives_the_same_numbers() -> None:
    for draw in ("exponential_", "log_normal_", "cauchy_", "random_"):
        a, b = (
            getattr(minidl.zeros(5), draw)(generator=Generator().manual_seed(3)).tolist() for _ in range(2)
        )
        assert a == b
    a, b = (minidl.zeros(5).geometric_(0.5, generator=Generator().manual_seed(3)).tolist() for _ in range(2))
    assert a == b


def test_no_gradient_flows_to_what_was_there() -> None:
    x = minidl.ones(3, requires_grad=True)
    y = x * 2
    y.exponential_()
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


ERRORS = """
x.random_(5, 5) -> random: to must be above from = 5, got 5
x.random_(-1) -> random: to must be above from = 0, got -1
x.random_(2.5) -> random: to
x.random_(1, 2, 3) -> random: the arguments
x.byte().random_(0, 300) -> random: to - 1 must be in [0, 255] for uint8, got 299
x.byte().random_(-5, 3) -> random: from must be in [0, 255] for uint8, got -5
x.bool().random_(3) -> random: to - 1 must be in [0, 1] for bool, got 2
x.long().exponential_() -> exponential: input must be of floats, got int64
x.exponential_(0) -> exponential: lambd must be positive, got 0
x.long().log_normal_() -> log_normal: input must be of floats, got int64
x.log_normal_(0, 0) -> log_normal: std must be positive, got 0
x.long().cauchy_() -> cauchy: input must be of floats, got int64
x.cauchy_(0, -1) -> cauchy: sigma must be positive, got -1
x.bool().geometric_(0.5) -> geometric: input
x.geometric_(1.0) -> geometric: p must be above 0 and below 1, got 1.0
x.geometric_() -> p
"""


@pytest.mark.parametrize("line", ERRORS.strip().splitlines())
def test_wrong_calls(line: str) -> None:
    call, words = line.split(" -> ")
    check_error(call.replace("x.", "T.zeros(2).", 1), words)
