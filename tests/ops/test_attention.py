"""Scaled dot-product attention, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, check_parity, normal, strided, torch

from minidl.errors import ArgumentError, DimensionError, DTypeError, ShapeError
from minidl.nn import functional as F
from minidl.random import manual_seed
from minidl.tensor import from_numpy

ours, theirs = F.scaled_dot_product_attention, torch.nn.functional.scaled_dot_product_attention


@pytest.fixture(autouse=True)
def _exact() -> Any:
    """PyTorch's definition, which unlike its fused kernels has second derivatives."""
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        yield


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"scale": 0.3}, {"scale": 0.0}, {"scale": -1}])
def test_attention(lead: tuple[int, ...], options: dict[str, Any]) -> None:
    q, k, v = normal(*lead, 5, 4), normal(*lead, 6, 4, seed=1), normal(*lead, 6, 3, seed=2)
    check_parity(lambda *a: ours(*a, **options), lambda *a: theirs(*a, **options), q, k, v)
    check_parity(lambda *a: ours(*a, **options), lambda *a: theirs(*a, **options), *map(strided, (q, k, v)))


@pytest.mark.parametrize("shape", [(5, 6), (2, 1, 5, 6), (1, 6), (5, 1)])
def test_masks(shape: tuple[int, ...]) -> None:
    q, k, v = normal(2, 3, 5, 4), normal(2, 3, 6, 4, seed=1), normal(2, 3, 6, 3, seed=2)
    mask = normal(*shape, seed=3)
    check_parity(lambda *a: ours(*a), lambda *a: theirs(*a), q, k, v, mask)
    allowed = mask > -0.3
    check_parity(lambda *a: ours(*a), lambda *a: theirs(*a), q, k, v, allowed)


def test_a_query_that_may_attend_to_nothing_gets_zeros_and_sends_no_gradient() -> None:
    q, k, v = normal(2, 5, 4), normal(2, 6, 4, seed=1), normal(2, 6, 3, seed=2)
    allowed = normal(5, 6) > 0
    allowed[2] = False
    for mask in (allowed, np.where(allowed, 0.0, -np.inf)):
        y = ours(*(from_numpy(a) for a in (q, k, v, mask)))
        assert not y.array[:, 2].any()
        check_parity(
            lambda q, k, v, mask=mask: ours(q, k, v, from_numpy(mask)),
            lambda q, k, v, mask=mask: theirs(q, k, v, torch.tensor(mask)),
            q, k, v, second=False, float32=mask.dtype == bool,
        )  # fmt: skip


def test_a_float32_mask_with_float64_queries() -> None:
    q, k, v = normal(2, 5, 4), normal(2, 6, 4, seed=1), normal(2, 6, 3, seed=2)
    mask = normal(5, 6).astype(np.float32)
    y = ours(*(from_numpy(a) for a in (q, k, v, mask)))
    expected = theirs(*(torch.tensor(a) for a in (q, k, v, mask)))
    np.testing.assert_allclose(y.array, expected.numpy(), rtol=1e-9)


@pytest.mark.parametrize(("keys", "values"), [(2, 2), (1, 1), (4, 4), (2, 1)])
@pytest.mark.parametrize("causal", [False, True])
def test_grouped_heads(keys: int, values: int, causal: bool) -> None:
    q, k, v = normal(2, 4, 5, 4), normal(2, keys, 6, 4, seed=1), normal(2, values, 6, 3, seed=2)
    options: dict[str, Any] = {"enable_gqa": True, "is_causal": causal}
    check_parity(lambda *a: ours(*a, **options), lambda *a: theirs(*a, **options), q, k, v)


def test_extreme_scores_and_empty_sizes() -> None:
    q, k, v = 1e4 * normal(5, 4), normal(6, 4, seed=1), normal(6, 3, seed=2)
    check_parity(ours, theirs, q, k, v, float32=False)
    for a, b, c in ((q[:0], k, v), (q, k[:0], v[:0]), (q[:, :0], k[:, :0], v)):
        check_parity(ours, theirs, a, b, c)


