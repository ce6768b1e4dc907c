"""Average pooling in one pass over the image, compiled.

What this does about the machine: images are channels-last, so the innermost loop runs over the channels of
one pixel, which are neighbours in memory, and adds a vector of channels at once. The window's sums stay in
the first level of cache while its taps go by, and no padded copy is made.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.arrays import compiled_for, plain
from minidl.kernels.avg_pool2d.reference import divisors
from minidl.kernels.compile import jit
from minidl.kernels.windows import Pair, Shape4, to_nchw, to_nhwc


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
    y = np.zeros((n, *divisor.shape[:2], c), x.dtype)
    _forward(plain(to_nhwc(x)), divisor[:, :, 0], y, kernel_size, stride, padding)
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
    divisor = divisors((h, w), kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    dx = np.zeros((n, h, w, c), g.dtype)
    _input_grad(plain(to_nhwc(g)), divisor[:, :, 0], dx, kernel_size, stride, padding)
    return to_nchw(dx)


@jit
def _forward(x: Any, divisor: Any, y: Any, kernel_size: Any, stride: Any, padding: Any) -> None:
    n, h, w, c = x.shape
    for sample in range(n):
        for i in range(y.shape[1]):
            first_row = i * stride[0] - padding[0]
            rows = range(max(first_row, 0), min(first_row + kernel_size[0], h))
            for j in range(y.shape[2]):
                first_column = j * stride[1] - padding[1]
                sums = y[sample, i, j]
                for row in rows:
                    for column in range(max(first_column, 0), min(first_column + kernel_size[1], w)):
                        _add(x[sample, row, column], sums)
                by = x.dtype.type(divisor[i, j])
                for channel in range(c):
                    sums[channel] /= by


@jit
def _input_grad(g: Any, divisor: Any, dx: Any, kernel_size: Any, stride: Any, padding: Any) -> None:
    n, h, w, c = dx.shape
    shares = np.empty(c, g.dtype)
    for sample in range(n):
        for i in range(g.shape[1]):
            first_row = i * stride[0] - padding[0]
            rows = range(max(first_row, 0), min(first_row + kernel_size[0], h))
            for j in range(g.shape[2]):
                first_column = j * stride[1] - padding[1]
                for channel in range(c):
                    shares[channel] = g[sample, i, j, channel] / g.dtype.type(divisor[i, j])
                for row in rows:
                    for column in range(max(first_column, 0), min(first_column + kernel_size[1], w)):
                        _add(shares, dx[sample, row, column])


@jit
def _add(values: Any, sums: Any) -> None:
    for channel in range(values.size):
        sums[channel] += values[channel]
