"""The length of vectors and the size of matrices: norms.

Where a norm is 0, and at other points where it has no derivative, the gradient is PyTorch's: mostly 0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import dtypes
from minidl.errors import ArgumentError, DimensionError, DTypeError, ShapeError, must
from minidl.ops.arguments import cast, check_tensor, numpy_names, reject, widened
from minidl.ops.arguments import dims as as_dims
from minidl.ops.decomposition import _singular_values
from minidl.ops.elementwise import _abs, _pow, _sign, _where, _zeros_like
from minidl.ops.extremes import _amax, _amin, _check_some, _equal_or_both_nan
from minidl.ops.permutation import _permute
from minidl.ops.reduce import Dims, _kept, _sum, _total
from minidl.ops.shape import _reshape
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["norm"]


def _vector_norm_forward(x: np.ndarray, p: float, reduced: Dims, keepdim: bool) -> np.ndarray:
    if x.dtype == np.float16:
        return np.asarray(_vector_norm_forward(widened(x), p, reduced, keepdim)).astype(x.dtype)
    if p == 0:
        return _total(x != 0, axis=reduced, dtype=x.dtype, keepdims=keepdim)
    if p == 2:
        return np.sqrt(_total(x * x, axis=reduced, keepdims=keepdim))
    size = np.abs(x)
    if math.isinf(p):
        return (np.max if p > 0 else np.min)(size, axis=reduced, keepdims=keepdim)
    if p == 1:
        return _total(size, axis=reduced, keepdims=keepdim)
    return _total(size**p, axis=reduced, keepdims=keepdim) ** (1.0 / p)


def _vector_norm_vjp(g: Any, y: Any, x: Any, p: float, reduced: Dims, keepdim: bool) -> Any:
    """``sign(x) (|x| / y)^(p - 1)``."""
    if x.dtype == np.float16:
        return cast(_vector_norm_vjp(widened(g), widened(y), widened(x), p, reduced, keepdim), x.dtype)
    g, y = _kept(g, reduced, keepdim), _kept(y, reduced, keepdim)
    if p == 0:
        return _zeros_like(x)
    if p == 2:
        return g * _where(y == 0.0, 0.0, x / y)
    if math.isinf(p):  # those that are the largest (smallest) share the gradient
        found = cast(_equal_or_both_nan(_abs(x), y), x.dtype)
        return g * _sign(x) * found / _sum(found, reduced, True)
    slope = _pow(_abs(x), p - 1.0)
    if p < 1:
        slope = _where(x == 0.0, 0.0, slope)
    return _sign(x) * slope * _where(y == 0.0, 0.0, g / _pow(y, p - 1.0))


_vector_norm = Op("vector_norm", _vector_norm_forward, _vector_norm_vjp)


def _floats(op: str, x: Any, dtype: Any) -> Any:
    """``x``, converted to ``dtype`` if that is given, which must be of floats as ``x`` is."""
    check_tensor(op, "input", x)
    if x.dtype.kind != "f":
        raise DTypeError(must(op, "input", "of floats", x.dtype))
    if dtype is None:
        return x
    found = dtypes.as_dtype(op, dtype)
    if found.kind != "f":
        raise DTypeError(must(op, "dtype", "floating", found))
    if found.itemsize < x.dtype.itemsize:
        raise DTypeError(must(op, "dtype", f"no narrower than input's {x.dtype}", found))
    return cast(x, found)


def _order(op: str, ord: Any) -> float:
    if isinstance(ord, bool) or not isinstance(ord, (int, float)):
        raise DTypeError(must(op, "ord", "a number", repr(ord)))
    return float(ord)


def vector_norm(
    x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The ``ord``-norm of ``x``, seen as a vector along ``dim`` or with all its elements: ``sum(|x|^ord)^(1/ord)``.

    Args:
        x: floats.
        ord: inf is the largest ``|x|``, -inf the smallest, 0 the number of elements that are not 0.
        dim: a dimension, several, or None for all.
        keepdim: keep the reduced dimensions, as 1s.
        dtype: convert ``x`` to it first.

    Raises:
        DTypeError: ``x`` is not of floats.
        DimensionError: a dimension is out of range, or empty for an infinite or negative order.

    >>> import minidl
    >>> minidl.linalg.vector_norm(minidl.tensor([3.0, 4.0]))
    tensor(5.)
    """
    return _of_vectors("linalg.vector_norm", x, ord, dim, keepdim, dtype)


def _of_vectors(op: str, x: Any, ord: Any, dim: Any, keepdim: bool, dtype: Any) -> Any:
    x, p = _floats(op, x, dtype), _order(op, ord)
    reduced = as_dims(op, dim, x.ndim)
    if p < 0 or math.isinf(p):
        _check_some(op, x, reduced)
    return _vector_norm(x, p, reduced, keepdim)


