"""Finding the pictures in a folder, and those among its files that are none, before anybody trains on them.

A scan must be fast, so it reads headers and ends, not pictures: 1,000 photos take a third of a second. What a format
does not tell from these is decoded:

- JPEG (and MPO): the header must be whole, and the file must end with the end-of-image marker; one that does not is
  decoded, because some cameras write on behind it;
- PNG: every chunk's checksum, to the last chunk;
- WebP and BMP: the size that the header gives is there; GIF: it ends with its trailer;
- all others are decoded.
"""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from minidl.errors import DataError

CLUTTER = frozenset(
    {"thumbs.db", "desktop.ini", "__macosx", "@eadir"}
)  # what systems leave in folders of pictures
TAIL = 4096  # bytes at a file's end in which zeros are passed over
JPEG_END, PNG_END, GIF_END = b"\xff\xd9", b"IEND\xaeB`\x82", b";"


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is none of the user's pictures."""
    return name.startswith(".") or name.lower() in CLUTTER


def printable(path: str | os.PathLike[str]) -> str:
    """A path for a message: bytes in it that are no text appear as escapes."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode()


# ---- folders ----


def class_folders(root: Path, op: str) -> list[str]:
    """The names of the folders in ``root``, sorted, hidden ones left out.

    Raises:
        DataError: ``root`` is no folder, or cannot be read, or has no folders in it.
    """
    try:
        with os.scandir(root) as found:
            entries = [entry for entry in found if not is_hidden(entry.name)]
            names = sorted(entry.name for entry in entries if os.path.isdir(entry.path))
    except OSError as error:
        raise DataError(f"{op}: {printable(root)} cannot be read as a folder: {error.strerror}") from error
    if not names:
        files = f"; {len(entries)} files lie directly in it" if entries else ", nothing is in it"
        raise DataError(
            f"{op}: {printable(root)} has no folder per class{files} (ROOT/CLASS/FILE is expected)"
        )
    return names


def files_below(folder: str, problems: dict[str, str]) -> Iterator[str]:
    """The files in a class's folder and the folders in it, in torchvision's order; links are followed.

    What cannot be read, and a link that leads back to a folder that it lies in, goes to ``problems``.
    """
    root = os.stat(os.path.dirname(folder))
    below = list(_walk(folder, problems, ((root.st_dev, root.st_ino),)))
    for directory, names in sorted(below):
        for name in sorted(names):
            yield os.path.join(directory, name)


def _walk(folder: str, problems: dict[str, str], above: tuple[Any, ...]) -> Iterator[tuple[str, list[str]]]:
    try:
        status = os.stat(folder)
        with os.scandir(folder) as found:
            entries = [entry for entry in found if not is_hidden(entry.name)]
    except OSError as error:
        problems[folder] = f"the folder cannot be read: {error.strerror}"
        return
    here = (status.st_dev, status.st_ino)
    if here in above:
        problems[folder] = "a link that leads back to a folder above it"
        return
    folders = [
        entry.path for entry in entries if os.path.isdir(entry.path)
    ]  # entry.is_dir() raises for some links
    yield folder, [entry.name for entry in entries if entry.path not in folders]
    for below in folders:
        yield from _walk(below, problems, (*above, here))


# ---- files ----


def pixel_limit() -> float:
    """The most pixels that a picture may have: Pillow's ``Image.MAX_IMAGE_PIXELS``, which a user may set."""
    from PIL import Image

    return float("inf") if Image.MAX_IMAGE_PIXELS is None else Image.MAX_IMAGE_PIXELS


def broken(paths: Iterable[str]) -> dict[str, str]:
    """Which of the files are no whole pictures, and why."""
    limit = pixel_limit()
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of absurd sizes we speak ourselves; of odd metadata nobody wants to hear
        for path in paths:
            if problem := problem_of(path, limit):
                found[path] = problem
    return found


def problem_of(path: str, limit: float) -> str | None:
    """Why the file is no whole picture of at most ``limit`` pixels; None if it is one."""
    from PIL import Image, UnidentifiedImageError

    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe waits for whoever writes to it
            return "no file with content: a pipe, a socket or a device"
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                return "empty"
            with Image.open(file) as image:
                if image.width * image.height > limit:
                    return _too_large(f"{image.width} x {image.height} pixels", limit)
                _check_end(image, file, size)
    except UnidentifiedImageError:
        return "not a picture, or damaged at its beginning"
    except FileNotFoundError:
        return "a link that leads nowhere" if os.path.islink(path) else "not there any more"
    except Image.DecompressionBombError:
        return _too_large("many more pixels", limit)
    except OSError as error:
        return f"cannot be read: {error.strerror}" if error.strerror else f"damaged: {error}"
    except Exception as error:  # what a decoder stumbles over in a damaged file is of any kind
        return f"damaged: {error}"
    return None


def _too_large(pixels: str, limit: float) -> str:
    return f"{pixels}, more than the {limit:,.0f} that PIL.Image.MAX_IMAGE_PIXELS allows"


def _check_end(image: Any, file: Any, size: int) -> None:
    """Raise what Pillow raises where the file is shorter than its picture."""
    if image.format == "PNG":
        image.verify()
        return
    if not _WHOLE.get(image.format, _unknown)(file, size):
        image.load()


def _tail(file: Any, size: int) -> bytes:
    position = file.tell()
    file.seek(max(0, size - TAIL))
    tail = file.read().rstrip(b"\0")
    file.seek(position)
    return tail


def _header_size(file: Any, at: int) -> int:
    position = file.tell()
    file.seek(at)
    size = int.from_bytes(file.read(4), "little")
    file.seek(position)
    return size


def _ends_with(end: bytes) -> Callable[[Any, int], bool]:
    return lambda file, size: _tail(file, size).endswith(end)


def _unknown(_file: Any, _size: int) -> bool:
    return False


_WHOLE: dict[str, Callable[[Any, int], bool]] = {  # whether a file of this format is as long as it should be
    "JPEG": _ends_with(JPEG_END),
    "MPO": _ends_with(JPEG_END),
    "GIF": _ends_with(GIF_END),
    "WEBP": lambda file, size: size >= 8 + _header_size(file, 4),
    "BMP": lambda file, size: 0 < _header_size(file, 2) <= size,
}
