"""Transforms that change a picture's size or turn it over."""

from __future__ import annotations

from typing import Any

from minidl.data.transforms import functional as F
from minidl.data.transforms.base import Transform, check_probability
from minidl.random import current_generator


class Resize(Transform):
    """A picture of another size; see :func:`minidl.data.transforms.functional.resize` for the arguments.

    ``Resize(256)`` brings the shorter side to 256 and keeps the proportions, as torchvision does. Keras's
    ``flow_from_directory(target_size=(224, 224))`` is ``Resize((224, 224), interpolation="nearest")``.
    """

    _shown = ("size", "interpolation", "max_size", "antialias")

    def __init__(
        self,
        size: F.Size,
        interpolation: Any = "bilinear",
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        F.check_resize("Resize", size, max_size, antialias)
        self.size = size if isinstance(size, int) else tuple(size)
        self.interpolation = F.check_interpolation("Resize", interpolation)
        self.max_size = max_size
        self.antialias = antialias

    def __call__(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)


class RandomHorizontalFlip(Transform):
    """Left and right exchanged with probability ``p``, of a picture or a tensor (..., H, W)."""

    random = True
    _shown = ("p",)
    _flip = staticmethod(F.hflip)

    def __init__(self, p: float = 0.5) -> None:
        self.p = check_probability(type(self).__name__, p)

    def __call__(self, img: Any) -> Any:
        F.check_picture(type(self).__name__, img, tensors=True)
        return self._flip(img) if current_generator().random() < self.p else img


class RandomVerticalFlip(RandomHorizontalFlip):
    """Top and bottom exchanged with probability ``p``, of a picture or a tensor (..., H, W)."""

    _flip = staticmethod(F.vflip)
