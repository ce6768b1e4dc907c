"""HDF5 files: groups, their attributes of strings, and arrays; read by pyfive, under limits.

HDF5 is a file system in a file: objects point to each other by address, names lie in heaps, and any of these pointers
may be wrong, or lead in a circle. libhdf5 can crash or hang on such files. pyfive is Python, and does not crash; but it
believes what it reads, and would follow a circle, or allocate what a header asks for. Here it reads through
:class:`_Metered`, which ends both; what a file of weights never needs (links to elsewhere, data in other files, virtual
datasets) is refused, before anything is looked up.

The format: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t4.html
"""

from __future__ import annotations

import math
import mmap
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from minidl.errors import MinidlError, MissingDependencyError
from minidl.weights.hdf5_data import Dataset, dataset
from minidl.weights.stored import MappedFile

SIGNATURE = b"\x89HDF\r\n\x1a\n"

# What reading the structure may take. A file of a thousand layers stays below a tenth of each.
OBJECTS = 20_000  # groups and datasets
DEPTH = 32  # of groups in groups
READS = 400_000
BYTES = 16 << 20
HEADER_READS, HEADER_BYTES = (
    256,
    256 << 10,
)  # of one object; 256 KB of empty messages become 46 MB of Python objects
LINK_READS, LINK_BYTES = 40_000, 4 << 20  # of one group
HEAP_BYTES = 4 << 20  # of strings in one object's attributes; of the shortest, they take 0.6 s
SECONDS = 3.0  # of this thread's processor time: what the limits above do not catch
NAME = 1024  # characters of a name, or of an attribute
# Message types in an object's header
_DATASPACE, _LINK_INFO, _LINK, _ATTRIBUTE, _SYMBOL_TABLE, _ATTRIBUTE_INFO = 1, 2, 6, 12, 17, 21
_UNDEFINED = 0xFFFFFFFFFFFFFFFF


@dataclass(frozen=True)
class Window:
    """An HDF5 file: ``size`` bytes of ``file`` from ``start`` on; or ``content``, where they were compressed in it."""

    file: MappedFile
    start: int
    size: int
    content: memoryview | None = None

    @property
    def buffer(self) -> mmap.mmap | memoryview:
        return self.file.content if self.content is None else self.content

    def read(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.size)
        return bytes(self.buffer[self.start + offset : self.start + end])


@dataclass
class Group:
    """The strings among a group's attributes by name; a plain string is a list of one."""

    strings: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Tree:
    """What an HDF5 file holds, by path: ``"layers/conv2d/vars/0"``. The root is the group ``""``."""

    groups: dict[str, Group]
    datasets: dict[str, Dataset]


def read(window: Window, enter: Callable[[str], bool] = lambda _path: True) -> Tree:
    """All groups and datasets of the HDF5 file in ``window``, but none below a path that ``enter`` declines.

    Nothing but the structure is read; a dataset's :meth:`~minidl.weights.hdf5_data.Dataset.load` reads its values.

    Raises:
        WeightsError: the file is damaged, or holds what weights do not need: links to elsewhere, external or virtual
            data, groups in a circle, or too much of anything.
        MissingDependencyError: pyfive is not installed.
    """
    try:
        import pyfive  # noqa: F401  # before _refusing turns its absence into a damaged file
    except ImportError as error:
        raise MissingDependencyError(
            f"load: {window.file.name} holds HDF5, which needs pyfive: pip install pyfive"
        ) from error
    with _refusing(window.file):
        walk = _Walk(window, enter)
        walk.visit(walk.root(), "", 0)
        return walk.tree


@contextmanager
def _refusing(file: MappedFile) -> Iterator[None]:
    """pyfive on a damaged file fails in any way that Python code can fail."""
    try:
        yield
    except (MinidlError, OSError):
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise file.damaged(f"as HDF5, it fails with {what[:200]}") from error


