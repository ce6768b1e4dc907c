"""What is measured while batches go by: the loss, the metrics, and how well each class is served."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minidl.errors import ShapeError
from minidl.grad_mode import no_grad
from minidl.tensor import Tensor
from minidl.training.losses import LOGITS, NUMBERS, PROBABILITIES
from minidl.training.metrics import Metric
from minidl.training.metrics.base import array
from minidl.training.metrics.classification import labels
from minidl.training.sums import Mean


class PerClass(Metric):
    """How many samples each class has, and how many of them are found; nothing where targets are no classes."""

    def __init__(self, kind: str | None) -> None:
        super().__init__("per_class")
        self.kind = kind

    def reset(self) -> None:
        self.right = self.true = np.zeros(0, np.int64)
        self.applies = True

    def update(self, output: Any, target: Any) -> None:
        arrays = all(
            isinstance(part, (Tensor, np.ndarray)) for part in (output, target)
        )  # not several at once
        self.applies = self.applies and arrays and self._are_classes(array(output), array(target))
        if not self.applies:
            return
        try:
            found, true, classes = labels("per_class", output, target, self.kind)
        except ShapeError:
            self.applies = False
            return
        right = np.bincount(true[found == true], minlength=classes)
        counts = np.bincount(true, minlength=classes)
        self.right = self.right + right if self.right.size else right
        self.true = self.true + counts if self.true.size else counts

    def _are_classes(self, y: np.ndarray, t: np.ndarray) -> bool:
        if self.kind == NUMBERS or t.size == 0:
            return False
        if y.ndim == 1 or y.shape[1] == 1 or self.kind in (LOGITS, PROBABILITIES):
            return y.ndim <= 2 and y.size == len(y) and bool(np.isin(t, (0, 1)).all())
        return self.kind is not None or t.dtype.kind in "iu" or t.shape == y.shape

    def result(self, names: Sequence[str] | None = None) -> dict[Any, dict[str, Any]] | None:
        """``{class: {"accuracy": float, "count": int}}``, by name where all have one; nan without samples."""
        if not self.applies or not self.true.size:
            return None
        keys: Sequence[Any] = range(len(self.true))
        if names is not None and len(names) == len(self.true):
            keys = names
        return {
            key: {"accuracy": int(right) / int(count) if count else float("nan"), "count": int(count)}
            for key, right, count in zip(keys, self.right, self.true, strict=True)
        }


class Collector:
    """The loss and the metrics over batches; ``prefix`` stands before their names in :meth:`logs`.

    ``per_class``, if given, goes along, and is not in the logs.
    """

    def __init__(
        self, metrics: Iterable[Metric], prefix: str = "", per_class: PerClass | None = None
    ) -> None:
        self.loss = Mean()
        self.per_class = per_class
        self.metrics = [copy.deepcopy(metric) for metric in metrics]
        self.prefix = prefix
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.loss.reset()
        for metric in self.metrics:
            metric.reset()

    def update(self, loss: float, count: int, output: Any, target: Any) -> None:
        """Count in a batch of ``count`` samples whose mean loss is ``loss``."""
        self.loss.add(loss, count)
        if self.metrics or self.per_class is not None:
            if isinstance(output, Tensor):
                output = output.detach()
            with no_grad():
                for metric in self.metrics:
                    metric.update(output, target)
                if self.per_class is not None:
                    self.per_class.update(output, target)

    def logs(self) -> dict[str, Any]:
        """Each number by name."""
        values = {"loss": self.loss.value, **{metric.name: metric.result() for metric in self.metrics}}
        return {self.prefix + name: value for name, value in values.items()} if self.prefix else values

    def state_dict(self) -> dict[str, Any]:
        """What was collected so far."""
        return {"loss": self.loss.state_dict(), "metrics": {m.name: m.state_dict() for m in self.metrics}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.loss.load_state_dict(state["loss"])
        for metric in self.metrics:
            metric.load_state_dict(state["metrics"][metric.name])
