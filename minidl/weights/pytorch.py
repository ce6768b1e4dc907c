"""PyTorch's ``.pth`` and ``.pt`` files, both its formats, without PyTorch: a pickle of the tensors' shapes, and bytes.

Since PyTorch 1.6 the file is a zip archive: ``data.pkl`` beside a record ``data/KEY`` for each storage. Before, it was
five pickles one after the other (magic number, version, machine, object, keys of the storages), then for each
storage its length and its bytes. The pickle gives a storage as an identity, ``("storage", type, key, place, length)``,
and a tensor as a call of ``_rebuild_tensor_v2(storage, offset, shape, strides, ...)``.

Sources: ``torch/serialization.py``, ``torch/_utils.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minidl.weights import zips
from minidl.weights.pickles import LONGEST, MOST_STEPS, Global, Machine, add_item
from minidl.weights.stored import (
    DTYPES,
    MOST_ENTRIES,
    SLACK,
    Entry,
    MappedFile,
    Shape,
    Stored,
    as_native,
    checked_shape,
    short,
    stored,
    widened,
)

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
WRAPPERS = ("state_dict", "model_state_dict", "model")  # where checkpoints keep the network's tensors
DEEPEST = 10  # dicts inside each other
LONGEST_TEXT = 1000  # characters of a string that is taken as metadata

_STORAGES = {
    "Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16", "Byte": "uint8",
    "Char": "int8", "Short": "int16", "Int": "int32", "Long": "int64", "Bool": "bool",
}  # fmt: skip
# Of these NumPy, or minidl, has none; a tensor of one is an error that says so.
_OTHER_STORAGES = ("ComplexFloat", "ComplexDouble", "QInt8", "QUInt8", "QInt32", "QUInt4x2", "QUInt2x4")
_OTHER_DTYPES = ("complex32", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz",
                 "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2")  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class _Storage:
    """A storage: of what dtype, and how many elements of it; where its bytes are is known to the reader by the key."""

    key: str
    dtype: str
    count: int
    start: int = 0  # elements before it, where it is a view of another


@dataclass(frozen=True, eq=False, repr=False)
class _Tensor:
    """A tensor: a view of a storage."""

    storage: _Storage
    offset: int
    shape: Any
    strides: Any
    has_state = True  # of a Parameter of PyTorch 0.x


def read(file: MappedFile, expect: Mapping[str, Shape] | None = None) -> Stored:
    """The tensors of a file in the zip format, by name.

    Raises:
        WeightsError: the file is damaged, names what it may not, or holds no dict of tensors.
    """
    records, comment = zips.records(file)
    pickles = [name for name in records if name.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1:
        raise file.refused(f"it has {len(pickles)} entries named data.pkl")
    folder = pickles[0].removesuffix("data.pkl")
    order = b"little"
    if f"{folder}byteorder" in records:
        order = zips.content(file, records[f"{folder}byteorder"], 100)
        if order not in (b"little", b"big"):
            raise file.damaged(f"its byte order is {order!r}")
    found: dict[str, _Storage] = {}

    def persistent(identity: Any) -> _Storage:
        return _identified(file, identity, 5, found)

    machine = Machine(file, zips.content(file, records[pickles[0]], LONGEST), NAMES, persistent)
    value = machine.run()
    sources = {}
    for key, storage in found.items():
        name = f"{folder}data/{key}"
        if name not in records:
            raise file.damaged(f"its entry {name!r} is missing")
        if records[name].size < storage.count * _itemsize(storage.dtype):
            raise file.damaged(
                f"its entry {name!r} has {records[name].size:,} bytes for {storage.count:,} elements"
            )
        sources[key] = _Record(file, records[name])
    packed = sum(s.record.size for s in sources.values() if s.record.method != zips.STORED)
    if packed > file.size + SLACK:
        raise file.refused(f"it is a file of {file.size:,} bytes whose storages unpack to {packed:,}")
    read = _stored(file, value, sources, "<" if order == b"little" else ">", expect)
    return replace(read, metadata=read.metadata | zips.metadata_of(comment))


def read_legacy(file: MappedFile, expect: Mapping[str, Shape] | None = None) -> Stored:
    """The tensors of a file in the format before PyTorch 1.6, by name.

    Raises:
        WeightsError: the file is damaged, names what it may not, or holds no dict of tensors.
    """
    found: dict[str, _Storage] = {}

    def persistent(identity: Any) -> _Storage:
        return _identified(file, identity, 6, found)

    machine = Machine(file, file.content, NAMES, persistent)
    if machine.run() != MAGIC:
        raise file.damaged("its magic number is another than PyTorch's")
    if (version := machine.run()) != VERSION:
        raise file.refused(f"it is of version {short(version)}; minidl knows {VERSION}")
    machine.run()  # the machine that wrote it; the storages are little-endian on every one
    value = machine.run()
    keys = machine.run()
    if not isinstance(keys, list) or not all(type(key) is str and key in found for key in keys):
        raise file.damaged("its list of storages names others than its tensors do")
    position, sources = machine.position, {}
    for key in keys:
        count = int.from_bytes(file.content[position : position + 8], "little")
        size = count * _itemsize(found[key].dtype)
        position += 8
        if key in sources or count != found[key].count or position + size > file.size:
            raise file.damaged(f"its storage {key[:40]!r} is said to have {count:,} elements")
        sources[key] = _Bytes(file, position)
        position += size
    if position != file.size or len(sources) != len(found):
        raise file.damaged(f"its {len(sources)} storages end at byte {position:,} of {file.size:,}")
    return _stored(file, value, sources, "<", expect)


class _Bytes:
    """The bytes of a storage in the legacy format, from an offset on."""

    def __init__(self, file: MappedFile, offset: int) -> None:
        self.file, self.offset = file, offset

    def buffer(self) -> tuple[Any, int]:
        """What holds the bytes, and where in it they begin."""
        return self.file.content, self.offset


class _Record:
    """The bytes of a storage in the zip format."""

    def __init__(self, file: MappedFile, record: zips.Record) -> None:
        self.file, self.record, self.checked = file, record, False

    def buffer(self) -> tuple[Any, int]:
        """What holds the bytes, and where in it they begin; their sum is checked once."""
        if self.record.method != zips.STORED:
            return zips.unpacked(self.file, self.record), 0
        if not self.checked:
            zips.check_sum(self.file, self.record)
            self.checked = True
        return self.file.content, self.record.offset


def _itemsize(dtype: str) -> int:
    """Bytes of an element; of a dtype that minidl does not have, at least that many."""
    if dtype in DTYPES:
        return np.dtype(dtype).itemsize
    return {"bfloat16": 2, "complexfloat": 8, "complexdouble": 16, "qint32": 4}.get(dtype, 1)


def _identified(file: MappedFile, identity: Any, length: int, found: dict[str, _Storage]) -> _Storage:
    """The storage of an identity in the pickle; the first one of each key is noted."""
    view = None
    match identity:
        case ("storage", Global(name), str(key), str(), int(count)) if length == 5:
            pass
        case ("storage", Global(name), str(key), str(), int(count), view) if length == 6:
            pass
        case _:
            raise file.damaged(f"one of its storages is {short(identity)}")
    if name not in STORAGES or count < 0:
        raise file.damaged(f"one of its storages is {short(identity)}")
    storage = _Storage(key, STORAGES[name], count)
    first = found.setdefault(key, storage)
    if first.count * _itemsize(first.dtype) < count * _itemsize(storage.dtype):
        found[key] = storage
    if view is None:
        return storage
    match view:
        case (_, int() as start, int() as size) if start >= 0 and size >= 0 and start + size <= count:
            return replace(storage, start=start, count=size)
    raise file.damaged(f"one of its storages is {short(identity)}")


def _stored(
    file: MappedFile, value: Any, sources: Mapping[str, Any], order: str, expect: Mapping[str, Shape] | None
) -> Stored:
    """What the file holds: the tensors found in the pickle's value, as views of their storages."""
    tensors: dict[str, _Tensor] = {}
    inner = _unwrapped(value)
    for name, tensor in _flattened(file, inner):
        add_item(file, tensors, name, tensor)
        if len(tensors) > MOST_ENTRIES:
            raise file.refused(f"it has more than {MOST_ENTRIES:,} tensors")
    if not tensors and not (isinstance(inner, dict) and not inner):
        kind = (
            "a single tensor" if isinstance(value, _Tensor) else f"a {type(value).__name__} without tensors"
        )
        raise file.refused(f"it holds {kind}, not a state_dict: tensors by name")
    entries = {name: _entry(file, name, tensor, sources, order) for name, tensor in tensors.items()}
    return stored(file, "pytorch", entries, _metadata(value), expect)


