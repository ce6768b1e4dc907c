"""2-d convolution (cross-correlation, as everywhere in deep learning), and its two gradients.

    y[n, f, i, j] = sum over c, kh, kw of  x[n, c, i*sh + kh*dh - ph, j*sw + kw*dw - pw] * w[f, c, kh, kw]

with x zero outside the image. With groups, output channels f of group k see only the input channels of group
k.

Shapes: x (N, C, H, W), w (F, C/groups, KH, KW), y and g (N, F, OH, OW). ``stride``, ``padding`` and
``dilation`` are pairs (height, width). Arrays may lie in memory in any order; y and the input gradient are
channels-last, the weight gradient is C-contiguous. The caller has checked the shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.kernels.arrays import compiled_for
from minidl.kernels.registry import Operation, register
from minidl.kernels.windows import Pair, Shape4

# Taps of filters that the policy leaves to the implicit product.
LARGE_FILTER = 1000


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
    is a product of a single column there, and one lane in 16 works: for 96 channels of 56x56, 3x3 filters and batch 8
    the three functions took 5.5, 5.3 and 9.5 ms, and 0.6, 0.6 and 0.9 in the depthwise kernel.
    With several filters per channel that one has to copy each channel several times: for 32 channels of 28x28 with 2
    filters each it took 0.51, 0.50 and 0.62 ms, the direct kernel 0.41, 0.64 and 0.78; with 7 filters it is far behind.

    Filters 3x3 at stride 1 go to Winograd's F(4x4, 3x3) from 16 channels on both sides. Microseconds at batch 8,
    forward, for winograd4, winograd2 and im2col:

        channels     7x7                  28x28                  56x56
        16 -> 16     39     139     49     448    808    1913     2085     5727     7536
        64 -> 64     225    311    847    1689   2994    7039     6529    10425    27697
        128 -> 128   737    792   1979    9098   7850   17496    19085    28840    61374

    With 8 channels and 14x14 pixels it takes 183, 241 and 77: the transforms then cost more than they save.
    """
    if min(w_shape[:2]) >= 16 and winograd_applies(dtype, w_shape, stride, dilation, groups):
        return "winograd4"
    # Filters of some 60 x 60 taps have windows too large for the others.
    if not compiled_for(dtype):
        return "im2col"
    if w_shape[2] * w_shape[3] > LARGE_FILTER:
        return "implicit_gemm"
    return "depthwise" if groups == w_shape[0] > 1 and w_shape[1] == 1 else "direct"


def winograd_applies(dtype: np.dtype, w_shape: Shape4, stride: Pair, dilation: Pair, groups: int) -> bool:
    """What the kernels of Winograd's convolution take: 3x3 at stride 1, float32 and float64."""
    plain = w_shape[2:] == (3, 3) and stride == dilation == (1, 1) and groups == 1
    return plain and compiled_for(dtype)


operation = Operation("conv2d", ("forward", "input_grad", "weight_grad"), policy)
register("conv2d", "reference", module="minidl.kernels.conv2d.reference")
register("conv2d", "im2col", module="minidl.kernels.conv2d.im2col")
register("conv2d", "direct", module="minidl.kernels.conv2d.direct")
register("conv2d", "implicit_gemm", module="minidl.kernels.conv2d.implicit_gemm")
register("conv2d", "depthwise", module="minidl.kernels.conv2d.depthwise")
register("conv2d", "winograd2", module="minidl.kernels.conv2d.winograd2")
register("conv2d", "winograd4", module="minidl.kernels.conv2d.winograd4")


@dataclass(frozen=True)
class Prepared:
    """Filters, and what a kernel has made of them once and for all. It does not notice when w changes.

    Attributes:
        w: the filters (F, C/groups, KH, KW).
        kernel: the module that prepared them.
        filters: what its ``forward`` takes in place of w.
    """

    w: np.ndarray
    kernel: Any
    filters: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return self.w.shape


def prepare(
    w: np.ndarray, x_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Prepared | None:
    """What ``forward`` takes in place of w for images of that shape (whatever their number), to save work when the
    filters are the same in many calls; None if the kernel that would run has nothing to prepare.
    """
    kernel = operation.select("forward", w.dtype, x_shape, w.shape, stride, padding, dilation, groups)
    if not hasattr(kernel, "prepare"):
        return None
    return Prepared(w, kernel, kernel.prepare(w, x_shape, stride, padding, dilation, groups))


def forward(
    x: np.ndarray,
    w: np.ndarray | Prepared,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    bias: np.ndarray | None = None,
    relu: bool = False,
) -> np.ndarray:
    """The convolution y of images x with filters w; then the bias (F,) is added, then negative values become 0.

    The bits are those of the three steps one after another.
    """
    kernel = operation.select("forward", x.dtype, x.shape, w.shape, stride, padding, dilation, groups)
    if isinstance(w, Prepared):
        w = w.filters if w.kernel is kernel else w.w
    return kernel.forward(x, w, stride, padding, dilation, groups, bias, relu)


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
