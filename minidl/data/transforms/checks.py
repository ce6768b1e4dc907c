"""What transforms ask of their arguments, and the names of interpolations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from minidl.errors import ArgumentError, DTypeError, ShapeError, must
from minidl.tensor import Tensor

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
    "lanczos": Image.Resampling.LANCZOS,
}

Size = int | Sequence[int]


def check_interpolation(op: str, interpolation: Any) -> str:
    """The name of an interpolation, which may be given by name, or as Pillow's or torchvision's constant."""
    given = getattr(interpolation, "value", interpolation)  # torchvision's InterpolationMode
    for name, resampling in INTERPOLATIONS.items():
        if given == name or (not isinstance(given, (str, bool)) and given == resampling.value):
            return name
    names = ", ".join(map(repr, INTERPOLATIONS))
    raise ArgumentError(must(op, "interpolation", f"one of {names}", repr(interpolation)))


def check_picture(op: str, img: Any, tensors: bool = False, name: str = "img") -> Any:
    """``img`` if it is a picture, or, where those are taken too, a tensor with height and width."""
    if isinstance(img, Image.Image):
        return img
    if tensors and isinstance(img, Tensor):
        if img.ndim < 2:
            raise ShapeError(must(op, "img", "of shape (..., H, W)", img.shape))
        return img
    expected = "a PIL.Image or a Tensor" if tensors else "a PIL.Image"
    raise DTypeError(must(op, name, expected, type(img).__name__))


def size_of(img: Any) -> tuple[int, int]:
    """Height and width of a picture or tensor."""
    return img.shape[-2:] if isinstance(img, Tensor) else img.size[::-1]


def as_size(op: str, size: Any) -> tuple[int, int]:
    """A size (height, width), given as such or as one int for both."""
    pair = (size, size) if isinstance(size, int) else size
    if isinstance(pair, Sequence) and len(pair) == 1:
        pair = (pair[0], pair[0])
    if not _are_positive(pair) or len(pair) != 2:
        raise ArgumentError(must(op, "size", "a positive int, or (height, width)", repr(size)))
    return int(pair[0]), int(pair[1])


def _are_positive(values: Any) -> bool:
    return isinstance(values, Sequence) and all(
        isinstance(v, (int, np.integer)) and not isinstance(v, bool) and v > 0 for v in values
    )


def check_probability(name: str, p: float) -> float:
    """``p`` if it is in [0, 1]."""
    if isinstance(p, bool) or not isinstance(p, (int, float)) or not 0 <= p <= 1:
        raise ArgumentError(must(name, "p", "in [0, 1]", repr(p)))
    return float(p)


def is_number(value: Any) -> bool:
    """Whether it is an int or a float, and finite."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_pair(value: Any) -> bool:
    """Whether it is two numbers."""
    return isinstance(value, Sequence) and len(value) == 2 and all(map(is_number, value))


def as_range(
    op: str, name: str, given: Any, least: float = -math.inf, most: float = math.inf
) -> tuple[float, float]:
    """A pair (from, to) of numbers within [least, most]."""
    if not is_pair(given) or not least <= given[0] <= given[1] <= most:
        within = "" if math.isinf(least) and math.isinf(most) else f" within [{least}, {most}]"
        raise ArgumentError(
            must(op, name, f"two numbers{within}, the first not above the second", repr(given))
        )
    return float(given[0]), float(given[1])


def as_angles(op: str, name: str, given: Any) -> tuple[float, float]:
    """A range of degrees; one number stands for the range from its negative to itself."""
    if is_number(given):
        if given < 0:
            raise ArgumentError(must(op, name, "non-negative, or two numbers", given))
        return -float(given), float(given)
    return as_range(op, name, given)


def fill_of(op: str, fill: Any, img: Image.Image) -> Any:
    """The colour ``fill`` for a picture of this mode: one number stands for all its channels."""
    bands = len(img.getbands())
    if isinstance(fill, str):
        return fill
    if fill is None:
        fill = 0
    if is_number(fill):
        fill = (fill,) * bands
    if not isinstance(fill, Sequence) or len(fill) != bands or not all(map(is_number, fill)):
        raise ArgumentError(must(op, "fill", f"a number, or {bands} for mode {img.mode}", repr(fill)))
    values = tuple(fill) if img.mode == "F" else tuple(int(v) for v in fill)
    return values if bands > 1 else values[0]
