"""``minidl.save`` and ``minidl.load``: nested Python structures with tensors in them, in a file that holds no code.

The file is in the safetensors format. The tensors stand in it by name (``"model.0.weight"``), so any program that
reads safetensors can read them. The structure around them is JSON, in the file's metadata. In it, None, bools, ints,
finite floats, strings and lists stand for themselves; the rest is an object that says what it is:
``{"tensor": name}``, ``{"array": name}``, ``{"scalar": name}`` (a NumPy number), ``{"float": "nan"}``,
``{"tuple": [...]}``, ``{"dict": [[key, value], ...]}`` and ``{"module": class, "config": ..., "state": ...}``.
"""

from __future__ import annotations

import json
import math
import os
from collections import OrderedDict
from typing import Any, TypeVar

import numpy as np

from minidl.errors import DTypeError, WeightsError, must
from minidl.tensor import Tensor
from minidl.weights import safetensors

KEY = "minidl"  # of the structure in the file's metadata

C = TypeVar("C", bound=type)
_rebuildable: dict[str, Any] = {}  # classes by name


def rebuildable(cls: C) -> C:
    """Class decorator for a module that :func:`load` shall rebuild: its ``config()`` are its constructor's arguments.

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
    _rebuildable[_name(cls)] = cls
    return cls


def save(obj: Any, path: str | os.PathLike[str]) -> None:
    """Write ``obj`` to ``path``, for :func:`load`; a file of that name is replaced when the new one is complete.

    Args:
        obj: dicts (whose keys are strings or ints), lists and tuples, nested at will, of tensors, NumPy arrays and
            numbers, Python numbers, strings, bools and None. Of a tensor the values are kept, not its history; two
            tensors that share memory become separate. Subclasses of these types come back as the types themselves,
            except that a ``state_dict`` remembers what was frozen.

            A Module or Optimizer stands for its ``state_dict()``; a Module of a :func:`rebuildable` class comes back
            as a module.

    Raises:
        DTypeError: there is something else in ``obj``; the message says where.
        OSError: the file cannot be written; one that was there is as it was.
    """
    arrays: dict[str, np.ndarray] = {}
    structure = {"version": 1, "value": _encode(obj, (), arrays)}
    safetensors.write(path, arrays, {KEY: json.dumps(structure, allow_nan=False)})


def load(path: str | os.PathLike[str]) -> Any:
    """What :func:`save` wrote to ``path``; from any other safetensors file, a dict of its tensors by name.

    Nothing in the file is executed, whatever it holds.

    Raises:
        FileNotFoundError: there is no such file.
        WeightsError: it is no safetensors file, truncated, damaged, or holds a module whose class is not known; the
            message names the file.
    """
    arrays, metadata = safetensors.read(path)
    try:
        if KEY not in metadata:
            return {name: Tensor(array) for name, array in arrays.items()}
        match json.loads(metadata[KEY]):
            case {"version": 1, "value": value}:
                return _decode(value, arrays)
        raise ValueError("its structure is in a form that this version of minidl does not know")
    except (TypeError, ValueError, RecursionError) as error:  # a file can claim anything
        raise WeightsError(f"load: {path} cannot be read: {error}") from error


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _encode(value: Any, keys: tuple[Any, ...], arrays: dict[str, np.ndarray]) -> Any:
    """``value``, found in the structure at ``keys``, as JSON; its arrays are added to ``arrays``."""
    if isinstance(value, Tensor):
        return {"tensor": _add(value.array, keys, arrays)}
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.name in safetensors.DTYPES:
            kind = "array" if isinstance(value, np.ndarray) else "scalar"
            return {kind: _add(np.asarray(value), keys, arrays)}
    elif value is None or isinstance(value, (bool, int, str)):
        return value
    elif isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    elif isinstance(value, (list, tuple)):
        items = [_encode(item, (*keys, i), arrays) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    elif isinstance(value, dict):
        return _encode_dict(value, keys, arrays)
    elif hasattr(value, "state_dict"):
        return _encode_stateful(value, keys, arrays)
    expected = "a tensor, an array or number, a string, None, or a dict, list or tuple of these"
    got = (
        f"an array of {value.dtype}" if isinstance(value, (np.ndarray, np.generic)) else type(value).__name__
    )
    raise DTypeError(must("save", _place(keys), expected, got))


def _encode_dict(value: dict[Any, Any], keys: tuple[Any, ...], arrays: dict[str, np.ndarray]) -> Any:
    for key in value:
        if type(key) not in (str, int):
            raise DTypeError(must("save", f"every key of {_place(keys)}", "a str or an int", repr(key)))
    encoded = {"dict": [[key, _encode(item, (*keys, key), arrays)] for key, item in value.items()]}
    if hasattr(value, "_metadata"):  # a state_dict: what was frozen
        encoded["metadata"] = _encode(value._metadata, keys, arrays)
    return encoded


def _encode_stateful(value: Any, keys: tuple[Any, ...], arrays: dict[str, np.ndarray]) -> Any:
    state = _encode(value.state_dict(), keys, arrays)
    name = _name(type(value))
    if _rebuildable.get(name) is not type(value):
        return state
    return {"module": name, "config": _encode(value.config(), (*keys, "config"), arrays), "state": state}


def _add(array: np.ndarray, keys: tuple[Any, ...], arrays: dict[str, np.ndarray]) -> str:
    """Add ``array`` under a name that says where it was found; returns the name."""
    name = wanted = ".".join(map(str, keys)) or "value"
    while name in arrays or name == "__metadata__":  # {"a.b": x, "a": {"b": y}}; and the format's own name
        name = f"{wanted}#{len(arrays)}"
    arrays[name] = array
    return name


def _place(keys: tuple[Any, ...]) -> str:
    return "obj" + "".join(f"[{key!r}]" for key in keys)


def _decode(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """What :func:`_encode` made ``value`` from."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list():
            return [_decode(item, arrays) for item in value]
        case {"tensor": str(name)} if name in arrays:
            return Tensor(arrays[name])
        case {"array": str(name)} if name in arrays:
            return arrays[name]
        case {"scalar": str(name)} if name in arrays:
            return arrays[name][()]
        case {"float": "nan" | "inf" | "-inf" as text}:
            return float(text)
        case {"tuple": list(items)}:
            return tuple(_decode(item, arrays) for item in items)
        case {"dict": list(items), "metadata": metadata}:
            state = OrderedDict((key, _decode(item, arrays)) for key, item in items)
            vars(state)["_metadata"] = _decode(metadata, arrays)
            return state
        case {"dict": list(items)}:
            return {key: _decode(item, arrays) for key, item in items}
        case {"module": str(name), "config": config, "state": state}:
            return _rebuild(name, _decode(config, arrays), _decode(state, arrays))
    raise ValueError(f"{str(value)[:60]} stands for nothing in it")


def _rebuild(name: str, config: dict[str, Any], state: dict[str, Any]) -> Any:
    if name not in _rebuildable:
        raise ValueError(
            f"its module {name!r} is of no class that minidl.serialization.rebuildable has been told of"
        )
    module = _rebuildable[name](**config)
    module.load_state_dict(state)
    return module
