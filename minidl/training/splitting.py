"""Where a network can be cut in two: a bottom that gives the same features for an image every time, and the rest.

The bottom ends at the first module that learns, or that does not compute each sample by itself and always alike: a
parameter that is trained, an active Dropout, a BatchNorm whose statistics move, a hook. Everything before it belongs to
the bottom, layers without parameters (ReLU, pooling, Flatten) included.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from minidl import nn
from minidl.errors import MinidlError


class CannotCache(MinidlError):
    """Features cannot be kept; the message, which completes "because ...", says why."""


class Parts(NamedTuple):
    """A network cut in two: ``model(x)`` is ``head(base(x))``, to the last bit."""

    base: nn.Sequential
    head: nn.Sequential


def split(model: nn.Module) -> Parts:
    """Cut ``model`` above its frozen, deterministic bottom; the parts are its own modules, not copies.

    What can be cut: a Sequential, and a module that declares its two halves as attributes ``base`` and ``head``. Parts
    of it may be such modules in turn, so a Sequential that begins with a network of which only the first layers are
    frozen is cut inside that network.

    Raises:
        CannotCache: there is no such bottom, or nothing above it; or it has no parameters, so that nothing is gained.

    >>> net = nn.Sequential(nn.Linear(4, 8).freeze(), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))
    >>> base, head = split(net)
    >>> base
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)  # 40 parameters, frozen
      (1): ReLU()
    )  # 40 parameters, frozen
    >>> head[0] is net[2]
    True
    """
    base, head, reason = _cut(model, "")
    if not head:
        raise CannotCache("all of the model is frozen")
    if not any(True for part in base for _ in part.parameters()):
        raise CannotCache(f"the model has no frozen bottom: {reason}")
    return Parts(nn.Sequential(*base), nn.Sequential(*head))


def obstacle(module: nn.Module, path: str = "") -> str | None:
    """Why ``module``'s results may differ from call to call, or depend on other samples; None if they do not."""
    for name, part in module.named_modules(prefix=path):
        called = f"{type(part).__name__} {name!r}" if name else f"the {type(part).__name__}"
        if any(parameter.requires_grad for parameter in part._own_parameters().values()):
            return f"{called} is not frozen"
        if _has_hooks(part):
            return f"{called} has hooks"
        if isinstance(part, (nn.Dropout, nn.Dropout2d)) and part.p > 0:
            return f"{called} is random"
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
            if part.running_mean is None:
                return f"{called} normalises with each batch's own statistics"
            if not part.is_frozen:
                return f"the statistics of {called} move: freeze() stops them"
    return None


def _has_hooks(module: nn.Module) -> bool:
    hooks = module._hooks
    return hooks is not None and bool(hooks.pre or hooks.forward or hooks.backward)


def _cut(module: nn.Module, path: str) -> tuple[list[nn.Module], list[nn.Module], str]:
    """The modules below and above the cut, and why it cannot be higher."""
    reason = obstacle(module, path)
    if reason is None:
        return [module], [], ""
    pieces = {} if _has_hooks(module) else _pieces(module)
    base: list[nn.Module] = []
    remaining = list(pieces.items())
    while remaining:
        name, piece = remaining.pop(0)
        below, above, why = _cut(piece, f"{path}.{name}" if path else name)
        base += below
        if above:
            return base, [*above, *(other for _, other in remaining)], why
    return [], [module], reason


def _pieces(module: nn.Module) -> dict[str, nn.Module]:
    """What ``module`` calls one after another; nothing where that is not known."""
    own: Any = type(module).forward
    if isinstance(module, nn.Sequential) and own is nn.Sequential.forward and "forward" not in vars(module):
        return module._children()
    halves = {name: getattr(module, name, None) for name in ("base", "head")}
    return halves if all(isinstance(half, nn.Module) for half in halves.values()) else {}  # type: ignore[return-value]
