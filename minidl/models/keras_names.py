"""Keras's names and layouts of weights, translated to torchvision's (and PyTorch's), and back.

===============================  =============================  =================================================
Keras                            here, and in PyTorch           what changes
===============================  =============================  =================================================
``block1_conv1/kernel``          ``features.0.weight``          (kH, kW, in, out) becomes (out, in, kH, kW)
``fc2/kernel``                   ``classifier.3.weight``        (in, out) becomes (out, in)
``fc1/kernel``, behind Flatten   ``classifier.0.weight``        its inputs, too: Keras flattens height, width,
                                                                channel; PyTorch channel, height, width
``NAME/bias``                    ``NAME.bias``                  nothing
``NAME/gamma``, ``/beta``        ``NAME.weight``, ``.bias``     nothing
``NAME/moving_mean``             ``NAME.running_mean``          nothing
``NAME/moving_variance``         ``NAME.running_var``           nothing
===============================  =============================  =================================================

Layers are found by name where the network is a VGG and the file has Keras's names for one (``block1_conv1`` ...
``fc1``, ``predictions``), also within a model in the model. Where it has none of them, the convolutions, dense layers
and normalisations are taken in their order, if there are as many of each as the network has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from minidl.weights import Arrays
from minidl.weights.keras_layers import natural
from minidl.weights.stored import Entry, as_arrays, release

Shape = tuple[int, ...]

# Of a module's parameters and buffers: what Keras calls them.
NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
PLAIN = {"weight": "kernel", "bias": "bias"}
# What Keras calls layers that have no name, and counts, through all models of a program: no layer is known by it.
COUNTED = {"conv": "conv2d", "dense": "dense", "norm": "batch_normalization"}
TILE = 32  # columns that are transposed together: of 16 · 49 rows of float32, 100 KB


@dataclass(frozen=True)
class Module:
    """A layer with parameters: its name here, "conv", "dense" or "norm", its name in Keras, its weight's shape."""

    name: str
    kind: str
    keras: str
    shape: Shape | None = None

    def member(self, parameter: str) -> str:
        """The full name of a parameter of the layer, which may be the whole network."""
        return f"{self.name}.{parameter}" if self.name else parameter


def modules_of(shapes: Mapping[str, Shape]) -> list[Module]:
    """The layers of a network, from the names and shapes of its ``state_dict``, in that order.

    Names in alphabetical order, as safetensors files keep them, are counted: ``features.2`` before ``features.10``, and
    a ``classifier`` comes last. The layers of a VGG get Keras's names for them; others those that Keras gives to layers
    that have none.

    >>> [module.keras for module in modules_of({"0.weight": (8, 3, 3, 3), "0.bias": (8,), "3.weight": (10, 72)})]
    ['conv2d', 'dense']
    """
    weights = {name.rpartition(".")[0]: shapes[name] for name in _in_order(shapes) if name.endswith("weight")}
    kinds = {m: {1: "norm", 2: "dense", 4: "conv"}[len(s)] for m, s in weights.items() if len(s) in (1, 2, 4)}
    names = _vgg_names(kinds) or _counted_names(kinds)
    return [Module(name, kind, names[name], tuple(weights[name])) for name, kind in kinds.items()]


def _in_order(names: Iterable[str]) -> list[str]:
    """The names as they come, or if that is alphabetically, in the order of their numbers, classifiers last."""
    names = list(names)
    if names != sorted(names):
        return names
    return sorted(names, key=lambda name: (name.startswith("classifier"), natural(name, ".")))


def _vgg_names(kinds: Mapping[str, str]) -> dict[str, str] | None:
    """Keras's names for the layers of a VGG; None if these are none.

    The modules are ``features.0`` ..., with gaps in the numbers where the ReLUs and the max-poolings are: a pooling,
    and with it a block, ends where the gap is one longer.
    """
    convolutions = [name for name, kind in kinds.items() if kind == "conv"]
    dense = [name for name, kind in kinds.items() if kind == "dense"]
    numbers = [name.partition("features.")[2] for name in convolutions]
    if not numbers or not all(number.isdigit() for number in numbers):
        return None
    if not all(name.startswith("classifier.") for name in dense) or len(dense) not in (0, 3):
        return None
    step = 3 if "norm" in kinds.values() else 2
    names, block, count, previous = {}, 1, 0, -step
    for name, number in zip(convolutions, map(int, numbers), strict=True):
        if number - previous > step:
            block, count = block + 1, 0
        count, previous = count + 1, number
        names[name] = f"block{block}_conv{count}"
        names[f"features.{number + 1}"] = f"block{block}_bn{count}"
    names |= zip(dense, ("fc1", "fc2", "predictions"), strict=False)
    return names if names.keys() >= kinds.keys() else None


