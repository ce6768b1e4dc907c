"""The whole files that the mutated ones are made from, a few for each format, with the places of their headers."""

from __future__ import annotations

import importlib.util
import io
import pickletools
import zipfile
from collections.abc import Callable
from importlib import import_module

import numpy as np
from archives import legacy_content, numbers, sample_arrays, tensor, text
from mutations import Seed, Spots

from minidl import weights
from minidl.weights import npz

START = b"\x80\x02}"  # of a pickle of a dict
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


def pytorch() -> list[Seed]:
    """The zip format, written by minidl, and by PyTorch where it is installed."""
    weights.write(out := io.BytesIO(), sample_arrays(), "pytorch")
    found = [out.getvalue(), *_torch_saved(legacy=False)]
    return [
        Seed(content, [*zip_spots(content), *_pickle_spots(content)], _pickle_parts(content))
        for content in found
    ]


def pytorch_legacy() -> list[Seed]:
    """The format before PyTorch 1.6: made by hand, and written by PyTorch where it is installed."""
    made = (
        START
        + text("weight")
        + tensor(legacy=True)
        + b"s"
        + text("bias")
        + tensor(shape=numbers(6), strides=numbers(1), legacy=True)
        + b"s."
    )
    found = [legacy_content(made), *_torch_saved(legacy=True)]
    return [Seed(content, [(0, _legacy_start(content))]) for content in found]


def _torch_saved(legacy: bool) -> list[bytes]:
    """A state_dict, a checkpoint of several dtypes, and one with views, as PyTorch writes them."""
    if importlib.util.find_spec("torch") is None:
        return []
    import torch

    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    base = torch.ones(4, 6)
    mixed = {
        name: base.to(getattr(torch, name)) for name in ("float16", "bfloat16", "float64", "int64", "bool")
    }
    views = {"base": base, "transposed": base.T, "row": base[1], "parameter": torch.nn.Parameter(base)}
    found = []
    for number, obj in enumerate((layers.state_dict(), {"epoch": 3, "state_dict": mixed}, views)):
        torch.save(
            obj,
            out := io.BytesIO(),
            _use_new_zipfile_serialization=not legacy,
            pickle_protocol=2 + 2 * (number == 2),
        )
        found.append(out.getvalue())
    return found


def _pickle_parts(content: bytes) -> dict[str, Spots]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {
            i.filename: [(0, i.file_size)]
            for i in archive.infolist()
            if i.filename.endswith(("data.pkl", "byteorder"))
        }


def _pickle_spots(content: bytes) -> Spots:
    begin = content.index(b"\x80")
    return [(begin, content.index(b"PK\3\4", begin))]


def _legacy_start(content: bytes) -> int:
    """Where the storages begin, behind the five pickles."""
    file = io.BytesIO(content)
    for _ in range(5):
        for _ in pickletools.genops(file):
            pass
    return file.tell()


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


def _keras(kind: str) -> Callable[[], list[Seed]]:
    return lambda: getattr(import_module("keras_seeds"), kind)()


# A format's name -> what makes its seeds. Those that need an optional package import it themselves.
FORMATS: dict[str, Callable[[], list[Seed]]] = {
    "safetensors": safetensors,
    "npz": npz_files,
    "pytorch": pytorch,
    "pytorch-legacy": pytorch_legacy,
    "keras-h5": _keras("legacy"),
    "keras-weights-h5": _keras("tree"),
    "keras": _keras("archive"),
}
