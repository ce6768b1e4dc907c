"""Pictures of another size, cropped, padded, turned over or moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from minidl.data.transforms.checks import (
    INTERPOLATIONS,
    Size,
    as_size,
    check_interpolation,
    check_picture,
    fill_of,
    is_number,
    is_pair,
    size_of,
)
from minidl.errors import ArgumentError, must
from minidl.ops.padding import pad as pad_tensor
from minidl.ops.resize import interpolate
from minidl.tensor import Tensor

PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


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
    img: Any,
    size: Size,
    interpolation: Any = "bilinear",
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """Change the size of a picture, or of a tensor (..., C, H, W).

    Args:
        img: the picture.
        size: (height, width); or an int, to which the shorter side is brought, and the longer one in proportion,
            rounded down.
        interpolation: its name: "nearest", "bilinear", "bicubic", "box", "hamming" or "lanczos". All but "nearest"
            average over as many pixels as one pixel of the result covers (Pillow's antialias). For tensors: "nearest"
            (PyTorch's), "bilinear" or "bicubic".
        max_size: the most that the longer side may become; only where ``size`` is an int.
        antialias: of tensors; pictures always are antialiased, as in torchvision.

    >>> from PIL import Image
    >>> resize(Image.new("RGB", (500, 375)), 256).size
    (341, 256)
    """
    check_picture("resize", img, tensors=True)
    check_resize("resize", size, max_size, antialias)
    h, w = resized_size(*size_of(img), size, max_size)
    if (h, w) == size_of(img):
        return img
    name = check_interpolation("resize", interpolation)
    return (
        _resize_tensor(img, (h, w), name, antialias)
        if isinstance(img, Tensor)
        else img.resize((w, h), INTERPOLATIONS[name])
    )


def _resize_tensor(img: Tensor, size: tuple[int, int], mode: str, antialias: bool | None) -> Tensor:
    if mode == "nearest":
        antialias = False
    else:
        check_moving("resize", mode)
    images = img.reshape(-1, 1, *img.shape[-2:]) if img.ndim != 4 else img
    floats = images if img.is_floating_point() else images.to(np.dtype("float32"))
    resized = interpolate(floats, size, mode=mode, antialias=bool(antialias))
    if not img.is_floating_point():  # as torchvision: bicubic overshoots, and halves go to the even number
        limits = np.iinfo(img.dtype)
        resized = resized.round().clamp(limits.min, limits.max).to(img.dtype)
    return resized.reshape(*img.shape[:-2], *size)


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


# ---- parts and borders ----


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """The rectangle of height x width at row ``top``, column ``left``; what lies outside the picture is 0."""
    if not isinstance(check_picture("crop", img, tensors=True), Tensor):
        return img.crop((left, top, left + width, top + height))
    h, w = size_of(img)
    part = img[..., max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    outside = [
        min(max(n, 0), side)
        for n, side in ((-left, width), (left + width - w, width), (-top, height), (top + height - h, height))
    ]
    return pad_tensor(part, outside) if any(outside) else part


def center_crop(img: Any, output_size: Size) -> Any:
    """The middle of a picture or tensor, (height, width) or a square; a smaller one gets a border of 0 first."""
    check_picture("center_crop", img, tensors=True)
    (h, w), (height, width) = size_of(img), as_size("center_crop", output_size)
    if height > h or width > w:
        dy, dx = max(height - h, 0), max(width - w, 0)
        img = pad(img, (dx // 2, dy // 2, (dx + 1) // 2, (dy + 1) // 2))
        h, w = size_of(img)
        if (h, w) == (height, width):
            return img
    # Python's round: halves go to the even number, as in torchvision
    return crop(img, round((h - height) / 2), round((w - width) / 2), height, width)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Size,
    interpolation: Any = "bilinear",
    antialias: bool | None = True,
) -> Any:
    """A rectangle of the picture, brought to ``size``."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def as_padding(op: str, padding: Any) -> tuple[int, int, int, int]:
    """(left, top, right, bottom), given as such, as (left and right, top and bottom), or as one int for all."""
    given = (padding,) if isinstance(padding, int) else padding
    if (
        not isinstance(given, Sequence)
        or len(given) not in (1, 2, 4)
        or not all(isinstance(n, int) for n in given)
    ):
        raise ArgumentError(must(op, "padding", "an int, or 2 or 4 of them", repr(padding)))
    if len(given) == 4:
        return tuple(given)
    return (given[0], given[-1]) * 2


def pad(img: Any, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> Any:
    """A picture or tensor (..., H, W) with a border.

    Args:
        img: the picture.
        padding: the border's width: one for all sides; (left and right, top and bottom); or (left, top, right, bottom).
            Negative widths crop.
        fill: of a "constant" border: a number, or for pictures one for each channel.
        padding_mode: "constant"; "edge" (the outermost pixel goes on); "reflect" (mirrored at the outermost pixel,
            which is not repeated); "symmetric" (mirrored, and it is).
    """
    check_picture("pad", img, tensors=True)
    if padding_mode not in PADDING_MODES:
        names = ", ".join(map(repr, PADDING_MODES))
        raise ArgumentError(must("pad", "padding_mode", f"one of {names}", repr(padding_mode)))
    left, top, right, bottom = as_padding("pad", padding)
    if padding_mode == "constant":
        if isinstance(img, Tensor):
            if not is_number(fill):
                raise ArgumentError(must("pad", "fill", "a number for a tensor", repr(fill)))
            return pad_tensor(img, (left, right, top, bottom), value=fill)
        return _expand(img, (left, top, right, bottom), fill_of("pad", fill, img))
    h, w = size_of(img)
    rows, columns = _continued(h, top, bottom, padding_mode), _continued(w, left, right, padding_mode)
    if isinstance(img, Tensor):
        return img[..., rows, :][..., columns]
    padded = Image.fromarray(
        np.asarray(img)[rows][:, columns], img.mode if img.mode in ("LA", "CMYK", "HSV", "YCbCr") else None
    )
    if img.mode == "P":
        padded.putpalette(img.getpalette() or [])
    return padded


def _expand(img: Image.Image, border: tuple[int, int, int, int], fill: Any) -> Image.Image:
    left, top, right, bottom = border
    if min(border) < 0:
        img = img.crop(
            (max(-left, 0), max(-top, 0), img.width - max(-right, 0), img.height - max(-bottom, 0))
        )
        left, top, right, bottom = (max(n, 0) for n in border)
    out = Image.new(img.mode, (img.width + left + right, img.height + top + bottom), fill)
    if img.mode == "P":
        out.putpalette(img.getpalette() or [])
    out.paste(img, (left, top))
    return out


def _continued(n: int, before: int, after: int, mode: str) -> np.ndarray:
    """Which of n rows each row of the padded picture shows."""
    rows = np.pad(np.arange(n), (max(before, 0), max(after, 0)), mode)  # type: ignore[call-overload]
    return rows[max(-before, 0) : len(rows) - max(-after, 0)]


# ---- moved and turned ----


def rotate(
    img: Image.Image,
    angle: float,
    interpolation: Any = "nearest",
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Image.Image:
    """A picture turned counter-clockwise by ``angle`` degrees.

    Args:
        img: the picture.
        angle: in degrees.
        interpolation: "nearest", "bilinear" or "bicubic".
        expand: let the result be as large as it must to show all of it, if it is turned about its middle.
        center: (x, y) about which it is turned; default: its middle.
        fill: the colour of what was outside: a number, or one for each channel. Default: 0.
    """
    check_picture("rotate", img)
    method = INTERPOLATIONS[check_moving("rotate", interpolation)]
    middle = None if center is None else _pair("rotate", "center", center)
    return img.rotate(angle, method, expand, middle, fillcolor=fill_of("rotate", fill, img))


def _pair(op: str, name: str, given: Any) -> tuple[float, float]:
    if not is_pair(given):
        raise ArgumentError(must(op, name, "two numbers", repr(given)))
    return given[0], given[1]


def check_moving(op: str, interpolation: Any) -> str:
    """The name of an interpolation that looks at single places of a picture."""
    name = check_interpolation(op, interpolation)
    if name not in ("nearest", "bilinear", "bicubic"):
        raise ArgumentError(must(op, "interpolation", "'nearest', 'bilinear' or 'bicubic'", repr(name)))
    return name


def inverse_affine(
    center: Sequence[float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float]
) -> list[float]:
    """The six coefficients of :func:`affine`'s map from places of the result to places of the picture.

    The map forward is T C R S C^-1: C moves the origin to ``center``, T moves by ``translate``, R turns clockwise by
    ``angle``, and S is scale [[1, 0], [-tan(shear y), 1]] [[1, -tan(shear x)], [0, 1]].
    """
    turn, tan_x, tan_y = (
        math.radians(angle),
        math.tan(math.radians(shear[0])),
        math.tan(math.radians(shear[1])),
    )
    sin, cos = math.sin(turn), math.cos(turn)
    a, c = (
        cos + sin * tan_y,
        sin - cos * tan_y,
    )  # R S, without scale: [[a, b], [c, d]], whose determinant is 1
    b, d = -a * tan_x - sin, -c * tan_x + cos
    (cx, cy), (tx, ty) = center, translate
    m = [v / scale for v in (d, -b, -c, a)]
    x = cx - m[0] * (cx + tx) - m[1] * (cy + ty)
    y = cy - m[2] * (cx + tx) - m[3] * (cy + ty)
    return [m[0], m[1], x, m[2], m[3], y]


def affine(
    img: Image.Image,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: Any = "nearest",
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Image.Image:
    """A picture turned, moved, scaled and sheared, about its middle.

    Args:
        img: the picture.
        angle: by which it is turned clockwise, in degrees.
        translate: by which it is moved, (right, down), in pixels.
        scale: the factor of its size.
        shear: the angles of shear along x and y, in degrees; one number is that along x.
        interpolation: "nearest", "bilinear" or "bicubic".
        fill: the colour of what was outside: a number, or one for each channel. Default: 0.
        center: (x, y) about which it is turned, scaled and sheared; default: its middle.
    """
    check_picture("affine", img)
    method = INTERPOLATIONS[check_moving("affine", interpolation)]
    if not scale > 0:
        raise ArgumentError(must("affine", "scale", "positive", scale))
    middle = (img.width * 0.5, img.height * 0.5) if center is None else _pair("affine", "center", center)
    if isinstance(shear, Sequence) and len(shear) == 1:  # as torchvision: that along y too
        shear = (shear[0], shear[0])
    shears = _pair("affine", "shear", (shear, 0.0) if is_number(shear) else shear)
    matrix = inverse_affine(middle, angle, _pair("affine", "translate", translate), scale, shears)
    fillcolor = fill_of("affine", fill, img)
    return img.transform(img.size, Image.Transform.AFFINE, matrix, method, fillcolor=fillcolor)