def _counted_names(kinds: Mapping[str, str]) -> dict[str, str]:
    counters: dict[str, int] = {}
    names = {}
    for name, kind in kinds.items():
        plain = COUNTED[kind]
        count = counters[kind] = counters.get(kind, -1) + 1
        names[name] = f"{plain}_{count}" if count else plain
    return names


def vgg_modules(filters: Sequence[Sequence[int]], batch_norm: bool = False, top: bool = True) -> list[Module]:
    """The layers of a VGG with these filters in its blocks, without building one."""
    kinds, number = {}, 0
    for block in filters:
        for _ in block:
            kinds[f"features.{number}"] = "conv"
            if batch_norm:
                kinds[f"features.{number + 1}"] = "norm"
            number += 3 if batch_norm else 2
        number += 1
    kinds |= {f"classifier.{n}": "dense" for n in (0, 3, 6) if top}
    names = _vgg_names(kinds) or {}
    return [Module(name, kind, names[name]) for name, kind in kinds.items()]


# ---- from Keras ----


def from_keras(arrays: Mapping[str, np.ndarray], modules: Iterable[Module]) -> Arrays:
    """Arrays of a Keras file (:func:`minidl.weights.read`) by PyTorch's names, and in its layouts.

    An array is translated when it is asked for. Those that fit nowhere keep their Keras names.

    Args:
        modules: the network's layers: :func:`modules_of` its state_dict.
    """
    arrays, modules = as_arrays(arrays), list(modules)
    found = _matched(_layers(arrays), modules)
    entries: dict[str, Entry] = {}
    taken = set()
    channels = 0  # that a Flatten would find: of the last convolution, before the first dense layer
    for module in modules:
        if module.name not in found:
            continue
        layer = found[module.name]
        for parameter, variable in (NORM if module.kind == "norm" else PLAIN).items():
            name = (
                f"{layer}/{variable}" if f"{layer}/{variable}" in arrays else f"{layer}/depthwise_{variable}"
            )
            if name in arrays:
                taken.add(name)
                entries[module.member(parameter)] = _translated(arrays, name, module, channels)
        if f"{layer}/moving_mean" in arrays:
            entries[module.member("num_batches_tracked")] = _counter()
        if module.kind != "norm":
            channels = entries[module.member("weight")].shape[0] if module.kind == "conv" else 0
    rest = {name: _as_it_is(arrays, name) for name in arrays if name not in taken}
    return Arrays({**entries, **rest})


def _layers(arrays: Arrays) -> dict[str, str]:
    """The kinds of the file's layers, by their full names, in the file's order."""
    kinds = {}
    for name, shape in arrays.shapes.items():
        layer, _, variable = name.rpartition("/")
        if variable.endswith("kernel") and len(shape) in (2, 4):
            kinds[layer] = "conv" if len(shape) == 4 else "dense"
        elif variable in NORM.values():
            kinds[layer] = "norm"
    return kinds


def _matched(layers: Mapping[str, str], modules: Sequence[Module]) -> dict[str, str]:
    """The file's layer for each module that has one."""
    found: dict[str, str] = {}
    for kind in ("conv", "dense", "norm"):
        wanted = [module for module in modules if module.kind == kind]
        there = [layer for layer, its_kind in layers.items() if its_kind == kind]
        by_name: dict[str, list[str]] = {}
        for layer in there:
            by_name.setdefault(layer.rpartition("/")[2], []).append(layer)
        named = {
            m.name: by_name[m.keras][0]
            for m in wanted
            if len(by_name.get(m.keras, ())) == 1 and not m.keras.startswith(tuple(COUNTED.values()))
        }
        if not named and len(there) == len(wanted):
            named = {module.name: layer for module, layer in zip(wanted, there, strict=True)}
        found |= named
    return found


def _translated(arrays: Arrays, name: str, module: Module, channels: int) -> Entry:
    """The entry for PyTorch's form of a Keras array."""
    shape, dtype = arrays.shapes[name], arrays.dtypes[name]
    if len(shape) == 4:
        height, width, inputs, outputs = shape
        depthwise = (inputs * outputs, 1, height, width)
        if "/depthwise_" in name or (module.shape == depthwise and inputs > 1):
            return Entry(depthwise, dtype, lambda: arrays[name].transpose(2, 3, 0, 1).reshape(depthwise))
        return Entry((outputs, inputs, height, width), dtype, lambda: arrays[name].transpose(3, 2, 0, 1))
    if len(shape) == 2:
        positions = _positions(shape[0], channels)
        return Entry(shape[::-1], dtype, lambda: channels_first(arrays[name], positions))
    return _as_it_is(arrays, name)


