"""A network's state by name: what :meth:`Module.state_dict` hands out and :meth:`Module.load_state_dict` takes in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minidl.errors import DTypeError, WeightsError, must
from minidl.nn.freezing import frozen_names, join, set_frozen
from minidl.tensor import Tensor

if TYPE_CHECKING:
    from minidl.nn.module import Module


class StateDict(OrderedDict[str, Any]):
    """Tensors by dotted name. ``_metadata``, as in PyTorch, describes each module, by its dotted name ("" is the
    network): ``{"version": int, "frozen": [names of its frozen parameters; "" for the module itself]}``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._metadata: dict[str, dict[str, Any]] = {}

    def copy(self) -> StateDict:
        """A shallow copy, metadata included."""
        copy = StateDict(self)
        copy._metadata = self._metadata.copy()
        return copy


class IncompatibleKeys(NamedTuple):
    """What :meth:`Module.load_state_dict` did not load, and could not."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def state_dict(
    module: Module, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
) -> Any:
    """All parameters and persistent buffers by dotted name, and in ``_metadata`` which of them are frozen.

    Args:
        destination: a dict to add to; a new :class:`StateDict` if left out.
        prefix: put before each name; ends in a dot.
        keep_vars: hand out the parameters themselves. Otherwise detached tensors, which share their memory: copy
            them to keep the state of this moment.
    """
    state = StateDict() if destination is None else destination
    metadata = getattr(state, "_metadata", {})
    for path, part in module.named_modules(remove_duplicate=False):
        metadata[(prefix + path).rstrip(".")] = {"version": part._version, "frozen": frozen_names(part)}
        for name, tensor in _own_state(part).items():
            state[prefix + join(path, name)] = tensor if keep_vars else tensor.detach()
    return state


def _own_state(module: Module) -> dict[str, Tensor]:
    buffers = {name: getattr(module, name) for name, persistent in module._buffers.items() if persistent}
    return module._own_parameters() | {name: buffer for name, buffer in buffers.items() if buffer is not None}


def load_state_dict(
    module: Module, state_dict: Mapping[str, Any] | Module, strict: bool = True, assign: bool = False
) -> IncompatibleKeys:
    """Copy the values of ``state_dict``, Tensors or NumPy arrays, into the parameters and buffers of these names.

    A Module stands for its state_dict, so that what ``minidl.load`` returns will do whether it is one or the other.

    Values are converted to the dtype that the network has. If the dict says in its ``_metadata`` which parts were
    frozen (one from :meth:`state_dict` does), exactly these are frozen afterwards; else freezing stays as it is.

    Args:
        strict: every name must be found on both sides. If False, names found on one side only are skipped. A wrong
            shape is always an error.
        assign: take over the arrays themselves, with their dtype, instead of copying.

    Returns:
        ``(missing_keys, unexpected_keys)``: names that the dict lacks, and names that the network lacks.

    Raises:
        WeightsError: something does not fit. The message lists all that is missing, unexpected, or of a wrong shape,
            and nothing has been loaded.
    """
    if not isinstance(state_dict, Mapping) and hasattr(state_dict, "state_dict"):
        state_dict = state_dict.state_dict()
    if not isinstance(state_dict, Mapping):
        raise DTypeError(must("load_state_dict", "state_dict", "a dict", type(state_dict).__name__))
    metadata = getattr(state_dict, "_metadata", {})
    modules = dict(module.named_modules(remove_duplicate=False))
    own = {
        join(path, name): tensor
        for path, part in modules.items()
        for name, tensor in _own_state(part).items()
    }
    found = {name: _as_array(state_dict[name]) for name in own if name in state_dict}
    missing = [name for name in own if name not in found and not _is_newer(name, modules, metadata)]
    unexpected = [name for name in state_dict if name not in own]
    wrong = [
        must(name, "shape", str(own[name].shape), "no array of numbers" if array is None else array.shape)
        for name, array in found.items()
        if array is None or array.shape != own[name].shape
    ]
    if wrong or (strict and (missing or unexpected)):
        raise WeightsError(_complaint(module, missing if strict else [], unexpected if strict else [], wrong))
    for name, array in found.items():
        _write(own[name], array, assign)
    for path, part in modules.items():
        if "frozen" in metadata.get(path, {}):
            set_frozen(part, metadata[path]["frozen"])
    return IncompatibleKeys(missing, unexpected)


def _as_array(value: Any) -> Any:
    """The array behind ``value``, or None if there is none of numbers."""
    array = value.array if isinstance(value, Tensor) else np.asarray(value)
    return array if array.dtype.kind in "fiub" else None


def _is_newer(name: str, modules: Mapping[str, Module], metadata: Mapping[str, Any]) -> bool:
    """Whether the state comes from a version of the module that did not have the buffer ``name`` yet."""
    path, _, buffer = name.rpartition(".")
    since = modules[path]._added_in.get(buffer, 0)
    return metadata.get(path, {}).get("version", 0) < since


def _complaint(module: Module, missing: list[str], unexpected: list[str], wrong: list[str]) -> str:
    lines = [f"load_state_dict: the state does not fit {type(module).__name__}; nothing was loaded"]
    for what, names in (("missing", missing), ("unexpected", unexpected)):
        if names:
            lines.append(f"  {what}: {', '.join(names)}")
    return "\n".join([*lines, *(f"  wrong: {line}" for line in wrong)])


def _write(tensor: Tensor, array: np.ndarray, assign: bool) -> None:
    if assign:
        tensor.grad = None  # it may have the old dtype
        tensor.data = Tensor(np.require(array, requirements=["C", "W"]))
    else:
        np.copyto(tensor.array, array, casting="unsafe")
        tensor.mark_written("load_state_dict")
