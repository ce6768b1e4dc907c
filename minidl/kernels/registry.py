"""Named implementations of one operation, and the choice between them.

An operation (``conv2d``) is a folder; each way of computing it is a module in that folder, registered by
name. Every module of an operation has the same public functions with the same arguments, and
``supports(...)``, which says whether it takes a given problem. A problem is what can be said about a call
before its data is looked at: the dtype, the shapes, the stride. Which implementation runs is decided in this
order:

1. ``with minidl.kernels.use(conv2d="im2col"):`` forces one by name;
2. otherwise the operation's ``policy`` names one. A policy is written from measurements, and never looks at
   the batch size, so that a sample's result does not depend on the batch it is in.

Registering names a module without importing it. It is imported when it is first selected: this is what keeps
Numba out of ``import minidl``.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType

from minidl.errors import KernelError, must

_operations: dict[str, Operation] = {}
# Choices that an operation remembers: a policy is asked once for each problem.
REMEMBERED = 4096


class _Forced(threading.local):
    names: Mapping[str, str] = {}


_forced = _Forced()


class Operation:
    """One operation: its implementations by name, and the policy that picks the default.

    Args:
        name: the operation's name, as ``use`` and ``register`` know it.
        functions: the names of the functions that every implementation provides beside ``supports``.
        policy: ``policy(*problem)`` returns the name of the implementation to run by default.

    ``supports`` of every implementation takes the same ``*problem`` as the policy.
    """

    def __init__(self, name: str, functions: tuple[str, ...], policy: Callable[..., str]) -> None:
        self.name = name
        self.functions = functions
        self.policy = policy
        self._module_names: dict[str, str] = {}
        self._loaded: dict[str, ModuleType] = {}
        self._chosen: dict[tuple[object, ...], ModuleType] = {}  # what the policy said, by problem
        _operations[name] = self

    def select(self, *problem: object) -> ModuleType:
        """The implementation that computes this problem: the forced one, or else the policy's.

        Raises:
            KernelError: an implementation is forced that does not support the problem.
        """
        forced = _forced.names
        if forced and self.name in forced:
            return self._forced_implementation(forced[self.name], problem)
        kernel = self._chosen.get(problem)
        if kernel is None:
            if len(self._chosen) >= REMEMBERED:
                self._chosen.clear()
            kernel = self._chosen[problem] = self.load(self.policy(*problem))
        return kernel

    def _forced_implementation(self, name: str, problem: tuple[object, ...]) -> ModuleType:
        module = self.load(name)
        if not module.supports(*problem):
            raise KernelError(
                f"{self.name}: kernel {name!r} is forced by use() but does not support {problem}; "
                f"there are {', '.join(self.names())}"
            )
        return module

    def load(self, name: str) -> ModuleType:
        """The implementation of that name, imported on first use.

        Raises:
            KernelError: there is none of that name, or its module lacks one of the operation's functions.
        """
        if name in self._loaded:
            return self._loaded[name]
        if name not in self._module_names:
            raise KernelError(must(self.name, "kernel", f"one of {', '.join(self.names())}", repr(name)))
        module = importlib.import_module(self._module_names[name])
        for function in ("supports", *self.functions):
            if not hasattr(module, function):
                raise KernelError(
                    f"{self.name}: kernel {name!r} ({module.__name__}) has no function {function}"
                )
        self._loaded[name] = module
        return module

    def names(self) -> tuple[str, ...]:
        """The names of the implementations, in the order in which they were registered."""
        return tuple(self._module_names)

    def add(self, name: str, module: str) -> None:
        """Register one more implementation; a second one of the same name replaces the first."""
        self._module_names[name] = module
        self._loaded.pop(name, None)
        self._chosen.clear()


def is_forced(operation_name: str) -> bool:
    """Whether an implementation of the operation is forced, so that no short cut may be taken around it."""
    return operation_name in _forced.names


def operations() -> tuple[str, ...]:
    """The names of all operations that have kernels."""
    return tuple(_operations)


def operation(name: str) -> Operation:
    """The operation of that name.

    Raises:
        KernelError: there is none; the message lists the names there are.
    """
    if name not in _operations:
        raise KernelError(must("kernels", "operation", f"one of {', '.join(_operations)}", repr(name)))
    return _operations[name]


def available(operation_name: str) -> tuple[str, ...]:
    """The names of an operation's implementations, for instance ``("reference", "im2col")``.

    Raises:
        KernelError: there is no operation of that name.
    """
    return operation(operation_name).names()


def register(operation_name: str, name: str, *, module: str) -> None:
    """Add an implementation to an operation.

    Args:
        operation_name: the operation that it implements, for instance ``"conv2d"``.
        name: the name under which ``use`` finds it.
        module: the full name of the module, imported on first use. It must have ``supports`` and all of the
            operation's functions; ``minidl.testing.check_kernel`` compares it with the reference.

    Raises:
        KernelError: there is no operation of that name.
    """
    operation(operation_name).add(name, module)


@contextlib.contextmanager
def use(**names: str) -> Iterator[None]:
    """Force implementations by name for the calls made inside the ``with`` block.

    >>> import minidl.kernels
    >>> with minidl.kernels.use(conv2d="im2col", adam="reference"):
    ...     pass

    Blocks nest, the innermost decides, and each holds for the current thread only.

    Raises:
        KernelError: there is no such operation or no implementation of that name; or, at the call of the
        operation,
            the forced implementation does not support it.
    """
    for operation_name, name in names.items():
        operation(operation_name).load(name)
    before = _forced.names
    _forced.names = {**before, **names}
    try:
        yield
    finally:
        _forced.names = before
