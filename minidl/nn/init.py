"""Initial values: functions that fill a tensor in place and return it. Nothing they do is recorded.

How large initial weights may be follows from what they sum over. A unit with ``fan_in`` inputs adds up that many
products, so weights of variance ``gain**2 / fan_in`` keep the variance of the activations from layer to layer, and
``gain**2 / fan_out`` that of the gradients on the way back. The ``gain`` makes up for what the nonlinearity takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np

from minidl.dtypes import float32, float64
from minidl.errors import ArgumentError, DTypeError, ShapeError, must
from minidl.ops.arguments import as_float, converted, one_of
from minidl.random import Generator, numpy_generator
from minidl.tensor import Tensor

M = TypeVar("M", bound=Any)  # a Module, which this file does not know
_skip: ContextVar[bool] = ContextVar("_skip", default=False)


@contextmanager
def skipped() -> Iterator[None]:
    """Within this block, ``uniform_`` and ``normal_``, and what is made of them, leave a tensor as it is.

    For networks whose weights are about to be loaded: new layers then hold whatever the memory held, and large ones
    cost nothing.
    """
    token = _skip.set(True)
    try:
        yield
    finally:
        _skip.reset(token)


def _fill(op: str, tensor: Tensor, values: Any) -> Tensor:
    tensor.array[...] = values
    tensor.mark_written(op)
    return tensor


def _check(op: str, tensor: Any, low: int = 0, high: int | None = None) -> None:
    """Raise unless ``tensor`` is one, with ``low`` to ``high`` dimensions."""
    if not isinstance(tensor, Tensor):
        raise DTypeError(must(op, "tensor", "a Tensor", type(tensor).__name__))
    if tensor.ndim < low or (high is not None and tensor.ndim > high):
        wanted = f"{low}" if low == high else f"{low} or more" if high is None else f"{low} to {high}"
        raise ShapeError(must(op, "tensor", f"of {wanted} dimensions", f"shape {tensor.shape}"))


def _check_floats(op: str, tensor: Any, low: int = 0, high: int | None = None) -> None:
    _check(op, tensor, low, high)
    if not tensor.is_floating_point():
        raise DTypeError(must(op, "tensor", "of floats", tensor.dtype))


def _working_dtype(tensor: Tensor) -> Any:
    """In which dtype to draw: NumPy draws float32 and float64."""
    return float64 if tensor.dtype == float64 else float32


def _draw(op: str, tensor: Tensor, draw: Callable[..., Any], scale: float, shift: float) -> Tensor:
    """Fill with ``draws * scale + shift``; in the tensor's own memory where that is possible, for it may be large."""
    if _skip.get():
        return tensor
    dtype, array = _working_dtype(tensor), tensor.array
    if array.dtype == dtype and array.flags.c_contiguous:
        draw(dtype=dtype, out=array)
        np.multiply(array, scale, out=array)
        np.add(array, shift, out=array)
    else:
        array[...] = draw(tensor.shape, dtype) * scale + shift
    tensor.mark_written(op)
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with draws from U(a, b)."""
    _check_floats("uniform_", tensor)
    for name, bound in (("a", a), ("b", b)):
        as_float("uniform_", name, bound)
    if not a <= b:
        raise ArgumentError(must("uniform_", "a", f"at most b = {b}", a))
    return _draw("uniform_", tensor, numpy_generator(generator).random, b - a, a)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with draws from N(mean, std²)."""
    _check_floats("normal_", tensor)
    for name, value in (("mean", mean), ("std", std)):
        as_float("normal_", name, value)
    if not std >= 0.0:
        raise ArgumentError(must("normal_", "std", "at least 0", std))
    return _draw("normal_", tensor, numpy_generator(generator).standard_normal, std, mean)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with draws from N(mean, std²) on condition that they lie in [a, b].

    By rejection (von Neumann, "Various techniques used in connection with random digits", 1951): a uniform draw x is
    kept with probability ``density(x) / highest density in [a, b]``. More than 9 std from the highest point the
    density is too small to matter (e^-40), so that far bounds cost nothing.
    """
    _check_floats("trunc_normal_", tensor)
    if not (std > 0.0 and a < b):
        raise ArgumentError(must("trunc_normal_", "std and b - a", "positive", f"{std} and {b - a}"))
    random = numpy_generator(generator)
    low, high = (a - mean) / std, (b - mean) / std
    peak = min(max(0.0, low), high)
    low, high = max(low, peak - 9.0), min(high, peak + 9.0)
    values = np.empty(tensor.numel())
    left = np.arange(tensor.numel())
    while left.size:
        z = random.uniform(low, high, left.size)
        kept = random.random(left.size) < np.exp((peak * peak - z * z) / 2.0)
        values[left[kept]] = z[kept]
        left = left[~kept]
    return _fill("trunc_normal_", tensor, np.clip(values * std + mean, a, b).reshape(tensor.shape))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with ``val``."""
    _check("constant_", tensor)
    return _fill("constant_", tensor, converted("constant_", val, tensor.dtype))


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return constant_(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return constant_(tensor, 0)


def eye_(tensor: Tensor) -> Tensor:
    """Make a matrix the identity: the linear layer hands on its inputs, as far as there are outputs."""
    _check("eye_", tensor, 2, 2)
    return _fill("eye_", tensor, np.eye(*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Make filters (F, C, ...) the identity: in each group, filter i hands on channel i, as far as there are both."""
    _check("dirac_", tensor, 3, 5)
    filters, channels, *kernel = tensor.shape
    if groups < 1 or filters % groups:
        raise ArgumentError(must("dirac_", "groups", f"a divisor of the {filters} filters", groups))
    values = np.zeros(tensor.shape)
    centre = tuple(k // 2 for k in kernel)
    for first in range(0, filters, filters // groups):
        for channel in range(min(filters // groups, channels)):
            values[(first + channel, channel, *centre)] = 1.0
    return _fill("dirac_", tensor, values)


_GAINS = {
    "linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "sigmoid": 1.0,
    "conv_transpose1d": 1.0, "conv_transpose2d": 1.0, "conv_transpose3d": 1.0,
    "tanh": 5.0 / 3.0, "relu": math.sqrt(2.0), "selu": 3.0 / 4.0,
}  # fmt: skip


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much larger weights should be before this nonlinearity, to keep the variance.

    Args:
        nonlinearity: the name of a function in :mod:`minidl.nn.functional`; linear layers have the gain 1.
        param: the negative slope of "leaky_relu"; default 0.01.
    """
    one_of("calculate_gain", "nonlinearity", nonlinearity, (*_GAINS, "leaky_relu"))
    if nonlinearity != "leaky_relu":
        return _GAINS[nonlinearity]
    slope = 0.01 if param is None else param
    if isinstance(slope, bool) or not isinstance(slope, (int, float)):
        raise DTypeError(must("calculate_gain", "param", "a number", type(slope).__name__))
    return math.sqrt(2.0 / (1.0 + slope**2))


def calculate_fans(op: str, tensor: Tensor) -> tuple[int, int]:
    """``(fan_in, fan_out)`` of weights (out, in) or filters (F, C, ...): inputs per output, and outputs per input."""
    _check_floats(op, tensor, 2)
    taps = math.prod(tensor.shape[2:])
    return tensor.shape[1] * taps, tensor.shape[0] * taps


def _glorot_std(op: str, tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2.0 / max(sum(calculate_fans(op, tensor)), 1))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill from U(-a, a) with ``a = gain * sqrt(6 / (fan_in + fan_out))``; Keras calls it glorot_uniform.

    A compromise between the variance of activations and of gradients (Glorot & Bengio, "Understanding the difficulty
    of training deep feedforward neural networks", 2010).
    """
    bound = math.sqrt(3.0) * _glorot_std("xavier_uniform_", tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill from N(0, std²) with ``std = gain * sqrt(2 / (fan_in + fan_out))`` (Glorot & Bengio, 2010)."""
    return normal_(tensor, 0.0, _glorot_std("xavier_normal_", tensor, gain), generator)


def _he_std(op: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    one_of(op, "mode", mode, ("fan_in", "fan_out"))
    fan = calculate_fans(op, tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill from U(-b, b) with ``b = gain * sqrt(3 / fan)``; Keras calls the one for ReLU he_uniform.

    For layers of rectifiers (He et al., "Delving deep into rectifiers", 2015).

    Args:
        a: the negative slope of the leaky ReLU that follows; 0 is ReLU.
        mode: "fan_in" keeps the variance of activations, "fan_out" that of gradients.
        nonlinearity: the function that follows, as for :func:`calculate_gain`.
    """
    bound = math.sqrt(3.0) * _he_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill from N(0, std²) with ``std = gain / sqrt(fan)``; arguments as for :func:`kaiming_uniform_`."""
    return normal_(tensor, 0.0, _he_std("kaiming_normal_", tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with a (semi-)orthogonal matrix, uniform among all; filters count as a matrix (F, C * ...).

    The Q of a Gaussian matrix's QR decomposition, with R's diagonal made positive (Saxe et al., "Exact solutions to
    the nonlinear dynamics of learning in deep linear neural networks", 2013).
    """
    _check_floats("orthogonal_", tensor, 2)
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    gaussian = numpy_generator(generator).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(gaussian)
    q *= np.sign(np.diagonal(r))
    return _fill("orthogonal_", tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))


def init_like_linear(weight: Tensor, bias: Tensor | None) -> None:
    """PyTorch's initial values for linear and convolution layers: all from U(±1/sqrt(fan_in)).

    For the weights that is ``kaiming_uniform_(a=sqrt(5))``: ``gain * sqrt(3 / fan_in)`` with ``gain = sqrt(2 / 6)``.
    (Keras starts with Glorot's weights and zero biases.)
    """
    fan_in, _ = calculate_fans("init_like_linear", weight)
    bound = 1.0 / math.sqrt(max(fan_in, 1))
    uniform_(weight, -bound, bound)
    if bias is not None:
        uniform_(bias, -bound, bound)


def like_keras(module: M) -> M:
    """Draw Keras's initial values for the dense layers and convolutions in ``module``; returns it.

    Weights of two and more dimensions are Glorot's (:func:`xavier_uniform_`), biases are 0. What is frozen stays.

    >>> from minidl import nn
    >>> head = nn.init.like_keras(nn.Sequential(nn.Linear(512, 1024), nn.ReLU(), nn.Linear(1024, 2)))
    >>> bool(head[0].bias.any())
    False
    """
    for name, parameter in module.named_parameters():
        if getattr(parameter, "is_frozen", False):
            continue
        if parameter.ndim >= 2:
            xavier_uniform_(parameter)
        elif name.rpartition(".")[2] == "bias":
            zeros_(parameter)
    return module
