"""What a classifier made of its data: pictures with predictions, the confusion matrix, the worst mistakes.

Each takes the Predictions that ``Trainer.predict`` returns, or a network's outputs and the true classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ArgumentError, ShapeError, must
from minidl.viz.figures import StrPath, as_array, as_pictures, finished, grid, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RIGHT, WRONG = "#1b7837", "#b2182b"


@dataclass
class _Judged:
    """Predictions of any form: classes as numbers, the probability of each if it is known, and the truth."""

    labels: np.ndarray  # (N,)
    probabilities: np.ndarray | None  # (N, C)
    targets: np.ndarray | None  # (N,); a negative one, such as -100, is not known
    classes: list[str]
    files: Any

    def confidence(self, i: int) -> str:
        return "" if self.probabilities is None else f" {self.probabilities[i, self.labels[i]]:.0%}"

    def title(self, i: int) -> str:
        """``cat 97%``; of a mistake ``cat 97%, is dog``."""
        text = self.classes[self.labels[i]] + self.confidence(i)
        if self.targets is None or self.targets[i] < 0 or self.targets[i] == self.labels[i]:
            return text
        return f"{text}\nis {self.classes[self.targets[i]]}"


def _judge(op: str, predictions: Any, targets: Any, classes: Sequence[str] | None) -> _Judged:
    probabilities = getattr(predictions, "probabilities", None)
    labels = getattr(predictions, "labels", None)
    if targets is None:
        targets = getattr(predictions, "targets", None)
    if classes is None:
        classes = getattr(predictions, "classes", None)
    if labels is None:
        labels, probabilities = _read_outputs(op, as_array(predictions))
    labels = as_array(labels)
    if labels.ndim != 1:
        raise ShapeError(must(op, "predictions", "one class for each sample", f"shape {labels.shape}"))
    if probabilities is not None and probabilities.shape[1:] in ((), (1,)):  # of yes
        yes = probabilities.reshape(-1, 1)
        probabilities = np.concatenate([1 - yes, yes], 1)
    if targets is not None:
        targets = as_array(targets).reshape(-1).astype(np.int64)
        if len(targets) != len(labels):
            raise ShapeError(must(op, "targets", f"as many as the predictions, {len(labels)}", len(targets)))
    count = 1 + max(int(np.max(x, initial=-1)) for x in (labels, targets if targets is not None else labels))
    names = [str(i) for i in range(count)] if classes is None else [str(name) for name in classes]
    if len(names) < count:
        raise ArgumentError(must(op, "classes", f"at least {count}, one for each class", len(names)))
    return _Judged(labels, probabilities, targets, names, getattr(predictions, "files", None))


def _read_outputs(op: str, array: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Classes and probabilities, of an array of classes (N,), or of logits or probabilities (N, C)."""
    if array.ndim == 1 and array.dtype.kind in "iu":
        return array, None
    if array.ndim != 2 or array.shape[1] < 2:
        expected = "Predictions of classes, classes (N,) or outputs (N, C)"
        raise ShapeError(must(op, "predictions", expected, f"{array.dtype} of shape {array.shape}"))
    x = array.astype(np.float64)
    if not (np.all(x >= 0) and np.allclose(x.sum(1), 1, atol=1e-4)):
        x = np.exp(x - x.max(1, keepdims=True))
        x /= x.sum(1, keepdims=True)
    return x.argmax(1), x


def _images(op: str, images: Any, judged: _Judged, which: Sequence[int]) -> list[np.ndarray]:
    """The pictures of the samples ``which``, read from their files where they are not given."""
    if images is None:
        if judged.files is None:
            raise ArgumentError(must(op, "images", "given, where the predictions know no files", "None"))
        images = [judged.files[i] for i in which]
        return as_pictures(op, "images", images, len(which))
    if len(images) != len(judged.labels):
        expected = f"as many as the predictions, {len(judged.labels)}"
        raise ShapeError(must(op, "images", expected, len(images)))
    if isinstance(images, (list, tuple)):
        return as_pictures(op, "images", [images[i] for i in which], len(which))
    return as_pictures(op, "images", as_array(images)[list(which)], len(which))


def _colour_titles(figure: Figure, judged: _Judged, which: Sequence[int]) -> None:
    if judged.targets is not None:
        for axes, i in zip(figure.axes, which, strict=False):
            axes.title.set_color(RIGHT if judged.labels[i] == judged.targets[i] else WRONG)


