"""Metrics of classes: accuracy, top-k accuracy, and what follows from the counts of right and wrong classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.errors import ArgumentError, ShapeError, must
from minidl.training.losses import LOGITS, PROBABILITIES
from minidl.training.metrics.base import Metric, array
from minidl.training.predictions import threshold as default_threshold

AVERAGES = (None, "binary", "macro", "micro", "weighted", "none")


def labels(
    op: str, output: Any, target: Any, kind: str | None = None, threshold: float | None = None
) -> tuple[np.ndarray, np.ndarray, int]:
    """The classes that outputs say and that targets are, (n,) each, and how many classes there are.

    Raises:
        ShapeError: output and target do not fit.
    """
    y, t = array(output), array(target)
    if y.ndim == 0:
        raise ShapeError(must(op, "output", "of shape (N, C, ...), (N, 1) or (N,)", y.shape))
    if y.ndim == 1 or y.shape[1] == 1 or kind in (LOGITS, PROBABILITIES):
        if y.size != t.size or len(y) != len(t):
            raise ShapeError(must(op, "target", f"of the output's shape {y.shape}", t.shape))
        limit = default_threshold(kind) if threshold is None else threshold
        return (y.reshape(-1) > limit).astype(np.int64), (t.reshape(-1) > 0.5).astype(np.int64), 2
    classes, without = y.shape[1], (len(y), *y.shape[2:])
    if t.shape == y.shape:
        t = t.argmax(1)
    elif t.shape != without:
        raise ShapeError(must(op, "target", f"classes {without} or one-hot {y.shape}", t.shape))
    found, true = y.argmax(1).reshape(-1), t.reshape(-1).astype(np.int64)
    if true.size and true.max() >= classes:
        raise ShapeError(must(op, "target", f"below {classes}, the number of classes", true.max()))
    counts = true >= 0
    return found[counts], true[counts], classes


class Accuracy(Metric):
    """The share of samples whose class is found: ``mean(argmax(output) == target)``.

    Args:
        threshold: the number above which an output (N,) or (N, 1) says yes; default: 0, and 0.5 under a loss that
            takes probabilities.
    """

    collected = ("correct", "count")

    def __init__(self, threshold: float | None = None, name: str = "accuracy") -> None:
        self.threshold = threshold
        super().__init__(name)

    def reset(self) -> None:
        self.correct = self.count = 0

    def update(self, output: Any, target: Any) -> None:
        found, true, _ = labels(self.name, output, target, self.kind, self.threshold)
        self.correct += int(np.count_nonzero(found == true))
        self.count += true.size

    def result(self) -> float:
        return self.correct / self.count if self.count else float("nan")


class TopKAccuracy(Accuracy):
    """The share of samples whose class is among the ``k`` with the largest outputs; of equals, the lower first."""

    def __init__(self, k: int = 5, name: str | None = None) -> None:
        if not isinstance(k, int) or isinstance(k, bool) or k < 1:
            raise ArgumentError(must("TopKAccuracy", "k", "a positive int", repr(k)))
        self.k = k
        super().__init__(name=f"top{k}" if name is None else name)

    def update(self, output: Any, target: Any) -> None:
        y = array(output)
        if y.ndim < 2 or y.shape[1] == 1 or self.kind in (LOGITS, PROBABILITIES):
            raise ShapeError(must(self.name, "output", "of shape (N, C), a number for each class", y.shape))
        _, true, classes = labels(self.name, y, target)
        rows = np.moveaxis(y, 1, -1).reshape(-1, classes)
        if true.size != len(rows):
            t = array(target)
            rows = rows[t.reshape(-1) >= 0]
        best = np.argsort(-rows, axis=1, kind="stable")[:, : self.k]
        self.correct += int(np.count_nonzero(best == true[:, None]))
        self.count += true.size


class ConfusionMatrix(Metric):
    """How often samples of class i were found to be of class j: ints (C, C), rows the true classes.

    Args:
        threshold: as in :class:`Accuracy`.
    """

    collected = ("counts",)

    def __init__(self, threshold: float | None = None, name: str = "confusion_matrix") -> None:
        self.threshold = threshold
        super().__init__(name)

    def reset(self) -> None:
        self.counts = np.zeros((0, 0), np.int64)

    def update(self, output: Any, target: Any) -> None:
        found, true, classes = labels(self.name, output, target, self.kind, self.threshold)
        counts = np.bincount(true * classes + found, minlength=classes * classes).reshape(classes, classes)
        self.counts = self.counts + counts if self.counts.size else counts

    def result(self) -> Any:
        return self.counts


class _Averaged(ConfusionMatrix):
    """A number for each class, from the counts, and their average.

    Args:
        average: "binary", the number of class 1; "macro", the mean over the classes that occur; "weighted", the same
            weighted by how often each is true; "micro", from the counts of all classes together; "none", an array
            (C,) of all. Default: "binary" for two classes, "macro" for more.
        threshold: as in :class:`Accuracy`.

    Where a share has no samples to be a share of, it is 0, as in scikit-learn.
    """

    def __init__(self, average: str | None = None, threshold: float | None = None, name: str = "") -> None:
        if average not in AVERAGES:
            expected = ", ".join(repr(a) for a in AVERAGES if a)
            raise ArgumentError(must(type(self).__name__, "average", f"one of {expected}", repr(average)))
        self.average = average
        super().__init__(threshold, name or type(self).__name__.lower())

    def shares(self, right: np.ndarray, found: np.ndarray, true: np.ndarray) -> np.ndarray:
        """The number of each class, from how often it was found rightly, found at all, and true."""
        raise NotImplementedError

    def result(self) -> Any:
        counts = self.counts
        if not counts.size:
            return float("nan")
        right, found, true = np.diagonal(counts), counts.sum(axis=0), counts.sum(axis=1)
        average = self.average or ("binary" if len(counts) == 2 else "macro")
        if average == "micro":
            return float(self.shares(*(np.array([n.sum()]) for n in (right, found, true)))[0])
        shares = self.shares(right, found, true)
        if average == "none":
            return shares
        if average == "binary":
            if len(counts) != 2:
                expected = "'macro', 'micro', 'weighted' or 'none' for more than two classes"
                raise ArgumentError(must(self.name, "average", expected, "'binary'"))
            return float(shares[1])
        weights = true if average == "weighted" else ((found + true) > 0).astype(np.int64)
        return float((shares * weights).sum() / weights.sum()) if weights.sum() else float("nan")


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole != 0)


class Precision(_Averaged):
    """Of the samples that were found to be of a class, the share that are: ``TP / (TP + FP)``."""

    __doc__ += _Averaged.__doc__.partition("\n")[2]  # type: ignore[union-attr]

    def shares(self, right: np.ndarray, found: np.ndarray, true: np.ndarray) -> np.ndarray:  # noqa: ARG002
        return _share(right, found)


class Recall(_Averaged):
    """Of the samples that are of a class, the share that were found to be: ``TP / (TP + FN)``."""

    __doc__ += _Averaged.__doc__.partition("\n")[2]  # type: ignore[union-attr]

    def shares(self, right: np.ndarray, found: np.ndarray, true: np.ndarray) -> np.ndarray:  # noqa: ARG002
        return _share(right, true)


class F1(_Averaged):
    """The harmonic mean of precision and recall: ``2 TP / (2 TP + FP + FN)``."""

    __doc__ += _Averaged.__doc__.partition("\n")[2]  # type: ignore[union-attr]

    def shares(self, right: np.ndarray, found: np.ndarray, true: np.ndarray) -> np.ndarray:
        return _share(2 * right, found + true)


def accuracy(output: Any, target: Any, threshold: float | None = None) -> float:
    """The share of samples whose class is found; see :class:`Accuracy`."""
    return Accuracy(threshold)(output, target)


def top_k_accuracy(output: Any, target: Any, k: int = 5) -> float:
    """The share of samples whose class is among the ``k`` with the largest outputs; see :class:`TopKAccuracy`."""
    return TopKAccuracy(k)(output, target)


def precision(output: Any, target: Any, average: str | None = None, threshold: float | None = None) -> Any:
    """Of the samples that were found to be of a class, the share that are; see :class:`Precision`."""
    return Precision(average, threshold)(output, target)


def recall(output: Any, target: Any, average: str | None = None, threshold: float | None = None) -> Any:
    """Of the samples that are of a class, the share that were found to be; see :class:`Recall`."""
    return Recall(average, threshold)(output, target)


def f1(output: Any, target: Any, average: str | None = None, threshold: float | None = None) -> Any:
    """The harmonic mean of precision and recall; see :class:`F1`."""
    return F1(average, threshold)(output, target)


def confusion_matrix(output: Any, target: Any, threshold: float | None = None) -> np.ndarray:
    """How often samples of class i were found to be of class j: ints (C, C); see :class:`ConfusionMatrix`."""
    return ConfusionMatrix(threshold)(output, target)
