"""NumPy's archives: what np.savez wrote is read, np.load reads what minidl writes, and hostile ones are refused."""

from __future__ import annotations

import io
import os
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from archives import assert_same, npy, packed, sample_arrays, zip_file

from minidl import weights
from minidl.errors import ArgumentError, WeightsError
from minidl.weights import npz, stored, zips

SAVERS = pytest.mark.parametrize("save", [np.savez, np.savez_compressed])


def refused(path: Path, message: str) -> None:
    start = time.process_time()
    with pytest.raises(WeightsError) as raised:
        [array.sum() for array in weights.read(path).arrays.values()]
    assert time.process_time() - start < 5
    assert str(raised.value).startswith(f"load: {path} ")
    assert message in str(raised.value), str(raised.value)


@SAVERS
def test_what_numpy_wrote(save: Any, tmp_path: Path) -> None:
    arrays = sample_arrays() | {
        "größe": np.ones(2),
        "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    }
    save(tmp_path / "net.npz", **arrays)
    read = weights.read(tmp_path / "net.npz")
    assert read.format == "npz"
    assert read.metadata == {}
    assert_same(read.arrays, arrays)
    assert read.arrays["fortran"].flags.f_contiguous


@SAVERS
def test_the_other_byte_order(save: Any, tmp_path: Path) -> None:
    arrays = {name: a.astype(a.dtype.newbyteorder(">")) for name, a in sample_arrays().items()}
    save(tmp_path / "net.npz", **arrays)
    assert_same(weights.read(tmp_path / "net.npz").arrays, sample_arrays())


def test_what_others_wrote(tmp_path: Path) -> None:
    """Headers without NumPy's last comma, of Python 2, of versions 2 and 3, in another order."""
    data = np.arange(3, dtype=np.float32).tobytes()
    texts = [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3L,), }   \n",
        "{'shape': (3,), 'fortran_order': True, 'descr': '=f4'}",
        "{'descr':'<f4','fortran_order':False,'shape':(3,),}",
    ]
    records = [packed(f"a{i}.npy", npy(text=text, data=data)) for i, text in enumerate(texts)]
    records += [packed(f"v{version}.npy", npy(data=data, version=version)) for version in (2, 3)]
    arrays = weights.read(zip_file(tmp_path / "net", *records)).arrays
    assert len(arrays) == 6
    for array in arrays.values():
        np.testing.assert_array_equal(array, [0, 1, 2])


def test_numpy_reads_what_minidl_writes(tmp_path: Path) -> None:
    arrays = sample_arrays()
    for compressed in (False, True):
        with (tmp_path / "net.npz").open("wb") as file:
            npz.write(file, arrays, {"epoch": 3}, compressed)
        with np.load(tmp_path / "net.npz") as loaded:
            assert loaded.files == list(arrays)
            for name, array in arrays.items():
                assert loaded[name].dtype == array.dtype
                np.testing.assert_array_equal(loaded[name], array)
    assert zipfile.ZipFile(tmp_path / "net.npz").testzip() is None


def test_uncompressed_arrays_are_mapped_and_minidls_are_aligned(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.float64).reshape(4, 6)
    np.savez(tmp_path / "numpy.npz", w=array)
    weights.write(tmp_path / "minidl.npz", {"w": array})
    for name in ("numpy", "minidl"):
        arrays = weights.read(tmp_path / f"{name}.npz").arrays
        assert np.shares_memory(arrays["w"], arrays["w"])
        assert not arrays["w"].flags.writeable
    start = arrays["w"].__array_interface__["data"][0]
    assert start % 64 == 0


