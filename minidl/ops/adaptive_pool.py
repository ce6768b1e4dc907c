"""Adaptive pooling: windows chosen so that the result has a given size, whatever the input's.

Of n positions pooled to m, window i is ``[floor(i*n/m), ceil((i+1)*n/m))``: windows may differ in size by one, and
overlap by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ShapeError, must
from minidl.ops.arguments import as_int, cast, check_tensor, floats, reject
from minidl.ops.pool import _scatter
from minidl.ops.shape import _reshape, _zeros, along
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool2d"]

Size = int | tuple[int | None, int | None]


def _windows(n: int, m: int) -> list[slice]:
    return [slice(i * n // m, -(-(i + 1) * n // m)) for i in range(m)]


def _resized(shape: tuple[int, ...], d: int, size: int) -> tuple[int, ...]:
    return (*shape[:d], size, *shape[d + 1 :])


def _window_means_forward(x: np.ndarray, d: int, m: int) -> np.ndarray:
    y = _zeros(_resized(x.shape, d, m), x.dtype, x.strides)
    for i, window in enumerate(_windows(x.shape[d], m)):
        np.mean(x[along(d, window)], axis=d, out=y[along(d, i)])
    return y


def _spread_forward(g: np.ndarray, d: int, n: int) -> np.ndarray:
    x = _zeros(_resized(g.shape, d, n), g.dtype, g.strides)
    for i, window in enumerate(_windows(n, g.shape[d])):
        x[along(d, window)] += g[along(d, slice(i, i + 1))] / (window.stop - window.start)
    return x


# The means of m windows along dimension d. A mean over a rectangle is the mean, over its rows, of the rows' means: so
# images are pooled along one dimension, then along the other. The derivative spreads each gradient over its window.
_window_means: Op = Op(
    "adaptive_avg_pool", _window_means_forward, lambda g, _y, _x, d, _m: _spread(g, d, _x.shape[d])
)
_spread: Op = Op(
    "adaptive_avg_pool_spread", _spread_forward, lambda h, _y, _g, d, _n: _window_means(h, d, _g.shape[d])
)


def average_to(x: Any, sizes: tuple[int, ...]) -> Any:
    """``x`` averaged in windows to ``sizes``, those of its last dimensions."""
    first = x.ndim - len(sizes)
    changed = [d for d in range(first, x.ndim) if sizes[d - first] != x.shape[d]] or [first]
    # The dimension that shrinks most comes first: the others then have less to do.
    for d in sorted(changed, key=lambda d: sizes[d - first] / x.shape[d]):
        x = _window_means(x, d, sizes[d - first])
    return x


def _adaptive_max_forward(x: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest values, and their places, row * W + column, as the kernels of max_pool2d have them."""
    y = _zeros((*x.shape[:2], height, width), x.dtype, x.strides)
    indices = _zeros(y.shape, np.dtype(np.int32), x.strides)
    for i, rows in enumerate(_windows(x.shape[2], height)):
        for j, columns in enumerate(_windows(x.shape[3], width)):
            window = x[:, :, rows, columns]
            flat = window.reshape(*x.shape[:2], window.shape[2] * window.shape[3])
            # The first of equal values; of several nan the last, as in PyTorch.
            best = np.argmax(flat, axis=2)
            nans = np.isnan(flat)
            best = np.where(nans.any(axis=2), flat.shape[2] - 1 - np.argmax(nans[..., ::-1], axis=2), best)
            row, column = np.divmod(best, columns.stop - columns.start)
            y[:, :, i, j] = np.take_along_axis(flat, best[..., None], axis=2)[..., 0]
            indices[:, :, i, j] = (rows.start + row) * x.shape[3] + columns.start + column
    return y, indices


_adaptive_max = Op(
    "adaptive_max_pool2d",
    _adaptive_max_forward,
    lambda g, _y, _x, _height, _width, indices: _scatter(g, indices, _x.shape),
)


