"""Group, instance and root-mean-square normalisation, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import both_raise, channels_last, check_parity, normal, strided, torch

from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.kernels import normalize
from minidl.nn import functional as F
from minidl.tensor import from_numpy

T = torch.nn.functional


@pytest.mark.parametrize(
    ("shape", "groups"),
    [
        ((2, 6, 4, 3), 3),
        ((2, 6), 2),
        ((2, 6, 5), 6),
        ((2, 6, 5), 1),
        ((0, 6, 2), 3),
        ((2, 6, 0), 3),
        ((2, 6), 6),
    ],
)
def test_group_norm(shape: tuple[int, ...], groups: int) -> None:
    w, b = normal(6, seed=1), normal(6, seed=2)
    inputs = [normal(*shape), strided(normal(*shape))]
    inputs += [channels_last(normal(*shape))] if len(shape) == 4 else []
    for x in inputs:
        check_parity(lambda x: F.group_norm(x, groups), lambda x: T.group_norm(x, groups), x)
        if 0 in shape[1:]:
            continue  # PyTorch's gradient of a weight that meets no element is nan
        check_parity(
            lambda x, w, b: F.group_norm(x, groups, w, b, 1e-3), lambda x, w, b: T.group_norm(x, groups, w, b, 1e-3),
            x, w, b,
        )  # fmt: skip


@pytest.mark.parametrize(("channels", "groups"), [(6, 3), (64, 32), (300, 2), (20, 1), (8, 8)])
def test_group_norm_of_images_large_enough_for_the_compiled_kernel(channels: int, groups: int) -> None:
    x, w, b = (
        channels_last(normal(3, channels, 40, 36) + 3),
        normal(channels, seed=1),
        normal(channels, seed=2),
    )
    problem = np.dtype("f"), (3, groups, channels // groups, 40, 36), (2, 3, 4), None, True, "groups-last"
    assert normalize.policy(*problem) == "channels"
    check_parity(lambda x: F.group_norm(x, groups), lambda x: T.group_norm(x, groups), x)
    check_parity(
        lambda x, w, b: F.group_norm(x, groups, w, b, 1e-3), lambda x, w, b: T.group_norm(x, groups, w, b, 1e-3),
        x, w, b,
    )  # fmt: skip
    alone = F.group_norm(from_numpy(x[1:2]), groups).array
    np.testing.assert_array_equal(alone, F.group_norm(from_numpy(x), groups).array[1:2])


def test_large_means_do_not_cancel() -> None:
    x = normal(2, 4, 5) + 1e6
    check_parity(lambda x: F.group_norm(x, 2), lambda x: T.group_norm(x, 2), x, tol=1e-7, float32=False)


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 4, 5), (1, 3, 2, 2, 2), (0, 3, 4)])
def test_instance_norm(shape: tuple[int, ...]) -> None:
    w, b = normal(3, seed=1), normal(3, seed=2)
    for x in (normal(*shape), strided(normal(*shape))):
        check_parity(F.instance_norm, T.instance_norm, x)
        if 0 in shape:
            continue  # PyTorch takes no weight for an empty batch
        check_parity(
            lambda x, w, b: F.instance_norm(x, weight=w, bias=b, eps=1e-2),
            lambda x, w, b: T.instance_norm(x, weight=w, bias=b, eps=1e-2),
            x, w, b,
        )  # fmt: skip


@pytest.mark.parametrize("own", [True, False])
def test_instance_norm_with_running_statistics(own: bool) -> None:
    x, w, b = normal(4, 3, 5, 2), normal(3, seed=1), normal(3, seed=2)
    mean, var = normal(3, seed=3), np.exp(normal(3, seed=4))
    ours = [from_numpy(a.copy()) for a in (x, mean, var, w, b)]
    theirs = [torch.tensor(a) for a in (x, mean, var, w, b)]
    y = F.instance_norm(*ours, use_input_stats=own, momentum=0.3)
    expected = T.instance_norm(*theirs, use_input_stats=own, momentum=0.3)
    np.testing.assert_allclose(y.array, expected.numpy(), rtol=1e-9)
    for got, want in zip(ours[1:3], theirs[1:3], strict=True):
        np.testing.assert_allclose(got.array, want.numpy(), rtol=1e-9)
    assert np.array_equal(ours[1].array, mean) != own


@pytest.mark.parametrize(
    ("shape", "last"), [((2, 3, 4), (4,)), ((2, 3, 4), (3, 4)), ((5,), (5,)), ((2, 0), (0,))]
)
@pytest.mark.parametrize("eps", [None, 0.1])
def test_rms_norm(shape: tuple[int, ...], last: tuple[int, ...], eps: float | None) -> None:
    for x in (normal(*shape), strided(normal(*shape)), np.zeros(shape)):
        check_parity(lambda x: F.rms_norm(x, last, eps=eps), lambda x: T.rms_norm(x, last, eps=eps), x)
        check_parity(
            lambda x, w: F.rms_norm(x, last, w, eps), lambda x, w: T.rms_norm(x, last, w, eps), x,
            normal(*last, seed=1),
        )  # fmt: skip


def test_wrong_arguments() -> None:
    x = normal(2, 6, 3)
    cases: list[tuple[Any, str, Any]] = [
        (ShapeError, "group_norm: input must be (N, C, ...), got (3,)", lambda f, x: f.group_norm(x[0, 0], 3)),
        (ArgumentError, "group_norm: num_groups must be positive and a divisor of the 6 channels, got 4",
         lambda f, x: f.group_norm(x, 4)),
        (ShapeError, "group_norm: weight must be of shape (6,) to match input (2, 6, 3), got (3,)",
         lambda f, x: f.group_norm(x, 3, x[0, 0])),
        (ShapeError, "group_norm: input must be of more than 1 value per group, got (1, 6)",
         lambda f, x: f.group_norm(x[:1, :, 0], 6)),
        (ShapeError, "instance_norm: input must be of more than 1 value per channel of a sample, got (2, 6, 1)",
         lambda f, x: f.instance_norm(x[:, :, :1])),
        (ShapeError, "instance_norm: input must be of more than 1 value", lambda f, x: f.instance_norm(x[0, 0])),
        (ArgumentError, "instance_norm: running_mean and running_var must be given where use_input_stats is False",
         lambda f, x: f.instance_norm(x, use_input_stats=False)),
        (ArgumentError, "instance_norm: running_mean and running_var must be both given or both None",
         lambda f, x: f.instance_norm(x, x[0, :, 0])),
        (ShapeError, "instance_norm: running_mean must be of shape (6,)",
         lambda f, x: f.instance_norm(x, x[0, 0], x[0, 0])),
        (ShapeError, "instance_norm: weight must be of shape (6,)", lambda f, x: f.instance_norm(x, weight=x[0, 0])),
        (ShapeError, "rms_norm: input must be (..., 2), got (2, 6, 3)", lambda f, x: f.rms_norm(x, (2,))),
        (ShapeError, "rms_norm: weight must be of shape (3,)", lambda f, x: f.rms_norm(x, (3,), x[0, :, 0])),
        (ShapeError, "rms_norm: normalized_shape must be of at least one dimension, got ()",
         lambda f, x: f.rms_norm(x, ())),
    ]  # fmt: skip
    for kind, message, call in cases:
        both_raise(
            kind,
            message,
            lambda call=call: call(F, from_numpy(x)),
            lambda call=call: call(T, torch.tensor(x)),
        )
    integers = np.arange(12).reshape(2, 3, 2)
    for name, args in (("group_norm", (3,)), ("instance_norm", ()), ("rms_norm", ((2,),))):
        both_raise(
            DTypeError, f"{name}: input must be of floats, got int64",
            lambda name=name, args=args: getattr(F, name)(from_numpy(integers), *args),
            lambda name=name, args=args: getattr(T, name)(torch.tensor(integers), *args),
        )  # fmt: skip
    with pytest.raises(ArgumentError, match="num_groups must be positive"):
        F.group_norm(from_numpy(x), 0)
