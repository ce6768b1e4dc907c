"""2-d convolution (cross-correlation, as everywhere in deep learning), and its two gradients.

    y[n, f, i, j] = sum over c, kh, kw of  x[n, c, i*sh + kh*dh - ph, j*sw + kw*dw - pw] * w[f, c, kh, kw]

with x zero outside the image. With groups, output channels f of group k see only the input channels of group
k.

Shapes: x (N, C, H, W), w (F, C/groups, KH, KW), y and g (N, F, OH, OW). ``stride``, ``padding`` and
``dilation`` are pairs (height, width). Arrays may lie in memory in any order; y and the input gradient are
channels-last, the weight gradient is C-contiguous. The caller has checked the shapes.
"""

from __future__ import annotations

import numpy as np

from minidl.kernels.registry import Operation, register
from minidl.kernels.windows import Pair, Shape4


def policy(
    function: str,
    dtype: np.dtype,
    x_shape: Shape4,
    w_shape: Shape4,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> str:
    """The default kernel.

    The direct kernel runs at the speed of its arithmetic from some ten channels and filters on. Depthwise convolution
    (one input channel per group) is a product of single columns there, in which most lanes of a vector are idle:
    for 64 channels of 28x28 and 3x3 filters at batch 8 the reference's sum over taps is faster.
    """
    depthwise = groups > 1 and w_shape[1] == 1
    return "reference" if depthwise else "direct"


operation = Operation("conv2d", ("forward", "input_grad", "weight_grad"), policy)
register("conv2d", "reference", module="minidl.kernels.conv2d.reference")
register("conv2d", "im2col", module="minidl.kernels.conv2d.im2col")
register("conv2d", "direct", module="minidl.kernels.conv2d.direct")


def forward(
    x: np.ndarray, w: np.ndarray, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """The convolution y of images x with filters w."""
    kernel = operation.select("forward", x.dtype, x.shape, w.shape, stride, padding, dilation, groups)
    return kernel.forward(x, w, stride, padding, dilation, groups)


def input_grad(
    g: np.ndarray, w: np.ndarray, x_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """The gradient with respect to x, given g = dL/dy: the transposed convolution of g with w."""
    kernel = operation.select("input_grad", g.dtype, x_shape, w.shape, stride, padding, dilation, groups)
    return kernel.input_grad(g, w, x_shape, stride, padding, dilation, groups)


def weight_grad(
    x: np.ndarray, g: np.ndarray, w_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """The gradient with respect to w, given g = dL/dy."""
    kernel = operation.select("weight_grad", x.dtype, x.shape, w_shape, stride, padding, dilation, groups)
    return kernel.weight_grad(x, g, w_shape, stride, padding, dilation, groups)