def _unwrapped(value: Any) -> Any:
    """The dict of the network's tensors in a checkpoint."""
    for _ in range(DEEPEST):
        inner = (
            [value[key] for key in WRAPPERS if isinstance(value.get(key), dict)]
            if isinstance(value, dict)
            else []
        )
        if not inner:
            return value
        value = inner[0]
    return value


def _flattened(file: MappedFile, value: Any) -> Iterator[tuple[str, _Tensor]]:
    """The tensors in nested dicts and lists; names are joined by dots, as a module's are."""
    waiting, visited = [("", value, 0)], 0
    while waiting:
        name, value, depth = waiting.pop()
        if isinstance(value, _Tensor) and depth:
            yield name, value
        if not isinstance(value, (dict, list, tuple)):
            continue
        visited += len(value)  # a list can hold itself, or the same list a thousand times
        if depth > DEEPEST or visited > MOST_STEPS:
            raise file.refused("its dicts and lists stand in each other without end")
        items = list(value.items() if isinstance(value, dict) else enumerate(value))
        waiting += [
            (f"{name}.{key}" if depth else str(key), item, depth + 1) for key, item in reversed(items)
        ]


def _metadata(value: Any) -> dict[str, Any]:
    """What else a checkpoint says: its numbers and short strings, by name."""
    if not isinstance(value, dict):
        return {}
    return {
        key: item
        for key, item in value.items()
        if type(key) is str
        and (type(item) in (int, float, bool) or (type(item) is str and len(item) <= LONGEST_TEXT))
    }


