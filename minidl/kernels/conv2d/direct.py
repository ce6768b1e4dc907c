"""Direct convolution: the image is read where it lies, and the sums over all taps and channels stay in registers.

What this does about the machine:

- **Registers.** 14 pixels by 32 filters are summed at a time. The tile finds the image's elements through tables
  (:mod:`minidl.kernels.gather`), so no matrix of windows is stored, and nothing is added up in memory.
- **Cache.** A block of pixels reads one patch of the image, copied once into a buffer with the zeros of the padding
  around it (:mod:`minidl.kernels.conv2d.plans`); or in place, where there is no padding. Filters are packed 32 side
  by side, in the order in which the sums run: a panel streams through while the patch stays.
- **Threads.** Blocks of pixels go to the pool; if there are few, so do blocks of filters.

Strides, dilations and groups cost nothing: they are other numbers in the tables. A gradient is the same walk: that of
the image over the pixels of x, for each phase of the stride; that of the weights with the two tables exchanged, over
fixed blocks of pixels whose sums are added in order.

What that bought: GFLOP/s on two cores, whose tiles reach 235, at batch 8; forward, input gradient, weight gradient.

    5x5, 32 -> 64, 28x28                     229   223   206
    3x3, 64 -> 64, 28x28, dilation 2         225   220   200
    3x3, 128 -> 128, 56x56, stride 2         215   205   183
    3x3, 512 -> 512, 14x14, stride 2         196   188   108    the filters, 9.4 MB, are packed and read once
    1x1, 512 -> 128, 28x28                   202   197   187
    1x1, 64 -> 256, 56x56                    157   161   156    memory: 32 operations for every element of y and dx
    3x3, 128 -> 128, 56x56, 32 groups         45    45    34    4 columns: a quarter of each vector
    7x7, 3 -> 64, 224x224, stride 2          206    39   189    dx has 3 columns: a fifth of each vector
    3x3, 1 -> 16, 28x28, batch 64            135    13    72    9 steps are too few to hide a tile's beginning and end
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.arrays import compiled_for, plain
from minidl.kernels.conv2d import results, weights
from minidl.kernels.conv2d.geometry import forward_walk, gradient_walks, walks_of
from minidl.kernels.conv2d.plans import fits
from minidl.kernels.windows import Pair, Shape4, to_nchw


def supports(
    function: str,
    dtype: np.dtype,
    x_shape: Shape4,
    w_shape: Shape4,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> bool:
    """float32 and float64; filters whose windows fit into a buffer (some 60 x 60 taps, or dilated to that)."""
    walks = walks_of(function, x_shape, w_shape, stride, padding, dilation, groups)
    return compiled_for(dtype) and all(fits(walk) for walk in walks)


def nhwc(x: np.ndarray) -> np.ndarray:
    """Seen as (N, H, W, C), in memory that compiled code can read."""
    if not (x.flags.aligned and x.dtype.isnative and x.flags.writeable):
        x = np.array(x, dtype=x.dtype.newbyteorder("="))
    return x.transpose(0, 2, 3, 1)


def plain_filters(w: np.ndarray) -> np.ndarray:
    return (
        w if w.flags.carray and w.dtype.isnative else np.array(w, dtype=w.dtype.newbyteorder("="), order="C")
    )


def _forward_filters(w: np.ndarray, groups: int) -> results.Packed:
    w = plain_filters(w)
    f, c, kh, kw = w.shape
    return results.Packed(w.reshape(groups, f // groups, c, kh, kw).transpose(0, 3, 4, 2, 1), w.shape)


def prepare(
    w: np.ndarray, x_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> results.Packed:
    """The filters in panels."""
    walk = forward_walk((1, *x_shape[1:]), w.shape, stride, padding, dilation, groups)
    return results.prepared(walk, _forward_filters(w.copy(), groups))


def forward(
    x: np.ndarray,
    w: np.ndarray,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    bias: np.ndarray | None = None,
    relu: bool = False,
) -> np.ndarray:
    """y, by one walk over x; the bias and ReLU while the sums are in registers."""
    walk = forward_walk((1, *x.shape[1:]), w.shape, stride, padding, dilation, groups)
    source = nhwc(x)
    out = np.empty((x.shape[0], *walk.grid, w.shape[0]), source.dtype)
    packed: Any = w if isinstance(w, results.Packed) else _forward_filters(w, groups)
    results.compute(walk, source, packed, out, None if bias is None else plain(bias), relu)
    return to_nchw(out)


def input_grad(
    g: np.ndarray, w: np.ndarray, x_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """dx, by one walk over g for every phase of the stride."""
    source = nhwc(g)
    n, c, height, width = x_shape
    f, _, kh, kw = w.shape
    dx = np.empty((n, height, width, c), source.dtype)
    filters = plain_filters(w).reshape(groups, f // groups, c // groups, kh, kw).transpose(0, 3, 4, 1, 2)
    geometry = (stride, padding, dilation, groups)
    for walk, (i, j), (rows, across) in gradient_walks((1, *x_shape[1:]), w.shape, *geometry):
        part = dx[:, i :: stride[0], j :: stride[1]]
        results.compute(walk, source, results.Packed(filters[:, rows, across]), part)
    return to_nchw(dx)


def weight_grad(
    x: np.ndarray, g: np.ndarray, w_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """dw, by one walk over x and g, in partial sums over fixed blocks."""
    if x.shape[0] == 0:
        return np.zeros(w_shape, x.dtype)
    walk = forward_walk((1, *x.shape[1:]), w_shape, stride, padding, dilation, groups)
    source, gradients = nhwc(x), np.ascontiguousarray(nhwc(g))
    dw = np.empty((*w_shape[:2], w_shape[2] * w_shape[3]), source.dtype)
    weights.compute(walk, source, gradients, dw)
    return dw.reshape(w_shape)
