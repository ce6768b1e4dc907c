"""Normalisation as its formulas say, one NumPy pass over memory per operation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minidl.kernels.normalize import Axes, Gradients, Shape


def supports(
    dtype: np.dtype, shape: Shape, axes: Axes, parameters: Shape | None, center: bool, order: str
) -> bool:
    """Everything."""
    return True


def forward(
    x: np.ndarray, w: np.ndarray | None, b: np.ndarray | None, axes: Axes, eps: float, center: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """See ``minidl.kernels.normalize.forward``.

    The variance is the mean of the squared distances from the mean, in a second pass: the mean of the squares less
    the square of the mean would cancel where the mean is large.
    """
    mean = _mean(x, axes) if center else np.zeros(_kept(x.shape, axes), x.dtype)
    y = x - mean
    var = _mean(np.square(y), axes)
    scale = 1.0 / np.sqrt(var + eps)
    y *= scale if w is None else scale * w
    if b is not None:
        y += b
    return y, mean, var


def backward(
    needs: tuple[bool, bool, bool],
    g: np.ndarray,
    x: np.ndarray,
    w: np.ndarray | None,
    parameters: Shape | None,
    axes: Axes,
    eps: float,
    center: bool,
    mean: np.ndarray,
    var: np.ndarray,
) -> Gradients:
    """See ``minidl.kernels.normalize.backward``."""
    rstd = 1.0 / np.sqrt(var + eps)
    n = x - mean
    n *= rstd
    gn = g * n
    dx = None
    if needs[0]:
        h, hn = (g, gn) if w is None else (g * w, gn * w)
        dx = h - n * (np.sum(hn, axis=axes, keepdims=True) / count(x.shape, axes))
        if center:
            dx -= np.sum(h, axis=axes, keepdims=True) / count(x.shape, axes)
        dx *= rstd
    dw, db = (_sum_to(a, parameters) if need else None for a, need in ((gn, needs[1]), (g, needs[2])))
    return dx, dw, db


def count(shape: Sequence[int], axes: Axes) -> float:
    """How many elements a mean over ``axes`` has; nan for none, which makes the mean nan."""
    return math.prod(shape[axis] for axis in axes) or math.nan


def _kept(shape: Shape, axes: Axes) -> Shape:
    return tuple(1 if axis in axes else n for axis, n in enumerate(shape))


def _mean(x: np.ndarray, axes: Axes) -> np.ndarray:
    """The mean over ``axes``, kept as dimensions of size 1.

    Samples are added in double precision: a running sum over a large batch would lose float32's last digits. Within
    a sample float32 will do.
    """
    first, *others = axes
    sums = np.sum(x, axis=tuple(others), keepdims=True) if others else x
    total = np.sum(sums, axis=first, keepdims=True, dtype=np.float64)
    return (total / count(x.shape, axes)).astype(x.dtype)


def _sum_to(a: np.ndarray, shape: Shape | None) -> np.ndarray:
    """The sum of a over the dimensions along which parameters of ``shape`` were broadcast."""
    assert shape is not None
    lead = a.ndim - len(shape)
    stretched = tuple(lead + i for i, n in enumerate(shape) if n == 1 and a.shape[lead + i] != 1)
    return np.sum(a, axis=(*range(lead), *stretched), keepdims=True).reshape(shape)
