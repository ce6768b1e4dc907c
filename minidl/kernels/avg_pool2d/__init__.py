"""2-d average pooling: the mean of every window, and the gradient that is spread over it.

    y[n, c, i, j] = sum over kh, kw of  x[n, c, i*sh + kh - ph, j*sw + kw - pw]  / divisor[i, j]

The sum is over the taps inside the image. The divisor is ``divisor_override`` where it is not None; else,
with ``count_include_pad``, the number of taps inside the padded image; else the number of taps inside the
image.

Shapes: x (N, C, H, W), y and g (N, C, OH, OW); ``kernel_size``, ``stride`` and ``padding`` are pairs. Arrays
may lie in memory in any order; results are channels-last. The caller has checked the shapes.
"""

from __future__ import annotations

import numpy as np

from minidl.kernels.arrays import compiled_for
from minidl.kernels.registry import Operation, register
from minidl.kernels.windows import Pair, Shape4


def policy(dtype: np.dtype) -> str:
    """The compiled kernel where there is one for the dtype."""
    return "direct" if compiled_for(dtype) else "reference"


operation = Operation("avg_pool2d", ("forward", "input_grad"), policy)
register("avg_pool2d", "reference", module="minidl.kernels.avg_pool2d.reference")
register("avg_pool2d", "direct", module="minidl.kernels.avg_pool2d.direct")


def forward(
    x: np.ndarray,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> np.ndarray:
    """The means y."""
    kernel = operation.select(x.dtype)
    return kernel.forward(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def input_grad(
    g: np.ndarray,
    x_shape: Shape4,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> np.ndarray:
    """The gradient with respect to x, given g = dL/dy: every window's g/divisor, added to each pixel in it."""
    kernel = operation.select(g.dtype)
    return kernel.input_grad(
        g, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
