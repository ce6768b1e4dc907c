"""Dropout."""

from __future__ import annotations

from minidl.errors import ArgumentError, must
from minidl.nn import functional as F
from minidl.nn.module import Module
from minidl.tensor import Tensor


class Dropout(Module):
    """In training, zeroes each element with probability ``p`` and multiplies the others by ``1 / (1 - p)``.

    The expectation stays the same, so evaluation has nothing to do (Srivastava et al., "Dropout: a simple way to
    prevent neural networks from overfitting", 2014).
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ArgumentError(must("Dropout", "p", "in [0, 1]", p))
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
