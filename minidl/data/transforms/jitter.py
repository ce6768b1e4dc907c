"""Transforms that change a picture's colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minidl.data.transforms import functional as F
from minidl.data.transforms.base import Transform, draw_from
from minidl.data.transforms.checks import as_range, check_picture, check_probability, is_number
from minidl.errors import ArgumentError, must
from minidl.random import current_generator

Range = tuple[float, float] | None


class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue changed at random, in random order.

    Args:
        brightness: the range of the factor, within [0, inf); one number stands for (max(0, 1 - brightness),
            1 + brightness).
        contrast: the same. saturation: the same.
        hue: the range, within [-0.5, 0.5], of turns around the circle of hues; one number stands for (-hue, hue).
    """

    _shown = ("brightness", "contrast", "saturation", "hue")

    def __init__(
        self,
        brightness: float | Sequence[float] = 0,
        contrast: float | Sequence[float] = 0,
        saturation: float | Sequence[float] = 0,
        hue: float | Sequence[float] = 0,
    ) -> None:
        self.brightness = _factors("brightness", brightness)
        self.contrast = _factors("contrast", contrast)
        self.saturation = _factors("saturation", saturation)
        self.hue = _hues(hue)

    def __call__(self, img: Any) -> Any:
        check_picture("ColorJitter", img)
        changes: list[tuple[Callable[[Any, float], Any], Range]] = [
            (F.adjust_brightness, self.brightness),
            (F.adjust_contrast, self.contrast),
            (F.adjust_saturation, self.saturation),
            (F.adjust_hue, self.hue),
        ]
        for i in current_generator().permutation(4).tolist():
            change, within = changes[i]
            if within is not None:
                img = change(img, draw_from(within))
        return img


def _factors(name: str, given: Any) -> Range:
    if is_number(given):
        if given < 0:
            raise ArgumentError(must("ColorJitter", name, "non-negative, or two numbers", given))
        given = (max(0.0, 1 - given), 1 + given)
    found = as_range("ColorJitter", name, given, 0)
    return None if found == (1, 1) else found


def _hues(given: Any) -> Range:
    if is_number(given):
        given = (-given, given)
    found = as_range("ColorJitter", "hue", given, -0.5, 0.5)
    return None if found == (0, 0) else found


class Grayscale(Transform):
    """A picture in grey, with one channel or three."""

    random = False
    _shown = ("num_output_channels",)

    def __init__(self, num_output_channels: int = 1) -> None:
        if num_output_channels not in (1, 3):
            raise ArgumentError(must("Grayscale", "num_output_channels", "1 or 3", repr(num_output_channels)))
        self.num_output_channels = num_output_channels

    def __call__(self, img: Any) -> Any:
        return F.to_grayscale(img, self.num_output_channels)


class RandomGrayscale(Transform):
    """A picture in grey with probability ``p``, with as many channels as before: one, or three."""

    _shown = ("p",)

    def __init__(self, p: float = 0.1) -> None:
        self.p = check_probability("RandomGrayscale", p)

    def __call__(self, img: Any) -> Any:
        check_picture("RandomGrayscale", img)
        if current_generator().random() < self.p:
            return F.to_grayscale(img, 1 if len(img.getbands()) == 1 else 3)
        return img
