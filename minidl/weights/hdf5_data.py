"""An array in an HDF5 file: what its header says, checked before anything is allocated, and its values.

The values lie in one piece, or in the header itself, or in chunks of equal shape that a B-tree finds and that may be
compressed. A piece is not read but handed out as a view of the file, which is mapped to memory.
"""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import WeightsError
from minidl.weights.stored import MOST_DIMENSIONS, Entry, Shape, as_native, checked_shape, widened

if TYPE_CHECKING:
    from minidl.weights.hdf5 import Window

Allow = Callable[[int, int], None]

LARGEST_CHUNK = 64 << 20  # bytes; HDF5's own choice stays below one MB
CHUNKS = 32_768
FILTERS = 8
_UNDEFINED = 0xFFFFFFFFFFFFFFFF
_DATASPACE, _DATATYPE, _EXTERNAL, _LAYOUT = 1, 3, 7, 8  # message types in the header
_COMPACT, _CONTIGUOUS, _CHUNKED, _VIRTUAL = range(4)  # layouts
_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3  # filters
# Of IEEE's floats by size: where exponent and mantissa begin, how many bits they have, and the exponent's bias.
_IEEE = {2: (10, 5, 0, 10, 15), 4: (23, 8, 0, 23, 127), 8: (52, 11, 0, 52, 1023)}


