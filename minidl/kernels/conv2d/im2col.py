"""Convolution as a matrix product: every window of the image is copied out as one row of a matrix of patches.

    patches (windows, taps*channels) @ filters (taps*channels, F) = y (windows, F)

What this does about the machine: nearly all of the arithmetic runs inside BLAS's matrix product, which keeps
the processor's multipliers busy as no loop in NumPy can. The price is memory traffic, because a 3x3 filter
copies every pixel nine times. It is kept low in three ways:

- The images are channels-last, so y comes out of the product in the order in which the next layer wants it,
  and nothing is transposed. A 1x1 filter needs no copy at all: the image already is the matrix of patches.
- Patches are made and consumed for a few samples at a time, in one buffer that stays in the cache.
- With many channels a patch is copied in long runs (KW*C values). With few channels such runs are short, and
  the matrix is stored transposed instead, in runs along the image's rows: 4x faster for MNIST's first layer.

Each sample's y is a matrix product of its own, so it does not depend on the batch that the sample is in. The
gradients take a block of samples at once, which is faster for small images; the blocks have a fixed size.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minidl.kernels.conv2d.epilogue import finish
from minidl.kernels.windows import Pair, Shape4, output_sizes, pad_nhwc, tap, to_nchw, to_nhwc

# A block of patches should stay in the second or third level of cache until the product has read it.
BLOCK_BYTES = 1 << 22
# From this many channels on, runs along the channels are long enough to copy fast.
MANY_CHANNELS = 8


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
    """Everything."""
    return True


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
    """y = patches @ filters."""
    n, f = x.shape[0], w.shape[0]
    oh, ow = output_sizes(x.shape[2:], w.shape[2:], stride, padding, dilation)
    image = pad_nhwc(to_nhwc(x), padding)
    filters = _filter_matrices(w, groups)
    y = np.empty((n, oh * ow, f), x.dtype)
    for group, channels, outputs in _groups(image.shape[3], f, groups):
        for block, patches in _patches(image[..., channels], w.shape[2:], stride, dilation, (oh, ow)):
            np.matmul(patches, filters[group], out=y[block, :, outputs])
    return finish(to_nchw(y.reshape(n, oh, ow, f)), bias, relu)


def weight_grad(
    x: np.ndarray, g: np.ndarray, w_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """dw = patches.T @ g, summed over the samples in their order."""
    n, f, oh, ow = g.shape
    _, c, kh, kw = w_shape
    image = pad_nhwc(to_nhwc(x), padding)
    g = to_nhwc(g).reshape(n, oh * ow, f)
    filters = np.zeros((groups, kh * kw * c, f // groups), x.dtype)
    for group, channels, outputs in _groups(image.shape[3], f, groups):
        for block, patches in _patches(image[..., channels], (kh, kw), stride, dilation, (oh, ow)):
            products = np.matmul(patches.transpose(0, 2, 1), g[block, :, outputs])
            filters[group] += products.sum(axis=0)
    dw = filters.reshape(groups, kh, kw, c, f // groups).transpose(0, 4, 3, 1, 2)
    return np.ascontiguousarray(dw).reshape(w_shape)


def input_grad(
    g: np.ndarray, w: np.ndarray, x_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """For every tap, g @ filter.T is added to the pixels which that tap read.

    The products of one tap lie together, not those of one window: so they are added in whole rows of the
    image.
    """
    n, c, h, width = x_shape
    (ph, pw), (f, _, kh, kw) = padding, w.shape
    oh, ow = g.shape[2:]
    g = to_nhwc(g)
    # One matrix (F/groups, C/groups) per tap.
    filters = _filter_matrices(w, groups).reshape(groups, kh * kw, c // groups, f // groups).swapaxes(2, 3)
    dx = np.zeros((n, h + 2 * ph, width + 2 * pw, c), g.dtype)
    step = _samples_per_block(oh * ow * kh * kw * (c // groups), g.dtype)
    for group, channels, outputs in _groups(c, f, groups):
        for first in range(0, n, step):
            block = slice(first, first + step)
            shares = np.matmul(g[block, ..., outputs].reshape(-1, f // groups), filters[group])
            shares = shares.reshape(kh, kw, -1, oh, ow, c // groups)
            for i, j in np.ndindex(kh, kw):
                rows, columns = tap(i * dilation[0], oh, stride[0]), tap(j * dilation[1], ow, stride[1])
                dx[block, rows, columns, channels] += shares[i, j]
    return to_nchw(np.ascontiguousarray(dx[:, ph : ph + h, pw : pw + width]))


def _groups(c: int, f: int, groups: int) -> Iterator[tuple[int, slice, slice]]:
    """For every group: its number, its input channels, its output channels."""
    c, f = c // groups, f // groups
    for group in range(groups):
        yield group, slice(group * c, (group + 1) * c), slice(group * f, (group + 1) * f)


def _filter_matrices(w: np.ndarray, groups: int) -> np.ndarray:
    """w (F, C/groups, KH, KW) as one matrix per group: (groups, KH*KW*C/groups, F/groups)."""
    f, c, kh, kw = w.shape
    split = w.reshape(groups, f // groups, c, kh, kw).transpose(0, 3, 4, 2, 1)
    return np.ascontiguousarray(split).reshape(groups, kh * kw * c, f // groups)


def _samples_per_block(values_per_sample: int, dtype: np.dtype) -> int:
    """How many samples' patches fit into BLOCK_BYTES; at least one."""
    return max(1, BLOCK_BYTES // max(1, values_per_sample * dtype.itemsize))


def _patches(
    image: np.ndarray, kernel: Pair, stride: Pair, dilation: Pair, out: Pair
) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of samples, and their patches (samples, OH*OW, KH*KW*C), from a padded image N H W C.

    All blocks share one buffer: a block's patches are valid until the next block is asked for.
    """
    n, h, w, c = image.shape
    (kh, kw), (oh, ow) = kernel, out
    if (kh, kw) == stride == (1, 1) and image.flags.c_contiguous:
        yield slice(0, n), image.reshape(n, h * w, c)
        return
    by_sample, by_row, by_column, by_channel = image.strides
    windows = as_strided(
        image,
        (n, oh, ow, kh, kw, c),
        (
            by_sample,
            by_row * stride[0],
            by_column * stride[1],
            by_row * dilation[0],
            by_column * dilation[1],
            by_channel,
        ),
        writeable=False,
    )
    transposed = c < MANY_CHANNELS
    if transposed:
        windows = windows.transpose(0, 3, 4, 5, 1, 2)  # (N, KH, KW, C, OH, OW)
    step = min(n, _samples_per_block(oh * ow * kh * kw * c, image.dtype))
    buffer = np.empty((step, *windows.shape[1:]), image.dtype)
    for first in range(0, n, step or 1):
        block = slice(first, min(first + step, n))
        copied = buffer[: block.stop - first]
        np.copyto(copied, windows[block])
        if transposed:
            yield block, copied.reshape(-1, kh * kw * c, oh * ow).transpose(0, 2, 1)
        else:
            yield block, copied.reshape(-1, oh * ow, kh * kw * c)
