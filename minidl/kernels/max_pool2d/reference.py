"""Max pooling as it is defined: the tap that beats what was found so far replaces it."""

from __future__ import annotations

import numpy as np

from minidl.kernels.windows import (
    Pair,
    Shape4,
    output_sizes,
    overhang,
    pad_nhwc,
    tap,
    to_nchw,
    to_nhwc,
)


def supports(dtype: np.dtype) -> bool:
    """Every floating dtype."""
    return True


def forward(
    x: np.ndarray,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    ceil_mode: bool,
    want_indices: bool,
) -> tuple[np.ndarray, np.ndarray | None]:
    """See ``minidl.kernels.max_pool2d.forward``."""
    n, c, h, w = x.shape
    oh, ow = output_sizes((h, w), kernel_size, stride, padding, dilation, ceil_mode)
    extra = overhang((h, w), (oh, ow), kernel_size, stride, padding, dilation)
    padded = pad_nhwc(to_nhwc(x), padding, -np.inf, extra)
    y = np.full((n, oh, ow, c), -np.inf, x.dtype)
    indices = np.full((n, oh, ow, c), -1, np.int32)
    for i, j in np.ndindex(kernel_size):
        rows = np.arange(oh)[:, None, None] * stride[0] + i * dilation[0] - padding[0]
        columns = np.arange(ow)[None, :, None] * stride[1] + j * dilation[1] - padding[1]
        inside = (rows >= 0) & (rows < h) & (columns >= 0) & (columns < w)
        pixels = padded[:, tap(i * dilation[0], oh, stride[0]), tap(j * dilation[1], ow, stride[1])]
        better = inside & ((indices < 0) | (pixels > y) | np.isnan(pixels))
        y = np.where(better, pixels, y)
        indices = np.where(better, (rows * w + columns).astype(np.int32), indices)
    return to_nchw(y), to_nchw(indices) if want_indices else None


def input_grad(
    g: np.ndarray,
    indices: np.ndarray,
    x_shape: Shape4,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> np.ndarray:
    """See ``minidl.kernels.max_pool2d.input_grad``."""
    return scatter(g, indices, x_shape)


def scatter(g: np.ndarray, indices: np.ndarray, x_shape: Shape4) -> np.ndarray:
    """See ``minidl.kernels.max_pool2d.scatter``."""
    n, c, h, w = x_shape
    dx = np.zeros((n, h * w, c), g.dtype)
    sample, channel, row, column = np.nonzero(indices >= 0)
    pixel = indices[sample, channel, row, column]
    np.add.at(dx, (sample, pixel, channel), g[sample, channel, row, column])
    return to_nchw(dx.reshape(n, h, w, c))


def gather(v: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """See ``minidl.kernels.max_pool2d.gather``."""
    n, c, h, w = v.shape
    planes, pixels = v.reshape(n, c, h * w), indices.reshape(n, c, indices.shape[2] * indices.shape[3])
    values = np.where(pixels >= 0, np.take_along_axis(planes, np.maximum(pixels, 0), axis=2), 0)
    return to_nchw(to_nhwc(values.reshape(indices.shape).astype(v.dtype, copy=False)))
