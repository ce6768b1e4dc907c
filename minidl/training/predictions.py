"""What predict returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.training.losses import CLASS_PROBABILITIES, CLASSES, LOG_CLASSES, LOGITS, PROBABILITIES


class Predictions:
    """A network's outputs for all samples, in the data's own order; an array of them to NumPy.

    Attributes:
        outputs: what the network computed, (N, ...).
        labels: the class that each output says, (N,) ints; None where outputs are no classes.
        names: the same by name, where the data has ``classes``; else None.
        targets: what the data says, (N, ...); None where it has only inputs.
        files: the samples' files, where the data knows them; else None.
        classes: the names of the classes, or None.

    >>> predictions = Predictions(np.array([[2.0, -1.0], [0.0, 3.0]]), "classes", ["cat", "dog"])
    >>> predictions.names
    ['cat', 'dog']
    >>> np.asarray(predictions).shape
    (2, 2)
    """

    def __init__(
        self,
        outputs: np.ndarray,
        kind: str | None = None,
        classes: Sequence[str] | None = None,
        targets: np.ndarray | None = None,
        files: Sequence[Any] | None = None,
    ) -> None:
        self.outputs = outputs
        self.kind = kind
        self.classes = None if classes is None else list(classes)
        self.targets = targets
        self.files = None if files is None else list(files)

    @property
    def labels(self) -> np.ndarray | None:
        outputs = self.outputs
        if self.kind in (CLASSES, LOG_CLASSES, CLASS_PROBABILITIES):
            return outputs.argmax(1)
        if self.kind in (LOGITS, PROBABILITIES) and outputs.shape[1:] in ((), (1,)):
            return (outputs.reshape(len(outputs)) > threshold(self.kind)).astype(np.int64)
        return None

    @property
    def names(self) -> list[str] | None:
        labels = self.labels
        if labels is None or labels.ndim != 1 or self.classes is None:
            return None
        return [self.classes[i] for i in labels]

    @property
    def probabilities(self) -> np.ndarray | None:
        """Of the classes (N, C), or of yes (N, ...), in float64; None where outputs say nothing of the kind."""
        x = self.outputs.astype(np.float64)
        if self.kind in (CLASSES, LOG_CLASSES):
            e = np.exp(x - x.max(axis=1, keepdims=True))
            return e / e.sum(axis=1, keepdims=True)
        if self.kind == LOGITS:
            e = np.exp(-np.abs(x))
            return np.where(x >= 0, 1.0, e) / (1.0 + e)
        return x if self.kind in (PROBABILITIES, CLASS_PROBABILITIES) else None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.outputs, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        return len(self.outputs)

    def __getitem__(self, index: Any) -> Any:
        return self.outputs[index]

    def __repr__(self) -> str:
        return f"Predictions(outputs of shape {self.outputs.shape})"


def threshold(kind: str | None) -> float:
    """The number from which on an output of this kind says yes."""
    return 0.5 if kind == PROBABILITIES else 0.0
