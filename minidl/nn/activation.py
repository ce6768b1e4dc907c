"""Activations as layers, for Sequential. Formulas: :mod:`minidl.nn.functional`."""

from __future__ import annotations

from minidl.nn import functional as F
from minidl.nn.module import Module
from minidl.tensor import Tensor


class ReLU(Module):
    """``max(x, 0)``; ``inplace`` overwrites the input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Sigmoid(Module):
    """``1 / (1 + e^-x)``."""

    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class Tanh(Module):
    """``(e^x - e^-x) / (e^x + e^-x)``."""

    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class SoftmaxOf:
    """What the rows of a result are the softmax of, for a loss that can do better with that.

    Attributes:
        values: the softmax's input.
    """

    def __init__(self, values: Tensor, result: Tensor) -> None:
        self.values = values
        self._written = self._clocks(result)

    def is_current(self, result: Tensor) -> bool:
        """Whether neither has been written to since."""
        return self._written == self._clocks(result)

    def _clocks(self, result: Tensor) -> tuple[int, int]:
        return self.values._memory.written, result._memory.written


class Softmax(Module):
    """``e^x_i / sum_j e^x_j`` along ``dim``.

    A result (N, C) along C remembers its input, for :class:`~minidl.nn.CategoricalCrossEntropy`.
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        result = F.softmax(input, self.dim, _stacklevel=5)
        if result.ndim == 2 and self.dim in (1, -1):
            result.softmax_of = SoftmaxOf(input, result)  # type: ignore[attr-defined]
        return result

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """``x_i - log sum_j e^x_j`` along ``dim``."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim, _stacklevel=5)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
