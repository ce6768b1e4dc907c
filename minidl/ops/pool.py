"""Pooling: the largest or the mean value of every window of an image.

What computes it is in :mod:`minidl.kernels.max_pool2d` and :mod:`minidl.kernels.avg_pool2d`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import dtypes
from minidl.errors import ShapeError, must
from minidl.kernels import avg_pool2d as avg_kernels
from minidl.kernels import max_pool2d as max_kernels
from minidl.kernels.windows import output_sizes
from minidl.ops.arguments import as_int, cast, check_tensor, floats, numeric, pair, reject, wants_gradient
from minidl.ops.shape import _reshape
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

Pair = tuple[int, int]

# The gradient of a maximum goes to the pixel where it was found. The indices of these pixels are constants: sending
# values to them and fetching values from them are linear, and each other's derivative. ``_send_back`` knows the windows
# besides, which lets it write each pixel once; ``_scatter`` takes indices from wherever they come.
_max_pool2d = Op(
    "max_pool2d",
    max_kernels.forward,
    lambda g, _y, _x, kernel, stride, padding, dilation, _ceil, _want, indices: _send_back(
        g, indices, _x.shape, kernel, stride, padding, dilation
    ),
)
_send_back: Op = Op(
    "max_pool2d_backward", max_kernels.input_grad, lambda v, _y, _g, indices, *_windows: _gather(v, indices)
)
_scatter: Op = Op(
    "max_pool2d_scatter", max_kernels.scatter, lambda v, _y, _g, indices, _shape: _gather(v, indices)
)
_gather: Op = Op(
    "max_pool2d_gather", max_kernels.gather, lambda g, _y, _v, indices: _scatter(g, indices, _v.shape)
)

# A mean is linear in the image; the geometry is kernel, stride, padding, ceil_mode, count_include_pad, divisor.
_avg_pool2d = Op(
    "avg_pool2d", avg_kernels.forward, lambda g, _y, _x, *geometry: _spread(g, _x.shape, *geometry)
)
_spread: Op = Op(
    "avg_pool2d_spread",
    avg_kernels.input_grad,
    lambda v, _y, _g, _shape, *geometry: _avg_pool2d(v, *geometry),
)


def _images(op: str, input: Any) -> Any:
    """``input`` as (N, C, H, W)."""
    if input.ndim not in (3, 4) or 0 in input.shape[-3:]:
        raise ShapeError(must(op, "input", "(N, C, H, W) or (C, H, W), and not empty but for N", input.shape))
    return input if input.ndim == 4 else _reshape(input, (1, *input.shape))


def _windows(
    op: str, size: Pair, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[Pair, Pair, Pair, Pair]:
    """Kernel, stride, padding and dilation as pairs, of which at least one window fits into an image of ``size``."""
    kernel = pair(op, "kernel_size", kernel_size, 1)
    step = kernel if stride in (None, (), []) else pair(op, "stride", stride, 1)
    around, apart = pair(op, "padding", padding, 0), pair(op, "dilation", dilation, 1)
    if any(p > k // 2 for p, k in zip(around, kernel, strict=True)):
        reject(op, "padding", f"at most half of the kernel {kernel}", around)
    if min(output_sizes(size, kernel, step, around, apart, ceil_mode)) < 1:
        padded = tuple(n + 2 * p for n, p in zip(size, around, strict=True))
        reject(op, "kernel_size", f"not larger than the padded input {padded}", kernel)
    return kernel, step, around, apart


def max_pool2d(
    input: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of every window.

    Args:
        input: images (N, C, H, W), or one image (C, H, W).
        kernel_size: the size of the windows; an int, or two for height and width, as for those that follow.
        stride: their step; ``kernel_size`` unless given.
        padding: how far they may begin outside the image, at most half of their size. What is outside never wins.
        dilation: the distance between the pixels of a window.
        ceil_mode: let the last window hang over the end, if it begins inside.
        return_indices: return also where each maximum was found, as ``row * W + column``, int64.

    Returns:
        (N, C, OH, OW), in channels-last memory, with ``OH = (H + 2*padding - dilation*(KH-1) - 1) // stride + 1``.
        Among equal values the first wins, and gets the gradient.

    Raises:
        ShapeError: ``input`` is not (N, C, H, W) or (C, H, W).
        ArgumentError: an argument is out of range, or the windows are larger than the padded image.
        DTypeError: ``input`` is of bools.

    >>> import minidl
    >>> minidl.nn.functional.max_pool2d(minidl.arange(8.0).reshape(1, 2, 4), 2)
    tensor([[[5., 7.]]])
    """
    dtype = numeric("max_pool2d", input).dtype
    if dtype.kind != "f":  # kernels are for floats
        y = max_pool2d(
            cast(input, dtypes.float64), kernel_size, stride, padding, dilation, ceil_mode, return_indices
        )
        return (cast(y[0], dtype), y[1]) if return_indices else cast(y, dtype)
    x = _images("max_pool2d", input)
    geometry = _windows("max_pool2d", x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    if not return_indices:
        y = _max_pool2d(x, *geometry, bool(ceil_mode), wants_gradient(x))
        return y if input.ndim == 4 else _reshape(y, y.shape[1:])
    y, indices = _max_pool2d.with_extras(x, *geometry, bool(ceil_mode), True)
    indices = cast(indices, np.dtype(np.int64))
    return (y, indices) if input.ndim == 4 else (_reshape(y, y.shape[1:]), _reshape(indices, y.shape[1:]))


def avg_pool2d(
    input: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of every window; arguments and result as for :func:`max_pool2d`.

    Args:
        count_include_pad: divide by the number of pixels in the window with the padding, which counts as zeros; else
            by the number of those inside the image.
        divisor_override: divide the sum of the window by this number instead.

    Raises:
        ShapeError, ArgumentError: as for :func:`max_pool2d`.
        DTypeError: ``input`` is neither of floats nor of int64, which are divided as floats and rounded towards 0.

    >>> import minidl
    >>> minidl.nn.functional.avg_pool2d(minidl.arange(8.0).reshape(1, 2, 4), 2)
    tensor([[[2.5, 4.5]]])
    """
    check_tensor("avg_pool2d", "input", input)
    if input.dtype == dtypes.int64:
        options = (stride, padding, ceil_mode, count_include_pad, divisor_override)
        return cast(avg_pool2d(cast(input, dtypes.float64), kernel_size, *options), dtypes.int64)
    floats("avg_pool2d", input)
    x = _images("avg_pool2d", input)
    kernel, step, around, _ = _windows("avg_pool2d", x.shape[2:], kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override is not None:
        divisor_override = as_int("avg_pool2d", "divisor_override", divisor_override)
        if divisor_override == 0:
            reject("avg_pool2d", "divisor_override", "None or not 0", 0)
    y = _avg_pool2d(x, kernel, step, around, bool(ceil_mode), bool(count_include_pad), divisor_override)
    return y if input.ndim == 4 else _reshape(y, y.shape[1:])
