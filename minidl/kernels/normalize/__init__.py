"""Normalisation: to zero mean and unit variance over some of the dimensions; or to unit mean square.

    y = (x - mean) / sqrt(var + eps) * w + b

``mean`` and ``var`` are taken over ``axes``; without ``center``, mean is 0 and var the mean of the squares. With
n = (x - mean) / std and h = g * w, the gradients are (Ioffe & Szegedy, "Batch normalization", 2015, section 3)

    dx = (h - mean(h) - n * mean(h * n)) / std       dw = sum of g * n       db = sum of g

where mean(h) is left out without ``center``.

x, g and y have one shape and float32 or float64; w and b have one shape, which broadcasts to x's, or are None; the
statistics have x's shape with 1 in place of ``axes``, and x's dtype. Results lie in memory as x does. The caller has
checked the shapes.
"""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np

from minidl.kernels.arrays import compiled_for
from minidl.kernels.registry import Operation, register

Axes = tuple[int, ...]
Shape = tuple[int, ...]
Gradients = tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]


# Below this many elements with statistics of their own, NumPy's passes take no longer than the arithmetic on channels.
SMALL = 1 << 13


def policy(
    dtype: np.dtype, shape: Shape, axes: Axes, parameters: Shape | None, center: bool, order: str
) -> str:
    """A compiled kernel where there is one for these statistics that takes the memory as it lies.

    To copy it into another order would take as long as NumPy's passes do. The number of samples has no say where each
    has statistics of its own: its bits must not depend on the batch it is in.
    """
    if not compiled_for(dtype):
        return "reference"
    if order in ("C", "both") and has_rows(shape, axes, parameters):
        return "rows"
    if order in ("channels-last", "both") and center and has_channels(shape, axes, parameters):
        of_one_set = math.prod(shape if axes[0] == 0 else shape[1:])
        return "channels" if of_one_set >= SMALL else "reference"
    if order == "groups-last" and center and has_groups(shape, axes, parameters):
        return "channels" if math.prod(shape[1:]) >= SMALL else "reference"
    return "reference"


def has_rows(shape: Shape, axes: Axes, parameters: Shape | None) -> bool:
    """Whether the statistics are of whole rows, the last dimensions, and the parameters of a row's shape."""
    return (
        bool(axes)
        and axes == tuple(range(len(shape) - len(axes), len(shape)))
        and parameters in (None, shape[len(shape) - len(axes) :])
    )


def has_channels(shape: Shape, axes: Axes, parameters: Shape | None) -> bool:
    """Whether the statistics are of channels (dimension 1), of a sample or of the batch, and so are the parameters."""
    inner = tuple(range(2, len(shape)))
    one_per_channel = (1, *shape[1:2], *(1,) * len(inner))
    return axes in ((0, *inner), inner) and bool(axes) and parameters in (None, one_per_channel)


def has_groups(shape: Shape, axes: Axes, parameters: Shape | None) -> bool:
    """Whether the statistics are of a sample's groups (dimension 1) of channels (2), and the parameters of channels."""
    one_per_channel = (1, *shape[1:3], *(1,) * (len(shape) - 3))
    return len(axes) > 1 and axes == tuple(range(2, len(shape))) and parameters in (None, one_per_channel)


operation = Operation("normalize", ("forward", "backward"), policy)
register("normalize", "reference", module="minidl.kernels.normalize.reference")
register("normalize", "rows", module="minidl.kernels.normalize.rows")
register("normalize", "channels", module="minidl.kernels.normalize.channels")


def order_of(x: np.ndarray) -> str:
    """How x lies in memory: "C", "channels-last" (dimension 1), "groups-last" (1 and 2), "both" or "other"."""
    contiguous = x.flags.c_contiguous
    if x.ndim == 2 and contiguous:
        return "both"
    if x.ndim > 1 and np.moveaxis(x, 1, -1).flags.c_contiguous:
        return "both" if contiguous else "channels-last"
    if not contiguous and x.ndim > 3 and np.moveaxis(x, (1, 2), (-2, -1)).flags.c_contiguous:
        return "groups-last"
    return "C" if contiguous else "other"


def _select(x: np.ndarray, axes: Axes, parameters: Shape | None, center: bool) -> ModuleType:
    return operation.select(x.dtype, x.shape, axes, parameters, center, order_of(x))


def forward(
    x: np.ndarray, w: np.ndarray | None, b: np.ndarray | None, axes: Axes, eps: float, center: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y, and the mean and variance that it was computed with."""
    parameters = b.shape if w is None and b is not None else None if w is None else w.shape
    return _select(x, axes, parameters, center).forward(x, w, b, axes, eps, center)


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
    """dx, dw and db, each None where it is not needed; ``parameters`` is the shape of w and b."""
    kernel = _select(x, axes, parameters, center)
    return kernel.backward(needs, g, x, w, parameters, axes, eps, center, mean, var)
