"""What convolution and pooling share: the geometry of a window that slides over an image, and channels-last
memory.

Shapes are N C H W everywhere; *channels-last* says how the numbers lie in memory: N H W C, so that the C
values of one pixel are neighbours. An array is made channels-last by allocating N H W C and transposing the
view.
"""

from __future__ import annotations

import numpy as np

Pair = tuple[int, int]
Shape4 = tuple[int, int, int, int]


def output_size(
    size: int, kernel: int, stride: int, padding: int, dilation: int = 1, ceil_mode: bool = False
) -> int:
    """How many windows of ``kernel`` taps, ``dilation`` apart, fit into ``size`` at steps of ``stride``.

    ``(size + 2*padding - dilation*(kernel-1) - 1) // stride + 1``; with ``ceil_mode`` the last window may
    hang over the end, as long as it starts inside the image or its left padding (PyTorch's rule).
    """
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= size + padding else count


def output_sizes(
    size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair = (1, 1), ceil_mode: bool = False
) -> Pair:
    """``output_size`` for height and width."""
    return (
        output_size(size[0], kernel[0], stride[0], padding[0], dilation[0], ceil_mode),
        output_size(size[1], kernel[1], stride[1], padding[1], dilation[1], ceil_mode),
    )


def tap(offset: int, count: int, stride: int) -> slice:
    """Where ``count`` windows at steps of ``stride`` read, for the tap that lies ``offset`` into each window."""
    return slice(offset, offset + (count - 1) * stride + 1, stride)


def to_nhwc(x: np.ndarray) -> np.ndarray:
    """An N C H W array as C-contiguous N H W C: a view if its memory is channels-last, else a copy."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def to_nchw(x: np.ndarray) -> np.ndarray:
    """An N H W C array seen as N C H W, without a copy."""
    return x.transpose(0, 3, 1, 2)


def pad_nhwc(x: np.ndarray, padding: Pair, value: float = 0.0, extra: Pair = (0, 0)) -> np.ndarray:
    """An N H W C array with ``padding`` rows and columns of ``value`` around it, and ``extra`` ones at the end."""
    (ph, pw), (eh, ew) = padding, extra
    if ph == pw == eh == ew == 0:
        return x
    n, h, w, c = x.shape
    padded = np.empty((n, h + 2 * ph + eh, w + 2 * pw + ew, c), x.dtype)
    # Only the frame is filled: writing the whole array first would pass over the memory twice.
    padded[:, :ph] = value
    padded[:, ph + h :] = value
    padded[:, ph : ph + h, :pw] = value
    padded[:, ph : ph + h, pw + w :] = value
    padded[:, ph : ph + h, pw : pw + w] = x
    return padded


def overhang(
    size: Pair, out: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair = (1, 1)
) -> Pair:
    """How far the last window reaches beyond the padded image, in rows and columns; zero without ``ceil_mode``."""
    rows, columns = (
        max(0, (out[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 - size[i] - 2 * padding[i])
        for i in (0, 1)
    )
    return rows, columns
