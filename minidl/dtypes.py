"""Data types, and how they combine: NumPy's dtype objects under PyTorch's names and promotion rules.

``minidl.float32`` *is* ``np.dtype("float32")``, so NumPy accepts it and an array's dtype compares equal to it.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from minidl.errors import ArgumentError, DTypeError, must

__all__ = [
    "dtype", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "finfo", "iinfo",
    "get_default_dtype", "set_default_dtype", "promote_types", "result_type",
]  # fmt: skip

dtype = np.dtype

float16 = np.dtype("float16")
float32 = np.dtype("float32")
float64 = np.dtype("float64")
int8 = np.dtype("int8")
int16 = np.dtype("int16")
int32 = np.dtype("int32")
int64 = np.dtype("int64")
uint8 = np.dtype("uint8")
bool_ = np.dtype("bool")

ALL = (float16, float32, float64, int8, int16, int32, int64, uint8, bool_)
_BY_NAME: dict[str, np.dtype] = {d.name: d for d in ALL} | {
    "half": float16, "float": float32, "double": float64, "short": int16, "int": int32, "long": int64,
}  # fmt: skip
_BY_PYTHON_TYPE: dict[Any, np.dtype] = {float: float64, int: int64, bool: bool_}

_default = float32


def get_default_dtype() -> np.dtype:
    """The floating dtype of Python floats and of creation functions: float32 unless set."""
    return _default


def set_default_dtype(d: Any) -> None:
    """Make ``d`` (float32 or float64, say) the dtype of Python floats and of creation functions."""
    global _default
    d = as_dtype("set_default_dtype", d)
    if d.kind != "f":
        raise DTypeError(must("set_default_dtype", "d", "a floating dtype", d))
    _default = d


def as_dtype(op: str, d: Any) -> np.dtype:
    """``d`` as one of minidl's dtypes: a dtype, a NumPy scalar type, a Python type or a name such as "long".

    Raises:
        DTypeError: NumPy knows no such type, or minidl does not compute with it.
    """
    try:
        if d in _BY_PYTHON_TYPE:
            return _BY_PYTHON_TYPE[d]
        found = _BY_NAME.get(d) or np.dtype(d) if isinstance(d, str) else np.dtype(d)
    except TypeError:
        raise DTypeError(must(op, "dtype", "a dtype", repr(d))) from None
    native = found.newbyteorder(
        "="
    )  # equal to one of ours, but another object, and "is" is quicker than "=="
    if native not in ALL:
        raise DTypeError(must(op, "dtype", f"one of {', '.join(a.name for a in ALL)}", found.name))
    return ALL[ALL.index(native)]


def _rank(d: np.dtype) -> int:
    """bool < integer < floating."""
    return {"b": 0, "i": 1, "u": 1, "f": 2}[d.kind]


def promote_types(a: np.dtype, b: np.dtype) -> np.dtype:
    """The smallest dtype that both convert to; a floating one keeps its width beside an integer.

    >>> promote_types(int64, float32)
    dtype('float32')
    """
    if a.kind == "f" and b.kind != "f":
        return a
    if b.kind == "f" and a.kind != "f":
        return b
    return np.promote_types(a, b)


def _combine(strong: np.dtype | None, weak: np.dtype | None) -> np.dtype | None:
    """``strong`` decides, unless ``weak`` is of a higher category (or strong says no more than "bool")."""
    if strong is None or weak is None:
        return strong or weak
    if strong.kind == "f":
        return strong
    return promote_types(strong, weak) if strong.kind == "b" or weak.kind == "f" else strong


def result_type(*operands: Any) -> np.dtype:
    """The dtype of an operation on ``operands``: arrays, tensors and Python numbers.

    PyTorch's rule. Arrays of one or more dimensions decide; an array of no dimensions widens the result only if its
    category (bool < integer < floating) is higher; a Python number likewise, and it then gives the default dtype.

    >>> result_type(np.ones(2, "float32"), 2.5), result_type(np.ones(2, "int64"), 2.5)
    (dtype('float32'), dtype('float32'))
    >>> result_type(np.ones(2, "float32"), np.array(1.0))  # the second has no dimensions
    dtype('float32')
    """
    tiers: list[list[np.dtype]] = [[], [], []]  # arrays with dimensions, arrays without, Python numbers
    for operand in operands:
        if isinstance(operand, (bool, int, float)):
            python = bool if isinstance(operand, bool) else int if isinstance(operand, int) else float
            tiers[2].append(_default if python is float else _BY_PYTHON_TYPE[python])
        else:
            tiers[0 if operand.ndim else 1].append(operand.dtype)
    arrays, scalars, numbers = (reduce(promote_types, tier) if tier else None for tier in tiers)
    result = _combine(arrays, _combine(scalars, numbers))
    if result is None:
        raise ArgumentError(must("result_type", "operands", "at least one array or number", "none"))
    return result


def is_floating(d: np.dtype) -> bool:
    """Whether gradients can flow through values of dtype ``d``."""
    return d.kind == "f"


def can_cast(source: np.dtype, target: np.dtype) -> bool:
    """Whether an in-place operation may write ``source`` into ``target``: never to a lower category."""
    return _rank(source) <= _rank(target)


class finfo:
    """Machine limits of a floating dtype: ``eps``, ``max``, ``min``, ``tiny``, ``bits``."""

    def __init__(self, d: Any = None) -> None:
        d = _default if d is None else as_dtype("finfo", d)
        if d.kind != "f":
            raise DTypeError(must("finfo", "d", "a floating dtype", d))
        info = np.finfo(d)
        self.eps, self.max, self.min = float(info.eps), float(info.max), float(info.min)
        self.tiny = self.smallest_normal = float(info.smallest_normal)
        self.bits, self.dtype = info.bits, info.dtype.name


class iinfo:
    """The range of an integer dtype: ``max``, ``min``, ``bits``."""

    def __init__(self, d: Any) -> None:
        d = as_dtype("iinfo", d)
        if d.kind not in "iu":
            raise DTypeError(must("iinfo", "d", "an integer dtype", d))
        info = np.iinfo(d)
        self.max, self.min, self.bits, self.dtype = int(info.max), int(info.min), info.bits, d.name
