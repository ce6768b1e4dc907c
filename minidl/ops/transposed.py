"""Transposed convolution: what spreads images out again, as a convolution gathers them in.

A convolution is a linear map of images, a (sparse) matrix; this is the map of the transposed matrix. That is also how
a convolution sends gradients back, so nothing is computed here that :mod:`minidl.ops.conv` does not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minidl.errors import ArgumentError, ShapeError, must
from minidl.ops.arguments import as_int, check_dtype, check_tensor, numeric, pair, reject, single
from minidl.ops.conv import _input_grad
from minidl.ops.padding import _pad
from minidl.ops.shape import _reshape

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["conv_transpose1d", "conv_transpose2d"]

Pair = tuple[int, int]


def _check_operands(op: str, input: Any, weight: Any, bias: Any, groups: int, ndim: int) -> None:
    """Types, dtypes and numbers of channels; ``ndim`` with the batch."""
    numeric(op, input)
    for name, x in (("weight", weight), ("bias", bias)):
        if x is not None or name == "weight":
            check_tensor(op, name, x)
            check_dtype(op, name, x, input)
    if input.ndim not in (ndim, ndim - 1) or 0 in input.shape[2 - ndim :]:
        expected = f"of {ndim} dimensions, or {ndim - 1} without a batch, and not empty but for that"
        raise ShapeError(must(op, "input", expected, input.shape))
    channels = input.shape[1 - ndim]
    if groups < 1 or channels % groups:
        reject(op, "groups", f"at least 1 and a divisor of the {channels} input channels", groups)
    if weight.ndim != ndim or weight.shape[0] != channels or 0 in weight.shape:
        kernel = ("k", "kH, kW")[ndim - 3]
        expected = f"({channels}, out/groups, {kernel}) to match input channels {channels}, and not empty"
        raise ShapeError(must(op, "weight", expected, weight.shape))
    filters = weight.shape[1] * groups
    if bias is not None and bias.shape != (filters,):
        raise ShapeError(must(op, "bias", f"({filters},), one for each output channel", bias.shape))


def _spread(
    op: str, x: Any, w: Any, b: Any, stride: Pair, padding: Pair, extra: Pair, groups: int, dilation: Pair
) -> Any:
    """The transposed convolution of N C H W images, when channels and dtypes are checked."""
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        reject(op, "output_padding", f"less than stride {stride} or dilation {dilation}", extra)
    height, width = (
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(x.shape[2:], stride, padding, dilation, w.shape[2:], extra, strict=True)
    )
    if min(height, width) < 1:
        expected = f"such that something remains of the output, which would be {(height, width)}"
        raise ArgumentError(must(op, "padding", expected, padding))
    shape = (x.shape[0], w.shape[1] * groups, height, width)
    # A convolution of that output would have more rows than x if a whole stride were added: zeros, then, to x.
    rows, columns = (e // s for e, s in zip(extra, stride, strict=True))
    if rows or columns:
        x = _pad(x, ((0, 0), (0, 0), (0, rows), (0, columns)), 0)
    y = _input_grad(x, w, shape, stride, padding, dilation, groups)
    return y if b is None else y + _reshape(b, (-1, 1, 1))


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    output_padding: int | Pair = 0,
    groups: int = 1,
    dilation: int | Pair = 1,
) -> Tensor:
    """The transposed convolution of images (Zeiler et al., 2010): each pixel adds a scaled copy of the filters.

        y[n, f, i*stride + k*dilation - padding, ...] += x[n, c, i, ...] * w[c, f, k, ...]

    Args:
        input: images (N, C, H, W), or one image (C, H, W).
        weight: filters (C, F/groups, KH, KW), of input's dtype: the weight of the convolution that this transposes.
        bias: (F,), added to every pixel.
        stride: the step between the copies; an int, or two for height and width, as for those that follow.
        padding: rows and columns cut off on each side.
        output_padding: rows and columns added at the end, less than the stride or the dilation. (A convolution gives
            several sizes the same output; this says which one is meant.)
        groups: input channels in the k-th of ``groups`` equal groups make only the k-th group of output channels.
        dilation: the distance between a filter's taps.

    Returns:
        (N, F, OH, OW) with ``OH = (H - 1)*stride - 2*padding + dilation*(KH - 1) + output_padding + 1``, or without N
        as the input.

    Raises:
        ShapeError, DTypeError: shapes or dtypes do not fit.
        ArgumentError: an argument is out of range, or the padding leaves nothing.

    >>> import minidl
    >>> minidl.nn.functional.conv_transpose2d(minidl.ones(1, 1, 2), minidl.ones(1, 1, 2, 2))
    tensor([[[1., 2., 1.],
             [1., 2., 1.]]])
    """
    op = "conv_transpose2d"
    groups = as_int(op, "groups", groups)
    _check_operands(op, input, weight, bias, groups, 4)
    x = input if input.ndim == 4 else _reshape(input, (1, *input.shape))
    y = _spread(
        op, x, weight, bias,
        pair(op, "stride", stride, 1), pair(op, "padding", padding, 0), pair(op, "output_padding", output_padding, 0),
        groups, pair(op, "dilation", dilation, 1),
    )  # fmt: skip
    return y if input.ndim == 4 else _reshape(y, y.shape[1:])


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int] = 1,
    padding: int | tuple[int] = 0,
    output_padding: int | tuple[int] = 0,
    groups: int = 1,
    dilation: int | tuple[int] = 1,
) -> Tensor:
    """:func:`conv_transpose2d` for sequences (N, C, T) or (C, T), as images of one row; filters (C, F/groups, K).

    Raises:
        ShapeError, DTypeError, ArgumentError: as for :func:`conv_transpose2d`.

    >>> import minidl
    >>> x, w = minidl.tensor([[[1.0, 2.0]]]), minidl.tensor([[[1.0, 10.0]]])
    >>> minidl.nn.functional.conv_transpose1d(x, w)
    tensor([[[ 1., 12., 20.]]])
    """
    op = "conv_transpose1d"
    groups = as_int(op, "groups", groups)
    _check_operands(op, input, weight, bias, groups, 3)
    *lead, channels, length = input.shape
    x = _reshape(input, (*(lead or [1]), channels, 1, length))
    w = _reshape(weight, (*weight.shape[:2], 1, weight.shape[2]))
    y = _spread(
        op, x, w, bias,
        (1, single(op, "stride", stride, 1)), (0, single(op, "padding", padding, 0)),
        (0, single(op, "output_padding", output_padding, 0)), groups, (1, single(op, "dilation", dilation, 1)),
    )  # fmt: skip
    return _reshape(y, (*lead, y.shape[1], y.shape[3]))
