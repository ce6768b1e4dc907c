"""What callbacks that look at one number share: which it is, and whether less or more of it is better."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

from minidl.errors import ArgumentError, must
from minidl.nn.freezing import near
from minidl.ops.arguments import one_of
from minidl.training.callbacks.base import Callback
from minidl.training.history import is_number

MORE = ("accuracy", "acc", "precision", "recall", "f1", "auc")  # what begins so is better when it is more


def say(text: str) -> None:
    """Print a line, above the bar if there is one."""
    if "tqdm" in sys.modules:
        sys.modules["tqdm"].tqdm.write(text, file=sys.stdout)
    else:
        print(text, flush=True)


class Monitor(Callback):
    """A callback that looks at the number ``monitor`` of an epoch.

    Args:
        monitor: its name in the logs: "val_loss", "accuracy" ...
        min_delta: a smaller change is no improvement.
        mode: "min" if less is better, "max" if more is; "auto" takes "max" for accuracy, top-k, precision, recall and
            F1, and "min" for anything else.

    Raises:
        ArgumentError: ``mode`` is something else; or, in fit, there is no such number.
    """

    def __init__(self, monitor: str = "val_loss", min_delta: float = 0.0, mode: str = "auto") -> None:
        one_of(type(self).__name__, "mode", mode, ("auto", "min", "max"))
        self.monitor, self.min_delta = monitor, abs(min_delta)
        if mode == "auto":
            name = monitor.removeprefix("val_")
            is_top = name.startswith("top") and name[3:].isdigit()
            mode = "max" if name.startswith(MORE) or is_top else "min"
        self.mode = mode

    @property
    def worst(self) -> float:
        """What anything is better than."""
        return math.inf if self.mode == "min" else -math.inf

    def improves(self, value: float, on: float) -> bool:
        """Whether ``value`` is better than ``on``, by more than ``min_delta``."""
        return value < on - self.min_delta if self.mode == "min" else value > on + self.min_delta

    def check(self) -> None:
        """Raise before the first epoch if the number will be missing."""
        names = self.params.get("metrics", ())
        if self.monitor.startswith("val_") and not any(name.startswith("val_") for name in names):
            expected = "measured: give fit validation_data"
            raise ArgumentError(must(type(self).__name__, "monitor", expected, repr(self.monitor)))

    def value(self, logs: Mapping[str, Any]) -> float:
        """The number of an epoch."""
        value = logs.get(self.monitor)
        if value is None or not is_number(value):
            names = [name for name, found in logs.items() if is_number(found)]
            expected = f"one of {', '.join(names)}"
            raise ArgumentError(
                must(type(self).__name__, "monitor", expected, repr(self.monitor) + near(self.monitor, names))
            )
        return float(value)
