"""What a Tensor prints: its numbers, and what is not obvious from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minidl import dtypes

if TYPE_CHECKING:
    from minidl.tensor import Tensor


def tensor_repr(tensor: Tensor) -> str:
    """``tensor([1., 2.], requires_grad=True)``: the shape only where the numbers do not show it."""
    array = tensor.array
    name = "tensor" if type(tensor).__name__ == "Tensor" else type(tensor).__name__
    numbers = np.array2string(
        array,
        separator=", ",
        prefix=name + "(",
        precision=4,
        threshold=1000,
        edgeitems=3,
        suppress_small=False,  # a gradient of 1e-6 must not look like 0
    )
    notes = [numbers]
    if array.size > 1000 or (array.size == 0 and array.ndim != 1):
        notes.append(f"size={array.shape}")
    shown = () if array.size == 0 else (dtypes.int64, dtypes.bool_)
    if array.dtype not in (dtypes.get_default_dtype(), *shown):
        notes.append(f"dtype={array.dtype}")
    if tensor.grad_fn is not None:
        notes.append(f"grad_fn=<{tensor.grad_fn.name}>")
    elif tensor.requires_grad:
        notes.append("requires_grad=True")
    return f"{name}({', '.join(notes)})"
