"""A network as a description: the constructors' arguments from which one of the same parts can be made again.

The layers of ``minidl.nn`` describe themselves: a constructor's argument is the attribute of the same name. A class of
the user's does if it is :func:`rebuildable`. A container describes what it holds, so that a Sequential of such modules,
however nested, needs no code to be made again. What a description does not hold (parameters, buffers, what is frozen)
is in the state that goes with it.
"""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from minidl import nn
from minidl.random import fork_rng

C = TypeVar("C", bound=type)

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_LAYERS = {
    f"minidl.nn.{name}": value
    for name in nn.__all__
    if isinstance(value := getattr(nn, name), type)
    and issubclass(value, nn.Module)
    and value is not nn.Module
}
_NAMES = {cls: name for name, cls in _LAYERS.items()}
_OLDER = ("size_average", "reduce", "device")  # arguments that leave no trace: others say the same
_rebuildable: dict[str, Any] = {}  # classes of users, and of minidl.models, by name
# Packages above this layer that are imported when a file names a class of theirs; ``minidl`` itself says which.
imported_late: list[str] = []


def rebuildable(cls: C) -> C:
    """Class decorator for modules that ``minidl.load`` shall rebuild: ``config()`` are their constructor's arguments.

    >>> from minidl import nn
    >>> @rebuildable
    ... class Classifier(nn.Module):
    ...     def __init__(self, classes):
    ...         super().__init__()
    ...         self.output = nn.Linear(32, classes)
    ...
    ...     def config(self):
    ...         return {"classes": self.output.out_features}
    """
    _rebuildable[full_name(cls)] = cls
    return cls


def full_name(cls: type) -> str:
    """The name of the class with that of its module; of a layer of ``minidl.nn``, the name that users import."""
    return _NAMES.get(cls) or f"{cls.__module__}.{cls.__qualname__}"


@dataclass
class Description:
    """The name of a class, and its constructor's arguments; among them may be other descriptions."""

    name: str
    config: dict[str, Any]


def describe(module: nn.Module) -> Description | None:
    """The description of ``module``, or None if it, or a part of it, has none.

    A network of which parts share a parameter has none, nor one that was changed after it was made: what would be made
    of its description is not like it.
    """
    found = _describe(module)
    if found is None or full_name(type(module)) in _rebuildable:
        return found
    shared = len(list(module.parameters())) < len(list(module.named_parameters(remove_duplicate=False)))
    return None if shared or not _is_like(module, found) else found


def _describe(module: nn.Module) -> Description | None:
    cls = type(module)
    name = full_name(cls)
    if _rebuildable.get(name) is cls:
        return Description(name, module.config())  # type: ignore[attr-defined]
    if cls not in _NAMES or "forward" in vars(module):
        return None
    if cls not in _CONTAINERS:
        config = None if module._children() else _arguments(module)
        return None if config is None else Description(name, config)
    parts = {key: _describe(part) for key, part in module._children().items()}
    return None if None in parts.values() else Description(name, {"modules": parts})


def _arguments(layer: nn.Module) -> dict[str, Any] | None:
    """The constructor's arguments, or None if one of them cannot be told from the attributes."""
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(type(layer)).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or name in _OLDER:
            continue
        if name == "dtype":
            dtypes = [t.dtype.name for t in (*layer.parameters(), *layer.buffers()) if t.is_floating_point()]
            found |= {"dtype": dtypes[0]} if dtypes else {}
        elif name == "bias":
            found["bias"] = getattr(layer, "bias", None) is not None
        elif name in vars(layer):
            found[name] = vars(layer)[name]
        else:
            return None
    return found


def _is_like(module: nn.Module, description: Description) -> bool:
    """Whether what is made of the description has the module's names, shapes and dtypes."""
    try:
        made = _signature(_make(description))
    except (TypeError, ValueError):  # whatever its constructors do not take: the module was changed since
        return False
    return made == _signature(module)


def _signature(module: nn.Module) -> dict[str, Any]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in module.state_dict().items()}


def _make(description: Description) -> nn.Module:
    config = description.config
    if description.name in _LAYERS and _LAYERS[description.name] in _CONTAINERS:
        return build(description.name, {"modules": {k: _make(v) for k, v in config["modules"].items()}})
    return build(description.name, config)


def build(name: str, config: Any, largest: float = math.inf) -> nn.Module:
    """A module of the class called ``name``, its weights not yet set; random numbers go on as if nothing was drawn.

    Args:
        largest: how many features or channels a layer can have: a file can claim any number, and a layer takes memory.

    Raises:
        ValueError: there is no such class among the layers and those that :func:`rebuildable` was told of.
        TypeError, ValueError: the constructor does not take ``config``.
    """
    for package in imported_late:
        if name.startswith(f"{package}.") and name not in _rebuildable:
            importlib.import_module(package)
    if name not in _LAYERS and name not in _rebuildable:
        raise ValueError(
            f"its module {name!r} is of no class that minidl.serialization.rebuildable has been told of"
        )
    if not isinstance(config, dict):
        raise ValueError(f"its {name} is described by a value of {type(config).__name__}, not by arguments")
    for argument, size in config.items() if name in _LAYERS else ():
        if argument.endswith(("_features", "_channels")) and size > largest:
            raise ValueError(f"it has a {name} of {argument} {size}, which is more than it holds numbers for")
    make: Callable[..., Any] = _rebuildable.get(name) or _LAYERS[name]
    with fork_rng(), nn.init.skipped():
        if make not in _CONTAINERS:
            return make(**config)
        modules = config["modules"]
        if not isinstance(modules, Mapping):
            raise ValueError(f"its {name} holds {type(modules).__name__}, not modules by name")
        return make(modules.values() if make is nn.ModuleList else modules)
