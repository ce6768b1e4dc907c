"""What the transforms do, as functions without chance: torchvision's ``transforms.functional`` names and meaning.

``img`` is a ``PIL.Image``; where it says so, or a Tensor (..., C, H, W). A point of a picture is counted from the
middle of its upper left pixel's corner, as Pillow does: pixel (0, 0) covers [0, 1] x [0, 1].
"""

from __future__ import annotations

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


# ---- size ----


def resized_size(h: int, w: int, size: Size, max_size: int | None = None) -> tuple[int, int]:
    """The height and width that :func:`resize` gives a picture of h x w."""
    if not isinstance(size, int) and len(size) == 2:
        return size[0], size[1]
    short, long = min(h, w), max(h, w)
    new_short = size if isinstance(size, int) else size[0]
    new_long = int(new_short * long / short)
    if max_size is not None and new_long > max_size:
        new_short, new_long = max(1, int(max_size * new_short / new_long)), max_size
    return (new_short, new_long) if h <= w else (new_long, new_short)


def resize(
    img: Image.Image,
    size: Size,
    interpolation: Any = "bilinear",
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Image.Image:
    """Change a picture's size.

    Args:
        img: the picture.
        size: (height, width); or an int, to which the shorter side is brought, and the longer one in proportion,
            rounded down.
        interpolation: its name: "nearest", "bilinear", "bicubic", "box", "hamming" or "lanczos". All but "nearest"
            average over as many pixels as one pixel of the result covers (Pillow's antialias).
        max_size: the most that the longer side may become; only where ``size`` is an int.
        antialias: accepted; pictures are always antialiased, as in torchvision.

    >>> from PIL import Image
    >>> resize(Image.new("RGB", (500, 375)), 256).size
    (341, 256)
    """
    check_picture("resize", img)
    check_resize("resize", size, max_size, antialias)
    h, w = resized_size(img.height, img.width, size, max_size)
    if (h, w) == (img.height, img.width):
        return img
    return img.resize((w, h), INTERPOLATIONS[check_interpolation("resize", interpolation)])


def check_resize(op: str, size: Any, max_size: int | None, antialias: bool | None) -> None:
    """The conditions on the arguments of :func:`resize`."""
    as_size(op, size)
    one = isinstance(size, int) or len(size) == 1
    if max_size is not None and (not one or max_size <= (size if isinstance(size, int) else size[0])):
        expected = "None, or greater than size, which is one int then"
        raise ArgumentError(must(op, "max_size", expected, f"max_size {max_size} with size {size}"))
    if antialias not in (True, False, None):
        raise ArgumentError(must(op, "antialias", "True, False or None", repr(antialias)))


def hflip(img: Any) -> Any:
    """Left and right exchanged, of a picture or a tensor (..., H, W)."""
    if isinstance(check_picture("hflip", img, tensors=True), Tensor):
        return img.flip(-1)
    return img.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def vflip(img: Any) -> Any:
    """Top and bottom exchanged, of a picture or a tensor (..., H, W)."""
    if isinstance(check_picture("vflip", img, tensors=True), Tensor):
        return img.flip(-2)
    return img.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


# ---- tensors ----


def pil_to_tensor(pic: Image.Image) -> Tensor:
    """A picture's values as they are: (C, H, W) in channels-last memory.

    uint8, but for Pillow's modes "1" (bool), "I" and "I;16" (int32) and "F" (float32).
    """
    return Tensor(_array(check_picture("pil_to_tensor", pic, name="pic")).transpose(2, 0, 1))  # (C, H, W)


def _array(pic: Image.Image) -> np.ndarray:
    """(H, W, C)."""
    array = np.asarray(pic)
    if pic.mode.startswith("I;16"):
        array = array.astype(np.int32)
    return array if array.ndim == 3 else array[:, :, None]


def to_tensor(pic: Any) -> Tensor:
    """A picture as a tensor (C, H, W) in channels-last memory: float32 in [0, 1] where its values are bytes.

    Args:
        pic: a ``PIL.Image``, or an array (H, W) or (H, W, C). Values other than bytes keep their dtype and size.

    >>> from PIL import Image
    >>> to_tensor(Image.new("RGB", (3, 2), (255, 0, 51)))[:, 0, 0]
    tensor([1. , 0. , 0.2])
    """
    if isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ShapeError(must("to_tensor", "pic", "of shape (H, W) or (H, W, C)", pic.shape))
        array = pic if pic.ndim == 3 else pic[:, :, None]
    elif isinstance(pic, Image.Image):
        array = _array(pic)
        array = array.astype(np.uint8) * np.uint8(255) if pic.mode == "1" else array
    else:
        raise DTypeError(must("to_tensor", "pic", "a PIL.Image or an array", type(pic).__name__))
    values = np.divide(array, np.float32(255)) if array.dtype == np.uint8 else np.array(array, order="K")
    return Tensor(values.transpose(2, 0, 1))  # (C, H, W)


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """``(tensor - mean) / std``, channel by channel.

    Args:
        tensor: (..., C, H, W), of floats.
        mean: one for each channel, or one for all.
        std: the same; none is 0.
        inplace: change ``tensor`` itself.

    Raises:
        DTypeError: it is no tensor, or not of floats.
        ShapeError: it has fewer than three dimensions, or another number of channels.
        ArgumentError: a standard deviation is 0.
    """
    if not isinstance(tensor, Tensor) or tensor.array.dtype.kind != "f":
        got = str(tensor.dtype) if isinstance(tensor, Tensor) else type(tensor).__name__
        raise DTypeError(must("normalize", "tensor", "a Tensor of floats (ToTensor makes one)", got))
    if tensor.ndim < 3:
        raise ShapeError(must("normalize", "tensor", "of shape (..., C, H, W)", tensor.shape))
    constants = [_per_channel(name, v, tensor) for name, v in (("mean", mean), ("std", std))]
    if not constants[1].all():
        raise ArgumentError(must("normalize", "std", f"nonzero as {tensor.dtype}", np.ravel(std).tolist()))
    if inplace:
        return tensor.sub_(Tensor(constants[0])).div_(Tensor(constants[1]))
    if tensor.requires_grad:
        return (tensor - Tensor(constants[0])) / Tensor(constants[1])
    x = tensor.array
    if x.ndim == 3 and x.transpose(1, 2, 0).flags.c_contiguous:
        return Tensor(_normalize_rows(x.transpose(1, 2, 0), *constants))
    out = x - constants[0]
    out /= constants[1]
    return Tensor(out)


def _per_channel(name: str, values: Any, tensor: Tensor) -> np.ndarray:
    array = np.asarray(values, dtype=tensor.array.dtype).reshape(-1, 1, 1)
    if len(array) not in (1, tensor.shape[-3]):
        expected = f"one number, or {tensor.shape[-3]} as the tensor {tensor.shape} has channels"
        raise ShapeError(must("normalize", name, expected, len(array)))
    return array


def _normalize_rows(x: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Of an (H, W, C) that is contiguous: row by row, because NumPy's loop over three channels takes ten times as long.

    The result is seen as (C, H, W).
    """
    h, w, c = x.shape
    row_mean, row_std = (np.tile(np.broadcast_to(v.reshape(-1), (c,)), w) for v in (mean, std))
    out = x.reshape(h, w * c) - row_mean
    out /= row_std
    return out.reshape(h, w, c).transpose(2, 0, 1)
