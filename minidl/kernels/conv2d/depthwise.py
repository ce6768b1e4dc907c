"""Depthwise convolution: every channel has filters of its own, and vectors hold neighbouring channels.

As a matrix product it would have one column, and one lane in 16 would work. So the tile multiplies lane by lane: a
vector of the image's channels with the vector of their weights at that tap. Everything else is as in the direct kernel:
patches with zeros around the image, tables of offsets, sums over all taps in registers, phases of the stride.

What this does about the machine: each multiply-add takes a vector from memory, and a core loads one a cycle, as it
multiplies one a cycle. So the loads must come from the first level of cache: 32 channels of a few rows of the patch.

With several filters per channel, a channel stands in the patch once for each of them (for the input gradient, the
filters of a channel stand behind each other and are summed like taps).
"""

from __future__ import annotations

import functools
import math

import numpy as np

from minidl.kernels.arrays import compiled_for, plain
from minidl.kernels.conv2d.direct import nhwc, plain_filters
from minidl.kernels.conv2d.geometry import Walk, forward_walk, gradient_walks, walks_of
from minidl.kernels.conv2d.lanes import compiled_for_dtype
from minidl.kernels.conv2d.plans import PIXELS, PIXELS_OF_GRADIENTS, blocks_of, fits, plan, shared, split_of
from minidl.kernels.conv2d.weights import partials_of, row_table
from minidl.kernels.simd import BIAS, RELU
from minidl.kernels.threads import WORTH_MULTIPLICATIONS
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
    """One input channel per group, float32 and float64, filters whose windows fit into a buffer."""
    if not compiled_for(dtype) or w_shape[1] != 1:
        return False
    # For the input gradient a lane is a channel of x, which sums over its filters; else it is a filter.
    width = groups if function == "input_grad" else w_shape[0]
    walks = walks_of(function, x_shape, w_shape, stride, padding, dilation, groups)
    return all(fits(_lanewise(walk, width, w_shape[0] // width)) for walk in walks)


def _lanewise(walk: Walk, width: int, depth: int) -> Walk:
    """The walk with ``width`` lanes, each of which sums over ``depth`` channels."""
    height, across, _ = walk.source
    return walk._replace(source=(height, across, width * depth), groups=width, columns=1, lanewise=True)


@functools.lru_cache(maxsize=256)
def _channels(lanes: int, depth: int, multiplier: int) -> np.ndarray:
    """(depth, lanes): which channel a lane reads; empty where that is the lane's own."""
    if multiplier == depth == 1:
        return np.empty((0, 0), np.int64)
    if depth == 1:
        return np.ascontiguousarray(np.arange(lanes)[None] // multiplier)
    return np.arange(lanes) * depth + np.arange(depth)[:, None]


def _compute(
    walk: Walk,
    source: np.ndarray,
    channels: np.ndarray,
    filters: np.ndarray,
    out: np.ndarray,
    bias: np.ndarray | None = None,
    relu: bool = False,
) -> None:
    """out = the walk over source, with filters (tap row, tap column, depth, lane), plus the bias, then ReLU."""
    compiled, n = compiled_for_dtype(source.dtype), source.shape[0]
    how = plan(walk, source.itemsize, False, PIXELS)
    k, total = how.geometry.taps * how.geometry.depth, walk.groups
    panels = -(-total // compiled.width)
    packed = np.zeros((k, panels * compiled.width), source.dtype)
    packed[:, :total] = filters.reshape(k, total)
    numbers, blocks = shared(n, how)
    split = split_of(blocks, 1, panels)
    compiled.run.sized(n * math.prod(walk.grid) * total * (k + 3), WORTH_MULTIPLICATIONS)(
        *(blocks * split, source, channels, packed, out),
        *(compiled.no_bias if bias is None else bias, BIAS * (bias is not None) | RELU * relu),
        *(how.steps, how.pixels, how.targets, numbers, split, compiled.w),
    )


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
    """y, by one walk over x; a lane for each filter."""
    f, _, kh, kw = w.shape
    walk = _lanewise(forward_walk((1, *x.shape[1:]), w.shape, stride, padding, dilation, groups), f, 1)
    source = nhwc(x)
    out = np.empty((x.shape[0], *walk.grid, f), source.dtype)
    filters = plain_filters(w).reshape(f, kh, kw, 1).transpose(1, 2, 3, 0)
    bias = None if bias is None else plain(bias)
    _compute(walk, source, _channels(f, 1, f // groups), filters, out, bias, relu)
    return to_nchw(out)


def input_grad(
    g: np.ndarray, w: np.ndarray, x_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """dx, by one walk over g for every phase of the stride; a lane for each channel, which sums over its filters."""
    source, (n, c, height, width), (f, _, kh, kw) = nhwc(g), x_shape, w.shape
    depth = f // c
    dx = np.empty((n, height, width, c), source.dtype)
    filters = plain_filters(w).reshape(c, depth, kh, kw).transpose(2, 3, 1, 0)
    geometry = (stride, padding, dilation, groups)
    for walk, (i, j), (rows, across) in gradient_walks((1, *x_shape[1:]), w.shape, *geometry):
        part = dx[:, i :: stride[0], j :: stride[1]]
        _compute(_lanewise(walk, c, depth), source, _channels(c, depth, 1), filters[rows, across], part)
    return to_nchw(dx)


def weight_grad(
    x: np.ndarray, g: np.ndarray, w_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """dw, by one walk over x and g, in partial sums over fixed blocks; a lane for each filter."""
    n, f = x.shape[0], w_shape[0]
    if n == 0:
        return np.zeros(w_shape, x.dtype)
    walk = _lanewise(forward_walk((1, *x.shape[1:]), w_shape, stride, padding, dilation, groups), f, 1)
    source, gradients = nhwc(x), np.ascontiguousarray(nhwc(g))
    compiled = compiled_for_dtype(source.dtype)
    how = plan(walk, source.itemsize, False, PIXELS_OF_GRADIENTS)
    taps, panels = how.geometry.taps, -(-f // compiled.width)
    blocks = blocks_of(n, how.geometry)
    partials = partials_of(blocks, f * taps)
    split = split_of(partials, 1, panels)
    padded = -(-f // compiled.w) * compiled.w
    sums = np.empty((partials, 1, taps, padded), source.dtype)
    dw = np.empty((f, 1, taps), source.dtype)
    work = n * math.prod(walk.grid) * f * (taps + 3)
    compiled.weights.sized(work, WORTH_MULTIPLICATIONS)(
        *(partials * split, source, _channels(f, 1, f // groups), gradients, sums, dw),
        *(
            how.steps,
            row_table(taps, padded),
            how.pixels,
            how.targets,
            how.numbers,
            split,
            blocks,
            compiled.w,
        ),
    )
    return dw.reshape(w_shape)
