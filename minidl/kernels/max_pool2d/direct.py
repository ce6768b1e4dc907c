"""Max pooling in one pass over the image, compiled, in all threads.

What this does about the machine: images are channels-last, so the innermost loop runs over the channels of
one pixel, which are neighbours in memory: a vector of channels is compared at once, values and indices side
by side (both have 32 bits). No padded copy is made.

- The four pixels of a 2x2 window are compared in registers, and each result is stored once. Other windows go
  tap by tap over results that stay in the first level of cache.
- Where nobody will ask for the indices, none are computed or stored: a quarter of the bytes that 2x2 windows write.
- The gradient is fetched, not sent: each pixel looks into the windows that hold it, and takes the gradients
  of those whose index is its own. So each pixel is written once, in order, instead of zeroed, then read and written
  at a random place; and rows are independent of each other, also where windows overlap.

A block of work is one row of results.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.arrays import compiled_for, empty_channels_last, plain
from minidl.kernels.compile import jit
from minidl.kernels.launch import launch
from minidl.kernels.simd import pointer
from minidl.kernels.threads import parallel
from minidl.kernels.windows import Pair, Shape4, output_sizes, to_nhwc

# What the compiled functions get in their place.
NO_INDICES = np.empty((1, 0, 1, 0), np.int32)


def supports(dtype: np.dtype) -> bool:
    """float32 and float64."""
    return compiled_for(dtype)


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
    y = empty_channels_last((n, c, oh, ow), x.dtype)
    indices = empty_channels_last(y.shape, np.dtype(np.int32)) if want_indices else NO_INDICES
    arrays = plain(to_nhwc(x)), to_nhwc(y), to_nhwc(indices), want_indices
    size = y.size * kernel_size[0] * kernel_size[1]
    whole = 2 * oh <= h and 2 * ow <= w
    if kernel_size == stride == (2, 2) and padding == (0, 0) and dilation == (1, 1) and whole:
        _forward_2x2.sized(size)(*arrays)
    else:
        _forward.sized(size)(*arrays, kernel_size, stride, padding, dilation)
    return y, indices if want_indices else None


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
    dx = empty_channels_last(x_shape, g.dtype)
    extent = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel_size, strict=True))
    _input_grad.sized(dx.size)(
        plain(to_nhwc(g)), plain(to_nhwc(indices)), to_nhwc(dx), extent, stride, padding
    )
    return dx


def scatter(g: np.ndarray, indices: np.ndarray, x_shape: Shape4) -> np.ndarray:
    """See ``minidl.kernels.max_pool2d.scatter``."""
    n, c, h, w = x_shape
    dx = empty_channels_last(x_shape, g.dtype)
    dx[...] = 0
    windows, target = (n, g.shape[2] * g.shape[3], c), to_nhwc(dx).reshape(n, h * w, c)
    _scatter.sized(g.size)(
        plain(to_nhwc(g)).reshape(windows), plain(to_nhwc(indices)).reshape(windows), target
    )
    return dx


def gather(v: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """See ``minidl.kernels.max_pool2d.gather``."""
    n, c, h, w = v.shape
    windows = (n, indices.shape[2] * indices.shape[3], c)
    out = empty_channels_last(indices.shape, v.dtype)
    source, places = plain(to_nhwc(v)).reshape(n, h * w, c), plain(to_nhwc(indices)).reshape(windows)
    _gather.sized(out.size)(source, places, to_nhwc(out).reshape(windows))
    return out


@parallel
def _forward_2x2(pool: Any, x: Any, y: Any, indices: Any, want_indices: Any) -> None:
    launch(pool, y.shape[0] * y.shape[1], _row_of_2x2, (x, y, indices, want_indices))


@jit
def _row_of_2x2(block: Any, x: Any, y: Any, indices: Any, want_indices: Any) -> None:
    sample, i = block // y.shape[1], block % y.shape[1]
    if not want_indices:
        _maxima_2x2(x[sample, 2 * i], x[sample, 2 * i + 1], y[sample, i])
        return
    _n, h, w, c = x.shape
    upper, at = (sample * h + 2 * i) * w * c, block * y.shape[2] * c
    for j in range(y.shape[2]):
        pixel = pointer(x, upper + 2 * j * c)
        first, below = np.int32(2 * (i * w + j)), np.int32(w)
        _window_2x2(pixel, w * c, c, first, below, pointer(y, at + j * c), pointer(indices, at + j * c))


@jit
def _window_2x2(x: Any, row: Any, count: Any, first: Any, below: Any, y: Any, indices: Any) -> None:
    """The largest of four pixels and its index, channel by channel. (Pointers: a view of a shared array would count
    its users, and two threads would fight over the counter.)
    """
    one = np.int32(1)
    for channel in range(count):
        value, place = x[channel], first
        new = x[count + channel]
        better = (new > value) | (new != new)
        value, place = new if better else value, first + one if better else place
        new = x[row + channel]
        better = (new > value) | (new != new)
        value, place = new if better else value, first + below if better else place
        new = x[row + count + channel]
        better = (new > value) | (new != new)
        y[channel] = new if better else value
        indices[channel] = first + below + one if better else place


@jit
def _maxima_2x2(upper: Any, lower: Any, y: Any) -> None:
    for j in range(y.shape[0]):
        a, b, c, d, best = upper[2 * j], upper[2 * j + 1], lower[2 * j], lower[2 * j + 1], y[j]
        for channel in range(best.size):
            best[channel] = _larger(_larger(_larger(a[channel], b[channel]), c[channel]), d[channel])


@jit
def _larger(old: Any, new: Any) -> Any:
    """The larger of two, a NaN being larger than everything."""
    return new if (new > old) | (new != new) else old


@parallel
def _forward(
    pool: Any,
    x: Any,
    y: Any,
    indices: Any,
    want_indices: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
) -> None:
    arguments = (x, y, indices, want_indices, kernel_size, stride, padding, dilation)
    launch(pool, y.shape[0] * y.shape[1], _row, arguments)


@jit
def _row(
    block: Any,
    x: Any,
    y: Any,
    indices: Any,
    want_indices: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
) -> None:
    sample, i = block // y.shape[1], block % y.shape[1]
    where = indices[sample, i] if want_indices else indices[0, 0]
    top = i * stride[0] - padding[0]
    _windows_of_row(
        x[sample], y[sample, i], where, want_indices, top, kernel_size, stride[1], padding[1], dilation
    )


@jit
def _windows_of_row(
    x: Any,
    y: Any,
    indices: Any,
    want_indices: Any,
    top: Any,
    kernel_size: Any,
    step: Any,
    margin: Any,
    dilation: Any,
) -> None:
    h, w, _c = x.shape
    indices[:] = -1
    y[:] = -np.inf
    for j in range(y.shape[0]):
        best = y[j]
        for kh in range(kernel_size[0]):
            row = top + kh * dilation[0]
            if 0 <= row < h:
                for kw in range(kernel_size[1]):
                    column = j * step + kw * dilation[1] - margin
                    if 0 <= column < w:
                        if want_indices:
                            _take_larger(x[row, column], np.int32(row * w + column), best, indices[j])
                        else:
                            _keep_larger(x[row, column], best)


@jit
def _take_larger(pixel: Any, index: Any, best: Any, where: Any) -> None:
    """One tap: where the pixel's channel beats the best so far, it takes its place."""
    for channel in range(pixel.size):
        value, old, place = pixel[channel], best[channel], where[channel]
        better = (place < 0) | (value > old) | (value != value)
        best[channel] = value if better else old
        where[channel] = index if better else place


