"""Keras's categorical cross-entropy, on probabilities, as stable as PyTorch's on logits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.errors import ArgumentError, ShapeError, must
from minidl.nn import functional as F
from minidl.nn.loss import _Loss
from minidl.ops.arguments import as_float, floats, one_of
from minidl.tensor import Tensor


class CategoricalCrossEntropy(_Loss):
    """``-sum over classes of target * log(input)``, for probabilities (N, C) such as a ``Softmax`` at the end makes.

    Where a class's probability is so small that it is 0 in float32, its logarithm and the gradient are lost: the
    network is wrong, and learns nothing of it. So if ``input`` comes straight from an ``nn.Softmax``, the loss is
    computed from what that was given, as :class:`CrossEntropyLoss` computes it. Other probabilities are divided by
    their sum, and kept in [epsilon, 1 - epsilon], as Keras does: beyond, the gradient is 0.

    Args:
        label_smoothing: the share of the target's probability that goes to all classes equally (Szegedy et al., 2016).
        reduction: "mean", "sum" or "none".
        epsilon: how far probabilities stay from 0 and 1; Keras's is 1e-7.

    Targets are classes (N,), or (N, 1), of ints, or one-hot or soft (N, C) of any dtype. (In Keras these are two
    losses, ``sparse_categorical_crossentropy`` and ``categorical_crossentropy``.)

    Raises:
        ShapeError: when called, ``input`` is not (N, C), or the targets are none of these.

    >>> import minidl
    >>> from minidl import nn
    >>> certain = nn.Softmax(1)(minidl.tensor([[200.0, 0.0]]))
    >>> nn.CategoricalCrossEntropy()(certain, minidl.tensor([1]))
    tensor(200.)
    """

    def __init__(self, label_smoothing: float = 0.0, reduction: str = "mean", epsilon: float = 1e-7) -> None:
        super().__init__(reduction=reduction)
        name = type(self).__name__
        one_of(name, "reduction", reduction, ("mean", "sum", "none"))
        for argument, value, most in (("label_smoothing", label_smoothing, 1.0), ("epsilon", epsilon, 0.5)):
            if not 0.0 <= as_float(name, argument, value) <= most:
                raise ArgumentError(must(name, argument, f"from 0 to {most:g}", value))
        self.label_smoothing, self.epsilon = label_smoothing, epsilon

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        floats("CategoricalCrossEntropy", input)
        if input.ndim != 2:
            raise ShapeError(must("CategoricalCrossEntropy", "input", "(N, C)", input.shape))
        target = _as_target(input, target)
        logits = getattr(input, "softmax_of", None)
        if logits is None or not logits.is_current(input):
            # Of the logarithms of probabilities that sum to 1, the log-softmax is these themselves.
            logs = (input / input.sum(1, keepdim=True)).clamp(self.epsilon, 1.0 - self.epsilon).log()
            return self._of_logs(logs, target)
        return F.cross_entropy(
            logits.values, target, reduction=self.reduction, label_smoothing=self.label_smoothing
        )

    def _of_logs(self, logs: Tensor, target: Tensor) -> Tensor:
        """From log-probabilities (N, C)."""
        classes = logs.shape[1]
        if target.ndim == 1:
            target = F.one_hot(target, classes)
        target = target.to(logs.dtype) * (1.0 - self.label_smoothing) + self.label_smoothing / classes
        losses = -(target * logs).sum(1)
        return losses if self.reduction == "none" else getattr(losses, self.reduction)()

    def extra_repr(self) -> str:
        return f"label_smoothing={self.label_smoothing}, reduction={self.reduction!r}, epsilon={self.epsilon}"


def _as_target(input: Tensor, target: Any) -> Tensor:
    """Classes (N,) of int64, or what each class should get, (N, C), in input's dtype."""
    if target.shape == input.shape and (input.shape[1] > 1 or target.dtype.kind == "f"):
        return target.to(input.dtype)
    if (
        math.prod(target.shape) != len(input)
        or target.shape[:1] != (len(input),)
        or target.dtype.kind not in "iu"
    ):
        expected = f"classes ({len(input)},) of ints, or {input.shape} to match input"
        got = f"{target.dtype} of shape {target.shape}"
        raise ShapeError(must("CategoricalCrossEntropy", "target", expected, got))
    return target.reshape(len(input)).to(np.int64)
