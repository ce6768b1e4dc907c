"""Hugging Face's safetensors format: arrays by name and a dict of strings, in a file that cannot hold code.

The file: the header's length in 8 bytes, the header, the arrays' bytes one after the other. The header is JSON,
``{"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ..., "__metadata__": {"key": "value"}}``.

The ``safetensors`` package reads the same; it has no bfloat16 for NumPy, though, and copies each array, where those
here are mapped. The tests hold the two against each other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minidl.errors import DTypeError, WeightsError, must
from minidl.weights.files import File, writing
from minidl.weights.stored import (
    DTYPES,
    MOST_ENTRIES,
    SLACK,
    Entry,
    MappedFile,
    Shape,
    Stored,
    checked_shape,
    pieces,
    short,
    stored,
    widened,
)

LONGEST_HEADER = 100_000_000  # bytes, by the format's definition
BYTES_A_PART = 100  # of memory that a part of a JSON text (a number, a list ...) takes in Python
_BY_FORMAT = {
    d.replace("float", "F").replace("uint", "U").replace("int", "I").upper(): np.dtype(d).newbyteorder("<")
    for d in DTYPES
}
_BY_DTYPE = {dtype.newbyteorder("="): code for code, dtype in _BY_FORMAT.items()}
BF16 = "BF16"  # the upper half of a float32


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an array's bytes are in the file, and what they are."""

    code: str
    dtype: np.dtype  # of the bytes; of bfloat16, uint16
    shape: Shape
    begin: int
    end: int


