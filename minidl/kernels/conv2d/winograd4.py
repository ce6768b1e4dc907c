"""Winograd's convolution in tiles: F(4x4, 3x3). See :mod:`minidl.kernels.conv2d.winograd`.

Tiles of 6x6 pixels give 4x4 results in 36 multiplications per pair of channels instead of 144.

Bounds on the largest error, relative to the largest element of the result, on normal random numbers: forward, input
gradient and weight gradient 2.5e-6, with up to 100,000 terms.
"""

from __future__ import annotations

import numpy as np

from minidl.kernels.arrays import plain
from minidl.kernels.conv2d import winograd_applies
from minidl.kernels.conv2d.winograd import Filters, Winograd
from minidl.kernels.windows import Pair, Shape4

_winograd = Winograd(4)


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
    """Filters 3x3 at stride 1, without dilation and groups; float32 and float64."""
    return winograd_applies(dtype, w_shape, stride, dilation, groups)


def prepare(
    w: np.ndarray, x_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Filters:
    """The transformed filters, which ``forward`` takes in place of w."""
    return _winograd.transform(w)


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
    """Bias and ReLU are applied to a tile of y before it is stored."""
    return _winograd.correlate(x, w if isinstance(w, Filters) else plain(w), padding, bias, relu)


def input_grad(
    g: np.ndarray, w: np.ndarray, x_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """The correlation of g with the filters turned by 180 degrees, inputs and outputs exchanged."""
    return _winograd.input_grad(g, w, padding)


def weight_grad(
    x: np.ndarray, g: np.ndarray, w_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """F(3x3, 4x4): correlations of tiles of x with tiles of g, summed over all tiles before they are transformed."""
    return _winograd.weight_grad(x, g, padding)
