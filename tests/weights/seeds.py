"""The whole files that the mutated ones are made from, a few for each format, with the places of their headers."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import numpy as np
from archives import sample_arrays
from mutations import Seed, Spots

from minidl import weights
from minidl.weights import npz

LOCAL_HEADER = 30  # bytes, before the name


def safetensors() -> list[Seed]:
    return [_safetensors(sample_arrays()), _safetensors({"weight": np.ones((20, 20), np.float32)})]


def _safetensors(arrays: dict[str, np.ndarray]) -> Seed:
    out = io.BytesIO()
    weights.write(out, arrays, "safetensors", {"classes": "cat, dog"})
    content = out.getvalue()
    return Seed(content, [(0, 8 + int.from_bytes(content[:8], "little"))])


def npz_files() -> list[Seed]:
    """Written by minidl and by NumPy, compressed and not."""
    arrays = sample_arrays()
    few = {"weight": np.ones((20, 20), np.float32), "bias": np.zeros(20)}
    found = []
    for write in (npz.write, lambda f, a: npz.write(f, a, compressed=True)):
        write(out := io.BytesIO(), arrays)
        found.append(out.getvalue())
    for save in (np.savez, np.savez_compressed):
        save(out := io.BytesIO(), **few)
        found.append(out.getvalue())
    return [Seed(content, zip_spots(content), npy_parts(content)) for content in found]


def npy_parts(content: bytes) -> dict[str, Spots]:
    """The headers of the ``.npy`` files in an archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: [(0, archive.read(name).index(b"\n") + 1)] for name in archive.namelist()}


def zip_spots(content: bytes) -> Spots:
    """The headers of the records, the table of contents and the end of an archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        headers = [
            (i.header_offset, i.header_offset + LOCAL_HEADER + len(i.filename)) for i in archive.infolist()
        ]
        return [
            *headers,
            *[(archive.start_dir, len(content))] * len(headers),
        ]  # as often as all of the others


# A format's name -> what makes its seeds. Those that need an optional package import it themselves.
FORMATS: dict[str, Callable[[], list[Seed]]] = {"safetensors": safetensors, "npz": npz_files}
