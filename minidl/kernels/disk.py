"""Compiled kernels on disk, in files that other processes write too, and that may be damaged.

Numba keeps an index per function, which leads from a signature and a processor to a file of machine code. Three things
may go wrong there, and none of them may concern a program that only wants to compute:

- Two processes compile one function at once, one for float32, the other for float64. Numba numbers the files of code
  from 1, so both write file 1, and the index of one then leads to the code of the other. Here the names are random.
- A file is truncated, by a full disk or a process that was stopped. Here each file begins with a hash of the rest;
  what does not match it counts as missing, and is compiled again.
- The folder can no longer be written. The kernel, which is compiled already, then runs all the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile

from minidl.kernels.compile import Compilation, compilations

_HASH_BYTES = hashlib.sha256().digest_size


class _Files(IndexDataCacheFile):
    """One function's index and files of code."""

    def _data_name(self, _number: int) -> str:
        return super()._data_name(secrets.randbits(64))

    def _save_index(self, overloads: dict[Any, str]) -> None:
        self._write(self._index_path, (self._source_stamp, overloads))

    def _load_index(self) -> dict[Any, str]:
        stamp, overloads = self._read(self._index_path) or (None, {})
        return overloads if stamp == self._source_stamp else {}

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), data)

    def _load_data(self, name: str) -> Any:
        return self._read(self._data_path(name))

    def _write(self, path: str, stored: Any) -> None:
        content = self._dump(stored)
        with self._open_for_write(path) as file:
            file.write(hashlib.sha256(content).digest() + content)

    def _read(self, path: str) -> Any:
        """What the file holds; None if it is missing, or not as it was written."""
        try:
            whole = Path(path).read_bytes()
        except OSError:
            return None
        content = whole[_HASH_BYTES:]
        if hashlib.sha256(content).digest() != whole[:_HASH_BYTES]:
            return None
        return pickle.loads(content)


class KernelCache(FunctionCache):
    """Numba's cache of one function, with the files above; Numba asks it before each compilation."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        locator = self._impl.locator
        self._cache_file = _Files(
            locator.get_cache_path(), self._impl.filename_base, locator.get_source_stamp()
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        found = super().load_overload(sig, target_context)
        name = f"{self._py_func.__module__}.{self._py_func.__qualname__}"
        compilations.append(Compilation(name, str(sig), found is not None))
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)
