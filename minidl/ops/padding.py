"""Padding: a border around a tensor, of a constant, or continued from what is inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import tape
from minidl.errors import DTypeError, ShapeError, must
from minidl.ops.arguments import as_int, check_tensor, converted, one_of, plain, reject
from minidl.ops.joining import _cat
from minidl.ops.reorder import _flip
from minidl.ops.shape import _getitem, _zeros, along, clone
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["pad"]

Widths = tuple[tuple[int, int], ...]  # for each dimension: before, after; negative ones crop


def _inside(shape: tuple[int, ...], widths: Widths) -> tuple[Any, ...]:
    """The basic index of what was padded, in the padded tensor."""
    return (*(slice(before, before + n) for n, (before, _) in zip(shape, widths, strict=True)), Ellipsis)


def _pad_forward(x: np.ndarray, widths: Widths, value: Any) -> np.ndarray:
    shape = tuple([before + n + after for n, (before, after) in zip(x.shape, widths, strict=True)])
    y = _zeros(shape, x.dtype, x.strides)
    if value:
        y[...] = value
    y[_inside(x.shape, widths)] = x
    return y


_pad = Op("pad", _pad_forward, lambda g, _y, _x, widths, _value: _getitem(g, _inside(_x.shape, widths)))


def _cropped(x: Any, widths: Widths) -> Any:
    """``x`` without what negative widths cut off."""
    index = []
    for n, (before, after) in zip(x.shape, widths, strict=True):
        first, last = max(-before, 0), n - max(-after, 0)
        if first > last:
            raise ShapeError(
                must("pad", "pad", f"at least -{n} in all in a dimension of {n}", (before, after))
            )
        index.append(slice(first, last))
    return _getitem(x, (*index, Ellipsis))


# A border continues what is inside; each of these returns the borders before and after dimension d.
def _reflected(x: Any, d: int, before: int, after: int) -> tuple[Any, Any]:
    n = x.shape[d]
    _check_room(d, n, before, after, n - 1)
    first, last = slice(1, before + 1), slice(n - 1 - after, n - 1)
    return _flip(_getitem(x, along(d, first)), (d,)), _flip(_getitem(x, along(d, last)), (d,))


def _replicated(x: Any, d: int, before: int, after: int) -> tuple[Any, Any]:
    def repeated(place: int, count: int) -> Any:
        edge = _getitem(x, along(d, slice(place, place + 1)))
        return tape.broadcast_to(edge, (*x.shape[:d], count, *x.shape[d + 1 :]))

    return repeated(0, before), repeated(x.shape[d] - 1, after)


def _wrapped(x: Any, d: int, before: int, after: int) -> tuple[Any, Any]:
    n = x.shape[d]
    _check_room(d, n, before, after, n)
    return _getitem(x, along(d, slice(n - before, n))), _getitem(x, along(d, slice(0, after)))


def _check_room(d: int, n: int, before: int, after: int, limit: int) -> None:
    if max(before, after) > limit:
        raise ShapeError(must("pad", "pad", f"at most {limit} for dimension {d} of {n}", (before, after)))


_BORDERS = {"reflect": _reflected, "replicate": _replicated, "circular": _wrapped}


def _continued(x: Any, widths: Widths, mode: str) -> Any:
    """``x`` with borders that continue it, one dimension after the other; a copy in any case."""
    if not any(before or after for before, after in widths):
        return clone(x)
    for d, (before, after) in enumerate(widths):
        n = x.shape[d]
        if (before or after) and before + n + after < 1:
            raise ShapeError(
                must("pad", "pad", f"such that some of dimension {d} of {n} is left", (before, after))
            )
        cut = tuple([(min(before, 0), min(after, 0)) if i == d else (0, 0) for i in range(x.ndim)])
        if mode == "circular":  # continues what is left of it; the others are continued, and then cut
            x = _cropped(x, cut)
        if before > 0 or after > 0:
            first, last = _BORDERS[mode](x, d, max(before, 0), max(after, 0))
            x = _cat(d, first, x, last)
        if mode != "circular":
            x = _cropped(x, cut)
    return x


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """``input`` with a border.

    Args:
        input: of any shape.
        pad: the widths before and after the last dimension, then those of the last but one, and so on:
            ``(left, right, top, bottom)`` for images. Negative widths crop.
        mode: "constant"; "reflect" (mirrored at the edge, which is not repeated), "replicate" (the edge's value) or
            "circular" (from the other end). The last three pad the last 1, 2 or 3 dimensions of a tensor that has
            one or two more.
        value: of the constant, 0 unless given.

    Raises:
        ShapeError: the widths are too many, or larger than what there is to continue.
        ArgumentError: the mode does not exist, or takes no value.

    >>> import minidl
    >>> minidl.nn.functional.pad(minidl.tensor([[1.0, 2.0, 3.0]]), (2, 1), mode="reflect")
    tensor([[3., 2., 1., 2., 3., 2.]])
    """
    check_tensor("pad", "input", input)
    one_of("pad", "mode", mode, ("constant", "reflect", "replicate", "circular"))
    if not isinstance(pad, (tuple, list)):
        raise DTypeError(must("pad", "pad", "a tuple or list of ints", type(pad).__name__))
    sizes = [as_int("pad", "pad", n) for n in pad]
    if len(sizes) % 2 or len(sizes) > 2 * input.ndim:
        expected = f"an even number of widths, at most {2 * input.ndim} for {input.ndim} dimensions"
        raise ShapeError(must("pad", "pad", expected, sizes))
    padded = len(sizes) // 2
    pairs = list(zip(sizes[::2], sizes[1::2], strict=True))[::-1]
    widths = ((0, 0),) * (input.ndim - padded) + tuple(pairs)
    if mode == "constant":
        x = _cropped(input, widths) if min(sizes, default=0) < 0 else input
        filler = 0 if value is None else plain(converted("pad", _as_kind(value, input.dtype), input.dtype))
        return _pad(x, tuple([(max(before, 0), max(after, 0)) for before, after in widths]), filler)
    if value:
        reject("pad", "value", f"left out in mode {mode!r}", value)
    if padded not in (1, 2, 3) or input.ndim - padded not in (1, 2):
        expected = f"for all dimensions but the first one or two (at most 3) in mode {mode!r}"
        raise ShapeError(must("pad", "pad", expected, f"{sizes} for {input.ndim} dimensions"))
    if 0 in input.shape[input.ndim - padded - 1 :]:
        raise ShapeError(must("pad", "input", "of no empty dimension but that of the batch", input.shape))
    return _continued(input, widths, mode)


def _as_kind(value: Any, dtype: np.dtype) -> Any:
    """A number rounded towards 0 for a tensor of integers, as PyTorch does; one below 0 is none for unsigned ones."""
    if dtype.kind == "u" and isinstance(value, int):
        return float(value)
    return int(value) if dtype.kind in "iu" and isinstance(value, float) else value
