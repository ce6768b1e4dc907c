"""Parts of matrices (triangles, diagonals), and sums of products with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import DimensionError, ShapeError, must
from minidl.ops.arguments import as_int, check_broadcast, check_tensor, numeric, numpy_names, promote
from minidl.ops.arguments import dim as as_dim
from minidl.ops.elementwise import add, mul
from minidl.ops.linalg import _check_operands, bmm, mm
from minidl.ops.reduce import sum
from minidl.ops.reorder import _roll
from minidl.ops.shape import _clone
from minidl.tape import Op, broadcast_to

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["tril", "triu", "diagonal", "diag", "trace", "addmm", "baddbmm", "cross"]

_tril: Op = Op("tril", np.tril, lambda g, _y, _x, k: _tril(g, k))
_triu: Op = Op("triu", np.triu, lambda g, _y, _x, k: _triu(g, k))


def _diagonal_forward(x: np.ndarray, offset: int, d1: int, d2: int) -> np.ndarray:
    y = np.diagonal(x, offset, d1, d2)
    y.flags.writeable = x.flags.writeable  # NumPy gives it as read-only
    return y


def _on_diagonal_forward(g: np.ndarray, shape: Any, offset: int, d1: int, d2: int) -> np.ndarray:
    y = np.zeros(shape, g.dtype)
    _diagonal_forward(y, offset, d1, d2)[...] = g
    return y


# A diagonal, as the last dimension in place of two others; and zeros of a shape with ``g`` on that diagonal.
_diagonal: Op = Op(
    "diagonal",
    _diagonal_forward,
    lambda g, _y, _x, offset, d1, d2: _on_diagonal(g, _x.shape, offset, d1, d2),
    view=True,
)
_on_diagonal: Op = Op(
    "diagonal_backward",
    _on_diagonal_forward,
    lambda h, _y, _g, _shape, offset, d1, d2: _diagonal(h, offset, d1, d2),
)


def _check_matrices(op: str, input: Any) -> None:
    check_tensor(op, "input", input)
    if input.ndim < 2:
        raise ShapeError(must(op, "input", "of at least 2 dimensions", f"shape {input.shape}"))


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of matrices (..., M, N), with zeros above that diagonal.

    ``diagonal`` 0 is the main one, which is kept; a positive one lies above it, a negative one below.

    Raises:
        ShapeError: ``input`` has fewer than 2 dimensions.

    >>> import minidl
    >>> minidl.tril(minidl.ones(2, 3))
    tensor([[1., 0., 0.],
            [1., 1., 0.]])
    """
    _check_matrices("tril", input)
    return _tril(input, as_int("tril", "diagonal", diagonal))


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of matrices (..., M, N), with zeros below that diagonal; see :func:`tril`.

    Raises:
        ShapeError: ``input`` has fewer than 2 dimensions.

    >>> import minidl
    >>> minidl.triu(minidl.ones(2, 3), diagonal=1)
    tensor([[0., 1., 1.],
            [0., 0., 1.]])
    """
    _check_matrices("triu", input)
    return _triu(input, as_int("triu", "diagonal", diagonal))


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The elements with ``index2 - index1 == offset`` in two dimensions, as one dimension, the last. A view.

    Raises:
        DimensionError: ``dim1`` and ``dim2`` are the same.

    >>> import minidl
    >>> minidl.diagonal(minidl.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    check_tensor("diagonal", "input", input)
    d1, d2 = as_dim("diagonal", dim1, input.ndim, "dim1"), as_dim("diagonal", dim2, input.ndim, "dim2")
    if d1 == d2:
        raise DimensionError(must("diagonal", "dim2", f"another dimension than dim1 = {d1}", dim2))
    return _diagonal(input, as_int("diagonal", "offset", offset), d1, d2)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """Of a matrix a diagonal, as a vector; of a vector the matrix with it on that diagonal, and zeros elsewhere.

    Raises:
        ShapeError: ``input`` is neither a vector nor a matrix.

    >>> import minidl
    >>> minidl.diag(minidl.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    check_tensor("diag", "input", input)
    offset = as_int("diag", "diagonal", diagonal)
    if input.ndim == 2:
        return _clone(_diagonal(input, offset, 0, 1))
    if input.ndim != 1:
        raise ShapeError(must("diag", "input", "a vector or a matrix", f"shape {input.shape}"))
    n = input.shape[0] + abs(offset)
    return _on_diagonal(input, (n, n), offset, 0, 1)


def trace(input: Tensor) -> Tensor:
    """The sum of the main diagonal of a matrix.

    Raises:
        ShapeError: ``input`` is no matrix.
        DTypeError: it is of bools.

    >>> import minidl
    >>> minidl.trace(minidl.tensor([[1, 2], [3, 4]]))
    tensor(5)
    """
    numeric("trace", input)
    if input.ndim != 2:
        raise ShapeError(must("trace", "input", "a matrix", f"shape {input.shape}"))
    return sum(diagonal(input))


# --- Products that are added ------------------------------------------------------------------------------------


def _added(op: str, input: Any, product: Any, beta: float, alpha: float) -> Any:
    check_broadcast(op, input.shape, product.shape)
    if np.broadcast_shapes(input.shape, product.shape) != product.shape:
        raise ShapeError(must(op, "input", f"broadcastable to {product.shape}", input.shape))
    if product.dtype.kind != "f":  # PyTorch's integers are scaled by integers
        beta, alpha = int(beta), int(alpha)
    product = product if alpha == 1 else mul(product, alpha)
    if beta == 0:  # not even nan counts
        return product
    return add(product, input if beta == 1 else mul(input, beta))


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)`` for matrices (M, K) and (K, P); ``input`` is broadcast to (M, P).

    With ``beta`` 0 ``input`` is not looked at, so its nan and inf do not matter.

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: the dtypes differ.

    >>> import minidl
    >>> minidl.addmm(minidl.ones(1), minidl.tensor([[1.0, 2.0]]), minidl.tensor([[3.0], [4.0]]), alpha=10)
    tensor([[111.]])
    """
    _check_operands("addmm", input, mat1=mat1, mat2=mat2)
    return _added("addmm", input, mm(mat1, mat2), beta, alpha)


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """:func:`addmm` for each of B matrices: (B, M, K) @ (B, K, P); ``input`` is broadcast to (B, M, P).

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: the dtypes differ.

    >>> import minidl
    >>> minidl.baddbmm(minidl.ones(1), minidl.ones(1, 1, 3), minidl.ones(1, 3, 1), beta=5)
    tensor([[[8.]]])
    """
    _check_operands("baddbmm", input, batch1=batch1, batch2=batch2)
    return _added("baddbmm", input, bmm(batch1, batch2), beta, alpha)


@numpy_names
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product of vectors of three elements, which lie along ``dim``; the other dimensions are broadcast.

    ``dim`` is by default the first dimension of size 3; in :func:`minidl.linalg.cross` it is the last.

    Raises:
        ShapeError: the vectors do not have three elements, or the shapes do not broadcast.

    >>> import minidl
    >>> minidl.cross(minidl.tensor([1, 0, 0]), minidl.tensor([0, 1, 0]))
    tensor([0, 0, 1])
    """
    check_tensor("cross", "input", input)
    check_tensor("cross", "other", other)
    if input.ndim != other.ndim or not input.ndim:
        raise ShapeError(
            must("cross", "other", f"of input's {input.ndim} dimensions", f"shape {other.shape}")
        )
    if dim is None:
        if 3 not in input.shape:
            raise ShapeError(must("cross", "input", "of size 3 in some dimension", f"shape {input.shape}"))
        dim = input.shape.index(3)
    d = as_dim("cross", dim, input.ndim)
    shape = check_broadcast("cross", input.shape, other.shape)
    if input.shape[d] != 3 or other.shape[d] != 3:
        got = f"shapes {input.shape} and {other.shape}"
        raise ShapeError(must("cross", "input and other", f"of size 3 in dimension {d}", got))
    a, b = (broadcast_to(x, shape) for x in promote("cross", input, other))

    def turned(x: Any, by: int) -> Any:
        return _roll(x, (-by,), (d,))

    return turned(a, 1) * turned(b, 2) - turned(a, 2) * turned(b, 1)


def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """:func:`minidl.cross`, of vectors along the last dimension unless ``dim`` says otherwise.

    Raises:
        ShapeError: the vectors do not have three elements, or the shapes do not broadcast.

    >>> import minidl
    >>> minidl.linalg.cross(minidl.tensor([1, 0, 0]), minidl.tensor([0, 1, 0]))
    tensor([0, 0, 1])
    """
    return cross(input, other, dim)