def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm of matrices that lie along two dimensions.

    Args:
        A: floats, of at least two dimensions.
        ord: "fro" (Frobenius): the root of the sum of squares; "nuc" (nuclear): the sum of the singular values; 2 or
            -2: the largest or smallest singular value; inf or -inf: the largest or smallest sum of ``|A|`` along a
            row; 1 or -1: along a column.
        dim: the dimensions of rows and columns.
        keepdim: keep them, as 1s.
        dtype: convert ``A`` to it first.

    Raises:
        DTypeError: ``A`` is not of floats.
        ShapeError: it has fewer than 2 dimensions.
        ArgumentError: the order does not exist.

    >>> import minidl
    >>> minidl.linalg.matrix_norm(minidl.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
    tensor(6.)
    """
    return _of_matrices("linalg.matrix_norm", A, ord, dim, keepdim, dtype)


def _of_matrices(op: str, x: Any, ord: Any, dim: Any, keepdim: bool, dtype: Any) -> Any:
    x = _floats(op, x, dtype)
    if x.ndim < 2:
        raise ShapeError(must(op, "input", "of at least 2 dimensions", f"shape {x.shape}"))
    if not isinstance(dim, (tuple, list)) or len(dim) != 2:
        raise DimensionError(must(op, "dim", "two dimensions", dim))
    rows, columns = as_dims(op, dim, x.ndim)
    if ord == "fro":
        return _vector_norm(x, 2.0, (rows, columns), keepdim)
    if ord != "nuc":
        ord = None if isinstance(ord, str) else _order(op, ord)
        if ord is None or abs(ord) not in (1.0, 2.0, math.inf):
            raise ArgumentError(must(op, "ord", "'fro', 'nuc', 1, -1, 2, -2, inf or -inf", repr(ord)))
    rest = [d for d in range(x.ndim) if d not in (rows, columns)]
    y = _permute(x, (*rest, rows, columns))
    last = (len(rest),)
    if ord == "nuc":
        y = _sum(_singular_values(y), last, False)
    else:
        sizes = _singular_values(y) if abs(ord) == 2 else _sum(_abs(y), (len(rest) + math.isinf(ord),), False)
        if ord < 0:
            _check_some(op, sizes, last)
        largest = _amax if sizes.shape[-1] else _sum  # the largest of none is 0
        y = (largest if ord > 0 else _amin)(sizes, last, False)
    kept = tuple([1 if d in (rows, columns) else n for d, n in enumerate(x.shape)])
    return _reshape(y, kept) if keepdim else y


def linalg_norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """A norm of vectors or of matrices.

    - Without ``ord``: :func:`vector_norm` of order 2 along ``dim``, or of all elements.
    - With one dimension ``dim``, or a vector ``A``: :func:`vector_norm`.
    - With two dimensions ``dim``, or a matrix ``A``: :func:`matrix_norm`.

    Raises:
        DTypeError: ``A`` is not of floats.
        ShapeError: ``ord`` is given without ``dim`` for more than 2 dimensions.

    >>> import minidl
    >>> minidl.linalg.norm(minidl.tensor([[3.0, 0.0], [0.0, 4.0]])), minidl.linalg.norm(minidl.tensor([3.0, -4.0]), 1)
    (tensor(5.), tensor(7.))
    """
    op = "linalg.norm"
    check_tensor(op, "A", A)
    if isinstance(dim, (tuple, list)) and len(dim) not in (1, 2):
        raise DimensionError(must(op, "dim", "one dimension or two", dim))
    if ord is None:
        return _of_vectors(op, A, 2, dim, keepdim, dtype)
    if dim is None:
        if A.ndim not in (1, 2):
            raise ShapeError(
                must(op, "A", "a vector or a matrix where ord is given without dim", f"shape {A.shape}")
            )
        dim = tuple(range(A.ndim))
    of_matrices = isinstance(dim, (tuple, list)) and len(dim) == 2
    return (_of_matrices if of_matrices else _of_vectors)(op, A, ord, dim, keepdim, dtype)


@numpy_names
def norm(input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """The norm of vectors along ``dim``, or of all elements; "nuc" that of matrices (see :func:`minidl.linalg.norm`).

    Args:
        input: floats.
        p: a number: the order of :func:`minidl.linalg.vector_norm`; "fro" or None means 2. "nuc": the sum of the
            singular values of a matrix, or of matrices along two dimensions ``dim``.
        dim: a dimension, several, or None for all.
        keepdim: keep the reduced dimensions, as 1s.
        dtype: convert ``input`` to it first.

    Raises:
        ArgumentError: ``p`` is neither a number, "fro" nor "nuc".
        DTypeError: ``input`` is not of floats.
        ShapeError: "nuc" without ``dim`` is asked of what is no matrix.

    >>> import minidl
    >>> minidl.norm(minidl.tensor([[3.0, 4.0], [6.0, 8.0]]), dim=1)
    tensor([ 5., 10.])
    """
    if p == "nuc":
        check_tensor("norm", "input", input)
        if dim is None and input.ndim != 2:
            raise ShapeError(
                must("norm", "input", "a matrix for p 'nuc' without dim", f"shape {input.shape}")
            )
        return _of_matrices("norm", input, p, (0, 1) if dim is None else dim, keepdim, dtype)
    if isinstance(p, str) and p != "fro":
        reject("norm", "p", "a number, 'fro' or 'nuc'", p)
    return _of_vectors("norm", input, 2 if p is None or p == "fro" else p, dim, keepdim, dtype)
