"""Parameter groups by the names of parameters: learning rates and weight decay for parts of a network, in one call."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from minidl.errors import ArgumentError, DTypeError, must
from minidl.ops.arguments import as_float


def param_groups(
    model: Any,
    rates: Mapping[str, float] | None = None,
    weight_decay: float | None = None,
    no_decay: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """The parameters of ``model`` in groups, for an optimizer: what is trained slower, and what does not decay.

    A pattern (``*``, ``?``, ``[...]``; ``*`` also matches dots) is compared with the dotted names of parameters, and
    of the modules that hold them, as for ``freeze``: "features.28" stands for its weight and its bias.

    Args:
        model: any Module; frozen parameters are put in their group too, to be trained once they are unfrozen.
        rates: the learning rate for the parameters that match a pattern; of several patterns the first counts.
            Parameters that match none get the optimizer's.
        weight_decay: for all parameters but ``no_decay``; None leaves it to the optimizer.
        no_decay: patterns of those that do not decay. Default: all of fewer than two dimensions: biases, and the
            scales and shifts of normalisations. They are few, and no large value of theirs makes a network fit noise.
            ``()``: all decay.

    Returns:
        Dicts ``{"params": [(name, parameter), ...], "lr": ..., "weight_decay": ...}`` in the order of ``rates``.

    Raises:
        ArgumentError: a pattern matches nothing; the message has the nearest names.

    >>> from minidl import nn, optim
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> groups = param_groups(net, {"0": 1e-5, "2": 1e-3}, weight_decay=1e-2)
    >>> for group in groups:
    ...     print([name for name, _ in group["params"]], group["lr"], group["weight_decay"])
    ['0.weight'] 1e-05 0.01
    ['0.bias'] 1e-05 0.0
    ['2.weight'] 0.001 0.01
    ['2.bias'] 0.001 0.0
    >>> optimizer = optim.AdamW(groups)
    """
    named = dict(model.named_parameters())
    rates = {} if rates is None else dict(rates)
    for name, rate in rates.items():
        as_float("param_groups", f"the rate of {name!r}", rate)
    rate_of = _first_matches(named, list(rates))
    if weight_decay is None:
        if no_decay is not None:
            raise ArgumentError(must("param_groups", "no_decay", "left out where weight_decay is", no_decay))
        decays = dict.fromkeys(named, True)
    else:
        as_float("param_groups", "weight_decay", weight_decay)
        spared = _first_matches(named, list(no_decay or ()))
        decays = {n: (p.ndim >= 2 if no_decay is None else n not in spared) for n, p in named.items()}
    groups = []
    choices: tuple[str | None, ...] = (*rates, None)
    for pattern in choices:
        for decay in (True, False):
            members = [(n, p) for n, p in named.items() if rate_of.get(n) == pattern and decays[n] is decay]
            if members:
                options = {} if pattern is None else {"lr": float(rates[pattern])}
                options |= {} if weight_decay is None else {"weight_decay": float(weight_decay) * decay}
                groups.append({"params": members, **options})
    return groups


def _first_matches(named: Mapping[str, Any], patterns: Sequence[str]) -> dict[str, str]:
    """For the names that match: the first pattern that does."""
    paths = {name: _paths(name) for name in named}
    found: dict[str, str] = {}
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise DTypeError(must("param_groups", "every pattern", "a str", type(pattern).__name__))
        matched = [name for name in named if any(fnmatchcase(path, pattern) for path in paths[name])]
        if not matched:
            known = sorted({path for name in named for path in paths[name]})
            near = difflib.get_close_matches(pattern, known, n=3, cutoff=0.0)
            hint = f"{pattern!r}; near it: {', '.join(map(repr, near))}"
            raise ArgumentError(
                must("param_groups", "pattern", "the name of a parameter or module, or match one", hint)
            )
        for name in matched:
            found.setdefault(name, pattern)
    return found


def _paths(name: str) -> list[str]:
    """The parameter's name, and those of the modules that it is in.

    >>> _paths("features.0.weight")
    ['features', 'features.0', 'features.0.weight']
    """
    parts = name.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]
