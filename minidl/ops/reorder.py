"""Elements repeated, reversed, and moved round."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import tape
from minidl.errors import DimensionError, ShapeError, must
from minidl.ops.arguments import check_tensor, sizes_by_name
from minidl.ops.arguments import dim as as_dim
from minidl.ops.arguments import dims as as_dims
from minidl.ops.arguments import shape as as_shape
from minidl.ops.shape import _reshape
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["tile", "flip", "roll"]


def _repeat_vjp(g: Any, _y: Any, _x: Any, counts: tuple[int, ...]) -> Any:
    old = (1,) * (len(counts) - _x.ndim) + _x.shape
    apart = itertools.chain(*zip(counts, old, strict=True))  # (counts[0], old[0], counts[1], old[1], ...)
    once = itertools.chain(*[(1, n) for n in old])
    return _reshape(tape.sum_to(_reshape(g, tuple(apart)), tuple(once)), _x.shape)


_repeat = Op("repeat", np.tile, _repeat_vjp)


@sizes_by_name("repeats")
def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """The tensor copied ``repeats[i]`` times along dimension ``i`` (NumPy's ``tile``), new dimensions in front."""
    counts = as_shape("repeat", repeats, "repeats")
    check_tensor("repeat", "input", input)
    if len(counts) < input.ndim or min(counts, default=0) < 0:
        raise ShapeError(must("repeat", "repeats", f"at least {input.ndim} counts, none negative", counts))
    return _repeat(input, counts)


@sizes_by_name("dims")
def tile(input: Tensor, *dims: Any) -> Tensor:
    """:func:`repeat`, for which fewer counts than dimensions will do: they are for the last dimensions.

    Raises:
        ShapeError: a count is negative.

    >>> import minidl
    >>> minidl.tile(minidl.tensor([1, 2]), (2,))
    tensor([1, 2, 1, 2])
    """
    check_tensor("tile", "input", input)
    counts = as_shape("tile", dims, "dims")
    return repeat(input, (1,) * (input.ndim - len(counts)) + counts)


_flip: Op = Op(
    "flip",
    lambda x, order: np.copy(np.flip(x, order), order="K"),
    lambda g, _y, _x, order: _flip(g, order),
)


_roll: Op = Op(
    "roll", np.roll, lambda g, _y, _x, shifts, order: _roll(g, tuple([-s for s in shifts]), order)
)  # fmt: skip


@sizes_by_name("dims")
def flip(input: Tensor, *dims: Any) -> Tensor:
    """A copy with the elements in reverse order along each of ``dims``.

    Raises:
        DimensionError: a dimension is out of range, or repeated.

    >>> import minidl
    >>> minidl.flip(minidl.tensor([[1, 2], [3, 4]]), (0,))
    tensor([[3, 4],
            [1, 2]])
    """
    check_tensor("flip", "input", input)
    chosen = as_shape("flip", dims, "dims")
    return _flip(input, as_dims("flip", chosen, input.ndim, "dims") if chosen else ())


def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """A copy with the elements moved by ``shifts`` along ``dims``, those that leave coming back at the other end.

    Without ``dims`` the elements move as in the flattened tensor.

    Raises:
        ShapeError: ``shifts`` and ``dims`` are not as many.
        DimensionError: a dimension is out of range.

    >>> import minidl
    >>> minidl.roll(minidl.tensor([1, 2, 3, 4]), 1)
    tensor([4, 1, 2, 3])
    """
    check_tensor("roll", "input", input)
    moves = as_shape("roll", shifts if isinstance(shifts, (tuple, list)) else (shifts,), "shifts")
    if dims is None:
        if len(moves) != 1:
            raise ShapeError(must("roll", "dims", f"as many as shifts, {len(moves)}", None))
        return _reshape(_roll(_reshape(input, (-1,)), moves, (0,)), input.shape)
    along = tuple(
        [as_dim("roll", d, input.ndim) for d in (dims if isinstance(dims, (tuple, list)) else (dims,))]
    )
    if len(along) != len(moves) or not input.ndim:
        raise DimensionError(
            must("roll", "dims", f"as many as shifts, {len(moves)}, of the tensor's own", dims)
        )
    return _roll(input, moves, along)
