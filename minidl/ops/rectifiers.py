"""Activations that let positive numbers pass, and bend, cut or damp negative ones: the kin of ReLU.

Element by element, except for :func:`glu`. Where a function has a kink, its gradient there is PyTorch's choice. The
activations of :mod:`minidl.nn.functional` take ``inplace`` besides.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import DimensionError, ShapeError, must
from minidl.kernels.elementwise import formula
from minidl.ops.arguments import as_float, check_dtype, check_tensor, floats, numeric, one_of, reject
from minidl.ops.arguments import dim as as_dim
from minidl.ops.choice import _clamp_integers
from minidl.ops.elementwise import _mask, _sigmoid, _where
from minidl.ops.elementwise import abs as _absolute
from minidl.ops.joining import _split
from minidl.ops.shape import _reshape
from minidl.ops.special import _erf
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = [
    "relu6", "hardtanh", "hardsigmoid", "hardswish", "threshold",
    "leaky_relu", "prelu", "elu", "selu",
    "gelu", "silu", "mish", "softplus", "softsign", "glu",
]  # fmt: skip

# --- Straight pieces --------------------------------------------------------------------------------------------

_hardtanh = Op(
    "hardtanh",
    lambda x, low, high: np.minimum(np.maximum(x, low), high),
    lambda g, _y, x, low, high: _mask(g, (x > low) & (x < high)),
)
_hardsigmoid = Op(
    "hardsigmoid",
    lambda x: np.minimum(np.maximum(x + 3.0, 0.0), 6.0) / 6.0,
    lambda g, _y, x: _mask(g / 6.0, (x > -3.0) & (x < 3.0)),
)
_hardswish = Op(
    "hardswish",
    lambda x: x * np.minimum(np.maximum(x + 3.0, 0.0), 6.0) / 6.0,
    lambda g, _y, x: _where((np.abs(x) >= 3.0) ^ True, g * (x / 3.0 + 0.5), _mask(g, x > 0.0)),
)
_threshold = Op(
    "threshold",
    lambda x, limit, value: np.where(x <= limit, value, x),
    lambda g, _y, x, limit, _value: _mask(g, (x <= limit) ^ True),
)


def _leaky_forward(x: np.ndarray, slope: Any) -> np.ndarray:
    return np.maximum(x, 0.0) + np.minimum(x, 0.0) * slope  # ten times faster than np.where on a random mask


def _leaky_vjp(g: Any, _y: Any, x: Any, slope: Any) -> Any:
    positive = x > 0.0
    return _mask(g, positive) + _mask(g * slope, positive ^ True)


_leaky_relu = Op("leaky_relu", _leaky_forward, _leaky_vjp)
_prelu = Op(
    "prelu",
    _leaky_forward,
    _leaky_vjp,
    lambda g, _y, x, _w: _mask(g * x, (x > 0.0) ^ True),
)


def relu6(input: Tensor) -> Tensor:
    """``min(max(x, 0), 6)``: :func:`hardtanh` from 0 to 6 (Krizhevsky, 2010).

    Raises:
        DTypeError: ``input`` is of bools.

    >>> import minidl
    >>> minidl.nn.functional.relu6(minidl.tensor([-1.0, 3.0, 9.0]))
    tensor([0., 3., 6.])
    """
    return _between("relu6", input, 0.0, 6.0)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """``min(max(x, min_val), max_val)``; the gradient at the bounds is 0 (that of :func:`minidl.clamp` is 1).

    Raises:
        ArgumentError: ``min_val`` is above ``max_val``, or negative for unsigned integers.
        DTypeError: ``input`` is of bools.

    >>> import minidl
    >>> minidl.nn.functional.hardtanh(minidl.tensor([-3.0, 0.5, 3.0]))
    tensor([-1. ,  0.5,  1. ])
    """
    for name, bound in (("min_val", min_val), ("max_val", max_val)):
        as_float("hardtanh", name, bound)
    if min_val > max_val:
        reject("hardtanh", "min_val", f"at most max_val ({max_val})", min_val)
    return _between("hardtanh", input, min_val, max_val)


def _between(op: str, input: Any, low: float, high: float) -> Any:
    numeric(op, input)
    if input.dtype.kind != "f":
        if int(low) < 0 and input.dtype.kind == "u":
            reject(op, "the lower bound", f"not negative for {input.dtype}", low)
        return _clamp_integers(input, int(low), int(high))
    return _hardtanh(input, float(low), float(high))


def hardsigmoid(input: Tensor) -> Tensor:
    """``min(max(x + 3, 0), 6) / 6``: straight lines in place of the sigmoid (Howard et al., 2019).

    Raises:
        DTypeError: ``input`` is not of floats.

    >>> import minidl
    >>> minidl.nn.functional.hardsigmoid(minidl.tensor([-3.0, 0.0, 3.0]))
    tensor([0. , 0.5, 1. ])
    """
    return _hardsigmoid(floats("hardsigmoid", input))


def hardswish(input: Tensor) -> Tensor:
    """``x * hardsigmoid(x)`` (Howard et al., "Searching for MobileNetV3", 2019).

    Raises:
        DTypeError: ``input`` is not of floats.

    >>> import minidl
    >>> minidl.nn.functional.hardswish(minidl.tensor([-3.0, 1.5, 3.0]))
    tensor([-0.   ,  1.125,  3.   ])
    """
    return _hardswish(floats("hardswish", input))


def threshold(input: Tensor, threshold: float, value: float) -> Tensor:
    """``x`` where ``x > threshold``, else ``value``. For integers both are rounded towards 0.

    Raises:
        DTypeError: ``input`` is of bools.

    >>> import minidl
    >>> minidl.nn.functional.threshold(minidl.tensor([0.5, 2.0]), 1.0, -7.0)
    tensor([-7.,  2.])
    """
    x = numeric("threshold", input)
    for name, number_given in (("threshold", threshold), ("value", value)):
        as_float("threshold", name, number_given)
    number = float if x.dtype.kind == "f" else int
    return _threshold(x, number(threshold), number(value))


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """``x`` where it is positive, else ``negative_slope * x`` (Maas et al., 2013). The gradient at 0 is the slope.

    Raises:
        DTypeError: ``input`` is not of floats.

    >>> import minidl
    >>> minidl.nn.functional.leaky_relu(minidl.tensor([-10.0, 2.0]), 0.5)
    tensor([-5.,  2.])
    """
    return _leaky_relu(floats("leaky_relu", input), as_float("leaky_relu", "negative_slope", negative_slope))


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """:func:`leaky_relu` with a slope that is learned (He et al., 2015).

    Args:
        input: (N, C, ...).
        weight: (C,), a slope for each channel; or a single one, of shape (1,) or ().

    Raises:
        ShapeError: there are neither as many slopes as channels nor one.
        DTypeError: the dtypes differ, or are not floating.

    >>> import minidl
    >>> minidl.nn.functional.prelu(minidl.tensor([[-10.0, -10.0]]), minidl.tensor([0.5, 0.25]))
    tensor([[-5. , -2.5]])
    """
    x = floats("prelu", input)
    check_tensor("prelu", "weight", weight)
    check_dtype("prelu", "weight", weight, x)
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.ndim > 1 or (weight.shape not in ((), (1,)) and weight.shape != (channels,)):
        raise ShapeError(
            must("prelu", "weight", f"({channels},), (1,) or () for input {x.shape}", weight.shape)
        )
    return _prelu(x, _reshape(weight, (-1, *(1,) * (x.ndim - 2)) if x.ndim > 1 else (1,) * x.ndim))


# --- Exponential and smooth -------------------------------------------------------------------------------------


ROOT_HALF, DENSITY, TANH_SCALE = math.sqrt(0.5), 1.0 / math.sqrt(2.0 * math.pi), math.sqrt(2.0 / math.pi)


def _of_input(function: Callable[..., Any]) -> Callable[..., Any]:
    """A vjp that reads the gradient, the input and the parameters, and not the result."""
    return lambda g, _y, x, *parameters: function(g, x, *parameters)


def _elu_scalar(x: Any, slope: float, scale: float) -> Any:
    return np.where(x > 0.0, x * scale, np.expm1(np.minimum(x, 0.0)) * slope)


def _elu_vjp(g: Any, x: Any, slope: float, scale: float) -> Any:
    below = (x > 0.0) ^ True
    return _where(below, g * (np.exp(_where(below, x, 0.0)) * slope), g * scale)


def _gelu_vjp(g: Any, x: Any) -> Any:
    return g * (0.5 + 0.5 * _erf(x * ROOT_HALF) + x * (np.exp(x * x * -0.5) * DENSITY))


def _gelu_tanh_vjp(g: Any, x: Any) -> Any:
    t = np.tanh((x + x * x * x * 0.044715) * TANH_SCALE)
    inner = (1.0 + x * x * 0.134145) * TANH_SCALE
    return g * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner)


def _silu_vjp(g: Any, x: Any) -> Any:
    s = _sigmoid(x)
    return g * (s * (1.0 + x * (1.0 - s)))


def _softplus_scalar(x: Any, beta: float, threshold: float) -> Any:
    """``log(1 + e^z)`` is ``max(z, 0) + log(1 + e^-|z|)``, which does not overflow."""
    z = x * beta
    return np.where(z > threshold, x, (np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z)))) / beta)


def _softplus_vjp(g: Any, x: Any, beta: float, threshold: float) -> Any:
    z = x * beta
    return _where(z > threshold, g, g * _sigmoid(z))


def _mish_scalar(x: Any) -> Any:
    return x * np.tanh(np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))))


def _mish_vjp(g: Any, x: Any) -> Any:
    t = np.tanh(_softplus(x, 1.0, math.inf))
    return g * (t + x * (1.0 - t * t) * _sigmoid(x))


_elu = Op("elu", formula("elu", _elu_scalar), _of_input(formula("elu_vjp", _elu_vjp)))
_gelu = Op(
    "gelu",
    formula("gelu", lambda x: x * (0.5 + 0.5 * _erf(x * ROOT_HALF))),
    _of_input(formula("gelu_vjp", _gelu_vjp)),
)
_gelu_tanh = Op(
    "gelu",
    formula("gelu_tanh", lambda x: 0.5 * x * (1.0 + np.tanh((x + x * x * x * 0.044715) * TANH_SCALE))),
    _of_input(formula("gelu_tanh_vjp", _gelu_tanh_vjp)),
)
_silu = Op("silu", formula("silu", lambda x: x * _sigmoid(x)), _of_input(formula("silu_vjp", _silu_vjp)))
_softplus = Op(
    "softplus",
    formula("softplus", _softplus_scalar),
    _of_input(formula("softplus_vjp", _softplus_vjp)),
)
_mish = Op("mish", formula("mish", _mish_scalar), _of_input(formula("mish_vjp", _mish_vjp)))


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """``x`` where it is positive, else ``alpha * (e^x - 1)`` (Clevert et al., 2016).

    Raises:
        DTypeError: ``input`` is not of floats.

    >>> import minidl
    >>> minidl.nn.functional.elu(minidl.tensor([-100.0, 2.0]))
    tensor([-1.,  2.])
    """
    return _elu(floats("elu", input), as_float("elu", "alpha", alpha), 1.0)


def selu(input: Tensor) -> Tensor:
    """:func:`elu` with the alpha and the scale that keep mean 0 and variance 1 (Klambauer et al., 2017).

    Raises:
        DTypeError: ``input`` is not of floats.

    >>> import minidl
    >>> minidl.nn.functional.selu(minidl.tensor([-100.0, 1.0]))
    tensor([-1.7581,  1.0507])
    """
    return _elu(floats("selu", input), 1.6732632423543772 * 1.0507009873554805, 1.0507009873554805)


def gelu(input: Tensor, *, approximate: str = "none") -> Tensor:
    """``x * P(Z <= x)`` for a standard normal Z: ``x/2 * (1 + erf(x / sqrt(2)))`` (Hendrycks & Gimpel, 2016).

    ``approximate="tanh"`` is the older form, ``x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))``.

    Raises:
        DTypeError: ``input`` is not of floats.
        ArgumentError: ``approximate`` is neither "none" nor "tanh".

    >>> import minidl
    >>> minidl.nn.functional.gelu(minidl.tensor([-100.0, 0.0, 1.0]))  # P(Z <= 1) = 0.8413
    tensor([-0.    ,  0.    ,  0.8413])
    """
    one_of("gelu", "approximate", approximate, ("none", "tanh"))
    x = floats("gelu", input)
    return _gelu(x) if approximate == "none" else _gelu_tanh(x)


def silu(input: Tensor) -> Tensor:
    """``x * sigmoid(x)``, also called Swish (Elfwing et al., 2017; Ramachandran et al., 2017).

    Raises:
        DTypeError: ``input`` is not of floats.

    >>> import minidl
    >>> minidl.nn.functional.silu(minidl.tensor([-1000.0, 0.0, 1000.0]))
    tensor([  -0.,    0., 1000.])
    """
    return _silu(floats("silu", input))


def mish(input: Tensor) -> Tensor:
    """``x * tanh(softplus(x))`` (Misra, 2019).

    Raises:
        DTypeError: ``input`` is not of floats.

    >>> import minidl
    >>> minidl.nn.functional.mish(minidl.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """
    return _mish(floats("mish", input))


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """``log(1 + e^(beta x)) / beta``, a smooth ReLU (Dugas et al., 2001).

    Where ``beta * x`` is above ``threshold`` it is ``x`` itself, from which it does not differ any more.

    Raises:
        DTypeError: ``input`` is not of floats.

    >>> import minidl
    >>> minidl.nn.functional.softplus(minidl.tensor([0.0, 100.0]))  # log 2 = 0.6931
    tensor([  0.6931, 100.    ])
    """
    x = floats("softplus", input)
    return _softplus(x, as_float("softplus", "beta", beta), as_float("softplus", "threshold", threshold))


def softsign(input: Tensor) -> Tensor:
    """``x / (1 + |x|)`` (Bergstra et al., 2009).

    Raises:
        DTypeError: ``input`` is of bools.

    >>> import minidl
    >>> minidl.nn.functional.softsign(minidl.tensor([-1.0, 3.0]))
    tensor([-0.5 ,  0.75])
    """
    return input / (_absolute(input) + 1)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """``a * sigmoid(b)``, where ``a`` and ``b`` are the halves of ``input`` along ``dim`` (Dauphin et al., 2017).

    Raises:
        DTypeError: ``input`` is not of floats.
        ShapeError: its size along ``dim`` is odd.

    >>> import minidl
    >>> minidl.nn.functional.glu(minidl.tensor([6.0, 0.0]))
    tensor([3.])
    """
    x = floats("glu", input)
    if x.ndim == 0:
        raise DimensionError(must("glu", "input", "of at least one dimension", "none"))
    d = as_dim("glu", dim, x.ndim)
    if x.shape[d] % 2:
        raise ShapeError(must("glu", "input", f"of an even size along dimension {d}", x.shape))
    a, b = _split(x, d, (x.shape[d] // 2,) * 2)
    return a * _sigmoid(b)
