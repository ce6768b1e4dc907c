"""Convolution as it is defined: a sum over the taps of the filter.

For one tap (kh, kw) the convolution is a matrix product over channels between the filter's weights at that
tap and the image, shifted. In the einsum subscripts, n is the sample, k the group, f and c the output and
input channel within the group, and h and w the position of the window. Nothing here is fast: every tap walks
over the whole image.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minidl.kernels.windows import Pair, Shape4, output_sizes, pad_nhwc, tap, to_nchw, to_nhwc


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


def _taps(
    x_shape: Shape4, w_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair
) -> Iterator[tuple[int, int, slice, slice]]:
    """For every tap (kh, kw): the rows and columns of the padded image that it meets, one per window."""
    oh, ow = output_sizes(x_shape[2:], w_shape[2:], stride, padding, dilation)
    for kh in range(w_shape[2]):
        for kw in range(w_shape[3]):
            yield kh, kw, tap(kh * dilation[0], oh, stride[0]), tap(kw * dilation[1], ow, stride[1])


def _grouped(x: np.ndarray, groups: int) -> np.ndarray:
    """Images (N, C, H, W) as (N, groups, C/groups, H, W)."""
    n, c, h, w = x.shape
    return x.reshape(n, groups, c // groups, h, w)


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
    """y, summed tap by tap; then the bias, then ReLU."""
    n, f = x.shape[0], w.shape[0]
    oh, ow = output_sizes(x.shape[2:], w.shape[2:], stride, padding, dilation)
    padded = to_nchw(pad_nhwc(to_nhwc(x), padding))
    filters = w.reshape(groups, f // groups, *w.shape[1:])
    y = np.zeros((n, groups, f // groups, oh, ow), x.dtype)
    for kh, kw, rows, columns in _taps(x.shape, w.shape, stride, padding, dilation):
        windows = _grouped(padded[:, :, rows, columns], groups)
        y += np.einsum("nkchw,kfc->nkfhw", windows, filters[..., kh, kw])
    y = to_nchw(to_nhwc(y.reshape(n, f, oh, ow)))
    if bias is not None:
        y = y + bias.reshape(-1, 1, 1)
    return np.maximum(y, 0) if relu else y


def input_grad(
    g: np.ndarray, w: np.ndarray, x_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """dx: every tap sends its share of g back to the pixels that it read."""
    n, c, h, width = x_shape
    (ph, pw), f = padding, w.shape[0]
    filters = w.reshape(groups, f // groups, *w.shape[1:])
    padded = np.zeros((n, h + 2 * ph, width + 2 * pw, c), g.dtype)
    dx = to_nchw(padded)
    for kh, kw, rows, columns in _taps(x_shape, w.shape, stride, padding, dilation):
        shares = np.einsum("nkfhw,kfc->nkchw", _grouped(g, groups), filters[..., kh, kw])
        dx[:, :, rows, columns] += shares.reshape(n, c, *g.shape[2:])
    return to_nchw(to_nhwc(dx[:, :, ph : ph + h, pw : pw + width]))


def weight_grad(
    x: np.ndarray, g: np.ndarray, w_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """dw: at every tap, the products of g with the pixels that the tap read, summed over samples and windows."""
    padded = to_nchw(pad_nhwc(to_nhwc(x), padding))
    dw = np.empty((groups, w_shape[0] // groups, *w_shape[1:]), x.dtype)
    for kh, kw, rows, columns in _taps(x.shape, w_shape, stride, padding, dilation):
        windows = _grouped(padded[:, :, rows, columns], groups)
        dw[..., kh, kw] = np.einsum("nkfhw,nkchw->kfc", _grouped(g, groups), windows)
    return dw.reshape(w_shape)
