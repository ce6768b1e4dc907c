"""New values that do not depend on the old ones: the out-of-place halves of ``copy_``, ``fill_``, ``normal_`` ..."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ShapeError, must
from minidl.ops.arguments import (
    cast,
    check_broadcast,
    check_tensor,
    converted,
    floats,
    is_array,
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


def _draw(input: Any, source: Any) -> np.ndarray:
    """Floats of ``input``'s shape, drawn in C order."""
    return source(input.shape, np.float64 if input.dtype == np.float64 else np.float32)
