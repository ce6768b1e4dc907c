"""Making tensors: from data, filled, and counted out. :mod:`minidl.drawing` draws them at random."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl import dtypes
from minidl.errors import ArgumentError, DTypeError, ShapeError, must
from minidl.ops import arguments
from minidl.ops.arguments import converted
from minidl.ops.from_data import as_array
from minidl.tensor import Tensor, from_numpy

__all__ = [
    "tensor", "as_tensor", "zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like",
    "full_like", "arange", "linspace", "eye",
]  # fmt: skip


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of ``data``: a number, nested sequences, an array or a tensor.

    The dtype is that of an array or tensor; float32 (the default dtype) for Python floats, int64 for ints.

    Raises:
        ShapeError: nested sequences are of different lengths.
        DTypeError: ``data`` holds something other than numbers.

    >>> import minidl
    >>> minidl.tensor([[1, 2], [3, 4]], dtype=minidl.float32)
    tensor([[1., 2.],
            [3., 4.]])
    """
    arguments.check_device("tensor", device)
    return Tensor(as_array("tensor", data, dtype), requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """``data`` itself if it is a tensor of that dtype, sharing an array's memory where it can; else a copy.

    Raises:
        ShapeError, DTypeError: as for :func:`tensor`.

    >>> import minidl
    >>> x = minidl.ones(2)
    >>> minidl.as_tensor(x) is x, minidl.as_tensor(x, dtype=minidl.int64)
    (True, tensor([1, 1]))
    """
    arguments.check_device("as_tensor", device)
    if isinstance(data, Tensor):
        return data if dtype is None else arguments.cast(data, dtypes.as_dtype("as_tensor", dtype))
    if isinstance(data, np.ndarray) and (dtype is None or data.dtype == dtypes.as_dtype("as_tensor", dtype)):
        return from_numpy(data)
    return tensor(data, dtype=dtype)


def _new(op: str, array: np.ndarray, device: Any, requires_grad: bool) -> Tensor:
    arguments.check_device(op, device)
    return Tensor(array, requires_grad)


def _dtype(op: str, dtype: Any) -> np.dtype:
    return dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(op, dtype)


def _counting_dtype(op: str, dtype: Any) -> np.dtype:
    found = _dtype(op, dtype)
    if found.kind == "b":
        raise DTypeError(must(op, "dtype", "of numbers", found))
    return found


def _size(op: str, size: tuple[Any, ...]) -> tuple[int, ...]:
    shape = arguments.shape(op, size)
    if any(n < 0 for n in shape):
        raise ShapeError(must(op, "size", "without negative numbers", shape))
    return shape


@arguments.sizes_by_name("size", first=None)
def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros of shape ``size``, given as ``zeros(2, 3)`` or ``zeros((2, 3))``.

    Raises:
        ShapeError: a size is negative.
        DTypeError: a size is not an int, or there is no such dtype.

    >>> import minidl
    >>> minidl.zeros(2, 3, dtype=minidl.int64)
    tensor([[0, 0, 0],
            [0, 0, 0]])
    """
    return _new("zeros", np.zeros(_size("zeros", size), _dtype("zeros", dtype)), device, requires_grad)


@arguments.sizes_by_name("size", first=None)
def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones of shape ``size``.

    Raises:
        ShapeError, DTypeError: as for :func:`zeros`.

    >>> import minidl
    >>> minidl.ones((1, 2))
    tensor([[1., 1.]])
    """
    return _new("ones", np.ones(_size("ones", size), _dtype("ones", dtype)), device, requires_grad)


@arguments.sizes_by_name("size", first=None)
def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of shape ``size`` whose elements are whatever was in memory.

    Raises:
        ShapeError, DTypeError: as for :func:`zeros`.

    >>> import minidl
    >>> minidl.empty(2, 3).shape
    (2, 3)
    """
    return _new("empty", np.empty(_size("empty", size), _dtype("empty", dtype)), device, requires_grad)


def _number(op: str, argument: str, value: Any) -> Any:
    """A Python or NumPy number; a tensor's only element."""
    value = value.item() if isinstance(value, Tensor) else value
    if not isinstance(value, (bool, int, float, np.number, np.bool_)):
        raise DTypeError(must(op, argument, "a number", type(value).__name__))
    return value


def full(
    size: Any, fill_value: float, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of shape ``size`` filled with ``fill_value``, whose type gives the dtype.

    Raises:
        ArgumentError: ``fill_value`` does not fit into the dtype.
        ShapeError: a size is negative.

    >>> import minidl
    >>> minidl.full((1, 2), 7), minidl.full((2,), 0.5)
    (tensor([[7, 7]]), tensor([0.5, 0.5]))
    """
    if not isinstance(size, (tuple, list)):
        raise DTypeError(must("full", "size", "a tuple of ints", type(size).__name__))
    fill = _number("full", "fill_value", fill_value)
    found = dtypes.result_type(fill) if dtype is None else dtypes.as_dtype("full", dtype)
    array = np.full(_size("full", (size,)), converted("full", fill, found))
    return _new("full", array, device, requires_grad)


def _like(op: str, input: Tensor, dtype: Any) -> np.dtype:
    if not isinstance(input, Tensor):
        raise DTypeError(must(op, "input", "a Tensor", type(input).__name__))
    return input.dtype if dtype is None else dtypes.as_dtype(op, dtype)


def zeros_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Zeros of ``input``'s shape, dtype and memory order.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.zeros_like(minidl.tensor([[1, 2]]))
    tensor([[0, 0]])
    """
    dtype = _like("zeros_like", input, dtype)
    return _new("zeros_like", np.zeros_like(input.array, dtype=dtype), device, requires_grad)


def ones_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of ``input``'s shape, dtype and memory order.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.ones_like(minidl.tensor([[1, 2]]), dtype=minidl.float32)
    tensor([[1., 1.]])
    """
    dtype = _like("ones_like", input, dtype)
    return _new("ones_like", np.ones_like(input.array, dtype=dtype), device, requires_grad)


def empty_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor like ``input`` whose elements are whatever was in memory.

    Raises:
        DTypeError: ``input`` is no tensor.

    >>> import minidl
    >>> minidl.empty_like(minidl.zeros(2, 3)).shape
    (2, 3)
    """
    dtype = _like("empty_like", input, dtype)
    return _new("empty_like", np.empty_like(input.array, dtype=dtype), device, requires_grad)


def full_like(
    input: Tensor, fill_value: float, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``fill_value`` in ``input``'s shape, dtype and memory order.

    Raises:
        DTypeError: ``input`` is no tensor.
        ArgumentError: ``fill_value`` does not fit into the dtype.

    >>> import minidl
    >>> minidl.full_like(minidl.zeros(2), 7)
    tensor([7., 7.])
    """
    dtype = _like("full_like", input, dtype)
    fill = converted("full_like", _number("full_like", "fill_value", fill_value), dtype)
    return _new("full_like", np.full_like(input.array, fill, dtype=dtype), device, requires_grad)


def arange(
    start: Any = None,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``arange(end)``, ``arange(start, end)`` or ``arange(start, end, step)``: counting from start, below end.

    Args:
        start: where to begin, 0 unless given.
        end: where to stop, without it.
        step: from one number to the next; negative to count down.
        dtype: int64 if all are ints, else the default dtype. An integer one rounds start and step towards 0.
        device: "cpu".
        requires_grad: make it a leaf that collects a gradient.

    Raises:
        ArgumentError: ``step`` is 0 or leads away from ``end``.
        DTypeError: a bound is not a number, or the dtype is bool.

    >>> arange(1, 2, 0.25)
    tensor([1.  , 1.25, 1.5 , 1.75])
    """
    if start is None or end is None:
        start, end = 0, start if end is None else end
    bounds = {"start": start, "end": end, "step": step}
    start, end, step = (_number("arange", name, bound) for name, bound in bounds.items())
    if not (np.isfinite([start, end]).all() and (end - start) * step >= 0 and step != 0):
        raise ArgumentError(must("arange", "step", f"nonzero, and lead from {start} to {end}", step))
    found = dtypes.result_type(start, end, step) if dtype is None else _counting_dtype("arange", dtype)
    whole = (int(start), int(end), int(step))
    if found == dtypes.int64:
        start, end, step = whole
        if step == 0:
            raise ArgumentError(must("arange", "step", "at least 1 or at most -1 for int64", bounds["step"]))
    count = int(np.ceil((end - start) / step))
    if found.kind != "f":  # PyTorch rounds for int64 before it counts, for shorter integers behind that
        start, _, step = whole
    return _new("arange", (start + step * np.arange(count)).astype(found), device, requires_grad)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` numbers from ``start`` to ``end``, both included, evenly apart.

    Raises:
        ArgumentError: ``steps`` is negative.
        DTypeError: an end is not a number, or the dtype is bool.

    >>> import minidl
    >>> minidl.linspace(0, 1, 5)
    tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    if arguments.as_int("linspace", "steps", steps) < 0:
        raise ArgumentError(must("linspace", "steps", "not negative", steps))
    first, last = arguments.as_float("linspace", "start", start), arguments.as_float("linspace", "end", end)
    found = _counting_dtype("linspace", dtype)
    if found.kind != "f":
        first, last = math.trunc(first), math.trunc(last)
    array = np.linspace(first, last, int(steps))
    array = array.astype(found) if found.kind == "f" else np.trunc(array).astype(found)
    return _new("linspace", array, device, requires_grad)


def eye(
    n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Ones on the diagonal of ``n`` rows and ``m`` (or ``n``) columns of zeros.

    Raises:
        ShapeError: a size is negative.

    >>> import minidl
    >>> minidl.eye(2, 3)
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    rows, columns = _size("eye", (n, n if m is None else m))
    return _new("eye", np.eye(rows, columns, dtype=_dtype("eye", dtype)), device, requires_grad)
