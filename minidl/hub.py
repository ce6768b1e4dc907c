"""Downloads into the cache: several mirrors in turn, resumed where they broke off, checked, moved into place whole."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from queue import Empty, Queue
from typing import Any, BinaryIO
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from minidl.cache import home as home
from minidl.errors import ArgumentError, DownloadError, must

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

CHUNK = 64 * 1024
ATTEMPTS = 100  # at one source, each of which brought the file further
SLOWEST = 1024  # bytes per second: below this, a source counts as silent


def download(
    urls: str | Sequence[str],
    path: str | os.PathLike[str],
    *,
    md5: str | None = None,
    sha256: str | None = None,
    timeout: float = 10.0,
    progress: bool = True,
) -> Path:
    """Fetch a file from the first of ``urls`` that delivers it, and return its path.

    A file that is already there, with the right hash, is not fetched again. What one source began, the next one (or
    the next run) resumes, provided that a hash can tell whether the pieces fit; the file appears under its own name
    only when it is complete. Processes that download the same file at once do not disturb each other.

    Args:
        urls: the sources, in the order in which they are tried.
        md5: what the whole file must hash to, in hexadecimal.
        sha256: the same, or its first digits, which some publishers put in the file's name. With neither, what comes
            is accepted.
        timeout: seconds of silence after which to give up, over all sources together (each gets an even share of
            what is left). Received bytes earn time back: a slow download that goes on is not cut off.
        progress: show a progress bar, on a terminal, when it takes longer than a second.

    Raises:
        DownloadError: no source delivered; it lists every source and what went wrong there.
        OSError: the file cannot be written here.
    """
    sources = [urls] if isinstance(urls, str) else list(urls)
    if not sources:
        raise ArgumentError(must("download", "urls", "one or more addresses", sources))
    if not timeout > 0:
        raise ArgumentError(must("download", "timeout", "positive", timeout))
    if md5 and sha256:
        raise ArgumentError(must("download", "md5 and sha256", "given one at a time", "both"))
    digest = _Digest("md5", md5) if md5 else _Digest("sha256", sha256) if sha256 else None
    path = Path(path)
    if _is_complete(path, digest):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with _partial_file(path) as part:
        if not _is_complete(path, digest):  # by a process that held the partial file until now
            if digest is None or not _is_complete(part, digest):
                _fetch_from_any(sources, part, path.name, digest, timeout, progress)
            os.replace(part, path)
    return path


# ---- files ----


@dataclass
class _Digest:
    """What a file must hash to: a kind of hash, and its first hexadecimal digits."""

    kind: str
    wanted: str

    def of(self, path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(
                file, lambda: hashlib.new(self.kind, usedforsecurity=False)
            ).hexdigest()

    def fits(self, actual: str) -> bool:
        return actual.startswith(self.wanted.lower())


def _is_complete(path: Path, digest: _Digest | None) -> bool:
    return path.is_file() and (digest is None or digest.fits(digest.of(path)))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _partial_file(path: Path) -> Iterator[Path]:
    """Where to collect ``path``: one name that later runs find again, or a private one while a process uses that."""
    lock = path.with_name(path.name + ".lock")
    with lock.open("ab") as file:
        ours = _try_lock(file)
        part = path.with_name(path.name + (".part" if ours else f".{secrets.token_hex(4)}.part"))
        try:
            yield part
        finally:
            if not ours:
                part.unlink(missing_ok=True)
    if ours:
        with suppress(OSError):  # Windows keeps a lock file that another process has open
            lock.unlink()


def _try_lock(file: BinaryIO) -> bool:
    """Whether ``file`` is now locked for this caller alone, until it is closed or the process dies."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # locked elsewhere, or a file system without locks
        return False
    return True


# ---- sources ----


class _Patience:
    """The silence that is still borne: time uses it up, received bytes earn it back."""

    def __init__(self, seconds: float) -> None:
        self.most = seconds
        self.until = time.monotonic() + seconds

    def left(self) -> float:
        return max(0.0, self.until - time.monotonic())

    def earn(self, received: int) -> None:
        self.until = min(self.until + received / SLOWEST, time.monotonic() + self.most)


