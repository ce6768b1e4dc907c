"""Preprocessing: torchvision's and Keras's formulas, in float64, on the same pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import minidl
from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.models import Preprocess
from minidl.models.preprocessing import doubt


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def definition(name: str, pixels: np.ndarray) -> np.ndarray:
    """From the weight sets' documentation: (H, W, 3) bytes to (3, H, W)."""
    x = pixels.astype(np.float64)
    if name == "torchvision":
        x = (x / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    elif name == "keras":
        x = x[..., ::-1] - (103.939, 116.779, 123.68)
    else:
        x = x / 255
    return x.transpose(2, 0, 1)


NAMES = ("torchvision", "keras", "rescale")


@pytest.mark.parametrize("name", NAMES)
class TestValues:
    def test_of_bytes(self, name):
        pixels = picture(20, 20)
        short = Image.fromarray(pixels).resize((22, 22), Image.Resampling.BILINEAR)
        want = np.asarray(short)[1:21, 1:21] if name == "torchvision" else pixels
        got = Preprocess(name, size=20)(pixels).numpy()
        np.testing.assert_allclose(got, definition(name, want), atol=2e-5)
        assert got.dtype == np.float32
        assert got.transpose(1, 2, 0).flags.c_contiguous

    def test_of_tensors_and_float_arrays_which_keep_their_size(self, name):
        pixels, preprocess = picture(10, 12), Preprocess(name, size=99)
        want = definition(name, pixels)
        scaled = (pixels / np.float32(255)).transpose(2, 0, 1)
        for given in (minidl.tensor(scaled), minidl.tensor(pixels.transpose(2, 0, 1)), pixels / 255.0):
            np.testing.assert_allclose(preprocess(given).numpy(), want, atol=1e-4)
        batch = preprocess(minidl.tensor(np.stack([scaled, scaled])))
        assert batch.shape == (2, 3, 10, 12)
        np.testing.assert_allclose(batch.numpy()[1], want, atol=1e-4)

    def test_pictures_of_any_mode_are_made_rgb(self, name):
        preprocess = Preprocess(name, size=8)
        rgb = Image.fromarray(picture(16, 16))
        for mode in ("L", "P", "1", "CMYK"):
            other = rgb.convert(mode)
            want = preprocess(other.convert("RGB"))
            assert (preprocess(other) == want).all(), mode
        grey = np.asarray(rgb.convert("L"))
        assert (preprocess(grey) == preprocess(rgb.convert("L").convert("RGB"))).all()

    def test_what_is_transparent_is_white(self, name):
        clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
        assert (Preprocess(name)(clear) == Preprocess(name)(Image.new("RGB", (8, 8), "white"))).all()

    def test_does_not_change_its_argument(self, name):
        pixels = picture(8, 8)
        before = pixels.copy()
        x = minidl.tensor(pixels.transpose(2, 0, 1))
        Preprocess(name, size=8)(pixels)
        Preprocess(name)(x)
        assert (pixels == before).all()
        assert (x.numpy() == before.transpose(2, 0, 1)).all()


class TestSize:
    @pytest.mark.parametrize("shape", [(300, 500), (500, 300), (224, 224), (100, 90), (257, 1000)])
    def test_torchvisions_keeps_the_proportions_and_takes_the_middle(self, shape):
        """Resize(256), then CenterCrop(224), as torchvision words them."""
        height, width = shape
        image = Image.fromarray(picture(*shape))
        size = (256, int(256 * height / width)) if width <= height else (int(256 * width / height), 256)
        resized = np.asarray(image.resize(size, Image.Resampling.BILINEAR))
        top, left = (round((n - 224) / 2.0) for n in resized.shape[:2])
        want = definition("torchvision", resized[top : top + 224, left : left + 224])
        np.testing.assert_allclose(Preprocess()(image).numpy(), want, atol=1e-5)

    @pytest.mark.parametrize("name", ["keras", "rescale"])
    def test_kerass_squeezes_by_the_nearest_pixel(self, name):
        image = Image.fromarray(picture(100, 300))
        want = np.asarray(image.resize((224, 224), Image.Resampling.NEAREST))
        np.testing.assert_allclose(Preprocess(name)(image).numpy(), definition(name, want), atol=2e-5)

    def test_the_interpolation_can_be_chosen(self):
        image = Image.fromarray(picture(100, 300))
        want = np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC))
        got = Preprocess("rescale", size=32, interpolation="bicubic")(image)
        np.testing.assert_allclose(got.numpy(), definition("rescale", want), atol=1e-6)


