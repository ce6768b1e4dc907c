"""The singular value decomposition, which norms of matrices are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.ops.elementwise import _where
from minidl.ops.linalg import _matmul, _mT
from minidl.ops.matrices import _on_diagonal
from minidl.ops.shape import _reshape
from minidl.tape import Op

__all__: list[str] = []


def _svd_forward(x: np.ndarray) -> tuple[tuple[np.ndarray, ...]]:
    return (tuple(np.linalg.svd(x, full_matrices=False)),)


def _between(u: Any, gu: Any, s: Any) -> Any:
    """The part of the gradient of singular vectors that turns them into each other, over the gaps of ``s²``."""
    inner = _matmul(_mT(u), gu)
    k = s.shape[-1]
    squared = s * s
    gaps = _reshape(squared, (*s.shape[:-1], 1, k)) - _reshape(squared, (*s.shape, 1))
    own: Any = np.eye(k, dtype=bool)
    return (inner - _mT(inner)) / _where(own, 1.0, gaps)


def _outside(u: Any, gu: Any) -> Any:
    """The part of ``gu`` that is orthogonal to all columns of ``u``."""
    return gu - _matmul(u, _matmul(_mT(u), gu))


def _svd_vjp(g: Any, _y: Any, x: Any) -> Any:
    """J. Townsend, "Differentiating the singular value decomposition", 2016."""
    gu, gs, gvh = g
    u, s, vh = _svd(x)
    m, n = x.shape[-2:]
    k = s.shape[-1]
    row = _reshape(s, (*s.shape[:-1], 1, k))  # scales columns
    column = _reshape(s, (*s.shape, 1))  # scales rows
    inner: Any = 0.0
    outer: Any = 0.0
    if gs is not None:
        inner = inner + _on_diagonal(gs, (*s.shape, k), 0, s.ndim - 1, s.ndim)
    if gu is not None:
        inner = inner + _between(u, gu, s) * row
        if m > k:
            outer = outer + _matmul(_outside(u, gu) / row, vh)
    if gvh is not None:
        inner = inner + column * _between(_mT(vh), _mT(gvh), s)
        if n > k:
            outer = outer + _matmul(u, _mT(_outside(_mT(vh), _mT(gvh))) / column)
    return _matmul(_matmul(u, inner), vh) + outer


# x (..., M, N) = u (..., M, K) * s (..., 1, K) @ vh (..., K, N), with K = min(M, N).
_svd: Op = Op("svd", _svd_forward, _svd_vjp, multi=True)


def _singular_values_vjp(g: Any, _y: Any, x: Any, u: Any, vh: Any) -> Any:
    if u is None:
        u, _, vh = _svd(x)
    return _matmul(u * _reshape(g, (*g.shape[:-1], 1, g.shape[-1])), vh)


def _singular_values_forward(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    return s, u, vh


_singular_values = Op("svdvals", _singular_values_forward, _singular_values_vjp, caches=2)
