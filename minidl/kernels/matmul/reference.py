"""The product as it is defined: for every step of K, a column of a times a row of b."""

from __future__ import annotations

from typing import Any

import numpy as np


def supports(dtype: np.dtype) -> bool:
    """Everything."""
    return True


def forward(a: np.ndarray, b: Any, bias: np.ndarray | None = None, relu: bool = False) -> np.ndarray:
    """See ``minidl.kernels.matmul.forward``."""
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    c = np.zeros((*lead, a.shape[-2], b.shape[-1]), a.dtype)
    for k in range(a.shape[-1]):
        c += a[..., :, k : k + 1] * b[..., k : k + 1, :]
    return finish(c, bias, relu)


def finish(c: np.ndarray, bias: np.ndarray | None, relu: bool) -> np.ndarray:
    """The finished sums with the bias added, and negative values replaced by 0."""
    if bias is not None:
        c += bias
    return np.maximum(c, 0, out=c) if relu else c
