"""Average pooling as it is defined: a sum over the taps of the window, and a division."""

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
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> np.ndarray:
    """See ``minidl.kernels.avg_pool2d.forward``."""
    n, c, h, w = x.shape
    oh, ow = output_sizes((h, w), kernel_size, stride, padding, (1, 1), ceil_mode)
    extra = overhang((h, w), (oh, ow), kernel_size, stride, padding)
    padded = pad_nhwc(to_nhwc(x), padding, 0, extra)
    y = np.zeros((n, oh, ow, c), x.dtype)
    for i, j in np.ndindex(kernel_size):
        y += padded[:, tap(i, oh, stride[0]), tap(j, ow, stride[1])]
    y /= divisors((h, w), kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return to_nchw(y)


def input_grad(
    g: np.ndarray,
    x_shape: Shape4,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> np.ndarray:
    """See ``minidl.kernels.avg_pool2d.input_grad``."""
    n, c, h, w = x_shape
    oh, ow = g.shape[2:]
    extra = overhang((h, w), (oh, ow), kernel_size, stride, padding)
    shares = to_nhwc(g) / divisors(
        (h, w), kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
    dx = np.zeros((n, h + 2 * padding[0] + extra[0], w + 2 * padding[1] + extra[1], c), g.dtype)
    for i, j in np.ndindex(kernel_size):
        dx[:, tap(i, oh, stride[0]), tap(j, ow, stride[1])] += shares.astype(g.dtype, copy=False)
    return to_nchw(np.ascontiguousarray(dx[:, padding[0] : padding[0] + h, padding[1] : padding[1] + w]))


def divisors(
    size: Pair,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> np.ndarray:
    """What each window's sum is divided by: float64 (OH, OW, 1)."""
    oh, ow = output_sizes(size, kernel_size, stride, padding, (1, 1), ceil_mode)
    if divisor_override is not None:
        return np.full((oh, ow, 1), float(divisor_override))
    counts = []
    for i, windows in ((0, oh), (1, ow)):
        margin = padding[i] if count_include_pad else 0
        start = np.arange(windows) * stride[i] - padding[i]
        stop = np.minimum(start + kernel_size[i], size[i] + margin)
        # A window without a pixel sums to 0; dividing that by 1 leaves it.
        counts.append(np.maximum(stop - np.maximum(start, -margin), 1))
    return np.multiply.outer(counts[0], counts[1])[:, :, None].astype(np.float64)
