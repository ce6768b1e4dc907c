"""Making tensors: from data, filled, counted out, and drawn at random."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl import dtypes
from minidl.errors import ArgumentError, DTypeError, ShapeError, must
from minidl.ops import arguments
from minidl.random import Generator, numpy_generator
from minidl.tensor import Tensor, from_numpy

__all__ = [
    "tensor", "as_tensor", "zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like",
    "full_like", "arange", "linspace", "eye", "rand", "randn", "rand_like", "randn_like", "randint",
    "randperm",
]  # fmt: skip


def _array(op: str, data: Any, dtype: Any) -> np.ndarray:
    """``data`` as a new array; Python floats get the default dtype, Python ints int64."""
    if isinstance(data, (list, tuple)):
        data = _without_tensors(data)
    try:
        array = np.array(data.array if isinstance(data, Tensor) else data, order="C")
    except ValueError:
        raise ShapeError(must(op, "data", "rectangular", "nested sequences of different lengths")) from None
    if array.dtype == object or array.dtype.kind not in "biuf":
        raise DTypeError(must(op, "data", "numbers", f"{type(data).__name__} of {array.dtype}"))
    if dtype is not None:
        return array.astype(dtypes.as_dtype(op, dtype), copy=False)
    if not isinstance(data, (Tensor, np.ndarray, np.generic)) and array.dtype.kind == "f":
        return array.astype(_python_dtype(data, array), copy=False)
    return array.astype(dtypes.as_dtype(op, array.dtype), copy=False)


def _without_tensors(data: Any) -> Any:
    """Nested sequences with arrays in place of tensors."""
    if isinstance(data, Tensor):
        return data.array
    return [_without_tensors(x) for x in data] if isinstance(data, (list, tuple)) else data


def _python_dtype(data: Any, array: np.ndarray) -> np.dtype:
    """The default dtype for Python floats; what arrays or tensors within nested sequences have is kept."""
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return array.dtype if isinstance(data, (np.ndarray, np.generic)) else dtypes.get_default_dtype()


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
    _check_device("tensor", device)
    return Tensor(_array("tensor", data, dtype), requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """``data`` itself if it is a tensor of that dtype, sharing an array's memory where it can; else a copy."""
    _check_device("as_tensor", device)
    if isinstance(data, Tensor):
        return data if dtype is None else arguments.cast(data, dtypes.as_dtype("as_tensor", dtype))
    if isinstance(data, np.ndarray) and (dtype is None or data.dtype == dtypes.as_dtype("as_tensor", dtype)):
        return from_numpy(data)
    return tensor(data, dtype=dtype)


def _check_device(op: str, device: Any) -> None:
    if device is not None and str(device) != "cpu":
        raise ArgumentError(must(op, "device", "'cpu'", repr(str(device))))


def _new(op: str, array: np.ndarray, device: Any, requires_grad: bool) -> Tensor:
    _check_device(op, device)
    return Tensor(array, requires_grad)


def _dtype(op: str, dtype: Any) -> np.dtype:
    return dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(op, dtype)


def _size(op: str, size: tuple[Any, ...]) -> tuple[int, ...]:
    shape = arguments.shape(op, size)
    if any(n < 0 for n in shape):
        raise ShapeError(must(op, "size", "without negative numbers", shape))
    return shape


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros of shape ``size``, given as ``zeros(2, 3)`` or ``zeros((2, 3))``."""
    return _new("zeros", np.zeros(_size("zeros", size), _dtype("zeros", dtype)), device, requires_grad)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones of shape ``size``."""
    return _new("ones", np.ones(_size("ones", size), _dtype("ones", dtype)), device, requires_grad)


def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of shape ``size`` whose elements are whatever was in memory."""
    return _new("empty", np.empty(_size("empty", size), _dtype("empty", dtype)), device, requires_grad)


def full(size: Any, fill_value: float, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of shape ``size`` filled with ``fill_value``, whose type gives the dtype."""
    fill = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    found = dtypes.result_type(fill) if dtype is None else dtypes.as_dtype("full", dtype)
    return _new("full", np.full(_size("full", (size,)), fill, found), device, requires_grad)


def _like(op: str, input: Tensor, dtype: Any) -> np.dtype:
    arguments.check_tensor(op, "input", input)
    return input.dtype if dtype is None else dtypes.as_dtype(op, dtype)


def zeros_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of ``input``'s shape, dtype and memory order."""
    array = np.zeros_like(input.array, dtype=_like("zeros_like", input, dtype))
    return _new("zeros_like", array, device, requires_grad)


def ones_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of ``input``'s shape, dtype and memory order."""
    array = np.ones_like(input.array, dtype=_like("ones_like", input, dtype))
    return _new("ones_like", array, device, requires_grad)


