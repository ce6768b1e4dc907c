"""What datasets with labels tell about their classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.tensor import Tensor


class Labelled:
    """For datasets that have ``classes``, the classes' names, and ``targets``, the number of each sample's class."""

    def class_counts(self: Any) -> dict[str, int]:
        """How many samples each class has."""
        labels = np.asarray(getattr(self.targets, "array", self.targets), np.int64)
        counts = np.bincount(labels, minlength=len(self.classes))
        return {name: int(count) for name, count in zip(self.classes, counts, strict=True)}

    def class_weights(self: Any) -> Tensor:
        """Weights that let every class count the same: float32 (number of classes,).

        A class of n samples gets N / (K n), where N is the number of all samples and K that of the classes that have
        any; one without samples gets 0. For ``CrossEntropyLoss(weight=dataset.class_weights())``.
        """
        counts = np.array(list(self.class_counts().values()), np.float64)
        some = counts > 0
        weights = np.divide(counts.sum(), counts * some.sum(), out=np.zeros_like(counts), where=some)
        return Tensor(weights.astype(np.float32))
