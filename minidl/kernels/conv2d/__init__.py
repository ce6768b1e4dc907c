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
# The length of a row of channels and one of filters, in whole panels, up to which Winograd's steps are one task.
FUSED_ROWS = 160


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

    With a few filters the direct kernel's vectors are nearly empty: ``dots.pays`` weighs the two.

    Winograd's kernels take filters 3x3 at stride 1 where their transforms pay: see ``winograd_for``.
    """
    name = winograd_for(function, x_shape, w_shape, padding)
    if name and winograd_applies(dtype, w_shape, stride, dilation, groups):
        return name
    # Filters of some 60 x 60 taps have windows too large for the others.
    if not compiled_for(dtype):
        return "im2col"
    if w_shape[2] * w_shape[3] > LARGE_FILTER:
        return "implicit_gemm"
    # What is dilated far has windows too large as well.
    names = ["depthwise", "direct"] if groups == w_shape[0] > 1 and w_shape[1] == 1 else ["direct"]
    problem = (function, dtype, x_shape, w_shape, stride, padding, dilation, groups)
    if names[0] == "direct" and operation.load("dots").pays(*problem):
        names.insert(0, "dots")
    return next((name for name in names if operation.load(name).supports(*problem)), "implicit_gemm")


def winograd_for(function: str, x_shape: Shape4, w_shape: Shape4, padding: Pair) -> str:
    """Which tile size is for images and channels of these sizes; "" if none is.

    Microseconds at batch 8 for winograd4, winograd2 and direct; with few channels on one core, where all steps are one
    task (:mod:`minidl.kernels.conv2d.winograd_fused`), with many on two:

        forward, channels             4x4 pixels                   7x7                 14x14
        8 -> 16                     13 / 13 / 16          18 / 23 / 22          45 / 51 / 46
        16                          14 / 14 / 21          23 / 29 / 32          57 / 65 / 80
        32                          38 / 30 / 39          57 / 69 / 81       154 / 171 / 271
        32 -> 64                    49 / 56 / 63        98 / 119 / 150       379 / 382 / 602
        256                     520 / 549 / 1193    1156 / 1615 / 2283    3505 / 4163 / 8266
        512                   4991 / 2876 / 4806   6713 / 7547 / 10131 17774 / 18260 / 34039

        weight gradient               4x4 pixels                   7x7                 14x14
        8 -> 16                     13 / 11 / 14          19 / 21 / 20          50 / 49 / 51
        16                          13 / 13 / 17          24 / 28 / 29          70 / 93 / 85
        32                          27 / 29 / 43          68 / 79 / 83       210 / 232 / 303
        32 -> 64                    42 / 49 / 73       112 / 147 / 203       499 / 370 / 629
        256                   1740 / 1095 / 1231    2418 / 2493 / 2889    5216 / 7104 / 9982
        512                   5442 / 2661 / 5792   7977 / 7284 / 12138 17305 / 20513 / 44036

    With 8 channels the transforms cost what the products save; images of 5x5 and 6x6 fill small tiles better. A single
    image of 7x7 and 512 channels takes 4903, 3401 and 2592: there the filters' transform is most of it, which
    ``prepare`` does once.
    """
    channels = min(w_shape[:2])
    side = min(size + 2 * p - 2 for size, p in zip(x_shape[2:], padding, strict=True))
    if channels >= 8 and sum(-(-size // 32) * 32 + 16 for size in w_shape[:2]) <= FUSED_ROWS:
        if channels < 16:
            return "winograd4" if side >= 12 else ""
        return "winograd2" if 5 <= side <= 6 else "winograd4" if side >= 3 else ""
    if side >= 7 and channels >= (64 if function == "weight_grad" else 32):
        return "winograd4"
    return "winograd2" if side >= 3 and channels >= 128 else ""


def winograd_applies(dtype: np.dtype, w_shape: Shape4, stride: Pair, dilation: Pair, groups: int) -> bool:
    """What the kernels of Winograd's convolution take: 3x3 at stride 1, float32 and float64."""
    plain = w_shape[2:] == (3, 3) and stride == dilation == (1, 1) and groups == 1
    return plain and compiled_for(dtype)


operation = Operation("conv2d", ("forward", "input_grad", "weight_grad"), policy)
register("conv2d", "reference", module="minidl.kernels.conv2d.reference")
register("conv2d", "im2col", module="minidl.kernels.conv2d.im2col")
register("conv2d", "direct", module="minidl.kernels.conv2d.direct")
register("conv2d", "implicit_gemm", module="minidl.kernels.conv2d.implicit_gemm")
register("conv2d", "dots", module="minidl.kernels.conv2d.dots")
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
