"""``minidl.save`` and ``minidl.load``: nested Python structures with tensors in them, in a file that holds no code.

The file is in the safetensors format. The tensors stand in it by name (``"model.0.weight"``), so any program that
reads safetensors can read them. The structure around them is JSON, in the file's metadata. In it, None, bools, ints,
finite floats, strings and lists stand for themselves; the rest is an object that says what it is:
``{"tensor": name}``, ``{"array": name}``, ``{"scalar": name}`` (a NumPy number), ``{"float": "nan"}``,
``{"tuple": [...]}``, ``{"dict": [[key, value], ...]}``, ``{"module": class, "config": ..., "state": ...}``, its parts
``{"layer": class, "config": ...}``, and ``{"state of": class, "state": ...}``.

What that cannot hold, a whole module for instance, is pickled if, and only if, :func:`save` is told so. Such a file
begins with ``MAGIC`` and a line that says what is in it.
"""

from __future__ import annotations

import io
import json
import math
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from minidl.device import device
from minidl.errors import ArgumentError, DTypeError, WeightsError, must
from minidl.rebuilding import Description, build, describe, full_name, rebuildable
from minidl.tensor import Tensor
from minidl.weights import safetensors
from minidl.weights.files import File, check_file, is_path, name_of, writing

__all__ = ["load", "rebuildable", "save"]

KEY = "minidl"  # of the structure in the file's metadata
MAGIC = b"minidl pickle\n"  # the beginning of a pickled file


