"""Functions that turn the last layer's numbers into probabilities, and their logarithms, without overflow.

The elementwise activations (relu, sigmoid, tanh) are in :mod:`minidl.ops.elementwise`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import dtypes
from minidl.errors import DTypeError, must
from minidl.kernels import softmax as kernels
from minidl.ops.arguments import cast, check_tensor, dims, floats, numpy_names
from minidl.ops.elementwise import _sigmoid
from minidl.ops.reduce import _sum
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["softmax", "log_softmax"]

Axes = tuple[int, ...]  # one axis, or none for a tensor of no dimensions


_softmax = Op(
    "softmax",
    lambda x, axes: kernels.forward(x, axes, False),
    lambda g, y, _x, axes: _softmax_backward(g, y, axes),
)
_softmax_backward: Op = Op(
    "softmax_backward",
    lambda g, y, axes: kernels.input_grad(g, y, axes, False),
    lambda v, _h, _g, y, axes: _softmax_backward(v, y, axes),
    lambda v, _h, g, y, axes: v * (g - _sum(g * y, axes, True)) - g * _sum(v * y, axes, True),
)
_log_softmax = Op(
    "log_softmax",
    lambda x, axes: kernels.forward(x, axes, True),
    lambda g, y, _x, axes: _log_softmax_backward(g, y, axes),
)
_log_softmax_backward: Op = Op(
    "log_softmax_backward",
    lambda g, y, axes: kernels.input_grad(g, y, axes, True),
    lambda v, _h, _g, y, axes: v - _sum(v * np.exp(y), axes, True),
    lambda v, _h, g, y, axes: -v * np.exp(y) * _sum(g, axes, True),
)
_logsigmoid = Op(
    "logsigmoid",
    lambda x: np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x))),
    lambda g, _y, x: g * _sigmoid(-x),
)


def _along(op: Op, input: Any, dim: int, dtype: Any) -> Any:
    check_tensor(op.name, "input", input)
    x = input if dtype is None else cast(input, dtypes.as_dtype(op.name, dtype))
    if x.dtype.kind != "f":
        raise DTypeError(must(op.name, "input", "of floats, or dtype given", x.dtype))
    return op.unary(x, dims(op.name, dim if dim.__class__ is int else (dim,), x.ndim))


@numpy_names
def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """``exp(x) / sum of exp(x)`` along ``dim``: positive numbers that sum to 1. Finite for any finite input.

    ``dtype`` converts the input first.

    Raises:
        DTypeError: ``input`` is not of floats, and no ``dtype`` is given.
        DimensionError: ``dim`` is out of range.

    >>> import minidl
    >>> minidl.softmax(minidl.tensor([0.0, 0.0, 1000.0]), dim=0)
    tensor([0., 0., 1.])
    """
    return _along(_softmax, input, dim, dtype)


@numpy_names
def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """``x - log(sum of exp(x))`` along ``dim``: the logarithm of :func:`softmax`, right also where that is 0.

    Raises:
        DTypeError: ``input`` is not of floats, and no ``dtype`` is given.
        DimensionError: ``dim`` is out of range.

    >>> import minidl
    >>> minidl.log_softmax(minidl.tensor([0.0, 1000.0]), dim=0)
    tensor([-1000.,     0.])
    """
    return _along(_log_softmax, input, dim, dtype)


def logsigmoid(input: Tensor) -> Tensor:
    """``-log(1 + e^-x)``: the logarithm of the sigmoid, right also where that is 0.

    Raises:
        DTypeError: ``input`` is not of floats.

    >>> import minidl
    >>> minidl.nn.functional.logsigmoid(minidl.tensor([0.0, -1000.0]))
    tensor([-6.9315e-01, -1.0000e+03])
    """
    return _logsigmoid(floats("logsigmoid", input))
