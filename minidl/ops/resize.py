"""Images and sequences resized, by interpolation between their pixels.

Every method works along one dimension at a time: an output pixel is a weighted sum of a few input pixels ("taps"). A
method is therefore a list of taps, each an index and a weight for every output position along a dimension.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ArgumentError, DTypeError, ShapeError, must
from minidl.ops.adaptive_pool import average_to
from minidl.ops.arguments import as_float, as_int, cast, check_tensor, one_of, reject, widened
from minidl.ops.shape import _zeros, along
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["interpolate"]

Taps = tuple[tuple[np.ndarray, Any], ...]  # (indices, ascending; weights, None for ones)


def _column(values: np.ndarray, d: int, ndim: int) -> np.ndarray:
    """One value for each position along dimension ``d``, to be broadcast over the others."""
    return values.reshape(-1, *(1,) * (ndim - 1 - d))


def _resample_forward(x: np.ndarray, d: int, taps: Taps) -> np.ndarray:
    (index, weight), *others = taps
    y = _zeros((*x.shape[:d], len(index), *x.shape[d + 1 :]), x.dtype, x.strides)
    y[...] = x[along(d, index)] if weight is None else x[along(d, index)] * _column(weight, d, x.ndim)
    for index, weight in others:
        y += x[along(d, index)] * _column(weight, d, x.ndim)
    return y


def _unsample_forward(g: np.ndarray, d: int, n: int, taps: Taps) -> np.ndarray:
    """The transpose: each output position's value is added, weighted, to the input positions of its taps."""
    x = _zeros((*g.shape[:d], n, *g.shape[d + 1 :]), g.dtype, g.strides)
    for index, weight in taps:
        # Indices ascend: what goes to the same place stands together, and is summed first.
        starts = np.flatnonzero(np.diff(index, prepend=-1))
        shares = g if weight is None else g * _column(weight, d, g.ndim)
        x[along(d, index[starts])] += np.add.reduceat(shares, starts, axis=d)
    return x


_resample: Op = Op(
    "interpolate", _resample_forward, lambda g, _y, _x, d, taps: _unsample(g, d, _x.shape[d], taps)
)
_unsample: Op = Op(
    "interpolate_backward", _unsample_forward, lambda h, _y, _g, d, _n, taps: _resample(h, d, taps)
)

# --- Where a method takes its pixels from ---------------------------------------------------------------------------


def _cubic(a: float) -> Callable[[np.ndarray], np.ndarray]:
    """The cubic convolution kernel (Keys, 1981); OpenCV's has a = -0.75, Pillow's -0.5."""

    def kernel(x: np.ndarray) -> np.ndarray:
        x = np.abs(x)
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((x - 5) * x + 8) * x * a - 4 * a
        return np.where(x <= 1, near, np.where(x < 2, far, 0))

    return kernel


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(x), 0)


# By mode: the kernel with which pixels are weighted by their distance, and how far it reaches to either side.
_SMOOTH: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int]] = {
    "linear": (_triangle, 1),
    "bilinear": (_triangle, 1),
    "trilinear": (_triangle, 1),
    "bicubic": (_cubic(-0.75), 2),
}
# With antialias the kernels are Pillow's, and as wide as the output pixels when shrinking.
_ANTIALIASED = {"bilinear": (_triangle, 1), "bicubic": (_cubic(-0.5), 2), "lanczos": (_lanczos, 3)}
_DIMENSIONS = {"linear": (3,), "bilinear": (4,), "bicubic": (4,), "lanczos": (4,), "trilinear": (5,)}
_MODES = ("nearest", "linear", "bilinear", "bicubic", "trilinear", "lanczos", "area", "nearest-exact")


def _nearest_taps(n: int, m: int, ratio: float, exact: bool, dtype: np.dtype) -> Taps:
    """The input pixel that covers the output pixel's first point, or with ``exact`` its centre."""
    # Rounded where PyTorch rounds, which decides on the border between two pixels.
    real = np.promote_types(dtype, np.float32).type
    points = float(real(ratio)) * (np.arange(m) + (0.5 if exact else 0.0))
    if exact:
        points = np.maximum((points - 0.5).astype(real), 0) + real(0.5)
    index = np.floor(points.astype(np.float32)).astype(np.intp)
    return ((np.minimum(index, n - 1), None),)


def _smooth_taps(n: int, m: int, ratio: float, align_corners: bool, mode: str, dtype: np.dtype) -> Taps:
    """The pixels on either side of a point, weighted by the kernel; those beyond the border repeat the last."""
    kernel, reach = _SMOOTH[mode]
    if reach == 1 and m == n:
        ratio = 1.0  # whatever the scale that was given
    places, ratio = np.arange(m), float(dtype.type(ratio))
    points = ratio * places if align_corners else ratio * (places + 0.5) - 0.5
    points = points.astype(dtype)  # PyTorch's precision, so that the pixels are PyTorch's
    if reach == 1:
        points = np.clip(points, 0, n - 1)
    first = np.floor(points)
    return tuple(
        [
            (np.clip(first + k, 0, n - 1).astype(np.intp), kernel(points - first - k).astype(dtype))
            for k in range(1 - reach, 1 + reach)
        ]
    )


def _antialiased_taps(n: int, m: int, ratio: float, mode: str, dtype: np.dtype) -> Taps:
    """All pixels under the kernel, which when shrinking is stretched to the distance between output pixels.

    As in PyTorch, the corners are aligned only in so far as ``ratio`` is that of aligned corners.
    """
    kernel, reach = _ANTIALIASED[mode]
    stretch = max(ratio, 1.0)
    centres = ratio * (np.arange(m) + 0.5)
    first = np.maximum((centres - reach * stretch + 0.5).astype(np.intp), 0)
    last = np.minimum((centres + reach * stretch + 0.5).astype(np.intp), n) - 1
    index = first[:, None] + np.arange(np.max(last - first) + 1)
    weights = kernel((index - centres[:, None] + 0.5) / stretch) * (index <= last[:, None])
    weights /= np.sum(weights, axis=1, keepdims=True)
    index = np.minimum(index, last[:, None])
    return tuple(zip(index.T, np.ascontiguousarray(weights.T).astype(dtype), strict=True))