def _entry(file: MappedFile, name: str, tensor: _Tensor, sources: Mapping[str, Any], order: str) -> Entry:
    """One tensor, not read yet: a view of its storage, which it must lie in."""
    storage = tensor.storage
    if storage.dtype not in DTYPES and storage.dtype != "bfloat16":
        raise file.refused(
            f"its tensor {name!r} is of {storage.dtype}; minidl knows bfloat16, {', '.join(DTYPES)}"
        )
    wide = storage.dtype == "bfloat16"
    dtype = np.dtype(order + np.dtype("uint16" if wide else storage.dtype).str[1:])
    try:
        shape, size = checked_shape(name, tensor.shape, dtype.itemsize)
        strides, _ = checked_shape(name, tensor.strides, 1)
        if len(strides) != len(shape) or type(tensor.offset) is not int or tensor.offset < 0:
            raise ValueError(f"the strides of {name!r} are {strides} for the shape {shape}")
    except ValueError as error:
        raise file.damaged(error) from None
    last = tensor.offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if size and last >= storage.count:
        raise file.damaged(
            f"its tensor {name!r} needs {last + 1:,} elements of a storage of {storage.count:,}"
        )
    if storage.key not in sources:
        raise file.damaged(f"the bytes of its tensor {name!r} are missing")
    first = (storage.start + tensor.offset) * dtype.itemsize
    steps = tuple(s * dtype.itemsize if n > 1 else 0 for n, s in zip(shape, strides, strict=True))

    def load() -> np.ndarray:
        if not size:
            return np.empty(shape, np.float32 if wide else storage.dtype)
        buffer, start = sources[storage.key].buffer()
        array = as_native(np.ndarray(shape, dtype, buffer, start + first, steps))
        if not wide:
            return array
        whole = widened(array)
        if buffer is file.content:
            file.release(start + first, min(size, whole.nbytes))
        return whole

    native = np.dtype(np.float32 if wide else storage.dtype)
    return Entry(shape, native, load, 2 if wide else 1, (storage.key, first, shape, strides))


