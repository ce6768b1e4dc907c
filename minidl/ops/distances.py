"""Lengths, angles and distances of vectors, and the losses that compare them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from minidl import tape
from minidl.errors import DTypeError, ShapeError, must
from minidl.ops.arguments import (
    as_float,
    check_broadcast,
    check_tensor,
    dims,
    floating,
    floats,
    promote,
    reject,
)
from minidl.ops.arguments import dim as as_dim
from minidl.ops.choice import _clamp, _minimum, clamp
from minidl.ops.elementwise import _sqrt, _where
from minidl.ops.likelihood import _at_least
from minidl.ops.reduce import _sum
from minidl.ops.reduction import chosen, reduced
from minidl.ops.vector_norm import _vector_norm

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = [
    "normalize", "cosine_similarity", "pairwise_distance",
    "triplet_margin_loss", "cosine_embedding_loss", "margin_ranking_loss",
]  # fmt: skip


def normalize(
    input: Tensor,
    p: float = 2.0,
    dim: int | tuple[int, ...] = 1,
    eps: float = 1e-12,
    out: Tensor | None = None,
) -> Tensor:
    """``input / max(norm, eps)``: vectors along ``dim`` scaled to length 1.

    Args:
        input: floats, of any shape.
        p: the order of the norm, ``(sum of |x|^p)^(1/p)``; inf for the largest absolute value.
        dim: the dimension, or dimensions, along which the vectors lie.
        eps: what to divide shorter vectors by.
        out: a tensor of the result's shape to write it into; then nothing may require a gradient.

    Raises:
        DTypeError: ``input`` is not of floats.
        ShapeError: it is empty along ``dim`` and ``p`` infinite, or ``out`` of another shape.

    >>> import minidl
    >>> minidl.nn.functional.normalize(minidl.tensor([[3.0, 4.0]]))
    tensor([[0.6, 0.8]])
    """
    x = floats("normalize", input)
    along, p = dims("normalize", dim, x.ndim), as_float("normalize", "p", p)
    if math.isinf(p) and any(x.shape[d] == 0 for d in along):
        raise ShapeError(must("normalize", "input", "not empty along dim for an infinite p", x.shape))
    least = as_float("normalize", "eps", eps)
    y = x / _clamp(_vector_norm(x, p, along, True), least, math.inf)
    if out is None:
        return y
    check_tensor("normalize", "out", out)
    if out.shape != y.shape:
        raise ShapeError(must("normalize", "out", f"of the result's shape {y.shape}", out.shape))
    if y.requires_grad or out.requires_grad:
        reject("normalize", "out", "None where a gradient is required", "a tensor")
    return out.copy_(y)


def _float_pair(op: str, first: str, a: Any, second: str, b: Any) -> tuple[Any, Any]:
    """Two tensors in their common dtype, which must be floating."""
    check_tensor(op, first, a)
    check_tensor(op, second, b)
    a, b = promote(op, a, b)
    if a.dtype.kind != "f":
        raise DTypeError(must(op, f"{first} or {second}", "of floats", a.dtype))
    return a, b


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors: ``sum(x1 * x2) / (max(|x1|, eps) * max(|x2|, eps))``.

    ``x1`` and ``x2`` broadcast; the vectors lie along ``dim``, which vanishes.

    Raises:
        DTypeError: a dtype is not floating.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.nn.functional.cosine_similarity(minidl.tensor([[3.0, 4.0]]), minidl.tensor([[4.0, 3.0]]))
    tensor([0.96])
    """
    op = "cosine_similarity"
    a, b = _float_pair(op, "x1", x1, "x2", x2)
    common = check_broadcast(op, a.shape, b.shape)
    along = dims(op, (as_dim(op, dim, len(common)),), len(common))
    a, b = (x if x.shape == common else tape.broadcast_to(x, common) for x in (a, b))
    a, b = (x / _at_least(_vector_norm(x, 2.0, along, True), as_float(op, "eps", eps)) for x in (a, b))
    return _sum(a * b, along, False)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of ``x1 - x2 + eps`` along the last dimension.

    Raises:
        DTypeError: the difference is not of floats.
        ShapeError: the shapes do not broadcast.

    >>> import minidl
    >>> minidl.nn.functional.pairwise_distance(minidl.tensor([3.0, 0.0]), minidl.tensor([0.0, 4.0]), eps=0.0)
    tensor(5.)
    """
    op = "pairwise_distance"
    check_tensor(op, "x1", x1)
    check_tensor(op, "x2", x2)
    check_broadcast(op, x1.shape, x2.shape)
    d = floats(op, x1 - x2 + as_float(op, "eps", eps), "x1 - x2")
    return _vector_norm(d, as_float(op, "p", p), (d.ndim - 1,) if d.ndim else (), keepdim)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(d(anchor, positive) - d(anchor, negative) + margin, 0)``, d the :func:`pairwise_distance`.

    Schroff et al., "FaceNet", 2015, with squared distances; so Balntas et al., 2016.

    Args:
        anchor, positive, negative: (N, K) or (K,), of as many dimensions each.
        margin: by how much farther the negative should be; positive.
        p, eps: as in the distance.
        swap: take the distance from positive to negative where it is less than the anchor's (Balntas et al., 2016).
        size_average, reduce: deprecated, see ``reduction``.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: the numbers of dimensions differ.
        ArgumentError: ``margin`` is not positive, or the reduction does not exist.

    >>> import minidl
    >>> a, p, n = minidl.tensor([[0.0]]), minidl.tensor([[3.0]]), minidl.tensor([[1.0]])
    >>> minidl.nn.functional.triplet_margin_loss(a, p, n, eps=0.0)
    tensor(3.)
    """
    op = "triplet_margin_loss"
    reduction = chosen(op, reduction, size_average, reduce)
    if not margin > 0:
        reject(op, "margin", "positive", margin)
    for name, x in (("anchor", anchor), ("positive", positive), ("negative", negative)):
        check_tensor(op, name, x)
        if x.ndim != anchor.ndim:
            raise ShapeError(must(op, name, f"of {anchor.ndim} dimensions as anchor is", f"shape {x.shape}"))
    near: Any = pairwise_distance(anchor, positive, p, eps)
    far: Any = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = _minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced(_clamp(as_float(op, "margin", margin) + near - far, 0.0, math.inf), reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``1 - cos(input1, input2)`` where ``target`` is 1, ``max(cos - margin, 0)`` where it is -1.

    Args:
        input1, input2: (N, K), or (K,).
        target: (N,), or (), of 1 and -1.
        margin: up to which cosine dissimilar vectors cost nothing.
        size_average, reduce: deprecated, see ``reduction``.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: the shapes do not fit.
        ArgumentError: the reduction does not exist.

    >>> import minidl
    >>> x, y = minidl.tensor([[3.0, 4.0]]), minidl.tensor([[4.0, 3.0]])
    >>> minidl.nn.functional.cosine_embedding_loss(x, y, minidl.tensor([1]))
    tensor(0.04)
    """
    op = "cosine_embedding_loss"
    reduction = chosen(op, reduction, size_average, reduce)
    a, b = promote(op, *(floating(op, x, name) for name, x in (("input1", input1), ("input2", input2))))
    check_tensor(op, "target", target)
    if target.ndim > 1 or a.ndim != target.ndim + 1 or b.ndim != target.ndim + 1:
        got = f"{target.shape} for inputs {a.shape} and {b.shape}"
        raise ShapeError(must(op, "target", "(N,) for inputs (N, K), or () for (K,)", got))
    check_broadcast(op, a.shape, b.shape)
    last = (a.ndim - 1,)
    square1, square2 = (_sum(x * x, last, False) + 1e-12 for x in (a, b))
    cosine = _sum(a * b, last, False) / _sqrt(square1 * square2)
    check_broadcast(op, cosine.shape, target.shape)
    alike = _where(target == 1, 1.0 - cosine, 0.0)
    return reduced(
        alike + _where(target == -1, _clamp(cosine - as_float(op, "margin", margin), 0.0, math.inf), 0.0),
        reduction,
    )


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(-target * (input1 - input2) + margin, 0)``: a target of 1 says that input1 ranks higher, -1 lower.

    The three have as many dimensions, and broadcast.

    Raises:
        ShapeError: the numbers of dimensions differ.
        ArgumentError: the reduction does not exist.

    >>> import minidl
    >>> x, y = minidl.tensor([1.0]), minidl.tensor([3.0])
    >>> minidl.nn.functional.margin_ranking_loss(x, y, minidl.tensor([1]), margin=0.5)
    tensor(2.5)
    """
    op = "margin_ranking_loss"
    reduction = chosen(op, reduction, size_average, reduce)
    for name, x in (("input1", input1), ("input2", input2), ("target", target)):
        check_tensor(op, name, x)
        if x.ndim != input1.ndim:
            raise ShapeError(must(op, name, f"of {input1.ndim} dimensions as input1 is", f"shape {x.shape}"))
    check_broadcast(op, input1.shape, input2.shape, target.shape)
    losses: Any = -target * (input1 - input2) + margin
    return reduced(clamp(losses, min=0), reduction)
