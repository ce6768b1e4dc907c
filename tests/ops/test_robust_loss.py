"""Smooth L1 and Huber losses, and those of likelihoods, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, check_parity, normal, strided, torch

from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.nn import functional as F
from minidl.tensor import from_numpy

T = torch.nn.functional
REDUCTIONS = ["none", "mean", "sum"]
PROBABILITIES = np.exp(normal(4, 3)) / np.exp(normal(4, 3)).sum(1, keepdims=True)


def _check(name: str, *arrays: np.ndarray, **options: Any) -> None:
    check = {key: options.pop(key) for key in ("second", "float32", "tol") if key in options}
    check_parity(
        lambda *a: getattr(F, name)(*a, **options),
        lambda *a: getattr(T, name)(*a, **options),
        *arrays,
        **check,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_smooth_l1_and_huber(reduction: str) -> None:
    for shape in ((4, 3), (), (0, 3)):
        x, t = np.asarray(2 * normal(*shape)), np.asarray(normal(*shape, seed=1))
        for size in (1.0, 0.3, 2):
            _check("smooth_l1_loss", x, t, reduction=reduction, beta=size)
            _check("huber_loss", x, t, reduction=reduction, delta=size)
        _check("smooth_l1_loss", x, t, reduction=reduction, beta=0)
    _check("huber_loss", strided(normal(4, 3)), strided(normal(4, 3, seed=1)), reduction=reduction)
    extreme = np.array([-1e4, -1.0, 0.0, 1.0, 1e4, np.inf])
    for name in ("smooth_l1_loss", "huber_loss"):
        _check(name, extreme, np.zeros(6), reduction=reduction, second=False)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_huber_with_weights(reduction: str) -> None:
    check_parity(
        lambda x, t, w: F.huber_loss(x, t, reduction, 0.7, w), lambda x, t, w: T.huber_loss(x, t, reduction, 0.7, w),
        normal(4, 3), normal(4, 3, seed=1), np.exp(normal(4, 3, seed=2)),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["smooth_l1_loss", "huber_loss"])
def test_a_target_that_broadcasts_warns(name: str) -> None:
    x, t = normal(4, 3), normal(1, 3, seed=1)
    with pytest.warns(UserWarning, match="target size"):
        expected = getattr(T, name)(torch.tensor(x), torch.tensor(t))
    with pytest.warns(UserWarning, match=f"{name}: target has shape"):
        y = getattr(F, name)(from_numpy(x), from_numpy(t))
    np.testing.assert_allclose(y.array, expected.numpy(), rtol=1e-12)


@pytest.mark.parametrize("reduction", ["none", "batchmean", "sum"])
def test_kl_div(reduction: str) -> None:
    x = np.log(PROBABILITIES)
    _check("kl_div", x, PROBABILITIES[::-1].copy(), reduction=reduction)
    _check("kl_div", x, x[::-1].copy(), reduction=reduction, log_target=True)
    _check("kl_div", x, PROBABILITIES[:1].copy(), reduction=reduction)
    _check("kl_div", np.array(-0.5), np.array(0.3), reduction=reduction)
    # A probability of 0 costs nothing.
    check_parity(
        lambda x: F.kl_div(x, from_numpy(np.eye(3)), reduction=reduction),
        lambda x: T.kl_div(x, torch.eye(3, dtype=torch.float64), reduction=reduction), normal(3, 3), float32=False,
    )  # fmt: skip


def test_kl_div_warns_of_the_mean() -> None:
    x = np.log(PROBABILITIES)
    with pytest.warns(UserWarning, match="batchmean"):
        expected = T.kl_div(torch.tensor(x), torch.tensor(PROBABILITIES))
    with pytest.warns(UserWarning, match="kl_div: reduction 'mean' divides by the number of elements"):
        y = F.kl_div(from_numpy(x), from_numpy(PROBABILITIES))
    np.testing.assert_allclose(y.array, expected.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("full", [False, True])
def test_gaussian_nll(reduction: str, full: bool) -> None:
    x, t = normal(4, 3), normal(4, 3, seed=1)
    options: dict[str, Any] = {"full": full, "reduction": reduction}
    for var in (np.exp(normal(4, 3, seed=2)), np.exp(normal(4, 1, seed=2)), np.exp(normal(4, seed=2))):
        _check("gaussian_nll_loss", x, t, var, **options)
        # Below eps the gradient passes all the same; PyTorch does so at the first order.
        _check("gaussian_nll_loss", x, t, var, eps=1.0, **options)
    _check("gaussian_nll_loss", x, t, var=0.5, **options)
    _check("gaussian_nll_loss", np.array(1.0), np.array(2.0), np.array(0.3), **options)
    _check("gaussian_nll_loss", x, t[:1], np.exp(normal(4, 3, seed=2)), **options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    "options", [{}, {"full": True}, {"log_input": False}, {"log_input": False, "eps": 0.1}]
)
def test_poisson_nll(reduction: str, options: dict[str, Any]) -> None:
    x, t = np.exp(normal(4, 3)), 3 * np.exp(normal(4, 3, seed=1))
    _check("poisson_nll_loss", x, t, reduction=reduction, **options)
    counts = np.arange(12).reshape(4, 3)
    _check("poisson_nll_loss", x, counts, reduction=reduction, **options)
    _check("poisson_nll_loss", np.ones(3), np.zeros(3, np.int64), reduction=reduction, **options)


def test_integers() -> None:
    i = np.arange(12).reshape(4, 3)
    _check("poisson_nll_loss", i, i[::-1].copy(), tol=1e-6)
    _check("gaussian_nll_loss", i, i[::-1].copy(), var=0.5, tol=1e-6)


def test_wrong_arguments() -> None:
    x, t = normal(4, 3), normal(4, 3, seed=1)
    cases: list[tuple[Any, str, Any]] = [
        (ArgumentError, "smooth_l1_loss: beta must be not negative, got -1",
         lambda f, x, t: f.smooth_l1_loss(x, t, beta=-1)),
        (ArgumentError, "huber_loss: delta must be positive, got 0", lambda f, x, t: f.huber_loss(x, t, delta=0)),
        (ShapeError, "huber_loss: weight must be of input's shape (4, 3), got (3,)",
         lambda f, x, t: f.huber_loss(x, t, weight=x[0])),
        (ArgumentError, "huber_loss: reduction must be 'mean' or 'sum' or 'none', got 'all'",
         lambda f, x, t: f.huber_loss(x, t, "all")),
        (ArgumentError, "kl_div: reduction must be 'mean' or 'batchmean' or 'sum' or 'none', got 'all'",
         lambda f, x, t: f.kl_div(x, t, reduction="all")),
        (DTypeError, "kl_div: target must be of floats, got bool",
         lambda f, x, t: f.kl_div(x, t > 0, reduction="sum")),
        (ShapeError, "kl_div: the operands' shapes must be broadcastable, got (4, 3) and (2, 3)",
         lambda f, x, t: f.kl_div(x, t[:2], reduction="sum")),
        (ArgumentError, "gaussian_nll_loss: var must be not negative, got -0.5",
         lambda f, x, t: f.gaussian_nll_loss(x, t, -0.5)),
        (ArgumentError, "gaussian_nll_loss: var must be not negative", lambda f, x, t: f.gaussian_nll_loss(x, t, t)),
        (ShapeError, "gaussian_nll_loss: var must be (4, 3), (4, 1) or (4,), got (3,)",
         lambda f, x, t: f.gaussian_nll_loss(x, t, x[0])),
        (ArgumentError, "gaussian_nll_loss: reduction must be",
         lambda f, x, t: f.gaussian_nll_loss(x, t, 1.0, reduction="all")),
        (ShapeError, "poisson_nll_loss: the operands' shapes must be broadcastable",
         lambda f, x, t: f.poisson_nll_loss(x, t[:2])),
        (ArgumentError, "poisson_nll_loss: reduction must be",
         lambda f, x, t: f.poisson_nll_loss(x, t, reduction="all")),
    ]  # fmt: skip
    for kind, message, call in cases:
        both_raise(
            kind, message,
            lambda call=call: call(F, from_numpy(x), from_numpy(t)),
            lambda call=call: call(T, torch.tensor(x), torch.tensor(t)),
        )  # fmt: skip
    i = np.arange(12).reshape(4, 3)
    for name in ("smooth_l1_loss", "huber_loss"):
        both_raise(
            DTypeError, f"{name}: input or target must be of floats, got int64",
            lambda name=name: getattr(F, name)(from_numpy(i), from_numpy(i)),
            lambda name=name: getattr(T, name)(torch.tensor(i), torch.tensor(i)),
        )  # fmt: skip
