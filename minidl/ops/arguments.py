"""What public operations do with their arguments before the Op: check them once, and promote dtypes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, NoReturn, TypeVar

import numpy as np

from minidl import dtypes
from minidl.errors import ArgumentError, DimensionError, DTypeError, GradError, ShapeError, must
from minidl.grad_mode import is_grad_enabled
from minidl.tape import Op

_cast: Op = Op("to", lambda x, dtype: x.astype(dtype), lambda g, _y, _x, _dtype: _cast(g, _x.dtype))
_cast_to_discrete = Op("to", lambda x, dtype: x.astype(dtype))


def cast(x: Any, dtype: np.dtype) -> Any:
    """``x`` with its elements converted to ``dtype``; ``x`` itself if they have it. Differentiable among floats."""
    if x.dtype == dtype:
        return x
    return _cast(x, dtype) if dtype.kind == "f" else _cast_to_discrete(x, dtype)


Function = TypeVar("Function", bound=Callable[..., Any])


def numpy_names(function: Function) -> Function:
    """Let a function take NumPy's names ``axis`` and ``keepdims`` for ``dim`` and ``keepdim`` too, as PyTorch's do."""

    @functools.wraps(function)
    def renaming(*args: Any, **kwargs: Any) -> Any:
        if not kwargs:
            return function(*args)
        for numpy_name, name in (("axis", "dim"), ("keepdims", "keepdim")):
            if numpy_name in kwargs and name not in kwargs:
                kwargs[name] = kwargs.pop(numpy_name)
        return function(*args, **kwargs)

    return renaming  # type: ignore[return-value]


def sizes_by_name(name: str, first: str | None = "input") -> Callable[[Function], Function]:
    """For a function that takes ints as ``f(x, 2, 3)`` or ``f(x, (2, 3))``: let it take ``f(x, name=(2, 3))`` too.

    ``first`` is the name of the parameter before the ints, if there is one.
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def gathering(*args: Any, **named: Any) -> Any:
            if not named and len(args) > 1:  # nearly always
                return function(*args)
            if first in named:
                args = (named.pop(first), *args)
            if len(args) == (first is not None):
                if name not in named:
                    raise DTypeError(must(function.__name__, name, "given", "nothing"))
                args = (*args, named.pop(name))
            return function(*args, **named)

        return gathering  # type: ignore[return-value]

    return decorate


def is_array(x: Any) -> bool:
    return hasattr(x, "__minidl_op__") or isinstance(x, np.ndarray)


def is_operand(x: Any) -> bool:
    """Whether arithmetic takes it: a tensor or a number."""
    return is_array(x) or isinstance(x, (bool, int, float, np.number, np.bool_))


def wants_gradient(x: Any) -> bool:
    """Whether a call with ``x`` will be recorded, and so should prepare what its backward reads."""
    return is_grad_enabled() and getattr(x, "requires_grad", False)


def check_tensor(op: str, argument: str, x: Any) -> None:
    if not hasattr(x, "__minidl_op__") and not isinstance(x, np.ndarray):
        raise DTypeError(must(op, argument, "a Tensor", type(x).__name__))


def promote(op: str, *operands: Any) -> tuple[Any, ...]:
    """The operands, all arrays among them in the dtype of their combination; Python numbers stay what they are.

    Raises:
        DTypeError: an operand is neither a tensor nor a number.
    """
    for x in operands:
        if not is_operand(x):
            raise DTypeError(must(op, "every operand", "a Tensor or a number", type(x).__name__))
    dtype = dtypes.result_type(*operands)
    return tuple([cast(x, dtype) if is_array(x) else _number(x, dtype) for x in operands])


def promote_pair(op: str, a: Any, b: Any) -> tuple[Any, Any]:
    """:func:`promote` for two operands, with nothing to do in the usual cases, because it runs in every operation."""
    if hasattr(a, "__minidl_op__"):
        kind = a.dtype
        if b.__class__ is a.__class__ and b.dtype is kind:
            return a, b
        if kind.kind == "f" and type(b) in (float, int):
            return a, b
    if not (is_array(a) or is_array(b)):
        raise DTypeError(must(op, "an operand", "a Tensor", f"{type(a).__name__} and {type(b).__name__}"))
    return promote(op, a, b)


def _number(x: Any, dtype: np.dtype) -> Any:
    """A Python number that NumPy takes as weak beside an array of ``dtype``."""
    if dtype.kind == "f":
        return float(x)
    return dtype.type(x) if isinstance(x, bool) or dtype.kind == "b" else int(x)


def wrapped(op: str, x: int, dtype: np.dtype) -> np.number:
    """A Python int as ``dtype`` counts: past the largest it begins again at the smallest, as in PyTorch.

    Raises:
        ArgumentError: it is beyond 64 bits.
    """
    if not -(2**63) <= x < 2**63:
        raise ArgumentError(must(op, "a Python int", "of at most 64 bits", x))
    return dtype.type(np.int64(x).astype(dtype))


