"""Training and evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from minidl.nn import Module


@contextmanager
def modes_kept(model: Module) -> Iterator[None]:
    """Afterwards each part of the model is in training or evaluation mode as it was before."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
