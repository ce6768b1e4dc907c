"""What fit returns: a number for each epoch and each thing that was measured, as Keras's History has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


class History:
    """The record of a training run.

    Attributes:
        history: ``{"loss": [...], "accuracy": [...], "val_loss": [...], "val_accuracy": [...], "lr": [...]}``, each a
            list with one float per epoch. What was not measured in an epoch is nan there.
        epoch: the numbers of the epochs, from 0.

    >>> history = History()
    >>> history.append(0, {"loss": 0.5})
    >>> history.append(1, {"loss": 0.25})
    >>> history.history
    {'loss': [0.5, 0.25]}
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def append(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """Take in what was measured in an epoch; what is no number is left out."""
        numbers = {name: float(value) for name, value in logs.items() if is_number(value)}
        for name in numbers:
            self.history.setdefault(name, [math.nan] * len(self.epoch))
        for name, values in self.history.items():
            values.append(numbers.get(name, math.nan))
        self.epoch.append(epoch)

    def __len__(self) -> int:
        """How many epochs there are."""
        return len(self.epoch)

    def __repr__(self) -> str:
        return f"History({len(self)} epochs: {', '.join(self.history)})"

    def state_dict(self) -> dict[str, Any]:
        """Its content, to go on from."""
        return {"history": {name: list(v) for name, v in self.history.items()}, "epoch": list(self.epoch)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.history = {name: list(values) for name, values in state["history"].items()}
        self.epoch = list(state["epoch"])


def is_number(value: Any) -> bool:
    """Whether it is a single number, of Python or NumPy."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
