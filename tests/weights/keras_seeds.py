"""Whole files of Keras's formats for the mutated ones to be made from; all but the arrays is headers and metadata."""

from __future__ import annotations

import io
import json
import zipfile

import h5py
import numpy as np
from mutations import Seed
from seeds import zip_spots

from minidl import weights
from minidl.random import stream


def legacy() -> list[Seed]:
    """The legacy layout: as the published files have it, as a whole model, and in the newest version of HDF5."""
    return [
        _hdf5(_legacy(libver, root)) for libver, root in ((None, ""), (None, "model_weights"), ("latest", ""))
    ]


def tree() -> list[Seed]:
    """Keras 3's layout, in one piece by minidl, and in compressed chunks."""
    arrays = {f"conv_{i}/{name}": array for i in range(3) for name, array in _layer().items()}
    weights.write(out := io.BytesIO(), arrays, "keras-weights-h5")
    return [_hdf5(out.getvalue()), _hdf5(_chunked())]


def archive() -> list[Seed]:
    """``.keras`` archives, the weights in them stored or compressed."""
    with h5py.File(out := io.BytesIO(), "w") as file:  # without the layer's name, which the config tells
        file["layers/conv2d/vars/0"], file["layers/conv2d/vars/1"] = _layer().values()
    inner = _hdf5(out.getvalue())
    config = json.dumps({"config": {"layers": [{"class_name": "Conv2D", "config": {"name": "own"}}]}})
    found = []
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(out := io.BytesIO(), "w", compression) as file:
            file.writestr("config.json", config)
            file.writestr("model.weights.h5", inner.content)
        parts = {"config.json": [(0, len(config))], "model.weights.h5": inner.spots}
        found.append(Seed(out.getvalue(), zip_spots(out.getvalue()), parts))
    return found


def _layer() -> dict[str, np.ndarray]:
    generator = stream(3)
    return {
        "kernel": generator.standard_normal((3, 3, 8, 16)).astype(np.float32),
        "bias": generator.standard_normal(16).astype(np.float32),
    }


def _legacy(libver: str | None, root: str) -> bytes:
    with h5py.File(out := io.BytesIO(), "w", libver=libver) as file:
        group = file.create_group(root) if root else file
        group.attrs["layer_names"] = np.array(["block1_conv1", "größe"], h5py.string_dtype())
        for layer in ("block1_conv1", "größe"):
            below = group.create_group(layer)
            below.attrs["weight_names"] = [f"{layer}_{name}_1:0".encode() for name in "Wb"]
            for name, array in zip(below.attrs["weight_names"], _layer().values(), strict=True):
                below[name] = array
    return out.getvalue()


def _chunked() -> bytes:
    options = {"chunks": (2, 3, 4, 16), "compression": "gzip", "shuffle": True, "fletcher32": True}
    with h5py.File(out := io.BytesIO(), "w") as file:
        file.create_dataset("layers/conv2d/vars/0", data=_layer()["kernel"], **options)
        file["layers/conv2d/vars/1"] = _layer()["bias"].astype(">f2")
        file["layers/conv2d/vars"].attrs["name"] = "own"
    return out.getvalue()


def _hdf5(content: bytes) -> Seed:
    """The file, in which all but the kernels is metadata."""
    spots, begin, kernel = [], 0, _layer()["kernel"].tobytes()
    while (at := content.find(kernel, begin)) >= 0:
        spots.append((begin, at))
        begin = at + len(kernel)
    return Seed(content, [*spots, (begin, len(content))])
