"""Connectionist temporal classification, against PyTorch and the sum over all paths."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from parity import both_raise, check_parity, normal, torch

from minidl.autograd import grad
from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.nn import functional as F
from minidl.tensor import Tensor, from_numpy
from minidl.testing import gradgradcheck

T = torch.nn.functional
TARGETS = np.array([[1, 2, 2, 1], [3, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0]])
LENGTHS = np.array([4, 2, 1, 0])
TIMES = np.array([10, 8, 9, 3])


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("flat", [False, True])
def test_loss_and_gradient(reduction: str, flat: bool) -> None:
    targets = TARGETS[np.arange(4) < LENGTHS[:, None]] if flat else TARGETS
    constants = targets, TIMES, LENGTHS
    for blank in (0,) if flat else (0, 4):
        check_parity(
            lambda x, blank=blank: F.ctc_loss(F.log_softmax(x, 2), *map(from_numpy, constants), blank, reduction),
            lambda x, blank=blank: T.ctc_loss(T.log_softmax(x, 2), *map(torch.tensor, constants), blank, reduction),
            3 * normal(10, 4, 5), second=False,
        )  # fmt: skip
    check_parity(  # of the logarithms themselves too
        lambda x: F.ctc_loss(x, *map(from_numpy, constants), 0, reduction),
        lambda x: T.ctc_loss(x, *map(torch.tensor, constants), 0, reduction),
        T.log_softmax(torch.tensor(normal(10, 4, 5)), 2).numpy(), second=False,
    )  # fmt: skip


def test_it_is_the_sum_over_all_paths() -> None:
    log_probs = T.log_softmax(torch.tensor(normal(5, 1, 3)), 2).numpy()
    target = (1, 1)
    total = 0.0
    for path in itertools.product(range(3), repeat=5):
        read = tuple(label for label, _ in itertools.groupby(path) if label)
        if read == target:
            total += math.exp(sum(log_probs[t, 0, label] for t, label in enumerate(path)))
    loss = F.ctc_loss(from_numpy(log_probs), from_numpy(np.array([target])), (5,), (2,), reduction="sum")
    np.testing.assert_allclose(loss.array, -math.log(total), rtol=1e-12)


def test_second_derivatives() -> None:
    x = Tensor(normal(6, 3, 4), requires_grad=True)
    targets = from_numpy(np.array([[1, 2], [3, 3], [2, 0]]))
    assert gradgradcheck(
        lambda x: F.ctc_loss(F.log_softmax(x, 2), targets, (6, 5, 4), (2, 2, 1), reduction="none"), x
    )


@pytest.mark.parametrize("zero", [False, True])
def test_a_target_too_long_for_its_input(zero: bool) -> None:
    x, targets = normal(10, 2, 5), np.array([[1, 2, 2], [3, 4, 0]])
    for times, lengths in (((3, 8), (3, 2)), ((0, 8), (0, 2)), ((0, 8), (1, 2))):
        options: dict[str, Any] = {"reduction": "none", "zero_infinity": zero}
        ours, theirs = from_numpy(x).requires_grad_(), torch.tensor(x, requires_grad=True)
        y = F.ctc_loss(F.log_softmax(ours, 2), from_numpy(targets), times, lengths, **options)
        expected = T.ctc_loss(T.log_softmax(theirs, 2), torch.tensor(targets), times, lengths, **options)
        np.testing.assert_allclose(y.array, expected.detach().numpy(), rtol=1e-9)
        y.sum().backward()
        expected.sum().backward()
        np.testing.assert_allclose(ours.grad.array[:, 1], theirs.grad[:, 1].numpy(), rtol=1e-9, atol=1e-12)
        if zero:
            np.testing.assert_allclose(ours.grad.array, theirs.grad.numpy(), rtol=1e-9, atol=1e-12)
        assert np.isfinite(ours.grad.array[3:]).all()


def test_an_infinite_loss_has_no_gradient_that_pretends_to_be_one() -> None:
    x = from_numpy(normal(3, 1, 5)).requires_grad_()
    F.ctc_loss(F.log_softmax(x, 2), from_numpy(np.array([[1, 2, 2]])), (3,), (3,)).backward()
    assert np.isnan(x.grad.array).all()


def test_impossible_labels_and_long_sequences() -> None:
    x = normal(10, 2, 5)
    x[2, :, 1] = -np.inf
    x[:, 1, 4] = -np.inf
    constants = np.array([[1, 2], [2, 3]]), np.array([10, 10]), np.array([2, 2])
    ours = from_numpy(x).requires_grad_()
    loss = F.ctc_loss(F.log_softmax(ours, 2), *map(from_numpy, constants))
    expected = T.ctc_loss(T.log_softmax(torch.tensor(x), 2), *map(torch.tensor, constants))
    np.testing.assert_allclose(loss.array, expected.numpy(), rtol=1e-9)
    loss.backward()
    assert np.isfinite(ours.grad.array).all()  # PyTorch's has nan
    long = 20 * normal(300, 1, 8)  # probabilities far below the least float
    constants = np.arange(1, 8)[None].repeat(5, 1), np.array([300]), np.array([35])
    check_parity(
        lambda x: F.ctc_loss(F.log_softmax(x, 2), *map(from_numpy, constants)),
        lambda x: T.ctc_loss(T.log_softmax(x, 2), *map(torch.tensor, constants)),
        long, second=False, float32=False,
    )  # fmt: skip


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_without_a_batch(shape: tuple[int, ...], reduction: str) -> None:
    constants = TARGETS[0], np.reshape(10, shape), np.reshape(4, shape)
    check_parity(
        lambda x: F.ctc_loss(x, *map(from_numpy, constants), reduction=reduction),
        lambda x: T.ctc_loss(x, *map(torch.tensor, constants), reduction=reduction),
        T.log_softmax(torch.tensor(normal(10, 5)), 1).numpy(), second=False,
    )  # fmt: skip


def test_lengths_may_be_tuples_and_targets_of_int32() -> None:
    x = T.log_softmax(torch.tensor(normal(10, 4, 5)), 2).numpy()
    times, lengths = tuple(TIMES.tolist()), tuple(LENGTHS.tolist())
    y = F.ctc_loss(from_numpy(x), from_numpy(TARGETS.astype(np.int32)), times, lengths)
    np.testing.assert_allclose(
        y.array, T.ctc_loss(torch.tensor(x), torch.tensor(TARGETS), times, lengths).numpy(), rtol=1e-9
    )


def test_a_step_against_the_gradient_lowers_the_loss() -> None:
    x = from_numpy(normal(10, 4, 5)).requires_grad_()
    constants = [from_numpy(a) for a in (TARGETS, TIMES, LENGTHS)]
    loss = F.ctc_loss(F.log_softmax(x, 2), *constants)
    (slope,) = grad(loss, x)
    assert F.ctc_loss(F.log_softmax(x - slope, 2), *constants).item() < loss.item()


def test_wrong_arguments() -> None:
    arrays = normal(10, 2, 5), np.array([[1, 2, 2], [3, 4, 0]]), np.array([10, 8]), np.array([3, 2])
    cases: list[tuple[Any, str, Any]] = [
        (ShapeError, "ctc_loss: targets must be (5,), the sum of lengths, got (6,)",
         lambda f, x, t, i, n: f(x, t.reshape(-1), i, n)),
        (ShapeError, "ctc_loss: targets must be (2, at least 3), got (1, 3)", lambda f, x, t, i, n: f(x, t[:1], i, n)),
        (ShapeError, "ctc_loss: targets must be numbers (N, L) or (sum of lengths,), got int64 (1, 2, 3)",
         lambda f, x, t, i, n: f(x, t[None], i, n)),
        (ArgumentError, "ctc_loss: input_lengths must be in [0, 10], got [11, 9]",
         lambda f, x, t, i, n: f(x, t, i + 1, n)),
        (ArgumentError, "ctc_loss: target_lengths must be in [0, 3], got [4, 3]",
         lambda f, x, t, i, n: f(x, t, i, n + 1)),
        (ArgumentError, "ctc_loss: target_lengths must be in [0, 3], got [-3, -2]",
         lambda f, x, t, i, n: f(x, t, i, -n)),
        (ArgumentError, "ctc_loss: blank must be in [0, 4], got 5", lambda f, x, t, i, n: f(x, t, i, n, 5)),
        (ArgumentError, "ctc_loss: blank must be in [0, 4], got -1", lambda f, x, t, i, n: f(x, t, i, n, -1)),
        (ShapeError, "ctc_loss: input_lengths must be (2,), one for each sample, got (1,)",
         lambda f, x, t, i, n: f(x, t, i[:1], n)),
        (DTypeError, "ctc_loss: input_lengths must be of integers, got float64",
         lambda f, x, t, i, n: f(x, t, x[:2, 0, 0], n)),
        (DTypeError, "ctc_loss: target_lengths must be a Tensor or a tuple of ints, got str",
         lambda f, x, t, i, n: f(x, t, i, "32")),
        (ShapeError, "ctc_loss: log_probs must be (T, N, C) or (T, C), and not empty, got (10, 0, 5)",
         lambda f, x, t, i, n: f(x[:, :0], t[:0], i[:0], n[:0])),
        (ShapeError, "ctc_loss: log_probs must be (T, N, C)", lambda f, x, t, i, n: f(x[0, 0], t, i, n)),
        (DTypeError, "ctc_loss: log_probs must be of floats, got int64", lambda f, x, t, i, n: f(t, t, i, n)),
        (ArgumentError, "ctc_loss: reduction must be 'mean' or 'sum' or 'none', got 'all'",
         lambda f, x, t, i, n: f(x, t, i, n, 0, "all")),
    ]  # fmt: skip
    for kind, message, call in cases:
        both_raise(
            kind, message,
            lambda call=call: call(F.ctc_loss, *map(from_numpy, arrays)),
            lambda call=call: call(T.ctc_loss, *map(torch.tensor, arrays)),
        )  # fmt: skip
    x, t, i, _ = map(from_numpy, arrays)
    with pytest.raises(ArgumentError, match=r"ctc_loss: targets must be in \[0, 4\], got \(0, 7\)"):
        F.ctc_loss(x, t + 3, i, (3, 2))
