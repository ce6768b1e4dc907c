"""A layer and the ReLU after it as one kernel, where nothing can observe the difference.

The kernel that computes a product or a convolution holds its results in registers; applying ReLU there saves a pass
over memory that would load and store all of them once more. What comes out, forward and backward, is the same to the
last bit, so :class:`~minidl.nn.Sequential` does it unasked. It does not where somebody could tell: where either module
has hooks, is of a class of the user's, or has a ``forward`` of its own, or while NaN are looked for, whose report names
the operation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from minidl.grad_mode import thread
from minidl.nn.activation import ReLU
from minidl.nn.conv import Conv2d
from minidl.nn.linear import Linear
from minidl.nn.module import Module

FUSED = (Linear, Conv2d)


def steps(modules: Sequence[Module]) -> Iterator[Any]:
    """What to call one after another: the modules, or ``forward_relu`` in place of a layer and the ReLU after it."""
    i = 0
    while i < len(modules):
        layer, following = modules[i], modules[i + 1] if i + 1 < len(modules) else None
        if type(following) is ReLU and _fuses(layer, following):
            yield layer.forward_relu  # type: ignore[attr-defined]
            i += 2
        else:
            yield layer
            i += 1


def _fuses(layer: Module, relu: Module) -> bool:
    plain = all(m._hooks is None and "forward" not in vars(m) for m in (layer, relu))
    return type(layer) in FUSED and plain and not thread.mode.detecting
