"""What a Module prints: PyTorch's nested form, with the number of parameters behind each layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minidl.nn.module import Module


def module_repr(module: Module) -> str:
    """``Name(arguments)``, or one line for each child between brackets; then the parameters below it.

    >>> from minidl import nn
    >>> nn.Sequential(nn.Linear(784, 32).freeze(), nn.ReLU(), nn.Linear(32, 10))
    Sequential(
      (0): Linear(in_features=784, out_features=32, bias=True)  # 25,120 parameters, frozen
      (1): ReLU()
      (2): Linear(in_features=32, out_features=10, bias=True)  # 330 parameters
    )  # 25,450 parameters: 330 trainable, 25,120 frozen
    """
    arguments, note = module.extra_repr(), _note(module)
    children = [
        f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in module._children().items()
    ]
    if children:
        arguments = "\n".join(["", *([f"  {arguments}"] if arguments else []), *children, ""])
    return f"{type(module).__name__}({arguments}){'  # ' if note else ''}{note}"


def _note(module: Module) -> str:
    """``25,450 parameters: 330 trainable, 25,120 frozen``; parameters that are shared count once."""
    counts = {"trainable": 0, "frozen": 0, "without gradient": 0}
    for parameter in module.parameters():
        kind = (
            "frozen"
            if parameter.is_frozen
            else "trainable"
            if parameter.requires_grad
            else "without gradient"
        )
        counts[kind] += parameter.numel()
    total = sum(counts.values())
    kinds = [f"{count:,} {kind}" for kind, count in counts.items() if count]
    if not total:
        return "frozen" if module._frozen and any(True for _ in module.buffers()) else ""
    if len(kinds) == 1:
        kind = "" if counts["trainable"] else f", {kinds[0].partition(' ')[2]}"
        return f"{total:,} parameters{kind}"
    return f"{total:,} parameters: {', '.join(kinds)}"