class _Metered:
    """The file object that pyfive reads from. It ends what takes too many reads, bytes or seconds."""

    def __init__(self, window: Window) -> None:
        self._window, self._position = window, 0
        self._reads, self._bytes = READS, BYTES
        self._until = time.thread_time() + SECONDS
        self.allow(HEADER_READS, HEADER_BYTES)

    def allow(self, reads: int, size: int) -> None:
        """What may be read from here on, until the next call."""
        self._reads_here, self._bytes_here = reads, size

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence or not 0 <= offset <= self._window.size:
            raise self._window.file.damaged(f"it points to byte {offset:,} of {self._window.size:,}")
        self._position = offset
        return offset

    def tell(self) -> int:
        return self._position

    def read(self, length: int) -> bytes:
        self._reads, self._reads_here = self._reads - 1, self._reads_here - 1
        self._bytes, self._bytes_here = self._bytes - length, self._bytes_here - length
        if min(self._reads, self._reads_here, self._bytes, self._bytes_here) < 0:
            raise self._window.file.damaged("its structure has more parts than a file of weights needs")
        if time.thread_time() > self._until:
            raise self._window.file.damaged(f"its structure takes longer than {SECONDS:g} s to read")
        content = self._window.read(self._position, length)
        self._position += len(content)
        return content


