"""Max pooling in one pass over the image, compiled.

What this does about the machine: images are channels-last, so the innermost loop runs over the channels of
one pixel, which are neighbours in memory: a vector of channels is compared at once, values and indices side
by side (both have 32 bits). The window's results stay in the first level of cache while its taps go by, and
no padded copy is made.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.arrays import compiled_for, plain
from minidl.kernels.compile import jit
from minidl.kernels.windows import Pair, Shape4, output_sizes, to_nchw, to_nhwc


def supports(dtype: np.dtype) -> bool:
    """float32 and float64."""
    return compiled_for(dtype)


def forward(
    x: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> tuple[np.ndarray, np.ndarray]:
    """See ``minidl.kernels.max_pool2d.forward``."""
    n, c = x.shape[:2]
    oh, ow = output_sizes(x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    y = np.empty((n, oh, ow, c), x.dtype)
    indices = np.empty((n, oh, ow, c), np.int32)
    _forward(plain(to_nhwc(x)), y, indices, kernel_size, stride, padding, dilation)
    return to_nchw(y), to_nchw(indices)


def input_grad(g: np.ndarray, indices: np.ndarray, x_shape: Shape4) -> np.ndarray:
    """See ``minidl.kernels.max_pool2d.input_grad``."""
    n, c, h, w = x_shape
    dx = np.zeros((n, h * w, c), g.dtype)
    windows = (n, g.shape[2] * g.shape[3], c)
    _scatter(plain(to_nhwc(g)).reshape(windows), plain(to_nhwc(indices)).reshape(windows), dx)
    return to_nchw(dx.reshape(n, h, w, c))


def gather(v: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """See ``minidl.kernels.max_pool2d.gather``."""
    n, c, h, w = v.shape
    oh, ow = indices.shape[2:]
    out = np.empty((n, oh * ow, c), v.dtype)
    _gather(plain(to_nhwc(v)).reshape(n, h * w, c), plain(to_nhwc(indices)).reshape(out.shape), out)
    return to_nchw(out.reshape(n, oh, ow, c))


@jit
def _forward(
    x: Any, y: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any
) -> None:
    n, h, w, c = x.shape
    for sample in range(n):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                best, where = y[sample, i, j], indices[sample, i, j]
                for channel in range(c):
                    best[channel] = -np.inf
                    where[channel] = -1
                for kh in range(kernel_size[0]):
                    row = i * stride[0] + kh * dilation[0] - padding[0]
                    if row < 0 or row >= h:
                        continue
                    for kw in range(kernel_size[1]):
                        column = j * stride[1] + kw * dilation[1] - padding[1]
                        if 0 <= column < w:
                            _take_larger(x[sample, row, column], np.int32(row * w + column), best, where)


@jit
def _take_larger(pixel: Any, index: Any, best: Any, where: Any) -> None:
    """One tap: where the pixel's channel beats the best so far, it takes its place."""
    for channel in range(pixel.size):
        value, old, place = pixel[channel], best[channel], where[channel]
        better = (place < 0) | (value > old) | (value != value)
        best[channel] = value if better else old
        where[channel] = index if better else place


@jit
def _scatter(g: Any, indices: Any, dx: Any) -> None:
    for sample in range(g.shape[0]):
        target = dx[sample]
        for window in range(g.shape[1]):
            gradient, pixels = g[sample, window], indices[sample, window]
            for channel in range(gradient.size):
                if pixels[channel] >= 0:
                    target[pixels[channel], channel] += gradient[channel]


@jit
def _gather(v: Any, indices: Any, out: Any) -> None:
    for sample in range(v.shape[0]):
        source = v[sample]
        for window in range(out.shape[1]):
            values, pixels = out[sample, window], indices[sample, window]
            for channel in range(values.size):
                pixel = pixels[channel]
                values[channel] = source[pixel, channel] if pixel >= 0 else 0
