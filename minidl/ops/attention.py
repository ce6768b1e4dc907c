"""Attention: each query takes the mean of the values, weighted by how well their keys match (Vaswani et al., 2017)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import tape
from minidl.errors import DimensionError, DTypeError, ShapeError, must
from minidl.ops.activation import _softmax
from minidl.ops.arguments import as_float, cast, check_broadcast, check_tensor, floats, reject
from minidl.ops.dropout import dropout
from minidl.ops.elementwise import _mask, _where
from minidl.ops.linalg import _mT, _product
from minidl.ops.shape import _reshape
from minidl.tape import Op

if TYPE_CHECKING:
    from minidl.tensor import Tensor

__all__ = ["scaled_dot_product_attention"]

# For each query, whether any key has a score that is not -inf.
_attends = Op("attends", lambda scores: np.any(scores != -np.inf, axis=-1, keepdims=True))


def _repeat_heads(op: str, name: str, x: Any, heads: int) -> Any:
    """(..., heads/r, S, E) with each head r times in succession (Ainslie et al., 2023: grouped queries)."""
    own = x.shape[-3]
    if own == 0 or heads % own:
        raise ShapeError(must(op, name, f"of a number of heads that divides the {heads} of query", own))
    *lead, _, length, size = x.shape
    apart = tape.broadcast_to(
        _reshape(x, (*lead, own, 1, length, size)), (*lead, own, heads // own, length, size)
    )
    return _reshape(apart, (*lead, heads, length, size))


def _check(op: str, query: Any, key: Any, value: Any) -> None:
    for name, x in (("query", query), ("key", key), ("value", value)):
        floats(op, x, name)
        if x.dtype != query.dtype:
            raise DTypeError(must(op, name, f"of query's dtype {query.dtype}", x.dtype))
        if x.ndim < 2:
            raise ShapeError(must(op, name, "of at least 2 dimensions", f"shape {x.shape}"))
    if key.shape[-1] != query.shape[-1]:
        raise ShapeError(
            must(op, "key", f"(..., S, {query.shape[-1]}) to match query {query.shape}", key.shape)
        )
    if value.shape[-2] != key.shape[-2]:
        raise ShapeError(
            must(op, "value", f"(..., {key.shape[-2]}, Ev) to match key {key.shape}", value.shape)
        )


def _masked(op: str, scores: Any, attn_mask: Any, dtype: np.dtype) -> Any:
    """The scores, -inf where a mask of bools is False, or with a mask of floats added."""
    check_tensor(op, "attn_mask", attn_mask)
    if attn_mask.dtype not in (np.bool_, np.float32, dtype):
        raise DTypeError(
            must(op, "attn_mask", f"of bools, float32 or query's dtype {dtype}", attn_mask.dtype)
        )
    if check_broadcast(op, scores.shape, attn_mask.shape) != scores.shape:
        raise ShapeError(must(op, "attn_mask", f"broadcastable to {scores.shape}", attn_mask.shape))
    if attn_mask.dtype.kind == "b":
        return _where(attn_mask, scores, -math.inf)
    return scores + cast(attn_mask, dtype)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``softmax(query @ key.mT * scale + mask) @ value`` (Vaswani et al., "Attention is all you need", 2017).

    Args:
        query: (..., L, E). The leading dimensions of all three, usually batch and heads, broadcast.
        key: (..., S, E).
        value: (..., S, Ev).
        attn_mask: broadcastable to (..., L, S): bools, True where a query may attend; or floats, added to the scores.
        dropout_p: the share of the weights that is dropped, whether training or not.
        is_causal: let query i attend to the keys 0 to i only; there must be no ``attn_mask`` then.
        scale: of the scores; ``1 / sqrt(E)`` unless given.
        enable_gqa: ``key`` and ``value`` may have fewer heads (dimension -3) than ``query``, each of which serves
            several of the query's in succession.

    Returns:
        (..., L, Ev). A query that may attend to nothing gets zeros.

    Raises:
        ShapeError, DTypeError: shapes or dtypes do not fit.
        ArgumentError: both a mask and ``is_causal`` are given.

    >>> import minidl
    >>> q, k, v = minidl.zeros(1, 4), minidl.ones(2, 4), minidl.tensor([[1.0], [3.0]])
    >>> minidl.nn.functional.scaled_dot_product_attention(q, k, v)
    tensor([[2.]])
    """
    op = "scaled_dot_product_attention"
    _check(op, query, key, value)
    if attn_mask is not None and is_causal:
        reject(op, "attn_mask", "None where is_causal is True", "a mask")
    if not 0 <= as_float(op, "dropout_p", dropout_p) <= 1:
        reject(op, "dropout_p", "a probability, from 0 to 1", dropout_p)
    if enable_gqa:
        if min(query.ndim, key.ndim, value.ndim) < 3:
            raise DimensionError(must(op, "query, key and value", "(..., heads, length, size)", query.shape))
        key = _repeat_heads(op, "key", key, query.shape[-3])
        value = _repeat_heads(op, "value", value, query.shape[-3])
    check_broadcast(op, query.shape[:-2], key.shape[:-2], value.shape[:-2])
    if scale is None:
        scale = 1.0 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0
    scores = _product(query * as_float(op, "scale", scale), _mT(key))  # (..., L, S)
    if is_causal:
        scores = _where(np.tri(*scores.shape[-2:], dtype=bool), scores, -math.inf)
    elif attn_mask is not None:
        scores = _masked(op, scores, attn_mask, query.dtype)
    last = (scores.ndim - 1,)
    if attn_mask is None:
        weights = _softmax(scores, last)
    else:
        attends = _attends(scores)
        weights = _mask(
            _softmax(_where(attends, scores, 0.0), last), tape.broadcast_to(attends, scores.shape)
        )
    return _product(dropout(weights, dropout_p), value)
