"""Handwriting for lack of handwriting: digits from Pillow's own font, bent at random to look like MNIST's.

A few prototypes (ten digits in several stroke widths) are drawn large. Each picture then samples one of them, for every
one of its pixels at a place that an affine map and a smooth random displacement determine (Simard et al., "Best
practices for convolutional neural networks applied to visual document analysis", 2003). All of that is arithmetic on
whole blocks of pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from minidl.data.images import GreyImages
from minidl.errors import ArgumentError, must
from minidl.random import stream

SIDE = 28  # pixels of a picture
SCALE = 4  # prototype pixels per pixel
CANVAS = 36 * SCALE  # a prototype's side: the picture, with a margin for maps that reach beyond it
HEIGHT = 20 * SCALE  # a digit's height, as in MNIST
BOLDNESS = (1, 3, 5)  # prototype pixels by which a stroke is widened, plus one
BLOCK = 250  # pictures that are computed, and that draw their random numbers, together
KNOTS = 7  # the displacement is drawn at KNOTS x KNOTS points


def synthetic_digits(n: int, seed: int = 0, train: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Draw ``n`` digits: uint8 pictures (n, 28, 28), white on black, and their labels, int64 (n,).

    The first pictures are the same for any ``n``. ``train=False`` gives others, to test on.
    """
    if n < 1:
        raise ArgumentError(must("synthetic_digits", "n", "positive", n))
    prototypes = _prototypes()
    blocks = [_draw_block(prototypes, stream(seed, int(train), start)) for start in range(0, n, BLOCK)]
    return (
        np.concatenate([images for images, _ in blocks])[:n],
        np.concatenate([labels for _, labels in blocks])[:n],
    )


class SyntheticDigits(GreyImages):
    """A dataset like :class:`MNIST` of :func:`synthetic_digits`: 60,000 to train on, 10,000 to test on, or ``n``."""

    classes: ClassVar[list[str]] = [str(digit) for digit in range(10)]

    def __init__(
        self,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        n: int | None = None,
        seed: int = 0,
    ) -> None:
        self.train = train
        if n is None:
            n = 60_000 if train else 10_000
        super().__init__(*synthetic_digits(n, seed, train), transform, target_transform)


# ---- prototypes ----


def _prototypes() -> np.ndarray:
    """Each digit in each boldness, blurred by half a pixel: float32 (10, boldness, CANVAS, CANVAS) in [0, 1]."""
    from PIL import ImageFilter  # loaded when digits are drawn

    soft = ImageFilter.GaussianBlur(SCALE / 2.5)
    drawn = [
        [np.asarray(glyph.filter(ImageFilter.MaxFilter(bold)).filter(soft)) for bold in BOLDNESS]
        for glyph in map(_glyph, range(10))
    ]
    return np.divide(drawn, np.float32(255))


def _glyph(digit: int) -> Any:
    """A digit as a ``PIL.Image``, HEIGHT pixels high, with its centre of mass in the middle."""
    from PIL import Image, ImageDraw, ImageFont

    try:
        font: Any = ImageFont.load_default(size=HEIGHT)
    except ImportError:  # a Pillow without FreeType has letters of 11 pixels only
        font = ImageFont.load_default_imagefont()
    image = Image.new("L", (2 * HEIGHT, 2 * HEIGHT))
    ImageDraw.Draw(image).text((HEIGHT // 2, HEIGHT // 4), str(digit), fill=255, font=font)
    image = image.crop(image.getbbox())
    width = round(image.width * HEIGHT / image.height)
    ink = np.asarray(image.resize((width, HEIGHT), Image.Resampling.BICUBIC)) > 127
    rows, columns = np.nonzero(ink)
    glyph = Image.new("L", (CANVAS, CANVAS))
    glyph.paste(Image.fromarray(ink), (round(CANVAS / 2 - columns.mean()), round(CANVAS / 2 - rows.mean())))
    return glyph


# ---- one block of pictures ----


def _draw_block(prototypes: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """BLOCK pictures, uint8 (BLOCK, 28, 28), and their digits."""
    labels = random.integers(10, size=BLOCK)
    boldness = random.integers(len(BOLDNESS), size=BLOCK)
    x, y = _places(random)
    ink = _sample(prototypes.reshape(-1), labels * len(BOLDNESS) + boldness, x, y)
    gain = random.uniform(1.0, 1.4, (BLOCK, 1, 1)).astype(np.float32)
    grain = 1 + 0.08 * random.standard_normal(ink.shape, np.float32)  # of the ink: the paper stays black
    return np.rint(255 * np.minimum(gain * grain * ink, 1)).astype(np.uint8), labels


def _places(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Where in its prototype each pixel of each picture looks: x and y, float32 (BLOCK, 28, 28)."""
    pixel = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    angle, slant = random.normal(0, 0.1, BLOCK), random.normal(0.1, 0.2, BLOCK)
    width, height = random.uniform(0.65, 1.1, BLOCK), random.uniform(0.85, 1.05, BLOCK)
    cos, sin = np.cos(angle), np.sin(angle)
    # the inverse of "widen and heighten, slant, turn": what a step to the right, and one down, add to x and to y
    right = np.stack([(cos - slant * sin) / width, -sin / height])
    down = np.stack([(sin + slant * cos) / width, cos / height])
    moves = np.stack([right, down, random.normal(0, 0.5, (2, BLOCK))])
    right, down, shift = moves.astype(np.float32)[..., None, None]  # each (2, BLOCK, 1, 1)
    x, y = SCALE * (right * pixel + down * pixel[:, None] + shift + _smooth(random)) + (CANVAS - 1) / 2
    return x, y


def _smooth(random: np.random.Generator) -> np.ndarray:
    """Smooth displacements in pixels, for x and for y: float32 (2, BLOCK, 28, 28)."""
    amplitude = random.uniform(1, 3.5, (BLOCK, 1, 1)).astype(np.float32)
    knots = amplitude * random.standard_normal((2, BLOCK, KNOTS, KNOTS), np.float32)
    distance = np.linspace(0, KNOTS - 1, SIDE)[:, None] - np.arange(KNOTS)
    weights = np.exp(-(distance**2))
    weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)  # (28, KNOTS)
    # einsum and not matmul, which calls BLAS: the pictures then do not depend on its version and threads
    return np.einsum("jl,cnil->cnij", weights, np.einsum("ik,cnkl->cnil", weights, knots))


def _sample(prototypes: np.ndarray, which: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The value of prototype ``which`` at (x, y) for each pixel, bilinear between the four around it."""
    x, y = x.clip(0, CANVAS - 1.01), y.clip(0, CANVAS - 1.01)
    left, top = x.astype(np.int32), y.astype(np.int32)
    x, y = x - left, y - top
    at = which.astype(np.int32)[:, None, None] * (CANVAS * CANVAS) + top * CANVAS + left
    upper = prototypes.take(at) * (1 - x) + prototypes.take(at + 1) * x
    lower = prototypes.take(at + CANVAS) * (1 - x) + prototypes.take(at + CANVAS + 1) * x
    return upper * (1 - y) + lower * y
