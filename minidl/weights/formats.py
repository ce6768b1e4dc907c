"""``read`` and ``write`` for weight files of any format; which one a file has is told from its content."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from minidl.errors import ArgumentError, DTypeError, WeightsError, must
from minidl.weights.files import File, check_file, is_path
from minidl.weights.stored import MappedFile, Shape, Stored, check_size

# The module and the function that read a format; imported when they are needed.
READERS = {
    "safetensors": ("minidl.weights.safetensors", "read_mapped"),
    "npz": ("minidl.weights.npz", "read"),
    "pytorch": ("minidl.weights.pytorch", "read"),
    "pytorch-legacy": ("minidl.weights.pytorch", "read_legacy"),
    "hdf5": ("minidl.weights.keras", "read"),
    "keras": ("minidl.weights.keras", "read_archive"),
}
# ... and that write it. A file's ending says which, the first that fits.
WRITERS = {
    "safetensors": ("minidl.weights.safetensors", "write"),
    "npz": ("minidl.weights.npz", "write"),
    "pytorch": ("minidl.weights.pytorch_writer", "write"),
    "keras-weights-h5": ("minidl.weights.keras_writers", "write_weights"),
    "keras-h5": ("minidl.weights.keras_writers", "write_legacy"),
}
ENDINGS = {
    ".safetensors": "safetensors",
    ".npz": "npz",
    ".pth": "pytorch",
    ".pt": "pytorch",
    ".weights.h5": "keras-weights-h5",
    ".h5": "keras-h5",
}

HDF5 = b"\x89HDF\r\n\x1a\n"
# Long enough for what is recognised: a tar's name stands at 257, HDF5's may stand at 512, 1024 or 2048.
START = 4096
_PICKLED_MAGIC = (
    b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # PyTorch's magic number, as a pickle of protocol 2 or later
)
_PICKLED_MAGIC_TEXT = b"L119547037146038801333356L\n."  # the same of protocol 0 or 1

# What a file that is no weight file looks like: how it begins, and what can be done about it.
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a git-lfs pointer, which only names the file: git lfs pull fetches it"),
    (
        b"minidl pickle\n",
        "a pickled Python object that minidl.save wrote: minidl.load(file, weights_only=False)",
    ),
    (b"\x93NUMPY", "a single array without a name (.npy): np.savez(file, name=array) makes an .npz of it"),
    (b"\x1f\x8b", "compressed by gzip: unpack it first (gunzip)"),
    (b"BZh", "compressed by bzip2: unpack it first (bunzip2)"),
    (b"\xfd7zXZ\0", "compressed by xz: unpack it first (unxz)"),
    (b"\x28\xb5\x2f\xfd", "compressed by Zstandard: unpack it first (unzstd)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"GGUF", "a GGUF file (llama.cpp)"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"%PDF", "a PDF document"),
)
_TABLE_END = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"  # of TensorFlow's checkpoint index


def read(path: str | os.PathLike[str], expect: Mapping[str, Shape] | None = None) -> Stored:
    """The arrays in a weight file, by name: safetensors, NumPy's ``.npz``, PyTorch's ``.pth``, Keras's.

    The format is recognised from the content; the file's name does not matter. Nothing in the file is executed. The
    arrays are read when they are asked for; where the file holds them as memory does, they are views of it.

    Args:
        path: the file.
        expect: the names and shapes that the file shall have, as a network's ``state_dict`` tells them. Without
            them, a file is refused whose arrays need far more memory than it has bytes.

    Returns:
        A :class:`Stored`: ``arrays``, ``format`` and ``metadata``.

    Raises:
        DTypeError: ``path`` is none.
        FileNotFoundError: there is no such file.
        WeightsError: it is no weight file, truncated, damaged, names code to run, or differs from ``expect``; the
            message names the file and says which.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "net.npz")
    >>> write(path, {"weight": np.ones((2, 3), np.float32)})
    >>> read(path).arrays
    Arrays('weight': float32[2, 3])
    >>> read(path, expect={"weight": (3, 2)})
    Traceback (most recent call last):
    minidl.errors.WeightsError: load: ...net.npz holds other arrays than expected.
        misshapen: weight is [2, 3], not [3, 2]
    """
    file, found = _read(path, expect)
    if expect is None:
        check_size(file, found.arrays)
    return found


def read_any_size(path: str | os.PathLike[str]) -> Stored:
    """:func:`read` without its limit, for those who ask only for arrays whose shapes they expect.

    Raises:
        DTypeError, FileNotFoundError, WeightsError: as :func:`read`.
    """
    return _read(path, None)[1]


def _read(path: str | os.PathLike[str], expect: Mapping[str, Shape] | None) -> tuple[MappedFile, Stored]:
    if not is_path(path):
        raise DTypeError(must("load", "the weight file", "a path", type(path).__name__))
    if os.path.isdir(path):
        raise WeightsError(must("load", os.fspath(path), "a weight file", _folder(Path(path))))
    file = MappedFile(path)
    return file, _function(READERS[_recognised(file)])(file, expect)


def recognise(path: str | os.PathLike[str]) -> str:
    """The format of a weight file, by its content: "safetensors", "npz", "pytorch", "keras" ...

    Raises:
        FileNotFoundError: there is no such file.
        WeightsError: it is something else; the message says what it looks like.
    """
    return _recognised(MappedFile(path))


def write(
    f: File,
    arrays: Mapping[str, np.ndarray],
    format: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write arrays by name to ``f``; a file at that path is replaced when the new one is complete.

    Args:
        f: a path, or a file object for bytes.
        arrays: of numbers or bools, in any memory order.
        format: "safetensors", "npz", "pytorch", "keras-h5" or "keras-weights-h5"; default: what the path's
            ending says. Keras's formats want names like ``"LAYER/kernel"``, and Keras's layouts.
        metadata: what else the file shall say, for :func:`read`. In safetensors, strings; otherwise what JSON has.

    Raises:
        ArgumentError: there is no such format, or the ending is of none; a name or the metadata do not fit into it.
        DTypeError: an array is of a dtype that the format does not have.
        OSError: the file cannot be written; one that was there is as it was.
    """
    check_file("write", f, "write")
    if format is None:
        name = os.fspath(f).lower() if is_path(f) else ""  # type: ignore[arg-type]
        format = next((format for ending, format in ENDINGS.items() if name.endswith(ending)), None)
        if format is None:
            got = f"{os.fspath(f)!r} without a format" if is_path(f) else "a file object without a format"  # type: ignore[arg-type]
            raise ArgumentError(must("write", "f", f"a path that ends in {' or '.join(ENDINGS)}", got))
    if format not in WRITERS:
        raise ArgumentError(must("write", "format", f"one of {', '.join(WRITERS)}", repr(format)))
    _function(WRITERS[format])(f, arrays, metadata)