def test_equals_keras_preprocess_input(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip("keras", reason="compares with Keras's own preprocessing")
    from keras.applications import vgg16

    pixels = picture(30, 30)
    want = vgg16.preprocess_input(pixels.astype(np.float32), data_format="channels_last").transpose(2, 0, 1)
    assert np.abs(Preprocess("keras", size=30)(pixels).numpy() - want).max() <= 1e-5


def test_is_described_by_its_arguments():
    assert repr(Preprocess("keras", 160)) == "Preprocess('keras', size=160, interpolation='nearest')"
    assert Preprocess("keras") == Preprocess("keras", interpolation="nearest") != Preprocess("rescale")
    assert len({Preprocess(), Preprocess("torchvision"), Preprocess(size=3)}) == 2
    assert Preprocess.random is False


@pytest.mark.parametrize(
    ("name", "low", "high", "words"),
    [
        ("torchvision", 0, 255, "as if they had not been divided by 255"),
        ("torchvision", -123, 150, "as if they had not been divided by 255"),
        ("torchvision", 0, 1, "as if they had been divided by 255 only"),
        ("keras", 0, 1, "as if they had been divided by 255"),
        ("keras", -2.1, 2.6, "as if they had been divided by 255"),
        ("keras", 0, 255, "as if nothing had been subtracted"),
    ],
)
def test_the_range_of_another_set_is_odd(name, low, high, words):
    message = doubt(name, low, high)
    assert message.endswith(f"they are from {low} to {high}, {words}")


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("torchvision", -2.1, 2.6),
        ("torchvision", -1.0, 0.5),
        ("keras", -123.7, 151.1),
        ("keras", 20.0, 100.0),
    ],
)
def test_the_right_range_is_not_odd(name, low, high):
    assert doubt(name, low, high) is None


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Preprocess("caffe"), ArgumentError,
         "Preprocess: name must be 'torchvision' or 'keras' or 'rescale', got 'caffe'"),
        (lambda: Preprocess(size=0), ArgumentError, "Preprocess: size must be a positive int, got 0"),
        (lambda: Preprocess(interpolation="best")(picture(8, 8)), ArgumentError,
         "preprocess: interpolation must be one of 'nearest', .*, got 'best'"),
        (lambda: Preprocess()("cat.jpg"), DTypeError,
         "preprocess: picture must be a PIL.Image, an array or a Tensor, got str"),
        (lambda: Preprocess()(picture(8, 8)[None]), ShapeError,
         r"preprocess: an array must be \(H, W, 3\) or \(H, W\), got \(1, 8, 8, 3\)"),
        (lambda: Preprocess()(np.zeros((3, 8, 8))), ShapeError,
         r"preprocess: an array must be \(H, W, 3\), got \(3, 8, 8\)"),
        (lambda: Preprocess()(minidl.zeros(8, 8, 3)), ShapeError,
         r"preprocess: a tensor must be \(..., 3, H, W\), got \(8, 8, 3\)"),
        (lambda: Preprocess()(minidl.full((3, 8, 8), 255.0)), ArgumentError,
         r"preprocess: floats must be in \[0, 1\], as ToTensor makes them .*, got 255 to 255"),
        (lambda: Preprocess()(minidl.zeros(3, 8, 8, dtype=minidl.int64)), DTypeError,
         r"preprocess: the numbers must be bytes \(uint8\) or floats, got int64"),
    ],
)  # fmt: skip
def test_wrong_calls_are_answered_clearly(call, error, message):
    with pytest.raises(error, match=message):
        call()