def floating(op: str, x: Any, argument: str = "input") -> Any:
    """``x`` with floating elements: integers and bools become the default dtype, as in PyTorch."""
    if not hasattr(x, "__minidl_op__"):
        check_tensor(op, argument, x)
    return x if x.dtype.kind == "f" else cast(x, dtypes.get_default_dtype())


def is_floats(x: Any) -> bool:
    """Whether it is a tensor of floats."""
    return hasattr(x, "__minidl_op__") and x.array.dtype.kind == "f"


def is_matrix(x: Any) -> bool:
    """Whether it is a tensor of numbers in two dimensions."""
    return hasattr(x, "__minidl_op__") and x.array.ndim == 2 and x.array.dtype.kind != "b"


def of_floats(op: Op, x: Any) -> Any:
    """``op(x)`` for an operation on floats: integers and bools become the default dtype, as in PyTorch."""
    if hasattr(x, "__minidl_op__") and x.array.dtype.kind == "f":  # is_floats(x), without another call
        return x.__minidl_unary__(op)
    return op(floating(op.name, x))


def of_numbers(op: Op, x: Any) -> Any:
    """``op(x)`` for an operation that bools are not fit for."""
    if hasattr(x, "__minidl_op__") and x.array.dtype.kind != "b":
        return x.__minidl_unary__(op)
    return op(numeric(op.name, x))


def floats(op: str, x: Any, argument: str = "input") -> Any:
    """``x``, which must be of floats already: where PyTorch does not convert."""
    check_tensor(op, argument, x)
    if x.dtype.kind != "f":
        raise DTypeError(must(op, argument, "of floats", x.dtype))
    return x


def numeric(op: str, x: Any, argument: str = "input") -> Any:
    """``x``, which must not be of bools."""
    check_tensor(op, argument, x)
    if x.dtype.kind == "b":
        raise DTypeError(must(op, argument, "of numbers, not bools", x.dtype))
    return x


def check_dtype(op: str, argument: str, x: Any, input: Any) -> None:
    """``x`` is of the dtype of ``input``: for operations that do not promote.

    Of an input and a layer's weight it is the input that the message says to convert; else what is not of floats.
    """
    if x.dtype == input.dtype:
        return
    weighs, floating = argument == "weight", input.dtype.kind == "f"
    name, to = ("input", x.dtype) if weighs or not floating else (argument, input.dtype)
    advice = f"convert {name} with .to(minidl.{to})"
    if weighs and floating:
        advice += f", or the layer with .to(minidl.{input.dtype})"
    raise DTypeError(must(op, argument, f"of input's dtype {input.dtype}", f"{x.dtype}; {advice}"))


def no_bools(op: str, a: Any, b: Any) -> None:
    """At least one operand is a number, or holds some."""
    if all(isinstance(x, bool) or getattr(x, "dtype", None) == dtypes.bool_ for x in (a, b)):
        raise DTypeError(must(op, "an operand", "of numbers, not bools", "only bools"))


def check_broadcast(op: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that ``shapes`` broadcast to."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(
            must(op, "the operands' shapes", "broadcastable", " and ".join(map(str, shapes)))
        ) from None


def as_int(op: str, argument: str, value: Any) -> int:
    """``value`` as a Python int: an int, a NumPy integer or an integer tensor of one element, but no bool."""
    if type(value) is int:  # nearly always; the check below takes as long as a small operation
        return value
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if is_array(value) and value.dtype.kind in "iu" and value.ndim == 0:
        return int(value)
    raise DTypeError(
        must(op, argument, "an int", repr(value) if isinstance(value, float) else type(value).__name__)
    )


def is_device(x: Any) -> bool:
    """Whether ``x`` names a device: "cpu", "cuda:0", or an object whose ``str`` does."""
    return str(x).split(":")[0] in ("cpu", "cuda", "mps", "xpu", "meta")


def check_device(op: str, device: Any) -> None:
    """The only device is the CPU; None means it too."""
    if device is not None and str(device).split(":")[0] != "cpu":
        raise ArgumentError(must(op, "device", "'cpu'", repr(str(device))))


def no_cuda(op: str) -> NoReturn:
    raise ArgumentError(
        f"{op}: minidl computes on the CPU; use .to(device), with 'cuda' only where cuda.is_available()"
    )


def check_bool(op: str, argument: str, value: Any) -> None:
    if value is not False and value is not True and not isinstance(value, (bool, np.bool_)):
        raise DTypeError(must(op, argument, "a bool", repr(value)))


