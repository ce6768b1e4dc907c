"""What pictures must be turned into before a network sees them: the same as those that it was trained on.

A set of weights is worth what it says only on pictures prepared as its training pictures were. The sets of ImageNet
differ in the order of the colours, in the range and in what is subtracted; a network fed with the wrong one still
answers, only worse. So a model knows which one its weights came with (``model.preprocess``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.data.pictures import to_rgb
from minidl.errors import ArgumentError, DTypeError, ShapeError, must
from minidl.ops.arguments import one_of
from minidl.tensor import Tensor

if TYPE_CHECKING:
    from PIL import Image

RESIZE_SHARE = (
    256 / 224
)  # torchvision: the shorter side, before the middle is cut out, to the side of what is left


@dataclass(frozen=True)
class _Recipe:
    """``value * scale + shift`` for a byte of each colour, in the order in which the network has them."""

    scale: tuple[float, ...]
    shift: tuple[float, ...]
    bgr: bool
    interpolation: str
    crop: bool  # keep the proportions and cut out the middle, or squeeze the picture


_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pictures, RGB in [0, 1]
_BGR_MEAN = (103.939, 116.779, 123.68)  # of ImageNet's pictures, BGR in [0, 255]
RECIPES = {
    "torchvision": _Recipe(
        tuple(1 / (255 * std) for std in _STD),
        tuple(-mean / std for mean, std in zip(_MEAN, _STD, strict=True)),
        False, "bilinear", True,
    ),
    "keras": _Recipe((1.0,) * 3, tuple(-mean for mean in _BGR_MEAN), True, "nearest", False),
    "rescale": _Recipe((1 / 255,) * 3, (0.0,) * 3, False, "nearest", False),
}  # fmt: skip


class Preprocess:
    """A transform from a picture to what a network takes: a float32 tensor (3, H, W), in channels-last memory.

    =============== ====== ======================================== ==========================================
    name            colour value                                    size
    =============== ====== ======================================== ==========================================
    ``torchvision`` RGB    (x/255 - mean) / std, mean (0.485, 0.456, shorter side 256, middle 224x224; bilinear
                           0.406), std (0.229, 0.224, 0.225)
    ``keras``       BGR    x - (103.939, 116.779, 123.68)            224x224 whatever the proportions; nearest
    ``rescale``     RGB    x/255                                    224x224 whatever the proportions; nearest
    =============== ====== ======================================== ==========================================

    A ``PIL.Image`` of any mode (what is transparent is put on white), or bytes (H, W, 3) or (H, W), is brought to that
    size. Tensors, bytes or floats in [0, 1] as ToTensor makes them, (..., 3, H, W), keep their size; so do float
    arrays (H, W, 3). That serves behind transforms that have already cut or stretched:
    ``Compose([RandomResizedCrop(224), ToTensor(), model.preprocess])``.

    Args:
        name: which of the three.
        size: height and width.
        interpolation: "nearest", "bilinear", "bicubic", ..., in place of the recipe's own.

    Raises:
        ArgumentError: an unknown name; when called, floats outside [0, 1].
        DTypeError, ShapeError: when called with something else.

    >>> import numpy as np
    >>> white = np.full((2, 2, 3), 255, np.uint8)
    >>> Preprocess("keras", size=1)(white).flatten()
    tensor([151.061, 138.221, 131.32 ])
    """

    random = False  # the same picture gives the same tensor: features may be cached

    def __init__(self, name: str = "torchvision", size: int = 224, interpolation: str | None = None) -> None:
        one_of("Preprocess", "name", name, tuple(RECIPES))
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ArgumentError(must("Preprocess", "size", "a positive int", repr(size)))
        self.name, self.size = name, size
        self.interpolation = RECIPES[name].interpolation if interpolation is None else interpolation

    def __repr__(self) -> str:
        return f"Preprocess({self.name!r}, size={self.size}, interpolation={self.interpolation!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Preprocess) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __call__(self, picture: Any) -> Tensor:
        if isinstance(picture, Tensor):
            return self._of_tensor(picture.detach().array)
        if isinstance(picture, np.ndarray) and picture.dtype != np.uint8:
            if picture.ndim != 3 or picture.shape[2] != 3:
                raise ShapeError(must("preprocess", "an array", "(H, W, 3)", picture.shape))
            return self._of_tensor(picture.transpose(2, 0, 1))  # (3, H, W)
        return self._of_bytes(np.asarray(self.resized(picture)))

    def resized(self, picture: Any) -> Image.Image:
        """What of a ``PIL.Image``, or of bytes, the network sees: brought to its size, its values as they were."""
        from PIL.Image import Resampling

        image = _as_image(picture)
        resampling = getattr(Resampling, self.interpolation.upper(), None)
        if resampling is None:
            names = ", ".join(repr(name.lower()) for name in Resampling.__members__)
            raise ArgumentError(
                must("preprocess", "interpolation", f"one of {names}", repr(self.interpolation))
            )
        width, height, size = *image.size, self.size
        if not RECIPES[self.name].crop:
            return image if (width, height) == (size, size) else image.resize((size, size), resampling)
        short = int(size * RESIZE_SHARE)
        if width <= height:
            width, height = short, int(short * height / width)
        else:
            width, height = int(short * width / height), short
        if (width, height) != image.size:
            image = image.resize((width, height), resampling)
        left, top = round((width - size) / 2), round((height - size) / 2)
        return image.crop((left, top, left + size, top + size))

    def _of_bytes(self, pixels: np.ndarray) -> Tensor:
        """(H, W, 3) bytes to (3, H, W). Row by row, for NumPy's loop over three colours takes ten times as long."""
        recipe, (height, width, _) = RECIPES[self.name], pixels.shape
        if recipe.bgr:
            pixels = np.ascontiguousarray(pixels[:, :, ::-1])
        scale, shift = (np.tile(np.asarray(v, np.float32), width) for v in (recipe.scale, recipe.shift))
        values = pixels.reshape(height, width * 3) * scale
        values += shift
        return Tensor(values.reshape(height, width, 3).transpose(2, 0, 1))  # (3, H, W)

    def _of_tensor(self, x: np.ndarray) -> Tensor:
        """(..., 3, H, W), bytes or floats in [0, 1]."""
        if x.ndim < 3 or x.shape[-3] != 3:
            raise ShapeError(must("preprocess", "a tensor", "(..., 3, H, W)", x.shape))
        if x.dtype != np.uint8:
            x = _checked(x) * np.float32(255)
        recipe = RECIPES[self.name]
        if recipe.bgr:
            x = x[..., ::-1, :, :]
        scale, shift = (np.asarray(v, np.float32).reshape(3, 1, 1) for v in (recipe.scale, recipe.shift))
        return Tensor(x * scale + shift)