class _Walk:
    """One reading of a file's structure."""

    def __init__(self, window: Window, enter: Callable[[str], bool]) -> None:
        self.tree = Tree({}, {})
        self._window, self._enter = window, enter
        self._metered = _Metered(window)
        self._entered: set[int] = set()  # addresses of groups
        self._heaps: dict[int, Any] = {}
        self._objects = 0

    def root(self) -> int:
        """The address of the root group, from the superblock."""
        from pyfive.misc_low_level import SuperBlock

        if self._window.read(0, len(SIGNATURE)) != SIGNATURE:
            raise self._window.file.damaged("it is no HDF5 file")
        block = SuperBlock(self._metered, 0)
        content = block._contents
        if content["base_address"]:
            raise self._window.file.refused("its HDF5 data begin inside the file")
        if content["end_of_file_address"] > self._window.size:
            raise self._window.file.damaged(
                f"it has {self._window.size:,} bytes of {content['end_of_file_address']:,}"
            )
        return block.offset_to_dataobjects

    def visit(self, address: int, path: str, depth: int) -> None:
        """Add the object at ``address``, and all below it, to the tree."""
        from pyfive.dataobjects import DataObjects

        self._objects += 1
        if self._objects > OBJECTS or depth > DEPTH:
            raise self._window.file.damaged("it has more groups and arrays than a file of weights needs")
        self._metered.allow(HEADER_READS, HEADER_BYTES)
        header = DataObjects(self._metered, address)
        if header.find_msg_type(_DATASPACE):
            strings = self._strings(header)
            self.tree.datasets[path] = dataset(header, self._window, path, strings, self._metered.allow)
            return
        if address in self._entered:
            raise self._window.file.damaged(f"its group {path!r} is linked to twice, or holds itself")
        self._entered.add(address)
        self.tree.groups[path] = Group(self._strings(header))
        links: dict[str, int] = {}
        for name, target in self._links(header, path):
            if name in links:
                raise self._window.file.damaged(f"its group {path!r} has two entries {name!r}")
            links[name] = target
        del header
        for name, target in links.items():
            below = f"{path}/{name}" if path else name
            if self._enter(below):
                self.visit(target, below, depth + 1)

    # ---- links ----

    def _links(self, header: Any, path: str) -> Iterator[tuple[str, int]]:
        """Names and addresses of a group's members, all of them inside this file."""
        self._metered.allow(LINK_READS, LINK_BYTES)
        tables = header.find_msg_type(_SYMBOL_TABLE)
        kinds = {message["type"] for message in header.msgs}
        if not tables and not kinds & {_LINK_INFO, _LINK}:
            raise self._window.file.refused(f"{path!r} in it is neither a group nor an array")
        for message in tables:
            yield from self._links_in_table(header, message, path)
        if tables:
            return
        self._metered.allow(LINK_READS // 10, LINK_BYTES)  # its heaps take time that grows with the square
        for message in header.find_msg_type(_LINK):
            _flags, kind = struct.unpack_from("<BB", header.msg_data, message["offset_to_message"] + 1)
            if _flags & 8 and kind:
                self._refuse_link(path, "", kind)
        for name, target in header.iter_links():
            if not isinstance(target, int):
                self._refuse_link(path, name, 1)
            yield self._checked(name), target

    def _links_in_table(self, header: Any, message: Any, path: str) -> Iterator[tuple[str, int]]:
        """The members of a group in the layout that h5py writes: a B-tree of symbol tables, and a heap of names."""
        from pyfive.btree import BTreeV1Groups
        from pyfive.misc_low_level import Heap, SymbolTable

        tree, heap = struct.unpack_from("<QQ", header.msg_data, message["offset_to_message"])
        names = Heap(self._metered, heap).data
        for address in BTreeV1Groups(self._metered, tree).symbol_table_addresses():
            for entry in SymbolTable(self._metered, address).entries:
                start = entry["link_name_offset"]
                name = names[start : names.index(b"\0", start, start + NAME)].decode("utf-8")
                if entry["cache_type"] > 1:
                    self._refuse_link(path, name, 1)
                yield self._checked(name), entry["object_header_address"]

    def _checked(self, name: str) -> str:
        if not name or len(name) > NAME or "/" in name or name in (".", "..") or not name.isprintable():
            raise self._window.file.damaged(f"it holds an entry named {name[:40]!r}")
        return name

    def _refuse_link(self, path: str, name: str, kind: int) -> None:
        what = "a soft link" if kind == 1 else "an external link"
        where = f"{path}/{name}".strip("/") or "its root"
        raise self._window.file.refused(f"it has {what} at {where!r}, which minidl does not follow")

    # ---- attributes ----

    def _strings(self, header: Any) -> dict[str, list[str]]:
        """The attributes that are strings, or lists of strings."""
        for message in header.find_msg_type(_ATTRIBUTE_INFO):
            start = message["offset_to_message"]
            flags = header.msg_data[start + 1]
            (heap,) = struct.unpack_from("<Q", header.msg_data, start + 2 + 2 * (flags & 1))
            if heap != _UNDEFINED:
                raise self._window.file.refused(
                    "it keeps attributes in HDF5's dense layout: save it again with Keras, or h5py's default libver"
                )
        found = {}
        self._metered.allow(HEADER_READS, HEAP_BYTES)
        for message in header.find_msg_type(_ATTRIBUTE):
            start = message["offset_to_message"]
            name, values = self._attribute(header.msg_data[start : start + message["size"]])
            if values is not None:
                found[name] = values
        return found

    def _attribute(self, body: bytes) -> tuple[str, list[str] | None]:
        """Name and strings of one attribute; None in their place if it is no string, or a long one."""
        from pyfive.dataobjects import determine_data_shape

        version, flags, *sizes = struct.unpack_from("<BBHHH", body)
        start, pad = (9, 1) if version == 3 else (8, 8 if version == 1 else 1)
        parts = []
        for size in sizes:
            parts.append(body[start : start + size])
            start += -(-size // pad) * pad
        name, kind, space = parts[0].rstrip(b"\0").decode("utf-8"), parts[1], parts[2]
        if flags & 3 or len(kind) < 8:  # a type that stands elsewhere: none that Keras writes
            return name, None
        shape, _ = determine_data_shape(space, 0)  # None: an attribute without a value
        count = 0 if shape is None else math.prod(shape)
        read = {3: self._fixed, 9: self._variable}.get(kind[0] & 15, _nothing)
        values = read(kind, body[start:], count)
        if values is None or any(len(value) > NAME for value in values):
            return name, None
        return name, [value.decode("utf-8") for value in values]

    def _fixed(self, kind: bytes, content: bytes, count: int) -> list[bytes] | None:
        """Strings of one length, which stand in the attribute itself."""
        size = int.from_bytes(kind[4:8], "little")
        if count * size > len(content):
            return None
        return [content[i * size : (i + 1) * size].rstrip(b"\0 ") for i in range(count if size else 0)]

    def _variable(self, kind: bytes, content: bytes, count: int) -> list[bytes] | None:
        """Strings that stand in a heap elsewhere in the file; the attribute says where."""
        from pyfive.misc_low_level import GlobalHeap

        if kind[1] & 15 != 1 or count * 16 > len(content):  # lists of something else; a count that cannot be
            return None
        values = []
        for length, address, index in struct.iter_unpack("<IQI", content[: 16 * count]):
            if length > NAME:
                return None
            if length and address not in self._heaps:
                self._heaps[address] = GlobalHeap(self._metered, address).objects
            values.append(self._heaps[address][index][:length] if length else b"")
        return values


def _nothing(_kind: bytes, _content: bytes, _count: int) -> None:
    """The strings of an attribute that is none."""
