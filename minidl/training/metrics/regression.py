"""Metrics of numbers: how far outputs are from targets."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.errors import ShapeError, must
from minidl.training.metrics.base import Metric, array
from minidl.training.sums import Mean


class _MeanOf(Metric):
    collected = ("mean",)

    def reset(self) -> None:
        self.mean = Mean()

    def update(self, output: Any, target: Any) -> None:
        y, t = array(output), array(target)
        if y.shape != t.shape:
            if (*t.shape, 1) != y.shape and t.shape != (*y.shape, 1):
                raise ShapeError(must(self.name, "target", f"of the output's shape {y.shape}", t.shape))
            t = t.reshape(y.shape)
        self.mean.add_sum(self.measure(np.subtract(y, t, dtype=np.float64)))

    def measure(self, difference: np.ndarray) -> np.ndarray:
        """What is averaged, for each element."""
        raise NotImplementedError

    def result(self) -> float:
        return self.mean.value


class MeanSquaredError(_MeanOf):
    """``mean((output - target)**2)`` over all elements, in float64."""

    def __init__(self, name: str = "mse") -> None:
        super().__init__(name)

    def measure(self, difference: np.ndarray) -> np.ndarray:
        return difference * difference


class MeanAbsoluteError(_MeanOf):
    """``mean(|output - target|)`` over all elements, in float64."""

    def __init__(self, name: str = "mae") -> None:
        super().__init__(name)

    def measure(self, difference: np.ndarray) -> np.ndarray:
        return np.abs(difference)


def mse(output: Any, target: Any) -> float:
    """The mean squared error, in float64; see :class:`MeanSquaredError`."""
    return MeanSquaredError()(output, target)


def mae(output: Any, target: Any) -> float:
    """The mean absolute error, in float64; see :class:`MeanAbsoluteError`."""
    return MeanAbsoluteError()(output, target)
