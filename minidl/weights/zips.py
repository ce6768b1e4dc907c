"""The table of contents of a zip archive, read with nothing taken on trust, and its records.

Python's ``zipfile`` takes much on trust: sizes, names, overlapping records. This reader takes an archive only if its
parts fit together without overlap, and knows where each record's bytes are, so that they can be mapped.

The format: PKWARE's APPNOTE.TXT, 6.3.
"""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.errors import ArgumentError, must
from minidl.weights.stored import MOST_ENTRIES, MappedFile

STORED, DEFLATED = 0, 8
END = struct.Struct(
    "<4s4H2LH"
)  # of the archive: signature, disks and counts, size and offset of the table, comment
END_64_PLACE = struct.Struct("<4sLQL")
END_64 = struct.Struct("<4sQ2H2L4Q")
CENTRAL = struct.Struct("<4s6H3L5H2L")
LOCAL = struct.Struct("<4s5H3L2H")
LARGEST_RATIO = 1032  # deflate's own limit
ALIGNMENT = 64  # of the records in the archives that minidl writes
LONGEST_COMMENT = 0xFFFF  # bytes
CHUNK = 2**20  # bytes inflated, or summed, at a time
_UNSAFE = re.compile(r"^[/\\]|^[A-Za-z]:|\\|\0|(^|/)\.\.(/|$)")


@dataclass(frozen=True, slots=True)
class Record:
    """A file in the archive: its name, and where its bytes are."""

    name: str
    method: int  # STORED or DEFLATED
    checksum: int  # CRC-32 of the unpacked bytes; 0 where a writer did not compute it
    packed: int  # bytes in the archive
    size: int  # bytes, unpacked
    header: int  # offset of the local header
    offset: int = 0  # of the packed bytes


def unsafe(name: str) -> bool:
    """Whether a record of that name would be unpacked elsewhere than into the folder given, or nowhere."""
    return not name or bool(_UNSAFE.search(name))


def records(file: MappedFile) -> tuple[dict[str, Record], bytes]:
    """The records of the archive by name, and its comment.

    Raises:
        WeightsError: it is truncated or damaged; or holds what no weight file does: encrypted or overlapping records,
            two of one name, names that lead out of a folder.
    """
    start, size, count, comment = _table(file)
    if count > MOST_ENTRIES:
        raise file.refused(f"it has {count:,} entries")
    found: dict[str, Record] = {}
    position = start
    for _ in range(count):
        record, position = _central(file, position, start + size)
        if record.name in found:
            raise file.refused(f"it has two entries named {record.name!r}")
        found[record.name] = record
    if position != start + size:
        raise file.damaged("its table of contents does not end where it should")
    previous, end = "", 0
    for record in sorted(found.values(), key=lambda r: r.header):
        if record.header < end:
            raise file.refused(f"its entries {previous!r} and {record.name!r} overlap")
        found[record.name] = placed = _local(file, record, start)
        previous, end = record.name, placed.offset + placed.packed
    return found, comment


def _table(file: MappedFile) -> tuple[int, int, int, bytes]:
    """Offset, size and number of entries of the table of contents, and the archive's comment."""
    content, where = file.content, file.size
    while (where := content.rfind(b"PK\5\6", max(0, file.size - END.size - 0xFFFF), where)) >= 0:
        if where + END.size <= file.size:
            _, disk, first, here, count, size, start, length = END.unpack_from(content, where)
            if where + END.size + length == file.size:
                break
    else:
        raise file.damaged("the end of the zip archive is missing")
    comment = content[where + END.size :]
    if where >= END_64_PLACE.size and content[where - END_64_PLACE.size :][:4] == b"PK\6\7":
        _, disk, place, _ = END_64_PLACE.unpack_from(content, where - END_64_PLACE.size)
        where -= END_64_PLACE.size
        if place > where - END_64.size or content[place : place + 4] != b"PK\6\6":
            raise file.damaged("the end of the zip64 archive is not where it should be")
        _, _, _, _, disk, first, here, count, size, start = END_64.unpack_from(content, place)
        where = place
    if disk or first or here != count:
        raise file.refused("it is a part of an archive of several")
    if start + size != where or size < count * CENTRAL.size:
        raise file.damaged("its table of contents is not where it should be")
    return start, size, count, comment


