"""What the plots share: figures without a display, and values of many kinds as pictures.

The figures are matplotlib's own objects, made without pyplot: no display is needed, and nothing stays open.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ArgumentError, MissingDependencyError, ShapeError, must
from minidl.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

StrPath = str | os.PathLike[str]


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of ``width`` by ``height`` inches."""
    try:
        made = _figure_class()
    except ImportError as error:
        raise MissingDependencyError("viz needs matplotlib: pip install minidl[plot]") from error
    return made(figsize=(width, height), layout="constrained", dpi=120)


def _figure_class() -> type[Figure]:
    """matplotlib's Figure, which a notebook shows without further ado."""
    from matplotlib.figure import Figure

    class Shown(Figure):
        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            self.savefig(file, format="png")
            return file.getvalue()

    return Shown


def finished(figure: Figure, path: StrPath | None) -> Figure:
    if path is not None:
        figure.savefig(path)
    return figure


def as_array(value: Any) -> np.ndarray:
    """A tensor or anything array-like as an array."""
    return np.asarray(value.detach().array if isinstance(value, Tensor) else value)


def grid(
    pictures: Sequence[np.ndarray], titles: Sequence[str] = (), size: float = 1.3, **shown: Any
) -> Figure:
    """A figure of ``pictures``, (H, W) or (H, W, 3), each with its title; ``shown`` goes to ``imshow``."""
    columns = math.ceil(math.sqrt(len(pictures) * 1.4))
    rows = math.ceil(len(pictures) / columns)
    figure = new_figure(max(size * columns, 2), max((size + (0.25 if titles else 0)) * rows, 1.2))
    options = {"cmap": "gray", "vmin": 0, "vmax": 1, **shown}
    for i, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.set_axis_off()
        if i < len(pictures):
            axes.imshow(pictures[i], **options)
        if i < len(titles):
            axes.set_title(titles[i], fontsize="x-small")
    return figure


def as_pictures(op: str, name: str, value: Any, n: int) -> list[np.ndarray]:
    """The first ``n`` of ``value`` as pictures (H, W) or (H, W, 3) of floats in [0, 1].

    ``value`` is a Tensor or array (N, 1 or 3, H, W), (N, H, W, 3), (N, H, W), or (N, H*W) of squares; or a list of
    such pictures, of Pillow's images, or of files. Floats that are not in [0, 1], because they were normalised for a
    network, are stretched to it, each picture by itself.
    """
    if isinstance(value, (list, tuple)):
        return [_picture(op, name, item) for item in value[:n]]
    array = as_array(value)
    if array.ndim == 2 and math.isqrt(array.shape[1]) ** 2 == array.shape[1]:
        array = array.reshape(len(array), math.isqrt(array.shape[1]), -1)
    if array.ndim not in (3, 4):
        expected = "pictures (N, C, H, W), (N, H, W, C), (N, H, W), or (N, H*W) of squares"
        raise ShapeError(must(op, name, expected, f"shape {array.shape}"))
    return [_picture(op, name, item) for item in array[:n]]


def _picture(op: str, name: str, item: Any) -> np.ndarray:
    if isinstance(item, (str, os.PathLike)):
        return read_photo(op, item)
    if hasattr(item, "convert"):  # one of Pillow's
        item = item.convert("L" if item.mode in ("1", "L") else "RGB")
    array = as_array(item)
    if array.ndim == 3 and array.shape[0] in (1, 3):
        array = array.transpose(1, 2, 0)  # (H, W, C)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or not array.size:
        raise ShapeError(must(op, name, "pictures of one or three channels", f"one of shape {array.shape}"))
    if array.dtype == np.uint8:
        return array / np.float32(255)
    array = array.astype(np.float32)
    low, high = float(np.min(array)), float(np.max(array))
    return array if low >= 0 and high <= 1 else (array - low) / ((high - low) or 1)


def read_photo(op: str, path: StrPath) -> np.ndarray:
    """The photo in a file, upright, as floats (H, W, 3) in [0, 1]."""
    from minidl.data.pictures import load_picture

    if not Path(path).is_file():
        raise ArgumentError(must(op, "the picture", "a file that exists", repr(str(path))))
    return np.asarray(load_picture(path)) / np.float32(255)
