"""NumPy's product: for float32 and float64 OpenBLAS, decades of tuning in one call.

It is here to be compared with, and because it multiplies integers and float16 too, in loops of NumPy's own. minidl does
not use it for float32 and float64: OpenBLAS has threads of its own, which wait for work by spinning, and two pools that
spin against each other are slower than one thread; and its results depend on the number of threads, and on how many
other rows there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.matmul.reference import finish


def supports(dtype: np.dtype) -> bool:
    """Everything."""
    return True


def forward(a: np.ndarray, b: Any, bias: np.ndarray | None = None, relu: bool = False) -> np.ndarray:
    """See ``minidl.kernels.matmul.forward``."""
    return finish(np.ascontiguousarray(np.matmul(a, b)), bias, relu)
