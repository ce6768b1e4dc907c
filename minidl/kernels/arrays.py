"""The gate before compiled kernels: arrays in the one form that they are compiled for.

Numba compiles a function anew for every kind of array it is called with: C-ordered, strided, read-only,
unaligned, of foreign byte order. Behind this gate there is one kind (C-contiguous, aligned, writeable,
native), so a kernel is compiled once for float32 and once for float64, and its loops are over contiguous
memory.
"""

from __future__ import annotations

import numpy as np

from minidl.errors import DTypeError, ShapeError, must


def compiled_for(dtype: np.dtype) -> bool:
    """Whether kernels are compiled for this dtype: float32 and float64."""
    return dtype.char in "fd"


def is_plain(*arrays: np.ndarray | None) -> bool:
    """Whether compiled kernels can work on these arrays in place; None counts as plain."""
    for a in arrays:  # noqa: SIM110 -- all() of a generator takes longer than the step of a small parameter
        if a is not None and not (a.flags.carray and a.dtype.isnative):
            return False
    return True


def plain(a: np.ndarray) -> np.ndarray:
    """The array itself where compiled kernels take it; otherwise a copy that they take.

    An array that is merely read-only is not copied, but seen through a writeable view: kernels never change
    an argument that is not named ``out`` or ``state``.
    """
    flags = a.flags
    if flags.carray and a.dtype.isnative:
        return a
    if flags.c_contiguous and flags.aligned and a.dtype.isnative:
        return np.asarray(_WriteableView(a))
    return np.array(a, dtype=a.dtype.newbyteorder("="), order="C")


def readable(a: np.ndarray) -> np.ndarray:
    """The array in a form that kernels for any layout read: strided as it is, but aligned, native, and writeable.

    An array that is merely read-only is not copied; see :func:`plain`.
    """
    flags = a.flags
    if flags.behaved and a.dtype.isnative:
        return a
    if flags.aligned and a.dtype.isnative:
        return np.asarray(_WriteableView(a))
    return np.array(a, dtype=a.dtype.newbyteorder("="))


def memory_order(a: np.ndarray) -> tuple[int, ...]:
    """The axes from the longest to the shortest stride: transposed by them, a dense array is C-contiguous."""
    return tuple(sorted(range(a.ndim), key=lambda axis: -a.strides[axis]))


def order_in_memory(a: np.ndarray) -> tuple[int, ...] | None:
    """The axes by which a dense array is C-contiguous when transposed; None where it is as it stands.

    What ``np.empty_like`` makes is dense; of an argument that need not be so.
    """
    return None if a.flags.c_contiguous else memory_order(a)


def flat(a: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
    """The elements in one dimension, the last of ``axes`` the fastest: a view if the memory is in that order."""
    return plain(a if axes is None else a.transpose(axes)).reshape(-1)


def empty_channels_last(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array (N, C, ...) whose memory is in the order N, ..., C.

    It owns that memory, so the tape may add to a gradient in place, as it may not where it sees a transposed view.
    """
    like = np.moveaxis(np.empty((2,) * len(shape), np.int8), -1, 1)
    return np.empty_like(like, dtype, shape=shape)


class _WriteableView:
    """Presents an array's memory to NumPy as writeable, and keeps the array alive meanwhile."""

    def __init__(self, a: np.ndarray) -> None:
        address, _read_only = a.__array_interface__["data"]
        self.__array_interface__ = {**a.__array_interface__, "data": (address, False)}
        self.array = a


def check_alike(op: str, p: np.ndarray, **others: np.ndarray | None) -> None:
    """Raise unless the other arrays have p's shape and dtype: compiled loops index them all alike, unchecked.

    Raises:
        ShapeError, DTypeError: one of them differs; the message names it.
    """
    for name, a in others.items():
        if a is None:
            continue
        if a.shape != p.shape:
            raise ShapeError(must(op, name, f"of the parameter's shape {p.shape}", a.shape))
        if a.dtype != p.dtype:
            raise DTypeError(must(op, name, f"of the parameter's dtype {p.dtype}", a.dtype))