def plot_predictions(
    predictions: Any,
    images: Any = None,
    targets: Any = None,
    classes: Sequence[str] | None = None,
    path: StrPath | None = None,
    n: int = 24,
) -> Figure:
    """The first ``n`` pictures, above each the class that was predicted, with its probability; mistakes in red.

    Args:
        predictions: what ``Trainer.predict`` returned; or classes, ints (N,); or logits or probabilities (N, C).
        images: what was predicted: a Tensor or array (N, C, H, W), (N, H, W, C), (N, H, W) or (N, H*W), or a list of
            pictures or files; default: the files that ``predictions`` knows.
        targets: the true classes, ints (N,); default: those that ``predictions`` knows.
        classes: their names; default: those that ``predictions`` knows, else numbers.
        path: also save the figure there; the ending says in which format.

    Raises:
        ShapeError: shapes or numbers do not fit.
        ArgumentError: there are no pictures, or too few names.
        MissingDependencyError: matplotlib is missing.
    """
    judged = _judge("plot_predictions", predictions, targets, classes)
    which = range(min(n, len(judged.labels)))
    if not which:
        raise ArgumentError(must("plot_predictions", "predictions", "of at least one sample", "none"))
    pictures = _images("plot_predictions", images, judged, which)
    figure = grid(pictures, [judged.title(i) for i in which])
    _colour_titles(figure, judged, which)
    return finished(figure, path)


def plot_mistakes(
    predictions: Any,
    images: Any = None,
    targets: Any = None,
    classes: Sequence[str] | None = None,
    path: StrPath | None = None,
    n: int = 24,
) -> Figure:
    """The ``n`` worst mistakes, the worst first: those whose true class was given the smallest probability.

    The arguments are those of :func:`plot_predictions`. Where there are no probabilities, mistakes come in the data's
    order.

    Raises:
        ArgumentError: the true classes are not known; and as :func:`plot_predictions`.
        ShapeError: shapes or numbers do not fit.
        MissingDependencyError: matplotlib is missing.
    """
    judged = _judge("plot_mistakes", predictions, targets, classes)
    if judged.targets is None:
        raise ArgumentError(must("plot_mistakes", "targets", "given, or known to the predictions", "None"))
    wrong = np.flatnonzero((judged.labels != judged.targets) & (judged.targets >= 0))
    if judged.probabilities is not None:
        doubts = judged.probabilities[wrong, judged.targets[wrong]]
        wrong = wrong[np.argsort(doubts, kind="stable")]
    which = wrong[:n].tolist()
    if not which:
        figure = new_figure(4, 1.2)
        figure.text(0.5, 0.5, "no mistakes", ha="center", va="center")
        return finished(figure, path)
    figure = grid(_images("plot_mistakes", images, judged, which), [judged.title(i) for i in which])
    _colour_titles(figure, judged, which)
    return finished(figure, path)


def plot_confusion_matrix(
    predictions: Any,
    targets: Any = None,
    classes: Sequence[str] | None = None,
    path: StrPath | None = None,
) -> Figure:
    """How many samples of each class, a row, were taken for each class, a column; the colour is the share of the row.

    The arguments are those of :func:`plot_predictions`; ``predictions`` may also be the matrix itself, ints (C, C).

    Raises:
        ArgumentError: the true classes are not known.
        ShapeError: shapes or numbers do not fit.
        MissingDependencyError: matplotlib is missing.
    """
    counts, names = _counts(predictions, targets, classes)
    n = len(counts)
    side = max(3.2, 0.42 * n + 1.6)
    figure = new_figure(side + 0.6, side)
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_xticks(range(n), names, rotation=90 if max(map(len, names), default=0) > 3 else 0)
    axes.set_yticks(range(n), names)
    for i, j in np.ndindex(counts.shape) if n <= 30 else ():
        if counts[i, j]:
            colour = "white" if shares[i, j] > 0.55 else "black"
            axes.text(j, i, f"{counts[i, j]}", ha="center", va="center", fontsize="x-small", color=colour)
    figure.colorbar(image, ax=axes, label="share of the row", shrink=0.8)
    return finished(figure, path)


def _counts(predictions: Any, targets: Any, classes: Sequence[str] | None) -> tuple[np.ndarray, list[str]]:
    op = "plot_confusion_matrix"
    matrix = None if hasattr(predictions, "labels") or targets is not None else as_array(predictions)
    if matrix is not None and matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]:
        names = [str(name) for name in classes or range(len(matrix))]
        if len(names) != len(matrix):
            raise ArgumentError(must(op, "classes", f"{len(matrix)}, one for each row", len(names)))
        return matrix.astype(np.int64), names
    judged = _judge(op, predictions, targets, classes)
    if judged.targets is None:
        raise ArgumentError(must(op, "targets", "given, or known to the predictions", "None"))
    counts = np.zeros((len(judged.classes), len(judged.classes)), np.int64)
    known = judged.targets >= 0
    np.add.at(counts, (judged.targets[known], judged.labels[known]), 1)
    return counts, judged.classes