def _central(file: MappedFile, position: int, end: int) -> tuple[Record, int]:
    """The entry of the table at ``position``, and where the next one begins."""
    if position + CENTRAL.size > end or file.content[position : position + 4] != b"PK\1\2":
        raise file.damaged("its table of contents has other parts than it should")
    fields = CENTRAL.unpack_from(file.content, position)
    _, _, _, flags, method, _, _, checksum, packed, size, length, extra, comment, disk, _, _, header = fields
    after = position + CENTRAL.size + length + extra + comment
    if after > end:
        raise file.damaged("its table of contents has other parts than it should")
    position += CENTRAL.size
    name = _name(file, file.content[position : position + length], flags)
    more = file.content[position + length : position + length + extra]
    size, packed, header = _long(file, name, more, [size, packed, header])
    if flags & 0x2041:
        raise file.refused(f"its entry {name!r} is encrypted")
    if method not in (STORED, DEFLATED):
        raise file.refused(f"its entry {name!r} is compressed by method {method}; minidl knows deflate (8)")
    if disk not in (0, 0xFFFF):
        raise file.refused("it is a part of an archive of several")
    if (method == STORED and packed != size) or size > LARGEST_RATIO * (packed + 1):
        raise file.damaged(f"its entry {name!r} is said to unpack from {packed:,} bytes to {size:,}")
    return Record(name, method, checksum, packed, size, header), after


def _name(file: MappedFile, name: bytes, flags: int) -> str:
    try:
        text = name.decode("utf-8" if flags & 0x800 else "cp437")
    except UnicodeDecodeError as error:
        raise file.damaged(f"the name of an entry is no text: {error}") from None
    if unsafe(text):
        raise file.refused(f"the name of its entry {text!r} would lead out of the folder it is unpacked to")
    return text


def _long(file: MappedFile, name: str, extra: bytes, values: list[int]) -> list[int]:
    """``values``, with those that do not fit into 32 bits taken from the zip64 extra field."""
    wanted = [i for i, value in enumerate(values) if value == 0xFFFFFFFF]
    if not wanted:
        return values
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1 and min(length, len(extra) - 4) >= 8 * len(wanted):
            for i, value in zip(wanted, struct.unpack_from(f"<{len(wanted)}Q", extra, 4), strict=True):
                values[i] = value
            return values
        extra = extra[4 + length :]
    raise file.damaged(f"its entry {name!r} does not say how long it is")


def _local(file: MappedFile, record: Record, end: int) -> Record:
    """The record, with the place of its bytes, which its local header says; they must end before ``end``."""
    header = record.header
    if header + LOCAL.size > end or file.content[header : header + 4] != b"PK\3\4":
        raise file.damaged(f"its entry {record.name!r} is not where it should be")
    _, _, flags, _, _, _, _, _, _, length, extra = LOCAL.unpack_from(file.content, header)
    name = file.content[header + LOCAL.size : header + LOCAL.size + length]
    if name.decode("utf-8" if flags & 0x800 else "cp437", "replace") != record.name:
        raise file.damaged(f"its entry {record.name!r} calls itself {name[:200]!r}")
    offset = header + LOCAL.size + length + extra
    if offset + record.packed > end:
        raise file.damaged(f"its entry {record.name!r} does not end where it should")
    return Record(record.name, record.method, record.checksum, record.packed, record.size, header, offset)


def check_sum(file: MappedFile, record: Record) -> None:
    """Raise if the bytes of a stored record are not those that its checksum was made of."""
    checksum = 0
    with memoryview(file.content) as content:
        for begin in range(record.offset, record.offset + record.size, CHUNK):
            with content[begin : min(begin + CHUNK, record.offset + record.size)] as chunk:
                checksum = zlib.crc32(chunk, checksum)
    _compare(file, record, checksum)