def save(obj: Any, f: File, pickle_module: Any = None, pickle_protocol: int = 5) -> None:
    """Write ``obj`` to ``f``, for :func:`load`; a file at that path is replaced when the new one is complete.

    Args:
        obj: dicts (whose keys are strings or ints), lists and tuples, nested at will, of tensors, NumPy arrays and
            numbers, Python numbers, strings, bools and None. Of a tensor the values are kept, not its history; two
            tensors that share memory become separate. Subclasses of these types come back as the types themselves,
            except that a ``state_dict`` remembers what was frozen.

            A Module of ``minidl.nn``'s layers comes back as one, built anew and given the values: a Linear, or a
            Sequential of layers and Sequentials; so does one of a :func:`rebuildable` class, alone or in a Sequential.
            Hooks are left out. Any other Module, and an Optimizer, stands for its ``state_dict()``: so do networks
            that share a parameter between layers.
        f: a path, or a file object for bytes, such as an ``io.BytesIO``.
        pickle_module: Python's ``pickle``, or a module like it, to save any object whole: a Module with its class and
            hooks, say. Unlike PyTorch's ``save``, which always pickles, this one does it only if told so, because
            loading a pickle runs code.
        pickle_protocol: of ``pickle_module``.

    Raises:
        DTypeError: there is something else in ``obj``; the message says where. Or ``f`` is no file.
        OSError: the file cannot be written; one that was there is as it was.

    >>> import io
    >>> import minidl
    >>> file = io.BytesIO()
    >>> minidl.save({"weight": minidl.ones(2), "epoch": 3}, file)
    >>> minidl.load(io.BytesIO(file.getvalue()))
    {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    check_file("save", f, "write")
    if pickle_module is not None:
        with writing(f) as file:
            file.write(MAGIC + json.dumps({"type": full_name(type(obj))}).encode() + b"\n")
            pickle_module.dump(obj, file, protocol=pickle_protocol)
        return
    arrays: dict[str, np.ndarray] = {}
    structure = {"version": 1, "value": _encode(obj, (), arrays)}
    safetensors.write(f, arrays, {KEY: json.dumps(structure, allow_nan=False)})


def load(
    f: File,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """What :func:`save` wrote to ``f``; from any other safetensors file, a dict of its tensors by name.

    Nothing in the file is executed, whatever it holds, unless it is pickled and you ask for that.

    Args:
        f: a path, or a file object for bytes, which is read to its end.
        map_location: where the tensors shall be: "cpu" or ``device("cpu")``, where all are; a dict from the places
            that they come from ("cpu") to such; or a function ``(tensor, "cpu")``, called for each tensor, that
            returns the tensor to take in its place, or None.
        pickle_module: what unpickles; default: Python's ``pickle``.
        weights_only: False, or giving a ``pickle_module``, loads a pickled file too, which runs the code that it
            names: only for files you trust.
        mmap: accepted, without effect.
        pickle_load_args: further arguments for ``pickle_module.load``.

    Raises:
        FileNotFoundError: there is no such file.
        WeightsError: it is no safetensors file, truncated, damaged, or holds a module whose class is not known; or it
            is pickled, and that was not asked for. The message names the file.
        ArgumentError: ``map_location`` is another device than the CPU.
    """
    check_file("load", f, "read")
    if weights_only and pickle_module is not None:
        raise ArgumentError(
            must("load", "pickle_module", "left out where weights_only is True", pickle_module)
        )
    whole = weights_only is False or pickle_module is not None
    if mmap and not is_path(f):
        raise ArgumentError(must("load", "f", "a path where mmap is True", type(f).__name__))
    _check_location(map_location)
    name = name_of(f)
    if is_path(f):
        with open(f, "rb") as opened:  # type: ignore[arg-type]
            if opened.read(len(MAGIC)) == MAGIC:
                return _unpickle(opened, name, whole, pickle_module or pickle, pickle_load_args)
        arrays, metadata = safetensors.read(f)  # type: ignore[arg-type]
    else:
        content = f.read()  # type: ignore[union-attr]
        if content.startswith(MAGIC):
            file = io.BytesIO(content[len(MAGIC) :])
            return _unpickle(file, name, whole, pickle_module or pickle, pickle_load_args)
        arrays, metadata = safetensors.parse(content, name)
    reader = _Reader(arrays, whole)
    loaded = _structure(name, metadata, reader)
    if callable(map_location):
        _relocate(reader.tensors, map_location)
    return loaded


def _structure(name: str, metadata: dict[str, str], reader: _Reader) -> Any:
    """What the file called ``name`` holds."""
    try:
        if KEY not in metadata:
            return {tensor: reader.tensor(tensor) for tensor in reader.arrays}
        match json.loads(metadata[KEY]):
            case {"version": 1, "value": value}:
                return reader.decode(value)
        raise ValueError("its structure is in a form that this version of minidl does not know")
    except (
        TypeError,
        ValueError,
        RecursionError,
        KeyError,
        MemoryError,
    ) as error:  # a file can claim anything
        raise WeightsError(f"load: {name} cannot be read: {error}") from error


def _check_location(map_location: Any) -> None:
    """Raise unless tensors that come from the CPU stay there."""
    if callable(map_location):
        return
    wanted = map_location.get("cpu") if isinstance(map_location, dict) else map_location
    if wanted is not None and not isinstance(wanted, (str, device)):
        expected = "None, a device, a dict of devices or a function"
        raise DTypeError(must("load", "map_location", expected, type(wanted).__name__))
    if wanted is not None and str(wanted) not in ("cpu", "cpu:0"):
        raise ArgumentError(must("load", "map_location", "'cpu'", repr(str(wanted))))


def _relocate(tensors: list[Tensor], map_location: Callable[[Tensor, str], Any]) -> None:
    """Let each of the loaded tensors be what the function gives for it."""
    for tensor in tensors:
        moved = map_location(tensor, "cpu")
        if moved is not None and not isinstance(moved, Tensor):
            expected = "a Tensor or None"
            raise DTypeError(must("load", "what map_location returns", expected, type(moved).__name__))
        if moved is not None and moved is not tensor:
            tensor.data = moved


def _unpickle(file: Any, name: str, whole: bool, module: Any, options: dict[str, Any]) -> Any:
    """What follows ``MAGIC`` in a pickled file, if ``whole`` allows it."""
    try:
        kind = str(json.loads(file.readline(1000))["type"])
    except (ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"load: {name} is truncated or damaged: {error!r}") from error
    if not whole:
        raise WeightsError(
            f"load: {name} holds a pickled {kind}, and loading a pickle runs whatever code it names. If you trust "
            "where it comes from, load it with weights_only=False. A state_dict needs no trust: save that instead"
        )
    try:
        return module.load(file, **options)
    except Exception as error:  # a pickle calls what it likes, which raises what it likes
        raise WeightsError(f"load: the {kind} pickled in {name} cannot be loaded: {error!r}") from error


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
    elif isinstance(value, Description):
        return {"layer": value.name, "config": _encode(value.config, keys, arrays)}
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
    if not hasattr(value, "named_modules"):
        return state
    description = describe(value)
    if description is None:
        return {"state of": full_name(type(value)), "state": state}
    config = _encode(description.config, (*keys, "config"), arrays)
    mode = {} if value.training else {"training": False}
    return {"module": description.name, "config": config, "state": state, **mode}


def _add(array: np.ndarray, keys: tuple[Any, ...], arrays: dict[str, np.ndarray]) -> str:
    """Add ``array`` under a name that says where it was found; returns the name."""
    name = wanted = ".".join(map(str, keys)) or "value"
    while name in arrays or name == "__metadata__":  # {"a.b": x, "a": {"b": y}}; and the format's own name
        name = f"{wanted}#{len(arrays)}"
    arrays[name] = array
    return name


def _place(keys: tuple[Any, ...]) -> str:
    return "obj" + "".join(f"[{key!r}]" for key in keys)


class _Reader:
    """Makes of a file's structure and arrays what :func:`_encode` made them from."""

    def __init__(self, arrays: dict[str, np.ndarray], whole: bool) -> None:
        self.arrays, self.whole = arrays, whole
        self.tensors: list[Tensor] = []
        self.largest = max(65536, sum(array.size for array in arrays.values()))  # dimension of a layer

    def tensor(self, name: str) -> Tensor:
        self.tensors.append(Tensor(self.arrays[name]))
        return self.tensors[-1]

    def decode(self, value: Any) -> Any:
        match value:
            case None | bool() | int() | float() | str():
                return value
            case list():
                return [self.decode(item) for item in value]
            case {"tensor": str(name)} if name in self.arrays:
                return self.tensor(name)
            case {"array": str(name)} if name in self.arrays:
                return self.arrays[name]
            case {"scalar": str(name)} if name in self.arrays:
                return self.arrays[name][()]
            case {"float": "nan" | "inf" | "-inf" as text}:
                return float(text)
            case {"tuple": list(items)}:
                return tuple(self.decode(item) for item in items)
            case {"dict": list(items), "metadata": metadata}:
                state = OrderedDict((key, self.decode(item)) for key, item in items)
                vars(state)["_metadata"] = self.decode(metadata)
                return state
            case {"dict": list(items)}:
                return {key: self.decode(item) for key, item in items}
            case {"module": str(name), "config": config, "state": state}:
                module = build(name, self.decode(config), self.largest)
                module.load_state_dict(self.decode(state))
                return module.train(value.get("training", True))
            case {"layer": str(name), "config": config}:
                return build(name, self.decode(config), self.largest)
            case {"state of": str(name), "state": state}:
                if self.whole:
                    raise ValueError(
                        f"it holds the state_dict of a {name}, not the module. Make one, and give it that with "
                        "load_state_dict(load(file)); or save the module with pickle_module=pickle"
                    )
                return self.decode(state)
        raise ValueError(f"{str(value)[:60]} stands for nothing in it")