def write(f: File, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Write ``arrays``, of any memory order, and ``metadata`` to ``f``; a file at a path is replaced whole.

    Raises:
        DTypeError: an array is of a dtype that the format, or NumPy, does not have; or the metadata are no strings.
        OSError: the file cannot be written; one that was there is as it was.
    """
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise DTypeError(
                must("write", f"the array {name!r}", f"of one of {', '.join(DTYPES)}", array.dtype)
            )
    if metadata and not all(isinstance(part, str) for pair in metadata.items() for part in pair):
        raise DTypeError(must("write", "metadata", "a dict of strings", metadata))
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": dict(metadata)}
    position = 0
    # The widest first, so that each begins at a multiple of its item's size.
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    for name in order:
        array = arrays[name]
        end = position + array.nbytes
        code = _BY_DTYPE[array.dtype.newbyteorder("=")]
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with writing(f) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            for piece in pieces(np.asarray(arrays[name], arrays[name].dtype.newbyteorder("<"))):
                file.write(piece)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays, writable and in C order, and the metadata of the file at ``path``.

    Raises:
        FileNotFoundError: there is none.
        WeightsError: it is something else, truncated or damaged, or holds a dtype that NumPy does not have.
    """
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(8)
        length = _check_start(start, str(path))
        places, metadata = _header(file.read(length), length, size, str(path))
        arrays = {}
        for name, place in places.items():
            dtype = _check_dtype(str(path), name, place)
            array = np.empty(place.shape, dtype)
            file.seek(8 + length + place.begin)
            if file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
                raise WeightsError(
                    f"load: {path} is truncated or damaged: it became shorter while it was read"
                )
            arrays[name] = array
    return arrays, metadata


def parse(content: bytes, file: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """:func:`read` for all that a file object gave; ``file`` is what errors call it."""
    if not content:
        raise WeightsError(f"load: {file} is empty, or at its end: seek(0) goes back to its beginning")
    length = _check_start(content[:8], file)
    places, metadata = _header(content[8 : 8 + length], length, len(content), file)
    arrays = {}
    for name, place in places.items():
        dtype = _check_dtype(file, name, place)
        flat = np.frombuffer(content, np.uint8, place.end - place.begin, 8 + length + place.begin)
        arrays[name] = flat.copy().view(dtype).reshape(place.shape)
    return arrays, metadata


def read_mapped(file: MappedFile, expect: Mapping[str, Shape] | None = None) -> Stored:
    """The arrays of the file as views of it; bfloat16 as float32, which holds each of its values.

    Raises:
        WeightsError: the file is damaged, or holds a dtype that NumPy does not have.
    """
    length = _check_start(file.content[:8], file.name)
    places, metadata = _header(file.content[8 : 8 + length], length, file.size, file.name)
    entries = {}
    for name, place in places.items():
        start = 8 + length + place.begin
        view = partial(file.view, place.dtype, start, place.shape)
        if place.code == BF16:
            entries[name] = Entry(
                place.shape, np.dtype(np.float32), partial(_widen, file, start, place.shape), 2
            )
        else:
            entries[name] = Entry(place.shape, _check_dtype(file.name, name, place).newbyteorder("="), view)
    return stored(file, "safetensors", entries, metadata, expect)


def _widen(file: MappedFile, start: int, shape: Shape) -> np.ndarray:
    """The float32 array of the bfloat16 there."""
    half = file.view(np.dtype("<u2"), start, shape)
    whole = widened(half)
    file.release(start, half.nbytes)
    return whole


def _check_start(start: bytes, file: str) -> int:
    """The length of the header, from the file's first 8 bytes."""
    length = int.from_bytes(start, "little")
    foreign = start.startswith((b"PK\x03\x04", b"\x89HDF"))  # zip, HDF5
    if foreign or len(start) < 8 or length > LONGEST_HEADER:
        got = f"one that begins with {start!r}" if start else "an empty file"
        if foreign:
            got = "what PyTorch or Keras writes: a network of minidl takes it by weights=, `minidl convert` rewrites it"
        raise WeightsError(must("load", file, "a safetensors file", got))
    return length


def _header(text: bytes, length: int, size: int, file: str) -> tuple[dict[str, _Place], dict[str, str]]:
    """The places of the arrays, and the metadata, that the header of a file of ``size`` bytes says.

    Raises:
        WeightsError: it is not of the form, or the places overlap, leave gaps, or end elsewhere than the file.
    """
    try:
        if len(text) < length:
            raise ValueError(f"the header should have {length:,} bytes, and there are {len(text):,}")
        header = _json(text, size)
        metadata = header.pop("__metadata__", None) or {}
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            raise ValueError("its metadata are no dict of strings")
        if len(header) > MOST_ENTRIES:
            raise ValueError(f"it has {len(header):,} arrays")
        places = {name: _place(name, entry) for name, entry in header.items()}
        _check_places(places, size - 8 - length)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"load: {file} is truncated or damaged: {error}") from error
    return places, metadata


def _json(text: bytes, size: int) -> dict[str, Any]:
    """The header's dict; names in it stand once."""
    memory = sum(text.count(mark) for mark in (b",", b"[", b"{", b":")) * BYTES_A_PART
    memory += len(text) * (3 if text.isascii() else 9)  # as bytes, as text, as the strings in it
    if memory > size + SLACK:
        raise ValueError(f"a header of {len(text):,} bytes with more parts than a file needs")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("its header has two entries of one name")
        return found

    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise ValueError(f"the header is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise ValueError("the header is no dict")
    return header


def _place(name: str, entry: Any) -> _Place:
    """One entry of the header."""
    match entry:
        case {"dtype": str(code), "shape": list(shape), "data_offsets": [int(begin), int(end)], **rest} if (
            not rest and 0 <= begin <= end
        ):
            pass
        case _:
            raise ValueError(f"the entry of {name!r} is {short(entry)}")
    dtype = np.dtype("<u2") if code == BF16 else _BY_FORMAT.get(code, np.dtype(np.uint8))
    dimensions, nbytes = checked_shape(name, shape, dtype.itemsize)
    known = code == BF16 or code in _BY_FORMAT  # the size of others is not; they are refused later, by name
    if known and end - begin != nbytes:
        raise ValueError(f"{name!r} has {end - begin:,} bytes for an array of {nbytes:,}")
    return _Place(code, dtype, dimensions, begin, end)


def _check_places(places: dict[str, _Place], size: int) -> None:
    """Raise unless the arrays fill the rest of the file, one after the other."""
    position = 0
    for name, place in sorted(places.items(), key=lambda item: (item[1].begin, item[1].end)):
        if place.begin != position:
            what = "overlaps another" if place.begin < position else "leaves a gap before it"
            raise ValueError(f"{name!r}, at byte {place.begin:,}, {what}")
        position = place.end
    if position != size:
        raise ValueError(f"the arrays should have {position:,} bytes, and there are {size:,}")


def _check_dtype(file: str, name: str, place: _Place) -> np.dtype:
    """NumPy's dtype for what the format spells "F32" or "BOOL"."""
    if place.code not in _BY_FORMAT:
        raise WeightsError(
            must("load", f"tensor {name!r} in {file}", f"of one of {', '.join(DTYPES)}", place.code)
        )
    return _BY_FORMAT[place.code]
