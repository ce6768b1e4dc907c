"""What a dataset knows of chance: whether its samples are the same every time, and which epoch it is in."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np


def is_random(transform: Any) -> bool:
    """Whether ``transform`` may give another result for the same sample: unless it says ``random = False``, it may.

    >>> from minidl.data import transforms
    >>> is_random(None), is_random(transforms.Resize(224)), is_random(transforms.RandomVerticalFlip()), is_random(abs)
    (False, False, True, True)
    """
    return transform is not None and getattr(transform, "random", True) is not False


def is_deterministic(dataset: Any) -> bool:
    """Whether ``dataset`` declares that it gives the same samples every time."""
    return getattr(dataset, "deterministic", False) is True


def fingerprint(dataset: Any) -> str | None:
    """What the samples of ``dataset`` depend on, hashed; None where it, or a part of it, does not say."""
    tell = getattr(dataset, "fingerprint", None)
    return tell() if callable(tell) else None


def set_epoch(dataset: Any, epoch: int) -> None:
    """Tell ``dataset``, or a sampler, which epoch it is, if it wants to know."""
    if callable(tell := getattr(dataset, "set_epoch", None)):
        tell(epoch)


def digest(*parts: Any) -> str:
    """A hash of arrays (dtype, shape and content) and texts."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            sha.update(f"{part.dtype} {part.shape}\n".encode())
            sha.update(np.ascontiguousarray(part).data)
        else:
            sha.update(f"{part!r}\n".encode())
    return sha.hexdigest()