def test_dropout_drops_weights_and_keeps_their_mean() -> None:
    q, k = from_numpy(np.zeros((200, 4))), from_numpy(np.zeros((100, 4)))
    manual_seed(0)
    weights = ours(q, k, from_numpy(np.eye(100)), dropout_p=0.3).array
    assert abs((weights == 0).mean() - 0.3) < 0.02
    np.testing.assert_allclose(weights[weights != 0], 0.01 / 0.7, rtol=1e-9)
    assert not ours(q, k, from_numpy(np.eye(100)), dropout_p=1.0).array.any()


def test_wrong_arguments() -> None:
    arrays = normal(2, 4, 5, 8), normal(2, 4, 6, 8, seed=1), normal(2, 4, 6, 3, seed=2), normal(5, 6)
    cases: list[tuple[Any, str, Any]] = [
        (ArgumentError, "attn_mask must be None where is_causal is True",
         lambda f, q, k, v, m: f(q, k, v, m, is_causal=True)),
        (ShapeError, "key must be (..., S, 8) to match query (2, 4, 5, 8), got (2, 4, 6, 4)",
         lambda f, q, k, v, m: f(q, k[..., :4], v)),
        (ShapeError, "value must be (..., 6, Ev) to match key (2, 4, 6, 8), got (2, 4, 4, 3)",
         lambda f, q, k, v, m: f(q, k, v[:, :, :4])),
        (ShapeError, "shapes must be broadcastable", lambda f, q, k, v, m: f(q, k[:, :2], v[:, :2])),
        (ShapeError, "key must be of a number of heads that divides the 4 of query, got 3",
         lambda f, q, k, v, m: f(q, k[:, :3], v[:, :3], enable_gqa=True)),
        (DimensionError, "query, key and value must be (..., heads, length, size), got (5, 8)",
         lambda f, q, k, v, m: f(q[0, 0], k[0, 0], v[0, 0], enable_gqa=True)),
        (ShapeError, "query must be of at least 2 dimensions, got shape (8,)",
         lambda f, q, k, v, m: f(q[0, 0, 0], k, v)),
        (ArgumentError, "dropout_p must be a probability, from 0 to 1, got 1.5",
         lambda f, q, k, v, m: f(q, k, v, dropout_p=1.5)),
        (ShapeError, "the operands' shapes must be broadcastable, got (2, 4, 5, 6) and (3, 6)",
         lambda f, q, k, v, m: f(q, k, v, m[:3])),
        (ShapeError, "attn_mask must be broadcastable to (2, 4, 5, 6), got (1, 1, 1, 5, 6)",
         lambda f, q, k, v, m: f(q, k, v, m[None, None, None])),
    ]  # fmt: skip
    for kind, message, call in cases:
        both_raise(
            kind, "scaled_dot_product_attention: " + message if message[0] != "s" else message,
            lambda call=call: call(ours, *map(from_numpy, arrays)),
            lambda call=call: call(theirs, *map(torch.tensor, arrays)),
        )  # fmt: skip
    q, k, v, mask = arrays
    for dtype in (np.int64, np.float16):
        both_raise(
            DTypeError, "attn_mask must be of bools, float32 or query's dtype float64",
            lambda dtype=dtype: ours(*map(from_numpy, (q, k, v, mask.astype(dtype)))),
            lambda dtype=dtype: theirs(*map(torch.tensor, (q, k, v, mask.astype(dtype)))),
        )  # fmt: skip
    both_raise(
        DTypeError, "key must be of query's dtype float64, got float32",
        lambda: ours(*map(from_numpy, (q, k.astype(np.float32), v))),
        lambda: theirs(*map(torch.tensor, (q, k.astype(np.float32), v))),
    )  # fmt: skip
