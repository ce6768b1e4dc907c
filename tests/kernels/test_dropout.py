"""The noise of dropout: its share, and that elements and calls have nothing to do with each other."""

from __future__ import annotations

import numpy as np
import pytest

from minidl import nn, randn
from minidl.kernels import dropout


def _masks(p: float, calls: int = 400, elements: int = 4096) -> np.ndarray:
    """Whether each element is kept, in each of some calls."""
    keys = np.random.default_rng(5).integers(0, 2**64, calls, dtype=np.uint64)
    ones = np.ones(elements, np.float32)
    return np.stack([dropout.forward(ones, int(key), p) != 0 for key in keys])


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_is_p_at_every_element_and_in_every_call(p: float) -> None:
    kept = _masks(p)
    spread = np.sqrt(p * (1 - p))
    assert abs(kept.mean() - (1 - p)) < 4 * spread / np.sqrt(kept.size)
    for axis in (0, 1):  # the means scatter as those of independent draws do
        assert kept.mean(axis).std() == pytest.approx(spread / np.sqrt(kept.shape[axis]), rel=0.15)


def test_elements_and_calls_are_independent() -> None:
    signs = 2.0 * _masks(0.5) - 1
    four_sigma = 4 / np.sqrt(signs.size)
    for lag in (1, 2, 3, 4, 8, 16, 64, 1024):
        assert abs((signs[:, :-lag] * signs[:, lag:]).mean()) < four_sigma
    assert abs((signs[1:] * signs[:-1]).mean()) < four_sigma


@pytest.mark.parametrize("bit", [0, 31, 32, 63])
def test_every_bit_of_the_key_counts(bit: int) -> None:
    ones = np.ones(10_000, np.float32)
    a, b = (dropout.forward(ones, key, 0.5) for key in (12345, 12345 ^ (1 << bit)))
    assert 0.45 < (a == b).mean() < 0.55


def test_nothing_is_kept_for_the_gradient() -> None:
    x = randn(4, 5, requires_grad=True)
    y = nn.functional.dropout(x * 2, 0.5)
    y.backward(y.detach())
    np.testing.assert_allclose(x.grad.numpy(), 2 * y.detach().numpy() * 2)