def test_archives_of_more_than_four_gigabytes_have_longer_fields(tmp_path: Path) -> None:
    """The forms of zip64, in an archive that does not need them."""
    data = npy(data=np.arange(3, dtype=np.float32).tobytes())
    length = struct.pack("<2H2Q", 1, 16, len(data), len(data))
    odd = struct.pack("<2H3s", 0x4C41, 3, b"abc")
    record = packed("w.npy", data, size=2**32 - 1, packed=2**32 - 1, extra=odd + length)
    path = zip_file(tmp_path / "net", record)
    np.testing.assert_array_equal(weights.read(path).arrays["w"], [0, 1, 2])
    content = path.read_bytes()
    end = content.rindex(b"PK\5\6")
    _, _, _, _, count, size, start, _ = zips.END.unpack(content[end:])
    longer = zips.END_64.pack(b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
    longer += zips.END_64_PLACE.pack(b"PK\6\7", 0, end, 1)
    path.write_bytes(
        content[:end] + longer + zips.END.pack(b"PK\5\6", 0, 0, count, count, 2**32 - 1, 2**32 - 1, 0)
    )
    np.testing.assert_array_equal(weights.read(path).arrays["w"], [0, 1, 2])
    path.write_bytes(
        content[:end] + longer.replace(struct.pack("<Q", end), struct.pack("<Q", end + 1)) + content[end:]
    )
    refused(path, "the end of the zip64 archive is not where it should be")
    refused(
        zip_file(path, packed("w.npy", data, size=2**32 - 1, packed=2**32 - 1)), "does not say how long it is"
    )
    big = struct.pack("<2H2Q", 1, 16, 2**50, 2**50)
    refused(
        zip_file(path, packed("w.npy", data, size=2**32 - 1, packed=2**32 - 1, extra=big)),
        "does not end where it",
    )


GOOD = npy()
ARCHIVES = {
    # Names.
    "two of one name": ([packed("w.npy", GOOD), packed("w.npy", GOOD)], {}, "it has two entries named 'w.npy'"),
    "a path upwards": ([packed("../w.npy", GOOD)], {}, "the name of its entry '../w.npy' would lead out"),
    "a path upwards within": ([packed("a/../../w.npy", GOOD)], {}, "the name of its entry 'a/../../w.npy' would"),
    "an absolute path": ([packed("/etc/w.npy", GOOD)], {}, "the name of its entry '/etc/w.npy' would lead out"),
    "a drive": ([packed("C:w.npy", GOOD)], {}, "the name of its entry 'C:w.npy' would lead out"),
    "a path of Windows": ([packed("a\\w.npy", GOOD)], {}, "would lead out"),
    "a zero in a name": ([packed("w\0.npy", GOOD)], {}, "would lead out"),
    "no name": ([packed("", GOOD), packed("w.npy", GOOD)], {}, "would lead out"),
    "another name inside": ([packed("w.npy", GOOD, local_name="v.npy")], {},
        "its entry 'w.npy' calls itself b'v.npy'"),
    # Bytes.
    "encrypted": ([packed("w.npy", GOOD, flags=1)], {}, "its entry 'w.npy' is encrypted"),
    "another method": ([packed("w.npy", GOOD, method=12)], {}, "its entry 'w.npy' is compressed by method 12"),
    "a changed byte": ([packed("w.npy", GOOD, data=GOOD[:-1] + b"x")], {},
        "the bytes of its entry 'w.npy' have changed"),
    "a changed packed byte": ([packed("w.npy", GOOD, method=8, crc=5)], {},
        "the bytes of its entry 'w.npy' have changed"),
    "longer than said": ([packed("w.npy", GOOD + b"x", method=8, size=len(GOOD))], {}, "is longer than it should be"),
    "shorter than said": ([packed("w.npy", GOOD[:-1], method=8, size=len(GOOD))], {}, "is shorter than it should be"),
    "no deflate stream": ([packed("w.npy", GOOD, method=8, data=b"\xff" * 90)], {}, "its entry 'w.npy': Error -3"),
    "a cut deflate stream": ([packed("w.npy", GOOD, method=8, data=b"\x03")], {},
        "'w.npy' is no array: it begins with b''"),
    "stored and longer": ([packed("w.npy", GOOD, size=len(GOOD) + 1)], {}, "its entry 'w.npy' is said to unpack from"),
    "more than deflate can": ([packed("w.npy", GOOD, method=8, size=2**31)], {}, "is said to unpack from"),
    "one inside the other": ([packed("a.npy", GOOD), packed("b.npy", GOOD, offset=0)], {}, "'b.npy' overlap"),
    "half inside": ([packed("a.npy", GOOD, packed=150, size=150), packed("b.npy", GOOD)], {},
        "'a.npy' and 'b.npy' overlap"),
    "past the end": ([packed("w.npy", GOOD, packed=2**30, size=2**30)], {}, "its entry 'w.npy' does not end where it"),
    "an offset past the end": ([packed("v.npy", GOOD), packed("w.npy", GOOD, offset=2**30)], {},
        "its entry 'w.npy' is not where it should be"),
    "an offset into the table": ([packed("a.npy", GOOD), packed("w.npy", GOOD, offset=180)], {},
        "is not where it should be"),
    # The end.
    "a part of several": ([packed("w.npy", GOOD)], {"disk": 1}, "it is a part of an archive of several"),
    "more entries": ([packed("w.npy", GOOD)], {"count": 2}, "its table of contents is not where it should be"),
    "fewer entries": ([packed("a.npy", GOOD), packed("b.npy", GOOD)], {"count": 1}, "does not end where it should"),
    "65,535 entries": ([packed("w.npy", GOOD)], {"count": 65535}, "its table of contents is not where it should be"),
    "a table elsewhere": ([packed("w.npy", GOOD)], {"start": 2**31},
        "its table of contents is not where it should be"),
    "a long table": ([packed("w.npy", GOOD)], {"size": 2**31}, "its table of contents is not where it should be"),
    # What is no array.
    "another file": ([packed("w.npy", b"hello, world")], {},
        "its entry 'w.npy' is no array: it begins with b'hello, w'"),
    "nothing": ([packed("w.npy", b"")], {}, "its entry 'w.npy' is no array: it begins with b''"),
    "version 4": ([packed("w.npy", npy(version=4))], {}, "is no array: it begins with b'\\x93NUMPY\\x04\\x00'"),
}  # fmt: skip


@pytest.mark.parametrize("what", ARCHIVES)
def test_hostile_archives(what: str, tmp_path: Path) -> None:
    records, end, message = ARCHIVES[what]
    refused(zip_file(tmp_path / "net.npz", *records, **end), message)


HEADERS = {
    "objects": ({"descr": "'|O'"}, "is of pickled Python objects, which could run code"),
    "objects in a record": ({"descr": "[('a', '|O')]"}, "is of pickled Python objects, which could run code"),
    "a record": ({"descr": "[('a', '<f4')]"}, "its array 'w.npy' is of [('a', '<f4')]; minidl knows float16, float32"),
    "text": ({"descr": "'<U7'"}, "its array 'w.npy' is of '<U7'"),
    "dates": ({"descr": "'<M8[ns]'"}, "is of '<M8[ns]'"),
    "complex numbers": ({"descr": "'<c8'"}, "is of '<c8'"),
    "raw bytes": ({"descr": "'|V4'"}, "is of '|V4'"),
    "no dtype": ({"descr": "''"}, "is of ''"),
    "terabytes": ({"shape": "(1099511627776, 1024)"}, "has 12 bytes for an array of 4,503,599,627,370,496"),
    "more than 64 bits": ({"shape": "(9223372036854775807, 9)"}, "the shape of 'w.npy' is"),
    "a huge number": ({"shape": "(" + "9" * 3000 + ",)"}, "the shape of its entry 'w.npy' is (9999"),
    "empty, but huge": ({"shape": "(0, 9223372036854775807, 9)", "data": b""}, "the shape of 'w.npy' is"),
    "too many dimensions": ({"shape": "(" + "1, " * 40 + ")"}, "the shape of 'w.npy' has 40 dimensions"),
    "a negative dimension": ({"shape": "(-3,)"}, "the header of its entry 'w.npy' is"),
    "two numbers in one": ({"shape": "(3 3,)"}, "the header of its entry 'w.npy'"),
    "a shape that is none": ({"shape": "3"}, "the header of its entry 'w.npy' is"),
    "too few bytes": ({"data": bytes(11)}, "has 11 bytes for an array of 12"),
    "too many bytes": ({"data": bytes(13)}, "has 13 bytes for an array of 12"),
    "an expression": ({"shape": "(__import__('os').system('touch ran'),)"}, "the header of its entry 'w.npy' is"),
    "parentheses": ({"text": "(" * 3000}, "the header of its entry 'w.npy' is '((((("),
    "a long header": ({"text": "{" + " " * 5000}, "the header of its entry 'w.npy' is"),
    "a long header, said": ({"text": "{", "version": 2, "data": b"", "length": 2**32 - 1}, "the header of its entry"),
    "a key twice": ({"text": "{'descr': '<f4', 'descr': '<f8', 'shape': (3,)}"}, "the header of its entry 'w.npy' is"),
    "a key less": ({"text": "{'descr': '<f4', 'shape': (3,)}"}, "the header of its entry 'w.npy' is"),
}  # fmt: skip


@pytest.mark.parametrize("method", [zips.STORED, zips.DEFLATED])
@pytest.mark.parametrize("what", HEADERS)
def test_hostile_headers(what: str, method: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options, message = HEADERS[what]
    content = npy(**{key: value for key, value in options.items() if key != "length"})
    if "length" in options:
        content = content[:8] + struct.pack("<L", options["length"]) + content[12:]  # type: ignore[operator]
    refused(zip_file(tmp_path / "net.npz", packed("w.npy", content, method=method)), message)
    assert [p.name for p in tmp_path.iterdir()] == ["net.npz"]


def test_pickles_of_numpy_are_not_opened(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    np.savez(tmp_path / "net.npz", w=np.array([Evil()], object))
    refused(tmp_path / "net.npz", "its array 'w.npy' is of pickled Python objects, which could run code")
    assert not (tmp_path / "ran").exists()


def bomb(path: Path, count: int, megabytes: int) -> Path:
    shape = f"({megabytes * 2**18},)"
    content = npy(shape=shape, data=bytes(megabytes * 2**20))
    return zip_file(path, *(packed(f"w{i}.npy", content, method=8) for i in range(count)))


def test_names_that_are_no_text(tmp_path: Path) -> None:
    path = zip_file(tmp_path / "net", packed("wé.npy", GOOD))
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))
    refused(path, "the name of an entry is no text: 'utf-8' codec can't decode")


def test_what_unpacks_to_much_is_refused_unless_expected(tmp_path: Path) -> None:
    path = bomb(tmp_path / "net.npz", 5, 20)
    refused(path, "that unpacks to 104,857,600. Should a network need that many, give their names and shapes")
    expect = {f"w{i}": (20 * 2**18,) for i in range(5)}
    assert sum(a.nbytes for a in weights.read(path, expect).arrays.values()) == 100 * 2**20
    assert len(weights.read(bomb(path, 3, 20)).arrays) == 3  # within the 64 MB that any file may take


def test_more_entries_than_any_network_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "MOST_ENTRIES", 3)
    refused(zip_file(tmp_path / "net", *(packed(f"{i}.npy", GOOD) for i in range(4))), "it has 4 entries")
    assert stored.MOST_ENTRIES == 100_000