@dataclass(frozen=True)
class Dataset:
    """An array in a file, not yet read.

    Attributes:
        dtype: of the values as they are stored; ``bfloat16`` says that they are the upper halves of float32 numbers.
        path: where the array is in the file.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    bfloat16: bool
    path: str
    _window: Window
    _place: _Piece | _Chunks

    def entry(self) -> Entry:
        """The array for :class:`~minidl.weights.stored.Arrays`."""
        dtype = np.dtype(np.float32) if self.bfloat16 else self.dtype.newbyteorder("=")
        place = self._place
        same = (
            (place.start, self.shape, self.dtype.str)
            if isinstance(place, _Piece) and not place.content
            else None
        )
        return Entry(self.shape, dtype, self.load, 2 if self.bfloat16 else 1, same)

    def damaged(self, why: object) -> WeightsError:
        return self._window.file.damaged(f"its array {self.path!r}: {why}")

    def load(self) -> np.ndarray:
        """The values: a read-only view of the file where they lie there as they are, or a new array.

        Raises:
            WeightsError: compressed values are damaged.
        """
        place = self._place
        if isinstance(place, _Chunks):
            array = place.load(self)
        elif self.shape and 0 in self.shape:
            array = np.empty(self.shape, self.dtype)
        else:
            buffer = place.content or self._window.buffer
            start = place.start + (0 if place.content else self._window.start)
            array = np.frombuffer(buffer, self.dtype, math.prod(self.shape), start).reshape(self.shape)
            array.flags.writeable = False
        return widened(as_native(array)) if self.bfloat16 else as_native(array)


@dataclass(frozen=True)
class _Piece:
    """Values in one piece, from ``start`` on in the file, or in ``content``."""

    start: int
    content: bytes = b""


@dataclass(frozen=True)
class _Chunks:
    """Values in chunks of one ``shape``, each gone through ``filters``; by its first element, where it is stored."""

    shape: tuple[int, ...]
    filters: tuple[int, ...]
    stored: dict[tuple[int, ...], tuple[int, int, int]]  # first byte, bytes, mask of filters left out

    def load(self, dataset: Dataset) -> np.ndarray:
        array = np.empty(dataset.shape, dataset.dtype)
        size = math.prod(self.shape) * dataset.dtype.itemsize
        for first, (start, length, mask) in self.stored.items():
            content = _decode(dataset._window.read(start, length), self.filters, mask, size, dataset)
            chunk = np.frombuffer(content, dataset.dtype).reshape(self.shape)
            inside = tuple(slice(0, n - i) for i, n in zip(first, dataset.shape, strict=True))
            to = tuple(slice(i, i + c) for i, c in zip(first, self.shape, strict=True))
            array[to] = chunk[inside]
        return array


def dataset(header: Any, window: Window, path: str, strings: dict[str, list[str]], allow: Allow) -> Dataset:
    """The dataset that pyfive's ``header`` describes.

    Args:
        strings: the attributes that are strings.
        allow: sets how many reads and bytes pyfive may take from here on.

    Raises:
        WeightsError: it is no array of numbers, or its data lie outside the file, or its sizes contradict each other.
    """
    from pyfive.dataobjects import determine_data_shape

    where, file = f"its array {path!r}", window.file
    if header.find_msg_type(_EXTERNAL):
        raise file.refused(f"{where} is kept in another file, which minidl does not open")
    messages = {kind: header.find_msg_type(kind) for kind in (_DATASPACE, _DATATYPE, _LAYOUT)}
    if any(len(found) != 1 or found[0]["flags"] & 2 for found in messages.values()):
        raise file.damaged(f"{where}, or its type is defined elsewhere in the file")
    shape, _ = determine_data_shape(header.msg_data, messages[_DATASPACE][0]["offset_to_message"])
    if shape is None or len(shape) > MOST_DIMENSIONS:
        raise file.refused(f"{where} has {'no' if shape is None else len(shape)} dimensions")
    start = messages[_DATATYPE][0]["offset_to_message"]
    found = _dtype(header.msg_data[start : start + 24], strings)
    if found is None:
        raise file.refused(f"{where} must be of integers, float16, bfloat16, float32 or float64")
    dtype, bfloat16 = found
    shape, size = checked_shape(path, shape, dtype.itemsize)
    place = _place(header, shape, dtype, size, window, path, allow)
    return Dataset(shape, dtype, bfloat16, path, window, place)


def _place(
    header: Any, shape: Shape, dtype: np.dtype, size: int, window: Window, path: str, allow: Allow
) -> _Piece | _Chunks:
    """Where the ``size`` bytes are; all of them are in the file."""
    _, layout, start = header.get_id_storage_params()
    file = window.file
    if layout == _CHUNKED:
        return _chunks(header, shape, dtype, window, path, allow)
    if layout == _COMPACT:
        length = int.from_bytes(header.msg_data[start : start + 2], "little")
        content = header.msg_data[start + 2 : start + 2 + length]
        if len(content) < size:
            raise file.damaged(f"its array {path!r} has {len(content)} bytes for shape {shape}")
        return _Piece(0, content)
    if layout == _CONTIGUOUS:
        (start,) = struct.unpack_from("<Q", header.msg_data, start)
        if size and start + size > window.size:
            left = 0 if start == _UNDEFINED else max(0, window.size - start)
            raise file.damaged(f"its array {path!r} of shape {shape} has {left:,} bytes of {size:,}")
        return _Piece(start)
    what = "a virtual dataset, a view of other files" if layout == _VIRTUAL else f"of HDF5's layout {layout}"
    raise file.refused(f"its array {path!r} is {what}, which minidl does not read")


def _dtype(message: bytes, strings: dict[str, list[str]]) -> tuple[np.dtype, bool] | None:
    """NumPy's dtype for a datatype message, and whether the values are bfloat16 (then the dtype is uint16)."""
    kind, bits, _, _, size = struct.unpack_from("<BBBBI", message)
    order = ">" if bits & 1 else "<"
    if kind & 15 == 0 and size in (1, 2, 4, 8):  # integers
        if struct.unpack_from("<HH", message, 8) == (0, 8 * size):
            return np.dtype(f"{order}{'i' if bits & 8 else 'u'}{size}"), False
    elif kind & 15 == 1 and size in _IEEE and not bits & 64:  # floats; bit 6: the VAX's order of bytes
        offset, precision, *fields, bias = struct.unpack_from("<HHBBBBI", message, 8)
        if (offset, precision) == (0, 8 * size):
            if (*fields, bias) == _IEEE[size]:
                return np.dtype(f"{order}f{size}"), False
            if size == 2 and (*fields, bias) == (7, 8, 0, 7, 127):
                return np.dtype(f"{order}u2"), True
    elif kind & 15 == 5 and size == 2 and strings.get("dtype") == ["bfloat16"]:  # opaque: so Keras stores it
        return np.dtype("<u2"), True
    return None