def as_float(op: str, argument: str, value: Any) -> float:
    """``value`` as a Python float: a number, or a tensor of one element, but no bool."""
    if type(value) is float:
        return value
    if (isinstance(value, Real) and not isinstance(value, bool)) or (is_array(value) and value.ndim == 0):
        return float(value)
    raise DTypeError(must(op, argument, "a number", type(value).__name__))


def dim(op: str, value: Any, ndim: int, argument: str = "dim") -> int:
    """``value`` counted from 0; a tensor of no dimensions takes -1 and 0, as in PyTorch."""
    if value.__class__ is not int:
        value = as_int(op, argument, value)
    n = ndim or 1
    if not -n <= value < n:
        raise DimensionError(must(op, argument, f"in [{-n}, {n - 1}] for {ndim} dimensions", value))
    return value % n


def dims(op: str, value: Any, ndim: int, argument: str = "dim") -> tuple[int, ...]:
    """A dimension, several, or None for all (the empty tuple means all too, as in PyTorch's reductions)."""
    if type(value) is int and ndim:
        return (dim(op, value, ndim, argument),)
    if value is None or (isinstance(value, (tuple, list)) and not value):
        return tuple(range(ndim))
    found = tuple(
        dim(op, v, ndim, argument) for v in (value if isinstance(value, (tuple, list)) else (value,))
    )
    if len(set(found)) != len(found):
        raise DimensionError(must(op, argument, "without repetition", tuple(value)))
    return found if ndim else ()


def shape(op: str, sizes: Sequence[Any], argument: str = "size") -> tuple[int, ...]:
    """A shape given as ``(2, 3)`` or as ``((2, 3),)``: the arguments of ``zeros(2, 3)`` and ``zeros((2, 3))``."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    for n in sizes:
        if n.__class__ is not int:
            return tuple([as_int(op, argument, n) for n in sizes])
    return tuple(sizes)


def pair(op: str, argument: str, value: Any, minimum: int) -> tuple[int, int]:
    """An int, or two: (height, width). Each at least ``minimum``."""
    if type(value) is int and value >= minimum:
        return value, value
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * 2
    values = values * 2 if len(values) == 1 else values
    if len(values) != 2:
        raise ArgumentError(must(op, argument, "one int or two", repr(value)))
    height, width = (as_int(op, argument, v) for v in values)
    if min(height, width) < minimum:
        raise ArgumentError(must(op, argument, f"at least {minimum}", repr(value)))
    return height, width


def single(op: str, argument: str, value: Any, minimum: int) -> int:
    """An int, or a tuple of one, at least ``minimum``: what a sequence takes where an image takes a pair."""
    values = value if isinstance(value, (tuple, list)) else (value,)
    if len(values) != 1:
        raise ArgumentError(must(op, argument, "one int", repr(value)))
    return pair(op, argument, values, minimum)[0]


def reject(op: str, argument: str, expected: str, got: Any) -> NoReturn:
    raise ArgumentError(must(op, argument, expected, repr(got)))


def one_of(op: str, argument: str, value: Any, choices: Sequence[Any]) -> None:
    if value not in choices:
        reject(op, argument, " or ".join(map(repr, choices)), value)


def widened(x: Any) -> Any:
    """``x``, if it is of float16, as float32: for what would lose digits or overflow on the way, as in PyTorch."""
    return _cast(x, dtypes.float32) if is_array(x) and x.dtype == dtypes.float16 else x


def limits(dtype: np.dtype) -> tuple[float, float]:
    """The smallest and the largest finite number that ``dtype`` holds."""
    if dtype.kind == "b":
        return 0, 1
    info = dtypes.finfo(dtype) if dtype.kind == "f" else dtypes.iinfo(dtype)
    return info.min, info.max


def plain(x: Any) -> Any:
    """The array of a tensor; an array itself."""
    return getattr(x, "array", x)


def converted(op: str, value: Any, dtype: np.dtype) -> Any:
    """``value``, a tensor or a number to be written among others of ``dtype``, in that dtype."""
    if is_array(value):
        return cast(value, dtype)
    if not isinstance(value, (bool, int, float, np.number, np.bool_)):
        raise DTypeError(must(op, "value", "a Tensor or a number", type(value).__name__))
    if dtype.kind == "b":
        return np.asarray(value, dtype)
    low, high = limits(dtype)
    if dtype.kind == "u" and isinstance(value, int):
        low = -high  # a negative int counts down from the largest
    if not low <= value <= high and (dtype.kind != "f" or np.isfinite(value)):
        raise ArgumentError(must(op, "value", f"in [{low}, {high}] for {dtype}", value))
    return np.asarray(value).astype(dtype)


def no_gradient(op: str) -> Callable[..., Any]:
    """The vjp of an operation whose gradient is not known: going backward through it is an error, not a zero."""

    def vjp(_g: Any, _y: Any, *_args: Any) -> Any:
        raise GradError(f"{op}: its gradient is not known; detach() what it is computed from")

    return vjp