def empty_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor like ``input`` whose elements are whatever was in memory."""
    array = np.empty_like(input.array, dtype=_like("empty_like", input, dtype))
    return _new("empty_like", array, device, requires_grad)


def full_like(
    input: Tensor, fill_value: float, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``fill_value`` in ``input``'s shape, dtype and memory order."""
    array = np.full_like(input.array, fill_value, dtype=_like("full_like", input, dtype))
    return _new("full_like", array, device, requires_grad)


def arange(*bounds: float, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """``arange(end)``, ``arange(start, end)`` or ``arange(start, end, step)``: counting from start, below end.

    int64 if all are ints, else the default dtype.
    """
    if not 1 <= len(bounds) <= 3:
        raise DTypeError(must("arange", "the bounds", "one, two or three numbers", f"{len(bounds)} arguments"))
    numbers = [b.item() if isinstance(b, Tensor) else b for b in bounds]
    if len(numbers) == 1:
        numbers = [0, *numbers]
    start, end, step = (*numbers, 1)[:3]
    if step == 0 or (end - start) * step < 0:
        raise ArgumentError(must("arange", "step", f"nonzero, and lead from {start} to {end}", step))
    found = dtypes.result_type(start, end, step) if dtype is None else dtypes.as_dtype("arange", dtype)
    count = int(np.ceil((end - start) / step))
    array = (start + step * np.arange(count)).astype(found)
    return _new("arange", array, device, requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``steps`` numbers from ``start`` to ``end``, both included, evenly apart."""
    if arguments.as_int("linspace", "steps", steps) < 0:
        raise ArgumentError(must("linspace", "steps", "not negative", steps))
    array = np.linspace(float(start), float(end), int(steps)).astype(_dtype("linspace", dtype))
    return _new("linspace", array, device, requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones on the diagonal of ``n`` rows and ``m`` (or ``n``) columns of zeros."""
    rows, columns = _size("eye", (n, n if m is None else m))
    return _new("eye", np.eye(rows, columns, dtype=_dtype("eye", dtype)), device, requires_grad)


# --- Random numbers: drawn in C order from the generator, whatever the memory order of the result ----------------


def _uniform(shape: tuple[int, ...], dtype: np.dtype, generator: Generator | None) -> np.ndarray:
    drawn = numpy_generator(generator).random(shape, np.float64 if dtype == dtypes.float64 else np.float32)
    return np.asarray(drawn, dtype)


def _normal(shape: tuple[int, ...], dtype: np.dtype, generator: Generator | None) -> np.ndarray:
    drawn = numpy_generator(generator).standard_normal(shape, np.float64 if dtype == dtypes.float64 else np.float32)
    return np.asarray(drawn, dtype)


def _random_dtype(op: str, dtype: Any) -> np.dtype:
    found = _dtype(op, dtype)
    if found.kind != "f":
        raise DTypeError(must(op, "dtype", "floating", found))
    return found


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform on [0, 1)."""
    array = _uniform(_size("rand", size), _random_dtype("rand", dtype), generator)
    return _new("rand", array, device, requires_grad)


def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal, with mean 0 and variance 1."""
    array = _normal(_size("randn", size), _random_dtype("randn", dtype), generator)
    return _new("randn", array, device, requires_grad)


def rand_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Uniform on [0, 1), in ``input``'s shape and dtype."""
    return rand(*input.shape, dtype=_like("rand_like", input, dtype), requires_grad=requires_grad)


def randn_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Normal, with mean 0 and variance 1, in ``input``'s shape and dtype."""
    return randn(*input.shape, dtype=_like("randn_like", input, dtype), requires_grad=requires_grad)


def randint(*args: Any, generator: Generator | None = None, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """``randint(high, size)`` or ``randint(low, high, size)``: whole numbers from low (0) up to, without, high."""
    if len(args) not in (2, 3):
        raise DTypeError(must("randint", "the arguments", "(high, size) or (low, high, size)", f"{len(args)}"))
    low, high, size = (0, *args) if len(args) == 2 else args
    if not low < high:
        raise ArgumentError(must("randint", "high", f"above low = {low}", high))
    found = dtypes.int64 if dtype is None else dtypes.as_dtype("randint", dtype)
    drawn = numpy_generator(generator).integers(low, high, _size("randint", (size,)))
    return Tensor(np.asarray(drawn, found), requires_grad)


def randperm(n: int, *, generator: Generator | None = None, dtype: Any = None) -> Tensor:
    """The numbers 0 to ``n - 1`` in random order."""
    count = arguments.as_int("randperm", "n", n)
    if count < 0:
        raise ArgumentError(must("randperm", "n", "not negative", n))
    found = dtypes.int64 if dtype is None else dtypes.as_dtype("randperm", dtype)
    return Tensor(numpy_generator(generator).permutation(count).astype(found))
