"""Files by path or as file objects, and writing one so that there is never half of it."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from minidl.errors import DTypeError, must

File = str | os.PathLike[str] | BinaryIO  # where something is read from or written to


def is_path(f: File) -> bool:
    return isinstance(f, (str, os.PathLike))


def name_of(f: Any) -> str:
    """What an error calls the file: its path, or what kind of file object it is."""
    return os.fspath(f) if is_path(f) else str(getattr(f, "name", None) or f"the {type(f).__name__}")


def check_file(op: str, f: Any, method: str) -> None:
    """Raise unless ``f`` is a path, or a binary file object with that ``method`` ("read" or "write")."""
    if not is_path(f) and (isinstance(f, io.TextIOBase) or not hasattr(f, method)):
        got = f"{type(f).__name__} of text" if isinstance(f, io.TextIOBase) else type(f).__name__
        mode = "rb" if method == "read" else "wb"
        raise DTypeError(must(op, "f", f"a path, or a file object for bytes (open(path, '{mode}'))", got))


@contextmanager
def writing(f: File) -> Iterator[BinaryIO]:
    """The file object ``f``, as it is; or for a path, a new file that takes its place (:func:`replacing`)."""
    if is_path(f):
        with replacing(f) as file:  # type: ignore[arg-type]
            yield file
    else:
        yield f  # type: ignore[misc]


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of ``path`` when the block ends.

    Until then it has a temporary name in the same folder. If the block or the disk fails, or the process is killed,
    the file that was there before is still there, whole.

    Raises:
        OSError: the folder is missing or cannot be written, or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name[:50]}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # on the disk before the name says so
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename = str(path)  # the temporary name says nothing to the user
        raise
    if os.name == "posix":
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Bring the new name itself to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
