"""Layers that change only the shape."""

from __future__ import annotations

from collections.abc import Sequence

from minidl.errors import DTypeError, must
from minidl.nn.module import Module
from minidl.ops import shape
from minidl.tensor import Tensor


class Flatten(Module):
    """Makes one dimension of those from ``start_dim`` to ``end_dim``: (N, C, H, W) becomes (N, C*H*W)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return shape.flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Makes several dimensions, ``unflattened_size``, of dimension ``dim``; one of the sizes may be -1."""

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        if not isinstance(unflattened_size, (tuple, list)):
            raise DTypeError(must("Unflatten", "unflattened_size", "a tuple of ints", repr(unflattened_size)))
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        return shape.unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
