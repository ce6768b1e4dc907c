"""MixUp: each sample of a batch mixed with another of it, and the labels in the same shares."""

from __future__ import annotations

import numpy as np
import pytest

import minidl
from minidl.data import DataLoader, MixUp, TensorDataset
from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.nn import functional as F


def test_inputs_and_labels_are_mixed_in_the_same_shares():
    """Sample i is the number i, of class i: the labels tell who was mixed, and how much."""
    samples = [(minidl.full((2,), float(i)), i) for i in range(6)]
    for _ in range(20):
        x, y = MixUp(6, alpha=1.0)(samples)
        np.testing.assert_allclose(y.sum(1).numpy(), 1.0, rtol=1e-6)
        np.testing.assert_allclose(x.numpy()[:, 0], y.numpy() @ np.arange(6), rtol=1e-5, atol=1e-6)
        shares = {round(float(share), 5) for i, row in enumerate(y.numpy()) for share in [row[i]]} - {1.0}
        assert len(shares) <= 1


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_the_share_is_of_the_beta_distribution(alpha):
    samples = [(minidl.zeros(1), 0), (minidl.ones(1), 1)]
    shares = []
    for _ in range(3000):
        x, _ = MixUp(2, alpha)(samples)
        if x[0, 0] != 0.0:  # mixed with the other
            shares.append(1.0 - x[0, 0].item())
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)
    assert np.var(shares) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_pictures_keep_their_memory_order_and_their_values():
    pictures = [(minidl.rand(5, 4, 3).permute(2, 0, 1), i % 2) for i in range(4)]
    x, y = MixUp(2)(pictures)
    assert x.shape == (4, 3, 5, 4)
    flat = MixUp(2)([(picture.reshape(-1), label) for picture, label in pictures])
    assert flat[0].shape == (4, 60)
    assert x.dtype == y.dtype == np.float32


def test_a_loader_gives_soft_labels_that_the_losses_take():
    data = TensorDataset(minidl.rand(8, 3), minidl.arange(8) % 3)
    x, y = next(iter(DataLoader(data, batch_size=8, collate_fn=MixUp(3))))
    logits = x @ minidl.randn(3, 3)
    want = -(y.numpy() * np.log(logits.softmax(1).numpy())).sum(1).mean()
    assert F.cross_entropy(logits, y).item() == pytest.approx(want, rel=1e-5)
    again, soft = MixUp(3)(list(zip(x, y, strict=True)))
    assert again.shape == x.shape
    np.testing.assert_allclose(soft.sum(1).numpy(), 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: MixUp(0), ArgumentError, "MixUp: num_classes must be at least 1, got 0"),
        (lambda: MixUp(2, alpha=0.0), ArgumentError, "MixUp: alpha must be positive, got 0.0"),
        (lambda: MixUp(2)([(minidl.zeros(2), 2)]), ShapeError,
         r"MixUp: labels must be classes \(N,\) below 2, or \(N, 2\), got 2 among them"),
        (lambda: MixUp(2)([(minidl.zeros(2), 0.5)]), ShapeError, r"got float64 of shape \(1,\)"),
        (lambda: MixUp(2)([minidl.zeros(2)]), DTypeError,
         "MixUp: samples must be pairs of an input and a label, got Tensor"),
    ],
)  # fmt: skip
def test_wrong_calls_are_answered_clearly(call, error, message):
    with pytest.raises(error, match=message):
        call()
