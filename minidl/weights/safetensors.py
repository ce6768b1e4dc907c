"""Hugging Face's safetensors format: arrays by name and a dict of strings, in a file that cannot hold code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from minidl.errors import DTypeError, WeightsError, must
from minidl.weights.files import replacing

DTYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64",
          "uint8", "uint16", "uint32", "uint64", "bool")  # fmt: skip
LONGEST_HEADER = 100_000_000  # bytes, by the format's definition


def write(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Write ``arrays``, of any memory order, and ``metadata`` to ``path``; a file of that name is replaced whole.

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
    with replacing(path) as file:
        file.write(content)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays, writable and in C order, and the metadata of the file at ``path``.

    Raises:
        FileNotFoundError: there is none.
        WeightsError: it is something else, truncated or damaged, or holds a dtype that NumPy does not have.
    """
    with Path(path).open("rb") as file:  # Python's own errors for a missing or unreadable file
        header_length = file.read(8)
    if len(header_length) < 8 or int.from_bytes(header_length, "little") > LONGEST_HEADER:
        start = f"one that begins with {header_length!r}" if header_length else "an empty file"
        raise WeightsError(must("load", str(path), "a safetensors file", start))
    try:
        with safe_open(path, framework="numpy") as stored:
            names = stored.keys()
            for name in names:
                _check_dtype(path, name, stored.get_slice(name).get_dtype())
            return {name: stored.get_tensor(name) for name in names}, stored.metadata() or {}
    except SafetensorError as error:
        raise WeightsError(f"load: {path} is truncated or damaged: {error}") from error


def _check_dtype(path: str | os.PathLike[str], name: str, dtype: str) -> None:
    """Raise unless ``dtype``, as the format spells it ("F32", "BOOL"), is one of NumPy's."""
    spelled = {d.replace("float", "F").replace("uint", "U").replace("int", "I").upper() for d in DTYPES}
    if dtype not in spelled:
        raise WeightsError(
            must("load", f"tensor {name!r} in {path}", f"of one of {', '.join(DTYPES)}", dtype)
        )
