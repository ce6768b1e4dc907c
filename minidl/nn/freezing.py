"""Freezing: parts of a network that training leaves exactly as they are.

Frozen is a state of its own. A frozen parameter requires no gradient, so no graph is built for it and no optimizer
moves it; a frozen module also leaves its statistics alone (BatchNorm), whatever ``train()`` is called later. The
state is kept where it belongs: in the Parameter, and in the Module for what is not a parameter. It goes with
``deepcopy``, ``pickle`` and ``state_dict``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeVar

from minidl.errors import ArgumentError, DTypeError, must

if TYPE_CHECKING:
    from minidl.nn.module import Module

M = TypeVar("M", bound="Module")


def freeze(module: M, *patterns: str) -> M:
    """Freeze what ``patterns`` match, or everything if there are none; returns the module itself.

    A pattern (``*``, ``?``, ``[...]``; ``*`` also matches dots) is compared with the dotted names of parameters
    (``"features.0.weight"``) and of modules (``"features.0"``). A module's name stands for everything below it.

    Frozen parameters get no gradient (an old one is dropped), no graph, and no update by an optimizer, momentum
    included. A BatchNorm of which all is frozen normalises with its running statistics and leaves them bit for bit
    as they are, in training mode too; with ``requires_grad_(False)`` alone they keep moving, as in PyTorch.
    Freezing what is frozen changes nothing. Loading a ``state_dict`` restores which parts were frozen.

    >>> from minidl import nn
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)).freeze("0", "*.bias")
    >>> [name for name, parameter in net.named_parameters() if parameter.requires_grad]
    ['2.weight']

    Raises:
        ArgumentError: a pattern matches nothing; the message has the nearest names. Then nothing is frozen.
    """
    modules, parameters = _matches("freeze", module, patterns)
    for part in modules:
        part._frozen = True
    for _, parameter in parameters:
        parameter.freeze()
    return module


def unfreeze(module: M, *patterns: str) -> M:
    """Undo :func:`freeze` for what ``patterns`` match, or for everything; returns the module itself.

    What required a gradient before it was frozen does so again. Unfreezing one parameter of a module unfreezes the
    module's statistics too. Unfreezing what is not frozen changes nothing.

    Raises:
        ArgumentError: a pattern matches nothing. Then nothing is unfrozen.
    """
    modules, parameters = _matches("unfreeze", module, patterns)
    for part in modules:
        part._frozen = False
    for owner, parameter in parameters:
        owner._frozen = False
        parameter.unfreeze()
    return module


def is_frozen(module: Module) -> bool:
    """Whether the module itself, submodules aside, is frozen: by its name, or by that of each of its parameters."""
    own = module._own_parameters().values()
    return module._frozen or (bool(own) and all(parameter.is_frozen for parameter in own))


def frozen_names(module: Module) -> list[str]:
    """What of the module itself is frozen: names of its parameters, and "" for the module. For ``state_dict``."""
    names = [name for name, parameter in module._own_parameters().items() if parameter.is_frozen]
    return ["", *names] if module._frozen else names


def set_frozen(module: Module, names: Iterable[str]) -> None:
    """Make exactly what :func:`frozen_names` returned frozen."""
    module._frozen = "" in names
    for name, parameter in module._own_parameters().items():
        if name in names:
            parameter.freeze()
        else:
            parameter.unfreeze()


def _matches(
    op: str, module: Module, patterns: tuple[str, ...]
) -> tuple[list[Module], list[tuple[Module, Any]]]:
    """The modules that are matched as a whole, and the matched parameters, each with the module that owns it."""
    modules = dict(module.named_modules(remove_duplicate=False))
    parameters = {
        join(path, name): (owner, parameter)
        for path, owner in modules.items()
        for name, parameter in owner._own_parameters().items()
    }
    roots: set[str] = set()
    for pattern in patterns or ("*",):
        if not isinstance(pattern, str):
            raise DTypeError(must(op, "every pattern", "a str", type(pattern).__name__))
        matched = {name for name in (*modules, *parameters) if fnmatchcase(name, pattern)}
        if not matched:
            got = f"{pattern!r}{near(pattern, [*parameters, *modules])}"
            raise ArgumentError(must(op, "pattern", "the name of a parameter or module, or match one", got))
        roots |= matched
    return (
        [part for path, part in modules.items() if any(_below(path, root) for root in roots)],
        [found for name, found in parameters.items() if any(_below(name, root) for root in roots)],
    )


def _below(name: str, root: str) -> bool:
    return not root or name == root or name.startswith(root + ".")


def join(path: str, name: str) -> str:
    """The dotted name of ``name`` in the module at ``path``."""
    return f"{path}.{name}" if path else name


def near(name: str, names: Iterable[str]) -> str:
    """The end of a message about an unknown name: those most like it."""
    found = difflib.get_close_matches(name, sorted(set(filter(None, names))), n=3, cutoff=0.0)
    return f"; near it: {', '.join(map(repr, found))}" if found else ""
