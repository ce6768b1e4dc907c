"""Reading the pickles that CIFAR is published in, without running what a pickle may ask for.

A pickle is a program: it may call any function that can be imported. Here it can build dicts, lists, numbers, text and
bytes, and arrays of unsigned bytes; whatever else it asks for is an error.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

from minidl.errors import DataError

ARRAY_MAKERS = {(module, "_reconstruct") for module in ("numpy.core.multiarray", "numpy._core.multiarray")}


class _DType:
    """Stands for ``numpy.dtype``: only its code is kept."""

    def __init__(self, code: Any = None, *_flags: Any) -> None:
        self.code = code if isinstance(code, str) else bytes(code).decode("ascii", "replace")

    def __setstate__(self, state: Any) -> None:
        pass


class _Array:
    """Stands for ``numpy.ndarray``: it takes the state of one, and nothing is done with it before it is checked."""

    state: Any = None

    def __init__(self, *_args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def checked(self) -> np.ndarray:
        _version, shape, dtype, fortran, data = self.state
        if dtype.code != "u1" or fortran or not isinstance(data, bytes):
            raise ValueError(f"an array of {dtype.code}, not of bytes in C order")
        return np.frombuffer(data, np.uint8).reshape(shape)


def _encode(text: str, encoding: str) -> bytes:
    """Stands for ``_codecs.encode``, with which Python 3 writes bytes for Python 2."""
    if encoding != "latin1":
        raise ValueError(f"text in the encoding {encoding!r}")
    return text.encode("latin1")


# The unpickler written in Python: the one in C allocates as much as a damaged file tells it to.
class _Reader(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in ARRAY_MAKERS:
            return _Array
        known = {("numpy", "ndarray"): _Array, ("numpy", "dtype"): _DType, ("_codecs", "encode"): _encode}
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no data needs")
        return known[module, name]


def read_pickle(content: bytes, where: str) -> dict[str, Any]:
    """The dict that ``content`` holds, with its keys as text and its arrays as arrays of uint8.

    Raises:
        DataError: it is damaged, or is or asks for anything else; the message begins with ``where``.
    """
    try:
        found = _Reader(io.BytesIO(content), encoding="bytes").load()
        if not isinstance(found, dict):
            raise ValueError(f"{type(found).__name__} and not a dict")
        texts = {k.decode() if isinstance(k, bytes) else str(k): value for k, value in found.items()}
        return {key: v.checked() if isinstance(v, _Array) else v for key, v in texts.items()}
    except Exception as error:  # what a damaged program for a stack machine leads to is of any kind
        raise DataError(
            f"{where} is not a pickle of CIFAR's: {str(error) or type(error).__name__}"
        ) from error
