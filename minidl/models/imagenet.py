"""ImageNet's thousand classes, in the order in which all networks trained on them have them (ILSVRC 2012).

Source of the names: WordNet's synonym sets, of each the first word as PyTorch's torchvision lists it. (Russakovsky et
al., "ImageNet large scale visual recognition challenge", 2015.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minidl.errors import ArgumentError, DTypeError, ShapeError, must
from minidl.ops.arguments import as_int
from minidl.tensor import Tensor


@cache
def imagenet_classes() -> tuple[str, ...]:
    """The names of ImageNet's 1,000 classes.

    >>> imagenet_classes()[281:286]
    ('tabby', 'tiger cat', 'Persian cat', 'Siamese cat', 'Egyptian cat')
    """
    path = Path(__file__).with_name("imagenet_classes.txt")
    return tuple(path.read_text(encoding="utf-8").splitlines())


class Prediction(NamedTuple):
    """One of the classes that a network finds likely."""

    name: str
    probability: float
    label: int


def decode_predictions(
    outputs: Any, top: int = 5, classes: Sequence[str] | None = None
) -> list[list[Prediction]]:
    """The likeliest classes of each sample, likeliest first; of equals, the one that comes first among the classes.

    (Keras's gives WordNet's number in place of the label, and takes probabilities only.)

    Args:
        outputs: (N, C) or (C,), a Tensor or array: logits, or probabilities, which are told by rows that sum to 1.
        top: how many for each sample.
        classes: the C names; ImageNet's if left out.

    Raises:
        ShapeError: there are not as many columns as classes.
        ArgumentError: ``top`` is not from 1 to C.

    >>> outputs = np.zeros((1, 1000))
    >>> outputs[0, 281] = 10.0
    >>> decode_predictions(outputs, top=1)
    [[Prediction(name='tabby', probability=0.956..., label=281)]]
    """
    op, names = "decode_predictions", imagenet_classes() if classes is None else classes
    if not isinstance(outputs, (Tensor, np.ndarray)):
        raise DTypeError(must(op, "outputs", "a Tensor or an array", type(outputs).__name__))
    x = np.asarray(outputs.detach().array if isinstance(outputs, Tensor) else outputs, np.float64)
    x = x[None] if x.ndim == 1 else x
    if x.ndim != 2 or x.shape[1] != len(names):
        hint = (
            "" if classes is not None else " (give classes= for a network of other classes than ImageNet's)"
        )
        raise ShapeError(must(op, "outputs", f"(N, {len(names)}){hint}", outputs.shape))
    if not 1 <= as_int(op, "top", top) <= len(names):
        raise ArgumentError(must(op, "top", f"from 1 to {len(names)}", top))
    x = _probabilities(x)
    best = np.argsort(-x, axis=1, kind="stable")[:, :top]
    return [
        [Prediction(names[i], float(row[i]), int(i)) for i in order]
        for row, order in zip(x, best, strict=True)
    ]


def _probabilities(x: np.ndarray) -> np.ndarray:
    """``x`` if each row is a distribution, else its softmax."""
    if (x >= 0).all() and (np.abs(x.sum(axis=1) - 1) < 1e-3).all():
        return x
    x = np.exp(x - x.max(axis=1, keepdims=True))
    return x / x.sum(axis=1, keepdims=True)
