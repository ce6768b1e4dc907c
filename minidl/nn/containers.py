"""Modules that hold modules, or parameters, as a list or a dict would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from minidl.errors import ArgumentError, DimensionError, DTypeError, must
from minidl.nn import fusion
from minidl.nn.module import Module
from minidl.nn.parameter import Parameter
from minidl.ops.arguments import as_int
from minidl.tensor import Tensor

L = TypeVar("L", bound="_List")


class _Container(Module):
    """What is held are attributes like any others; ``_kind`` is their type."""

    _kind: type = Module

    def _held(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if isinstance(value, self._kind)}

    def _hold(self, name: str, value: Any) -> None:
        if self._kind is Parameter and isinstance(value, Tensor) and not isinstance(value, Parameter):
            value = Parameter(value)
        if not isinstance(value, self._kind):
            raise DTypeError(
                must(type(self).__name__, repr(name), f"a {self._kind.__name__}", type(value).__name__)
            )
        self._register(type(self).__name__, name, self._kind, value)

    def __len__(self) -> int:
        return len(self._held())


class _List(_Container):
    """What is held is named "0", "1" and so on."""

    def __init__(self, items: Iterable[Any] = ()) -> None:
        super().__init__()
        self.extend(items)

    def _name(self, index: Any) -> str:
        """The name of the item at ``index``."""
        names, i = list(self._held()), as_int(type(self).__name__, "index", index)
        if not -len(names) <= i < len(names):
            raise DimensionError(must(type(self).__name__, "index", f"in a list of {len(names)}", i))
        return names[i]

    def _renumber(self, items: Iterable[Any]) -> None:
        """Hold exactly ``items``."""
        for name in self._held():
            delattr(self, name)
        for i, item in enumerate(items):
            self._hold(str(i), item)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._held().values())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return getattr(self, self._name(index))

    def __setitem__(self, index: int, item: Any) -> None:
        self._hold(self._name(index), item)

    def __delitem__(self, index: Any) -> None:
        items = list(self)
        if not isinstance(index, slice):
            self._name(index)  # raises
        del items[index]
        self._renumber(items)

    def __iadd__(self: L, items: Iterable[Any]) -> L:
        return self.extend(items)

    def __add__(self: L, items: Iterable[Any]) -> L:
        return type(self)([*self, *items])

    def append(self: L, item: Any) -> L:
        """Add ``item`` at the end; returns the container."""
        number = len(self)
        while str(number) in self._held():  # a slice of a Sequential keeps its names
            number += 1
        self._hold(str(number), item)
        return self

    def extend(self: L, items: Iterable[Any]) -> L:
        """Add all ``items`` at the end; returns the container."""
        if not isinstance(items, Iterable):
            raise DTypeError(must(type(self).__name__, "items", "an iterable", type(items).__name__))
        for item in list(items):
            self.append(item)
        return self

    def insert(self, index: int, item: Any) -> None:
        """Put ``item`` before the one at ``index``."""
        items = list(self)
        items.insert(as_int(type(self).__name__, "index", index), item)
        self._renumber(items)

    def pop(self, index: int = -1) -> Any:
        """Take out the item at ``index``."""
        item = self[index]
        del self[index]
        return item


class _Dict(_Container):
    """What is held has the names that it is given."""

    def __init__(self, items: Any = None) -> None:
        super().__init__()
        if items is not None:
            self.update(items)

    def __getitem__(self, key: str) -> Any:
        if key not in self:
            raise KeyError(f"{type(self).__name__}: there is no {key!r} among {list(self)}")
        return getattr(self, key)

    def __setitem__(self, key: str, item: Any) -> None:
        self._hold(key, item)

    def __delitem__(self, key: str) -> None:
        self.pop(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._held())

    def __contains__(self, key: object) -> bool:
        return key in self._held()

    def keys(self) -> Iterable[str]:
        return self._held().keys()

    def values(self) -> Iterable[Any]:
        return self._held().values()

    def items(self) -> Iterable[tuple[str, Any]]:
        return self._held().items()

    def update(self, items: Any) -> None:
        """Add the entries of a dict, or ``(key, item)`` pairs."""
        if isinstance(items, (Mapping, _Dict)):
            items = items.items()
        elif not isinstance(items, Iterable):
            raise DTypeError(must(type(self).__name__, "items", "a dict or pairs", type(items).__name__))
        for key, item in items:
            self[key] = item

    def pop(self, key: str) -> Any:
        """Take out the entry ``key``."""
        item = self[key]
        delattr(self, key)
        return item

    def clear(self) -> None:
        """Take out all entries."""
        for key in list(self):
            delattr(self, key)


class ModuleList(_List):
    """A list of modules, which are thereby parts of the network. It cannot be called.

    >>> from minidl import nn
    >>> layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
    >>> len(layers), [name for name, _ in layers.named_parameters()][:2]
    (3, ['0.weight', '0.bias'])
    """


class ModuleDict(_Dict):
    """A dict of modules, which are thereby parts of the network. It cannot be called."""


class ParameterList(_List):
    """A list of parameters; plain tensors in it become Parameters."""

    _kind = Parameter


class ParameterDict(_Dict):
    """A dict of parameters; plain tensors in it become Parameters."""

    _kind = Parameter


class Sequential(_List):
    """Modules one after another: each is called with what the one before it returned.

    A Linear or Conv2d with a ReLU after it runs as one kernel, with the same bits; see :mod:`minidl.nn.fusion`.

    Give the modules, or one OrderedDict of names and modules. A slice shares the modules and keeps their names.

    >>> import minidl
    >>> from minidl import nn
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> net(minidl.zeros(3, 4)).shape
    (3, 2)
    """

    def __init__(self, *modules: Any) -> None:
        named = len(modules) == 1 and isinstance(modules[0], Mapping)
        super().__init__(() if named else modules)
        if named:
            for name, module in modules[0].items():
                self._hold(name, module)

    def forward(self, input: Any) -> Any:
        for step in fusion.steps(list(self)):
            input = step(input)
        return input

    def __getitem__(self, index: Any) -> Any:
        return (
            type(self)(dict(list(self._held().items())[index]))
            if isinstance(index, slice)
            else super().__getitem__(index)
        )

    def __add__(self, items: Iterable[Any]) -> Sequential:
        if not isinstance(items, Sequential):
            raise ArgumentError(must("Sequential", "what is added", "a Sequential", type(items).__name__))
        return type(self)(*self, *items)
