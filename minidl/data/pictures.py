"""Reading a file as a picture of three colours, whatever Pillow's mode for it.

A picture becomes RGB as a person would see it on a white page:

- transparent parts show white (palette, grey, colour, with an alpha channel or one transparent colour);
- 16-bit grey is scaled to 8 bits, v * 255 / 65535 and rounded, not clipped; 32-bit integers are taken for 16-bit
  values, or, where one of them is larger, for 31-bit values;
- floats are taken to be in [0, 1], or where the largest is above 1 in [0, 255], or above that in [0, 65535];
- CMYK as Pillow reads it, which undoes Adobe's inversion; of an animation the first frame;
- it is turned as the camera's EXIF orientation says.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

ORIENTATION = 0x0112  # EXIF's tag
DIRECT = (
    "P",
    "L",
    "1",
    "CMYK",
    "YCbCr",
    "HSV",
    "RGBX",
)  # modes that Pillow itself converts, if nothing is transparent


def load_picture(path: str | os.PathLike[str]) -> Image:
    """Read a file as an RGB picture; see :mod:`minidl.data.pictures` for what becomes of other modes.

    Raises:
        OSError: the file cannot be read, or is no picture (``PIL.UnidentifiedImageError``), or is truncated.
    """
    from PIL import Image

    with open(path, "rb") as file, Image.open(file) as image:
        return to_rgb(image)


def to_rgb(image: Image) -> Image:
    """The picture in mode RGB, turned as its EXIF orientation says; its pixels are loaded, and its file not needed."""
    from PIL import ImageOps

    image.load()
    if image.getexif().get(ORIENTATION, 1) != 1:
        ImageOps.exif_transpose(image, in_place=True)
    if image.has_transparency_data:
        return _on_white(image)
    if image.mode == "RGB":
        return image
    if image.mode in DIRECT:
        return image.convert("RGB")
    if image.mode == "LAB":
        return _from_lab(image)
    return _from_numbers(np.asarray(image))


def _on_white(image: Any) -> Image:
    from PIL import Image

    if image.mode in ("La", "RGBa"):  # colours that are multiplied by their alpha
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    if image.mode.startswith("I"):  # of 16 bits, with one transparent value, where Pillow clips
        return _deep_on_white(image)
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


def _deep_on_white(image: Any) -> Image:
    from PIL import Image

    values = np.asarray(image)
    shown = np.array(_from_numbers(values))
    shown[values == image.info["transparency"]] = 255
    return Image.fromarray(shown)


def _from_lab(image: Any) -> Image:
    from PIL import ImageCms

    lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted: Any = ImageCms.applyTransform(image, ImageCms.buildTransform(lab, rgb, "LAB", "RGB"))
    return converted


def _from_numbers(values: np.ndarray) -> Image:
    """Grey values (H, W) of 16 bits, of 32 bits, or of floats."""
    from PIL import Image

    limits = (1, 255, 65535) if values.dtype.kind == "f" else (65535, 2**31 - 1)
    values = np.nan_to_num(values.astype(np.float64), posinf=np.inf)
    most = values.max(initial=0)
    top = next((limit for limit in limits if most <= limit), limits[-1])
    return Image.fromarray(np.rint(values.clip(0, top) * (255 / top)).astype(np.uint8)).convert("RGB")
