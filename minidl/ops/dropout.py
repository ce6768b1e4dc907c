"""Dropout: noise that keeps units from relying on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import random
from minidl.errors import DTypeError, must
from minidl.ops.arguments import check_tensor, reject
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

_dropout = Op("dropout", np.multiply, lambda g, _y, _x, mask: g * mask)


def _mask(like: np.ndarray, p: float) -> np.ndarray:
    """0 with probability ``p``, else ``1/(1 - p)``; in the shape, dtype and memory order of ``like``.

    The numbers are drawn in the order of the elements' indices: how the memory is laid out does not change the mask.
    """
    drawn = random.numpy_generator(None).random(like.shape, dtype=np.float32)
    mask = np.empty_like(like)
    # A multiplication, because np.where on a random mask mispredicts every other branch.
    np.multiply(drawn >= p, 1.0 / (1.0 - p) if p < 1 else 0.0, out=mask)
    return mask


_draw_mask = Op("dropout_mask", _mask)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set each element to 0 with probability ``p``, and multiply the others by ``1/(1 - p)`` (Srivastava et al., 2014).

    The mean stays the same, so there is nothing to do when not ``training``: the input itself is returned. The mask
    is drawn from minidl's default generator (see :func:`minidl.manual_seed`).

    Args:
        input: floats, of any shape.
        p: the probability, from 0 to 1.
        training: whether to drop at all.
        inplace: write the result into ``input``.
    """
    check_tensor("dropout", "input", input)
    if not 0 <= p <= 1:
        reject("dropout", "p", "a probability, from 0 to 1", p)
    if not training or p == 0:
        return input
    if input.dtype.kind != "f":
        raise DTypeError(must("dropout", "input", "of floats", input.dtype))
    mask: Any = _draw_mask(input, p)
    return input.mul_(mask) if inplace else _dropout(input, mask)