def _function(place: tuple[str, str]) -> Callable[..., Any]:
    return getattr(import_module(place[0]), place[1])


def _recognised(file: MappedFile) -> str:
    """The format of the file; an error if it has none that minidl reads."""
    start = file.content[:START]
    if start.startswith((b"PK\3\4", b"PK\5\6")):
        kind = _archive(file)
    elif any(start[offset:].startswith(HDF5) for offset in (0, 512, 1024, 2048)):
        kind = "hdf5"
    elif start[8:9] == b"{" and start[3:8] in (
        bytes(5),
        b"\1\0\0\0\0",
        b"\2\0\0\0\0",
        b"\3\0\0\0\0",
        b"\4\0\0\0\0",
    ):
        kind = "safetensors"
    elif _PICKLED_MAGIC in start[:64] or start.startswith(_PICKLED_MAGIC_TEXT):
        kind = "pytorch-legacy"
    else:
        raise WeightsError(must("load", file.name, "a weight file", looks_like(start, file.content[-8:])))
    return kind


def _archive(file: MappedFile) -> str:
    """The format of a zip archive, by the names in it."""
    from minidl.weights import zips

    records, _ = zips.records(file)
    names = {name.rpartition("/")[2] for name in records}
    if "data.pkl" in names:
        if "constants.pkl" in names:
            raise file.refused(
                "it is a TorchScript program. Its weights, without the program, can be read: in PyTorch, "
                "torch.save(torch.jit.load(file).state_dict(), other_file)"
            )
        return "pytorch"
    if "config.json" in names and names & {"model.weights.h5", "model.weights.npz"}:
        return "keras"
    if all(name.endswith(".npy") for name in names):
        return "npz"
    held = ", ".join(sorted(records)[:5])[:200]
    raise WeightsError(must("load", file.name, "a weight file", f"a zip archive of other files: {held}"))


def _folder(path: Path) -> str:
    if (path / "saved_model.pb").exists():
        return "the folder of a TensorFlow SavedModel: in Keras, model.save_weights('file.weights.h5') writes one file"
    return "a folder"


def looks_like(start: bytes, end: bytes = b"") -> str:
    """What a file that is no weight file looks like, from its first (and last) bytes, in words.

    >>> looks_like(b"<!DOCTYPE html><title>404</title>")
    'a web page; the download failed'
    """
    for beginning, what in _OTHERS:
        if start.startswith(beginning):
            return what
    if re.match(rb"\s*<(!doctype|html|\?xml|head|body)", start, re.IGNORECASE):
        return "a web page; the download failed"
    if start[257:262] == b"ustar":
        return "a tar archive: unpack it first; PyTorch files of this kind, from before 2017, load in PyTorch only"
    if end == _TABLE_END:
        return "the index of a TensorFlow checkpoint: in Keras, model.save_weights('file.weights.h5') writes one file"
    if re.match(rb"\x80[\2-\5]", start):
        return "a Python pickle, but none that torch.save wrote; loading it could run any code"
    if re.match(rb"\x08[\1-\x20]\x12", start):
        return "an ONNX file, or another of Protocol Buffers"
    if start[4:8] == b"TFL3":
        return "a TensorFlow Lite file"
    if re.match(rb"\s*[{\[]", start):
        return f"a text in JSON that begins with {start[:40]!r}"
    if re.fullmatch(rb"[\t\n\r\x20-\x7e]*", start):
        return f"a text that begins with {start[:40]!r}"
    if not any(start):
        return "zeros: the download was interrupted"
    return f"a file that begins with {start[:16]!r}"
