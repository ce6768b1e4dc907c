"""New values that do not depend on the old ones: the out-of-place halves of ``copy_``, ``fill_``, ``normal_`` ..."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import DTypeError, ShapeError, must
from minidl.ops.arguments import (
    as_int,
    cast,
    check_broadcast,
    check_tensor,
    converted,
    floats,
    is_array,
    numeric,
    plain,
    reject,
)
from minidl.random import Generator, numpy_generator
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

# Zeros of a given shape, in the dtype of the first argument.
_zeros: Op = Op(
    "zeros", lambda g, shape: np.zeros(shape, g.dtype), lambda g, _y, _g, _shape: _zeros(g, _g.shape)
)

# The second argument, in the first one's shape and dtype: the first has no influence, so its gradient is zero.
_replace = Op(
    "copy",
    lambda x, value: np.broadcast_to(np.asarray(value, x.dtype), x.shape),
    lambda g, _y, _x, _value: _zeros(g, _x.shape),
    lambda g, _y, _x, _value: cast(g, _value.dtype),
)
_replace_by_constant = Op("copy", _replace.forward, lambda g, _y, _x, _value: _zeros(g, _x.shape))


def copy(input: Tensor, src: Tensor | float, non_blocking: bool = False) -> Tensor:  # noqa: ARG001 - PyTorch's argument
    """``src``, a tensor or a number, broadcast to ``input``'s shape and converted to its dtype."""
    if isinstance(src, (bool, int, float)):
        return fill(input, src)
    check_tensor("copy", "src", src)
    if check_broadcast("copy", input.shape, src.shape) != input.shape:
        raise ShapeError(must("copy", "src", f"broadcastable to {input.shape}", src.shape))
    if src.dtype.kind == input.dtype.kind == "f":
        return _replace(input, src)
    return _replace_by_constant(input, plain(src))


def fill(input: Tensor, value: Any) -> Tensor:
    """``value``, a number or a tensor of no dimensions, in every element."""
    if is_array(value):
        if value.ndim:
            raise ShapeError(must("fill", "value", "a number, or a tensor of no dimensions", value.shape))
        return copy(input, value)
    return _replace_by_constant(input, converted("fill", value, input.dtype))


def zero(input: Tensor) -> Tensor:
    """Zero in every element."""
    return fill(input, 0)


def normal(
    input: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Numbers drawn from the normal distribution of that mean and standard deviation."""
    floats("normal", input)
    if std < 0:
        reject("normal", "std", "not negative", std)
    return _replace_by_constant(input, mean + std * _draw(input, numpy_generator(generator).standard_normal))


def uniform(
    input: Tensor, low: float = 0.0, high: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Numbers drawn uniformly from [low, high)."""
    floats("uniform", input)
    if low > high:
        reject("uniform", "high", f"at least low = {low}", high)
    return _replace_by_constant(input, low + (high - low) * _draw(input, numpy_generator(generator).random))


def exponential(input: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Numbers drawn from the exponential distribution, of density ``lambd * exp(-lambd * x)``."""
    floats("exponential", input)
    if not lambd > 0:
        reject("exponential", "lambd", "positive", lambd)
    return _replace_by_constant(input, _draw(input, numpy_generator(generator).standard_exponential) / lambd)


def log_normal(
    input: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None
) -> Tensor:
    """Numbers whose logarithms are drawn from the normal distribution of that mean and standard deviation."""
    floats("log_normal", input)
    if not std > 0:
        reject("log_normal", "std", "positive", std)
    drawn = _draw(input, numpy_generator(generator).standard_normal)
    return _replace_by_constant(input, np.exp(mean + std * drawn))


def cauchy(
    input: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Numbers drawn from the Cauchy distribution, of density ``sigma / (pi * ((x - median)^2 + sigma^2))``."""
    floats("cauchy", input)
    if not sigma > 0:
        reject("cauchy", "sigma", "positive", sigma)
    drawn = numpy_generator(generator).standard_cauchy(input.shape)
    return _replace_by_constant(input, median + sigma * drawn)


def geometric(input: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Numbers of trials up to the first success, each of which succeeds with probability ``p``."""
    numeric("geometric", input)
    if not 0 < p < 1:
        reject("geometric", "p", "above 0 and below 1", p)
    return _replace_by_constant(input, numpy_generator(generator).geometric(p, input.shape))


def random(input: Tensor, *bounds: int | None, generator: Generator | None = None) -> Tensor:
    """Whole numbers drawn with equal probability: ``random_(to)`` from 0 up to, without, ``to``; ``random_(from, to)``.

    Without ``to``, up to the largest number of the dtype; for floats, the largest up to which they hold all.

    Raises:
        DTypeError: a bound is no int.
        ArgumentError: there are none between the bounds, or the dtype does not hold them.
    """
    check_tensor("random", "input", input)
    kind = input.dtype.kind
    limits = (0, 1) if kind == "b" else (np.iinfo(input.dtype).min, np.iinfo(input.dtype).max) if kind in "iu" else (
        -(2 ** (np.finfo(input.dtype).nmant + 1)), 2 ** (np.finfo(input.dtype).nmant + 1)
    )  # fmt: skip
    if len(bounds) > 2:
        raise DTypeError(must("random", "the arguments", "(), (to) or (from, to)", bounds))
    first, last = (0, *bounds) if len(bounds) == 1 else bounds or (0, None)
    low = as_int("random", "from", first)
    end = int(limits[1]) + 1 if last is None else as_int("random", "to", last)
    if not low < end:
        reject("random", "to", f"above from = {low}", end)
    for name, value in (("from", low), ("to - 1", end - 1)):
        if not limits[0] <= value <= limits[1]:
            reject("random", name, f"in [{limits[0]}, {limits[1]}] for {input.dtype}", value)
    return _replace_by_constant(input, numpy_generator(generator).integers(low, end, input.shape))


def _draw(input: Any, source: Any) -> np.ndarray:
    """Floats of ``input``'s shape, drawn in C order."""
    return source(input.shape, np.float64 if input.dtype == np.float64 else np.float32)
