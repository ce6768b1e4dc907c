"""Reading HDF5: every layout of arrays that h5py writes, and files that are damaged, or made to do damage."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from minidl.errors import WeightsError
from minidl.random import stream

h5py = pytest.importorskip("h5py", reason="writes the files to be read")
pytest.importorskip("pyfive", reason="reads HDF5")

from minidl.weights import hdf5  # noqa: E402
from minidl.weights.hdf5 import Tree, Window  # noqa: E402
from minidl.weights.stored import MappedFile, release  # noqa: E402


def read(path: Path) -> Tree:
    file = MappedFile(path)
    return hdf5.read(Window(file, 0, file.size))


def written(path: Path, fill: Callable, **options) -> Path:
    with h5py.File(path, "w", **options) as file:
        fill(file)
    return path


# ---- arrays ----


def every_layout(file) -> None:
    random = stream(1)
    big = random.standard_normal((100, 37)).astype(np.float32)
    file.create_dataset("all", data=big, chunks=(16, 10), compression="gzip", shuffle=True, fletcher32=True)
    file.create_dataset("gzip", data=random.standard_normal((3, 3, 5, 7)), chunks=True, compression=9)
    file.create_dataset("shuffled", data=big.astype(">f8"), chunks=(50, 37), shuffle=True)
    odd, long = random.integers(0, 255, 1001), random.integers(0, 65535, 700_000)
    file.create_dataset("sum of odd bytes", data=odd.astype(np.uint8), chunks=(77,), fletcher32=True)
    file.create_dataset("sum", data=long.astype(np.uint16), chunks=(300_000,), fletcher32=True)
    file.create_dataset("chunked", data=big, chunks=(7, 37))
    for dtype in (">f4", "<f2", ">f2", "f8", "i1", ">i2", "i4", "i8", "u1", "u2", ">u4", "u8"):
        file[f"types/{dtype}"] = (50 * random.random((4, 5))).astype(dtype)
    file["scalar"], file["empty"], file["one"] = (
        np.float32(3),
        np.zeros((0, 3), np.float32),
        np.float64([[[2]]]),
    )
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((4,))
    compact = h5py.h5d.create(file.id, b"compact", h5py.h5t.IEEE_F32LE, space, plist)
    compact.write(space, space, np.float32([1, 2, 3, 4]))
    for i in range(300):
        file[f"many/x{i}"] = np.float32([i])


def test_every_layout(tmp_path):
    path = written(tmp_path / "w.h5", every_layout)
    tree = read(path)
    with h5py.File(path) as file:
        paths = []
        file.visititems(lambda name, item: paths.append(name) if isinstance(item, h5py.Dataset) else None)
        assert sorted(tree.datasets) == sorted(paths)
        for name, dataset in tree.datasets.items():
            array, entry = dataset.load(), dataset.entry()
            assert entry.shape == array.shape == file[name].shape
            assert entry.dtype == array.dtype == file[name].dtype.newbyteorder("=")
            np.testing.assert_array_equal(array, file[name][()], err_msg=name)


def few(file) -> None:
    group = file.create_group("few", track_order=True)
    group["b"], group["a"] = np.float32([1]), np.float32(2)
    group.attrs["name"], group.attrs["list"], group.attrs["number"] = "hey", ["a", "", "bb"], 3
    for i in range(100):
        file[f"many/x{i}"] = np.float32([i])


@pytest.mark.parametrize("libver", ["earliest", "v110", "latest"])
def test_layouts_of_all_versions(tmp_path, libver):
    """The newer ones keep links in headers, or in heaps and B-trees of the second version."""
    tree = read(written(tmp_path / "w.h5", few, libver=libver))
    assert set(tree.datasets) == {"few/a", "few/b", *(f"many/x{i}" for i in range(100))}
    assert tree.datasets["few/a"].load() == 2
    assert tree.datasets["many/x42"].load() == 42
    assert tree.groups["few"].strings == {"name": ["hey"], "list": ["a", "", "bb"]}


def test_arrays_in_one_piece_are_views_of_the_file(tmp_path):
    dataset = read(written(tmp_path / "w.h5", lambda f: f.create_dataset("x", data=np.ones(5)))).datasets["x"]
    array = dataset.load()
    assert not array.flags.owndata
    assert not array.flags.writeable
    release(array)  # its pages come back from the file
    np.testing.assert_array_equal(array, np.ones(5))
    release(np.ones(3))  # no view of a file: nothing to do


def test_what_is_not_entered_is_not_read(tmp_path):
    path = written(tmp_path / "w.h5", few)
    file = MappedFile(path)
    tree = hdf5.read(Window(file, 0, file.size), lambda p: p != "many")
    assert set(tree.datasets) == {"few/a", "few/b"}


# ---- what is refused ----


def soft(file) -> None:
    file["x"] = np.ones(3)
    file["alias"] = h5py.SoftLink("/x")


def external(file) -> None:
    file["inner/elsewhere"] = h5py.ExternalLink("/etc/passwd", "/x")


def outside(file) -> None:
    file.create_dataset("x", (3,), "u1", external=[("/etc/passwd", 0, 3)])


def virtual(file) -> None:
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3,))
    file.create_virtual_dataset("x", layout)


def circle(file) -> None:
    group = file.create_group("a")
    group.create_group("b")["c"] = group


def deep(file) -> None:
    file["/".join("a" * 40)] = np.ones(1)


def named_type(file) -> None:
    file["type"] = np.dtype("f4")
    file.create_dataset("x", data=np.ones(3, "f4"), dtype=file["type"])


def bomb(file) -> None:
    """A chunk of 4 KB of zeros that are 4 MB, in an array of 4 KB."""
    data = file.create_dataset("x", (1024,), "f4", chunks=(1024,), compression="gzip")
    data.id.write_direct_chunk((0,), zlib.compress(bytes(4 << 20)))


def short(file) -> None:
    data = file.create_dataset("x", (1024,), "f4", chunks=(1024,), compression="gzip")
    data.id.write_direct_chunk((0,), zlib.compress(bytes(4000)))


def no_deflate(file) -> None:
    data = file.create_dataset("x", (1024,), "f4", chunks=(1024,), compression="gzip")
    data.id.write_direct_chunk((0,), bytes(100))


def wrong_sum(file) -> None:
    data = file.create_dataset("x", (4,), "f4", chunks=(4,), fletcher32=True)
    data.id.write_direct_chunk((0,), bytes(16) + b"abcd")


def dense_attributes(file) -> None:
    for i in range(20):
        file.attrs[f"a{i}"] = "x"


def many_filters(file) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((4,))
    for _ in range(12):
        plist.set_deflate(1)
    space = h5py.h5s.create_simple((4,))
    h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F32LE, space, plist).write(space, space, np.ones(4, "f4"))


REFUSED = {
    "soft link": (soft, "a soft link at 'alias', which minidl does not follow"),
    "external link": (external, "an external link at 'inner', which minidl does not follow"),
    "external storage": (outside, "its array 'x' is kept in another file"),
    "virtual dataset": (virtual, "its array 'x' is a virtual dataset, a view of other files"),
    "circle": (circle, "its group 'a/b/c' is linked to twice, or holds itself"),
    "depth": (deep, "more groups and arrays than a file of weights needs"),
    "strings": (lambda f: f.update(x=b"hello"), "must be of integers, float16"),
    "lists": (lambda f: f.create_dataset("x", (2,), h5py.vlen_dtype("f4")), "must be of integers, float16"),
    "records": (lambda f: f.create_dataset("x", (2,), "f4,i4"), "must be of integers, float16"),
    "opaque": (lambda f: f.create_dataset("x", (2,), "V2"), "must be of integers, float16"),
    "nothing": (lambda f: f.create_dataset("x", data=h5py.Empty("f4")), "its array 'x' has no dimensions"),
    "unwritten": (
        lambda f: f.create_dataset("x", (10**12,), "f4"),
        "of shape (1000000000000,) has 0 bytes of 4,000,",
    ),
    "unwritten chunks": (lambda f: f.create_dataset("x", (9,), "f4", chunks=(4,)), "has 0 of 3 chunks"),
    "no end of chunks": (
        lambda f: f.create_dataset("x", (10**12,), "f4", chunks=(4,)),
        "in 250,000,000,000 chunks",
    ),
    "large chunks": (
        lambda f: f.create_dataset("x", (2**26,), "f4", chunks=(2**26,)),
        "1 chunks of 268,435,456 bytes",
    ),
    "lzf": (lambda f: f.create_dataset("x", data=np.ones(9), compression="lzf"), "other filters than gzip"),
    "filters": (many_filters, "other filters than gzip"),
    "named type": (named_type, "is neither a group nor an array|defined elsewhere"),
    "user block": (lambda f: None, "data begin inside the file|is no HDF5 file"),
    "dense attributes": (dense_attributes, "attributes in HDF5's dense layout"),
}
DAMAGED_DATA = {
    "bomb": (bomb, "a chunk does not end at 4,096 bytes"),
    "short chunk": (short, "a chunk of 4,000 bytes, not 4,096"),
    "no deflate": (no_deflate, "unknown compression method"),
    "checksum": (wrong_sum, "its checksum does not fit"),
}
OPTIONS = {"user block": {"userblock_size": 512}, "dense attributes": {"libver": "latest"}}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path, case):
    fill, message = REFUSED[case]
    path = written(tmp_path / "w.h5", fill, **OPTIONS.get(case, {}))
    with pytest.raises(WeightsError) as caught:
        read(path)
    assert str(caught.value).startswith(f"load: {path} ")
    assert any(part in str(caught.value) for part in message.split("|")), str(caught.value)


@pytest.mark.parametrize("case", DAMAGED_DATA)
def test_damaged_data(tmp_path, case):
    fill, message = DAMAGED_DATA[case]
    dataset = read(written(tmp_path / "w.h5", fill)).datasets["x"]
    with pytest.raises(WeightsError, match=f"its array 'x': .*{message}"):
        dataset.load()


def test_a_bomb_is_not_unpacked(tmp_path):
    dataset = read(written(tmp_path / "w.h5", bomb)).datasets["x"]
    tracemalloc.start()
    with pytest.raises(WeightsError):
        dataset.load()
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


# ---- damage to the bytes ----


def simple(file) -> None:
    file["group/aaaa"], file["group/bbbb"] = np.arange(6, dtype=np.float32), np.ones((2, 3), np.float32)
    file["group"].attrs["names"] = ["one", "two"]
    file.attrs["fixed"] = np.array([b"one", b"two"])


def changed(path: Path, old: bytes, new: bytes) -> Path:
    content = path.read_bytes()
    assert content.count(old) == 1, content.count(old)
    path.write_bytes(content.replace(old, new))
    return path


def test_two_entries_of_one_name(tmp_path):
    path = changed(written(tmp_path / "w.h5", simple), b"bbbb\0", b"aaaa\0")
    with pytest.raises(WeightsError, match="its group 'group' has two entries 'aaaa'"):
        read(path)


@pytest.mark.parametrize("name", [b"..\0\0\0", b"a/b\0\0", b"\0\0\0\0\0", b"a\nb\0\0", b"\xff\xff\xff\xff\0"])
def test_names_that_are_none(tmp_path, name):
    path = changed(written(tmp_path / "w.h5", simple), b"bbbb\0", name)
    with pytest.raises(
        WeightsError, match=r"w\.h5 is truncated or damaged: .*(it holds an entry named|codec)"
    ):
        read(path)


def test_shape_bomb(tmp_path):
    old = struct.pack("<BBBBIQQ", 1, 2, 1, 0, 0, 2, 3)  # a dataspace of two dimensions
    content = written(tmp_path / "w.h5", simple).read_bytes()
    path = tmp_path / "bomb.h5"
    for n in (2**40, 2**63, 2**64 - 1):
        path.write_bytes(content.replace(old, struct.pack("<BBBBIQQ", 1, 2, 1, 0, 0, n, 3)))
        with pytest.raises(
            WeightsError, match=r"its array 'group/bbbb' of shape|the shape of 'group/bbbb' is"
        ):
            read(path)


def test_strings_that_claim_to_be_many(tmp_path):
    """An attribute of 2⁴⁰ strings is passed over; nothing is allocated for them."""
    content = written(tmp_path / "w.h5", simple).read_bytes()
    dataspace = struct.pack("<BBBBIQ", 1, 1, 1, 0, 0, 2)
    assert content.count(dataspace) == 2
    path = tmp_path / "many.h5"
    path.write_bytes(content.replace(dataspace, struct.pack("<BBBBIQ", 1, 1, 1, 0, 0, 2**40)))
    tree = read(path)
    assert tree.groups[""].strings == tree.groups["group"].strings == {}


def test_every_truncation(tmp_path):
    content = written(tmp_path / "w.h5", simple).read_bytes()
    path = tmp_path / "cut.h5"
    for length in range(1, len(content), 61):
        path.write_bytes(content[:length])
        with pytest.raises(WeightsError, match=r"cut\.h5 is truncated or damaged"):
            read(path)


def test_a_circle_of_trees(tmp_path):
    """A B-tree whose nodes point to themselves, level below level: 16 children each, 2 levels, then 255."""
    path = written(tmp_path / "w.h5", simple)
    content = bytearray(path.read_bytes())
    at = content.index(b"TREE\0\0")
    for level in (2, 255):
        content[at + 5] = level
        struct.pack_into("<H", content, at + 6, 16)
        for i in range(16):
            struct.pack_into("<QQ", content, at + 24 + 16 * i, 0, at)
        path.write_bytes(content)
        start = time.process_time()
        with pytest.raises(WeightsError, match=r"w\.h5 is truncated or damaged"):
            read(path)
        assert time.process_time() - start < 5


def test_a_heap_of_a_million_strings(tmp_path):
    """Each of them empty; the attribute of 20 names points to it."""
    path = written(
        tmp_path / "w.h5", lambda f: f.attrs.update(names=np.array(["x"] * 20, h5py.string_dtype()))
    )
    content = bytearray(path.read_bytes())
    size = 16 << 20
    heap = b"GCOL\1\0\0\0" + struct.pack("<Q", size)
    heap += b"".join(struct.pack("<HHIQ", i % 65535 + 1, 1, 0, 0) for i in range(size // 16 - 1))
    content = content.replace(struct.pack("<Q", content.index(b"GCOL")), struct.pack("<Q", len(content)))
    struct.pack_into("<Q", content, 40, len(content) + len(heap))  # the superblock's end of the file
    path.write_bytes(content + heap)
    start = time.process_time()
    with pytest.raises(WeightsError, match="its structure has more parts than a file of weights needs"):
        read(path)
    assert time.process_time() - start < 2


LIMITS = {"OBJECTS": 2, "READS": 20, "BYTES": 500, "SECONDS": 0.0, "DEPTH": 0}


@pytest.mark.parametrize("name", LIMITS)
def test_limits(tmp_path, monkeypatch, name):
    path = written(tmp_path / "w.h5", simple)
    monkeypatch.setattr(hdf5, name, LIMITS[name])
    with pytest.raises(
        WeightsError, match=r"w\.h5 is truncated or damaged: it(s structure)? (has more|takes longer)"
    ):
        read(path)


def test_a_thousand_layers_are_far_from_the_limits(tmp_path, monkeypatch):
    def fill(file) -> None:
        for i in range(1000):
            group = file.create_group(f"layer{i}")
            group.attrs["weight_names"] = [b"kernel", b"bias"]
            group["kernel"], group["bias"] = np.zeros((3, 3)), np.zeros(3)

    path = written(tmp_path / "w.h5", fill)
    for limit in ("OBJECTS", "READS", "BYTES", "LINK_READS"):
        monkeypatch.setattr(hdf5, limit, getattr(hdf5, limit) // 5)
    assert len(read(path).datasets) == 2000


def test_memory_stays_below_the_bound(tmp_path):
    """In a process of its own: an array of 60 MB, in chunks, from a file of 60 KB, and not a byte for its siblings."""
    path = written(tmp_path / "w.h5", lambda f: [
        f.create_dataset(f"x{i}", data=np.zeros((15, 1 << 20), np.float32), chunks=(1, 1 << 20), compression=1)
        for i in range(3)
    ])  # fmt: skip
    program = (
        "import resource, sys; from minidl import weights; from minidl.weights import hdf5\n"
        "from minidl.weights.stored import MappedFile\n"
        "import pyfive, numpy\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "file = MappedFile(sys.argv[1]); tree = hdf5.read(hdf5.Window(file, 0, file.size))\n"
        "[d.load().sum() for d in tree.datasets.values()]\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    out = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert int(out.stdout) < 90 << 10  # KB: one array, and a chunk packed and unpacked
