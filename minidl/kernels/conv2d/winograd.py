"""Winograd's convolution: what its two tile sizes share.

    y = A' [ (G w G') * (B' x B) ] A    for every tile of x; over channels, * is a matrix product for every position
                                        of the transformed tile: (tiles, C) @ (C, F)

The input gradient is the correlation of g with filters turned by 180 degrees, inputs and outputs exchanged: the same
with other filters. The weight gradient is the correlation of x with g, a filter as large as a tile of results: tiles
of x and of g are transformed, and for every position (C, tiles) @ (tiles, F) is summed over all tiles.

Every result of a tile is made from all of the tile's pixels. So where one pixel is NaN or infinite, all results of the
tiles that hold it are NaN, also those whose own windows do not; the direct kernel keeps such numbers to their windows.

What this does about the machine:

- 36 multiplications instead of 144, which no arrangement of the direct sum can do. (4x4 results per tile.)
- A block of tiles at a time: transformed in, multiplied, transformed out, so that all that lies between fits into the
  third level of cache. Small blocks read the filters (or the sums of the weight gradient) more often, large ones
  fall out of the cache. Milliseconds for VGG16's layers at batch 8, forward and weight gradient, by the block's size:

      MB                     2          4          8         16         32
      64 -> 64 @ 224     67           67   74    74   84   109  112        146
      128 -> 128 @ 112   55           53   51    61   53    73   61         65
      256 -> 256 @ 56    44           45   59    45   52    48   52         51
      512 -> 512 @ 28    50           45   86    42   77    41   60         53

- Each step is one launch: tiles, or positions, or filters go to the threads. A tile's sums are over channels in their
  order, 64 at a time, and those of the weight gradient over tiles in theirs: nothing depends on blocks' or tasks'
  being here or there, except that the weight gradient's blocks are added in their order.

Where the time goes at batch 8, forward: products take 60% (64 channels at 224x224) to 90% (512), and run at 87 to 94%
of the machine's peak; reading and writing images takes the rest, and is bound by memory: 103 MB each way at 224x224.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minidl.kernels.arrays import plain
from minidl.kernels.conv2d import winograd_fused
from minidl.kernels.conv2d.tiles import (
    PANELS_PER_TASK,
    ROWS,
    TILES_PER_TASK,
    VECTORS,
    collect,
    form_of,
    gather,
    kernel,
    products,
    scatter,
    spread,
    up,
)
from minidl.kernels.simd import ACCUMULATE, BIAS, RELU, lanes
from minidl.kernels.windows import Pair, Shape4, output_sizes, to_nchw, to_nhwc

# What the transformed tiles of one block take, in bytes: at least, and at most for results and for weight gradients.
LEAST, MOST, MOST_OF_GRADIENTS = 4 << 20, 16 << 20, 32 << 20


class Filters(NamedTuple):
    """Filters (F, C, 3, 3), transformed: a matrix (C, F) for every position, packed in panels of F."""

    source: np.ndarray
    packed: np.ndarray
    step: int

    @property
    def shape(self) -> Shape4:
        return self.source.shape


class Matrices:
    """Room for a matrix of ``rows`` and ``columns`` at every position.

    Rows are an odd number of vectors apart, and so are positions: a column of the matrix, and one element of all
    positions, then lie in different sets of the cache. A tile may read and write beyond the last row and column.
    """

    def __init__(self, positions: int, rows: int, columns: int, dtype: np.dtype) -> None:
        v = lanes(dtype.itemsize)
        self.row = (up(columns + ROWS, VECTORS * v) // v | 1) * v
        self.step = ((rows + ROWS) * self.row // v | 1) * v
        self.data = np.empty(positions * self.step, dtype)


class Winograd:
    """F(m x m, 3 x 3): the three functions of the convolution, for one m."""

    def __init__(self, m: int) -> None:
        self.m, self.n = m, m + 2

    def transform(self, w: np.ndarray) -> Filters:
        """Transform filters (F, C, 3, 3)."""
        return self._transform(plain(w))

    def _transform(self, w: np.ndarray) -> Filters:
        (f, c), v = w.shape[:2], lanes(w.itemsize)
        wide = VECTORS * v
        step = up(f, wide) * c + wide
        packed = np.empty(self.n**2 * step, w.dtype)
        run = kernel(spread, w.dtype, self.n, 3)
        run.sized(w.size)(up(f, wide) // v, form_of(self.n, 3), w, packed, step, v)
        return Filters(w, packed, step)

    def correlate(
        self,
        x: np.ndarray,
        w: np.ndarray | Filters,
        padding: Pair,
        bias: np.ndarray | None = None,
        relu: bool = False,
    ) -> np.ndarray:
        """y (N, F, OH, OW) of images x (N, C, H, W); a negative padding crops them. w may be transformed already."""
        (f, c), n, v, dtype = w.shape[:2], x.shape[0], lanes(x.itemsize), x.dtype
        oh, ow = output_sizes(x.shape[2:], (3, 3), (1, 1), padding)
        y = np.empty((n, oh, ow, f), dtype)
        mode = (0 if bias is None else BIAS) | (RELU if relu else 0)
        shift = None if bias is None else plain(bias)
        taps, packed = (w.source, w.packed) if isinstance(w, Filters) else (w, None)
        if winograd_fused.convolve(plain(to_nhwc(x)), taps, packed, y, self.m, padding, shift, mode):
            return to_nchw(y)
        filters = w if isinstance(w, Filters) else self._transform(w)
        grid, wide = self._grid(oh, ow), VECTORS * v
        tiles, positions = n * grid[0] * grid[1], self.n**2
        room = min(max(LEAST, filters.packed.nbytes // 3), MOST)
        block = self._block(tiles, positions * (c + f) * x.itemsize, room)
        pixels, sums = Matrices(positions, block, c, dtype), Matrices(positions, block, f, dtype)
        image, results = plain(to_nhwc(x)).reshape(-1), y.reshape(-1)
        shift = image[:0] if shift is None else shift
        panels = -(-f // wide)
        groups = -(-panels // PANELS_PER_TASK)
        multiply, finish = kernel(products, dtype), kernel(scatter, dtype, self.m, self.n)
        for first in range(0, tiles, block):
            count = min(block, tiles - first)
            self._gather(image, x.shape, padding, grid, first, count, pixels, self.n)
            multiply.sized(count * positions * c)(
                positions * groups, groups, pixels.data, (pixels.step, pixels.row, 1), count,
                filters.packed, (filters.step, c * wide, wide), panels, c,
                sums.data, (sums.step, sums.row), 0, v,
            )  # fmt: skip
            finish.sized(count * positions * f)(
                -(-count // TILES_PER_TASK), form_of(self.m, self.n), sums.data, sums.step, sums.row,
                first, count, results, (oh, ow, f), grid, shift, mode, v,
            )  # fmt: skip
        return to_nchw(y)

    def input_grad(self, g: np.ndarray, w: np.ndarray, padding: Pair) -> np.ndarray:
        """dx (N, C, H, W): g correlated with the filters turned by 180 degrees, inputs and outputs exchanged."""
        return self.correlate(
            g, plain(w).transpose(1, 0, 2, 3)[:, :, ::-1, ::-1], (2 - padding[0], 2 - padding[1])
        )

    def weight_grad(self, x: np.ndarray, g: np.ndarray, padding: Pair) -> np.ndarray:
        """dw (F, C, 3, 3): for every position, products over all tiles; then one transform of their sums."""
        (n, c), (f, oh, ow), v, dtype = x.shape[:2], g.shape[1:], lanes(x.itemsize), x.dtype
        grid, wide = self._grid(oh, ow), VECTORS * v
        tiles, positions = n * grid[0] * grid[1], self.n**2
        if not tiles:
            return np.zeros((f, c, 3, 3), dtype)
        dw = np.empty((f, c, 3, 3), dtype)
        if winograd_fused.weight_gradient(plain(to_nhwc(x)), plain(to_nhwc(g)), dw, self.m, padding):
            return dw
        sums = Matrices(positions, c, f, dtype)
        room = min(max(LEAST, sums.data.nbytes), MOST_OF_GRADIENTS)
        block = self._block(tiles, positions * (c + f) * x.itemsize, room)
        pixels, gradients = Matrices(positions, block, c, dtype), Matrices(positions, block, f, dtype)
        image, slopes = plain(to_nhwc(x)).reshape(-1), plain(to_nhwc(g)).reshape(-1)
        panels = -(-f // wide)
        groups = -(-panels // PANELS_PER_TASK)
        multiply, finish = kernel(products, dtype), kernel(collect, dtype, 3, self.n)
        for first in range(0, tiles, block):
            count = min(block, tiles - first)
            self._gather(image, x.shape, padding, grid, first, count, pixels, self.n)
            self._gather(slopes, g.shape, (0, 0), grid, first, count, gradients, self.m)
            multiply.sized(count * positions * c)(
                positions * groups, groups, pixels.data, (pixels.step, 1, pixels.row), c,
                gradients.data, (gradients.step, wide, gradients.row), panels, count,
                sums.data, (sums.step, sums.row), ACCUMULATE if first else 0, v,
            )  # fmt: skip
        finish.sized(positions * c * f)(c, form_of(3, self.n), sums.data, sums.step, sums.row, dw, v)
        return dw

    def _gather(
        self, image: np.ndarray, shape: Shape4, padding: Pair, grid: Any, first: int, count: int, to: Matrices,
        side: int,
    ) -> None:  # fmt: skip
        """Transform ``count`` tiles of side x side pixels, from the tile ``first`` on."""
        (_, c, h, w), v = shape, lanes(image.itemsize)
        run, zeros = kernel(gather, image.dtype, self.n, side), np.zeros(c, image.dtype)
        run.sized(count * self.n**2 * c)(
            -(-count // TILES_PER_TASK), form_of(self.n, side), image, zeros, (h, w, c), padding, grid, first, count,
            to.data, to.step, to.row, v,
        )  # fmt: skip

    def _grid(self, oh: int, ow: int) -> tuple[int, int, int]:
        """How many tiles there are down and across a result, and how far apart they are."""
        return -(-oh // self.m), -(-ow // self.m), self.m

    def _block(self, tiles: int, bytes_per_tile: int, room: int) -> int:
        """How many tiles are transformed at a time: equal blocks, whole numbers of rows of the matrix product."""
        most = max(ROWS, room // bytes_per_tile // ROWS * ROWS)
        blocks = max(1, -(-tiles // most))
        return max(ROWS, up(-(-tiles // blocks), ROWS))
