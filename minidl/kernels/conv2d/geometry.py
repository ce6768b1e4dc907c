"""Convolutions as walks over an image: which taps meet which pixels.

Forward, input gradient and weight gradient are the same walk. A *grid* of pixels (the pixels of y) is walked, and
pixel (i, j) of the grid meets, at tap (a, b),

    source[i*stride + rows[a], j*stride + columns[b]]          zero outside of the source

For y itself, ``rows[a] = a*dilation - padding``. The input gradient at stride s is s*s such walks, one for every phase
of the stride, each with the taps that reach its pixels and a stride of 1: no zeros between g's pixels are multiplied.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from minidl.kernels.windows import Pair, Shape4, output_sizes


class Taps(NamedTuple):
    """Offsets of a filter's taps in one dimension: ``first + i * step`` for i < number, ascending."""

    first: int
    step: int
    number: int

    @property
    def span(self) -> int:
        return self.step * max(0, self.number - 1)


class Walk(NamedTuple):
    """A convolution, as seen from the pixels of its grid.

    Attributes:
        source: (H, W, C) of the image that is read.
        grid: (rows, columns) of pixels.
        stride: the distance in the source between neighbouring pixels of the grid.
        taps: the offsets of rows and of columns.
        groups: groups of channels; the taps of a group see C/groups channels.
        columns: channels of the grid in a group.
        target: distances between samples, rows and pixels of the grid, in elements.
        lanewise: whether each group has one column, and vectors hold the columns of many groups; the channels of the
            source are then counted as C/groups for each column, as if none served two.
    """

    source: tuple[int, int, int]
    grid: Pair
    stride: Pair
    taps: tuple[Taps, Taps]
    groups: int
    columns: int
    target: tuple[int, int, int]
    lanewise: bool = False

    @property
    def inside(self) -> bool:
        """Whether no tap falls outside of the source."""
        return all(
            t.first >= 0 and (n - 1) * s + t.first + t.span < size
            for t, n, s, size in zip(self.taps, self.grid, self.stride, self.source, strict=False)
        )


@functools.lru_cache(maxsize=1024)
def forward_walk(
    x_shape: Shape4, w_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Walk:
    """Over the pixels of y, reading x."""
    _, c, h, w = x_shape
    f, _, kh, kw = w_shape
    oh, ow = output_sizes((h, w), (kh, kw), stride, padding, dilation)
    taps = (Taps(-padding[0], dilation[0], kh), Taps(-padding[1], dilation[1], kw))
    return Walk((h, w, c), (oh, ow), stride, taps, groups, f // groups, (oh * ow * f, ow * f, f))


def _phase(
    size: int, first: int, kernel: int, stride: int, padding: int, dilation: int
) -> tuple[Taps, slice]:
    """The pixels first, first + stride, ... of x in one dimension: which taps reach them, and at which offsets of g.

    Tap t joins pixel y of x with pixel (y + padding - t*dilation) / stride of g, if that is whole.
    """
    reaching = [t for t in range(kernel) if (first + padding - t * dilation) % stride == 0]
    if not reaching:
        return Taps(0, 1, 0), slice(0, 0)
    offsets = [(first + padding - t * dilation) // stride for t in reaching[::-1]]
    step, back = (offsets[1] - offsets[0], reaching[0] - reaching[1]) if len(offsets) > 1 else (1, -1)
    # From the last tap that reaches to the first: offsets ascend.
    stop = reaching[0] - 1 if reaching[0] else None
    return Taps(offsets[0], step, len(offsets)), slice(reaching[-1], stop, back)


@functools.lru_cache(maxsize=1024)
def gradient_walks(
    x_shape: Shape4, w_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> list[tuple[Walk, Pair, tuple[slice, slice]]]:
    """For every phase of the stride: its walk over pixels of x, reading g; its first pixel; its taps."""
    _, c, h, w = x_shape
    f, _, kh, kw = w_shape
    oh, ow = output_sizes((h, w), (kh, kw), stride, padding, dilation)
    walks = []
    for i in range(min(stride[0], h)):
        for j in range(min(stride[1], w)):
            across, down = (
                _phase(h, i, kh, stride[0], padding[0], dilation[0]),
                _phase(w, j, kw, stride[1], padding[1], dilation[1]),
            )
            grid = (-(-(h - i) // stride[0]), -(-(w - j) // stride[1]))
            target = (h * w * c, stride[0] * w * c, stride[1] * c)
            walk = Walk((oh, ow, f), grid, (1, 1), (across[0], down[0]), groups, c // groups, target)
            walks.append((walk, (i, j), (across[1], down[1])))
    return walks


def walks_of(
    function: str, x_shape: Shape4, w_shape: Shape4, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> list[Walk]:
    """The walks that one of the three functions takes, whatever the number of images."""
    geometry = ((1, *x_shape[1:]), w_shape, stride, padding, dilation, groups)
    if function == "input_grad":
        return [walk for walk, _, _ in gradient_walks(*geometry)]
    return [forward_walk(*geometry)]
