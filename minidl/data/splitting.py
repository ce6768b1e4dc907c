"""A part of a dataset set aside, with the same share of every class."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.data.dataset import Subset
from minidl.data.duplicates import near_identical
from minidl.data.scan import printable
from minidl.errors import ArgumentError, must, warn
from minidl.random import stream

SHOWN = 5  # pairs of pictures that a warning names


def split(
    dataset: Any, fraction: float, seed: int = 0, *, check_duplicates: bool = True
) -> tuple[Subset[Any], Subset[Any]]:
    """Split a dataset with labels into two parts, the second with ``fraction`` of each class, drawn at random.

    A class of two samples or more has at least one in each part. The same seed gives the same parts.

    Args:
        dataset: it has ``targets``, the number of each sample's class.
        fraction: the second part's share, for instance 0.2 to validate on.
        seed: decides what is drawn.
        check_duplicates: warn of pictures in one part that are nearly the same as one in the other, if ``dataset`` has
            ``files``; see :func:`near_identical`.

    Raises:
        ArgumentError: ``fraction`` is not between 0 and 1, or the dataset has no ``targets``.

    >>> import minidl
    >>> from minidl.data import SyntheticDigits, split
    >>> train, validation = split(SyntheticDigits(n=100), 0.2)
    >>> len(train), len(validation), set(train.indices) & set(validation.indices)
    (80, 20, set())
    """
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 < fraction < 1:
        raise ArgumentError(must("split", "fraction", "between 0 and 1", repr(fraction)))
    targets = getattr(dataset, "targets", None)
    if targets is None:
        raise ArgumentError(must("split", "dataset", "one with targets", type(dataset).__name__))
    labels = np.asarray(getattr(targets, "array", targets))
    apart = np.zeros(len(labels), bool)
    for number, label in enumerate(np.unique(labels)):
        members = np.flatnonzero(labels == label)
        count = min(max(round(len(members) * fraction), 1), len(members) - 1)
        apart[stream(seed, number).permutation(members)[:count]] = True
    parts = Subset(dataset, np.flatnonzero(~apart).tolist()), Subset(dataset, np.flatnonzero(apart).tolist())
    if check_duplicates and hasattr(dataset, "files"):
        _warn_of_duplicates(*parts)
    return parts


def _warn_of_duplicates(first: Subset[Any], second: Subset[Any]) -> None:
    pairs = near_identical(first, second)
    if not pairs:
        return
    lines = [f"  {printable(one)} and {printable(other)}" for one, other in pairs[:SHOWN]]
    more = [f"  and {len(pairs) - SHOWN} more"] if len(pairs) > SHOWN else []
    text = "are nearly the same on both sides of the split, so that the second part judges too kindly"
    warn("\n".join([f"split: {len(pairs)} pairs of pictures {text}:", *lines, *more]))