def test_truncated_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    np.savez_compressed(path, w=np.arange(5.0), v=np.ones((2, 2), np.float32))
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(
            WeightsError, match=r"net\.npz (is truncated or damaged|cannot be read|must be a weight file)"
        ):
            weights.read(path)


def test_each_flipped_bit_is_noticed_or_harmless(tmp_path: Path) -> None:
    path, want = tmp_path / "net.npz", np.arange(5.0)
    np.savez(path, w=want)
    content = bytearray(path.read_bytes())
    noticed = 0
    for bit in range(0, 8 * len(content), 3):
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        content[bit // 8] ^= 1 << bit % 8
        try:
            ((_, got),) = weights.read(path).arrays.items()
            np.testing.assert_array_equal(got, want)  # a date, or a version
        except WeightsError:
            noticed += 1
    assert noticed > 0.7 * 8 * len(content) / 3


def test_wrong_calls_of_the_writer(tmp_path: Path) -> None:
    for name in ("../w", "/w", "a\\b", "", "C:w"):
        with pytest.raises(
            ArgumentError, match=r"write: every name must be one of a file in an archive, got "
        ):
            weights.write(tmp_path / "net.npz", {name: np.ones(1)})
    with pytest.raises(
        ArgumentError, match=r"write: metadata must be at most 65,535 bytes as JSON, got 70,0"
    ):
        weights.write(tmp_path / "net.npz", {}, metadata={"text": "x" * 70_000})


def test_a_comment_of_others_is_no_metadata(tmp_path: Path) -> None:
    for comment in (b"made by hand", b"[1]", b"[" * 5000, b"\xff", b"\0{\0}"):
        assert weights.read(zip_file(tmp_path / "net", packed("w.npy", GOOD), comment=comment)).metadata == {}


def test_large_arrays_of_any_order_are_written_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.arange(4 * 5 * 6, dtype=np.int32).reshape(4, 5, 6)
    for shown in (array, array.T, array[::2], array[:, ::2].transpose(2, 0, 1), array[:0], np.array(3)):
        for most in (1, 8, 50, 10_000):
            assert b"".join(stored.pieces(shown, most)) == shown.tobytes()
    written = io.BytesIO()
    npz.write(written, {"w": array.transpose(1, 2, 0)})
    np.testing.assert_array_equal(np.load(io.BytesIO(written.getvalue()))["w"], array.transpose(1, 2, 0))
