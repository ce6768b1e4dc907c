"""What Keras calls the variables of its layers, and the layers in its files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from minidl.weights.stored import Shape

# Keras 1's names, and those of its early layers, for what has the same meaning under another name now.
OLD = {
    "W": "kernel", "b": "bias", "running_mean": "moving_mean", "running_std": "moving_variance",
    "std": "moving_variance", "mean": "moving_mean",
}  # fmt: skip
# A layer's variables in the order in which it keeps them, by class; as Keras spells classes in its files.
VARIABLES = {
    **dict.fromkeys(
        ("dense", "conv1d", "conv2d", "conv3d", "conv2d_transpose", "depthwise_conv2d", "depthwise_conv1d"),
        ("kernel", "bias"),
    ),
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "embedding": ("embeddings",),
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "layer_normalization": ("gamma", "beta"),
    "group_normalization": ("gamma", "beta"),
}
ORDER = (
    "depthwise_kernel",
    "pointwise_kernel",
    "kernel",
    "bias",
    "gamma",
    "beta",
    "moving_mean",
    "moving_variance",
)


class Layer(NamedTuple):
    """A layer, as a model's config describes it."""

    name: str
    config: dict[str, Any]


def canonical(variable: str) -> str:
    """Today's name of a variable.

    >>> canonical("W_1"), canonical("moving_variance")
    ('kernel', 'moving_variance')
    """
    plain = re.sub(r"_\d+$", "", variable)
    return OLD.get(plain, plain if plain in ORDER else variable)


def natural(path: str, separator: str = "/") -> list[tuple[str, int]]:
    """A key to sort by that counts: ``conv2d``, ``conv2d_2``, ``conv2d_10``."""
    parts = []
    for part in path.split(separator):
        name, number = re.fullmatch(r"(.*?)_?(\d*)", part).groups()  # type: ignore[union-attr]
        parts.append((name, int(number[:18] or 0)))
    return parts


def snake_case(name: str) -> str:
    """The name of a class as Keras's files spell it.

    >>> snake_case("Conv2D"), snake_case("BatchNormalization")
    ('conv2d', 'batch_normalization')
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def layer_names(config: Mapping[str, Any]) -> dict[str, Layer]:
    """The layers of a model's config.json by their paths in the weights: ``"layers/conv2d_1"``.

    Anything in the config that is not as Keras writes it is passed over: it is a stranger's file.
    """
    return dict(_below(config, ""))


def _below(config: Any, path: str) -> Iterator[tuple[str, Layer]]:
    inner = config.get("config") if isinstance(config, Mapping) else None
    layers = inner.get("layers") if isinstance(inner, Mapping) else None
    counters: dict[str, int] = {}
    for layer in layers if isinstance(layers, list) else ():
        kind = layer.get("class_name") if isinstance(layer, Mapping) else None
        if not isinstance(kind, str):
            continue
        kind = snake_case(kind)
        count = counters[kind] = counters.get(kind, -1) + 1
        where = f"{path}layers/{kind}_{count}" if count else f"{path}layers/{kind}"
        options = layer.get("config")
        name = options.get("name") if isinstance(options, Mapping) else None
        if isinstance(options, dict) and isinstance(name, str) and name and "/" not in name:
            yield where, Layer(name, options)
        yield from _below(layer, where + "/")


def variable_names(kind: str, shapes: Mapping[str, Shape], layer: Layer | None) -> dict[str, str]:
    """The names of a layer's variables, which its file only numbers; what cannot be told keeps its number.

    Args:
        kind: the class of the layer, with a counter, or an attribute's name that says nothing.
        shapes: of the variables, by number.
        layer: its config, if the file has one.
    """
    options = layer.config if layer else {}
    names = [
        name
        for name in VARIABLES.get(re.sub(r"_\d+$", "", kind)) or _by_shape(list(shapes.values()))
        if not (name == "gamma" and options.get("scale") is False)
        and not (name == "beta" and options.get("center") is False)
    ]
    if len(shapes) > len(names) or set(shapes) != {str(i) for i in range(len(shapes))}:
        return {index: index for index in shapes}
    if (
        len(shapes) < len(names) and names[-1] != "bias"
    ):  # a bias may be left out; any of the others is a riddle
        names = {2: names[-2:]}.get(len(shapes), []) if len(names) == 4 else []
    return {index: names[int(index)] if names else index for index in shapes}


def _by_shape(shapes: list[Shape]) -> tuple[str, ...]:
    """What the shapes say where the class does not."""
    if len(shapes) in (1, 2) and len(shapes[0]) in (2, 4) and shapes[1:] in ([], [shapes[0][-1:]]):
        return ("kernel", "bias")
    if len(shapes) == 4 and len(shapes[0]) == 1 and len(set(shapes)) == 1:
        return VARIABLES["batch_normalization"]
    return ()
