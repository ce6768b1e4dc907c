"""Writes a ``state_dict`` as ``torch.save`` does, so that ``torch.load(file, weights_only=True)`` reads it."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from minidl.errors import DTypeError, must
from minidl.weights import zips
from minidl.weights.files import File, writing
from minidl.weights.pytorch import STORAGES
from minidl.weights.stored import DTYPES, pieces

FOLDER = "archive/"  # which PyTorch's records stand in
VERSION = b"3\n"  # of the format, as PyTorch writes it
_TYPES = {dtype: name for name, dtype in reversed(STORAGES.items()) if "cuda" not in name}
_TYPES["uint8"] = "torch.ByteStorage"
_UNTYPED = "torch.storage.UntypedStorage"  # of uint16, uint32 and uint64, whose dtype is told with the tensor


def write(f: File, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any] | None = None) -> None:
    """Write ``arrays`` as an OrderedDict of tensors, and ``metadata`` as the archive's comment, which PyTorch ignores.

    Raises:
        DTypeError: an array is not of numbers or bools.
        ArgumentError: the metadata, as JSON, take more than 65,535 bytes.
        OSError: the file cannot be written; one that was there is as it was.
    """
    comment = zips.comment_of(metadata)
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise DTypeError(
                must("write", f"the array {name!r}", f"of one of {', '.join(DTYPES)}", array.dtype)
            )
    with writing(f) as file, zipfile.ZipFile(file, "w") as archive:
        archive.comment = comment
        zips.add(archive, f"{FOLDER}data.pkl", [_pickled(arrays)])
        zips.add(archive, f"{FOLDER}byteorder", [b"little"])
        for key, array in enumerate(arrays.values()):
            little = np.asarray(array, array.dtype.newbyteorder("<"))
            zips.add(archive, f"{FOLDER}data/{key}", pieces(little))
        zips.add(archive, f"{FOLDER}version", [VERSION])


def _pickled(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The pickle of the OrderedDict; the instructions are those of protocol 2 (see ``pickletools``)."""
    empty = _global("collections.OrderedDict") + b")R"
    items = [_text(name) + _tensor(str(key), array) for key, (name, array) in enumerate(arrays.items())]
    return b"\x80\x02" + empty + b"(" + b"".join(items) + b"u."


def _tensor(key: str, array: np.ndarray) -> bytes:
    """The call that rebuilds a tensor in C order from the storage of that key."""
    kind = _TYPES.get(array.dtype.name, _UNTYPED)
    count = array.nbytes if kind == _UNTYPED else array.size
    identity = b"(" + _text("storage") + _global(kind) + _text(key) + _text("cpu") + _int(count) + b"tQ"
    strides = [int(np.prod(array.shape[i + 1 :], dtype=np.int64)) for i in range(array.ndim)]
    arguments = identity + _int(0) + _ints(array.shape) + _ints(strides) + b"\x89"
    arguments += _global("collections.OrderedDict") + b")R"  # no hooks
    if kind == _UNTYPED:
        return (
            _global("torch._utils._rebuild_tensor_v3")
            + b"("
            + arguments
            + _global(f"torch.{array.dtype.name}")
            + b"tR"
        )
    return _global("torch._utils._rebuild_tensor_v2") + b"(" + arguments + b"tR"


def _global(name: str) -> bytes:
    module, _, member = name.rpartition(".")
    return f"c{module}\n{member}\n".encode()


def _text(text: str) -> bytes:
    content = text.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(content)) + content


def _int(number: int) -> bytes:
    return b"\x8a\x09" + number.to_bytes(9, "little", signed=True)


def _ints(numbers: Any) -> bytes:
    return b"(" + b"".join(map(_int, numbers)) + b"t"
