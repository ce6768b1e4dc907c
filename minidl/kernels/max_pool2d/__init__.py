"""2-d max pooling: the largest value of every window, where it was found, and the gradient that is sent back
there.

    y[n, c, i, j] = max over kh, kw of  x[n, c, i*sh + kh*dh - ph, j*sw + kw*dw - pw]

over the taps that lie inside the image; ``indices`` holds the place of the maximum as row*W + column, the
first one where several are equal. A NaN counts as larger than everything. A window that holds no pixel at all
gives -inf and the index -1.

Shapes: x (N, C, H, W), y, g and indices (N, C, OH, OW); ``kernel_size``, ``stride``, ``padding`` and
``dilation`` are pairs. Indices are int32, half of what PyTorch's take: an operation that shows them widens
them. Arrays may lie in memory in any order; results are channels-last. The caller has checked the shapes.
"""

from __future__ import annotations

import numpy as np

from minidl.kernels.arrays import compiled_for
from minidl.kernels.registry import Operation, register
from minidl.kernels.windows import Pair, Shape4


def policy(dtype: np.dtype) -> str:
    """The compiled kernel where there is one for the dtype."""
    return "direct" if compiled_for(dtype) else "reference"


operation = Operation("max_pool2d", ("forward", "input_grad", "scatter", "gather"), policy)
register("max_pool2d", "reference", module="minidl.kernels.max_pool2d.reference")
register("max_pool2d", "direct", module="minidl.kernels.max_pool2d.direct")


def forward(
    x: np.ndarray,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    ceil_mode: bool,
    want_indices: bool,
) -> tuple[np.ndarray, np.ndarray | None]:
    """The maxima y, and their indices, or None where they are not wanted."""
    kernel = operation.select(x.dtype)
    return kernel.forward(x, kernel_size, stride, padding, dilation, ceil_mode, want_indices)


def input_grad(
    g: np.ndarray,
    indices: np.ndarray,
    x_shape: Shape4,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> np.ndarray:
    """The gradient with respect to x, given g = dL/dy: at each pixel the g of the windows whose maximum it is."""
    kernel = operation.select(g.dtype)
    return kernel.input_grad(g, indices, x_shape, kernel_size, stride, padding, dilation)


def scatter(g: np.ndarray, indices: np.ndarray, x_shape: Shape4) -> np.ndarray:
    """g summed into the pixels that the indices name, whatever windows they were found in: as ``input_grad``."""
    return operation.select(g.dtype).scatter(g, indices, x_shape)


def gather(v: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """The values of v (N, C, H, W) at the indices, 0 where one is -1: what ``scatter`` is the transpose of."""
    return operation.select(v.dtype).gather(v, indices)
