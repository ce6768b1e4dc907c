"""What all metrics share, and the metric that a plain function makes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from minidl.errors import DTypeError, must
from minidl.tensor import Tensor
from minidl.training.data import count
from minidl.training.sums import Mean


class Metric:
    """A number that is collected over batches. A subclass defines the three methods, and what it collects.

    Attributes:
        name: what it is called in the history.
        kind: how outputs are read, see :mod:`minidl.training.losses`; a Trainer sets it from its loss where it is None.
        collected: the names of the attributes that hold what was collected, for :meth:`state_dict`.
    """

    collected: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name
        self.kind: str | None = None
        self.reset()

    def reset(self) -> None:
        """Forget what was collected."""

    def update(self, output: Any, target: Any) -> None:
        """Count a batch in."""
        raise NotImplementedError(f"{type(self).__name__} must define update(output, target)")

    def result(self) -> Any:
        """The number for all batches since the last :meth:`reset`."""
        raise NotImplementedError(f"{type(self).__name__} must define result()")

    def __call__(self, output: Any, target: Any) -> Any:
        """The number for these outputs alone, without what was collected."""
        alone = copy.copy(self)
        alone.reset()
        alone.update(output, target)
        return alone.result()

    def state_dict(self) -> dict[str, Any]:
        """What was collected so far."""
        parts = {name: getattr(self, name) for name in self.collected}
        return {name: part.state_dict() if isinstance(part, Mean) else part for name, part in parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        for name in self.collected:
            part = getattr(self, name)
            if isinstance(part, Mean):
                part.load_state_dict(state[name])
            else:
                setattr(self, name, copy.copy(state[name]))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"


class FunctionMetric(Metric):
    """The mean over the samples of what ``function(output, target)`` says of each batch: a number, or tensor of one."""

    collected = ("mean",)

    def __init__(self, function: Callable[[Any, Any], Any], name: str | None = None) -> None:
        self.function = function
        super().__init__(name or str(getattr(function, "__name__", type(function).__name__)))

    def reset(self) -> None:
        self.mean = Mean()

    def update(self, output: Any, target: Any) -> None:
        value = self.function(output, target)
        if isinstance(value, (Tensor, np.ndarray)) and value.ndim == 0:
            value = value.item()
        if not isinstance(value, (int, float, np.integer, np.floating)):
            got = f"shape {value.shape}" if hasattr(value, "shape") else type(value).__name__
            raise DTypeError(must("Trainer", f"what the metric {self.name} returns", "a number", got))
        self.mean.add(float(value), count(output))

    def result(self) -> float:
        return self.mean.value

    def __deepcopy__(self, memo: dict[int, Any]) -> FunctionMetric:
        new = copy.copy(self)  # of the same function, which may be a method of something large
        new.reset()
        return new


def array(values: Any) -> np.ndarray:
    """The array of a tensor, or of what NumPy can make one of."""
    return values.array if isinstance(values, Tensor) else np.asarray(values)
