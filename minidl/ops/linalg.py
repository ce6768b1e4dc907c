"""Products of vectors and matrices.

One Op does the work: a product of (stacks of) matrices, whose two derivatives are such products again. Vectors are
made matrices of one row or one column on the way in. What computes it is in :mod:`minidl.kernels.matmul`, and takes
transposed matrices as they lie in memory, so a transposition costs nothing here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ShapeError, must
from minidl.kernels import matmul as kernels
from minidl.ops.arguments import check_broadcast, check_dtype, check_tensor, is_matrix, numeric
from minidl.ops.elementwise import _relu_backward, mul
from minidl.ops.kept import Kept
from minidl.ops.shape import _reshape
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["matmul", "mm", "bmm", "mv", "dot", "outer"]

_mT: Op = Op("mT", lambda x: x.swapaxes(-1, -2), lambda g, _y, _x: _mT(g), view=True)
_dot = Op(
    "dot", lambda a, b: np.einsum("i,i->", a, b), lambda g, _y, _a, b: g * b, lambda g, _y, a, _b: g * a
)
_matmul: Op = Op(
    "matmul",
    kernels.forward,
    lambda g, _y, _a, b: _matmul(g, _mT(b)),
    lambda g, _y, a, _b: _matmul(_mT(a), g),
)


def _linear_forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, panels: Any) -> np.ndarray:
    return kernels.forward(x, w.T if panels is None else panels, None if b is None else b.reshape(-1))


def _linear_relu_forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, panels: Any) -> np.ndarray:
    return kernels.forward(x, w.T if panels is None else panels, None if b is None else b.reshape(-1), True)


def _linear_relu_joint(needs: Any, g: Any, y: Any, x: Any, w: Any, _b: Any, _panels: Any) -> tuple[Any, ...]:
    g = _relu_backward(g, y)
    return _matmul(g, w) if needs[0] else None, _matmul(_mT(g), x), g if needs[2] else None


# x (N, K), w (F, K), b (F,): the tape sums the bias's gradient over the rows to which it was broadcast. Panels: what
# the kernel has made of a constant w.T, or None.
_linear = Op(
    "linear",
    _linear_forward,
    lambda g, _y, _x, w, _b, _panels: _matmul(g, w),
    lambda g, _y, x, _w, _b, _panels: _matmul(_mT(g), x),
    lambda g, _y, _x, _w, _b, _panels: g,
)
# linear and then relu. Where the weight needs no gradient, x is not kept.
_linear_relu = Op("linear_relu", _linear_relu_forward, joint=_linear_relu_joint)
_linear_relu_frozen = Op(
    "linear_relu",
    _linear_relu_forward,
    lambda g, y, _x, w, _b, _panels: _matmul(_relu_backward(g, y), w),
    None,
    lambda g, y, _x, _w, _b, _panels: _relu_backward(g, y),
)


def _check_operands(op: str, input: Any, **others: Any) -> None:
    """Tensors of numbers, all in the dtype of ``input``: as in PyTorch, products do not promote."""
    numeric(op, input)
    for name, other in others.items():
        check_tensor(op, name, other)
        check_dtype(op, name, other, input)


def _check_ndim(op: str, ndim: int, **operands: Any) -> None:
    for name, x in operands.items():
        if x.ndim != ndim:
            raise ShapeError(must(op, name, f"of {ndim} dimension{'s' * (ndim > 1)}", f"shape {x.shape}"))


def _check_fit(op: str, argument: str, a: Any, b: Any) -> None:
    """The last dimension of ``a`` is as long as the one of ``b`` that it is summed with."""
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        expected = f"(..., {a.shape[-1]}, P)" if b.ndim > 1 else f"({a.shape[-1]},)"
        raise ShapeError(must(op, argument, f"of shape {expected} to match input's shape {a.shape}", b.shape))


def _product(a: Any, b: Any) -> Any:
    """The product of two (stacks of) matrices that fit."""
    if (
        a.ndim > 2 and b.ndim == 2
    ):  # one product of tall matrices, in place of one for each matrix of the stack
        rows = _reshape(a, (math.prod(a.shape[:-1]), a.shape[-1]))
        return _reshape(_matmul(rows, b), (*a.shape[:-1], b.shape[-1]))
    try:
        return _matmul(a, b)
    except ValueError:
        check_broadcast("matmul", a.shape[:-2], b.shape[:-2])
        raise


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product ``input @ other``.

    Two vectors give their dot product; a matrix and a vector, in either order, a vector; tensors of more dimensions
    are stacks of matrices, and the stacks are broadcast: (..., M, K) @ (..., K, P) = (..., M, P).

    Raises:
        DTypeError: the dtypes differ (they are not promoted), or are bool.
        ShapeError: the shapes do not fit, or one has no dimensions.

    >>> import minidl
    >>> minidl.matmul(minidl.tensor([[1, 2], [3, 4]]), minidl.tensor([1, 10]))
    tensor([21, 43])
    """
    if is_matrix(input) and hasattr(other, "__minidl_op__"):  # the usual case
        b = other.array
        if b.ndim == 2 and input.array.shape[1] == b.shape[0]:
            y = input.__minidl_binary__(_matmul, other)
            if y is not None:
                return y
    _check_operands("matmul", input, other=other)
    for name, x in (("input", input), ("other", other)):
        if x.ndim == 0:
            raise ShapeError(must("matmul", name, "of at least one dimension", "none"))
    _check_fit("matmul", "other", input, other)
    if input.ndim == other.ndim == 1:
        return _dot(input, other)
    if input.ndim == 1:
        y = _product(_reshape(input, (1, *input.shape)), other)
        return _reshape(y, (*y.shape[:-2], y.shape[-1]))
    if other.ndim == 1:
        y = _product(input, _reshape(other, (*other.shape, 1)))
        return _reshape(y, y.shape[:-1])
    return _product(input, other)


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices, (M, K) @ (K, P) = (M, P), without broadcasting.

    Raises:
        ShapeError: they are not matrices that fit.
        DTypeError: the dtypes differ.

    >>> import minidl
    >>> minidl.mm(minidl.tensor([[1, 2]]), minidl.tensor([[3], [4]]))
    tensor([[11]])
    """
    _check_operands("mm", input, mat2=mat2)
    _check_ndim("mm", 2, input=input, mat2=mat2)
    _check_fit("mm", "mat2", input, mat2)
    return _matmul(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two stacks of matrices, (B, M, K) @ (B, K, P) = (B, M, P), without broadcasting.

    Raises:
        ShapeError: they are not stacks of as many matrices that fit.
        DTypeError: the dtypes differ.

    >>> import minidl
    >>> minidl.bmm(minidl.ones(2, 1, 3), minidl.ones(2, 3, 1)).shape
    (2, 1, 1)
    """
    _check_operands("bmm", input, mat2=mat2)
    _check_ndim("bmm", 3, input=input, mat2=mat2)
    if input.shape[0] != mat2.shape[0]:
        raise ShapeError(must("bmm", "mat2", f"a stack of {input.shape[0]} matrices", f"shape {mat2.shape}"))
    _check_fit("bmm", "mat2", input, mat2)
    return _matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix (M, K) with a vector (K,).

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: the dtypes differ.

    >>> import minidl
    >>> minidl.mv(minidl.tensor([[1, 2], [3, 4]]), minidl.tensor([1, 10]))
    tensor([21, 43])
    """
    _check_operands("mv", input, vec=vec)
    _check_ndim("mv", 2, input=input)
    _check_ndim("mv", 1, vec=vec)
    _check_fit("mv", "vec", input, vec)
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of the products of the elements of two vectors.

    Raises:
        ShapeError: they are not vectors of one size.
        DTypeError: the dtypes differ.

    >>> import minidl
    >>> minidl.dot(minidl.tensor([1, 2]), minidl.tensor([3, 4]))
    tensor(11)
    """
    _check_operands("dot", input, tensor=tensor)
    _check_ndim("dot", 1, input=input, tensor=tensor)
    if input.shape != tensor.shape:
        raise ShapeError(must("dot", "tensor", f"of input's shape {input.shape}", tensor.shape))
    return _dot(input, tensor)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of an element of ``input`` (M,) with one of ``vec2`` (P,): a matrix (M, P).

    Raises:
        ShapeError: one of them is no vector.

    >>> import minidl
    >>> minidl.outer(minidl.tensor([1, 2]), minidl.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    check_tensor("outer", "input", input)
    check_tensor("outer", "vec2", vec2)
    _check_ndim("outer", 1, input=input, vec2=vec2)
    return mul(_reshape(input, (*input.shape, 1)), vec2)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``: the layer that connects every input feature to every output feature.

    Args:
        input: (..., K).
        weight: (F, K), one row for each output feature; or (K,) for one feature without a dimension of its own.
        bias: (F,), or of no dimensions beside a weight (K,).

    Returns:
        (..., F), or (...) for a weight (K,).

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: the dtypes differ.

    >>> import minidl
    >>> minidl.nn.functional.linear(minidl.tensor([1.0, 2.0]), minidl.tensor([[3.0, 4.0]]), minidl.tensor([10.0]))
    tensor([21.])
    """
    return _apply_linear(_linear, input, weight, bias)


def linear_layer(
    input: Tensor, weight: Tensor, bias: Tensor | None, kept: Kept, relu: bool = False
) -> Tensor:
    """:func:`linear` for a layer, which keeps what the kernel makes of a constant weight; then ``relu``, if wanted.

    ReLU is applied by the kernel of the product, with the same bits as one after the other.
    """
    apply = (_linear_relu if weight.requires_grad else _linear_relu_frozen) if relu else _linear
    panels = None
    if weight.ndim == 2 and kernels.may_prepare(weight.dtype):
        panels = kept.of(weight, None, lambda: kernels.prepare(weight.array.T))
    return _apply_linear(apply, input, weight, bias, panels)


def _apply_linear(apply: Op, input: Any, weight: Any, bias: Any, panels: Any = None) -> Any:
    if bias is None:
        if is_matrix(input) and is_matrix(weight):  # the usual case
            x, w = input.array, weight.array
            if x.dtype is w.dtype and x.shape[1] == w.shape[1]:
                return input.__minidl_op__(apply, (input, weight, None, panels))
        _check_operands("linear", input, weight=weight)
    else:
        _check_operands("linear", input, weight=weight, bias=bias)
    features = weight.shape[:-1]
    if weight.ndim not in (1, 2):
        raise ShapeError(must("linear", "weight", "(out, in) or (in,)", weight.shape))
    if input.shape[-1:] != weight.shape[-1:]:
        expected = f"(..., {weight.shape[-1]}) to match weight {weight.shape}"
        raise ShapeError(must("linear", "input", expected, input.shape))
    if bias is not None and bias.shape != features:
        raise ShapeError(must("linear", "bias", f"{features} to match weight {weight.shape}", bias.shape))
    if input.ndim == weight.ndim == 2:
        return apply(input, weight, bias, panels)
    rows = _reshape(input, (math.prod(input.shape[:-1]), input.shape[-1]))
    y = apply(rows, _reshape(weight, (math.prod(features), input.shape[-1])), bias, panels)
    return _reshape(y, (*input.shape[:-1], *features))
