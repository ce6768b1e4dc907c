"""Pictures of other colours."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageEnhance

from minidl.data.transforms.checks import check_picture, is_number
from minidl.errors import ArgumentError, must


def _check_factor(op: str, name: str, factor: float) -> float:
    if not is_number(factor) or factor < 0:
        raise ArgumentError(must(op, name, "a non-negative number", repr(factor)))
    return factor


def adjust_brightness(img: Image.Image, brightness_factor: float) -> Image.Image:
    """The picture mixed with black: 0 gives black, 1 the picture, 2 twice its brightness."""
    _check_factor("adjust_brightness", "brightness_factor", brightness_factor)
    return ImageEnhance.Brightness(check_picture("adjust_brightness", img)).enhance(brightness_factor)


def adjust_contrast(img: Image.Image, contrast_factor: float) -> Image.Image:
    """The picture mixed with the grey of its mean brightness: 0 gives that, 1 the picture."""
    _check_factor("adjust_contrast", "contrast_factor", contrast_factor)
    return ImageEnhance.Contrast(check_picture("adjust_contrast", img)).enhance(contrast_factor)


def adjust_saturation(img: Image.Image, saturation_factor: float) -> Image.Image:
    """The picture mixed with its grey form: 0 gives that, 1 the picture, 2 twice its saturation."""
    _check_factor("adjust_saturation", "saturation_factor", saturation_factor)
    return ImageEnhance.Color(check_picture("adjust_saturation", img)).enhance(saturation_factor)


def adjust_hue(img: Image.Image, hue_factor: float) -> Image.Image:
    """The picture with its hues moved around their circle by ``hue_factor`` turns, which is in [-0.5, 0.5].

    As Pillow, it counts hues in 255ths. Grey pictures stay as they are.
    """
    if not is_number(hue_factor) or not -0.5 <= hue_factor <= 0.5:
        raise ArgumentError(must("adjust_hue", "hue_factor", "in [-0.5, 0.5]", repr(hue_factor)))
    if check_picture("adjust_hue", img).mode in ("L", "1", "I", "F"):
        return img
    hue, saturation, value = img.convert("HSV").split()
    moved = np.asarray(hue) + np.uint8(int(hue_factor * 255) % 256)  # uint8, which goes round by itself
    return Image.merge("HSV", (Image.fromarray(moved), saturation, value)).convert(img.mode)


def to_grayscale(img: Image.Image, num_output_channels: int = 1) -> Image.Image:
    """The picture in grey, L = 0.299 R + 0.587 G + 0.114 B: of mode "L", or with three channels "RGB"."""
    if num_output_channels not in (1, 3):
        raise ArgumentError(must("to_grayscale", "num_output_channels", "1 or 3", repr(num_output_channels)))
    grey = check_picture("to_grayscale", img).convert("L")
    return grey if num_output_channels == 1 else Image.merge("RGB", (grey, grey, grey))
