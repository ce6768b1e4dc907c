"""Keras's weight files: the legacy ``.h5``, Keras 3's ``.weights.h5``, and ``.keras`` archives.

All hold HDF5. The arrays come back as ``"LAYER/kernel"``, ``"LAYER/bias"``, ``"LAYER/gamma"`` ..., by the layer's own
name, and in Keras's layout; a layer of a model within the model is ``"MODEL/LAYER/kernel"``. Which layer of a network
that is, and how it lies in memory there, is not for this package to know.

What optimizers and random generators keep in these files is left out.

- Legacy: a group a layer, in the order of the attribute ``layer_names``; in it the arrays that its attribute
  ``weight_names`` lists. Whole models (``model.save("file.h5")``) have all that in the group ``model_weights``.
- Keras 3: a tree of Python attributes, in which a list's members go by their class: ``layers/conv2d_1/vars/0``. Newer
  files tell the layer's name in an attribute; an archive tells it in ``config.json``; otherwise the class's name and
  its counter are all there is, and the arrays come back as ``"conv2d_1/kernel"``, counted in the order of the layers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from minidl.weights import zips
from minidl.weights.hdf5 import Group, Tree, Window
from minidl.weights.hdf5 import read as read_tree
from minidl.weights.hdf5_data import Dataset
from minidl.weights.keras_layers import canonical, layer_names, natural, variable_names
from minidl.weights.stored import SLACK, MappedFile, Shape, Stored, stored

LEFT_OUT = ("optimizer", "optimizer_weights")  # groups in the root
RANDOM = "seed_generator"  # what holds a random generator's state
LONGEST_CONFIG = 2 << 20  # bytes; as Python objects it takes some 25 times as much
_LIST = re.compile(r"layer_names\d*")
LISTS = ("layers", "_layer_checkpoint_dependencies")  # of layers, in Keras 3's tree


def read(file: MappedFile, expect: Mapping[str, Shape] | None = None) -> Stored:
    """What a ``.h5`` or ``.weights.h5`` file holds.

    Raises:
        WeightsError: the file is damaged, or holds no weights of Keras, or others than expected.
        MissingDependencyError: pyfive is not installed.
    """
    format, found, metadata = _weights(Window(file, 0, file.size), {})
    return stored(file, format, {name: d.entry() for name, d in found.items()}, metadata, expect)


def read_archive(file: MappedFile, expect: Mapping[str, Shape] | None = None) -> Stored:
    """What a ``.keras`` archive holds. Its config is read for the layers' names; nothing in it is built or run.

    Raises:
        WeightsError, MissingDependencyError: as :func:`read`.
    """
    records, _ = zips.records(file)
    record = records.get("model.weights.h5")
    if record is None:
        raise file.refused("it is a .keras archive without model.weights.h5")
    if record.method == zips.STORED:
        zips.check_sum(file, record)
        window = Window(file, record.offset, record.size)
    else:
        if record.size > file.size + SLACK:
            raise file.refused(f"a file of {file.size:,} bytes that unpacks to {record.size:,}")
        window = Window(file, 0, record.size, zips.unpacked(file, record).data)
    _, found, metadata = _weights(window, _config(file, records))
    return stored(file, "keras", {name: d.entry() for name, d in found.items()}, metadata, expect)


def _config(file: MappedFile, records: Mapping[str, zips.Record]) -> dict[str, Any]:
    """The model's config.json, as data; empty if there is none, or a very long one."""
    record = records.get("config.json")
    if record is None or record.size > LONGEST_CONFIG:
        return {}
    try:
        config = json.loads(zips.content(file, record, LONGEST_CONFIG).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise file.damaged(f"its config.json: {error}") from None
    return config if isinstance(config, dict) else {}


def _weights(window: Window, config: dict[str, Any]) -> tuple[str, dict[str, Dataset], dict[str, Any]]:
    """The format, the arrays by name, and what else the file says of itself."""
    tree = read_tree(window, lambda path: path not in LEFT_OUT)
    legacy = next((root for root in ("", "model_weights") if _listed(tree, root, "layer_names")), None)
    if legacy is not None:
        if tree.groups[legacy].strings.get("backend") == ["theano"]:
            raise window.file.refused("Theano wrote it, which turned the kernels of convolutions around")
        format, pairs = "keras-h5", _legacy(window.file, tree, legacy)
    elif any(path.endswith("vars") for path in tree.groups):
        format, pairs = "keras-weights-h5", _tree(tree, config)
    else:
        held = ", ".join(sorted([*tree.groups, *tree.datasets])[1:6])
        raise window.file.refused(
            f"it is an HDF5 file, but not of Keras's weights: it holds {held or 'nothing'}"
        )
    found: dict[str, Dataset] = {}
    for name, dataset in pairs:
        if name in found:
            raise window.file.refused(f"it has two arrays named {name!r}")
        found[name] = dataset
    strings = tree.groups[""].strings | tree.groups.get(legacy or "", Group()).strings
    told = {
        key: values[0] for key, values in strings.items() if len(values) == 1 and not _LIST.fullmatch(key)
    }
    return format, found, told


# ---- the legacy layout ----


def _listed(tree: Tree, group: str, attribute: str) -> list[str] | None:
    """A list of names that a group keeps in an attribute, or in several with numbers if it is long; None: in none."""
    strings = tree.groups[group].strings if group in tree.groups else {}
    if attribute in strings:
        return strings[attribute]
    names: list[str] = []
    for i in range(len(strings)):
        if f"{attribute}{i}" not in strings:
            break
        names += strings[f"{attribute}{i}"]
    return names or None


def _legacy(file: MappedFile, tree: Tree, root: str) -> Iterator[tuple[str, Dataset]]:
    """The arrays in the order of layers and weights that the attributes list."""
    above = root and root + "/"
    for layer in (*(_listed(tree, root, "layer_names") or ()), "top_level_model_weights"):
        group = above + layer
        names = _listed(tree, group, "weight_names")
        if names is None:
            if any(path.startswith(group + "/") for path in tree.datasets):
                raise file.damaged(f"its layer {layer!r} does not say which weights it has")
            names = []
        for weight in names:
            dataset = tree.datasets.get(f"{group}/{weight}")
            if dataset is None:
                raise file.damaged(f"its layer {layer!r} lists {weight!r}, which is not there")
            if RANDOM not in weight:
                yield _legacy_name(layer, weight), dataset


def _legacy_name(layer: str, weight: str) -> str:
    """The array's name here, from the layer's and what Keras called the variable.

    >>> _legacy_name("block1_conv1", "block1_conv1_W_1:0")
    'block1_conv1/kernel'
    >>> _legacy_name("dense", "sequential/dense/kernel:0")
    'dense/kernel'
    >>> _legacy_name("scope/conv", "scope/conv/kernel:0")
    'scope/conv/kernel'
    >>> _legacy_name("vgg16", "block1_conv1/kernel")
    'vgg16/block1_conv1/kernel'
    """
    *scopes, variable = re.sub(r":\d+$", "", weight).removeprefix(f"{layer}/").split("/")
    variable = canonical(variable.removeprefix(f"{layer}_"))
    if layer in scopes:  # below the names of the models that hold it
        scopes = scopes[len(scopes) - scopes[::-1].index(layer) :]
    elif len(scopes) == 1 and re.fullmatch(re.escape(layer) + r"_\d+", scopes[0]):
        scopes = []  # TensorFlow 1 counted the scopes of one name
    if layer == "top_level_model_weights":
        return "/".join((*scopes, variable))
    return "/".join((layer, *scopes, variable))


# ---- Keras 3's layout ----


def _tree(tree: Tree, config: dict[str, Any]) -> Iterator[tuple[str, Dataset]]:
    """The arrays, in the order of ``config`` or of counted paths; names from attributes, or else from ``config``."""
    owners: dict[str, dict[str, Dataset]] = {}
    for path in sorted(tree.datasets, key=natural):
        owner, _, index = path.rpartition("/")
        if owner.rpartition("/")[2] == "vars" and not owner.rpartition("/")[0].rpartition("/")[2].startswith(
            RANDOM
        ):
            owners.setdefault(owner.removesuffix("vars").rstrip("/"), {})[index] = tree.datasets[path]
    told = {
        group.removesuffix("vars").rstrip("/"): content.strings["name"][0]
        for group, content in tree.groups.items()
        if group.split("/")[-1] == "vars" and content.strings.get("name")
    }
    layers = layer_names(config)
    places = {path: place for place, path in enumerate(layers)}
    for owner, variables in sorted(owners.items(), key=lambda item: places.get(item[0], len(places))):
        name = _own_name(owner, told, {path: layer.name for path, layer in layers.items()})
        shapes = {index: dataset.shape for index, dataset in variables.items()}
        names = variable_names(owner.rpartition("/")[2], shapes, layers.get(owner))
        for index, dataset in variables.items():
            yield f"{name}/{names[index]}".lstrip("/"), dataset


def _own_name(owner: str, told: Mapping[str, str], configured: Mapping[str, str]) -> str:
    """The layer's name, below those of the models that hold it, from its path in the tree."""
    parts = owner.split("/") if owner else []
    names = []
    for i, part in enumerate(parts, 1):
        path = "/".join(parts[:i])
        if part not in LISTS or path in told:
            names.append(told.get(path) or configured.get(path) or part)
    return "/".join(names)