def _fetch_from_any(
    urls: list[str], part: Path, name: str, digest: _Digest | None, timeout: float, progress: bool
) -> None:
    """Fill ``part`` from one source or several; with its hash right, if that is given."""
    patience = _Patience(timeout)
    failures = []
    for sources_left, url in zip(range(len(urls), 0, -1), urls, strict=True):
        reserve = patience.left() * (1 - 1 / sources_left)
        for _ in range(ATTEMPTS):
            before = _size(part) if digest else 0  # pieces that nothing can check are not joined
            try:
                _fetch(url, part, before, name, patience, reserve, progress)
                if digest is None or digest.fits(actual := digest.of(part)):
                    return
                part.unlink()
                failure = f"the file's {digest.kind} is {actual}, not {digest.wanted}"
            except DownloadError as error:
                failure = str(error)
            got_further = digest is not None and _size(part) > before
            start_over = before > 0 and _size(part) == 0  # what was resumed was wrong
            if not (got_further or start_over):
                break
        failures.append(f"  {url}: {failure}")
    raise DownloadError("\n".join([f"download: no source delivered {name}:", *failures]))


def _fetch(
    url: str, part: Path, offset: int, name: str, patience: _Patience, reserve: float, progress: bool
) -> None:
    """Append to ``part`` what ``url`` holds from ``offset`` on, leaving ``reserve`` seconds of patience to others."""
    from tqdm import tqdm  # loaded when there is something to download

    stream = _Stream(url, offset, max(0.1, patience.left() - reserve))
    try:
        position, size = stream.receive(patience.left() - reserve)
        bar = tqdm(total=size, initial=position, desc=name, unit="B", unit_scale=True, delay=1,
                   disable=None if progress else True)  # fmt: skip
        with part.open("r+b" if position else "wb") as file, bar:
            file.seek(position)
            while chunk := stream.receive(patience.left() - reserve):
                file.write(chunk)
                position += len(chunk)
                patience.earn(len(chunk))
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())
        if size is not None and position < size:
            raise DownloadError(f"the connection closed after {position:,} of {size:,} bytes")
    finally:
        stream.close()


class _Stream:
    """What a source answers: first the pair (position, size), then the bytes from there on, then b"".

    It is read in a thread of its own: no timeout of sockets ends a name look-up that hangs, or headers that trickle in.
    """

    def __init__(self, url: str, offset: int, timeout: float) -> None:
        self._items: Queue[Any] = Queue(maxsize=16)
        self._stop = threading.Event()
        threading.Thread(target=self._read, args=(url, offset, timeout), daemon=True).start()

    def receive(self, timeout: float) -> Any:
        try:
            item = self._items.get(timeout=max(0.0, timeout))
        except Empty:
            raise DownloadError("no answer, or too slow") from None
        if isinstance(item, Exception):
            raise DownloadError(_in_words(item)) from item
        return item

    def close(self) -> None:
        self._stop.set()
        with suppress(Empty):  # makes room for a reader that waits to deliver
            while True:
                self._items.get_nowait()

    def _read(self, url: str, offset: int, timeout: float) -> None:
        try:
            response, position = _open(url, offset, timeout)
            with response:
                length = response.headers.get("Content-Length")
                self._items.put((position, None if length is None else position + int(length)))
                while not self._stop.is_set() and (chunk := response.read1(CHUNK)):
                    self._items.put(chunk)
            self._items.put(b"")
        except (OSError, HTTPException, ValueError) as error:
            self._items.put(error)


def _open(url: str, offset: int, timeout: float) -> tuple[Any, int]:
    """The response, and the position at which it begins: 0 if the server ignores Range, or has nothing there."""
    headers = {"User-Agent": "minidl"} | ({"Range": f"bytes={offset}-"} if offset else {})
    try:
        response = urlopen(Request(url, headers=headers), timeout=timeout)
    except HTTPError as error:
        error.close()
        if error.code == 416 and offset:  # the partial file is longer than the file
            return _open(url, 0, timeout)
        raise
    if response.status != 206:
        return response, 0
    given = response.headers.get("Content-Range", "")
    if not re.match(rf"bytes {offset}-", given):
        response.close()
        raise DownloadError(f"asked for bytes from {offset} on, the answer is {given!r}")
    return response, offset


def _in_words(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, URLError):
        return str(error.reason)
    return str(error) or type(error).__name__
