"""Rows of one array, in memory or, beyond a limit, in a file."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from minidl import cache
from minidl.training.splitting import CannotCache


class Rows:
    """``count`` rows of equal shape and dtype, appended in batches, then gathered by index.

    The rows keep the memory order in which they come, channels last for images: what is gathered is laid out as what
    was appended. A file has no name any more once it is open, where the system allows that, so that nothing is left of
    it however the process ends; it is written like any other, so that a full disk is an error and no crash.

    Args:
        count: of rows.
        limit: how many bytes are kept in memory.
        folder: of the file; default: ``features`` in minidl's cache folder.
    """

    def __init__(self, count: int, limit: int, folder: str | PathLike[str] | None = None) -> None:
        self.count, self.limit, self.folder = count, limit, folder
        self._filled = 0
        self._array: Any = None  # (count, ...), C order
        self._axes: tuple[int, ...] = ()  # from the row's memory order to its dimensions
        self._file: BinaryIO | None = None

    def append(self, rows: np.ndarray) -> None:
        """Add ``rows`` (n, ...) behind those that there are.

        Raises:
            CannotCache: their shape or dtype is another, or the file cannot be written.
        """
        if self._array is None:
            self._begin(rows)
        stored = rows.transpose(np.argsort(self._axes))
        if stored.shape[1:] != self._array.shape[1:] or stored.dtype != self._array.dtype:
            raise CannotCache("the features of the samples are not all of one shape and dtype")
        if self._file is None:
            self._array[self._filled : self._filled + len(rows)] = stored
        else:
            try:
                self._file.write(np.ascontiguousarray(stored).data)
            except OSError as error:
                raise CannotCache(f"their file cannot be written: {error}") from error
        self._filled += len(rows)

    def _begin(self, rows: np.ndarray) -> None:
        order = sorted(range(1, rows.ndim), key=lambda axis: -abs(rows.strides[axis]))
        self._axes = tuple(int(axis) for axis in np.argsort([0, *order]))
        shape = (self.count, *(rows.shape[axis] for axis in order))
        if self.count * rows[0].nbytes > self.limit:
            self._file = self._open()
            self._array = np.lib.stride_tricks.as_strided(np.empty(1, rows.dtype), shape, [0] * len(shape))
        else:
            self._array = np.empty(shape, rows.dtype)

    def _open(self) -> BinaryIO:
        folder = cache.home() / "features" if self.folder is None else Path(self.folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return tempfile.TemporaryFile(dir=folder)
        except OSError as error:
            raise CannotCache(f"their file cannot be made: {error}") from error

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *_exception: Any) -> None:
        if self._file is not None:
            with suppress(OSError):  # what is in its buffer may not go to a full disk
                self._file.close()

    def finish(self) -> None:
        """All rows are there: from now on they can be taken. The file stays for as long as its memory is mapped."""
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as error:
                raise CannotCache(f"their file cannot be written: {error}") from error
            self._array = np.memmap(self._file, self._array.dtype, "r", shape=self._array.shape)

    @property
    def in_file(self) -> bool:
        """Whether they are in a file."""
        return self._file is not None

    def take(self, indices: np.ndarray) -> np.ndarray:
        """The rows at ``indices``, copied, in the memory order in which they came."""
        return np.asarray(np.take(self._array, indices, axis=0)).transpose(self._axes)
