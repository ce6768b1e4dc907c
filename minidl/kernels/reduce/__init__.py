"""Sums, what is made of sums, and extremes, along some axes of an array of floats.

    TOTAL           sum of x
    DEVIATION       sum of (x - m)²
    EXPONENTIALS    sum of e^(x - m)
    LARGEST         the largest x, or NaN if there is one
    SMALLEST        the smallest, likewise

An array is seen in memory's order as (outer, n, inner): n elements, ``inner`` apart, become one. They are added in
blocks of fixed size, by the order that ``n`` and ``inner`` say, and the sums of the blocks in order, in double
precision. So a sum depends neither on the number of threads nor on what else is in the array; and whether this kernel
or NumPy computes it depends on ``n * inner`` alone, not on how many sums there are.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.kernels.arrays import memory_order

__all__ = ["DEVIATION", "EXPONENTIALS", "LARGEST", "SMALLEST", "TOTAL", "Grouping", "grouped", "reduce_sum"]

TOTAL, DEVIATION, EXPONENTIALS, LARGEST, SMALLEST = range(5)
# Sums over less than this (n * inner) are left to NumPy, which is quicker to call.
SMALL = 128


class Grouping:
    """An array as (outer, n, inner), and the way back to its axes."""

    def __init__(self, x: np.ndarray, order: list[int] | None, kept: tuple[int, ...], sizes: Any) -> None:
        self.x, self.order, self.kept, self.sizes = x, order, kept, sizes

    def back(self, sums: np.ndarray) -> np.ndarray:
        """(outer, inner) in the array's axes, of which those that were reduced have size 1."""
        if self.order is None:
            return sums.reshape(self.kept)
        return sums.reshape([self.kept[axis] for axis in self.order]).transpose(np.argsort(self.order))

    def forth(self, m: np.ndarray) -> np.ndarray:
        """The opposite of ``back``."""
        m = m.reshape(self.kept) if self.order is None else m.reshape(self.kept).transpose(self.order)
        return np.ascontiguousarray(m).reshape(self.sizes[0], self.sizes[2])


def grouped(x: np.ndarray, axes: tuple[int, ...] | None) -> Grouping | None:
    """The array as the kernel sees it; None where NumPy is to reduce it.

    Axes are taken from memory's order; reduced ones that others separate are brought together, by a copy.
    """
    if x.dtype.char not in "fd" or x.size < SMALL or not x.dtype.isnative:
        return None
    shape = x.shape
    if axes is None:
        axes = tuple(range(x.ndim))
    kept = tuple([1 if axis in axes else n for axis, n in enumerate(shape)])
    first, last = min(axes, default=0), max(axes, default=0)
    if x.flags.c_contiguous and last - first + 1 == len(axes):
        order = None
        sizes = math.prod(shape[:first]), math.prod(shape[first : last + 1]), math.prod(shape[last + 1 :])
    else:
        order, sizes = _in_memory(x, axes)
        x = x.transpose(order)
    if sizes[1] * sizes[2] < SMALL or not axes:
        return None
    return Grouping(x, order, kept, sizes)


def _in_memory(x: np.ndarray, axes: tuple[int, ...]) -> tuple[list[int], tuple[int, int, int]]:
    order = [axis for axis in memory_order(x) if x.shape[axis] != 1]
    gone = [axis for axis in order if axis in axes]
    before, after = [axis for axis in order if axis not in axes], []
    if gone:
        first, last = order.index(gone[0]), order.index(gone[-1])
        if last - first + 1 == len(gone):
            before, after = order[:first], order[last + 1 :]
    ones = [axis for axis in range(x.ndim) if x.shape[axis] == 1]
    outer, n, inner = (math.prod([x.shape[axis] for axis in part]) for part in (before, gone, after))
    return [*ones, *before, *gone, *after], (outer, n, inner)


def reduce_sum(group: Grouping, kind: int = TOTAL, m: Any = None) -> np.ndarray:
    """The sums of a grouped array, along axes that stay with size 1.

    Args:
        kind: TOTAL, DEVIATION, EXPONENTIALS, LARGEST or SMALLEST.
        m: for DEVIATION and EXPONENTIALS an array of the result's shape and of x's dtype.
    """
    from minidl.kernels.reduce.sums import sums

    return group.back(sums(group.x, group.sizes, kind, None if m is None else group.forth(m)))
