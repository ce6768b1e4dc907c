"""Average pooling in one pass over the image, compiled, in all threads.

What this does about the machine: images are channels-last, so the innermost loop runs over the channels of
one pixel, which are neighbours in memory, and adds a vector of channels at once. The window's sums stay in
the first level of cache while its taps go by, and no padded copy is made. The four pixels of a 2x2 window are added
in registers. The gradient is fetched, not sent: each pixel sums the shares of the windows that hold it, and is written
once. A block of work is one row of results.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.arrays import compiled_for, empty_channels_last, plain
from minidl.kernels.avg_pool2d.reference import divisors
from minidl.kernels.compile import jit
from minidl.kernels.launch import launch
from minidl.kernels.threads import parallel
from minidl.kernels.windows import Pair, Shape4, to_nhwc


def supports(dtype: np.dtype) -> bool:
    """float32 and float64."""
    return compiled_for(dtype)


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
    divisor = divisors((h, w), kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    y = empty_channels_last((n, c, *divisor.shape[:2]), x.dtype)
    size = y.size * kernel_size[0] * kernel_size[1]
    _forward.sized(size)(plain(to_nhwc(x)), divisor[:, :, 0], to_nhwc(y), kernel_size, stride, padding)
    return y


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
    h, w = x_shape[2:]
    divisor = divisors((h, w), kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    dx = empty_channels_last(x_shape, g.dtype)
    arrays = plain(to_nhwc(g)), divisor[:, :, 0], to_nhwc(dx)
    _input_grad.sized(dx.size)(*arrays, kernel_size, stride, padding)
    return dx


@parallel
def _forward(pool: Any, x: Any, divisor: Any, y: Any, kernel_size: Any, stride: Any, padding: Any) -> None:
    launch(pool, y.shape[0] * y.shape[1], _row, (x, divisor, y, kernel_size, stride, padding))


@jit
def _row(block: Any, x: Any, divisor: Any, y: Any, kernel_size: Any, stride: Any, padding: Any) -> None:
    sample, i = block // y.shape[1], block % y.shape[1]
    top, bottom = _inside(i * stride[0] - padding[0], kernel_size[0], x.shape[1])
    rows, sums = x[sample, top:bottom], y[sample, i]
    for j in range(sums.shape[0]):
        left, right = _inside(j * stride[1] - padding[1], kernel_size[1], x.shape[2])
        if bottom - top == 2 and right - left == 2:
            upper, lower = rows[0], rows[1]
            _mean_of_4(upper[left], upper[left + 1], lower[left], lower[left + 1], divisor[i, j], sums[j])
        else:
            _mean(rows, left, right, divisor[i, j], sums[j])


@jit
def _inside(start: Any, size: Any, length: Any) -> Any:
    """The part of a window that lies inside the image: the first place, and the one after the last."""
    return max(start, 0), min(start + size, length)


@jit
def _mean_of_4(a: Any, b: Any, c: Any, d: Any, divisor: Any, mean: Any) -> None:
    by = mean.dtype.type(divisor)
    for channel in range(mean.size):
        mean[channel] = (a[channel] + b[channel] + c[channel] + d[channel]) / by


@jit
def _mean(rows: Any, left: Any, right: Any, divisor: Any, mean: Any) -> None:
    mean[:] = 0
    for row in range(rows.shape[0]):
        for column in range(left, right):
            pixel = rows[row, column]
            for channel in range(mean.size):
                mean[channel] += pixel[channel]
    by = mean.dtype.type(divisor)
    for channel in range(mean.size):
        mean[channel] /= by


@parallel
def _input_grad(
    pool: Any, g: Any, divisor: Any, dx: Any, kernel_size: Any, stride: Any, padding: Any
) -> None:
    launch(pool, dx.shape[0] * dx.shape[1], _input_row, (g, divisor, dx, kernel_size, stride, padding))


@jit
def _input_row(
    block: Any, g: Any, divisor: Any, dx: Any, kernel_size: Any, stride: Any, padding: Any
) -> None:
    sample, row = block // dx.shape[1], block % dx.shape[1]
    top, bottom = _holding(row + padding[0], kernel_size[0], stride[0], g.shape[1])
    for column in range(dx.shape[2]):
        left, right = _holding(column + padding[1], kernel_size[1], stride[1], g.shape[2])
        pixel = dx[sample, row, column]
        pixel[:] = 0
        for i in range(top, bottom):
            for j in range(left, right):
                _add_share(g[sample, i, j], divisor[i, j], pixel)


@jit
def _holding(place: Any, size: Any, stride: Any, count: Any) -> Any:
    """The windows that hold a place: the first, and the one after the last."""
    return max(place - size + stride, 0) // stride, min(place // stride + 1, count)


@jit
def _add_share(g: Any, divisor: Any, pixel: Any) -> None:
    by = g.dtype.type(divisor)
    for channel in range(g.size):
        pixel[channel] += g[channel] / by
