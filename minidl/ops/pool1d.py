"""Pooling over sequences: :mod:`minidl.ops.pool` on images of one row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minidl.errors import ShapeError, must
from minidl.ops.arguments import check_tensor, reject, single
from minidl.ops.pool import avg_pool2d, max_pool2d
from minidl.ops.shape import _reshape

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["max_pool1d", "avg_pool1d"]

Single = int | tuple[int]


def _row(op: str, input: Any) -> Any:
    """Sequences (N, C, T) or (C, T) as images (N, C, 1, T)."""
    check_tensor(op, "input", input)
    if input.ndim not in (2, 3) or 0 in input.shape[-2:]:
        raise ShapeError(must(op, "input", "(N, C, T) or (C, T), and not empty but for N", input.shape))
    *lead, channels, length = input.shape
    return _reshape(input, (*(lead or [1]), channels, 1, length))


def _geometry(
    op: str, length: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[int, int, int, int]:
    kernel = single(op, "kernel_size", kernel_size, 1)
    step = kernel if stride in (None, (), []) else single(op, "stride", stride, 1)
    around, apart = single(op, "padding", padding, 0), single(op, "dilation", dilation, 1)
    if around > kernel // 2:
        reject(op, "padding", f"at most half of the kernel {kernel}", around)
    if apart * (kernel - 1) + 1 > length + 2 * around:
        reject(op, "kernel_size", f"not larger than the padded input {length + 2 * around}", kernel)
    return kernel, step, around, apart


def max_pool1d(
    input: Tensor,
    kernel_size: Single,
    stride: Single | None = None,
    padding: Single = 0,
    dilation: Single = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of every window of sequences (N, C, T) or (C, T).

    Arguments as for :func:`minidl.ops.pool.max_pool2d`. The indices are places in the sequence, int64.

    Raises:
        ShapeError: ``input`` is not (N, C, T) or (C, T).
        ArgumentError: an argument is out of range.

    >>> import minidl
    >>> minidl.nn.functional.max_pool1d(minidl.tensor([[1.0, 5.0, 2.0, 3.0]]), 2, stride=1)
    tensor([[5., 5., 3.]])
    """
    x = _row("max_pool1d", input)
    kernel, step, around, apart = _geometry("max_pool1d", x.shape[3], kernel_size, stride, padding, dilation)
    windows = ((1, kernel), (1, step), (0, around), (1, apart), ceil_mode, return_indices)
    pooled = max_pool2d(x, *windows)
    y, *indices = pooled if return_indices else (pooled,)
    shape = (*input.shape[:-1], y.shape[3])
    return (_reshape(y, shape), _reshape(indices[0], shape)) if return_indices else _reshape(y, shape)


def avg_pool1d(
    input: Tensor,
    kernel_size: Single,
    stride: Single | None = None,
    padding: Single = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of every window of sequences (N, C, T) or (C, T).

    Arguments as for :func:`minidl.ops.pool.avg_pool2d`.

    Raises:
        ShapeError: ``input`` is not (N, C, T) or (C, T).
        ArgumentError: an argument is out of range.

    >>> import minidl
    >>> minidl.nn.functional.avg_pool1d(minidl.tensor([[1.0, 5.0, 2.0, 4.0]]), 2)
    tensor([[3., 3.]])
    """
    x = _row("avg_pool1d", input)
    kernel, step, around, _ = _geometry("avg_pool1d", x.shape[3], kernel_size, stride, padding, 1)
    y: Any = avg_pool2d(x, (1, kernel), (1, step), (0, around), ceil_mode, count_include_pad)
    return _reshape(y, (*input.shape[:-1], y.shape[3]))