def _as_it_is(arrays: Arrays, name: str) -> Entry:
    return Entry(arrays.shapes[name], arrays.dtypes[name], lambda: arrays[name])


def _counter() -> Entry:
    """PyTorch's count of the batches that a BatchNorm has seen, of which Keras keeps none."""
    return Entry((), np.dtype(np.int64), lambda: np.zeros((), np.int64))


def _positions(inputs: int, channels: int) -> int:
    """Height times width of the features that a dense layer with that many inputs reads; 1 if none are flattened."""
    return inputs // channels if channels and inputs % channels == 0 else 1


def channels_first(kernel: np.ndarray, positions: int) -> np.ndarray:
    """Keras's dense kernel (positions · channels, out) as PyTorch's weight (out, channels · positions).

    >>> channels_first(np.array([[1, 2, 3, 4]]).T, positions=2)
    array([[1, 3, 2, 4]])
    """
    inputs, outputs = kernel.shape
    channels = inputs // positions
    weight = np.empty((outputs, inputs), kernel.dtype)
    source = kernel.reshape(positions, channels, outputs)
    target = weight.reshape(outputs, channels, positions)
    # A slice of the file at a time, in one read, and of that what stays in the cache.
    for c in _steps(channels, positions):
        rows = source[:, c].copy()
        for o in range(0, outputs, TILE):
            target[o : o + TILE, c] = rows[:, :, o : o + TILE].transpose(2, 1, 0)
        release(kernel)
    return weight


def channels_last(weight: np.ndarray, positions: int) -> np.ndarray:
    """The reverse of :func:`channels_first`: PyTorch's weight as Keras's kernel."""
    outputs, inputs = weight.shape
    channels = inputs // positions
    kernel = np.empty((inputs, outputs), weight.dtype)
    source = weight.reshape(outputs, channels, positions)
    target = kernel.reshape(positions, channels, outputs)
    for o in range(0, outputs, TILE):
        for c in _steps(channels, positions):
            target[:, c, o : o + TILE] = source[o : o + TILE, c].transpose(2, 1, 0)
        release(weight)
    return kernel


def _steps(channels: int, positions: int) -> list[slice]:
    """The channels in slices, of at least one and about 800 values for all positions."""
    step = max(1, 800 // positions)
    return [slice(c, c + step) for c in range(0, channels, step)]


# ---- to Keras ----


def to_keras(arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Arrays by PyTorch's names and in its layouts, as Keras has them; the reverse of :func:`from_keras`.

    The layers of a VGG get the names that Keras's VGG has, others those that Keras gives layers without names. What
    belongs to no convolution, dense layer or normalisation keeps its name.
    """
    arrays = as_arrays(arrays)
    modules = modules_of(arrays.shapes)
    by_name = {module.name: module for module in modules}
    flattened, channels = _flattened(modules)
    entries = {}
    shapes = arrays.shapes
    for name in _in_order(shapes):
        shape = shapes[name]
        owner, _, parameter = name.rpartition(".")
        module = by_name.get(owner)
        if parameter == "num_batches_tracked":
            continue
        variable = (NORM if module and module.kind == "norm" else PLAIN).get(parameter)
        if module is None or variable is None:
            entries[name] = _as_it_is(arrays, name)
            continue
        before = channels if owner == flattened else 0
        entries[f"{module.keras}/{variable}"] = _for_keras(arrays, name, shape, before)
    return Arrays(entries)


def _flattened(modules: Sequence[Module]) -> tuple[str, int]:
    """The dense layer that reads what a Flatten makes of the last convolution's channels, and how many these are."""
    channels = 0
    for module in modules:
        if module.kind == "dense":
            return module.name, channels
        if module.kind == "conv" and module.shape:
            channels = module.shape[0]
    return "", 0


def _for_keras(arrays: Arrays, name: str, shape: Shape, channels: int) -> Entry:
    dtype = arrays.dtypes[name]
    if len(shape) == 4:
        outputs, inputs, height, width = shape
        return Entry((height, width, inputs, outputs), dtype, lambda: arrays[name].transpose(2, 3, 1, 0))
    if len(shape) == 2:
        positions = _positions(shape[1], channels)
        return Entry(shape[::-1], dtype, lambda: channels_last(arrays[name], positions))
    return _as_it_is(arrays, name)