@jit
def _keep_larger(pixel: Any, best: Any) -> None:
    for channel in range(pixel.size):
        best[channel] = _larger(best[channel], pixel[channel])


@parallel
def _input_grad(pool: Any, g: Any, indices: Any, dx: Any, extent: Any, stride: Any, padding: Any) -> None:
    launch(pool, dx.shape[0] * dx.shape[1], _input_row, (g, indices, dx, extent, stride, padding))


@jit
def _input_row(block: Any, g: Any, indices: Any, dx: Any, extent: Any, stride: Any, padding: Any) -> None:
    _n, h, w, c = dx.shape
    _n, high, wide, _c = g.shape
    sample, row = block // h, block % h
    if extent == stride and padding == (0, 0) and row // stride[0] < high:
        # Side by side, as most are: no division for each pixel.
        step = stride[1]
        at = (sample * high + row // stride[0]) * wide * c
        for j in range(wide):
            for column in range(j * step, min((j + 1) * step, w)):  # the last may hang over the end
                target, index = pointer(dx, (block * w + column) * c), np.int32(row * w + column)
                _take(pointer(g, at + j * c), pointer(indices, at + j * c), index, target, c)
        rest = pointer(dx, (block * w + wide * step) * c)
        for k in range((w - wide * step) * c):
            rest[k] = 0
        return
    # The windows that reach this row, top <= i < bottom, and this column, left <= j < right.
    top = max(row + padding[0] - extent[0] + stride[0], 0) // stride[0]
    bottom = min((row + padding[0]) // stride[0] + 1, high)
    for column in range(w):
        left = max(column + padding[1] - extent[1] + stride[1], 0) // stride[1]
        right = min((column + padding[1]) // stride[1] + 1, wide)
        target, index = pointer(dx, (block * w + column) * c), np.int32(row * w + column)
        alone = (bottom - top) * (right - left) == 1
        if not alone:
            for channel in range(c):
                target[channel] = 0
        for i in range(top, bottom):
            for j in range(left, right):
                at = ((sample * high + i) * wide + j) * c
                if alone:
                    _take(pointer(g, at), pointer(indices, at), index, target, c)
                else:
                    _add_taken(pointer(g, at), pointer(indices, at), index, target, c)


@jit
def _take(g: Any, indices: Any, index: Any, target: Any, count: Any) -> None:
    for channel in range(count):
        target[channel] = g[channel] if indices[channel] == index else 0


@jit
def _add_taken(g: Any, indices: Any, index: Any, target: Any, count: Any) -> None:
    for channel in range(count):
        target[channel] += g[channel] if indices[channel] == index else 0


@parallel
def _scatter(pool: Any, g: Any, indices: Any, dx: Any) -> None:
    launch(pool, g.shape[0], _scatter_sample, (g, indices, dx))


@jit
def _scatter_sample(sample: Any, g: Any, indices: Any, dx: Any) -> None:
    target = dx[sample]
    for window in range(g.shape[1]):
        gradient, pixels = g[sample, window], indices[sample, window]
        for channel in range(gradient.size):
            if pixels[channel] >= 0:
                target[pixels[channel], channel] += gradient[channel]


@parallel
def _gather(pool: Any, v: Any, indices: Any, out: Any) -> None:
    launch(pool, v.shape[0], _gather_sample, (v, indices, out))


@jit
def _gather_sample(sample: Any, v: Any, indices: Any, out: Any) -> None:
    source = v[sample]
    for window in range(out.shape[1]):
        values, pixels = out[sample, window], indices[sample, window]
        for channel in range(values.size):
            pixel = pixels[channel]
            values[channel] = source[pixel, channel] if pixel >= 0 else 0
