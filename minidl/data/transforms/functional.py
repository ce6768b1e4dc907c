"""What the transforms do, as functions without chance: torchvision's ``transforms.functional`` names and meaning.

``img`` is a ``PIL.Image``; where it says so, or a Tensor (..., H, W). Places are counted from the picture's upper left
corner: pixel (0, 0) covers [0, 1] x [0, 1], as in Pillow.
"""

from minidl.data.transforms.colours import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    to_grayscale,
)
from minidl.data.transforms.converting import erase, normalize, pil_to_tensor, to_tensor
from minidl.data.transforms.geometry import (
    affine,
    center_crop,
    crop,
    hflip,
    pad,
    resize,
    resized_crop,
    rotate,
    vflip,
)

__all__ = [
    "adjust_brightness", "adjust_contrast", "adjust_hue", "adjust_saturation", "affine", "center_crop", "crop", "erase",
    "hflip", "normalize", "pad", "pil_to_tensor", "resize", "resized_crop", "rotate", "to_grayscale", "to_tensor",
    "vflip",
]  # fmt: skip