def _compare(file: MappedFile, record: Record, checksum: int) -> None:
    # PyTorch writes 0 where it is told not to compute them.
    if checksum != record.checksum and record.checksum:
        raise file.damaged(f"the bytes of its entry {record.name!r} have changed (CRC-32)")


def chunks(file: MappedFile, record: Record) -> Iterator[bytes]:
    """The unpacked bytes of a record, piece by piece, never more than its size; the last piece only if all is well.

    Raises:
        WeightsError: they are more, or fewer, than the archive says, or other ones.
    """
    inflate = zlib.decompressobj(-15) if record.method == DEFLATED else None
    checksum = total = 0
    position, end = record.offset, record.offset + record.packed
    rest = b""
    while position < end or rest or (inflate and not inflate.eof):
        packed = rest or file.content[position : min(position + CHUNK, end)]
        if not rest:
            position += len(packed)
            if inflate:
                file.release(position - len(packed), len(packed))
        try:
            piece = inflate.decompress(packed, CHUNK) if inflate else packed
        except zlib.error as error:
            raise file.damaged(f"its entry {record.name!r}: {error}") from None
        rest = inflate.unconsumed_tail if inflate else b""
        total += len(piece)
        checksum = zlib.crc32(piece, checksum)
        if total > record.size or (inflate and inflate.eof and (rest or inflate.unused_data)):
            raise file.damaged(f"its entry {record.name!r} is longer than it should be")
        if not piece and not packed:
            break
        if total == record.size:
            _compare(file, record, checksum)
        yield piece
    if total != record.size or (inflate and not inflate.eof):
        raise file.damaged(f"its entry {record.name!r} is shorter than it should be")


def content(file: MappedFile, record: Record, limit: int) -> bytes:
    """All unpacked bytes of a record that shall have no more than ``limit``."""
    if record.size > limit:
        raise file.refused(f"its entry {record.name!r} has {record.size:,} bytes, which is too long for it")
    return b"".join(chunks(file, record))


def unpacked(file: MappedFile, record: Record, skip: int = 0) -> np.ndarray:
    """The bytes of a record after the first ``skip``, as a new array of uint8."""
    array = np.empty(record.size - skip, np.uint8)
    position = -skip
    for piece in chunks(file, record):
        begin = max(0, -position)
        target = array[max(0, position) : max(0, position + len(piece))]
        target[:] = np.frombuffer(piece, np.uint8)[begin:]
        position += len(piece)
    return array


def add(archive: zipfile.ZipFile, name: str, content: Iterable[bytes], method: int = STORED) -> None:
    """Write a record, piece by piece, so that its bytes begin at a multiple of 64 in the file."""
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # the same content makes the same file
    info.compress_type = method
    info.external_attr = 0o600 << 16
    # Python puts a zip64 field of 20 bytes before the extra field given here; the padding aligns what follows both.
    used = archive.fp.tell() + LOCAL.size + len(name.encode()) + 20 + 4  # type: ignore[union-attr]
    info.extra = struct.pack("<2H", 0x4C41, -used % ALIGNMENT) + bytes(-used % ALIGNMENT)
    with archive.open(info, "w", force_zip64=True) as record:
        for piece in content:
            record.write(piece)


def comment_of(metadata: Mapping[str, Any] | None) -> bytes:
    """Metadata as JSON, which minidl writes as the archive's comment.

    Raises:
        ArgumentError: that takes more than 65,535 bytes, or JSON has no such values.
    """
    try:
        comment = json.dumps(dict(metadata)).encode() if metadata else b""
    except (TypeError, ValueError) as error:
        raise ArgumentError(must("write", "metadata", "what JSON can hold", error)) from error
    if len(comment) > LONGEST_COMMENT:
        expected = f"at most {LONGEST_COMMENT:,} bytes as JSON"
        raise ArgumentError(must("write", "metadata", expected, f"{len(comment):,}"))
    return comment


def metadata_of(comment: bytes) -> dict[str, Any]:
    """What :func:`comment_of` wrote; another program's comment is no error."""
    try:
        metadata = json.loads(comment.decode("utf-8")) if comment else {}
    except (ValueError, RecursionError):
        return {}
    return metadata if isinstance(metadata, dict) else {}
