"""Making tensors of random numbers.

They are drawn in C order from the generator, whatever the memory order of the result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl import dtypes
from minidl.creation import _dtype, _like, _new, _size
from minidl.errors import ArgumentError, DTypeError, must
from minidl.ops import arguments
from minidl.random import Generator, numpy_generator
from minidl.tensor import Tensor

__all__ = ["rand", "randn", "rand_like", "randn_like", "randint", "randperm", "normal"]


def _uniform(shape: tuple[int, ...], dtype: np.dtype, generator: Generator | None) -> np.ndarray:
    drawn = numpy_generator(generator).random(shape, np.float64 if dtype == dtypes.float64 else np.float32)
    return np.asarray(drawn, dtype)


def _normal(shape: tuple[int, ...], dtype: np.dtype, generator: Generator | None) -> np.ndarray:
    drawn = numpy_generator(generator).standard_normal(
        shape, np.float64 if dtype == dtypes.float64 else np.float32
    )
    return np.asarray(drawn, dtype)


def _random_dtype(op: str, dtype: Any) -> np.dtype:
    found = _dtype(op, dtype)
    if found.kind != "f":
        raise DTypeError(must(op, "dtype", "floating", found))
    return found


@arguments.sizes_by_name("size", first=None)
def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform on [0, 1).

    Raises:
        DTypeError: the dtype is not floating.
        ShapeError: a size is negative.

    >>> import minidl
    >>> x = minidl.rand(1000)
    >>> bool((x >= 0).all()), bool((x < 1).all())
    (True, True)
    """
    array = _uniform(_size("rand", size), _random_dtype("rand", dtype), generator)
    return _new("rand", array, device, requires_grad)


@arguments.sizes_by_name("size", first=None)
def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal, with mean 0 and variance 1.

    Raises:
        DTypeError: the dtype is not floating.
        ShapeError: a size is negative.

    >>> import minidl
    >>> x = minidl.randn(10000, generator=minidl.Generator())
    >>> minidl.round(x.mean(), decimals=1).abs(), minidl.round(x.std(), decimals=1)
    (tensor(0.), tensor(1.))
    """
    array = _normal(_size("randn", size), _random_dtype("randn", dtype), generator)
    return _new("randn", array, device, requires_grad)


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform on [0, 1), in ``input``'s shape and dtype.

    Raises:
        DTypeError: ``input`` is no tensor, or the dtype is not floating.

    >>> import minidl
    >>> minidl.rand_like(minidl.zeros(2, 3)).shape
    (2, 3)
    """
    dtype = _like("rand_like", input, dtype)
    return rand(input.shape, generator=generator, dtype=dtype, device=device, requires_grad=requires_grad)


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal, with mean 0 and variance 1, in ``input``'s shape and dtype.

    Raises:
        DTypeError: ``input`` is no tensor, or the dtype is not floating.

    >>> import minidl
    >>> minidl.randn_like(minidl.zeros(2, 3, dtype=minidl.float64)).dtype
    dtype('float64')
    """
    dtype = _like("randn_like", input, dtype)
    return randn(input.shape, generator=generator, dtype=dtype, device=device, requires_grad=requires_grad)


def _check_holds(op: str, dtype: np.dtype, low: int, high: int) -> None:
    """Whether ``dtype`` can hold the numbers from ``low`` up to, without, ``high``."""
    first, last = arguments.limits(dtype)
    if low < first or high - 1 > last:
        raise ArgumentError(must(op, "low and high", f"in [{first}, {last + 1}] for {dtype}", (low, high)))


def randint(
    *args: Any,
    low: int = 0,
    high: int | None = None,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``randint(high, size)`` or ``randint(low, high, size)``: whole numbers from low (0) up to, without, high.

    Raises:
        ArgumentError: ``high`` is not above ``low``, or one of them beyond the dtype.
        DTypeError: they are not ints.

    >>> import minidl
    >>> minidl.unique(minidl.randint(3, 6, (1000,)))
    tensor([3, 4, 5])
    """
    bounds = list(args)
    if size is None and bounds:
        size = bounds.pop()
    if high is None and bounds:
        high = bounds.pop()
    low = bounds.pop() if bounds else low
    if bounds or high is None or not isinstance(size, (tuple, list)):
        raise DTypeError(must("randint", "the arguments", "(high, size) or (low, high, size)", args))
    low, high = arguments.as_int("randint", "low", low), arguments.as_int("randint", "high", high)
    if not low < high:
        raise ArgumentError(must("randint", "high", f"above low = {low}", high))
    found = dtypes.int64 if dtype is None else dtypes.as_dtype("randint", dtype)
    _check_holds("randint", found, low=low, high=high)
    drawn = numpy_generator(generator).integers(low, high, _size("randint", (size,)))
    return _new("randint", np.asarray(drawn, found), device, requires_grad)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers 0 to ``n - 1`` in random order.

    Raises:
        ArgumentError: ``n`` is negative.

    >>> import minidl
    >>> minidl.randperm(5).sort().values
    tensor([0, 1, 2, 3, 4])
    """
    count = arguments.as_int("randperm", "n", n)
    if count < 0:
        raise ArgumentError(must("randperm", "n", "not negative", n))
    found = dtypes.int64 if dtype is None else dtypes.as_dtype("randperm", dtype)
    return _new(
        "randperm", numpy_generator(generator).permutation(count).astype(found), device, requires_grad
    )


def normal(
    mean: Any,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal, with a mean and standard deviation for each element.

    Args:
        mean: a tensor of floats, or a number.
        std: a tensor of floats that broadcasts with ``mean``, or a number; not negative.
        size: the shape, where both are numbers (and only then).
        generator: where the random numbers come from.
        dtype: of the result; by default that of the tensors, or the default dtype.
        device: "cpu".
        requires_grad: make the result a leaf. No gradient flows to ``mean`` and ``std``.

    Raises:
        DTypeError: a tensor is not of floats, or ``size`` is given with one.
        ArgumentError: ``std`` is negative.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.normal(minidl.tensor([1.0, 2.0]), 0.0)
    tensor([1., 2.])
    """
    tensors = [x for x in (mean, std) if isinstance(x, Tensor)]
    for x in tensors:
        if not x.is_floating_point():
            raise DTypeError(must("normal", "mean and std", "of floats", x.dtype))
    if (size is None) == (not tensors):
        raise DTypeError(must("normal", "size", "given if, and only if, mean and std are numbers", size))
    shape = (
        arguments.check_broadcast("normal", *[x.shape for x in tensors])
        if tensors
        else _size("normal", (size,))
    )
    if dtype is None and tensors:
        dtype = tensors[0].dtype
    found = _random_dtype("normal", dtype)
    centre, spread = (x.array if isinstance(x, Tensor) else x for x in (mean, std))
    if np.any(np.less(spread, 0)):
        raise ArgumentError(must("normal", "std", "not negative", np.min(spread)))
    array = np.asarray(centre + spread * _normal(shape, found, generator), found)
    return _new("normal", array, device, requires_grad)
