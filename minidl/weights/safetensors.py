"""Hugging Face's safetensors format: arrays by name and a dict of strings, in a file that cannot hold code."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, deserialize, safe_open
from safetensors.numpy import save

from minidl.errors import DTypeError, WeightsError, must
from minidl.weights.files import File, writing

DTYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64",
          "uint8", "uint16", "uint32", "uint64", "bool")  # fmt: skip
LONGEST_HEADER = 100_000_000  # bytes, by the format's definition


def write(f: File, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Write ``arrays``, of any memory order, and ``metadata`` to ``f``; a file at a path is replaced whole.

    Raises:
        DTypeError: an array is of a dtype that the format, or NumPy, does not have.
        OSError: the file cannot be written; one that was there is as it was.
    """
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise DTypeError(
                must("write", f"the array {name!r}", f"of one of {', '.join(DTYPES)}", array.dtype)
            )
    plain = {
        name: np.asarray(array, array.dtype.newbyteorder("<"), order="C") for name, array in arrays.items()
    }
    content = save(plain, None if metadata is None else dict(metadata))
    with writing(f) as file:
        file.write(content)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays, writable and in C order, and the metadata of the file at ``path``.

    Raises:
        FileNotFoundError: there is none.
        WeightsError: it is something else, truncated or damaged, or holds a dtype that NumPy does not have.
    """
    with Path(path).open("rb") as file:  # Python's own errors for a missing or unreadable file
        _check_start(file.read(8), str(path))
    try:
        with safe_open(path, framework="numpy") as stored:
            names = stored.keys()
            for name in names:
                _check_dtype(str(path), name, stored.get_slice(name).get_dtype())
            return {name: stored.get_tensor(name) for name in names}, stored.metadata() or {}
    except SafetensorError as error:
        raise WeightsError(f"load: {path} is truncated or damaged: {error}") from error


def parse(content: bytes, file: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """:func:`read` for all that a file object gave; ``file`` is what errors call it."""
    if not content:
        raise WeightsError(f"load: {file} is empty, or at its end: seek(0) goes back to its beginning")
    length = _check_start(content[:8], file)
    arrays = {}
    try:
        entries = deserialize(content)  # which checks the header
    except SafetensorError as error:
        raise WeightsError(f"load: {file} is truncated or damaged: {error}") from error
    for name, entry in entries:
        dtype = _check_dtype(file, name, entry["dtype"])
        arrays[name] = np.frombuffer(bytearray(entry["data"]), dtype).reshape(entry["shape"])
    return arrays, json.loads(content[8 : 8 + length]).get("__metadata__") or {}


def _check_start(start: bytes, file: str) -> int:
    """The length of the header, from the file's first 8 bytes."""
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > LONGEST_HEADER:
        got = f"one that begins with {start!r}" if start else "an empty file"
        raise WeightsError(must("load", file, "a safetensors file", got))
    return length


_BY_FORMAT = {
    d.replace("float", "F").replace("uint", "U").replace("int", "I").upper(): np.dtype(d) for d in DTYPES
}


def _check_dtype(file: str, name: str, dtype: str) -> np.dtype:
    """NumPy's dtype for what the format spells "F32" or "BOOL"."""
    if dtype not in _BY_FORMAT:
        raise WeightsError(
            must("load", f"tensor {name!r} in {file}", f"of one of {', '.join(DTYPES)}", dtype)
        )
    return _BY_FORMAT[dtype].newbyteorder("<")
