"""Files for the tests of the readers: arrays of every kind, and archives whose every field can be set."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from minidl.random import stream
from minidl.weights.stored import DTYPES


def peak_memory() -> int:
    """Bytes that this process had at most (``ru_maxrss`` would also count those of the process that started it)."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024


def in_child(program: str, *paths: Path) -> float:
    """The number that a program prints, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", program, *map(str, paths)]
    return float(
        subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout
    )


READ_ALL = """
import sys
from archives import peak_memory
from minidl import weights
from minidl.errors import WeightsError

for path in sys.argv[1:]:
    try:
        weights.read(path)
    except WeightsError:
        pass
    if path == sys.argv[1]:  # a small one: imports what the reader needs
        before = peak_memory()
print(peak_memory() - before)
"""  # prints by how much reading all but the first file raised the peak


def sample_arrays() -> dict[str, np.ndarray]:
    """An array of every dtype, of several shapes and memory orders, one without dimensions and one without elements."""
    generator = stream(0)
    arrays = {}
    for dtype in DTYPES:
        values = generator.integers(0, 2, (3, 5)) if dtype == "bool" else 50 * generator.random((3, 5))
        arrays[f"layer.{dtype}"] = values.astype(dtype)
    weight = generator.standard_normal((4, 3, 2, 2)).astype(np.float32)
    arrays |= {"conv.weight": weight.transpose(0, 2, 3, 1), "transposed": arrays["layer.float64"].T}
    return arrays | {"count": np.array(7), "empty": np.zeros((0, 3), np.float32), "strided": weight[:, ::2]}


def assert_same(got: Any, want: dict[str, np.ndarray]) -> None:
    """The same names, dtypes, shapes and bits."""
    assert set(got) == set(want)
    for name, array in want.items():
        read = got[name]
        assert read.dtype == array.dtype, name
        assert read.dtype.isnative, name
        assert read.shape == array.shape, name
        np.testing.assert_array_equal(read, array, err_msg=name)
        assert got.shapes[name] == array.shape
        assert got.dtypes[name] == array.dtype


def safetensors_file(path: Path, header: Any, data: bytes = b"") -> Path:
    """A safetensors file with that header (JSON, or its text) before the data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def npy(
    descr: str = "'<f4'", shape: str = "(3,)", data: bytes = bytes(12), order: str = "False", **options: Any
) -> bytes:
    """A ``.npy`` file with these texts in its header."""
    text = options.get("text", f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}").encode(
        "latin-1"
    )
    version = options.get("version", 1)
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + struct.pack("<H" if version == 1 else "<L", len(text))
        + text
        + data
    )


def packed(name: str, content: bytes, **fields: Any) -> dict[str, Any]:
    """A record for :func:`zip_file`; ``fields`` set what its headers say."""
    method = fields.get("method", 0)
    compress = zlib.compressobj(9, wbits=-15)
    data = fields.pop("data", None)
    if data is None:
        data = compress.compress(content) + compress.flush() if method == 8 else content
    record = {"name": name, "data": data, "method": method, "flags": 0, "crc": zlib.crc32(content)}
    record |= {"packed": len(data), "size": len(content), "local_name": name, "extra": b"", "offset": None}
    return record | fields


def zip_file(path: Path, *records: dict[str, Any], comment: bytes = b"", **end: Any) -> Path:
    """An archive of these records; ``end`` sets what its end says (``count``, ``size``, ``start``, ``disk``)."""
    out = io.BytesIO()
    table = b""
    for r in records:
        offset = out.tell() if r["offset"] is None else r["offset"]
        flags = r["flags"] | (0x800 if not r["name"].isascii() else 0)
        local_name, name = r["local_name"].encode(), r["name"].encode()
        common = (flags, r["method"], 0, 0, r["crc"], min(r["packed"], 2**32 - 1), min(r["size"], 2**32 - 1))
        if r["offset"] is None:
            out.write(
                struct.pack("<4s5H3L2H", b"PK\3\4", 20, *common, len(local_name), 0) + local_name + r["data"]
            )
        table += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 20, 20, *common, len(name), len(r["extra"]), 0, 0, 0, 0, offset
        )
        table += name + r["extra"]
    said = {"disk": 0, "count": len(records), "size": len(table), "start": out.tell()} | end
    out.write(table)
    fields = (said["disk"], 0, said["count"], said["count"], said["size"], said["start"], len(comment))
    out.write(struct.pack("<4s4H2LH", b"PK\5\6", *fields) + comment)
    path.write_bytes(out.getvalue())
    return path


FLOATS = b"c" + b"torch\nFloatStorage\n"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def text(value: str) -> bytes:
    """A pickle's instruction for a string."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    return b"\x8a\x0a" + value.to_bytes(10, "little", signed=True)


def numbers(*values: int) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(key: str = "0", count: int = 6, kind: bytes = FLOATS, legacy: bool = False) -> bytes:
    """The instructions for a storage, by its identity."""
    return (
        b"("
        + text("storage")
        + kind
        + text(key)
        + text("cpu")
        + number(count)
        + (b"N" if legacy else b"")
        + b"tQ"
    )


def tensor(
    made: bytes | None = None,
    offset: bytes = number(0),
    shape: bytes = numbers(2, 3),
    strides: bytes = numbers(3, 1),
    **o: Any,
) -> bytes:
    """The instructions for a tensor."""
    return REBUILD + b"(" + (made or storage(**o)) + offset + shape + strides + b"\x89}tR"


def torch_zip(path: Path, pickled: bytes, storages: dict[str, bytes] | None = None, **records: bytes) -> Path:
    """A file of PyTorch's zip format with this ``data.pkl``."""
    found = {"data.pkl": pickled, **records}
    found |= {
        f"data/{key}": content
        for key, content in ({"0": bytes(24)} if storages is None else storages).items()
    }
    return zip_file(path, *(packed(f"net/{name}", content) for name, content in found.items()))


LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."


def legacy_content(
    pickled: bytes, keys: bytes = b"](" + text("0") + b"e.", data: bytes | None = None
) -> bytes:
    """A file of PyTorch's legacy format: magic number, version, machine, the pickle, keys and storages."""
    return (
        LEGACY_MAGIC
        + b"\x80\x02}."
        + pickled
        + keys
        + (struct.pack("<Q", 6) + bytes(24) if data is None else data)
    )


def torch_legacy(path: Path, pickled: bytes, **options: bytes) -> Path:
    """:func:`legacy_content` in a file."""
    path.write_bytes(legacy_content(pickled, **options))
    return path
