"""Arrays from what a user has: a number, nested sequences of numbers, arrays and tensors."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from minidl import dtypes
from minidl.errors import ArgumentError, DTypeError, ShapeError, must
from minidl.ops.arguments import is_array


def as_array(op: str, data: Any, dtype: Any) -> np.ndarray:
    """``data`` as a new array; Python floats get the default dtype, Python ints int64."""
    if isinstance(data, (list, tuple)):
        data = _without_tensors(data)
    try:
        array = np.array(data.array if hasattr(data, "__minidl_op__") else data, order="C")
    except ValueError:
        raise ShapeError(must(op, "data", "rectangular", "nested sequences of different lengths")) from None
    if array.dtype == object or array.dtype.kind not in "biuf":
        raise DTypeError(must(op, "data", "numbers", f"{type(data).__name__} of {array.dtype}"))
    if dtype is not None:
        found = dtypes.as_dtype(op, dtype)
        if not _has_dtype(data):
            _check_range(op, array, found)
        return array.astype(found, copy=False)
    if not _has_dtype(data) and array.dtype.kind == "f":
        return array.astype(_python_dtype(data), copy=False)
    return array.astype(dtypes.as_dtype(op, array.dtype), copy=False)


def _has_dtype(data: Any) -> bool:
    return is_array(data) or isinstance(data, np.generic)


def _check_range(op: str, array: np.ndarray, dtype: np.dtype) -> None:
    """Python ints must fit into ``dtype``; negative ones count down from the largest of an unsigned one."""
    if array.dtype.kind == "i" and dtype.kind in "iu" and array.size:
        limits = np.iinfo(dtype)
        low = limits.min or -int(limits.max)
        if array.min() < low or array.max() > limits.max:
            bad = array.min() if array.min() < low else array.max()
            raise ArgumentError(must(op, "data", f"in [{low}, {limits.max}] for {dtype}", bad))


def _without_tensors(data: Any) -> Any:
    """Nested sequences with arrays in place of tensors."""
    if hasattr(data, "__minidl_op__"):
        return data.array
    return [_without_tensors(x) for x in data] if isinstance(data, (list, tuple)) else data


def _python_dtype(data: Any) -> np.dtype:
    """The default dtype for Python floats; for nested sequences of arrays or tensors, what theirs promote to."""
    first = data
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    if not isinstance(first, (np.ndarray, np.generic)):
        return dtypes.get_default_dtype()
    return functools.reduce(dtypes.promote_types, _leaf_dtypes(data))


def _leaf_dtypes(data: Any) -> set[np.dtype]:
    """The dtypes of what nested sequences hold in the end."""
    if isinstance(data, (list, tuple)):
        return set().union(*map(_leaf_dtypes, data))
    return {data.dtype if isinstance(data, (np.ndarray, np.generic)) else dtypes.result_type(data)}
