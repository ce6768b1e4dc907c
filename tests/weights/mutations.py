"""Damage done to files on purpose: bits, numbers, pieces; half of it in headers and metadata.

A mutation that a checksum would catch at once tests the checksum alone. A seed that is a zip archive is therefore also
taken apart, one of its records mutated, and put together again with the right sums and sizes.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

Spots = Sequence[tuple[int, int]]  # ranges of bytes

NUMBERS = [0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40,
           2**62, 2**63 - 1, 2**63, 2**64 - 1]  # fmt: skip
TEXTS = ["0", "-1", "1", "2", "3", "00", "1e9", "99", "65536", "4294967296", "9223372036854775807",
         "9223372036854775808", "99999999999999999999", "null", "true", "[]", "{}", '""', "NaN"]  # fmt: skip


@dataclass(frozen=True)
class Seed:
    """A whole file to begin with.

    Attributes:
        content: its bytes.
        spots: where its headers and metadata are.
        parts: if it is a zip archive, where those of each record's own content are.
    """

    content: bytes
    spots: Spots
    parts: dict[str, Spots] = field(default_factory=dict)


def mutated(seed: Seed, random: Random, others: Sequence[Seed] = ()) -> bytes:
    """The seed's file with one to four mutations; every second file has them in headers and metadata."""
    in_headers = random.random() < 0.5
    if seed.parts and random.random() < 0.5:
        return _repacked(seed, random, in_headers)
    return damaged(seed.content, random, seed.spots if in_headers else (), [o.content for o in others])


def damaged(content: bytes, random: Random, spots: Spots = (), others: Sequence[bytes] = ()) -> bytes:
    """``content`` with one to four mutations, in ``spots`` where some are given."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        begin, end = random.choice(list(spots)) if spots else (0, len(data))
        at = random.randrange(begin, max(begin + 1, min(end, len(data))))
        random.choice(MUTATIONS)(data, at, random)
        if not spots and others and random.random() < 0.05:
            other = random.choice(others)
            data[at:] = other[min(at, len(other)) :]
    return bytes(data)


def _repacked(seed: Seed, random: Random, in_headers: bool) -> bytes:
    """The archive with one record mutated, and the sums that belong to it."""
    chosen = random.choice([name for name in seed.parts if seed.parts[name] or not in_headers])
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(seed.content)) as archive, zipfile.ZipFile(out, "w") as new:
        for info in archive.infolist():
            content = archive.read(info)
            if info.filename == chosen:
                content = damaged(content, random, seed.parts[chosen] if in_headers else ())
            new.writestr(info.filename, content, info.compress_type)
    return out.getvalue()


def _flip(data: bytearray, at: int, random: Random) -> None:
    if at < len(data):
        data[at] ^= 1 << random.randrange(8)


def _byte(data: bytearray, at: int, random: Random) -> None:
    data[at : at + 1] = bytes([random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))])


def _number(data: bytearray, at: int, random: Random) -> None:
    """A number that is often a limit, or next to what stands there, or to the file's size."""
    length = random.choice((1, 2, 4, 4, 8, 8))
    order = random.choice(("little", "little", "big"))
    old = int.from_bytes(data[at : at + length], order)  # type: ignore[arg-type]
    value = random.choice((random.choice(NUMBERS), old + random.choice((-1, 1, 8)), len(data) - at, 2 * old))
    data[at : at + length] = (value % 256**length).to_bytes(length, order)  # type: ignore[arg-type]


def _text(data: bytearray, at: int, random: Random) -> None:
    """Another number, or word, for the next number written in digits."""
    if match := re.compile(rb"-?\d+").search(data, at, at + 200):
        data[match.start() : match.end()] = random.choice(TEXTS).encode()


def _delete(data: bytearray, at: int, random: Random) -> None:
    del data[at : at + random.choice((1, 1, 2, 4, 8, 16, 100))]


def _insert(data: bytearray, at: int, random: Random) -> None:
    data[at:at] = random.randbytes(random.choice((1, 1, 2, 4, 8, 16, 100)))


def _repeat(data: bytearray, at: int, random: Random) -> None:
    piece = data[at : at + random.choice((1, 2, 4, 8, 16, 64))]
    data[at:at] = piece * random.choice((1, 1, 2, 50))


def _move(data: bytearray, at: int, random: Random) -> None:
    """A piece of elsewhere over what stands here."""
    length = random.choice((1, 2, 4, 8, 16, 64))
    source = random.randrange(max(1, len(data)))
    data[at : at + length] = data[source : source + length]


def _exchange(data: bytearray, at: int, random: Random) -> None:
    length = random.choice((1, 4, 8, 16))
    here, there = data[at : at + length], data[at + length : at + 2 * length]
    data[at : at + 2 * length] = there + here


def _truncate(data: bytearray, at: int, random: Random) -> None:
    del data[at:]


MUTATIONS: tuple[Callable[[bytearray, int, Random], None], ...] = (
    _flip, _flip, _byte, _byte, _number, _number, _number, _text, _text, _delete, _insert,
    _repeat, _move, _exchange, _truncate,
)  # fmt: skip
