"""Transforms that make tensors, or that work on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minidl.data.transforms import functional as F
from minidl.data.transforms.base import Transform
from minidl.tensor import Tensor


class ToTensor(Transform):
    """A picture or an array (H, W, C) as a tensor (C, H, W): float32 in [0, 1] where the values are bytes.

    Its memory is channels-last, as convolutions like it. See :func:`minidl.data.transforms.functional.to_tensor`.
    """

    def __call__(self, img: Any) -> Tensor:
        return F.to_tensor(img)


class PILToTensor(Transform):
    """A picture's values as they are, as a tensor (C, H, W)."""

    def __call__(self, img: Any) -> Tensor:
        return F.pil_to_tensor(img)


class Normalize(Transform):
    """``(tensor - mean) / std``, channel by channel, of a tensor (..., C, H, W) of floats.

    >>> Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    """

    _shown = ("mean", "std")

    def __init__(
        self, mean: float | Sequence[float], std: float | Sequence[float], inplace: bool = False
    ) -> None:
        self.mean, self.std = mean, std
        self.inplace = inplace

    def __call__(self, img: Tensor) -> Tensor:
        return F.normalize(img, self.mean, self.std, self.inplace)  # type: ignore[arg-type]