def _as_image(picture: Any) -> Image.Image:
    from PIL import Image

    if isinstance(picture, np.ndarray):
        if picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] not in (3, 4)):
            raise ShapeError(must("preprocess", "an array", "(H, W, 3) or (H, W)", picture.shape))
        picture = Image.fromarray(picture)
    if not isinstance(picture, Image.Image):
        expected = "a PIL.Image, an array or a Tensor"
        raise DTypeError(must("preprocess", "picture", expected, type(picture).__name__))
    return picture if picture.mode == "RGB" else to_rgb(picture)


def _checked(x: np.ndarray) -> np.ndarray:
    """``x`` as float32, if its numbers are in [0, 1] but for rounding."""
    if x.dtype.kind != "f":
        raise DTypeError(must("preprocess", "the numbers", "bytes (uint8) or floats", x.dtype))
    if x.size and not (x.min() >= -1e-3 and x.max() <= 1 + 1e-3):
        expected = "in [0, 1], as ToTensor makes them (give 0 to 255 as bytes, uint8)"
        raise ArgumentError(must("preprocess", "floats", expected, f"{x.min():g} to {x.max():g}"))
    return x.astype(np.float32)


def doubt(name: str, low: float, high: float) -> str | None:
    """What is odd about pictures with values from ``low`` to ``high``, for weights of the set ``name``; or None."""
    wants = {
        "torchvision": "RGB/255 minus ImageNet's mean, divided by its standard deviation: about -2.1 to 2.6",
        "keras": "BGR from 0 to 255 minus ImageNet's mean: about -124 to 151",
    }
    seen = f"they are from {low:g} to {high:g}"
    if name == "torchvision" and max(high, -low) > 10:
        seen += ", as if they had not been divided by 255"
    elif name == "torchvision" and low >= 0 and high <= 1:
        seen += ", as if they had been divided by 255 only"
    elif name == "keras" and max(high, -low) <= 10:
        seen += ", as if they had been divided by 255"
    elif name == "keras" and low >= 0 and high > 255 - _BGR_MEAN[0]:
        seen += ", as if nothing had been subtracted"
    else:
        return None
    return f"these weights were trained on other values than these pictures have: {wants[name]}; {seen}"