def _chunks(header: Any, shape: Shape, dtype: np.dtype, window: Window, path: str, allow: Allow) -> _Chunks:
    """Where the chunks are; checked: that together they cover ``shape`` once, each within the file."""
    from pyfive.btree import BTreeV1RawDataChunks

    chunk, file, where = tuple(header.chunks), window.file, f"its array {path!r}"
    if len(chunk) != len(shape) or 0 in chunk or 0 in shape:
        raise file.damaged(f"{where} has chunks of shape {chunk} for shape {shape}")
    size = math.prod(chunk) * dtype.itemsize
    counts = [-(-n // c) for n, c in zip(shape, chunk, strict=True)]
    if (
        size > LARGEST_CHUNK
        or math.prod(counts) > CHUNKS
        or any(c > n for n, c in zip(shape, chunk, strict=True))
    ):
        raise file.refused(
            f"{where} is in {math.prod(counts):,} chunks of {size:,} bytes; minidl reads up to {CHUNKS:,} chunks "
            f"of up to {LARGEST_CHUNK:,} bytes, none of them larger than the array"
        )
    if header._chunk_address == _UNDEFINED:
        raise file.damaged(f"{where} has 0 of {math.prod(counts)} chunks")
    filters = tuple(one["filter_id"] for one in header.filter_pipeline or ())
    if not set(filters) <= {_DEFLATE, _SHUFFLE, _FLETCHER32} or len(filters) > FILTERS:
        raise file.refused(f"{where} is compressed by other filters than gzip, shuffle and fletcher32")
    allow(2 * math.prod(counts) + 256, 2 * math.prod(counts) * (16 + 8 * (len(shape) + 1)) + (256 << 10))
    tree = BTreeV1RawDataChunks(header.fh, header._chunk_address, len(chunk) + 1)
    longest = (
        size + size // 1000 + 1024 if filters else size
    )  # deflate adds 5 bytes to 16 KB it cannot compress
    stored: dict[tuple[int, ...], tuple[int, int, int]] = {}
    for node in tree.all_nodes[0]:
        for key, start in zip(node["keys"], node["addresses"], strict=True):
            first, length = key["chunk_offset"][:-1], key["chunk_size"]
            if length > longest or start + length > window.size or first in stored:
                raise file.damaged(f"{where} has a wrong chunk at {first}")
            stored[first] = (start, length, key["filter_mask"])
    grid = itertools.product(*(range(0, n, c) for n, c in zip(shape, chunk, strict=True)))
    if len(stored) != math.prod(counts) or not all(first in stored for first in grid):
        raise file.damaged(f"{where} has {len(stored)} of {math.prod(counts)} chunks, or other ones")
    return _Chunks(chunk, filters, stored)


def _decode(content: bytes, filters: tuple[int, ...], mask: int, size: int, dataset: Dataset) -> bytes:
    """A chunk of ``size`` bytes as it was before the filters; never more than a checksum's bytes beyond ``size``."""
    most = size + 4 * len(filters)
    for position in reversed(range(len(filters))):
        if mask >> position & 1:
            continue
        if filters[position] == _DEFLATE:
            stream = zlib.decompressobj()
            try:
                content = stream.decompress(content, most)
            except zlib.error as error:
                raise dataset.damaged(error) from error
            if not stream.eof:
                raise dataset.damaged(f"a chunk does not end at {size:,} bytes")
        elif filters[position] == _SHUFFLE:
            content = _unshuffled(content, dataset.dtype.itemsize)
        else:
            content = _checked(content, dataset)
    if len(content) != size:
        raise dataset.damaged(f"a chunk of {len(content):,} bytes, not {size:,}")
    return content


def _unshuffled(content: bytes, itemsize: int) -> bytes:
    """The values from their first bytes, then their second bytes ...; what is left over stands as it is."""
    whole = len(content) // itemsize * itemsize
    planes = np.frombuffer(content, np.uint8, whole).reshape(itemsize, -1)
    return planes.T.tobytes() + content[whole:]


def _checked(content: bytes, dataset: Dataset) -> bytes:
    """``content`` without the Fletcher-32 checksum at its end, which must fit."""
    body, given = content[:-4], content[-4:]
    words = np.frombuffer(body + b"\0" * (len(body) % 2), ">u2").astype(np.uint64)
    n = len(words)
    first = int(words.sum()) % 65535
    second = int((words * (np.arange(n, 0, -1, dtype=np.uint64) % 65535)).sum()) % 65535
    if len(given) < 4 or tuple(w % 65535 for w in struct.unpack("<HH", given)) != (first, second):
        raise dataset.damaged("its checksum does not fit")
    return body