def _rebuild(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> _Tensor:
    """``_rebuild_tensor`` and ``_rebuild_tensor_v2``: (..., requires_grad, backward hooks, metadata)."""
    if not isinstance(storage, _Storage) or len(rest) > 3:
        raise TypeError("a tensor of something else than a storage")
    if len(rest) == 3 and rest[2]:
        raise ValueError("a tensor that is conjugated or negated when it is read")
    return _Tensor(storage, offset, shape, strides)


def _rebuild_3(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> _Tensor:
    """``_rebuild_tensor_v3``: (..., requires_grad, backward hooks, dtype, metadata) with a storage of bytes."""
    dtype = rest[2]
    if not isinstance(dtype, Global) or dtype.name not in TORCH_DTYPES:
        raise TypeError("a tensor of no dtype")
    made = _rebuild(storage, offset, shape, strides, *rest[:2], *rest[3:])
    name = TORCH_DTYPES[dtype.name]
    count = storage.count // _itemsize(name)
    return replace(made, storage=replace(storage, dtype=name, count=count))


def _same(data: Any, *_rest: Any) -> _Tensor:
    """A Parameter: its tensor."""
    if not isinstance(data, _Tensor):
        raise TypeError("a Parameter without a tensor")
    return data


def _size(shape: Any = ()) -> tuple[Any, ...]:
    return tuple(shape)


def _dict(pairs: Any = ()) -> dict[Any, Any]:
    """An OrderedDict; PyTorch before Python 3 gave its items at once."""
    found: dict[Any, Any] = {}
    for key, value in pairs:
        if type(key) is not str or key in found:
            raise ValueError("a key that is no string, or stands twice")
        found[key] = value
    return found


def _names() -> dict[str, Callable[..., Any] | None]:
    """All that a pickle may name, and what is called for it."""
    rebuilt: dict[str, Callable[..., Any]]
    rebuilt = {"_rebuild_tensor": _rebuild, "_rebuild_tensor_v2": _rebuild, "_rebuild_tensor_v3": _rebuild_3,
               "_rebuild_parameter": _same, "_rebuild_parameter_with_state": _same}  # fmt: skip
    names: dict[str, Callable[..., Any] | None] = {f"torch._utils.{name}": f for name, f in rebuilt.items()}
    names |= {"collections.OrderedDict": _dict, "torch.Size": _size, "torch.nn.parameter.Parameter": _same}
    return names | dict.fromkeys(STORAGES) | dict.fromkeys(TORCH_DTYPES)


# Names of storages' types -> the dtype of their elements; PyTorch before 1.x named a GPU's otherwise.
STORAGES = {f"torch.{gpu}{kind}Storage": dtype for gpu in ("", "cuda.") for kind, dtype in _STORAGES.items()}
STORAGES |= {f"torch.{kind}Storage": kind.lower() for kind in _OTHER_STORAGES}
STORAGES |= {"torch.storage.UntypedStorage": "uint8"}
TORCH_DTYPES = {f"torch.{dtype}": dtype for dtype in (*DTYPES, "bfloat16", *_OTHER_DTYPES)}
NAMES = {name: Global(name, call) for name, call in _names().items()}
