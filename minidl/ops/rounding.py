"""Rounding, element by element. All of it but ``frac`` is constant between jumps, so its gradient is 0 everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import DTypeError, must
from minidl.ops.arguments import as_int, numeric
from minidl.ops.elementwise import _flat
from minidl.ops.shape import _clone
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["floor", "ceil", "trunc", "fix", "round", "frac"]


def _round_forward(x: np.ndarray, decimals: int) -> np.ndarray:
    """Scaled by a power of ten, rounded, and scaled back."""
    scale = x.dtype.type(10.0 ** np.abs(decimals))
    return np.rint(x * scale) / scale if decimals > 0 else np.rint(x / scale) * scale


_floor = Op("floor", np.floor, _flat)
_ceil = Op("ceil", np.ceil, _flat)
_trunc = Op("trunc", np.trunc, _flat)
_rint = Op("round", np.rint, _flat)
_round_to = Op("round", _round_forward, _flat)
_frac = Op("frac", lambda x: x - np.trunc(x), lambda g, _y, _x: g)


def _rounded(op: Op, input: Tensor) -> Tensor:
    """Integers are rounded already."""
    return op(input) if numeric(op.name, input).dtype.kind == "f" else _clone(input)


def floor(input: Tensor) -> Tensor:
    """The largest integer not above each element, in ``input``'s dtype.

    Raises:
        DTypeError: ``input`` is of bools.

    >>> import minidl
    >>> minidl.floor(minidl.tensor([-1.5, 1.5]))
    tensor([-2.,  1.])
    """
    return _rounded(_floor, input)


def ceil(input: Tensor) -> Tensor:
    """The smallest integer not below each element, in ``input``'s dtype.

    Raises:
        DTypeError: ``input`` is of bools.

    >>> import minidl
    >>> minidl.ceil(minidl.tensor([-1.5, 1.5]))
    tensor([-1.,  2.])
    """
    return _rounded(_ceil, input)


def trunc(input: Tensor) -> Tensor:
    """Each element rounded towards zero, in ``input``'s dtype.

    Raises:
        DTypeError: ``input`` is of bools.

    >>> import minidl
    >>> minidl.trunc(minidl.tensor([-1.5, 1.5]))
    tensor([-1.,  1.])
    """
    return _rounded(_trunc, input)


fix = trunc


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Each element rounded to the nearest number of that many decimals; a tie goes to the even one.

    Args:
        input: floats; integers are returned as they are, and take no ``decimals``.
        decimals: how many digits stay after the point; negative counts before it, so -2 rounds to hundreds.

    Raises:
        DTypeError: ``input`` is of bools, or of integers while ``decimals`` are given.

    >>> import minidl
    >>> minidl.round(minidl.tensor([0.5, 1.5, 2.5]))
    tensor([0., 2., 2.])
    """
    digits = as_int("round", "decimals", decimals)
    if digits == 0:
        return _rounded(_rint, input)
    if numeric("round", input).dtype.kind != "f":
        raise DTypeError(must("round", "input", "of floats where decimals are given", input.dtype))
    return _round_to(input, digits)


def frac(input: Tensor) -> Tensor:
    """What :func:`trunc` takes away: ``x - trunc(x)``, with the sign of x. Its gradient is 1.

    Raises:
        DTypeError: ``input`` is not of floats.

    >>> import minidl
    >>> minidl.frac(minidl.tensor([-1.5, 1.25]))
    tensor([-0.5 ,  0.25])
    """
    if numeric("frac", input).dtype.kind != "f":
        raise DTypeError(must("frac", "input", "of floats", input.dtype))
    return _frac(input)
