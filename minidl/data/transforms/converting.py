"""Pictures to tensors, and what is done with these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from minidl.data.transforms.checks import check_picture
from minidl.errors import ArgumentError, DTypeError, ShapeError, must
from minidl.tensor import Tensor


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
    m, s = _per_channel("mean", mean, tensor), _per_channel("std", std, tensor)
    if not s.all():
        raise ArgumentError(must("normalize", "std", f"nonzero as {tensor.dtype}", np.ravel(std).tolist()))
    if tensor.requires_grad:
        return tensor.sub_(Tensor(m)).div_(Tensor(s)) if inplace else (tensor - Tensor(m)) / Tensor(s)
    if not inplace:
        out = np.empty_like(tensor.array)
        _normalize(tensor.array, m, s, out)
        return Tensor(out)
    _normalize(tensor.array, m, s, tensor.array)
    tensor.mark_written("normalize")
    return tensor


def _per_channel(name: str, values: Any, tensor: Tensor) -> np.ndarray:
    array = np.asarray(values, dtype=tensor.array.dtype).reshape(-1, 1, 1)
    if len(array) not in (1, tensor.shape[-3]):
        expected = f"one number, or {tensor.shape[-3]} as the tensor {tensor.shape} has channels"
        raise ShapeError(must("normalize", name, expected, len(array)))
    return array


def _normalize(x: np.ndarray, mean: np.ndarray, std: np.ndarray, out: np.ndarray) -> None:
    """``(x - mean) / std`` into ``out``, which may be ``x``.

    A picture in channels-last memory is gone through row by row: NumPy's loop over three channels takes ten times as
    long as one over a row's pixels and channels.
    """
    if x.ndim == 3 and x.transpose(1, 2, 0).flags.c_contiguous and out.strides == x.strides:
        c, h, w = x.shape
        x, out = (a.transpose(1, 2, 0).reshape(h, w * c) for a in (x, out))
        mean, std = (np.tile(np.broadcast_to(v.reshape(-1), (c,)), w) for v in (mean, std))
    np.subtract(x, mean, out=out)
    np.divide(out, std, out=out)


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Tensor:
    """A tensor (..., C, H, W) whose rectangle of h x w at row i, column j has the values ``v``.

    Args:
        img: the tensor.
        i: the rectangle's first row. j: its first column. h: its height. w: its width.
        v: a tensor that broadcasts to (..., C, h, w).
        inplace: change ``img`` itself.
    """
    if not isinstance(img, Tensor):
        raise DTypeError(must("erase", "img", "a Tensor (ToTensor makes one)", type(img).__name__))
    if img.ndim < 3:
        raise ShapeError(must("erase", "img", "of shape (..., C, H, W)", img.shape))
    out = img if inplace else img.clone()
    out[..., i : i + h, j : j + w] = v
    return out
