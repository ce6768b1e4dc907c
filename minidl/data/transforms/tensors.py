"""Transforms that make tensors, or that work on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.data.transforms import functional as F
from minidl.data.transforms.base import Transform
from minidl.data.transforms.checks import as_range, check_probability, is_number
from minidl.data.transforms.sizes import draw_rectangle
from minidl.errors import ArgumentError, DTypeError, ShapeError, must
from minidl.random import current_generator
from minidl.tensor import Tensor


class ToTensor(Transform):
    """A picture or an array (H, W, C) as a tensor (C, H, W): float32 in [0, 1] where the values are bytes.

    Its memory is channels-last, as convolutions like it. See :func:`minidl.data.transforms.functional.to_tensor`.
    """

    random = False
    fresh = True

    def __call__(self, img: Any) -> Tensor:
        return F.to_tensor(img)


class PILToTensor(Transform):
    """A picture's values as they are, as a tensor (C, H, W)."""

    random = False

    def __call__(self, img: Any) -> Tensor:
        return F.pil_to_tensor(img)


class Normalize(Transform):
    """``(tensor - mean) / std``, channel by channel, of a tensor (..., C, H, W) of floats.

    >>> Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    """

    random = False
    _shown = ("mean", "std")

    def __init__(
        self, mean: float | Sequence[float], std: float | Sequence[float], inplace: bool = False
    ) -> None:
        self.mean, self.std = mean, std
        self.inplace = inplace

    def __call__(self, img: Tensor) -> Tensor:
        return F.normalize(img, self.mean, self.std, self.inplace)  # type: ignore[arg-type]

    def overwrite(self, img: Tensor) -> Tensor:
        """The same, into the memory of ``img``."""
        return F.normalize(img, self.mean, self.std, inplace=True)  # type: ignore[arg-type]


class RandomErasing(Transform):
    """A rectangle of a tensor (..., C, H, W) overwritten, with probability ``p``.

    (Zhong et al., "Random erasing data augmentation", 2017.)

    Args:
        p: how often.
        scale: the range of the rectangle's area, as a share of the picture's.
        ratio: the range of its height / width; drawn evenly on a logarithmic scale.
        value: what is written: a number, or one for each channel, or "random" for normally distributed numbers.
        inplace: change the tensor itself.
    """

    _shown = ("p", "scale", "ratio", "value", "inplace")

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | str | Sequence[float] = 0,
        inplace: bool = False,
    ) -> None:
        self.p = check_probability("RandomErasing", p)
        self.scale = as_range("RandomErasing", "scale", scale, 0, 1)
        self.ratio = as_range("RandomErasing", "ratio", ratio, math.ulp(0.0))
        numbers = value if isinstance(value, Sequence) else [value]
        if value != "random" and (isinstance(value, str) or not numbers or not all(map(is_number, numbers))):
            raise ArgumentError(must("RandomErasing", "value", 'numbers, or "random"', repr(value)))
        self.value = value
        self.inplace = inplace

    def __call__(self, img: Any) -> Tensor:
        if not isinstance(img, Tensor) or img.ndim < 3:
            got = f"shape {img.shape}" if isinstance(img, Tensor) else type(img).__name__
            raise DTypeError(must("RandomErasing", "img", "a Tensor (..., C, H, W)", got))
        channels = img.shape[-3]
        if (
            isinstance(self.value, Sequence)
            and self.value != "random"
            and len(self.value) not in (1, channels)
        ):
            raise ShapeError(must("RandomErasing", "value", f"one number, or {channels}", len(self.value)))
        if current_generator().random() >= self.p:
            return img
        found = self._draw(*img.shape[-2:])
        if found is None:
            return img
        top, left, h, w = found
        return F.erase(img, top, left, h, w, self._written((channels, h, w), img), self.inplace)

    def _draw(self, h: int, w: int) -> tuple[int, int, int, int] | None:
        """A rectangle (top, left, height, width); None after ten that do not fit."""
        random = current_generator()
        for _ in range(10):
            height, width = draw_rectangle(h * w, self.scale, self.ratio, inverse=False)
            if height < h and width < w:
                top, left = int(random.integers(h - height + 1)), int(random.integers(w - width + 1))
                return top, left, height, width
        return None

    def _written(self, shape: tuple[int, int, int], img: Tensor) -> Tensor:
        if self.value == "random":
            values = current_generator().standard_normal(shape)
        else:
            values = np.reshape(np.asarray(self.value, np.float64), (-1, 1, 1))
        return Tensor(values.astype(img.array.dtype))