def _taps(
    n: int, m: int, scale: float | None, mode: str, align_corners: bool, antialias: bool, dtype: np.dtype
) -> Taps:
    """How m positions are made from n; ``scale`` is their ratio as the user gave it."""
    ratio = 1.0 / scale if scale else n / m
    if align_corners:
        ratio = (n - 1) / (m - 1) if m > 1 else 0.0
    if mode in ("nearest", "nearest-exact"):
        return _nearest_taps(n, m, ratio, mode == "nearest-exact", dtype)
    if antialias and n == m:
        return ((np.arange(n), None),)
    if antialias:
        return _antialiased_taps(n, m, ratio, mode, dtype)
    return _smooth_taps(n, m, ratio, align_corners, mode, dtype)


# --- The function ---------------------------------------------------------------------------------------------------


def _sizes_and_scales(
    spatial: tuple[int, ...], size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[list[int], list[float | None]]:
    """The output's size, and the scales if they are to be used beside it, for each spatial dimension."""
    op = "interpolate"
    if (size is None) == (scale_factor is None):
        got = "none" if size is None else "both"
        raise ArgumentError(must(op, "size and scale_factor", "given, but only one of them", got))
    name, given = ("size", size) if scale_factor is None else ("scale_factor", scale_factor)
    values = list(given) if isinstance(given, (tuple, list)) else [given] * len(spatial)
    if len(values) != len(spatial):
        reject(op, name, f"one number, or {len(spatial)} for the spatial dimensions {spatial}", given)
    if scale_factor is None:
        if recompute:
            reject(op, "recompute_scale_factor", "None or False where size is given", recompute)
        return [as_int(op, "size", v) for v in values], [None] * len(spatial)
    scales = [as_float(op, "scale_factor", v) for v in values]
    sizes = [math.floor(n * s) for n, s in zip(spatial, scales, strict=True)]
    return sizes, [None] * len(spatial) if recompute else [*scales]


def _check_mode(input: Any, mode: str, align_corners: bool | None, antialias: bool) -> None:
    op = "interpolate"
    one_of(op, "mode", mode, _MODES)
    dimensions = _DIMENSIONS.get(mode, (3, 4, 5))
    if input.ndim not in dimensions or 0 in input.shape[1:]:
        expected = f"of {' or '.join(map(str, dimensions))} dimensions, none empty but the batch's, for mode {mode!r}"
        raise ShapeError(must(op, "input", expected, f"shape {input.shape}"))
    if input.dtype.kind != "f" and not (input.dtype == np.uint8 and mode in ("nearest", "nearest-exact")):
        raise DTypeError(must(op, "input", "of floats (or uint8 for the nearest modes)", input.dtype))
    if align_corners is not None and mode not in _DIMENSIONS:
        reject(op, "align_corners", f"None for mode {mode!r}", align_corners)
    if antialias and mode not in _ANTIALIASED:
        reject(op, "antialias", f"False for mode {mode!r}", antialias)
    if align_corners and mode == "lanczos":
        reject(op, "align_corners", "None or False for mode 'lanczos'", align_corners)
    if mode == "lanczos" and not antialias:
        reject(op, "antialias", "True for mode 'lanczos'", antialias)


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Images, sequences or volumes in another size.

    Args:
        input: (N, C, T), (N, C, H, W) or (N, C, D, H, W).
        size: of the output's spatial dimensions; an int for all of them.
        scale_factor: the output's size relative to the input's, instead of ``size``; rounded down.
        mode: "nearest" (its indices are those of OpenCV's, with their well-known shift), "nearest-exact" (Pillow's),
            "linear" (sequences), "bilinear", "bicubic" (images), "trilinear" (volumes), "lanczos" (images, with
            antialias), or "area" (the mean of the pixels, as :func:`minidl.ops.adaptive_pool.adaptive_avg_pool2d`).
        align_corners: put the centres of the corner pixels of both images over each other; else their outer corners.
        recompute_scale_factor: take the ratio between the positions from the sizes, not from ``scale_factor``, from
            which it differs by the rounding.
        antialias: when shrinking, weigh all pixels that an output pixel covers (bilinear, bicubic, lanczos).

    Raises:
        ShapeError: the input does not have the dimensions that the mode is for.
        ArgumentError: arguments contradict each other, or a size is not positive.

    >>> import minidl
    >>> minidl.nn.functional.interpolate(minidl.tensor([[[1.0, 3.0]]]), scale_factor=2, mode="linear")
    tensor([[[1. , 1.5, 2.5, 3. ]]])
    """
    check_tensor("interpolate", "input", input)
    _check_mode(input, mode, align_corners, antialias)
    spatial = input.shape[2:]
    sizes, scales = _sizes_and_scales(spatial, size, scale_factor, recompute_scale_factor)
    if min(sizes) < 1:
        reject("interpolate", "the output's size", "positive", tuple(sizes))
    if mode == "area":
        return average_to(input, tuple(sizes))
    x = widened(input)
    # The dimension that shrinks most comes first: the others then have less to do.
    for d in sorted(range(len(spatial)), key=lambda d: sizes[d] / spatial[d]):
        taps = _taps(spatial[d], sizes[d], scales[d], mode, bool(align_corners), antialias, x.dtype)
        x = _resample(x, d + 2, taps)
    return cast(x, input.dtype)