def _sizes(op: str, value: Any, input: Any) -> tuple[int, int]:
    """The output's height and width, from an int or two, of which None stands for the input's own size."""
    values = value if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2:
        reject(op, "output_size", "one int or two", value)
    own = zip(values, input.shape[-2:], strict=True)
    height, width = [n if v is None else as_int(op, "output_size", v) for v, n in own]
    if min(height, width) < 0:
        reject(op, "output_size", "not negative", value)
    return height, width


def _check_images(op: str, input: Any, nonempty: int) -> None:
    """Images, whose last ``nonempty`` dimensions are not empty."""
    floats(op, input)
    if input.ndim not in (3, 4) or 0 in input.shape[-nonempty:]:
        expected = f"(N, C, H, W) or (C, H, W), the last {nonempty} dimensions not empty"
        raise ShapeError(must(op, "input", expected, input.shape))


def adaptive_avg_pool2d(input: Tensor, output_size: Size) -> Tensor:
    """The means of H' x W' windows that cover the image.

    Args:
        input: images (N, C, H, W), or one image (C, H, W).
        output_size: H' and W'; an int for both; None for the image's own.

    Returns:
        (N, C, H', W'), or without N as the input.

    Raises:
        ShapeError: ``input`` is not (N, C, H, W) or (C, H, W).
        DTypeError: it is not of floats.

    >>> import minidl
    >>> minidl.nn.functional.adaptive_avg_pool2d(minidl.ones(1, 8, 7, 5), 1).shape
    (1, 8, 1, 1)
    """
    _check_images("adaptive_avg_pool2d", input, 2)
    return average_to(input, _sizes("adaptive_avg_pool2d", output_size, input))


def adaptive_avg_pool1d(input: Tensor, output_size: int | tuple[int]) -> Tensor:
    """The means of T' windows that cover sequences (N, C, T) or (C, T); ``output_size`` is T'.

    Raises:
        ShapeError: ``input`` is not (N, C, T) or (C, T).
        DTypeError: it is not of floats.

    >>> import minidl
    >>> minidl.nn.functional.adaptive_avg_pool1d(minidl.tensor([[1.0, 3.0, 5.0, 7.0]]), 2)
    tensor([[2., 6.]])
    """
    op = "adaptive_avg_pool1d"
    floats(op, input)
    if input.ndim not in (2, 3) or input.shape[-1] == 0:
        raise ShapeError(must(op, "input", "(N, C, T) or (C, T), T not 0", input.shape))
    if isinstance(output_size, (tuple, list)):
        if len(output_size) != 1:
            reject(op, "output_size", "one int", output_size)
        (output_size,) = output_size
    size = as_int(op, "output_size", output_size)
    if size < 0:
        reject(op, "output_size", "not negative", size)
    return average_to(input, (size,))


def adaptive_max_pool2d(input: Tensor, output_size: Size, return_indices: bool = False) -> Any:
    """The largest values of H' x W' windows that cover the image; arguments as for :func:`adaptive_avg_pool2d`.

    With ``return_indices`` also where they were found, as ``row * W + column``, int64. Among equal values the first
    wins, and gets the gradient.

    Raises:
        ShapeError: ``input`` is not (N, C, H, W) or (C, H, W).
        DTypeError: it is not of floats.

    >>> import minidl
    >>> minidl.nn.functional.adaptive_max_pool2d(minidl.tensor([[[1.0, 3.0, 5.0, 7.0]]]), (1, 2))
    tensor([[[3., 7.]]])
    """
    op = "adaptive_max_pool2d"
    check_tensor(op, "input", input)
    _check_images(op, input, 3)
    height, width = _sizes(op, output_size, input)
    x = input if input.ndim == 4 else _reshape(input, (1, *input.shape))
    y, indices = _adaptive_max.with_extras(x, height, width)
    shape = (*input.shape[:-2], height, width)
    if not return_indices:
        return _reshape(y, shape)
    return _reshape(y, shape), _reshape(cast(indices, np.dtype(np.int64)), shape)
