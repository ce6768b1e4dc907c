"""Writes Keras's legacy ``.h5`` and Keras 3's ``.weights.h5``, which ``model.load_weights(file)`` reads.

Names are ``"LAYER/kernel"``, or ``"MODEL/LAYER/kernel"`` for a layer of a model within the model; layouts are Keras's.
Keras goes by the order of the layers in the one format, and by their classes, counted, in the other, so the arrays
must come in the network's order; names in alphabetical order, as safetensors files keep them, are taken in the order
of their numbers. A layer's class is told from its variables: a kernel of four dimensions is a Conv2D's,
of two a Dense's, and so on.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from minidl.errors import ArgumentError, MissingDependencyError, must
from minidl.weights.files import File, is_path, replacing
from minidl.weights.keras_layers import ORDER, VARIABLES, natural
from minidl.weights.stored import Shape, as_arrays, release

# What the files say of their writer: the layouts of TensorFlow (Keras 1 and Theano had others), and of Keras since 2.
BACKEND, VERSION = "tensorflow", "2.15.0"
LONGEST_ATTRIBUTE = (
    64_000  # bytes: HDF5 keeps up to 64 KB in an object's header; longer lists are split, as Keras does
)

Tree = dict[str, Any]  # names to arrays' names, or to further trees


def write_legacy(
    f: File, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any] | None = None
) -> None:
    """Write the legacy layout: a group a layer, and lists of names in attributes.

    Args:
        metadata: strings, kept as attributes of the file.

    Raises:
        ArgumentError: a name is not ``LAYER/VARIABLE``, or ``metadata`` holds something else than strings.
        MissingDependencyError: h5py is not installed.
    """
    tree = _tree(arrays)
    with _hdf5(f, metadata) as file:
        _set_names(file, "layer_names", list(tree))
        file.attrs["backend"], file.attrs["keras_version"] = np.bytes_(BACKEND), np.bytes_(VERSION)
        for layer, content in tree.items():
            group = file.create_group(layer)
            weights = dict(_flat(content, ""))
            prefix = "" if _is_model(content) else f"{layer}/"
            _set_names(group, "weight_names", [f"{prefix}{weight}:0" for weight in weights])
            for weight, name in weights.items():
                _store(group, f"{prefix}{weight}:0", arrays[name])


def write_weights(
    f: File, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any] | None = None
) -> None:
    """Write Keras 3's layout: a tree in which layers go by their class, and variables by their number.

    Args, Raises: those of :func:`write_legacy`; and ArgumentError for a layer whose class its variables do not tell.
    """
    tree = _tree(arrays)
    paths = list(_paths(tree, as_arrays(arrays).shapes, "layers"))
    with _hdf5(f, metadata) as file:
        for path, layer, names in paths:
            group = file.create_group(f"{path}/vars")
            group.attrs["name"] = layer
            for i, name in enumerate(names):
                _store(group, str(i), arrays[name])


@contextmanager
def _hdf5(f: File, metadata: Mapping[str, Any] | None) -> Iterator[Any]:
    """A new HDF5 file that takes the place of ``f`` when the block ends; or that is written to the file object."""
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError("write: Keras's formats need h5py: pip install h5py") from error
    if not all(isinstance(value, str) for value in (metadata or {}).values()):
        raise ArgumentError(must("write", "metadata", "a dict of strings in Keras's formats", metadata))
    with _place(f) as place, h5py.File(place, "w") as file:
        for key, value in (metadata or {}).items():
            file.attrs[key] = value
        yield file


@contextmanager
def _place(f: File) -> Iterator[Any]:
    """What h5py shall write to, for ``f``: a path or a file object that can be read, too."""
    if is_path(f):
        with replacing(f) as file:  # type: ignore[arg-type]
            yield file.name
    else:
        buffer = io.BytesIO()
        yield buffer
        f.write(buffer.getbuffer())  # type: ignore[union-attr]


def _store(group: Any, path: str, array: np.ndarray) -> None:
    group.create_dataset(path, data=np.ascontiguousarray(array) if array.ndim else array)
    release(array)


def _set_names(group: Any, attribute: str, names: list[str]) -> None:
    """Keep a list of names in an attribute, or in several, numbered, if it is too long for one."""
    encoded = [name.encode() for name in names]
    parts = -(-len(encoded) * max(map(len, encoded), default=0) // LONGEST_ATTRIBUTE)
    for i, part in enumerate(np.array_split(np.array(encoded), max(1, parts))):
        group.attrs[f"{attribute}{i}" if parts > 1 else attribute] = part


# ---- layers and their variables ----


def _tree(arrays: Mapping[str, np.ndarray]) -> Tree:
    """The names, parted at their slashes; a layer's variables in Keras's order."""
    tree: Tree = {}
    names = list(arrays)
    for name in sorted(names, key=natural) if names == sorted(names) else names:
        *scopes, variable = name.split("/")
        if not scopes or not all([*scopes, variable]):
            raise ArgumentError(
                must("write", f"the name {name!r}", "LAYER/VARIABLE in Keras's formats", "another one")
            )
        inner = tree
        for scope in scopes:
            inner = inner.setdefault(scope, {})
            if not isinstance(inner, dict):
                raise ArgumentError(must("write", f"the name {name!r}", "no part of another array's", inner))
        if variable in inner:
            raise ArgumentError(must("write", f"the name {name!r}", "no part of another array's", "both"))
        inner[variable] = name
    return tree


def _is_model(content: Tree) -> bool:
    return any(isinstance(inner, dict) for inner in content.values())


def _flat(content: Tree, path: str) -> Iterator[tuple[str, str]]:
    """The paths of a layer's variables, and the arrays' names."""
    for key in sorted(content, key=_position):
        inner = content[key]
        if isinstance(inner, dict):
            yield from _flat(inner, f"{path}{key}/")
        else:
            yield f"{path}{key}", inner


def _position(variable: str) -> int:
    return ORDER.index(variable) if variable in ORDER else len(ORDER)


def _paths(tree: Tree, shapes: Mapping[str, Shape], above: str) -> Iterator[tuple[str, str, list[str]]]:
    """Where Keras 3 keeps each layer, its name, and the names of its arrays in order."""
    counters: dict[str, int] = {}
    for layer, content in tree.items():
        model = _is_model(content)
        kind = "functional" if model else _class(layer, content, shapes)
        count = counters[kind] = counters.get(kind, -1) + 1
        path = f"{above}/{kind}_{count}" if count else f"{above}/{kind}"
        own = [name for name in content if not isinstance(content[name], dict)]
        yield path, layer, [content[variable] for variable in sorted(own, key=_position)]
        if model:
            yield from _paths({k: v for k, v in content.items() if k not in own}, shapes, f"{path}/layers")


def _class(layer: str, content: Tree, shapes: Mapping[str, Shape]) -> str:
    """The layer's class, as Keras's files spell it."""
    variables = set(content)
    if "moving_mean" in variables:
        return "batch_normalization"
    if variables <= {"kernel", "bias"} and "kernel" in variables:
        dimensions = len(shapes[content["kernel"]])
        if dimensions in (2, 3, 4, 5):
            return "dense" if dimensions == 2 else f"conv{dimensions - 2}d"
    if variables <= {"depthwise_kernel", "bias"} and "depthwise_kernel" in variables:
        return "depthwise_conv2d"  # Keras 2's name of the kernel
    for kind in ("separable_conv2d", "layer_normalization", "embedding"):
        if variables <= set(VARIABLES[kind]) and VARIABLES[kind][0] in variables:
            return kind
    raise ArgumentError(
        must(
            "write",
            f"the layer {layer!r}",
            "of a class that its variables tell",
            f"one with {sorted(content)}",
        )
    )
