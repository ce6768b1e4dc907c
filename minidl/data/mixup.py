"""MixUp: training on mixtures of pictures, which a network of many parameters cannot learn by heart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minidl.data.collate import default_collate
from minidl.errors import ArgumentError, DTypeError, ShapeError, must
from minidl.ops.arguments import as_float, as_int
from minidl.random import numpy_generator
from minidl.tensor import Tensor


class MixUp:
    """A ``collate_fn`` that mixes each sample of a batch with another, and the labels with them.

    ``x = share * x1 + (1 - share) * x2`` and the same for the one-hot labels, with one share for the batch, drawn from
    Beta(alpha, alpha), and x2 the samples in random order. Labels (N,) become (N, num_classes), which
    ``cross_entropy`` and :class:`~minidl.nn.CategoricalCrossEntropy` take. (Zhang et al., "mixup: beyond empirical
    risk minimization", 2018.)

    Args:
        num_classes: C; labels may also be (N, C) already.
        alpha: the larger, the more even the mixtures; the paper's are from 0.1 to 0.4.
        collate: makes the batch ``[inputs, labels]`` of samples.

    >>> import minidl
    >>> from minidl.data import DataLoader, TensorDataset
    >>> data = TensorDataset(minidl.rand(8, 3), minidl.arange(8) % 2)
    >>> loader = DataLoader(data, batch_size=4, shuffle=True, collate_fn=MixUp(num_classes=2))
    >>> x, y = next(iter(loader))
    >>> x.shape, y.shape, bool(minidl.allclose(y.sum(1), minidl.ones(4)))
    ((4, 3), (4, 2), True)
    """

    def __init__(
        self, num_classes: int, alpha: float = 0.2, collate: Callable[[Sequence[Any]], Any] = default_collate
    ) -> None:
        if as_int("MixUp", "num_classes", num_classes) < 1:
            raise ArgumentError(must("MixUp", "num_classes", "at least 1", num_classes))
        if not as_float("MixUp", "alpha", alpha) > 0.0:
            raise ArgumentError(must("MixUp", "alpha", "positive", alpha))
        self.num_classes, self.alpha, self.collate = num_classes, float(alpha), collate

    def __call__(self, samples: Sequence[Any]) -> tuple[Tensor, Tensor]:
        batch = self.collate(samples)
        if not (isinstance(batch, (tuple, list)) and [type(part) for part in batch] == [Tensor, Tensor]):
            raise DTypeError(
                must("MixUp", "samples", "pairs of an input and a label", type(samples[0]).__name__)
            )
        x, labels = batch[0].array, self._soft(batch[1].array)
        random = numpy_generator(None)
        share = np.float32(random.beta(self.alpha, self.alpha))
        order = random.permutation(len(x))
        return Tensor(_mixed(x, order, share)), Tensor(_mixed(labels, order, share))

    def _soft(self, labels: np.ndarray) -> np.ndarray:
        if labels.ndim == 2 and labels.shape[1] == self.num_classes:
            return labels.astype(np.float32)
        wrong = labels.ndim != 1 or labels.dtype.kind not in "iu"
        if wrong or (labels.size and not 0 <= labels.min() <= labels.max() < self.num_classes):
            expected = f"classes (N,) below {self.num_classes}, or (N, {self.num_classes})"
            got = f"{labels.dtype} of shape {labels.shape}" if wrong else f"{labels.max()} among them"
            raise ShapeError(must("MixUp", "labels", expected, got))
        return np.eye(self.num_classes, dtype=np.float32)[labels]


def _mixed(x: np.ndarray, order: np.ndarray, share: np.float32) -> np.ndarray:
    """The mixture, in x's memory order; pictures (N, C, H, W) are gone through as (N, H, W, C)."""
    if x.ndim == 4:
        return _mixed_rows(x.transpose(0, 2, 3, 1), order, share).transpose(0, 3, 1, 2)
    return _mixed_rows(x, order, share)


def _mixed_rows(x: np.ndarray, order: np.ndarray, share: np.float32) -> np.ndarray:
    result = x * share
    result += (1 - share) * x[order]
    return result
