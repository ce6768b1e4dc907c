"""Dropout."""

from __future__ import annotations

from minidl.errors import ArgumentError, must
from minidl.nn import functional as F
from minidl.nn.module import Module
from minidl.tensor import Tensor


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ArgumentError(must(type(self).__name__, "p", "in [0, 1]", p))
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training, zeroes each element with probability ``p`` and multiplies the others by ``1 / (1 - p)``.

    The expectation stays the same, so evaluation has nothing to do (Srivastava et al., "Dropout: a simple way to
    prevent neural networks from overfitting", 2014).
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """:class:`Dropout` of whole channels of images (N, C, H, W): neighbouring pixels say nearly the same.

    Source: Tompson et al., "Efficient object localization using convolutional networks", 2015.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)
