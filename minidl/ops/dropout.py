"""Dropout: noise that keeps units from relying on each other."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import random
from minidl.errors import DTypeError, ShapeError, must
from minidl.kernels import dropout as kernels
from minidl.ops.arguments import as_float, check_bool, check_tensor, reject
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

# Linear in x, with itself as the gradient: dropout of g with the same key.
_dropout: Op = Op("dropout", kernels.forward, lambda g, _y, _x, key, p: _dropout(g, key, p))


def _channel_mask(like: np.ndarray, key: int, p: float) -> np.ndarray:
    """What dropout makes of ones, one for each channel of each sample, (N, C, 1, ...)."""
    return kernels.forward(np.ones((*like.shape[:2], *(1,) * (like.ndim - 2)), like.dtype), key, p)


_draw_channel_mask = Op("dropout2d_mask", _channel_mask)
_times_mask = Op("dropout2d", np.multiply, lambda g, _y, _x, mask: g * mask)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set each element to 0 with probability ``p``, and multiply the others by ``1/(1 - p)`` (Srivastava et al., 2014).

    The mean stays the same, so there is nothing to do when not ``training``: the input itself is returned. The mask
    is drawn from minidl's default generator (see :func:`minidl.manual_seed`).

    Args:
        input: floats, of any shape.
        p: the probability, from 0 to 1.
        training: whether to drop at all.
        inplace: write the result into ``input``.

    Raises:
        ArgumentError: ``p`` is not a probability.
        DTypeError: ``input`` is not of floats.

    >>> import minidl
    >>> y = minidl.nn.functional.dropout(minidl.ones(1000), 0.5)
    >>> minidl.unique(y)
    tensor([0., 2.])
    """
    if not _drops("dropout", input, p, training):
        return input
    y = _dropout(input, _draw_key(), float(p))
    return input.copy_(y) if inplace else y


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """:func:`dropout` of whole channels: neighbouring pixels are so alike that dropping some of them does little
    (Tompson et al., 2015).

    Args:
        input: images (N, C, H, W). As in PyTorch, (N, C, L) is taken for a batch of sequences, with a warning, and
            other numbers of dimensions, from 2, are taken for (N, C, ...), with a warning.
        p: the probability with which a channel of a sample is set to 0, from 0 to 1.
        training: whether to drop at all.
        inplace: write the result into ``input``.

    Raises:
        ShapeError: ``input`` has fewer than 2 dimensions.

    >>> import minidl
    >>> y = minidl.nn.functional.dropout2d(minidl.ones(2, 50, 3, 3), 0.5)
    >>> minidl.equal(y.amax((2, 3)), y.amin((2, 3)))  # whole channels
    True
    """
    check_tensor("dropout2d", "input", input)
    if input.ndim != 4:
        warnings.warn(
            f"dropout2d: input should be (N, C, H, W); the shape {input.shape} is taken for (N, C, ...)",
            stacklevel=2,
        )
    if training and p != 0 and input.ndim < 2:
        raise ShapeError(must("dropout2d", "input", "(N, C, H, W)", input.shape))
    if not _drops("dropout2d", input, p, training):
        return input
    mask: Any = _draw_channel_mask(input, _draw_key(), float(p))
    return input.mul_(mask) if inplace else _times_mask(input, mask)


def _drops(op: str, input: Any, p: float, training: bool) -> bool:
    """Whether there is anything to do, after the checks."""
    check_tensor(op, "input", input)
    if not 0 <= as_float(op, "p", p) <= 1:
        reject(op, "p", "a probability, from 0 to 1", p)
    check_bool(op, "training", training)
    if not training or p == 0:
        return False
    if input.dtype.kind != "f":
        raise DTypeError(must(op, "input", "of floats", input.dtype))
    return True


def _draw_key() -> int:
    return int(random.numpy_generator(None).integers(2**64, dtype=np.uint64))
