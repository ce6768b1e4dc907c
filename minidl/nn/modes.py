"""Training and evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from minidl.nn.module import Module


@contextmanager
def modes_kept(model: Module) -> Iterator[None]:
    """Afterwards each part of the model is in training or evaluation mode as it was before."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """In evaluation mode; afterwards each part is in the mode that it was in."""
    with modes_kept(model):
        model.eval()
        yield
