"""The product of matrices, and of stacks of them, with what often follows: a bias, and ReLU.

    c[..., i, j] = sum over k of  a[..., i, k] * b[..., k, j]    (+ bias[j], then max(0, .))

a (..., M, K) and b (..., K, N) have one dtype and any memory order; their leading dimensions are broadcast against each
other. The result is C-contiguous. bias is (N,). The caller has checked shapes and dtypes.

The rungs, from the definition to the default, in GFLOP/s for 1024 x 1024 float32 on two cores (Zen 4, whose peak is
233); ``pytest benchmarks/bench_matmul.py --benchmark-only`` measures them:

    reference   the definition, step by step: K sums of outer products
    loops       the definition as three compiled loops
    blocked     the same loops, over blocks that stay in the cache
    packed      a tile of registers over packed panels, and threads: the default
    blas        NumPy's product, which is OpenBLAS for floats: to compare with, and for other dtypes
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.arrays import compiled_for
from minidl.kernels.registry import Operation, is_forced, register


def policy(dtype: np.dtype) -> str:
    """``packed`` for float32 and float64. For the rest NumPy's product, which does not go to BLAS for these."""
    return "packed" if compiled_for(dtype) else "blas"


operation = Operation("matmul", ("forward",), policy)
for _name in ("reference", "loops", "blocked", "packed", "blas"):
    register("matmul", _name, module=f"minidl.kernels.matmul.{_name}")


def forward(a: np.ndarray, b: Any, bias: np.ndarray | None = None, relu: bool = False) -> np.ndarray:
    """``a @ b``, plus ``bias``, and negative values replaced by 0; ``b`` may be what ``prepare`` returned."""
    return operation.select(a.dtype).forward(a, b, bias, relu)


def may_prepare(dtype: np.dtype) -> bool:
    """Whether the kernel for this dtype can prepare a matrix. One that is forced may be another at the next call."""
    return not is_forced("matmul") and hasattr(operation.select(dtype), "prepare")


def prepare(b: np.ndarray) -> Any:
    """``b`` (K, N) in the form that the default kernel computes with, so that what is constant is copied once."""
    return operation.select(b.dtype).prepare(b)
