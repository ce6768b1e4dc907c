"""NumPy's ``.npz``: a zip archive of ``.npy`` files. No pickle in it is ever opened.

The arrays of an uncompressed archive are views of the mapped file; compressed ones are unpacked when asked for.
The format of a ``.npy`` file: numpy.lib.format's documentation, NEP 1.
"""

from __future__ import annotations

import itertools
import re
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from minidl.errors import ArgumentError, DTypeError, must
from minidl.weights import zips
from minidl.weights.files import File, writing
from minidl.weights.stored import (
    DTYPES,
    Entry,
    MappedFile,
    Shape,
    Stored,
    as_native,
    checked_shape,
    pieces,
    stored,
)

ENDING = ".npy"
MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 4096  # bytes; NumPy writes 128 for a plain dtype
_PAIR = r"""\s*(?:'descr'\s*:\s*(?P<descr{0}>'[^']*'|\[.*\])|'fortran_order'\s*:\s*(?P<order{0}>True|False)|
    'shape'\s*:\s*\((?P<shape{0}>[\d\s,L]*)\))\s*"""
_HEADER = re.compile(
    r"\{" + ",".join(_PAIR.format(i) for i in range(3)) + r",?\s*\}\s*", re.VERBOSE | re.DOTALL
)


def read(file: MappedFile, expect: Mapping[str, Shape] | None = None) -> Stored:
    """The arrays of the archive, by their names without ``.npy``.

    Raises:
        WeightsError: the file is damaged, or holds what is no array of numbers.
    """
    records, comment = zips.records(file)
    entries = {}
    for name, record in records.items():
        if not name.endswith(ENDING):
            raise file.refused(f"its entry {name!r} is no array: its name does not end in {ENDING}")
        entries[name.removesuffix(ENDING)] = entry(file, record)
    return stored(file, "npz", entries, zips.metadata_of(comment), expect)


def entry(file: MappedFile, record: zips.Record) -> Entry:
    """The array in a record, not read yet."""
    start = _start(file, record)
    length, dtype, fortran, dimensions = _header(file, record, start)
    try:
        shape, size = checked_shape(record.name, dimensions, dtype.itemsize)
    except ValueError as error:
        raise file.damaged(error) from None
    if length + size != record.size:
        raise file.damaged(
            f"its entry {record.name!r} has {record.size - length:,} bytes for an array of {size:,}"
        )
    native = dtype.newbyteorder("=")
    checked = False

    def load() -> np.ndarray:
        nonlocal checked
        if record.method == zips.STORED:
            if not checked:
                zips.check_sum(file, record)
            array = file.view(dtype, record.offset + length, (size // dtype.itemsize,))
        else:
            array = as_native(zips.unpacked(file, record, length).view(dtype))
        checked = True
        return array.reshape(shape, order="F" if fortran else "C")

    return Entry(shape, native, load)


def _start(file: MappedFile, record: zips.Record) -> bytes:
    """The first bytes of the unpacked record."""
    if record.method == zips.STORED:
        return file.content[record.offset : record.offset + min(record.size, LONGEST_HEADER + 12)]
    return next(zips.chunks(file, record), b"")[: LONGEST_HEADER + 12]


def _header(file: MappedFile, record: zips.Record, start: bytes) -> tuple[int, np.dtype, bool, list[int]]:
    """The length of the header, and what it says: dtype, whether it is in Fortran's order, shape."""
    if len(start) < 12 or not start.startswith(MAGIC) or start[6] not in (1, 2, 3):
        raise file.refused(f"its entry {record.name!r} is no array: it begins with {start[:8]!r}")
    length, begin = (
        (*struct.unpack_from("<H", start, 8), 10)
        if start[6] == 1
        else (*struct.unpack_from("<L", start, 8), 12)
    )
    text = start[begin : begin + length].decode("latin-1")
    match = _HEADER.fullmatch(text) if length <= LONGEST_HEADER and len(text) == length else None
    found = {key[:-1]: value for key, value in match.groupdict().items() if value} if match else {}
    if len(found) != 3 and not (len(found) == 2 and match and "'shape'" in text and "shape" not in found):
        raise file.damaged(f"the header of its entry {record.name!r} is {text[:100]!r}")
    numbers = [part.strip().removesuffix("L") for part in found.get("shape", "").split(",")]
    if any(len(number) > 19 for number in numbers):
        raise file.damaged(f"the shape of its entry {record.name!r} is ({found['shape'][:100]})")
    try:
        shape = [int(number) for number in numbers if number]
    except ValueError as error:
        raise file.damaged(f"the header of its entry {record.name!r}: {error}") from None
    return begin + length, _dtype(file, record.name, found["descr"]), found["order"] == "True", shape


_CODES = {np.dtype(name).str[1:]: name for name in DTYPES}


def _dtype(file: MappedFile, name: str, descr: str) -> np.dtype:
    order, code = descr[1:2], descr[2:-1]
    if not descr.startswith("'") or order not in "<>|=" or code not in _CODES:
        kind = "pickled Python objects, which could run code" if "O" in code else descr[:100]
        raise file.refused(f"its array {name!r} is of {kind}; minidl knows {', '.join(DTYPES)}")
    return np.dtype(("<" if order in "|=" else order) + code)


def write(
    f: File,
    arrays: Mapping[str, np.ndarray],
    metadata: Mapping[str, Any] | None = None,
    compressed: bool = False,
) -> None:
    """Write ``arrays`` as ``np.savez`` does, each at a multiple of 64 bytes, and ``metadata`` as the archive's comment.

    Raises:
        DTypeError: an array is not of numbers or bools.
        ArgumentError: a name cannot stand in an archive, or the metadata, as JSON, takes more than 65,535 bytes.
        OSError: the file cannot be written; one that was there is as it was.
    """
    comment = zips.comment_of(metadata)
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise DTypeError(
                must("write", f"the array {name!r}", f"of one of {', '.join(DTYPES)}", array.dtype)
            )
        if zips.unsafe(name):
            raise ArgumentError(must("write", "every name", "one of a file in an archive", repr(name)))
    with writing(f) as file, zipfile.ZipFile(file, "w") as archive:
        archive.comment = comment
        for name, array in arrays.items():
            _add(archive, name + ENDING, array, zips.DEFLATED if compressed else zips.STORED)


def _add(archive: zipfile.ZipFile, name: str, array: np.ndarray, method: int) -> None:
    """Add one array, piece by piece, so that no copy of it is made."""
    array = np.asarray(array, array.dtype.newbyteorder("<"))
    fortran = array.ndim > 1 and array.flags.f_contiguous and not array.flags.c_contiguous
    header = {"descr": array.dtype.str, "fortran_order": fortran, "shape": array.shape}
    text = repr(header).encode("latin-1")
    text += b" " * (-(10 + len(text) + 1) % zips.ALIGNMENT) + b"\n"
    start = MAGIC + b"\1\0" + struct.pack("<H", len(text)) + text
    zips.add(archive, name, itertools.chain([start], pieces(array.T if fortran else array)), method)
