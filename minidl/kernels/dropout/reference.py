"""Dropout as it is defined: the hash of all indices, and the mask that comes of it."""

from __future__ import annotations

import numpy as np

from minidl.kernels.dropout import FIRST, SECOND, kept


def supports(dtype: np.dtype) -> bool:
    """Everything."""
    return True


def forward(x: np.ndarray, key: int, p: float) -> np.ndarray:
    """See ``minidl.kernels.dropout.forward``."""
    lowest, scale = kept(p)
    h = np.arange(x.size).astype(np.uint32)
    for half in (key & 0xFFFFFFFF, key >> 32):
        h = _mixed(h ^ np.uint32(half))
    mask = np.where(h >= lowest, x.dtype.type(scale), x.dtype.type(0))
    with np.errstate(invalid="ignore"):  # a dropped infinity is NaN
        return np.asarray(x * mask.reshape(x.shape))


def _mixed(h: np.ndarray) -> np.ndarray:
    """32 bits whose every bit depends on every bit of h."""
    h = (h ^ (h >> np.uint32(16))) * np.uint32(FIRST)
    h = (h ^ (h >> np.uint32(15))) * np.uint32(SECOND)
    return h ^ (h >> np.uint32(15))
