"""What can be read off a Tensor: its sizes, its dtype, and its elements as Python values."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import numpy as np

from minidl.device import device
from minidl.errors import ArgumentError, DimensionError, DTypeError, must
from minidl.ops import arguments, queries
from minidl.ops.joining import unbind
from minidl.printing import tensor_repr


class Readout:
    """The base of Tensor that reads its array."""

    array: np.ndarray

    # attrgetter, because a property written in Python takes as long as a small operation
    shape = property(attrgetter("array.shape"), doc="The sizes along each dimension.")
    dtype = property(attrgetter("array.dtype"), doc="The type of the elements: a NumPy dtype.")
    ndim = property(attrgetter("array.ndim"), doc="How many dimensions.")
    itemsize = property(attrgetter("array.itemsize"), doc="Bytes of one element.")
    nbytes = property(attrgetter("array.nbytes"), doc="Bytes of all elements.")
    is_cpu, is_cuda = True, False  # there is no other device

    def size(self, dim: int | None = None) -> Any:
        """The shape, or its entry at ``dim``."""
        if dim is None:
            return self.shape
        if self.ndim == 0:
            raise DimensionError(must("size", "dim", "None for a tensor of no dimensions", dim))
        return self.shape[arguments.dim("size", dim, self.ndim)]

    def dim(self) -> int:
        """How many dimensions."""
        return self.array.ndim

    def numel(self) -> int:
        """How many elements."""
        return self.array.size

    nelement, ndimension = numel, dim

    def stride(self, dim: int | None = None) -> Any:
        """How many elements of memory lie between neighbours along each dimension, or along ``dim``."""
        strides = tuple([s // self.array.itemsize for s in self.array.strides])
        return strides if dim is None else strides[arguments.dim("stride", dim, self.ndim)]

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self.array.ctypes.data

    @property
    def device(self) -> device:
        """The CPU."""
        return device()

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.array.itemsize

    def is_contiguous(self) -> bool:
        """Whether the memory order is C's."""
        return self.array.flags.c_contiguous

    def is_floating_point(self) -> bool:
        """Whether its elements are floats."""
        return self.array.dtype.kind == "f"

    is_complex, is_signed = queries.is_complex, queries.is_signed

    def __len__(self) -> int:
        if self.ndim == 0:
            raise DTypeError("len: a tensor of no dimensions has no length")
        return self.shape[0]

    def __bool__(self) -> bool:
        if self.array.size != 1:
            raise ArgumentError(must("bool", "the tensor", "of one element", f"shape {self.shape}"))
        return bool(self.array)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.array.dtype.kind not in "iub" or self.array.size != 1:
            raise DTypeError(
                must("index", "the tensor", "one integer", f"{self.dtype} of shape {self.shape}")
            )
        return int(self.array.item())

    def __contains__(self, value: Any) -> bool:
        return bool((self.array == (value.array if hasattr(value, "__minidl_op__") else value)).any())

    def __iter__(self) -> Any:
        if self.ndim == 0:
            raise DTypeError("iter: cannot go through a tensor of no dimensions")
        return iter(unbind(self))  # type: ignore[arg-type]  # self is a Tensor

    __repr__ = tensor_repr

    def __format__(self, spec: str) -> str:
        return format(self.item() if spec and self.array.size == 1 else str(self), spec)

    def item(self) -> Any:
        """The only element, as a Python number."""
        if self.array.size != 1:
            raise ArgumentError(must("item", "the tensor", "of one element", f"shape {self.shape}"))
        return self.array.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers; a number for a tensor of no dimensions."""
        return self.array.tolist()
