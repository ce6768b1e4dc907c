"""The digits that stand in for MNIST: seeded, plausible, and easy enough to tell apart."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFont

from minidl.data import SyntheticDigits, synthetic_digits
from minidl.data import digits as digits_module
from minidl.errors import ArgumentError


@pytest.fixture(scope="module")
def digits():
    return synthetic_digits(3000)


def nearest_mean_accuracy(train, test) -> float:
    """How often the nearest of the ten mean pictures has the right label."""
    means = np.stack([train[0][train[1] == digit].mean(0) for digit in range(10)])
    distances = ((test[0][:, None].astype(float) - means) ** 2).sum((2, 3))
    return float((distances.argmin(1) == test[1]).mean())


def test_shapes_and_dtypes(digits):
    images, labels = digits
    assert images.shape == (3000, 28, 28)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    assert np.bincount(labels, minlength=10).min() > 3000 / 10 * 0.75


def test_the_same_seed_gives_the_same_digits_whatever_their_number(digits):
    images, labels = synthetic_digits(301)
    assert (images == digits[0][:301]).all()
    assert (labels == digits[1][:301]).all()


def test_numpys_global_seed_has_no_say(digits):
    np.random.seed(7)  # noqa: NPY002
    assert (synthetic_digits(10)[0] == digits[0][:10]).all()


@pytest.mark.parametrize("arguments", [{"seed": 1}, {"train": False}])
def test_another_seed_or_part_gives_others(digits, arguments):
    images, labels = synthetic_digits(500, **arguments)
    assert (labels != digits[1][:500]).any()
    assert not {image.tobytes() for image in images} & {image.tobytes() for image in digits[0]}


def test_they_look_like_mnist(digits):
    """Measured on MNIST: mean 0.131, spread 0.308, 19 % of the pixels not black; all of it within 20x20."""
    values = digits[0] / 255
    assert 0.1 < values.mean() < 0.18
    assert 0.28 < values.std() < 0.36
    assert 0.15 < (values > 0).mean() < 0.3
    assert values[:, :2].mean() < 0.005
    assert values[:, :, :2].mean() < 0.005
    assert values.max(axis=(1, 2)).min() > 0.7
    rows = (values.mean(2) * np.arange(28)).sum(1) / values.mean(2).sum(1)
    assert abs(rows.mean() - 13.5) < 0.5  # centred
    edges = ((values > 0.05) & (values < 0.95)).mean() / (values > 0).mean()
    assert edges > 0.3  # smooth


def test_a_simple_classifier_learns_them_from_others(digits):
    assert nearest_mean_accuracy(digits, synthetic_digits(500, train=False)) > 0.75


def test_what_is_learnt_from_them_holds_on_mnist(digits, test_data):
    from minidl.data import MNIST

    mnist = MNIST(test_data("mnist"), train=False, download=False)
    real = mnist.data.numpy()[:2000], mnist.targets.numpy()[:2000]
    assert nearest_mean_accuracy(digits, real) > 0.35  # one font is not 500 writers; guessing gives 0.1


def test_a_pillow_without_freetype_draws_from_its_bitmap_font(monkeypatch, digits):
    def no_freetype(size=None):
        raise ImportError("The _imagingft C module is not installed")

    monkeypatch.setattr(ImageFont, "load_default", no_freetype)
    images, labels = synthetic_digits(500)
    assert (labels == digits[1][:500]).all()
    assert 0.1 < (images / 255).mean() < 0.25
    assert nearest_mean_accuracy((images, labels), synthetic_digits(250, train=False)) > 0.6


def test_sampling_is_bilinear():
    prototypes = np.random.default_rng(0).random((3, digits_module.CANVAS, digits_module.CANVAS))
    x, y, which = np.array([[[7.25, 10.0]]]), np.array([[[9.5, 11.0]]]), np.array([2])
    p = prototypes[2]
    by_hand = (0.75 * p[9, 7] + 0.25 * p[9, 8] + 0.75 * p[10, 7] + 0.25 * p[10, 8]) / 2
    sampled = digits_module._sample(prototypes.reshape(-1), which, x, y)
    np.testing.assert_allclose(sampled, [[[by_hand, p[11, 10]]]])


def test_dataset(digits):
    dataset = SyntheticDigits(n=20)
    picture, label = dataset[3]
    assert isinstance(picture, Image.Image)
    assert (np.asarray(picture) == digits[0][3]).all()
    assert label == digits[1][3]
    assert len(dataset) == 20
    assert dataset.classes == list("0123456789")


def test_default_sizes():
    assert len(SyntheticDigits(train=False)) == 10_000


def test_wrong_number():
    with pytest.raises(ArgumentError, match="synthetic_digits: n must be positive, got 0"):
        synthetic_digits(0)
