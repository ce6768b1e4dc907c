"""Convolution, over images and over sequences.

Convolution is bilinear: it is linear in the images and linear in the filters. So the two gradients of its result are
bilinear too, and each of the three operations has the other two for its derivatives, at every order. What computes
them is in :mod:`minidl.kernels.conv2d`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ShapeError, must
from minidl.kernels import conv2d as kernels
from minidl.kernels.registry import is_forced
from minidl.ops.arguments import as_int, check_dtype, check_tensor, numeric, one_of, pair, reject, single
from minidl.ops.elementwise import _relu_backward
from minidl.ops.kept import Kept
from minidl.ops.reduce import _sum
from minidl.ops.shape import _getitem, _reshape
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

Pair = tuple[int, int]


def _conv2d_forward(
    x: np.ndarray,
    w: np.ndarray,
    b: Any,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    prepared: Any,
) -> np.ndarray:
    filters = w if prepared is None else prepared
    return kernels.forward(x, filters, stride, padding, dilation, groups, b)


def _conv2d_relu_forward(
    x: np.ndarray,
    w: np.ndarray,
    b: Any,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    prepared: Any,
) -> np.ndarray:
    filters = w if prepared is None else prepared
    return kernels.forward(x, filters, stride, padding, dilation, groups, b, True)


def _conv2d_relu_joint(needs: Any, g: Any, y: Any, x: Any, w: Any, _b: Any, *rest: Any) -> tuple[Any, ...]:
    g = _relu_backward(g, y)
    return (
        _input_grad(g, w, x.shape, *rest[:4]) if needs[0] else None,
        _weight_grad(x, g, w.shape, *rest[:4]),
        _sum(g, (0, 2, 3), False) if needs[2] else None,
    )


# x (N, C, H, W), w (F, C/groups, KH, KW), b (F,); y and g (N, F, OH, OW). The rest is the geometry (stride, padding,
# dilation, groups), and for a convolution what the kernel has made of a constant w, or None.
_conv2d = Op(
    "conv2d",
    _conv2d_forward,
    lambda g, _y, _x, w, _b, *rest: _input_grad(g, w, _x.shape, *rest[:4]),
    lambda g, _y, x, _w, _b, *rest: _weight_grad(x, g, _w.shape, *rest[:4]),
    lambda g, _y, _x, _w, _b, *_rest: _sum(g, (0, 2, 3), False),
)
# conv2d and then relu. Where the filters need no gradient, x is not kept.
_conv2d_relu = Op("conv2d_relu", _conv2d_relu_forward, joint=_conv2d_relu_joint)
_conv2d_relu_frozen = Op(
    "conv2d_relu",
    _conv2d_relu_forward,
    lambda g, y, _x, w, _b, *rest: _input_grad(_relu_backward(g, y), w, _x.shape, *rest[:4]),
    None,
    lambda g, y, _x, _w, _b, *_rest: _sum(_relu_backward(g, y), (0, 2, 3), False),
)
_input_grad: Op = Op(
    "conv2d_input_grad",
    kernels.input_grad,
    lambda v, _y, _g, w, _shape, *geometry: _conv2d(v, w, None, *geometry, None),
    lambda v, _y, g, _w, _shape, *geometry: _weight_grad(v, g, _w.shape, *geometry),
)
_weight_grad: Op = Op(
    "conv2d_weight_grad",
    kernels.weight_grad,
    lambda v, _y, _x, g, _shape, *geometry: _input_grad(g, v, _x.shape, *geometry),
    lambda v, _y, x, _g, _shape, *geometry: _conv2d(x, v, None, *geometry, None),
)


def _check_operands(op: str, input: Any, weight: Any, bias: Any, groups: int, kernel: str) -> None:
    """Types, dtypes, and the numbers of channels; ``kernel`` names the kernel's dimensions, "kH, kW"."""
    ndim = 2 + len(kernel.split(","))
    numeric(op, input)
    for name, x in (("weight", weight), ("bias", bias)):
        if x is not None or name == "weight":
            check_tensor(op, name, x)
            check_dtype(op, name, x, input)
    if input.ndim not in (ndim, ndim - 1):
        raise ShapeError(
            must(op, "input", f"of {ndim} dimensions, or {ndim - 1} without a batch", input.shape)
        )
    channels = input.shape[1 - ndim]
    if channels == 0:
        raise ShapeError(must(op, "input", "of at least one channel", input.shape))
    if groups < 1 or channels % groups:
        reject(op, "groups", f"at least 1 and a divisor of the {channels} input channels", groups)
    if weight.ndim != ndim or weight.shape[1] * groups != channels:
        expected = f"(out, {channels // groups}, {kernel}) to match input channels {channels}"
        expected += f" in {groups} groups" if groups > 1 else ""
        raise ShapeError(must(op, "weight", expected, weight.shape))
    if weight.shape[0] == 0 or weight.shape[0] % groups:
        raise ShapeError(
            must(op, "weight", f"of a number of filters that {groups} groups divide", weight.shape)
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(must(op, "bias", f"{weight.shape[:1]}, one for each filter", bias.shape))


@functools.lru_cache(maxsize=1024)
def _padding(
    op: str, value: Any, size: Pair, kernel: Pair, stride: Pair, dilation: Pair
) -> tuple[Pair, Pair]:
    """The padding on each side, and how many of the first rows and columns of the result are then too many.

    What fits once fits always, so it is remembered: the checks take as long as a small convolution.

    "same" needs ``dilation * (kernel - 1)`` in all. Where that is odd, PyTorch puts the odd row at the end; here it is
    put at both ends, and the first row of the result is dropped: the result is the same.
    """
    surplus = (0, 0)
    if isinstance(value, str):
        one_of(op, "padding", value, ("same", "valid"))
        if value == "same" and stride != (1, 1):
            reject(op, "stride", "1 for padding='same'", stride)
        height, width = (d * (k - 1) * (value == "same") for d, k in zip(dilation, kernel, strict=True))
        value, surplus = ((height + 1) // 2, (width + 1) // 2), (height % 2, width % 2)
    _check_kernel_fits(op, size, kernel, value, dilation)
    return value, surplus


def _check_kernel_fits(op: str, size: Pair, kernel: Pair, padding: Pair, dilation: Pair) -> None:
    padded = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
    extent = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    if min(kernel) < 1 or any(e > n for e, n in zip(extent, padded, strict=True)):
        expected = f"of kernels that fit into the padded input {padded}"
        got = f"{kernel}" if extent == kernel else f"{kernel}, {extent} with their dilation"
        raise ShapeError(must(op, "weight", expected, got))


def _convolve(
    op: str, x: Any, w: Any, b: Any, stride: Pair, padding: Any, dilation: Pair, groups: int,
    kept: Kept | None = None, relu: bool = False,
) -> Any:  # fmt: skip
    """The convolution of N C H W images, when channels and dtypes are checked."""
    if not isinstance(padding, str):
        padding = pair(op, "padding", padding, 0)
    around, surplus = _padding(op, padding, x.shape[2:], w.shape[2:], stride, dilation)
    geometry = (stride, around, dilation, groups)
    prepared = None
    if kept is not None and not is_forced("conv2d"):
        problem = (x.shape[1:], *geometry)  # which kernel runs, and so what it prepares, depends on it
        prepared = kept.of(w, problem, lambda: kernels.prepare(w.array, x.shape, *geometry))
    apply = (_conv2d_relu if w.requires_grad else _conv2d_relu_frozen) if relu else _conv2d
    y = apply(x, w, b, *geometry, prepared)
    if any(surplus):
        y = _getitem(y, (slice(None), slice(None), slice(surplus[0], None), slice(surplus[1], None)))
    return y


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Pair = 1,
    padding: int | Pair | str = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Slide filters over images: cross-correlation, which deep learning calls convolution (LeCun et al., 1989).

        y[n, f, i, j] = bias[f] + sum over c, k, l of  x[n, c, i*stride + k*dilation - padding, ...] * w[f, c, k, l]

    Args:
        input: images (N, C, H, W), or one image (C, H, W). The memory of the result is channels-last, and so should
            that of the input be for speed.
        weight: filters (F, C/groups, KH, KW), of input's dtype.
        bias: (F,), added to every pixel.
        stride: the step of the filters; an int, or two for height and width, as for padding and dilation.
        padding: rows and columns of zeros on each side; "valid" is 0, and "same" keeps H and W (at stride 1).
        dilation: the distance between a filter's taps.
        groups: filters in the k-th of ``groups`` equal groups see only the k-th group of input channels.

    Returns:
        (N, F, OH, OW) with ``OH = (H + 2*padding - dilation*(KH-1) - 1) // stride + 1``, or without N as the input.

    Raises:
        ShapeError: the shapes do not fit, or the filters are larger than the padded images.

    >>> import minidl
    >>> minidl.nn.functional.conv2d(minidl.arange(9.0).reshape(1, 3, 3), minidl.ones(1, 1, 2, 2))
    tensor([[[ 8., 12.],
             [20., 24.]]])
    """
    return conv2d_layer(input, weight, bias, stride, padding, dilation, groups, None)


def conv2d_layer(
    input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int,
    kept: Kept | None, relu: bool = False,
) -> Any:  # fmt: skip
    """:func:`conv2d` for a layer, which keeps what the kernel makes of constant filters; then ``relu``, if wanted.

    ReLU is applied by the kernel of the convolution, with the same bits as one after the other.
    """
    groups = as_int("conv2d", "groups", groups)
    _check_operands("conv2d", input, weight, bias, groups, "kH, kW")
    step, apart = pair("conv2d", "stride", stride, 1), pair("conv2d", "dilation", dilation, 1)
    x = input if input.ndim == 4 else _reshape(input, (1, *input.shape))
    y = _convolve("conv2d", x, weight, bias, step, padding, apart, groups, kept, relu)
    return y if input.ndim == 4 else _reshape(y, y.shape[1:])


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int] = 1,
    padding: int | tuple[int] | str = 0,
    dilation: int | tuple[int] = 1,
    groups: int = 1,
) -> Tensor:
    """Slide filters (F, C/groups, K) over sequences (N, C, T) or (C, T): :func:`conv2d` on images of one row.

    Raises:
        ShapeError: the shapes do not fit, or the filters are longer than the padded sequences.
        DTypeError: the dtypes differ.

    >>> import minidl
    >>> x, w = minidl.tensor([[1.0, 2.0, 4.0]]), minidl.tensor([[[-1.0, 1.0]]])
    >>> minidl.nn.functional.conv1d(x, w)
    tensor([[1., 2.]])
    """
    groups = as_int("conv1d", "groups", groups)
    _check_operands("conv1d", input, weight, bias, groups, "k")
    step, apart = (1, single("conv1d", "stride", stride, 1)), (1, single("conv1d", "dilation", dilation, 1))
    around = padding if isinstance(padding, str) else (0, single("conv1d", "padding", padding, 0))
    *lead, channels, length = input.shape
    x = _reshape(input, (*(lead or [1]), channels, 1, length))
    w = _reshape(weight, (*weight.shape[:2], 1, weight.shape[2]))
    y = _convolve("conv1d", x, w, bias, step, around, apart, groups)  # (N, F, 1, OT)
    return _reshape(y, (*lead, y.shape[1], y.shape[3]))
