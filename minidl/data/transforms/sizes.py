"""Transforms that change a picture's size, take a part of it, or turn it over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from minidl.data.transforms import functional as F
from minidl.data.transforms.base import Transform, draw_from
from minidl.data.transforms.checks import (
    Size,
    as_range,
    as_size,
    check_interpolation,
    check_picture,
    check_probability,
    size_of,
)
from minidl.data.transforms.geometry import PADDING_MODES, as_padding, check_resize
from minidl.errors import ArgumentError, ShapeError, must
from minidl.random import current_generator


class Resize(Transform):
    """A picture of another size; see :func:`minidl.data.transforms.functional.resize` for the arguments.

    ``Resize(256)`` brings the shorter side to 256 and keeps the proportions, as torchvision does. Keras's
    ``flow_from_directory(target_size=(224, 224))`` is ``Resize((224, 224), interpolation="nearest")``.
    """

    random = False
    _shown = ("size", "interpolation", "max_size", "antialias")

    def __init__(
        self,
        size: Size,
        interpolation: Any = "bilinear",
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        check_resize("Resize", size, max_size, antialias)
        self.size = size if isinstance(size, int) else tuple(size)
        self.interpolation = check_interpolation("Resize", interpolation)
        self.max_size = max_size
        self.antialias = antialias

    def __call__(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)


class CenterCrop(Transform):
    """The middle of a picture or tensor: (height, width), or a square; a smaller one gets a border of 0 first."""

    random = False
    _shown = ("size",)

    def __init__(self, size: Size) -> None:
        self.size = as_size("CenterCrop", size)

    def __call__(self, img: Any) -> Any:
        return F.center_crop(img, self.size)


class Pad(Transform):
    """A picture or tensor with a border; see :func:`minidl.data.transforms.functional.pad` for the arguments."""

    random = False
    _shown = ("padding", "fill", "padding_mode")

    def __init__(self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> None:
        self.padding = as_padding("Pad", padding)
        self.fill = fill
        self.padding_mode = _check_padding_mode("Pad", padding_mode)

    def __call__(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)


def _check_padding_mode(op: str, padding_mode: str) -> str:
    if padding_mode not in PADDING_MODES:
        names = ", ".join(map(repr, PADDING_MODES))
        raise ArgumentError(must(op, "padding_mode", f"one of {names}", repr(padding_mode)))
    return padding_mode


class RandomCrop(Transform):
    """A part of a picture or tensor, (height, width) or a square, anywhere in it.

    Args:
        size: of the part.
        padding: a border that the picture gets first; see :func:`minidl.data.transforms.functional.pad`.
        pad_if_needed: let a picture that is too small get a border, on both sides, of what is missing.
        fill: of the border. padding_mode: its kind.

    Raises:
        ShapeError: when called with a picture smaller than ``size``.
    """

    _shown = ("size", "padding", "pad_if_needed", "fill", "padding_mode")

    def __init__(
        self,
        size: Size,
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        self.size = as_size("RandomCrop", size)
        self.padding = None if padding is None else as_padding("RandomCrop", padding)
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = _check_padding_mode("RandomCrop", padding_mode)

    def __call__(self, img: Any) -> Any:
        check_picture("RandomCrop", img, tensors=True)
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        missing = [max(wanted - there, 0) for wanted, there in zip(self.size, size_of(img), strict=True)]
        if self.pad_if_needed and any(missing):
            img = F.pad(img, (missing[1], missing[0]), self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Where a part of this size lies: (top, left, height, width), drawn."""
        (h, w), (height, width) = size_of(img), output_size
        if h < height or w < width:
            expected = f"of {height} x {width} or larger (pad_if_needed=True adds what is missing)"
            raise ShapeError(must("RandomCrop", "the picture", expected, f"{h} x {w}"))
        random = current_generator()
        return int(random.integers(h - height + 1)), int(random.integers(w - width + 1)), height, width


class RandomResizedCrop(Transform):
    """A part of a picture or tensor of random area and proportions, brought to ``size``.

    (Szegedy et al., "Going deeper with convolutions", 2015.)

    Args:
        size: (height, width), or a square.
        scale: the range of the part's area, as a share of the picture's.
        ratio: the range of its width / height; drawn evenly on a logarithmic scale.
        interpolation: its name. antialias: of tensors.
    """

    _shown = ("size", "scale", "ratio", "interpolation", "antialias")

    def __init__(
        self,
        size: Size,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: Any = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        self.size = as_size("RandomResizedCrop", size)
        self.scale, self.ratio = _check_area("RandomResizedCrop", scale, ratio)
        self.interpolation = check_interpolation("RandomResizedCrop", interpolation)
        self.antialias = antialias

    def __call__(self, img: Any) -> Any:
        check_picture("RandomResizedCrop", img, tensors=True)
        place = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *place, self.size, self.interpolation, self.antialias)

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """A rectangle (top, left, height, width), drawn; after ten that do not fit, the largest in the middle."""
        h, w = size_of(img)
        random = current_generator()
        for _ in range(10):
            height, width = draw_rectangle(h * w, scale, ratio, inverse=True)
            if 0 < width <= w and 0 < height <= h:
                top, left = int(random.integers(h - height + 1)), int(random.integers(w - width + 1))
                return top, left, height, width
        height, width = h, w
        if w / h < ratio[0]:
            height = round(w / ratio[0])
        elif w / h > ratio[1]:
            width = round(h * ratio[1])
        return (h - height) // 2, (w - width) // 2, height, width


def _check_area(op: str, scale: Any, ratio: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    smallest = math.ulp(0.0)
    return as_range(op, "scale", scale, 0), as_range(op, "ratio", ratio, smallest)


def draw_rectangle(
    area: int, scale: Sequence[float], ratio: Sequence[float], inverse: bool
) -> tuple[int, int]:
    """Height and width of a rectangle with a share of ``area``; ``ratio`` is height / width, or its ``inverse``."""
    share = area * draw_from(scale)
    aspect = math.exp(draw_from([math.log(r) for r in ratio]))
    sides = round(math.sqrt(share * aspect)), round(math.sqrt(share / aspect))
    return sides[::-1] if inverse else sides


class RandomHorizontalFlip(Transform):
    """Left and right exchanged with probability ``p``, of a picture or a tensor (..., H, W)."""

    _shown = ("p",)
    _flip = staticmethod(F.hflip)

    def __init__(self, p: float = 0.5) -> None:
        self.p = check_probability(type(self).__name__, p)

    def __call__(self, img: Any) -> Any:
        check_picture(type(self).__name__, img, tensors=True)
        return self._flip(img) if current_generator().random() < self.p else img


class RandomVerticalFlip(RandomHorizontalFlip):
    """Top and bottom exchanged with probability ``p``, of a picture or a tensor (..., H, W)."""

    _flip = staticmethod(F.vflip)
