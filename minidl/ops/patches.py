"""Images taken apart into patches, and put together again; channels rearranged as pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minidl.errors import DTypeError, ShapeError, must
from minidl.kernels.windows import output_sizes, tap
from minidl.ops.arguments import as_int, check_tensor, pair, reject
from minidl.ops.permutation import _permute
from minidl.ops.shape import _reshape
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["unfold", "fold", "pixel_shuffle", "pixel_unshuffle"]

Pair = tuple[int, int]


def _unfold_forward(x: np.ndarray, kernel: Pair, dilation: Pair, padding: Pair, stride: Pair) -> np.ndarray:
    (kh, kw), (ph, pw) = kernel, padding
    n, c, *size = x.shape
    oh, ow = output_sizes((size[0], size[1]), kernel, stride, padding, dilation)
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    by_sample, by_channel, by_row, by_column = x.strides
    strides = (by_sample, by_channel, by_row * dilation[0], by_column * dilation[1], by_row * stride[0],
               by_column * stride[1])  # fmt: skip
    windows = as_strided(x, (n, c, kh, kw, oh, ow), strides, writeable=False)
    return windows.reshape(n, c * kh * kw, oh * ow)


def _fold_forward(
    g: np.ndarray, size: Pair, kernel: Pair, dilation: Pair, padding: Pair, stride: Pair
) -> np.ndarray:
    (kh, kw), (ph, pw), (h, w) = kernel, padding, size
    oh, ow = output_sizes(size, kernel, stride, padding, dilation)
    n, c = g.shape[0], g.shape[1] // (kh * kw)
    patches = g.reshape(n, c, kh, kw, oh, ow)
    x = np.zeros((n, c, h + 2 * ph, w + 2 * pw), g.dtype)
    for i, j in np.ndindex(kh, kw):
        x[:, :, tap(i * dilation[0], oh, stride[0]), tap(j * dilation[1], ow, stride[1])] += patches[
            :, :, i, j
        ]
    return np.ascontiguousarray(x[:, :, ph : ph + h, pw : pw + w])


# Copies of every window, and the sum of the windows laid over each other: linear, and each other's derivative. The
# geometry: kernel, dilation, padding, stride.
_unfold: Op = Op(
    "unfold", _unfold_forward, lambda g, _y, _x, *geometry: _fold(g, _x.shape[2:], *geometry)
)  # fmt: skip
_fold: Op = Op("fold", _fold_forward, lambda h, _y, _g, _size, *geometry: _unfold(h, *geometry))


def _geometry(op: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> tuple[Pair, ...]:
    return (
        pair(op, "kernel_size", kernel_size, 1),
        pair(op, "dilation", dilation, 1),
        pair(op, "padding", padding, 0),
        pair(op, "stride", stride, 1),
    )


def _numbers(op: str, input: Any) -> None:
    """Floats or bools, as in PyTorch."""
    check_tensor(op, "input", input)
    if input.dtype.kind in "iu":
        raise DTypeError(must(op, "input", "of floats or bools", input.dtype))


def unfold(
    input: Tensor,
    kernel_size: int | Pair,
    dilation: int | Pair = 1,
    padding: int | Pair = 0,
    stride: int | Pair = 1,
) -> Tensor:
    """Every window of an image as a column: the matrix with which a convolution is a matrix product ("im2col").

    Args:
        input: images (N, C, H, W), or one image (C, H, W).
        kernel_size: the size (KH, KW) of the windows; an int, or two, as for those that follow.
        dilation: the distance between the pixels of a window.
        padding: rows and columns of zeros on each side.
        stride: the step of the windows.

    Returns:
        (N, C*KH*KW, L) for L windows, in the order of their rows, or without N as the input.

    Raises:
        ShapeError: the shape does not fit, or no window does.

    >>> import minidl
    >>> minidl.nn.functional.unfold(minidl.arange(4.0).reshape(1, 1, 2, 2), 2)
    tensor([[[0.],
             [1.],
             [2.],
             [3.]]])
    """
    op = "unfold"
    _numbers(op, input)
    if input.ndim not in (3, 4) or 0 in input.shape[-3:]:
        raise ShapeError(must(op, "input", "(N, C, H, W) or (C, H, W), and not empty but for N", input.shape))
    geometry = _geometry(op, kernel_size, dilation, padding, stride)
    kernel, apart, around, step = geometry
    if min(output_sizes(input.shape[-2:], kernel, step, around, apart)) < 1:
        padded = tuple(n + 2 * p for n, p in zip(input.shape[-2:], around, strict=True))
        raise ShapeError(must(op, "kernel_size", f"not larger than the padded input {padded}", kernel))
    if input.ndim == 4:
        return _unfold(input, *geometry)
    y = _unfold(_reshape(input, (1, *input.shape)), *geometry)
    return _reshape(y, y.shape[1:])


def fold(
    input: Tensor,
    output_size: int | Pair,
    kernel_size: int | Pair,
    dilation: int | Pair = 1,
    padding: int | Pair = 0,
    stride: int | Pair = 1,
) -> Tensor:
    """The windows of :func:`unfold` back in their places in an image, and summed where they overlap.

    Args:
        input: (N, C*KH*KW, L), or without N.
        output_size: H and W of the image.
        kernel_size, dilation, padding, stride: as for :func:`unfold`.

    Returns:
        (N, C, H, W), or without N as the input.

    Raises:
        ShapeError: the number of windows is not that of such an image.

    >>> import minidl
    >>> minidl.nn.functional.fold(minidl.ones(1, 4, 2), (2, 3), 2)  # the middle column lies in both windows
    tensor([[[[1., 2., 1.],
              [1., 2., 1.]]]])
    """
    op = "fold"
    _numbers(op, input)
    if input.ndim not in (2, 3) or 0 in input.shape[-2:]:
        raise ShapeError(
            must(op, "input", "(N, C*KH*KW, L) or (C*KH*KW, L), and not empty but for N", input.shape)
        )
    size = pair(op, "output_size", output_size, 1)
    geometry = _geometry(op, kernel_size, dilation, padding, stride)
    kernel, apart, around, step = geometry
    if input.shape[-2] % (kernel[0] * kernel[1]):
        raise ShapeError(
            must(op, "input", f"(N, C*{kernel[0] * kernel[1]}, L) for kernels {kernel}", input.shape)
        )
    rows, columns = output_sizes(size, kernel, step, around, apart)
    if min(rows, columns) < 1 or rows * columns != input.shape[-1]:
        expected = f"of {rows} x {columns} windows for an image of {size}"
        raise ShapeError(must(op, "input", expected, input.shape[-1]))
    x = input if input.ndim == 3 else _reshape(input, (1, *input.shape))
    y = _fold(x, size, *geometry)
    return y if input.ndim == 3 else _reshape(y, y.shape[1:])


def _factor(op: str, argument: str, value: Any, input: Any) -> int:
    check_tensor(op, "input", input)
    if input.ndim < 3:
        raise ShapeError(must(op, "input", "(..., C, H, W)", input.shape))
    factor = as_int(op, argument, value)
    if factor < 1:
        reject(op, argument, "positive", factor)
    return factor


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels as pixels: (..., C*r*r, H, W) becomes (..., C, H*r, W*r) for the factor r (Shi et al., 2016).

    Raises:
        ShapeError: the channels are not a multiple of ``upscale_factor**2``.

    >>> import minidl
    >>> minidl.nn.functional.pixel_shuffle(minidl.arange(4).reshape(4, 1, 1), 2)
    tensor([[[0, 1],
             [2, 3]]])
    """
    r = _factor("pixel_shuffle", "upscale_factor", upscale_factor, input)
    *lead, channels, h, w = input.shape
    if channels % (r * r):
        raise ShapeError(must("pixel_shuffle", "input", f"of channels that {r * r} divides", input.shape))
    n, c = len(lead), channels // (r * r)
    x = _permute(
        _reshape(input, (*lead, c, r, r, h, w)), (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    )  # C H r W r
    return _reshape(x, (*lead, c, h * r, w * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Pixels as channels: (..., C, H*r, W*r) becomes (..., C*r*r, H, W), which :func:`pixel_shuffle` undoes.

    Raises:
        ShapeError: the image's sides are not multiples of ``downscale_factor``.

    >>> import minidl
    >>> minidl.nn.functional.pixel_unshuffle(minidl.arange(4).reshape(1, 2, 2), 2).shape
    (4, 1, 1)
    """
    r = _factor("pixel_unshuffle", "downscale_factor", downscale_factor, input)
    *lead, c, height, width = input.shape
    if height % r or width % r:
        raise ShapeError(
            must("pixel_unshuffle", "input", f"of height and width that {r} divides", input.shape)
        )
    n, h, w = len(lead), height // r, width // r
    x = _permute(
        _reshape(input, (*lead, c, h, r, w, r)), (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    )  # C r r H W
    return _reshape(x, (*lead, c * r * r, h, w))
