"""Batch and layer normalisation, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, channels_last, check_parity, normal, strided, torch

from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.ops.norm import batch_norm, layer_norm
from minidl.tensor import from_numpy
from minidl.testing import gradcheck, gradgradcheck

F = torch.nn.functional
SHAPES = [(4, 3), (5, 3, 4), (2, 3, 4, 5), (2, 3, 2, 3, 2), (2, 1, 1)]


@pytest.mark.parametrize("parameters", ["both", "weight", "bias", "none"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm(shape: tuple[int, ...], training: bool, parameters: str) -> None:
    c = shape[1]
    mean, var = normal(c, seed=1), normal(c, seed=2) ** 2 + 0.1

    def call(function: Any, wrap: Any) -> Any:
        def f(x: Any, *given: Any) -> Any:
            weight = given[0] if parameters in ("both", "weight") else None
            bias = given[-1] if parameters in ("both", "bias") else None
            numbers = np.float32 if "32" in str(x.dtype) else np.float64
            return function(
                x, wrap(mean.astype(numbers)), wrap(var.astype(numbers)), weight, bias, training, eps=1e-3
            )

        return f

    arrays = [normal(c, seed=3), normal(c, seed=4)][: {"both": 2, "none": 0}.get(parameters, 1)]
    for x in (normal(*shape), strided(normal(*shape))):
        # PyTorch's own second derivative fails on a bias without a weight.
        check_parity(
            call(batch_norm, from_numpy),
            call(F.batch_norm, torch.tensor),
            x,
            *arrays,
            second=parameters != "bias",
        )


@pytest.mark.parametrize("momentum", [0.1, 1.0, 0.0])
def test_running_statistics(momentum: float) -> None:
    x = 3.0 + 2.0 * normal(6, 3, 2, 2)
    mean, var = normal(3), normal(3, seed=1) ** 2
    ours, theirs = [from_numpy(mean.copy()), from_numpy(var.copy())], [torch.tensor(mean), torch.tensor(var)]
    for _ in range(2):
        batch_norm(from_numpy(x), *ours, training=True, momentum=momentum)
        F.batch_norm(torch.tensor(x), *theirs, training=True, momentum=momentum)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.array, b.numpy(), rtol=1e-12)


def test_running_statistics_stay_when_not_training() -> None:
    mean, var = from_numpy(np.zeros(3)), from_numpy(np.ones(3))
    batch_norm(from_numpy(normal(4, 3)), mean, var)
    np.testing.assert_array_equal(mean.array, 0.0)
    np.testing.assert_array_equal(var.array, 1.0)


def test_writing_the_running_statistics_is_noticed() -> None:
    mean, var = from_numpy(np.zeros(3)).requires_grad_(), from_numpy(np.ones(3))
    y = mean * mean
    batch_norm(from_numpy(normal(4, 3)), mean.detach(), var, training=True)
    with pytest.raises(RuntimeError, match="changed in place by batch_norm"):
        y.backward(from_numpy(np.ones(3)))


def test_an_empty_batch_leaves_the_running_statistics() -> None:
    mean, var = from_numpy(np.zeros(3)), from_numpy(np.ones(3))
    assert batch_norm(from_numpy(np.ones((0, 3))), mean, var, training=True).shape == (0, 3)
    np.testing.assert_array_equal(mean.array, 0.0)


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_float32_stays_accurate_over_a_large_batch(offset: float) -> None:
    """In each memory order; the reference is float64."""
    x = (offset + normal(64, 2, 56, 56)).astype(np.float32)
    exact = x.astype(np.float64)
    exact -= exact.mean(axis=(0, 2, 3), keepdims=True)
    exact /= np.sqrt((exact**2).mean(axis=(0, 2, 3), keepdims=True) + 1e-5)
    for image in (x, channels_last(x)):
        y = batch_norm(from_numpy(image), None, None, training=True).array
        assert y.strides == image.strides
        np.testing.assert_allclose(y, exact, atol=1e-5 + 4e-7 * offset)


@pytest.mark.parametrize("training", [True, False])
def test_the_gradient_keeps_the_memory_order(training: bool) -> None:
    image = channels_last(normal(2, 3, 4, 5))
    x, g = from_numpy(image).requires_grad_(), from_numpy(channels_last(normal(2, 3, 4, 5, seed=1)))
    between = x * 1.0
    between.retain_grad()
    arrived = []
    between.register_hook(lambda gradient: arrived.append(gradient.array.strides))
    batch_norm(between, from_numpy(np.zeros(3)), from_numpy(np.ones(3)), training=training).backward(g)
    assert arrived == [image.strides]


def test_against_finite_differences() -> None:
    inputs = [from_numpy(a).requires_grad_() for a in (normal(3, 2, 2, 2), normal(2), normal(2, seed=1))]
    assert gradcheck(lambda x, w, b: batch_norm(x, None, None, w, b, training=True), inputs)
    assert gradgradcheck(lambda x, w, b: batch_norm(x, None, None, w, b, training=True), inputs)


@pytest.mark.parametrize("parameters", [True, False])
@pytest.mark.parametrize(
    ("shape", "sizes"), [((4, 5), (5,)), ((2, 3, 4), (3, 4)), ((5,), (5,)), ((0, 3), (3,))]
)
def test_layer_norm(shape: tuple[int, ...], sizes: tuple[int, ...], parameters: bool) -> None:
    arrays = [normal(*sizes, seed=1), normal(*sizes, seed=2)] if parameters else []
    check_parity(
        lambda x, *p: layer_norm(x, sizes, *p),
        lambda x, *p: F.layer_norm(x, sizes, *p),
        normal(*shape),
        *arrays,
    )


def test_layer_norm_takes_no_int() -> None:
    x = normal(4, 5)
    both_raise(
        DTypeError,
        "layer_norm: normalized_shape must be a tuple of ints, got int",
        lambda: layer_norm(from_numpy(x), 5),
        lambda: F.layer_norm(torch.from_numpy(x), 5),
    )


def _t(*shape: int, dtype: Any = np.float32) -> Any:
    return from_numpy(np.ones(shape, dtype))


def test_errors() -> None:
    one = torch.ones
    for kind, message, ours, theirs in [
        (ShapeError, "batch_norm: input must be of more than 1 value per channel in training, got (1, 3)",
         lambda: batch_norm(_t(1, 3), None, None, training=True),
         lambda: F.batch_norm(one(1, 3), None, None, training=True)),
        (ShapeError, "batch_norm: input must be (N, C, ...), got (3,)",
         lambda: batch_norm(_t(3), None, None, training=True),
         lambda: F.batch_norm(one(3), None, None, training=True)),
        (ArgumentError, "batch_norm: running_mean and running_var must be given when not training, got None",
         lambda: batch_norm(_t(2, 3), None, None),
         lambda: F.batch_norm(one(2, 3), None, None)),
        (ArgumentError, "batch_norm: running_mean and running_var must be both given or both None",
         lambda: batch_norm(_t(2, 3), _t(3), None, training=True),
         lambda: F.batch_norm(one(2, 3), one(3), None, training=True)),
        (ShapeError, "batch_norm: running_mean must be of shape (3,) to match input (2, 3), got (4,)",
         lambda: batch_norm(_t(2, 3), _t(4), _t(4)),
         lambda: F.batch_norm(one(2, 3), one(4), one(4))),
        (ShapeError, "batch_norm: weight must be of shape (3,) to match input (2, 3), got (4,)",
         lambda: batch_norm(_t(2, 3), _t(3), _t(3), _t(4)),
         lambda: F.batch_norm(one(2, 3), one(3), one(3), one(4))),
        (DTypeError, "batch_norm: weight must be of input's dtype float32, got float64",
         lambda: batch_norm(_t(2, 3), _t(3), _t(3), _t(3, dtype=np.float64)),
         lambda: F.batch_norm(one(2, 3), one(3), one(3), one(3).double())),
        (DTypeError, "batch_norm: input must be of floats, got int64",
         lambda: batch_norm(_t(2, 3, dtype=np.int64), None, None, training=True),
         lambda: F.batch_norm(one(2, 3).long(), None, None, training=True)),
        (ShapeError, "layer_norm: input must be (..., 4), got (2, 3)",
         lambda: layer_norm(_t(2, 3), (4,)), lambda: F.layer_norm(one(2, 3), (4,))),
    ]:  # fmt: skip
        both_raise(kind, message, ours, theirs)
