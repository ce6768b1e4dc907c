"""What every reader returns, and the limits that every reader keeps."""

from __future__ import annotations

import math
import mmap
import os
import reprlib
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from minidl.errors import WeightsError, must

DTYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64",
          "uint8", "uint16", "uint32", "uint64", "bool")  # fmt: skip
SLACK = 64 * 2**20  # bytes that a reader may need beyond the file's own
MOST_ENTRIES = 100_000  # in one file; the largest published networks have a few thousand
MOST_DIMENSIONS = 32
PIECE = 2**22  # bytes written at a time

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One array of a file, not read yet."""

    shape: Shape
    dtype: np.dtype  # of the array that load() returns, always in the machine's byte order
    load: Callable[[], np.ndarray]
    widening: int = 1  # how many times as many bytes the array takes as the file does: 2 for bfloat16
    place: Hashable = None  # entries of one place are the same bytes: tied weights


class Arrays(Mapping[str, np.ndarray]):
    """Arrays by name, each read from the file when it is asked for, every time anew.

    What stands in the file as NumPy has it in memory is a read-only view of the mapped file, and takes no memory of
    its own; it need not be aligned. What is compressed, of bfloat16, or of the other byte order is a new array.
    """

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = entries

    def __getitem__(self, name: str) -> np.ndarray:
        return self._entries[name].load()

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        parts = (f"{name!r}: {e.dtype.name}{list(e.shape)}" for name, e in self._entries.items())
        return f"Arrays({', '.join(parts)})"

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape of each array; reads none."""
        return {name: entry.shape for name, entry in self._entries.items()}

    @property
    def dtypes(self) -> dict[str, np.dtype]:
        """The dtype of each array; reads none."""
        return {name: entry.dtype for name, entry in self._entries.items()}


