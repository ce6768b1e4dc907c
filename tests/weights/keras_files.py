"""Keras's weight files made by hand, with h5py, as Keras 1, 2 and 3 lay them out."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from minidl.random import stream

Weights = Mapping[str, Mapping[str, np.ndarray]]  # of layers, by the names that Keras gives the variables


def numbers(*shape: int) -> np.ndarray:
    return stream(sum(shape)).standard_normal(shape).astype(np.float32)


def conv(name: str, inputs: int, outputs: int, kernel: str = "{}_W_1:0", bias: str = "{}_b_1:0") -> dict:
    """A convolution's variables; the default names are those of the published files."""
    return {kernel.format(name): numbers(3, 3, inputs, outputs), bias.format(name): numbers(outputs)}


def legacy_file(path: Path, layers: Weights, root: str = "", **attributes: Any) -> Path:
    """The layout of Keras 1 and 2: groups, and lists of names as attributes."""
    with h5py.File(path, "w") as file:
        group = file.create_group(root) if root else file
        group.attrs["layer_names"] = [name.encode() for name in layers]
        for key, value in {"backend": b"tensorflow", "keras_version": b"1.2.1", **attributes}.items():
            group.attrs[key] = value
        for name, weights in layers.items():
            below = group.create_group(name)
            below.attrs["weight_names"] = [weight.encode() for weight in weights]
            for weight, array in weights.items():
                below[weight] = array
    return path


def tree_file(path: Path, arrays: Mapping[str, np.ndarray], names: Mapping[str, str] | None = None) -> Path:
    """The layout of Keras 3: a layer's path -> its variables; ``names`` are kept as newer versions keep them."""
    with h5py.File(path, "w") as file:
        for place, array in arrays.items():
            file[place] = array
        for layer, name in (names or {}).items():
            file.require_group(f"{layer}/vars").attrs["name"] = name
    return path


def archive(path: Path, weights: Path, config: Any = None, compression: int = zipfile.ZIP_STORED) -> Path:
    """A ``.keras`` archive around a Keras 3 weight file."""
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("metadata.json", json.dumps({"keras_version": "3.0.0"}))
        file.writestr("config.json", config if isinstance(config, (str, bytes)) else json.dumps(config or {}))
        file.write(weights, "model.weights.h5")
    return path


def layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
    """A layer as a model's config describes it."""
    return {"class_name": kind, "config": {"name": name, **config}}