def as_arrays(arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Any arrays by name as :class:`Arrays`."""
    if isinstance(arrays, Arrays):
        return arrays
    return Arrays(
        {name: Entry(array.shape, array.dtype, partial(_itself, array)) for name, array in arrays.items()}
    )


def _itself(array: np.ndarray) -> np.ndarray:
    return array


@dataclass(frozen=True)
class Stored:
    """What :func:`minidl.weights.read` found in a file.

    Attributes:
        file: its path.
        format: "safetensors", "npz", "pytorch", "keras-h5", "keras-weights-h5" or "keras".
        arrays: the arrays by name, read when asked for (:class:`Arrays`).
        metadata: what else the file says, by name; of a safetensors file, strings.
    """

    file: str
    format: str
    arrays: Arrays
    metadata: dict[str, Any] = field(default_factory=dict)


class MappedFile:
    """The bytes of a file, mapped into memory read-only; the mapping ends with the last array that looks into it.

    Attributes:
        name: the file's path.
        size: its size, bytes.
        content: the mapped bytes; slices are copies.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = os.fspath(path)
        with open(path, "rb") as file:  # Python's own errors for a missing or unreadable file
            self.size = os.fstat(file.fileno()).st_size
            if self.size == 0:
                raise WeightsError(must("load", self.name, "a weight file", "an empty file"))
            self.content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def view(self, dtype: np.dtype, offset: int, shape: Shape) -> np.ndarray:
        """The array at ``offset``: a read-only view; in the machine's byte order, and so a copy of the other."""
        array = np.frombuffer(self.content, dtype, math.prod(shape), offset)
        return as_native(array).reshape(shape)

    def release(self, begin: int, size: int) -> None:
        """Give back the memory of bytes that were copied; the mapping reads them from the file again if need be."""
        if hasattr(mmap, "MADV_DONTNEED"):
            first, end = (
                -(-begin // mmap.PAGESIZE) * mmap.PAGESIZE,
                (begin + size) // mmap.PAGESIZE * mmap.PAGESIZE,
            )
            if first < end:
                self.content.madvise(mmap.MADV_DONTNEED, first, end - first)

    def damaged(self, why: object) -> WeightsError:
        """The error that says so; to be raised."""
        return WeightsError(f"load: {self.name} is truncated or damaged: {why}")

    def refused(self, why: object) -> WeightsError:
        """The error for a file that may be whole, but is not one that minidl reads; to be raised."""
        return WeightsError(f"load: {self.name} cannot be read: {why}")


def short(value: object) -> str:
    """What a file holds where something else should be, in an error: cut, as hostile values print without end."""
    return _REPR.repr(value)


_REPR = reprlib.Repr()
_REPR.maxlevel, _REPR.maxother, _REPR.maxlong = 3, 100, 100


def checked_shape(name: str, shape: object, itemsize: int) -> tuple[Shape, int]:
    """``shape`` as a tuple, and the bytes that such an array takes, if NumPy can have such an array.

    Raises:
        ValueError: it is no list of dimensions, or there are too many, or more elements than can be counted.
    """
    if not isinstance(shape, (list, tuple)) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"the shape of {name!r} is {short(shape)}")
    if len(shape) > MOST_DIMENSIONS:
        raise ValueError(f"the shape of {name!r} has {len(shape)} dimensions")
    if math.prod(n for n in shape if n) * itemsize >= 2**63:  # NumPy counts so for empty arrays, too
        raise ValueError(f"the shape of {name!r} is {short(shape)}")
    return tuple(shape), math.prod(shape) * itemsize


def stored(
    file: MappedFile,
    format: str,
    entries: Mapping[str, Entry],
    metadata: dict[str, Any],
    expect: Mapping[str, Shape] | None,
) -> Stored:
    """The :class:`Stored` of these entries, if they are what ``expect`` says.

    Raises:
        WeightsError: they are not.
    """
    arrays = Arrays(entries)
    if expect is not None:
        check_expected(file.name, arrays.shapes, expect)
    return Stored(file.name, format, arrays, metadata)


def check_size(file: MappedFile, arrays: Arrays) -> None:
    """Raise if the arrays take much more memory than the file; those that are the same bytes count once.

    A few bytes can claim terabytes: a compressed file of zeros, or a view that repeats one number.

    Raises:
        WeightsError: they do.
    """
    entries = arrays._entries
    sizes = {
        (name if entry.place is None else entry.place): math.prod(entry.shape) * entry.dtype.itemsize
        for name, entry in entries.items()
    }
    total = sum(sizes.values())
    if total > file.size * max((entry.widening for entry in entries.values()), default=1) + SLACK:
        raise WeightsError(
            f"load: {file.name} is a file of {file.size:,} bytes that unpacks to {total:,}. Should a network need "
            "that many, give their names and shapes: weights.read(path, expect={name: shape, ...})"
        )


@dataclass(frozen=True)
class Difference:
    """How the arrays of a file differ from those that a network expects, by name.

    Attributes:
        missing: expected, but not in the file.
        unexpected: in the file, but not expected.
        misshapen: in both, with another shape: (expected, in the file).
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: dict[str, tuple[Shape, Shape]]

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.misshapen)

    def __str__(self) -> str:
        parts = []
        if self.missing:
            parts.append(f"missing: {_listed(self.missing)}")
        if self.unexpected:
            parts.append(f"unexpected: {_listed(self.unexpected)}")
        if self.misshapen:
            shapes = [f"{n} is {list(got)}, not {list(want)}" for n, (want, got) in self.misshapen.items()]
            parts.append(f"misshapen: {_listed(shapes)}")
        return "; ".join(parts)


def _listed(names: tuple[str, ...] | list[str], most: int = 20) -> str:
    """The names, as long as they can be read."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    cut = (name[:200] for name in names[:most])
    return (
        ", ".join(name if name.isprintable() else repr(name) for name in cut) + more
    )  # a name can hold anything


def compare(shapes: Mapping[str, Shape], expect: Mapping[str, Shape]) -> Difference:
    """What of ``expect`` is missing from ``shapes``, or has another shape there, and what was not expected.

    >>> print(compare({"a": (2,), "b": (3, 1)}, {"b": (3,), "c": ()}))
    missing: c; unexpected: a; misshapen: b is [3, 1], not [3]
    """
    return Difference(
        tuple(name for name in expect if name not in shapes),
        tuple(name for name in shapes if name not in expect),
        {
            name: (tuple(shape), shapes[name])
            for name, shape in expect.items()
            if name in shapes and tuple(shape) != tuple(shapes[name])
        },
    )


def check_expected(file: str, shapes: Mapping[str, Shape], expect: Mapping[str, Shape]) -> None:
    """Raise unless the arrays of ``file``, with these ``shapes``, are exactly what is expected.

    Raises:
        WeightsError: some are missing, misshapen or not expected; the message lists all of them.
    """
    if difference := compare(shapes, expect):
        raise WeightsError(f"load: {file} holds other arrays than expected. {difference}")


def as_native(array: np.ndarray) -> np.ndarray:
    """The array, in the machine's byte order, bools as True and False (a file can hold other bytes)."""
    if array.dtype == np.bool_:
        return array.view(np.uint8) != 0
    native = array.dtype.newbyteorder("=")
    return array if native == array.dtype else array.astype(native)


def widened(bfloat16: np.ndarray) -> np.ndarray:
    """The float32 of which these uint16 are the upper halves: each bfloat16, exactly."""
    wide = bfloat16.astype(np.uint32)
    wide <<= 16
    return wide.view(np.float32)


def pieces(array: np.ndarray, most: int = PIECE) -> Iterator[bytes]:
    """The bytes of an array in C order, a few MB at a time."""
    if array.flags.c_contiguous:
        flat = array.reshape(-1).view(np.uint8)
        for begin in range(0, flat.size, most):
            yield flat[begin : begin + most].tobytes()
    elif array.nbytes <= most:
        yield array.tobytes()
    else:
        rows = max(1, most // array[0].nbytes)
        for begin in range(0, len(array), rows):
            yield from pieces(array[begin : begin + rows] if rows > 1 else array[begin], most)


def release(array: np.ndarray) -> None:
    """Let go of the pages that were read from a file through ``array``, a view of a :class:`MappedFile`.

    They count as this program's memory until the system wants them back. What is read again comes from the file again.
    """
    base: Any = array
    while isinstance(base, (np.ndarray, memoryview)):
        base = base.base if isinstance(base, np.ndarray) else base.obj
    if isinstance(base, mmap.mmap) and hasattr(base, "madvise"):
        base.madvise(mmap.MADV_DONTNEED)
